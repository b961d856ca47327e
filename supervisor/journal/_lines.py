"""One record, one line of JSON, and back: what stands in a journal. Pure."""

from __future__ import annotations

import json
import math
import reprlib
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any, TypeAlias, get_args, get_origin

import attrs
import cattrs

from supervisor import ActorEvent, Event, EventsLost, Health, SupervisorSpec, Verdict

FORMAT = "trouper journal"
VERSION = 1

# An error's repr may hold whatever its user put into it; more characters than this are cut.
LONGEST_REPR = 10_000


@attrs.frozen
class Header:
    """The first line: what was written down, by which rules it went, and how to tell its times."""

    spec: SupervisorSpec
    limit: int | None
    """Of each user; None: a function knew it."""
    clock: float
    """Trio's clock when it began,"""
    wall: datetime
    """and the time of that moment, in UTC."""
    clustered: bool = False
    """It was a node of a cluster."""

    def wall_time(self, at: float) -> datetime:
        """When that was, in UTC; a wall clock that was set meanwhile is not followed."""
        return self.wall + timedelta(seconds=at - self.clock)


@attrs.frozen
class End:
    """The last line: the supervisor has ended, and all that happened is above."""

    at: float


Line: TypeAlias = Event | EventsLost | End


class RecordedError(Exception):
    """Stands for an error that was written down. Has its repr, and its type's name."""

    def __init__(self, type: str, text: str) -> None:
        super().__init__(type, text)
        self.type = type
        self.text = text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RecordedError) and self.args == other.args

    def __hash__(self) -> int:
        return hash(self.args)

    def __repr__(self) -> str:
        return self.text

    def __str__(self) -> str:
        return self.text


class LineError(ValueError):
    """What is wrong with a line."""


def line_of(record: Line) -> bytes:
    """The record as one line of ASCII, its newline included. Calls the repr of errors, nothing else."""
    kind = type(record).__name__
    return _encoded({"type": kind, **_WRITE[kind](record)})


def header_line(header: Header) -> bytes:
    return _encoded({"journal": FORMAT, "version": VERSION, **_CONVERTER.unstructure(header)})


def record_of(line: bytes) -> Line:
    """The record on that line. A field that has a default may be missing; nothing else may.

    Raises:
      LineError: it is not a line of `line_of`.
    """
    said = _decoded(line)
    kind = said.pop("type", None)
    if not isinstance(kind, str) or kind not in KINDS:
        raise LineError(f"no record is of the type {reprlib.repr(kind)}")
    record: Line = _read(said, KINDS[kind])
    return record


def header_of(line: bytes) -> Header:
    """The header on that line.

    Raises:
      LineError: it is not a line of `header_line`, or one of another version.
    """
    try:
        said = _decoded(line)
    except LineError as error:
        raise LineError(f"this is not a journal ({error})") from None
    if said.pop("journal", None) != FORMAT:
        raise LineError("this is not a journal, or not the beginning of one")
    version = said.pop("version", None)
    if version != VERSION:
        raise LineError(f"this reads version {VERSION} of the format, not {reprlib.repr(version)}")
    header: Header = _read(said, Header)
    return header


def _encoded(said: dict[str, Any]) -> bytes:
    return _JSON.encode(said).encode("ascii") + b"\n"


def _decoded(line: bytes) -> dict[str, Any]:
    try:
        said: object = json.loads(line.decode("ascii"))
    except json.JSONDecodeError as error:
        raise LineError(f"not JSON: {error.msg} at character {error.pos + 1}") from None
    except UnicodeDecodeError as error:
        raise LineError(f"not ASCII at byte {error.start + 1}") from None
    except RecursionError:
        raise LineError("not JSON that anybody wrote: nested too deeply") from None
    if not isinstance(said, dict):
        raise LineError("not a JSON object")
    return said  # pyright: ignore[reportUnknownVariableType]  # JSON's keys are strings


def _read(said: dict[str, Any], kind: type[Any]) -> Any:
    """The boundary to cattrs, which tells of all that is wrong at once."""
    try:
        return _CONVERTER.structure(said, kind)
    except Exception as error:  # noqa: BLE001  # cattrs raises groups of whatever its hooks raise
        problems = "; ".join(_problems(error))
        raise LineError(f"not a {kind.__name__}: {problems}") from None


def _problems(error: BaseException) -> Iterator[str]:
    problems: list[str] = cattrs.transform_error(error, format_exception=_in_words)
    for problem in problems:
        what, _, path = problem.rpartition(" @ $")
        yield f"{path.removeprefix('.')}: {what}" if path else what


def _in_words(error: BaseException, _: type[Any] | None) -> str:
    match error:
        case KeyError():
            return "missing"
        case TypeError() | AttributeError():
            return "not a JSON object"
        case cattrs.ForbiddenExtraKeysError(extra_fields=names):
            return f"has no field {', '.join(sorted(names))}"
        case _:
            return str(error)


# How each kind of value is written and read


@attrs.frozen
class _Error:
    type: str
    repr: str


@attrs.frozen
class _Verdict:
    health: Health
    evidence: str
    until: float | None


def _written_error(error: BaseException) -> dict[str, Any]:
    if isinstance(error, RecordedError):
        return {"type": error.type, "repr": error.text}
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return {"type": name, "repr": _repr(error)}


def _repr(error: BaseException) -> str:
    try:
        text = repr(error)
    except Exception as another:  # noqa: BLE001  # code of the user's: the journal goes on, and says so
        return f"<{type(error).__name__}, of which the repr raised {type(another).__name__}>"
    return text if len(text) <= LONGEST_REPR else f"{text[:LONGEST_REPR]}... ({len(text)} characters)"


def _written_float(value: float) -> float | str:
    """JSON has no infinity."""
    return float(value) if math.isfinite(value) else str(float(value))


def _read_float(value: object, _: Any) -> float:
    if isinstance(value, str) and value in {"inf", "-inf", "nan"}:
        return float(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise _not_a("number", value)


def _read_exactly(kind: type[Any]) -> Callable[[object, Any], Any]:
    def read(value: object, _: Any) -> Any:
        if type(value) is not kind:
            raise _not_a(kind.__name__, value)
        return value

    return read


def _read_tuples_of(kind: Any) -> Callable[[object, Any], Any]:
    """From lists only: the hook that cattrs brings reads a text as a tuple of its letters."""
    item = get_args(kind)[0]

    def read(value: object, _: Any) -> Any:
        if not isinstance(value, list):
            raise _not_a("list", value)
        return tuple(_CONVERTER.structure(each, item) for each in value)  # pyright: ignore[reportUnknownVariableType]

    return read


def _not_a(what: str, value: object) -> LineError:
    return LineError(f"{reprlib.repr(value)} is not a {what}")


def _converter() -> cattrs.Converter:
    """Exact where cattrs is lenient: what is read is what was written."""
    made = cattrs.Converter(forbid_extra_keys=True, use_alias=True)
    for kind in (str, int, bool):
        made.register_structure_hook(kind, _read_exactly(kind))
    made.register_unstructure_hook(int, int)  # a limit may be True,
    made.register_unstructure_hook(bool, bool)  # and a bool is an int to cattrs
    made.register_structure_hook(float, _read_float)
    made.register_unstructure_hook(float, _written_float)
    made.register_structure_hook_factory(_is_tuple_of_one_kind, _read_tuples_of)
    made.register_structure_hook(datetime, lambda text, _: datetime.fromisoformat(text))
    made.register_unstructure_hook(datetime, datetime.isoformat)
    made.register_unstructure_hook(BaseException, _written_error)
    made.register_structure_hook(BaseException, _read_error)
    made.register_unstructure_hook(Verdict, _written_verdict)
    made.register_structure_hook(Verdict, _read_verdict)
    return made


def _is_tuple_of_one_kind(kind: Any) -> bool:
    return get_origin(kind) is tuple and get_args(kind)[1:] == (...,)


def _read_error(value: object, _: Any) -> RecordedError:
    error = _CONVERTER.structure(value, _Error)
    return RecordedError(error.type, error.repr)


def _written_verdict(verdict: Verdict) -> dict[str, Any]:
    said: dict[str, Any] = _CONVERTER.unstructure(_Verdict(verdict.health, verdict.evidence, verdict.until))
    return said


def _read_verdict(value: object, _: Any) -> Verdict:
    verdict = _CONVERTER.structure(value, _Verdict)
    return Verdict(verdict.health, verdict.evidence, verdict.until)


def _kinds() -> dict[str, type[Any]]:
    """Every kind of event there is, by its name; a new one is found here by itself."""
    found = [
        thing
        for thing in vars(sys.modules[Event.__module__]).values()
        if isinstance(thing, type) and issubclass(thing, Event | EventsLost)
    ]
    bases = Event, ActorEvent
    return {kind.__name__: kind for kind in (*found, End) if kind not in bases}


KINDS = _kinds()
_JSON = json.JSONEncoder(allow_nan=False, separators=(",", ":"))
_CONVERTER = _converter()
_WRITE = {name: _CONVERTER.get_unstructure_hook(kind) for name, kind in KINDS.items()}
