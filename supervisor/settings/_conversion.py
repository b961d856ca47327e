"""How a text or a TOML value becomes what an option takes: typed-settings' converter, but never lossy."""

from __future__ import annotations

import inspect
from enum import Enum
from types import NoneType
from typing import Any, get_args

from typed_settings.converters import TSConverter, to_bool


def strict_converter() -> TSConverter:
    """Theirs takes 1.5 for an int (as 1), 1 for a bool, and anything for a text; ours does not.

    It is this one wherever it runs: their default is another one as soon as cattrs is installed.
    """
    converter = TSConverter(strlist_sep=_items)
    converter.scalar_converters.update(
        {bool: _to_bool, int: _to_int, float: _to_float, str: _to_str, NoneType: _to_none}
    )
    return converter


def kind(cls: Any) -> str:
    """What an option takes, in words."""
    if inspect.isclass(cls) and issubclass(cls, Enum):
        return "one of " + ", ".join(cls.__members__)
    words = inspect.formatannotation(cls)
    return f'{words}; "none" is None' if NoneType in get_args(cls) else words


def _items(text: str) -> list[str]:
    """Between commas; their colons would tear a URL."""
    return [item.strip() for item in text.split(",") if item.strip()]


def _to_bool(value: Any, cls: type) -> Any:
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return to_bool(value, cls)
    raise TypeError("only true and false are")


def _to_int(value: Any, cls: type) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise TypeError("not a whole number")
    return cls(value)


def _to_float(value: Any, cls: type) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError("not a number")
    return cls(value)


def _to_str(value: Any, cls: type) -> Any:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return cls(value)


def _to_none(value: Any, _: type) -> None:
    """TOML and the environment have no word for None."""
    if value is not None and not (isinstance(value, str) and value.lower() == "none"):
        raise TypeError("not none")
