"""Two settings in one process share nothing, and none is made of what nobody passed in."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.settings import PROFILES, Loaded, Secret, Settings, diff, load

ROOT = Path(__file__).parent.parent.parent


@attrs.frozen(kw_only=True)
class Google:
    """What an application brings along."""

    client_id: str = "nobody"
    client_secret: Secret[str] = attrs.field(factory=lambda: Secret(""))


@attrs.frozen(kw_only=True)
class App:
    google: Google = attrs.field(factory=Google)
    core: Settings = attrs.field(factory=Settings)


def toml(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "trouper.toml"
    path.write_text(text)
    return path


GOOGLE_TEST_ID = "GOOGLE_OAUTH_CLIENT_ID_TEST"


@pytest.mark.parametrize("marked", [False, True])
def test_a_credential_of_one_profile_never_shows_in_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, marked: bool
) -> None:  # A22, with the test runner's own markers all around
    if marked:
        monkeypatch.setenv("PYTEST_CURRENT_TEST", "somewhere::test (call)")
        monkeypatch.setenv("TESTING", "1")
        monkeypatch.setenv("TROUPER_GOOGLE_CLIENT_ID", GOOGLE_TEST_ID)  # of the process: not passed in
    file = toml(tmp_path, f'[profiles.test.google]\nclient_id = "{GOOGLE_TEST_ID}"\n')
    assert load(App, profile="test", file=file).value.google.client_id == GOOGLE_TEST_ID
    staging = load(App, profile="staging", file=file)
    assert staging.value.google.client_id == "nobody"
    assert GOOGLE_TEST_ID not in repr(staging) + repr(staging.explain())


def test_the_environment_counts_only_as_it_is_passed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TROUPER_LIMIT", "5")
    assert load(Settings, profile="test").value.limit == Settings().limit
    assert load(Settings, profile="test", environ={}).value.limit == Settings().limit
    ours = {name: value for name, value in os.environ.items() if name == "TROUPER_LIMIT"}
    assert load(Settings, profile="test", environ=ours).value.limit == 5


def test_three_profiles_in_one_process_have_each_only_its_own(tmp_path: Path) -> None:  # A23
    names = ("test", "staging", "production")
    tables = [f'[profiles.{name}.google]\nclient_id = "{name}"\nclient_secret = "s {name}"' for name in names]
    file = toml(tmp_path, "\n".join(tables))

    def secret(loaded: Loaded[App]) -> str:
        return loaded.value.google.client_secret.get_secret_value()

    first = {name: load(App, profile=name, file=file) for name in names}
    for name in (*names, *reversed(names)):
        assert load(App, profile=name, file=file) == first[name]
        assert (first[name].value.google.client_id, secret(first[name])) == (name, f"s {name}")


positive = st.integers(1, 1000)
periods = st.fixed_dictionaries({}, optional={"sweep_period": positive, "mass_hold": positive})
groups = st.fixed_dictionaries({}, optional={"limit": positive, "supervisor": periods})
credentials = st.fixed_dictionaries(
    {}, optional={"client_id": st.text("ab", max_size=3), "client_secret": st.text("cd", min_size=1)}
)
tables = st.fixed_dictionaries({}, optional={"core": groups, "google": credentials})
environs = st.fixed_dictionaries(
    {},
    optional={
        "TROUPER_CORE_LIMIT": positive.map(str),
        "TROUPER_GOOGLE_CLIENT_ID": st.text("ef", min_size=1),
        "PYTEST_CURRENT_TEST": st.just("here"),
    },
)
overrides = st.fixed_dictionaries(
    {}, optional={"core.limit": positive, "core.supervisor.mass_hold": positive}
)


@attrs.frozen
class Layers:
    profile: str
    tables: Mapping[str, Any]
    profiles: Mapping[str, Mapping[str, Any]]
    environ: Mapping[str, str]
    overrides: Mapping[str, object]

    def load(self, folder: Path) -> Loaded[App]:
        file = folder / "trouper.toml"
        lines = list(lines_of(self.tables, ""))
        for name, table in self.profiles.items():
            lines += lines_of(table, f"profiles.{name}")
        file.write_text("\n".join(lines))
        loaded = load(App, profile=self.profile, file=file, environ=self.environ, overrides=self.overrides)
        file.unlink()
        return loaded


def lines_of(table: Any, name: str) -> list[str]:
    """A table as TOML."""
    lines = [f"[{name}]"] if name else []
    lines += [f"{key} = {value!r}" for key, value in table.items() if not isinstance(value, dict)]
    for key, value in table.items():
        if isinstance(value, dict):
            lines += lines_of(value, f"{name}.{key}" if name else key)
    return lines


layers = st.builds(
    Layers,
    st.sampled_from(sorted(PROFILES)),
    tables,
    st.dictionaries(st.sampled_from(sorted(PROFILES)), tables),
    environs,
    overrides,
)


@given(layers, layers)
def test_after_any_other_settings_the_same_layers_make_the_same(
    tmp_path_factory: pytest.TempPathFactory, a: Layers, b: Layers
) -> None:
    folder = tmp_path_factory.getbasetemp()
    first = a.load(folder)
    other = b.load(folder)
    again = a.load(folder)
    assert again == first
    assert again.explain() == first.explain()
    assert diff(first.value, again.value) == ()
    assert b.load(folder) == other


@given(layers, st.data())
def test_no_profile_depends_on_the_table_of_another(
    tmp_path_factory: pytest.TempPathFactory, a: Layers, data: st.DataObject
) -> None:
    folder = tmp_path_factory.getbasetemp()
    own = {name: table for name, table in a.profiles.items() if name == a.profile}
    others = data.draw(st.dictionaries(st.sampled_from(sorted(PROFILES.keys() - {a.profile})), tables))
    assert attrs.evolve(a, profiles=own | others).load(folder) == attrs.evolve(a, profiles=own).load(folder)


# The environment of the process


def test_the_core_and_the_loader_read_no_environment() -> None:
    """Nobody asks `os.environ`: a process whose environment cannot be read loads all the same."""
    program = """
import supervisor.settings, os
# Where pydantic is installed, typed-settings imports it now, and that looks for the machine's time zones.
supervisor.settings.load(supervisor.settings.Settings, profile="test")
class Closed(dict):
    def _no(self, *_): raise AssertionError("read the environment")
    __getitem__ = get = __contains__ = __iter__ = items = keys = _no
os.environ = Closed()
os.getenv = os.environ._no
print(supervisor.settings.load(supervisor.settings.Settings, profile="staging").value.limit)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert (done.returncode, done.stderr, done.stdout.strip()) == (0, "", str(Settings().limit))
