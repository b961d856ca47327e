"""Every record is one line of JSON, and comes back as it was; what is no such line is refused."""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors import Exit, ExitReason
from supervisor import (
    EventsLost,
    Health,
    HealthPolicy,
    Reserved,
    Stamp,
    SupervisorSpec,
    Suspected,
    SweepHeld,
    Terminal,
    Verdict,
)
from supervisor.journal import RecordedError
from supervisor.journal._lines import KINDS as LINE_KINDS
from supervisor.journal._lines import (
    LONGEST_REPR,
    End,
    Header,
    LineError,
    header_line,
    header_of,
    line_of,
    record_of,
)

from .records import KINDS, SPECS, as_read, values

STAMP = Stamp(7, 1.5)
ENDED = Terminal(STAMP, "ann", "tab", 3, Exit(ExitReason.CRASHED, "", ValueError("boo")), was_condemned=False)


def test_every_event_has_its_line() -> None:
    assert {kind.__name__ for kind in KINDS} == set(LINE_KINDS) - {"End"}
    assert len(KINDS) >= 28


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=50, deadline=None)
@given(st.data())
def test_what_is_written_is_what_is_read(kind: type[Any], data: st.DataObject) -> None:
    record = data.draw(values(kind))
    line = line_of(record)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert line.isascii()
    read = record_of(line)
    assert read == as_read(record)
    assert repr(read) == repr(as_read(record))  # errors within an Exit are not compared by ==
    assert line_of(read) == line


@given(SPECS, st.none() | st.integers(min_value=0), st.floats(allow_nan=False), st.datetimes(), st.booleans())
def test_a_header_is_read_as_it_was_written(
    spec: Any, limit: int | None, clock: float, when: datetime, clustered: bool
) -> None:
    header = Header(spec, limit, clock, when.replace(tzinfo=UTC), clustered)
    assert header_of(header_line(header)) == header


def test_a_header_of_a_journal_from_before_there_were_clusters_is_read() -> None:
    header = Header(SupervisorSpec(), 2, 100.0, datetime(2030, 1, 1, tzinfo=UTC))
    said = json.loads(header_line(header))
    del said["clustered"]
    assert header_of(json.dumps(said).encode()) == header


def test_the_header_tells_the_times() -> None:
    header = Header(SupervisorSpec(), 2, 100.0, datetime(2030, 1, 1, tzinfo=UTC))
    assert header.wall_time(160.5) == datetime(2030, 1, 1, 0, 1, 0, 500_000, tzinfo=UTC)


def test_infinity_is_a_text_since_json_has_none() -> None:
    said = json.loads(line_of(SweepHeld(STAMP, 10, 20, until=math.inf)), parse_constant=pytest.fail)
    assert said["until"] == "inf"
    policy = HealthPolicy(idle_limit=None)
    said = json.loads(line_of(Reserved(STAMP, "ann", "tab", 1, 1, 2, policy)))
    assert said["policy"]["idle_limit"] is None


def test_a_line_is_for_people_and_grep_too() -> None:
    verdict = Verdict(Health.UNRESPONSIVE, "in {} for {} s", 9.0, ("handle", 6))
    said = json.loads(line_of(Suspected(STAMP, "ann", "tab", 1, verdict)))
    assert list(said)[:5] == ["type", "stamp", "user", "key", "incarnation"]
    assert said["type"] == "Suspected"
    assert said["stamp"] == {"seq": 7, "at": 1.5}
    assert said["verdict"] == {"health": "unresponsive", "evidence": "in handle for 6 s", "until": 9.0}
    assert json.loads(line_of(ENDED))["exit"]["error"] == {"type": "ValueError", "repr": "ValueError('boo')"}


def test_an_error_that_was_read_says_what_the_real_one_said() -> None:
    read = record_of(line_of(ENDED))
    assert isinstance(read, Terminal)
    assert str(read.exit) == str(ENDED.exit) == "crashed: ValueError('boo')"
    assert read.exit.error == RecordedError("ValueError", "ValueError('boo')")
    assert read.exit.error != RecordedError("KeyError", "ValueError('boo')")


class Unspeakable(Exception):
    def __repr__(self) -> str:
        raise RuntimeError("no")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (Unspeakable(), "<Unspeakable, of which the repr raised RuntimeError>"),
        (ValueError("x" * LONGEST_REPR), f"ValueError('{'x' * (LONGEST_REPR - 12)}... (10014 characters)"),
    ],
)
def test_an_error_with_a_bad_repr_is_written_all_the_same(error: Exception, text: str) -> None:
    how = Exit(ExitReason.CRASHED, "", error)
    read = record_of(line_of(attrs.evolve(ENDED, exit=how)))
    assert isinstance(read, Terminal)
    assert repr(read.exit.error) == text


GOOD = json.loads(line_of(ENDED))


def changed(**fields: object) -> bytes:
    return json.dumps(GOOD | fields).encode()


def without(name: str) -> bytes:
    return json.dumps({key: value for key, value in GOOD.items() if key != name}).encode()


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"", "not JSON: Expecting value at character 1"),
        (b"{", "not JSON: Expecting property name enclosed in double quotes at character 2"),
        (b"\x00\x00", "not JSON"),
        (b'{"type": "\xff"}', "not ASCII at byte 11"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[1]", "not a JSON object"),
        (b"{}", "no record is of the type None"),
        (changed(type="Exploded"), "no record is of the type 'Exploded'"),
        (changed(type=["Terminal"]), "no record is of the type ['Terminal']"),
        (changed(user=5), "not a Terminal: user: 5 is not a str"),
        (changed(incarnation="3"), "incarnation: '3' is not a int"),
        (changed(incarnation=3.0), "incarnation: 3.0 is not a int"),
        (changed(was_condemned=0), "was_condemned: 0 is not a bool"),
        (changed(stamp={"seq": 1, "at": True}), "stamp.at: True is not a number"),
        (changed(stamp={"seq": 1, "at": "soon"}), "stamp.at: 'soon' is not a number"),
        (changed(stamp=[1, 2.0]), "stamp: not a JSON object"),
        (changed(exit={"reason": "bored"}), "exit.reason: 'bored' is not a valid ExitReason"),
        (without("user"), "not a Terminal: user: missing"),
        (changed(mood="good"), "not a Terminal: has no field mood"),
        (b'{"type": "ShutdownHeld", "stamp": {"seq": 1, "at": 0}, "holders": "ann"}', "'ann' is not a list"),
        (b'{"type": "End", "at": NaN, "x": 1}', "not a End: has no field x"),
    ],
)
def test_what_is_no_such_line_is_refused_in_words(line: bytes, problem: str) -> None:
    with pytest.raises(LineError, match=re.escape(problem)):
        record_of(line)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"# trouper", "this is not a journal (not JSON"),
        (line_of(ENDED), "not a journal, or not the beginning of one"),
        (b'{"journal": "trouper journal", "version": 2}', "this reads version 1 of the format, not 2"),
        (b'{"journal": "trouper journal", "version": 1}', "not a Header: "),
    ],
)
def test_what_is_no_header_is_refused_in_words(line: bytes, problem: str) -> None:
    with pytest.raises(LineError, match=re.escape(problem)):
        header_of(line)


def test_a_field_that_came_later_may_be_missing_in_an_older_journal() -> None:
    said = json.loads(line_of(Reserved(STAMP, "ann", "tab", 1, 1, 2, HealthPolicy())))
    del said["stop_grace"]
    read = record_of(json.dumps(said).encode())
    assert isinstance(read, Reserved)
    assert read == Reserved(STAMP, "ann", "tab", 1, 1, 2, HealthPolicy())


def test_what_is_no_event_has_its_line_too() -> None:
    assert record_of(line_of(EventsLost(3))) == EventsLost(3)
    assert record_of(line_of(End(2.5))) == End(2.5)
