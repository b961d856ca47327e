"""The options of a settings class, flat, by dotted name: which are secret, and what their defaults are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

import attrs
from typed_settings import SettingsState
from typed_settings.types import OptionInfo

from supervisor._settings import PROFILES, Settings, hides

from ._conversion import strict_converter

S = TypeVar("S")


@attrs.frozen
class Options(Generic[S]):
    """All that may be set in a class, and in the classes nested in it."""

    state: SettingsState[S]
    """What typed-settings knows of the class, and the converter for its values."""
    groups: frozenset[str]
    """Those names that hold others: `supervisor`."""
    hidden: frozenset[str]
    """Those options whose values nobody may see."""

    @property
    def cls(self) -> type[S]:
        return self.state.settings_class

    @property
    def infos(self) -> Mapping[str, OptionInfo]:
        """typed-settings' facts about each option, in the order of the class."""
        return self.state.options_by_path

    def names(self) -> list[str]:
        """All that may stand in a file: options, and tables of them."""
        return [*self.infos, *sorted(self.groups)]

    def inside(self, group: str) -> list[str]:
        """What stands right in a group; the empty one: at the top."""
        return [name for name in self.names() if name.rpartition(".")[0] == group]

    def of_profile(self, profile: str) -> dict[str, object]:
        """What a profile sets, wherever `Settings` is nested."""
        homes = {
            path.removesuffix(info.name)
            for path, info in self.infos.items()
            if issubclass(info.parent_cls, Settings)
        }
        return {home + option: value for home in sorted(homes) for option, value in PROFILES[profile].items()}

    def defaults(self) -> dict[str, object]:
        """Those that are known before anything is made; a default that a factory makes is not."""
        return {path: value for path, value in _defaults(self.cls, "") if path in self.infos}

    def required(self) -> list[str]:
        return [path for path, info in self.infos.items() if info.has_no_default]


def options_of(settings_class: type[S]) -> Options[S]:
    """Look at a class: its own options, and those of each attrs class that is nested in it.

    Raises:
      TypeError: it is no attrs class.
    """
    if not _is_attrs(settings_class):
        raise TypeError(f"settings are an attrs class, and {settings_class.__name__} is none")
    state = SettingsState(settings_class, [], [], strict_converter(), Path())  # resolves types in place
    paths = state.options_by_path
    groups = {path[:at] for path in paths for at, character in enumerate(path) if character == "."}
    return Options(state, frozenset(groups), frozenset(_hidden(settings_class)))


def value_of(settings: object, option: str) -> Any:
    """What a settings object has under a dotted name."""
    for part in option.split("."):
        settings = getattr(settings, field_of(type(settings), part).name)
    return settings


def field_of(cls: type[Any], name: str) -> attrs.Attribute[Any]:
    return next(field for field in attrs.fields(cls) if field.alias == name)


def _hidden(cls: type[Any], prefix: str = "", *, within: bool = False) -> Iterator[str]:
    for field in attrs.fields(cls):
        hidden = within or hides(field)
        if _is_group(field):
            yield from _hidden(field.type, f"{prefix}{field.alias}.", within=hidden)
        elif hidden:
            yield f"{prefix}{field.alias}"


def _defaults(cls: type[Any], prefix: str) -> Iterator[tuple[str, object]]:
    """typed-settings knows the defaults that nested classes have; a nested object that is one counts too."""
    for field in attrs.fields(cls):
        option = f"{prefix}{field.alias}"
        made_later = isinstance(field.default, attrs.Factory)  # type: ignore[arg-type]
        if not _is_group(field):
            if field.default is not attrs.NOTHING and not made_later:
                yield option, field.default
        elif (group := _made(field)) is None:
            yield from _defaults(field.type, f"{option}.")
        else:
            yield from _leaves(group, f"{option}.")


def _made(field: attrs.Attribute[Any]) -> Any:
    """The nested object that is a field's default; None: there is none."""
    default: Any = field.default
    if isinstance(default, attrs.Factory):  # type: ignore[arg-type]
        return None if default.takes_self else default.factory()
    return None if default is attrs.NOTHING else default


def _leaves(group: attrs.AttrsInstance, prefix: str) -> Iterator[tuple[str, object]]:
    for field in attrs.fields(type(group)):
        option, value = f"{prefix}{field.alias}", getattr(group, field.name)
        if _is_group(field):
            yield from _leaves(value, f"{option}.")
        else:
            yield option, value


def _is_group(field: attrs.Attribute[Any]) -> bool:
    return field.type is not None and _is_attrs(field.type)


def _is_attrs(cls: type[Any]) -> bool:
    return attrs.has(cls)
