"""The shapes: plain JSON without infinities, whatever the names; long lists are cut, and say so. Pure."""

from __future__ import annotations

import json
import math

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors import Exit, ExitReason, Phase
from supervisor import (
    CleanupReport,
    Condemned,
    Event,
    EventsLost,
    Explanation,
    Finding,
    Health,
    Holder,
    LimitChanged,
    Refusal,
    RefusalReason,
    Refused,
    Stage,
    StageReport,
    Stamp,
    Standing,
    Survey,
    Terminal,
    Verdict,
)
from supervisor._counts import Tally
from supervisor.operations import _shapes
from supervisor.operations._answers import as_json

from . import contract
from .kit import HOSTILE, strictly

names = st.one_of(st.sampled_from(HOSTILE), st.text(st.characters(exclude_categories=()), max_size=20))
times = st.one_of(st.none(), st.floats(0, 1e9), st.just(math.inf))


@st.composite
def holders(draw: st.DrawFn) -> Holder:
    """Whoever may hold a slot, and whatever is known of him."""
    verdict = Verdict(
        draw(st.sampled_from(Health)), draw(names).replace("{", "").replace("}", ""), draw(times)
    )
    return Holder(
        draw(names),
        draw(st.integers(1)),
        verdict,
        draw(st.floats(0, 1e9)),
        draw(st.one_of(st.none(), st.integers(0, 9))),
        ((Stage.GARBAGE, verdict),),
        draw(st.one_of(st.none(), st.sampled_from(Phase))),
        draw(st.one_of(st.none(), st.floats(0, 1e9))),
        draw(names),
        tuple(draw(st.lists(names, max_size=3))),
        draw(names),
    )


@settings(deadline=None)
@given(names, holders())
def test_a_manager_survives_as_json_whatever_the_names(user: str, holder: Holder) -> None:
    facts = _shapes.manager(user, holder, 10.0)
    text = as_json(facts)
    assert text.isascii()
    assert strictly(text) == facts
    assert facts["user"] == user
    assert (facts["key"], facts["where"], facts["cause"]) == (holder.key, holder.where, holder.cause)
    assert facts["stack"] == list(holder.stack)
    assert contract.mistakes(facts, contract.MANAGER) == []


@settings(deadline=None)
@given(names, st.lists(holders(), max_size=3))
def test_so_do_an_explanation_and_a_refusal(user: str, those: list[Holder]) -> None:
    found = tuple(Finding(user, holder.key, holder.incarnation, holder.verdict) for holder in those)
    stage = StageReport(Stage.LIVENESS, 3, 2, found, (), (), 0.1)
    report = CleanupReport(user, (stage,), dry_run=True)
    stands = Explanation(user, 3, tuple(those), tuple(those), 3, 1, 2, report)
    proof = Refusal(user, "key", RefusalReason.LIMIT, 3, 3, tuple(those), 0, (stage,), 1.5)
    for facts, kind in (
        (_shapes.explanation(stands, 10.0, here=True, own_limit=False), contract.EXPLANATION),
        (
            _shapes.refusal(Refused(Stamp(1, 9.0), user, "key", proof), 10.0, brief=False),
            contract.REFUSALS["refusals"].of,
        ),
    ):
        text = as_json(facts)
        assert text.isascii()
        assert strictly(text) == json.loads(text) == facts
        assert contract.mistakes(facts, kind) == []


@pytest.mark.parametrize("name", HOSTILE)
def test_every_line_is_fit_for_a_page_and_keeps_the_names(name: str) -> None:
    events: list[Event] = [
        Condemned(Stamp(1, 1.0), name, name, 1, name, (name,)),
        Terminal(
            Stamp(2, 2.0), name, name, 1, Exit(ExitReason.CRASHED, name, OSError(name)), was_condemned=False
        ),
        LimitChanged(Stamp(3, 3.0), name, 7),
    ]
    for event in events:
        line = _shapes.line(event, 4.0)
        assert contract.mistakes(line, contract.LINE) == []
        assert line["user"] == name
        assert line["ago"] == 4.0 - event.stamp.at
        assert strictly(as_json(line)) == line
        assert line["text"].isprintable(), "also for a terminal"


def test_an_event_of_an_unknown_kind_has_a_line_too() -> None:
    @attrs.frozen
    class Novelty(Event):
        pass

    line = _shapes.line(Novelty(Stamp(5, 1.0)), 3.0)
    assert contract.mistakes(line, contract.LINE) == []
    assert (line["event"], line["text"], line["level"], line["user"]) == ("Novelty", "Novelty", "DEBUG", None)


def test_events_that_were_lost_are_a_number() -> None:
    assert _shapes.line(EventsLost(7), 1.0) == {"skipped": 7}


def findings(number: int, user: str = "alice") -> tuple[Finding, ...]:
    verdict = Verdict(Health.HEALTHY, "parked")
    return tuple(Finding(user, f"tab-{each}", each, verdict) for each in range(number))


@pytest.mark.parametrize("number", [0, 1, 200, 201, 5_000])
def test_long_lists_of_findings_are_cut_and_say_how_long_they_are(number: int) -> None:
    stage = StageReport(
        Stage.GARBAGE, 0, 0, findings(number), findings(number + 1), findings(number + 2), 0.0
    )
    facts = _shapes.report(CleanupReport("alice", (stage,)))
    [told] = facts["stages"]
    for more, name in enumerate(("reaped", "kept", "failed")):
        assert told[f"{name}_total"] == number + more
        assert [found["key"] for found in told[name]] == [f"tab-{n}" for n in range(min(200, number + more))]
    assert (facts["reaped"], facts["failed"]) == (number, number + 2)


def test_a_report_of_many_users_has_each_stage_once_in_their_order() -> None:
    stages = [
        StageReport(stage, 5, 4, findings(1, user), findings(2, user), (), duration)
        for user, duration in (("alice", 0.1), ("bob", 0.3), ("carol", 0.2))
        for stage in (Stage.GARBAGE, Stage.LIVENESS)
    ]
    told = _shapes.report(CleanupReport(None, tuple(stages)))["stages"]
    assert [stage["stage"] for stage in told] == ["garbage", "liveness"]
    for stage in told:
        assert (stage["before"], stage["after"], stage["duration"]) == (15, 12, 0.3)
        assert (stage["reaped_total"], stage["kept_total"], stage["failed_total"]) == (3, 6, 0)
        assert {found["user"] for found in stage["reaped"]} == {"alice", "bob", "carol"}


@pytest.mark.parametrize(("until", "told"), [(None, None), (math.inf, None), (12.5, 2.5), (7.0, -3.0)])
def test_a_moment_is_told_as_how_far_off_it_is(until: float | None, told: float | None) -> None:
    holder = Holder("tab", 1, Verdict(Health.BUSY, "at work", until), 1.0, None, (), Phase.HANDLE, 4.0)
    facts = _shapes.manager("alice", holder, 10.0)
    assert (facts["until_in"], facts["phase_for"]) == (told, 6.0)


def test_counts_of_every_kind_are_plain() -> None:
    facts = _shapes.counts(Tally().counts())
    assert contract.mistakes(facts, contract.COUNTS) == []
    assert strictly(as_json(facts))["spawned"]["count"] == 0
    assert facts["average_managers_per_user"] == 0.0


def test_a_survey_is_told_as_of_when_it_was_made() -> None:
    holder = Holder("tab", 1, Verdict(Health.UNRESPONSIVE, "stuck", 20.0), 1.0, None, (), Phase.HANDLE, 4.0)
    standing = Standing("alice", 3, 2, 1, 0)
    found = Survey(
        10.0, 0.5, 1, 2, {Health.UNRESPONSIVE: 2}, (("alice", holder),), (), ((standing, 2),), (standing,)
    )
    facts = _shapes.survey(found, None, 17.0)
    assert contract.mistakes(facts, contract.SURVEY) == []
    assert (facts["ago"], facts["stuck"][0]["phase_for"], facts["stuck"][0]["until_in"]) == (7.0, 6.0, 10.0)
    assert facts["health"] == {"unresponsive": 2}
    assert facts["stuck_users"] == [{"user": "alice", "stuck": 2, "held": 2, "limit": 3}]


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_never_sent(number: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        as_json({"number": number})
