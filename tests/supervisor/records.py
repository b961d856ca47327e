"""Any record that a journal can hold, drawn field by field; and what reading it back gives."""

from __future__ import annotations

import enum
import types
from typing import Any, Union, get_args, get_origin, get_type_hints

import attrs
from hypothesis import strategies as st

import supervisor
from supervisor import ActorEvent, Event, EventsLost, Health, HealthPolicy, Refusal, SupervisorSpec, Verdict
from supervisor.journal import RecordedError

# Any text, as a user's name may be: lone surrogates and newlines too.
TEXTS = st.text(st.characters(), max_size=8)
NUMBERS = st.floats(allow_nan=False)
SECONDS = st.floats(min_value=0, exclude_min=True, allow_infinity=False)
COUNTS = st.integers(min_value=0)


class OddError(BaseException):
    """An error of the user's own, in a module, and with more than a text."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        self.lock = object()


ERRORS = st.one_of(st.builds(ValueError, TEXTS), st.builds(KeyError, TEXTS), st.builds(OddError, TEXTS))


def event_kinds(base: type[Any] = Event) -> set[type[Any]]:
    """Every kind of event that the library defines, found by its base."""
    found = {kind for sub in base.__subclasses__() for kind in {sub, *event_kinds(sub)}}
    # attrs makes a class anew for its slots; the one it was made from is no longer what its name means.
    real = {kind for kind in found if getattr(supervisor, kind.__name__, None) is kind}
    return real - {ActorEvent}


KINDS = sorted(event_kinds() | {EventsLost}, key=lambda kind: kind.__name__)


def lazy(health: Health, quiet: float, name: str) -> Verdict:
    return Verdict(health, "quiet for {:.3g} s as {}", None, (quiet, name))


VERDICTS = st.one_of(
    st.builds(Verdict, st.sampled_from(Health), TEXTS, st.none() | NUMBERS),
    st.builds(lazy, st.sampled_from(Health), SECONDS, TEXTS),
)
"""With plain words, and with words that are put together when somebody reads them."""

POLICIES = st.builds(
    HealthPolicy,
    budget=SECONDS,
    ceiling=SECONDS,
    start_grace=SECONDS,
    attach_grace=SECONDS,
    idle_limit=st.none() | SECONDS,
    cancel_grace=SECONDS,
)

SPECS = st.builds(
    SupervisorSpec,
    process_limit=st.none() | COUNTS,
    condemned_allowance=st.none() | COUNTS,
    slot_wait=SECONDS,
    sweep_period=SECONDS,
    watchdog=st.none() | SECONDS,
)

LEAVES: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXTS,
    int: st.integers(),
    float: NUMBERS,
    bool: st.booleans(),
    type(None): st.none(),
    BaseException: ERRORS,
    Verdict: VERDICTS,
    HealthPolicy: POLICIES,
    SupervisorSpec: SPECS,
}


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Any value of that type; one that is unheard of fails, and wants a journal that can hold it."""
    if kind in LEAVES:
        return LEAVES[kind]
    if get_origin(kind) in {Union, types.UnionType}:
        return st.one_of([values(each) for each in get_args(kind)])
    if get_origin(kind) is tuple:
        return tuples(get_args(kind))
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return st.sampled_from(kind)
    return records(kind)


def records(kind: Any) -> st.SearchStrategy[Any]:
    assert attrs.has(kind), f"what is a {kind}?"
    types_of = get_type_hints(kind)
    fields = {f.alias: values(types_of[f.name]) for f in attrs.fields(kind) if f.alias}
    if kind is Refusal:
        fields["retry_after"] = SECONDS  # it is said in whole seconds
    return st.builds(kind, **fields)


def tuples(items: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    if items[1:] == (...,):
        return st.lists(values(items[0]), max_size=2).map(tuple)
    return st.tuples(*map(values, items))


def as_read(value: Any) -> Any:
    """What is there after writing and reading: the same, with the words of verdicts and errors."""
    match value:
        case Verdict():
            return Verdict(value.health, value.evidence, value.until)
        case RecordedError():
            return value
        case BaseException():
            module = type(value).__module__
            prefix = "" if module == "builtins" else f"{module}."
            return RecordedError(f"{prefix}{type(value).__qualname__}", repr(value))
        case _:
            return each_as_read(value, type(value))


def each_as_read(value: Any, kind: Any) -> Any:
    if kind is tuple:
        return tuple(map(as_read, value))
    if not attrs.has(kind):
        return value
    return kind(**{f.alias: as_read(getattr(value, f.name)) for f in attrs.fields(kind) if f.alias})
