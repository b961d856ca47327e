"""Stories of what goes on by itself, each with one thing wrong if asked."""

from __future__ import annotations

from supervisor import CleanupReport, ShutdownHeld, SweeperFailed, SweeperStarted, SweepHeld, Swept
from supervisor.testing import Rule

from .stories import Story, breaks
from .stories_of_lives import condemned_one

PERIOD, HOLD = 300.0, 60.0
CRASH = OSError("the sweeper crashed")


def sweep(story: Story, at: float) -> None:
    story.at(at)
    story.tell(Swept, CleanupReport(None, ()), 0.0)


@breaks(Rule.SWEEPS_GO_ON)
def a_sweep_is_left_out(story: Story, wrong: bool) -> None:
    story.tell(SweeperStarted, PERIOD)
    if not wrong:
        sweep(story, PERIOD)
    sweep(story, 2 * PERIOD)


@breaks(Rule.SWEEPS_GO_ON)
def the_sweeper_is_dead(story: Story, wrong: bool) -> None:
    story.tell(SweeperStarted, PERIOD)
    story.at(2 * PERIOD if wrong else PERIOD)
    story.begin()


@breaks(Rule.SWEEPER_RETURNS)
def a_crashed_sweeper_comes_back_late(story: Story, wrong: bool) -> None:
    story.tell(SweeperFailed, CRASH, 1.0)
    story.at(2.0 if wrong else 1.0)
    story.tell(SweeperStarted, PERIOD)


@breaks(Rule.SWEEPER_RETURNS)
def a_crashed_sweeper_comes_back_early(story: Story, wrong: bool) -> None:
    story.tell(SweeperFailed, CRASH, 1.0)
    story.at(0.5 if wrong else 1.0)
    story.tell(SweeperStarted, PERIOD)


@breaks(Rule.SWEEPER_RETURNS)
def a_crashed_sweeper_does_not_come_back(story: Story, wrong: bool) -> None:
    story.tell(SweeperFailed, CRASH, 1.0)
    story.at(1.0)
    if not wrong:
        story.tell(SweeperStarted, PERIOD)
    story.at(10.0)
    story.begin()


@breaks(Rule.SWEEPER_RETURNS)
def the_back_off_does_not_grow(story: Story, wrong: bool) -> None:
    story.tell(SweeperFailed, CRASH, 2.0)
    story.at(2.0)
    story.tell(SweeperStarted, PERIOD)
    story.at(3.0)
    story.tell(SweeperFailed, CRASH, 1.0 if wrong else 4.0)


@breaks(Rule.HOLD_ENDS)
def a_hold_is_too_long(story: Story, wrong: bool) -> None:
    story.tell(SweepHeld, 5, 6, HOLD + wrong)


@breaks(Rule.HOLD_ENDS)
def a_hold_is_made_longer(story: Story, wrong: bool) -> None:
    story.tell(SweepHeld, 5, 6, HOLD)
    story.at(30.0)
    story.tell(SweepHeld, 5, 6, HOLD + 30 * wrong)


@breaks(Rule.SHUTDOWN_NAMES)
def the_end_is_held_up_by_nobody(story: Story, wrong: bool) -> None:
    who = condemned_one(story)
    story.tell(ShutdownHeld, () if wrong else (f"{who.user}/{who.key}#{who.incarnation}",))
