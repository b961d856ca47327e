"""Stories of verdicts and ends, each with one thing wrong if asked."""

from __future__ import annotations

from actors import ExitReason, Phase
from supervisor import CleanupReport as Report
from supervisor import (
    ConnectionAttached,
    ConnectionDetached,
    Evicted,
    Forced,
    ForceStep,
    Health,
    ReapStarted,
    Stage,
    Swept,
    Verdict,
    Voided,
)
from supervisor.testing import Rule

from .stories import BUDGET, CANCEL_GRACE, POLICY, Story, Who, breaks, finding, report

ATTACH_GRACE, IDLE_LIMIT = POLICY.attach_grace, POLICY.idle_limit or 0.0
LATE = BUDGET + 1
"""More than a budget after the beginning."""
CLEANUP_GRACE = 0.2


def stuck(story: Story) -> Who:
    """It hangs since it started, for more than its budget."""
    who = story.begin()
    story.at(LATE)
    return who


@breaks(Rule.ONLY_THE_BAD)
def a_busy_one_is_reaped(story: Story, wrong: bool) -> None:
    who = stuck(story)
    story.suspect(who, Health.BUSY if wrong else Health.UNRESPONSIVE)
    story.about(ReapStarted, who, ExitReason.UNRESPONSIVE)


@breaks(Rule.NOT_BEFORE_TIME)
def a_slow_one_is_reaped_within_its_budget(story: Story, wrong: bool) -> None:
    story.reap(stuck(story), since=1.5 if wrong else 0.5)


@breaks(Rule.NOT_BEFORE_TIME)
def a_newborn_is_reaped_within_its_grace(story: Story, wrong: bool) -> None:
    who = story.reserve()
    story.at(POLICY.start_grace + (-1 if wrong else 1))
    story.reap(who, phase=Phase.ON_START)


@breaks(Rule.NOT_BEFORE_TIME)
def one_that_only_waits_for_mail_is_unresponsive(story: Story, wrong: bool) -> None:
    story.reap(stuck(story), phase=Phase.PARKED if wrong else Phase.PROBE)


@breaks(Rule.NOT_BEFORE_TIME)
def one_is_reaped_for_a_stall(story: Story, wrong: bool) -> None:
    who = story.begin()
    story.stall(LATE)
    if not wrong:
        story.at(story.now + LATE)
    story.reap(who)


@breaks(Rule.NOT_BEFORE_TIME)
def one_with_a_connection_is_disconnected(story: Story, wrong: bool) -> None:
    who = story.begin()
    story.about(ConnectionAttached, who, 1)
    if not wrong:
        story.about(ConnectionDetached, who, 0, "closed")
    story.at(ATTACH_GRACE + 1)
    story.reap(who, Health.DISCONNECTED, phase=Phase.PARKED)


@breaks(Rule.NOT_BEFORE_TIME)
def one_that_was_left_just_now_is_abandoned(story: Story, wrong: bool) -> None:
    who = story.begin()
    story.about(ConnectionAttached, who, 1)
    story.at(10.0 if wrong else 0.0)
    story.about(ConnectionDetached, who, 0, "closed")
    story.at(ATTACH_GRACE + 1)
    story.reap(who, Health.DISCONNECTED, phase=Phase.PARKED)


@breaks(Rule.NOT_BEFORE_TIME)
def one_that_was_heard_is_idle(story: Story, wrong: bool) -> None:
    who = story.begin()
    story.at(10.0 if wrong else 0.0)
    story.about(ConnectionAttached, who, 1)
    story.at(IDLE_LIMIT + 1)
    story.reap(who, Health.IDLE, phase=Phase.PARKED)
    story.about(ConnectionDetached, who, 0, "closed")
    story.over = True
    story.end(who, ExitReason.IDLE)


@breaks(Rule.UNKNOWN_AFTER_STALL)
def unknown_without_a_stall(story: Story, wrong: bool) -> None:
    who = story.begin()
    if wrong:
        story.at(LATE)
    else:
        story.stall(LATE)
    story.about(Voided, who, Verdict(Health.UNKNOWN, "a stall"))


@breaks(Rule.RESUMABLE_STAYS)
def a_client_may_come_back_and_nobody_needs_the_slot(story: Story, wrong: bool) -> None:
    who = story.begin("a", 1)
    if not wrong:
        story.begin("b", 2)
    story.about(ConnectionAttached, who, 1)
    story.about(ConnectionDetached, who, 0, "closed")
    story.reap(who, Health.DISCONNECTED, phase=Phase.PARKED, until=ATTACH_GRACE)


@breaks(Rule.SUSPECT_IS_REAPED)
def a_suspect_is_left_alone(story: Story, wrong: bool) -> None:
    who = stuck(story)
    story.suspect(who)
    if not wrong:
        story.about(ReapStarted, who, ExitReason.UNRESPONSIVE)


@breaks(Rule.SUSPECT_IS_REAPED)
def a_suspect_is_reaped_late(story: Story, wrong: bool) -> None:
    who = stuck(story)
    story.suspect(who)
    story.at(story.now + wrong)
    story.about(ReapStarted, who, ExitReason.UNRESPONSIVE)


@breaks(Rule.SUSPECT_IS_REAPED)
def one_is_reaped_for_another_reason(story: Story, wrong: bool) -> None:
    who = stuck(story)
    story.suspect(who)
    story.about(ReapStarted, who, ExitReason.IDLE if wrong else ExitReason.UNRESPONSIVE)


@breaks(Rule.SUSPECT_IS_REAPED)
def one_is_reaped_that_nobody_suspects(story: Story, wrong: bool) -> None:
    who = stuck(story)
    if not wrong:
        story.suspect(who)
    story.about(ReapStarted, who, ExitReason.UNRESPONSIVE)


@breaks(Rule.REAP_ACTS)
def one_is_reaped_and_cancelled_later(story: Story, wrong: bool) -> None:
    who = stuck(story)
    story.reap(who)
    cancelled = story.now + (1.0 if wrong else 0.0)
    story.at(cancelled + CANCEL_GRACE)
    story.condemn(who, cancelled)


@breaks(Rule.REAP_ACTS)
def one_is_reaped_and_stopped_later(story: Story, wrong: bool) -> None:
    who = story.begin()
    story.at(IDLE_LIMIT + 1)
    story.reap(who, Health.IDLE, phase=Phase.PARKED)
    story.at(story.now + 1)
    story.over = True
    story.end(who, ExitReason.IDLE, since=story.now - (0.5 if wrong else 1.0))


@breaks(Rule.GRACE_GIVEN)
def one_is_condemned_within_its_grace(story: Story, wrong: bool) -> None:
    who = stuck(story)
    story.reap(who)
    story.at(LATE + CANCEL_GRACE * (0.5 if wrong else 1.0))
    story.condemn(who, LATE)


@breaks(Rule.GRACE_GIVEN)
def one_is_condemned_while_it_cleans_up(story: Story, wrong: bool) -> None:
    who = stuck(story)
    story.reap(who)
    story.at(LATE + CANCEL_GRACE + (0.0 if wrong else CLEANUP_GRACE))
    story.condemn(who, LATE, Phase.ON_STOP, LATE)


@breaks(Rule.GRACE_ENDS)
def one_is_condemned_late(story: Story, wrong: bool) -> None:
    who = stuck(story)
    story.reap(who)
    story.at(LATE + CANCEL_GRACE * (2.0 if wrong else 1.0))
    story.condemn(who, LATE)


@breaks(Rule.GRACE_ENDS)
def force_takes_a_grace_for_each_step(story: Story, wrong: bool) -> None:
    who = stuck(story)
    story.reap(who)
    story.about(Forced, who, ForceStep.OPEN_SHIELDS, 1)
    if not wrong:
        story.about(Forced, who, ForceStep.THROW, 1)
    story.at(LATE + 3 * CANCEL_GRACE)
    story.condemn(who, LATE)


@breaks(Rule.GRACE_ENDS)
def one_ends_long_after_its_stop_grace(story: Story, wrong: bool) -> None:
    who = story.begin()
    story.at(10.0 if wrong else 5.0)
    story.end(who, since=0.0)


@breaks(Rule.SWEEP_SEES)
def a_sweep_passes_by_an_overdue_start(story: Story, wrong: bool) -> None:
    who = story.reserve()
    story.at(300.0)
    if not wrong:
        story.reap(who, phase=Phase.ON_START)
    story.tell(Swept, Report(None, ()), 0.0)


@breaks(Rule.SWEEP_SEES)
def a_sweep_passes_by_an_abandoned_one(story: Story, wrong: bool) -> None:
    who = story.begin()
    story.about(ConnectionAttached, who, 1)
    story.about(ConnectionDetached, who, 0, "closed")
    story.at(300.0)
    if not wrong:
        story.reap(who, Health.DISCONNECTED, phase=Phase.PARKED)
    story.tell(Swept, Report(None, ()), 0.0)


@breaks(Rule.EVICTED_FOR_SOMEBODY)
def a_healthy_one_makes_room_and_nobody_waits(story: Story, wrong: bool) -> None:
    who, _ = story.begin(), story.begin("c", 2)
    if not wrong:
        story.wait("b")
    story.about(Evicted, who, "b", 60.0)
    story.end(who, ExitReason.EVICTED, since=story.now)
    if not wrong:
        story.begin("b", 2)


@breaks(Rule.EVICTED_FOR_SOMEBODY)
def one_that_ends_already_makes_room(story: Story, wrong: bool) -> None:
    who, _ = story.begin(), story.begin("c", 2)
    story.wait("b")
    if wrong:
        story.about(Evicted, who, "b", 60.0)
    story.about(Evicted, who, "b", 60.0)
    story.end(who, ExitReason.EVICTED, since=story.now)
    story.begin("b", 2)


# Cleaning up


@breaks(Rule.REMOVED_IS_GONE)
def one_is_said_to_be_removed_that_is_there(story: Story, wrong: bool) -> None:
    who = stuck(story)
    story.reap(who)
    if not wrong:
        story.end(who, ExitReason.UNRESPONSIVE)
    story.clean(report(Stage.LIVENESS, reaped=(finding(who, Health.UNRESPONSIVE),)))


@breaks(Rule.FAILED_IS_ENDING)
def one_could_not_be_removed_and_nobody_tried(story: Story, wrong: bool) -> None:
    who = stuck(story)
    if not wrong:
        story.reap(who)
    story.clean(report(Stage.LIVENESS, failed=(finding(who, Health.UNRESPONSIVE),)))


@breaks(Rule.KEPT_IS_GOOD)
def a_stage_keeps_whom_it_must_remove(story: Story, wrong: bool) -> None:
    who = story.begin()
    stage = Stage.LIVENESS if wrong else Stage.GARBAGE
    story.clean(report(stage, kept=(finding(who, Health.UNRESPONSIVE),)))


@breaks(Rule.KEPT_IS_GOOD)
def garbage_is_kept(story: Story, wrong: bool) -> None:
    who = story.begin()
    health = Health.DISCONNECTED if wrong else Health.HEALTHY
    story.clean(report(Stage.GARBAGE, kept=(finding(who, health),)))
