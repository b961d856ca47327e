"""Logs: every kind of event has its stable id, its level, a sentence fit for a terminal, and plain facts."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors import Exit, ExitReason, Phase
from supervisor import (
    ChoreFailed,
    Condemned,
    Event,
    EventsLost,
    Found,
    Refused,
    Suspected,
    SweepHeld,
    Terminal,
)
from supervisor._log_facts import LONGEST_WORD
from supervisor._log_lines import Entry, entry_of

from .log_lines import BAD, NOW, PROOF, TABLE, WHO
from .records import KINDS, TEXTS, records

# What `logging` keeps for itself, and what structlog's processors put beside the facts.
TAKEN = {
    *vars(logging.makeLogRecord({})),
    *("message", "asctime", "taskName"),
    *("event", "level", "logger", "timestamp", "exception"),
}


def entry(event: Event | EventsLost) -> Entry:
    found = entry_of(event)
    assert found is not None
    return found


@pytest.mark.parametrize(("event", "level", "event_id", "message"), TABLE, ids=lambda value: str(value)[:30])
def test_its_id_its_level_and_its_sentence_stay_as_they_are(
    event: Event | EventsLost, level: int, event_id: str, message: str
) -> None:
    said = entry(event)
    assert (said.row.level, said.row.event_id, said.message) == (level, f"supervisor.{event_id}", message)


def test_no_kind_of_event_is_forgotten() -> None:
    assert {type(event) for event, *_ in TABLE} == set(KINDS)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@settings(deadline=None)
@given(data=st.data())
def test_whatever_happens_can_be_said_in_one_line_and_as_plain_json(kind: Any, data: st.DataObject) -> None:
    event = data.draw(records(kind))
    said = entry(event)
    assert said.message.isprintable()
    assert json.loads(json.dumps(said.facts, allow_nan=False)) == said.facts
    assert not said.facts.keys() & TAKEN
    assert said.facts.keys() >= {"event_id", "user", "key", "incarnation", "seq", "at"}
    whole = (event, getattr(event, "exit", None))
    errors = [error for part in whole if isinstance(error := getattr(part, "error", None), BaseException)]
    assert said.error is (errors[0] if errors else None)


def test_a_kind_that_is_not_ours_is_left_out() -> None:
    class Theirs(Event):
        """Made by somebody else."""

    assert entry_of(Theirs(NOW)) is None


def test_facts_are_what_programs_ask_for() -> None:
    facts = entry(Refused(NOW, "ann", "tab", PROOF, 0.5)).facts
    assert facts == {
        "event_id": "supervisor.spawn.refused",
        "seq": 7,
        "at": 100.0,
        "user": "ann",
        "key": "tab",
        "incarnation": None,
        "reason": "limit",
        "why": PROOF.sentence,
        "limit": 1,
        "held": 1,
        "condemned": 0,
        "retry_after": 2.0,
        "waited": 0.5,
        "holders": [
            {
                "key": "old",
                "incarnation": 1,
                "health": "healthy",
                "evidence": "parked",
                "age": 60.0,
                "connections": 1,
                "kept": ["garbage: unresponsive: in handle for 9 s"],
                "node": "",
            }
        ],
        "stages": [{"stage": "garbage", "reaped": [], "kept": ["old"], "failed": [], "duration": 0.0}],
    }


def test_points_in_time_are_told_as_durations() -> None:
    suspected = entry(Suspected(NOW, *WHO, BAD, Phase.HANDLE, 91.0)).facts
    assert (suspected["phase"], suspected["in_phase"]) == (Phase.HANDLE.value, 9.0)
    assert entry(Condemned(NOW, *WHO, "shielded", (), 99.5)).facts["cancelled_for"] == 0.5
    assert entry(Terminal(NOW, *WHO, Exit(ExitReason.STOPPED), False, 99.0)).facts["took"] == 1.0
    assert entry(SweepHeld(NOW, 30, 40, 160.0)).facts["hold"] == 60.0


@given(TEXTS, TEXTS)
def test_no_name_steers_a_terminal_and_each_is_exact_as_a_fact(user: str, key: str) -> None:
    said = entry(Found(NOW, f"\x1b[2J{user}", f"\n{key}", 1))
    assert said.message.startswith("\\x1b[2J")
    assert said.message.isprintable()
    assert (said.facts["user"], said.facts["key"]) == (f"\x1b[2J{user}", f"\n{key}")


def test_percent_signs_in_a_name_are_only_that() -> None:
    assert entry(Found(NOW, "%(user)s", "%d", 1)).message == "%(user)s/%d#1 was asked for, and lives"


def test_a_long_name_does_not_make_a_long_line() -> None:
    assert len(entry(Found(NOW, "a" * 10**6, "tab", 1)).message) < LONGEST_WORD + 50


def test_an_error_whose_repr_raises_is_told_all_the_same() -> None:
    class Unspeakable(Exception):
        def __repr__(self) -> str:
            raise RuntimeError("no words")

    error = Unspeakable()
    said = entry(ChoreFailed(NOW, "ann", error))
    assert "Unspeakable, whose repr raises" in said.message
    assert said.error is error
