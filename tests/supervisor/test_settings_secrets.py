"""A secret is in the settings, and in nothing else: no error, repr, explanation, table or difference."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

import attrs
import pytest
import typed_settings

from supervisor.settings import Change, Explained, Loaded, Secret, SettingsError, as_table, diff, load

HUSH = "hush-hush"
MASK = "*******"


@attrs.frozen(kw_only=True)
class Token:
    text: str = ""


@attrs.frozen(kw_only=True)
class Vault:
    """A secret of each sort."""

    ours: Secret[str] = attrs.field(factory=lambda: Secret(""))
    theirs: typed_settings.Secret[str] = attrs.field(factory=lambda: typed_settings.Secret(""))
    string: typed_settings.SecretStr = attrs.field(default=typed_settings.SecretStr(""))
    marked: str = typed_settings.secret(default="")  # pyright: ignore[reportUnknownMemberType]  # theirs
    unseen: str = attrs.field(default="", repr=False)
    many: tuple[Secret[str], ...] = ()
    nested: Token = attrs.field(factory=Token, repr=False)


SECRETS = ("ours", "theirs", "string", "marked", "unseen", "many", "nested.text")


@attrs.frozen(kw_only=True)
class App:
    name: str = "app"
    vault: Vault = attrs.field(factory=Vault)


def by_option(loaded: Loaded[Any]) -> dict[str, Explained]:
    return {one.option: one for one in loaded.explain()}


def secrets(text: str) -> dict[str, object]:
    return {f"vault.{name}": text for name in SECRETS}


def test_no_secret_is_ever_shown(tmp_path: Path) -> None:
    path = tmp_path / "t.toml"
    path.write_text("[vault]\n" + "".join(f'{name} = "low {HUSH}"\n' for name in SECRETS))
    loaded = load(App, profile="test", file=path, overrides=secrets(HUSH))
    vault = loaded.value.vault
    assert vault.ours.get_secret_value() == vault.theirs.get_secret_value() == vault.string == HUSH
    shown = [repr(loaded), str(loaded.value), repr(loaded.explain()), *as_table(loaded.explain(), width=999)]
    assert HUSH not in "".join(shown)
    for name in SECRETS:
        told = by_option(loaded)[f"vault.{name}"]
        assert told.value == MASK
        assert told.overrode[0] == (
            MASK,
            f"{path} [vault]" if name != "nested.text" else f"{path} [vault.nested]",
        )


def test_settings_with_secrets_that_are_loaded_alike_are_equal() -> None:
    alike = [load(Equal, profile="test", overrides={"secret": HUSH}).value for _ in range(2)]
    assert alike[0] == alike[1]
    assert hash(alike[0]) == hash(alike[1])
    assert alike[0] != load(Equal, profile="test", overrides={"secret": "other"}).value
    assert Secret("a") != "a"


@attrs.frozen
class Equal:
    secret: Secret[str]


def test_the_same_settings_have_no_changes() -> None:
    overrides = secrets(HUSH) | {"vault.many": (HUSH, "more")}
    one, other = (load(App, profile="test", overrides=overrides).value for _ in range(2))
    assert diff(one, other) == ()


@pytest.mark.parametrize("name", SECRETS)
def test_that_a_secret_changed_is_told_and_not_to_what(name: str) -> None:
    old = load(App, profile="test", overrides=secrets(f"{HUSH} old")).value
    new = load(App, profile="test", overrides=secrets(f"{HUSH} old") | {f"vault.{name}": f"{HUSH} new"}).value
    (change,) = diff(old, new)
    assert change == Change(f"vault.{name}", MASK, MASK)
    assert str(change) == f"vault.{name}: changed (a secret)"


# Errors


def _never(_instance: object, _field: object, value: Any) -> None:
    if value:
        raise ValueError(f"does not like {value!r}")


@attrs.frozen(kw_only=True)
class Fussy:
    """Says no to everything, aloud."""

    wrapped: Secret[str] = attrs.field(factory=lambda: Secret(""))
    unseen: str = attrs.field(default="", repr=False)
    number: int = attrs.field(default=0, repr=False)
    fussy: str = attrs.field(default="", repr=False, validator=_never)
    refused: bool = False

    def __attrs_post_init__(self) -> None:
        if self.refused:
            raise ValueError(f"not with {self.unseen}")


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("wrapped", [HUSH], "wrapped: cannot be this value; it takes"),
        ("wrapped", {"a": HUSH}, "wrapped: cannot be this value; it takes"),
        ("unseen", [HUSH], "unseen: cannot be this value; it takes str"),
        ("number", HUSH, "number: cannot be this value; it takes int"),
        ("fussy", HUSH, "fussy: is refused by its validator"),
        ("refused", True, "its text is left out, because there are secrets"),
    ],
)
def test_no_error_shows_a_secret(option: str, value: object, said: str) -> None:
    overrides = {"unseen": HUSH, "wrapped": HUSH} | {option: value}
    with pytest.raises(SettingsError) as caught:
        load(Fussy, profile="test", overrides=overrides)
    whole = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + str(caught.value)
    assert said in whole
    assert HUSH not in whole
    assert caught.value.__context__ is None
