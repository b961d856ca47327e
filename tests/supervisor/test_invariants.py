"""The judge of logs: each promise is kept in a story, and broken in the same with one thing wrong."""

from __future__ import annotations

import pytest

from actors import ExitReason, Phase
from supervisor import EventsLost, Health, ReapStarted, Stalled, Started, Suspected, Verdict
from supervisor.testing import Rule

from . import (
    stories_of_ends,
    stories_of_leases,
    stories_of_lives,
    stories_of_refusals,
    stories_of_the_background,
)
from .stories import CASES, Story, Telling

STORIES = (
    stories_of_lives,
    stories_of_ends,
    stories_of_refusals,
    stories_of_the_background,
    stories_of_leases,
)


def test_every_promise_has_a_story() -> None:
    assert {rule for rule, *_ in CASES} == set(Rule)
    assert {module.__name__ for module in STORIES} == {tell.__module__ for *_, tell in CASES}


@pytest.mark.parametrize(("rule", "name", "tell"), CASES, ids=[name for _, name, _ in CASES])
def test_a_story_breaks_its_rule_and_no_other_when_it_is_told_wrong(
    rule: Rule, name: str, tell: Telling
) -> None:
    right, wrong = Story(), Story()
    tell(right, False)
    tell(wrong, True)
    assert right.judge() == ()
    assert [violation.rule for violation in wrong.judge()] == [rule]


def test_a_violation_is_one_sentence_with_number_and_time() -> None:
    story = Story(over=True)
    story.at(1.5)
    story.begin("a", 2)
    miscounted, left = story.judge()
    counted = "the slots held are those that the log counts"
    assert str(miscounted) == f"Event 1 at 1.5 s: broken: {counted}: 2 are said to be held, 1 are."
    ended = "everybody has ended when the supervisor has"
    assert str(left) == f"At the end of the log: broken: {ended}: ann/a#1 has not."


# A log that is not whole


def test_a_log_may_begin_in_the_middle() -> None:
    story = Story(seq=1000, born=500)
    first = story.begin("a", 1)
    story.begin("b", 2)
    story.end(first)
    story.begin("c", 2)
    assert story.judge() == ()
    for seen_from in range(len(story.log)):
        del story.log[0]
        assert story.judge() == (), f"seen from event {seen_from + 1} on"


def test_lost_events_are_told_once_and_judging_goes_on() -> None:
    story = Story()
    first = story.begin("a", 1)
    story.log.append(EventsLost(10))
    story.seq += 10
    story.end(first)
    second = story.begin("b", 2)
    story.about(Started, second, 0.0)
    assert [violation.rule for violation in story.judge()] == [Rule.COMPLETE, Rule.STARTS_ONCE]


# Stalls and slack


@pytest.mark.parametrize("stalled", [True, False])
@pytest.mark.parametrize("lasted", [9.0, 29.0], ids=["one", "two in a row, told as one"])
def test_a_stall_excuses_who_is_late_even_when_it_is_told_after(lasted: float, stalled: bool) -> None:
    story = Story()
    who = story.begin()
    story.at(10.0)
    story.end(who, since=0.0)
    story.at(lasted + 1)
    other = story.begin("other")
    if stalled:
        story.tell(Stalled, lasted)
    story.at(50.0)
    story.end(other)
    assert [violation.rule for violation in story.judge()] == [Rule.GRACE_ENDS] * (not stalled)


def test_slack_is_for_clocks_that_are_not_virtual() -> None:
    story = Story()
    who = story.begin()
    story.at(5.6)
    story.end(who, since=0.0)
    assert [violation.rule for violation in story.judge()] == [Rule.GRACE_ENDS]
    assert story.judge(slack=0.5) == ()


@pytest.mark.parametrize(("stopped_at", "guilty"), [(1.0, False), (6.0, True)])
def test_one_that_was_being_stopped_is_not_judged_by_the_budget_of_others(
    stopped_at: float, guilty: bool
) -> None:
    story = Story()
    who = story.begin()
    story.at(6.0)
    story.about(Suspected, who, Verdict(Health.UNRESPONSIVE, "late"), Phase.HANDLE, 4.0)
    story.about(ReapStarted, who, ExitReason.UNRESPONSIVE)
    story.end(who, since=stopped_at)
    assert [violation.rule for violation in story.judge()] == [Rule.NOT_BEFORE_TIME] * guilty


def test_a_limit_that_a_function_gives_is_taken_from_the_events() -> None:
    story = Story(limit=None)
    story.begin("a", 1, limit=1)
    story.begin("b", 2, limit=5)
    assert story.judge() == ()
    story.begin("c", 2, limit=5)
    assert [violation.rule for violation in story.judge()] == [Rule.COUNTED]
