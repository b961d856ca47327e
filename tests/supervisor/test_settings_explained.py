"""Each value is told with its source and what it overrode, each change with its option; a secret never."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest

from supervisor.settings import (
    Change,
    Explained,
    Loaded,
    Settings,
    as_table,
    diff,
    load,
)

HUSH = "hush-hush"
MASK = "*******"


@attrs.frozen(kw_only=True)
class App:
    name: str = "app"
    core: Settings = attrs.field(factory=Settings)


def by_option(loaded: Loaded[Any]) -> dict[str, Explained]:
    return {one.option: one for one in loaded.explain()}


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("t.toml").write_text(
        "limit = 1\n[supervisor]\nsweep_period = 2\n[profiles.test.supervisor]\nsweep_period = 3\n"
    )
    return "t.toml"


# Sources


def test_each_value_is_told_with_its_source_and_what_it_overrode(file: str) -> None:
    environ = {"TROUPER_SUPERVISOR_SWEEP_PERIOD": "4"}
    overrides = {"supervisor.sweep_period": 5}
    explained = by_option(load(Settings, profile="test", file=file, environ=environ, overrides=overrides))
    assert explained["supervisor.sweep_period"] == Explained(
        "supervisor.sweep_period",
        5.0,
        "overrides",
        (
            (4.0, "TROUPER_SUPERVISOR_SWEEP_PERIOD"),
            (3.0, "t.toml [profiles.test.supervisor]"),
            (2.0, "t.toml [supervisor]"),
            (30.0, "profile test"),
            (300.0, "default"),
        ),
    )
    assert explained["limit"] == Explained("limit", 1, "t.toml", ((20, "default"),))
    assert explained["health.budget"] == Explained("health.budget", 5.0, "default")


def test_all_options_are_told_in_the_order_of_the_class() -> None:
    options = list(by_option(load(Settings, profile="test")))
    assert options[:3] == ["limit", "supervisor.process_limit", "supervisor.condemned_allowance"]
    assert options == names(Settings)


def names(cls: Any, prefix: str = "") -> list[str]:
    options: list[str] = []
    for field in attrs.fields(cls):
        nested: Any = field.type
        options += names(nested, f"{prefix}{field.name}.") if attrs.has(nested) else [prefix + field.name]
    return options


def test_what_a_factory_made_is_told_as_a_default() -> None:
    plain = attrs.make_class("Plain", {"made": attrs.field(factory=lambda: (1, 2), type=tuple[int, ...])})
    assert load(plain, profile="test").explain() == (Explained("made", (1, 2), "default"),)


# The table


def test_the_table_has_aligned_columns(file: str) -> None:
    loaded = load(Settings, profile="test", file=file, overrides={"limit": 4})
    lines = as_table(loaded.explain())
    assert lines[0].split() == ["option", "value", "source", "overrode"]
    value, source, overrode = (lines[0].index(word) for word in ("value", "source", "overrode"))
    first = lines[1]
    assert (first[:value].strip(), first[value:source].strip()) == ("limit", "4")
    assert (first[source:overrode].strip(), first[overrode:]) == ("overrides", "1 (t.toml)")
    assert lines[2] == " " * overrode + "20 (default)"


@pytest.mark.parametrize("width", [80, 100, 200])
def test_the_table_is_folded_to_the_width(file: str, width: int) -> None:
    far = "x/" * 60 + "trouper.toml [profiles.staging.supervisor]"
    options = tuple(one for one in load(Settings, profile="test", file=file).explain())
    lines = as_table((*options, Explained("last", "q" * 90, far, (("w" * 90, far),))), width=width)
    assert max(len(line) for line in lines) <= width
    assert all(any(line.startswith(one.option) for line in lines) for one in options)
    at = next(number for number, line in enumerate(lines) if line.startswith("last "))
    assert "".join("".join(lines[at:]).split()).count("q") == 90


def test_a_text_cannot_steer_the_terminal() -> None:
    lines = as_table([Explained("name", "\x1b[2J\n", "default")])
    assert "\x1b" not in "".join(lines)
    assert "'\\x1b[2J\\n'" in lines[1]


# The audit trail


def test_a_change_is_told_with_its_option_and_both_values() -> None:
    old = load(App, profile="test").value
    new = load(App, profile="staging", overrides={"name": "other"}).value
    changes = diff(old, new)
    assert changes == (
        Change("name", "app", "other"),
        Change("core.supervisor.sweep_period", 30.0, 300.0),
    )
    assert [str(change) for change in changes] == [
        "name: 'app' > 'other'",
        "core.supervisor.sweep_period: 30.0 > 300.0",
    ]


def test_only_settings_of_one_class_are_compared() -> None:
    with pytest.raises(TypeError, match="two settings of one class, not App and Settings"):
        diff(App(), Settings())
