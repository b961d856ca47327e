"""What is wrong with settings is said in one error, which names the option, its source and the way out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from supervisor import SupervisorError
from supervisor.settings import Settings, SettingsError, load

HUSH = "hush-hush"


def _both_or_none(instance: Any, _field: object, value: int) -> None:
    if value and not instance.port:
        raise ValueError("needs a port too")


@attrs.frozen(kw_only=True)
class Door:
    colour: str = "red"


@attrs.frozen(kw_only=True)
class House:
    number: int
    doors: tuple[Door, ...] = ()
    port: int = 0
    backup: int = attrs.field(default=0, validator=_both_or_none)
    flag: bool = False
    maybe: float | None = None
    core: Settings = attrs.field(factory=Settings)


@attrs.frozen(kw_only=True)
class Pair:
    """Its values are refused together, and no validator of one of them is it."""

    low: int = 0
    high: int = 1

    def __attrs_post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError(f"{self.low} is above {self.high}")


def _there(instance: Any, _field: object, value: str) -> None:
    if value not in instance.books:
        raise ValueError(f"{value} is not there")


@attrs.frozen(kw_only=True)
class Shelf:
    books: tuple[str, ...] = attrs.field(factory=lambda: ("one",))
    needed: str = attrs.field(default="one", validator=_there)


@attrs.frozen(kw_only=True)
class Ambiguous:
    door: Door = attrs.field(factory=Door)
    door_colour: str = ""


def complaint(settings_class: type[Any] = House, profile: str = "test", **layers: Any) -> str:
    """What is said of these layers; nothing else is known about it, not even by its context."""
    with pytest.raises(SettingsError) as caught:
        load(settings_class, profile=profile, **layers)
    assert caught.value.__context__ is None
    return str(caught.value)


@pytest.fixture
def toml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    monkeypatch.chdir(tmp_path)

    def toml(text: str) -> str:
        Path("t.toml").write_text(text)
        return "t.toml"

    return toml


NUMBERED = {"number": 1}


def test_it_is_an_error_of_the_package() -> None:
    assert issubclass(SettingsError, SupervisorError)


# Names


def test_an_unknown_profile_is_told_with_the_nearest() -> None:
    assert complaint(profile="stagin") == "there is no profile 'stagin'; did you mean staging?"
    assert complaint(profile="zz").endswith("there are test, development, staging, production")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("numbr = 1", "t.toml: numbr: there is no such option; did you mean number?"),
        (
            "[core.supervisor]\nsweep_perod = 1",
            "t.toml [core.supervisor]: core.supervisor.sweep_perod: there is no such option; "
            "did you mean core.supervisor.sweep_period or core.supervisor.sweep_jitter?",
        ),
        (
            "sweep_period = 1",
            "t.toml: sweep_period: there is no such option; did you mean core.supervisor.sweep_period?",
        ),
        (
            "[core]\nzzzz = 1",
            "t.toml [core]: core.zzzz: there is no such option; "
            "there are core.limit, core.health, core.supervisor",
        ),
        ("[coer]", "t.toml: coer: there is no such option; did you mean core?"),
        (
            "core = 1",
            "t.toml: core: is a table, not a value; in it are core.limit, core.health, core.supervisor",
        ),
        (
            "[profiles.test.core]\nlimt = 1",
            "t.toml [profiles.test.core]: core.limt: there is no such option; did you mean core.limit?",
        ),
        (
            "[profiles.production]\nnumbr = 1",
            "t.toml [profiles.production]: numbr: there is no such option; did you mean number?",
        ),
        (
            "[profiles.prod]",
            "t.toml [profiles.prod]: there is no profile 'prod'; "
            "there are test, development, staging, production",
        ),
        ("[profiles]\ntest = 3", "t.toml: profiles.test: is a table of options"),
        ("profiles = 3", "t.toml: profiles: holds one table for each profile"),
        ("[[doors]]\ncolor = 'red'", "t.toml: doors: cannot take doors.0.color; there are colour"),
    ],
)
def test_an_unknown_name_in_a_file_is_told_with_its_table(
    toml: Callable[[str], str], text: str, said: str
) -> None:
    assert complaint(file=toml(text), overrides=NUMBERED) == said


def test_an_unknown_variable_with_our_prefix_is_told() -> None:
    said = "TROUPER_NUMBR: no option has this variable; did you mean TROUPER_NUMBER?"
    assert complaint(environ={"TROUPER_NUMBR": "1", "TROUPE": "2"}, overrides=NUMBERED) == said
    assert complaint(environ={"TROUPER_ZZZZ": "1"}).endswith(" more")  # and not a page of names


def test_a_variable_that_may_be_two_options_is_told() -> None:
    said = complaint(Ambiguous, environ={"TROUPER_DOOR_COLOUR": "blue"})
    assert said == (
        "TROUPER_DOOR_COLOUR: may be any of door.colour, door_colour: set it in a file or an override"
    )


def test_an_unknown_override_is_told() -> None:
    said = "overrides: core.limits: there is no such option; did you mean core.limit?"
    assert complaint(overrides=NUMBERED | {"core.limits": 3}) == said


# Values


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("number", "many", "cannot be 'many'; it takes int"),
        ("number", 1.5, "cannot be 1.5; it takes int"),
        ("number", True, "cannot be True; it takes int"),
        ("number", None, "cannot be None; it takes int"),
        ("flag", 1, "cannot be 1; it takes bool"),
        ("flag", "maybe", "cannot be 'maybe'; it takes bool"),
        ("maybe", True, 'cannot be True; it takes float | None; "none" is None'),
        ("doors", 3, "doors (needs to be a sequence)"),
        ("core.supervisor.sweep_period", "soon", "cannot be 'soon'; it takes float"),
        ("core.supervisor.sweep_period", -1, "sweep_period must be more than 0 seconds, and finite"),
        ("core.limit", "-1", "limit must be a whole number of slots, 0 or more, not -1"),
        ("backup", "3", "needs a port too"),
    ],
)
def test_a_bad_value_is_told(option: str, value: object, said: str) -> None:
    sentence = complaint(overrides=NUMBERED | {option: value})
    assert sentence.startswith(f"overrides: {option}: ")
    assert said in sentence


def test_a_bad_value_is_told_with_the_source_it_has(toml: Callable[[str], str]) -> None:
    file = toml("number = 1\n[profiles.test.core]\nlimit = 'x'\n[profiles.staging.core]\nlimit = -3")
    environ = {"TROUPER_CORE_LIMIT": "-2"}
    assert complaint(file=file).startswith("t.toml [profiles.test.core]: core.limit: cannot be 'x'")
    staging = complaint(file=file, profile="staging")
    assert staging.startswith("t.toml [profiles.staging.core]: core.limit: limit must")
    assert complaint(file=file, profile="staging", environ=environ).startswith(
        "TROUPER_CORE_LIMIT: core.limit: "
    )


def test_a_bad_value_that_is_overridden_is_told_all_the_same(toml: Callable[[str], str]) -> None:
    said = complaint(file=toml("number = 'x'"), overrides=NUMBERED)
    assert said == "t.toml: number: cannot be 'x'; it takes int"


def test_a_missing_value_is_told() -> None:
    said = "number: needs a value, and no layer has one; set it in a file, a variable, or an override"
    assert complaint() == said


def test_values_that_do_not_go_together_are_told_with_their_sources() -> None:
    said = complaint(Pair, environ={"TROUPER_LOW": "5"}, overrides={"high": 2})
    assert said == "TROUPER_LOW, overrides: Pair: cannot be made of these values: ValueError('5 is above 2')"


def test_a_validator_that_looks_at_what_a_factory_makes_is_told_by_the_class() -> None:
    said = complaint(Shelf, overrides={"needed": "missing"})
    assert said == "overrides: Shelf: cannot be made of these values: ValueError('missing is not there')"


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        load(House, profile="test", environ={"TROUPER_X": ""}, overrides={"y": 1})
    assert [problem.source for problem in caught.value.problems] == ["TROUPER_X", "overrides"]
    lines = str(caught.value).splitlines()
    assert lines == ["2 problems:", *(f"- {problem}" for problem in caught.value.problems)]


# Files


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    file = tmp_path / "none.toml"
    assert complaint(file=file) == f"{file}: there is no such file; make it, or load without a file"


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    assert complaint(file=tmp_path) == f"{tmp_path}: cannot be read: Is a directory"


def test_a_file_that_may_not_be_read_is_told(
    toml: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")  # a test that runs as root is never refused

    monkeypatch.setattr(Path, "open", refuse)
    assert complaint(file="t.toml") == "t.toml: cannot be read: Permission denied"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (f'vault = "{HUSH}'.encode(), "is no TOML: "),
        (f"a = 1\na = '{HUSH}'".encode(), "Cannot overwrite a value"),
        (f"a = '{HUSH}\xff'".encode("latin-1"), "it is not UTF-8"),
        (b"a = " + b"[" * 100_000, "nested too deep"),
        (b"a = " + b"9" * 100_000, "a number is too long"),
    ],
)
def test_a_file_that_is_no_toml_is_told(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "bad.toml"
    file.write_bytes(content)
    sentence = complaint(Pair, file=file)
    assert sentence.startswith(f"{file}: is no TOML")
    assert said in sentence
    assert HUSH not in sentence


# Classes


def test_only_attrs_classes_are_settings() -> None:
    with pytest.raises(TypeError, match="an attrs class, and dict is none"):
        load(dict, profile="test")


def test_an_option_may_not_have_the_name_of_the_profiles_in_a_file() -> None:
    wrong = attrs.make_class("Wrong", {"profiles": attrs.field(default=0, type=int)})
    with pytest.raises(TypeError, match="files keep the profiles under that name"):
        load(wrong, profile="test")


def test_where_the_command_line_looks_is_no_option_and_no_mistake() -> None:
    environ = {"TROUPER_SOCKET": "/run/trouper.sock", "TROUPER_TOKEN": "a token", "TROUPER_LIMIT": "7"}
    assert load(Settings, profile="test", environ=environ).value.limit == 7
    assert "CHAT_SOCKET" in complaint(environ={"CHAT_SOCKET": "/run/chat.sock"}, prefix="CHAT_")
