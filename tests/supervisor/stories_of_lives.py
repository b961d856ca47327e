"""Stories of single managers, each with one thing wrong if asked: births, starts, ends, slots."""

from __future__ import annotations

from actors import Exit, ExitReason, Phase
from supervisor import (
    ChoreFailed,
    ConnectionAttached,
    ConnectionDetached,
    Found,
    LimitChanged,
    MailDeadLettered,
    Started,
    StartFailed,
    SupervisorSpec,
    Terminal,
)
from supervisor.testing import Rule

from .stories import BUDGET, CANCEL_GRACE, POLICY, Story, Who, breaks

NOTHING = OSError("nothing")


@breaks(Rule.COMPLETE)
def a_number_is_missing(story: Story, wrong: bool) -> None:
    story.begin()
    story.seq += wrong
    story.begin("b", 2)


@breaks(Rule.IN_TIME_ORDER)
def the_clock_goes_back(story: Story, wrong: bool) -> None:
    story.at(1.0)
    story.begin()
    story.at(0.5 if wrong else 1.5)
    story.tell(ChoreFailed, "ann", NOTHING)


@breaks(Rule.BORN_ONCE)
def a_number_comes_twice(story: Story, wrong: bool) -> None:
    first = story.begin()
    story.end(first)
    story.born -= wrong
    story.begin()


@breaks(Rule.BORN_FIRST)
def something_is_told_after_the_end(story: Story, wrong: bool) -> None:
    first = story.begin()
    if wrong:
        story.end(first)
    story.about(MailDeadLettered, first, 1, ExitReason.STOPPED)


@breaks(Rule.BORN_FIRST)
def it_ends_twice(story: Story, wrong: bool) -> None:
    first = story.begin()
    story.end(first)
    if wrong:
        story.end(first)


@breaks(Rule.SAME_NAME)
def an_incarnation_changes_its_key(story: Story, wrong: bool) -> None:
    first = story.begin()
    other = Who("ann", "b", first.incarnation, 0.0)
    story.about(Found, other if wrong else first)


@breaks(Rule.STARTS_ONCE)
def it_starts_twice(story: Story, wrong: bool) -> None:
    first = story.begin()
    if wrong:
        story.about(Started, first, 0.0)


@breaks(Rule.STARTS_ONCE)
def it_starts_while_it_is_reaped(story: Story, wrong: bool) -> None:
    first = story.reserve()
    story.at(POLICY.start_grace + 1)
    story.reap(first, phase=Phase.ON_START)
    if wrong:
        story.about(Started, first, 0.0)


@breaks(Rule.STARTS_ONCE)
def it_starts_although_it_was_stopped(story: Story, wrong: bool) -> None:
    first = story.reserve()
    story.at(2.0)
    story.about(Started, first, 2.0)
    story.at(3.0)
    story.end(first, since=1.0 if wrong else 2.5)


@breaks(Rule.FAILED_START)
def one_that_runs_fails_to_start(story: Story, wrong: bool) -> None:
    first = story.begin() if wrong else story.reserve()
    story.end(first, ExitReason.START_FAILED)


@breaks(Rule.FAILED_START)
def a_start_fails_and_no_end_follows_at_once(story: Story, wrong: bool) -> None:
    first = story.reserve()
    story.about(StartFailed, first, Exit(ExitReason.START_FAILED))
    if wrong:
        story.tell(ChoreFailed, "ann", NOTHING)
    story.about(Terminal, first, Exit(ExitReason.START_FAILED), False, 0.0)


@breaks(Rule.NEVER_HANDED_OUT_DYING)
def one_that_is_reaped_is_found(story: Story, wrong: bool) -> None:
    first = story.begin()
    story.at(BUDGET + 1)
    if not wrong:
        story.about(Found, first)
    story.reap(first)
    if wrong:
        story.about(Found, first)


@breaks(Rule.NEVER_HANDED_OUT_DYING)
def one_that_was_asked_to_stop_is_found(story: Story, wrong: bool) -> None:
    first = story.begin()
    story.at(2.0)
    story.about(Found, first)
    story.end(first, since=1.0 if wrong else 2.0)


@breaks(Rule.NEVER_HANDED_OUT_DYING)
def one_that_does_not_run_yet_is_found(story: Story, wrong: bool) -> None:
    first = story.reserve() if wrong else story.begin()
    story.about(Found, first)


def condemned_one(story: Story, key: str = "a", held: int = 1) -> Who:
    """It hung for its budget, and ignores its cancellation."""
    born = story.now
    who = story.begin(key, held)
    story.at(born + BUDGET + 1)
    story.reap(who, since=born)
    story.at(story.now + CANCEL_GRACE)
    story.condemn(who, story.now - CANCEL_GRACE, since=born)
    return who


@breaks(Rule.QUIET_WHEN_CONDEMNED)
def a_condemned_one_has_news(story: Story, wrong: bool) -> None:
    who = condemned_one(story)
    if wrong:
        story.about(MailDeadLettered, who, 1, ExitReason.UNRESPONSIVE)
    story.end(who, ExitReason.UNRESPONSIVE, since=BUDGET + 1, condemned=True)


@breaks(Rule.CONNECTIONS_COUNTED)
def a_connection_is_counted_twice(story: Story, wrong: bool) -> None:
    first = story.begin()
    story.about(ConnectionAttached, first, 1)
    story.about(ConnectionAttached, first, 3 if wrong else 2)


@breaks(Rule.CONNECTIONS_COUNTED)
def a_connection_leaves_twice(story: Story, wrong: bool) -> None:
    first = story.begin()
    story.about(ConnectionAttached, first, 1)
    story.about(ConnectionDetached, first, 0, "closed")
    if wrong:
        story.about(ConnectionDetached, first, -1, "closed")


@breaks(Rule.LETS_GO)
def a_connection_stays_open(story: Story, wrong: bool) -> None:
    first = story.begin()
    story.about(ConnectionAttached, first, 1)
    if not wrong:
        story.about(ConnectionDetached, first, 0, "closed")
    story.end(first)


@breaks(Rule.ENDS)
def somebody_is_left(story: Story, wrong: bool) -> None:
    story.over = True
    first = story.begin()
    if not wrong:
        story.end(first)


@breaks(Rule.CALLED_CONDEMNED)
def a_condemned_one_ends_like_another(story: Story, wrong: bool) -> None:
    who = condemned_one(story)
    story.end(who, ExitReason.UNRESPONSIVE, since=BUDGET + 1, condemned=not wrong)


# Slots


@breaks(Rule.ONE_PER_KEY)
def two_live_under_one_key(story: Story, wrong: bool) -> None:
    first = story.begin("a", 1)
    if not wrong:
        story.end(first)
    story.begin("a", 1)


@breaks(Rule.COUNTED)
def a_slot_is_lost(story: Story, wrong: bool) -> None:
    story.begin("a", 1)
    story.begin("b", 1 if wrong else 2)


@breaks(Rule.COUNTED)
def the_condemned_beyond_the_allowance_are_not_counted(story: Story, wrong: bool) -> None:
    story.spec = SupervisorSpec(condemned_allowance=0)
    condemned_one(story)
    story.begin("b", 1 if wrong else 2)


@breaks(Rule.WITHIN_LIMIT)
def one_more_than_the_limit(story: Story, wrong: bool) -> None:
    story.begin("a", 1)
    story.begin("b", 2)
    if wrong:
        story.begin("c", 3)


@breaks(Rule.WITHIN_LIMIT)
def one_more_before_a_lowered_limit_holds(story: Story, wrong: bool) -> None:
    first, second = story.begin("a", 1), story.begin("b", 2)
    story.tell(LimitChanged, "ann", 1)
    story.end(first)
    if not wrong:
        story.end(second)
    story.begin("c", 2 if wrong else 1, limit=1)


@breaks(Rule.LIMIT_AS_SET)
def another_limit_than_the_one_set(story: Story, wrong: bool) -> None:
    story.begin("a", 1, limit=3 if wrong else 2)


@breaks(Rule.WITHIN_PROCESS_LIMIT)
def one_more_than_the_process_allows(story: Story, wrong: bool) -> None:
    story.spec = SupervisorSpec(process_limit=2)
    story.begin("a", 1)
    story.begin("b", 2)
    other = story.reserve("c", 1, user="bob")
    if wrong:
        story.about(Started, other, 0.0)
