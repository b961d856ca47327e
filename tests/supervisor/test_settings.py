"""Settings are made of layers, each over the one before, and of nothing else."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Any, Literal

import attrs
import pytest

from supervisor.settings import PROFILES, Secret, Settings, diff, load

ROOT = Path(__file__).parent.parent.parent

SWEEP = "supervisor.sweep_period"


class Colour(Enum):
    RED = 1
    BLUE = 2


@attrs.frozen(kw_only=True)
class Google:
    """What an application brings along."""

    client_id: str = "nobody"
    client_secret: Secret[str] = attrs.field(factory=lambda: Secret(""))


@attrs.frozen(kw_only=True)
class App:
    google: Google = attrs.field(factory=Google)
    core: Settings = attrs.field(factory=lambda: Settings(limit=7))
    origins: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Kinds:
    """One option of each kind."""

    number: float = 0.0
    whole: int = 0
    flag: bool = False
    text: str = ""
    colour: Colour = Colour.RED
    pause: timedelta = timedelta(0)
    mode: Literal["fast", "slow"] = "fast"
    place: Path = Path("/")
    maybe: float | None = 1.0
    _own: int = 0


def toml(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "trouper.toml"
    path.write_text(text)
    return path


# The layers


@pytest.mark.parametrize(
    ("profile", "period"), [("test", 30), ("development", 120), ("staging", 300), ("production", 300)]
)
def test_each_profile_has_its_sweep_period(profile: str, period: int) -> None:  # A19
    assert load(Settings, profile=profile).value.supervisor.sweep_period == period


def test_there_are_these_profiles() -> None:  # R20
    assert set(PROFILES) == {"test", "development", "staging", "production"}


FILE = """
limit = 1
[supervisor]
sweep_period = 2
mass_hold = 2
[profiles.staging.supervisor]
sweep_period = 3
[profiles.production.supervisor]
sweep_period = 99
mass_hold = 99
"""


def test_each_layer_goes_over_the_one_before(tmp_path: Path) -> None:
    file = toml(tmp_path, FILE)
    environ = {"TROUPER_SUPERVISOR_SWEEP_PERIOD": "4", "HOME": "/", "LIMIT": "9"}

    def period(**layers: Any) -> float:
        return load(Settings, profile="staging", **layers).value.supervisor.sweep_period

    assert period() == 300
    assert period(file=file) == 3
    assert period(file=file, environ=environ) == 4
    assert period(file=file, environ=environ, overrides={SWEEP: 5}) == 5
    staging = load(Settings, profile="staging", file=file).value
    assert (staging.limit, staging.supervisor.mass_hold) == (1, 2)


def test_a_table_goes_over_the_defaults_of_the_profile(tmp_path: Path) -> None:
    file = toml(tmp_path, FILE)
    assert load(Settings, profile="test", file=file).value.supervisor.sweep_period == 2


def test_what_no_layer_sets_is_as_the_class_has_it() -> None:
    bare = Settings()
    changed = diff(bare, load(Settings, profile="test").value)
    assert [change.option for change in changed] == [SWEEP]


def test_settings_nested_in_settings_of_yours_have_the_defaults_of_the_profile() -> None:
    app = load(App, profile="test", overrides={"google.client_id": "me"}).value
    assert (app.core.supervisor.sweep_period, app.google.client_id) == (30, "me")


def test_a_nested_object_that_is_a_default_is_one() -> None:
    app = load(App, profile="test").value
    assert app.core.limit == 7  # of App, and not the one that Settings has


def test_another_prefix_may_be_used() -> None:
    environ = {"CHAT_LIMIT": "3", "TROUPER_LIMIT": "4"}
    assert load(Settings, profile="test", environ=environ, prefix="CHAT_").value.limit == 3


# Conversion


@pytest.mark.parametrize(
    ("option", "given", "taken"),
    [
        ("number", 300, 300.0),
        ("number", "300", 300.0),
        ("whole", "-3", -3),
        ("flag", "true", True),
        ("flag", "off", False),
        ("colour", "BLUE", Colour.BLUE),
        ("pause", "1h", timedelta(hours=1)),
        ("mode", "slow", "slow"),
        ("maybe", "none", None),
        ("maybe", None, None),
        ("maybe", 3, 3.0),
        ("own", 5, 5),
    ],
)
def test_a_value_is_converted_without_loss(option: str, given: object, taken: object) -> None:
    loaded = load(Kinds, profile="test", overrides={option: given})
    assert {one.option: one.value for one in loaded.explain()}[option] == taken
    result = getattr(loaded.value, {"own": "_own"}.get(option, option))
    assert (result, type(result)) == (taken, type(taken))


def test_commas_make_a_list_and_colons_do_not() -> None:
    environ = {"TROUPER_ORIGINS": "http://a:1, https://b"}
    assert load(App, profile="test", environ=environ).value.origins == ("http://a:1", "https://b")


def test_a_relative_path_begins_at_the_file_it_stands_in(tmp_path: Path) -> None:
    file = toml(tmp_path, 'place = "here/it.is"')
    assert load(Kinds, profile="test", file=file).value.place == tmp_path / "here" / "it.is"


# The extra


def without_typed_settings(program: str) -> subprocess.CompletedProcess[str]:
    program = f"import sys; sys.modules['typed_settings'] = None\n{program}"
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT
    )


def test_without_the_extra_the_supervisor_is_imported_all_the_same() -> None:
    done = without_typed_settings("import supervisor")
    assert (done.returncode, done.stderr) == (0, "")


def test_without_the_extra_loading_says_what_to_install() -> None:
    done = without_typed_settings("import supervisor.settings")
    last = done.stderr.strip().splitlines()[-1]
    assert last == "ImportError: supervisor.settings needs typed-settings: install trouper[settings]"
