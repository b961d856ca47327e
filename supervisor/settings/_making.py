"""From what the layers hold to the object: typed-settings merges and converts; we say what it could not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Generic, TypeAlias, TypeVar, cast

import attrs
import typed_settings
from typed_settings.converters import Converter, get_path_converter_from
from typed_settings.dict_utils import merge_settings
from typed_settings.exceptions import InvalidSettingsError
from typed_settings.types import LoadedSettings, LoadedValue, OptionInfo

from supervisor._settings import MASK

from ._conversion import kind
from ._explained import Explained
from ._layers import DEFAULT
from ._options import Options, field_of, value_of
from ._problems import Problem, SettingsError

S = TypeVar("S")

Values: TypeAlias = Mapping[str, LoadedValue]
"""By option: a value, and the source it came from."""


@attrs.frozen
class Made(Generic[S]):
    """The object, and why it is as it is."""

    value: S
    explained: tuple[Explained, ...]


def made(options: Options[S], layers: Sequence[LoadedSettings]) -> Made[S]:
    """Merge, convert, and make the object; layers are given lowest first.

    Raises:
      SettingsError: a value that an option cannot take, in any layer; or none for one that needs it.
    """
    state = options.state
    merged = merge_settings(state.options, layers)
    converted = [_converted(options, merge_settings(state.options, [layer])) for layer in layers]
    problems = [problem for _, bad in converted for problem in bad]
    problems += [_missing(option) for option in options.required() if option not in merged]
    if problems:
        raise SettingsError(*problems)
    try:
        value = typed_settings.convert(merged, state)
    except InvalidSettingsError as error:
        refusal = _reason(error)
    else:
        return Made(value, tuple(_explained(options, value, [good for good, _ in converted])))
    # Outside of `except`: the library's error shows values, and would be our error's context.
    winners, _ = _converted(options, merged)
    raise SettingsError(*(_refused(options, winners) or [_refused_together(options, winners, refusal)]))


def _converted(options: Options[Any], values: Values) -> tuple[dict[str, LoadedValue], list[Problem]]:
    """Also what is overridden, so that no mistake waits for the day it is not."""
    good: dict[str, LoadedValue] = {}
    bad: list[Problem] = []
    for option, (value, meta) in values.items():
        info = options.infos[option]
        try:
            with get_path_converter_from(options.state.converter).chdir(meta.base_dir):
                result = _taken(info, value, options.state.converter)
        except Exception:  # noqa: BLE001  # a user's converter may raise anything; told without the value
            bad.append(_cannot_be(info, value, meta.name, hidden=option in options.hidden))
        else:
            good[option] = LoadedValue(result, meta)
    return good, bad


def _taken(info: OptionInfo, value: Any, converter: Converter) -> Any:
    if info.converter is not None:
        return info.converter(value)
    cls: Any = info.cls
    return converter.structure(value, cls)


def _cannot_be(info: OptionInfo, value: object, source: str, *, hidden: bool) -> Problem:
    # A table or a list is not shown: secrets may be in it.
    shown = f"{value!r}" if isinstance(value, str | int | float | None) and not hidden else "this value"
    return Problem(source, info.path, f"cannot be {shown}; it takes {kind(info.cls)}")


def _missing(option: str) -> Problem:
    return Problem(
        "", option, "needs a value, and no layer has one; set it in a file, a variable, or an override"
    )


def _refused(options: Options[Any], merged: Values) -> list[Problem]:
    """Whose own validators said no. They are asked once more, one by one, to know whose."""
    return [
        Problem(meta.name, option, "is refused by its validator" if option in options.hidden else reason)
        for option, (_, meta) in merged.items()
        if (reason := _refusal(options, merged, option)) is not None
    ]


def _refusal(options: Options[Any], merged: Values, option: str) -> str | None:
    info = options.infos[option]
    field = field_of(info.parent_cls, info.name)
    if field.validator is None:
        return None
    whole = _unvalidated(info.parent_cls, option.removesuffix(info.name), merged)
    try:
        field.validator(whole, field, merged[option].value)
    except AttributeError:
        return None  # it asks for what is not known here; the class will be named instead
    except Exception as error:  # noqa: BLE001  # a validator may raise anything; it is told as a problem
        return str(error.args[0] if error.args else type(error).__name__)
    return None


def _unvalidated(cls: type[Any], home: str, merged: Values) -> Any:
    """What a validator sees: the object, with its values, before it is valid."""
    whole: Any = object.__new__(cls)
    for field in attrs.fields(cls):
        if f"{home}{field.alias}" in merged:
            object.__setattr__(whole, field.name, merged[f"{home}{field.alias}"].value)
    return whole


def _refused_together(options: Options[Any], merged: Values, reason: str) -> Problem:
    sources = dict.fromkeys(meta.name for _, meta in merged.values() if meta.name != DEFAULT)
    text = "its text is left out, because there are secrets" if options.hidden else reason
    return Problem(", ".join(sources), options.cls.__name__, f"cannot be made of these values: {text}")


def _reason(error: InvalidSettingsError) -> str:
    reasons: Sequence[Exception] = cast("Any", error).exceptions  # a group of them, in theirs untyped
    return "; ".join(str(one).removeprefix("Could not convert loaded settings: ") for one in reasons)


def _explained(options: Options[Any], settings: object, each: Sequence[Values]) -> Iterator[Explained]:
    for option in options.infos:
        shown = [
            (MASK if option in options.hidden else value, meta.name)
            for value, meta in (values[option] for values in reversed(each) if option in values)
        ]
        value = MASK if option in options.hidden else value_of(settings, option)
        source = shown[0][1] if shown else DEFAULT
        yield Explained(option, value, source, tuple(shown[1:]))
