"""Stories of waits and refusals, each with one thing wrong if asked."""

from __future__ import annotations

from typing import Any

from actors import ExitReason, Phase
from supervisor import (
    ConnectionAttached,
    Health,
    Holder,
    LimitChanged,
    RefusalReason,
    Stage,
    Started,
    SupervisorSpec,
)
from supervisor.testing import Rule

from .stories import BUDGET, CANCEL_GRACE, POLICY, Story, Who, breaks, report
from .stories_of_lives import condemned_one

PENDING = RefusalReason.REAP_PENDING


def full(story: Story) -> tuple[Who, Who]:
    """The user's two slots are held, and somebody waits."""
    first, second = story.begin("a", 1), story.begin("b", 2)
    story.wait("late")
    return first, second


def refuse(story: Story, who: Who, other: Holder, **facts: Any) -> None:
    """Clean up, and refuse because of two, the first of whom is healthy."""
    stages = story.clean()
    story.refuse(story.holder(who), other, stages=stages, **facts)


@breaks(Rule.NO_WAIT_WITH_ROOM)
def somebody_waits_while_there_is_room(story: Story, wrong: bool) -> None:
    story.begin("a", 1)
    if not wrong:
        story.begin("b", 2)
    story.wait("late")


@breaks(Rule.WAITS_BEHIND)
def somebody_waits_behind_nobody(story: Story, wrong: bool) -> None:
    full(story)
    story.wait("later", ahead=2 if wrong else 1)


@breaks(Rule.NO_REFUSAL_WITH_ROOM)
def somebody_is_refused_while_there_is_room(story: Story, wrong: bool) -> None:
    first, second = full(story)
    if wrong:
        story.tell(LimitChanged, "ann", 3)
    refuse(story, first, story.holder(second), limit=3 if wrong else 2)


@breaks(Rule.NO_REFUSAL_WITH_ROOM)
def the_process_is_not_full(story: Story, wrong: bool) -> None:
    story.spec = SupervisorSpec(process_limit=2)
    story.begin("x", 1, user="bob")
    if not wrong:
        story.begin("y", 2, user="bob")
    story.reserve("late", 1)
    stages = story.clean()
    story.refuse(stages=stages, reason=RefusalReason.PROCESS_LIMIT, live=2)


@breaks(Rule.NO_REFUSAL_WITH_ROOM)
def a_limit_that_was_raised_for_a_moment_has_freed_no_slot(story: Story, wrong: bool) -> None:
    story.spec = SupervisorSpec(process_limit=1)
    condemned_one(story)
    story.tell(LimitChanged, "ann", 0)
    story.at(story.now + 1)
    story.tell(LimitChanged, "ann", 1)
    if not wrong:
        story.tell(LimitChanged, "ann", 0)
    story.at(story.now + 1)
    story.reserve("late", 1, user="bob")
    story.refuse(
        stages=story.clean(user="bob"), user="bob", reason=RefusalReason.PROCESS_LIMIT, live=1, limit=1
    )


@breaks(Rule.NO_REFUSAL_OF_THE_LIVING)
def one_is_refused_that_lives(story: Story, wrong: bool) -> None:
    first, second = full(story)
    stages = story.clean()
    holders = [story.holder(second)] if wrong else [story.holder(first), story.holder(second)]
    story.refuse(*holders, stages=stages, key="a" if wrong else "late", live=2)


@breaks(Rule.NO_REFUSAL_OF_THE_LIVING)
def one_is_refused_by_the_process_that_runs(story: Story, wrong: bool) -> None:
    late = story.reserve("late", 1)
    stages = story.clean()
    if wrong:
        story.about(Started, late, 0.0)
    story.refuse(stages=stages, reason=RefusalReason.PROCESS_LIMIT, live=2)


@breaks(Rule.STARTS_ONCE)
def one_is_refused_by_the_process_and_starts(story: Story, wrong: bool) -> None:
    late = story.reserve("late", 1)
    stages = story.clean()
    story.refuse(stages=stages, reason=RefusalReason.PROCESS_LIMIT, live=2)
    if wrong:
        story.about(Started, late, 0.0)


@breaks(Rule.LIMIT_AS_SET)
def a_refusal_claims_another_limit(story: Story, wrong: bool) -> None:
    first, second = full(story)
    refuse(story, first, story.holder(second), limit=1 if wrong else 2)


@breaks(Rule.COUNTED)
def a_refusal_counts_one_too_many(story: Story, wrong: bool) -> None:
    first, second = full(story)
    refuse(story, first, story.holder(second), live=3 if wrong else 2)


@breaks(Rule.COUNTED)
def a_full_process_claims_another_limit(story: Story, wrong: bool) -> None:
    story.spec = SupervisorSpec(process_limit=1)
    story.begin("x", 1, user="bob")
    story.reserve("late", 1)
    stages, limit = story.clean(), 2 if wrong else 1
    story.refuse(stages=stages, reason=RefusalReason.PROCESS_LIMIT, live=limit, limit=limit)


@breaks(Rule.CLEANED_FIRST)
def a_stage_was_left_out(story: Story, wrong: bool) -> None:
    first, second = full(story)
    stages = story.clean(report(Stage.GARBAGE)) if wrong else story.clean()
    story.refuse(story.holder(first), story.holder(second), stages=stages)


@breaks(Rule.CLEANED_FIRST)
def a_cleanup_is_cited_that_nobody_was_told_of(story: Story, wrong: bool) -> None:
    first, second = full(story)
    stages = story.clean()
    if wrong:
        stages = (report(Stage.TAKEOVER), *stages)
    story.refuse(story.holder(first), story.holder(second), stages=stages)


@breaks(Rule.CLEANED_FIRST)
def the_cleanup_was_before_the_request(story: Story, wrong: bool) -> None:
    first, second = story.begin("a", 1), story.begin("b", 2)
    stages = story.clean()
    story.at(1.0 if wrong else 0.0)
    story.wait("late")
    story.refuse(story.holder(first), story.holder(second), stages=stages)


@breaks(Rule.HOLDERS_COMPLETE)
def a_refusal_names_one_twice(story: Story, wrong: bool) -> None:
    first, second = full(story)
    refuse(story, first, story.holder(first if wrong else second))


@breaks(Rule.HOLDERS_COMPLETE)
def a_refusal_forgets_the_condemned(story: Story, wrong: bool) -> None:
    story.spec = SupervisorSpec(condemned_allowance=0)
    ghost = condemned_one(story)
    second = story.begin("b", 2)
    story.wait("late")
    stages = story.clean()
    holders = [story.holder(second), story.holder(ghost, Health.CONDEMNED)]
    story.refuse(*holders, stages=stages, reason=PENDING, condemned=0 if wrong else 1)


@breaks(Rule.NO_GHOSTS)
def a_ghost_holds_a_slot(story: Story, wrong: bool) -> None:
    first, second = full(story)
    refuse(story, first, story.holder(second, Health.IDLE if wrong else Health.HEALTHY))


@breaks(Rule.REASON_AGREES)
def nobody_is_leaving(story: Story, wrong: bool) -> None:
    first, second = full(story)
    refuse(story, first, story.holder(second), reason=PENDING if wrong else RefusalReason.LIMIT)


@breaks(Rule.WAITS_ITS_TIME)
def one_is_refused_before_its_wait_is_over(story: Story, wrong: bool) -> None:
    story.spec = SupervisorSpec(slot_wait=2.0)
    first, second = full(story)
    story.at(1.0 if wrong else 2.0)
    refuse(story, first, story.holder(second))


@breaks(Rule.WAITS_ITS_TIME)
def one_is_refused_long_after_its_wait(story: Story, wrong: bool) -> None:
    first, second = full(story)
    story.at(1.0 if wrong else 0.1)
    refuse(story, first, story.holder(second))


@breaks(Rule.IN_ORDER)
def one_who_came_later_is_served_first(story: Story, wrong: bool) -> None:
    first, second = full(story)
    story.wait("later", ahead=1)
    story.at(1.0)
    order = ["later", "late"] if wrong else ["late", "later"]
    for who, key in zip((first, second), order, strict=True):
        story.end(who)
        story.about(Started, story.reserve(key, 2), 1.0)


# The evidence on a holder


@breaks(Rule.EVIDENCE_AGREES)
def its_age_is_wrong(story: Story, wrong: bool) -> None:
    first, _ = full(story)
    second = Who("ann", "b", 2, -1.0 if wrong else 0.0)
    refuse(story, first, story.holder(second, since=0.0))


@breaks(Rule.EVIDENCE_AGREES)
def its_connections_are_not_those_of_the_log(story: Story, wrong: bool) -> None:
    first, second = full(story)
    story.about(ConnectionAttached, second, 1)
    refuse(story, first, story.holder(second, connections=2 if wrong else 1))


@breaks(Rule.EVIDENCE_AGREES)
def it_is_healthy_and_never_started(story: Story, wrong: bool) -> None:
    first, second = story.begin("a", 1), story.reserve("b", 2)
    story.wait("late")
    starting = {"phase": Phase.ON_START, "until": POLICY.start_grace}
    holder = story.holder(second) if wrong else story.holder(second, Health.STARTING, **starting)
    refuse(story, first, holder)


@breaks(Rule.EVIDENCE_AGREES)
def it_is_healthy_and_at_work(story: Story, wrong: bool) -> None:
    first, second = full(story)
    refuse(story, first, story.holder(second, phase=Phase.HANDLE if wrong else Phase.BETWEEN))


@breaks(Rule.EVIDENCE_AGREES)
def its_budget_is_longer_than_its_policy_says(story: Story, wrong: bool) -> None:
    first, second = full(story)
    until = 2 * BUDGET if wrong else BUDGET
    refuse(story, first, story.holder(second, Health.BUSY, phase=Phase.HANDLE, until=until))


@breaks(Rule.EVIDENCE_AGREES)
def its_time_was_over(story: Story, wrong: bool) -> None:
    story.spec = SupervisorSpec(slot_wait=BUDGET + 1)
    first, second = full(story)
    story.at(BUDGET + 1)
    since = 0.0 if wrong else 2.0
    evidence = {"phase": Phase.HANDLE, "since": since, "until": since + BUDGET}
    refuse(story, first, story.holder(second, Health.BUSY, **evidence))


@breaks(Rule.EVIDENCE_AGREES)
def it_waits_for_a_connection_that_it_had(story: Story, wrong: bool) -> None:
    first, second = full(story)
    if wrong:
        story.about(ConnectionAttached, second, 1)
    evidence = {"connections": int(wrong), "until": POLICY.attach_grace}
    refuse(story, first, story.holder(second, Health.STARTING, **evidence))


@breaks(Rule.EVIDENCE_AGREES)
def it_was_in_an_older_phase_before(story: Story, wrong: bool) -> None:
    story.spec = SupervisorSpec(slot_wait=1.0)
    first, second = full(story)
    story.at(1.0)
    refuse(story, first, story.holder(second, since=0.5))
    refuse(story, first, story.holder(second, since=0.25 if wrong else 0.5))


@breaks(Rule.EVIDENCE_AGREES)
def it_stops_for_longer_than_its_graces(story: Story, wrong: bool) -> None:
    first, second = full(story)
    grace = 5.0 + (2 if wrong else 1) * CANCEL_GRACE
    holder = story.holder(second, Health.STOPPING, phase=Phase.ON_STOP, until=grace)
    refuse(story, first, holder, reason=PENDING)


@breaks(Rule.REAP_ACTS)
def it_is_said_to_stop_and_does_not(story: Story, wrong: bool) -> None:
    first, second = full(story)
    holder = story.holder(second, Health.STOPPING, phase=Phase.ON_STOP, until=5.0 + CANCEL_GRACE)
    refuse(story, first, holder, reason=PENDING)
    story.at(1.0)
    story.end(second, ExitReason.STOPPED, since=1.0 if wrong else 0.0)


@breaks(Rule.UNKNOWN_AFTER_STALL)
def one_holds_a_slot_as_unknown_without_a_stall(story: Story, wrong: bool) -> None:
    if not wrong:
        story.stall(1.0)
    first, second = full(story)
    refuse(story, first, story.holder(second, Health.UNKNOWN, until=story.now + 1))
