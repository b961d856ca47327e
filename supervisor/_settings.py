"""Settings: all that an operator may set, as one frozen value. Pure: it reads no file and no environment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from ._spec import DEFAULT_LIMIT, HealthPolicy, SupervisorSpec

PROFILES: Mapping[str, Mapping[str, object]] = {
    "test": {"supervisor.sweep_period": 30.0},
    "development": {"supervisor.sweep_period": 120.0},
    "staging": {"supervisor.sweep_period": 300.0},
    "production": {"supervisor.sweep_period": 300.0},
}
"""What each profile sets other than the defaults, by option."""


def _slots(_: Any, attribute: attrs.Attribute[Any], value: int) -> None:
    if value < 0:
        raise ValueError(f"{attribute.name} must be a whole number of slots, 0 or more, not {value!r}")


@attrs.frozen(kw_only=True)
class Settings:
    """What a supervisor is run with. Make another one to change anything: nothing is shared."""

    limit: int = attrs.field(default=DEFAULT_LIMIT, validator=_slots)
    """Slots of a user who has no limit of his own."""
    supervisor: SupervisorSpec = attrs.field(factory=SupervisorSpec)
    health: HealthPolicy = attrs.field(factory=HealthPolicy)
    """For the specs of your managers: `ChildSpec(..., health=settings.health)`."""


@attrs.frozen
class Change:
    """One option that differs between two settings."""

    option: str
    """Dotted: `supervisor.sweep_period`."""
    old: object
    new: object

    def __str__(self) -> str:
        if self.old == MASK:
            return f"{self.option}: changed (a secret)"
        return f"{self.option}: {self.old!r} > {self.new!r}"


def diff(old: attrs.AttrsInstance, new: attrs.AttrsInstance) -> tuple[Change, ...]:
    """What changed from one settings object to another of the same class, option by option.

    A secret is said to have changed, and not to what; which options are secrets: see `hides`.
    """
    if type(old) is not type(new):
        raise TypeError(f"two settings of one class, not {type(old).__name__} and {type(new).__name__}")
    return tuple(_changes("", old, new))


MASK = "*******"
"""Stands for a value that nobody may see."""


def hides(field: attrs.Attribute[Any]) -> bool:
    """Is a field a secret? Its repr is not the plain one, or `Secret` or `SecretStr` is in its type."""
    return field.repr is not True or "Secret" in str(field.type)


def _changes(prefix: str, old: Any, new: Any, *, within: bool = False) -> Iterator[Change]:
    cls: type[attrs.AttrsInstance] = old.__class__
    for field in attrs.fields(cls):
        if not field.init:
            continue  # follows from the others
        before: object = getattr(old, field.name)
        after: object = getattr(new, field.name)
        option, hidden = f"{prefix}{field.alias}", within or hides(field)
        if attrs.has(type(before)) and type(before) is type(after):
            yield from _changes(f"{option}.", before, after, within=hidden)
        elif _opened(before) != _opened(after):
            yield Change(option, MASK, MASK) if hidden else Change(option, before, after)


def _opened(value: Any) -> Any:
    """What can be compared: typed-settings' `Secret` equals nothing but itself."""
    return value.get_secret_value() if hasattr(value, "get_secret_value") else value
