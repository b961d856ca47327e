"""Stories of a node in a cluster, each with one thing wrong if asked."""

from __future__ import annotations

from typing import Any

import attrs

from actors import DEFAULT_CLEANUP_GRACE, ExitReason, Phase
from supervisor import (
    EngineChanged,
    FoundElsewhere,
    Health,
    Holder,
    LeaseLost,
    NodeJoined,
    NotAdmitted,
    OwnersAsked,
    Reconciled,
    RefusalReason,
    Started,
    Verdict,
)
from supervisor.testing import Rule

from .stories import CANCEL_GRACE, POLICY, Story, Who, breaks

FULL = RefusalReason.CLUSTER_LIMIT


def join(story: Story, session: str = "n-1") -> None:
    story.tell(NodeJoined, "n", session, 0.0)


def lose(story: Story, session: str = "n-1", *, managers: int = 1, kept: bool = False) -> None:
    story.tell(LeaseLost, "n", session, "it was not renewed in time", managers, kept)


def fence(story: Story, who: Who) -> None:
    story.end(who, ExitReason.FENCED)


def go_on(story: Story) -> None:
    """Something else happens, later."""
    story.at(story.now + 1.0)
    story.tell(EngineChanged, "down", "the connection was cut")


def elsewhere(story: Story, key: str, node: str = "m") -> Holder:
    """One who lives on another node, as that one says."""
    return Holder(key, 1, Verdict(Health.HEALTHY, "parked"), story.now, None, node=node)


@breaks(Rule.LEASES_IN_TURN)
def a_lease_begins_while_another_one_holds(story: Story, wrong: bool) -> None:
    join(story, "n-1")
    if not wrong:
        lose(story, "n-1", managers=0)
    join(story, "n-2")


@breaks(Rule.LEASES_IN_TURN)
def a_session_comes_back(story: Story, wrong: bool) -> None:
    join(story, "n-1")
    lose(story, "n-1", managers=0)
    join(story, "n-1" if wrong else "n-2")


@breaks(Rule.LEASES_IN_TURN)
def a_lease_is_lost_that_was_not_held(story: Story, wrong: bool) -> None:
    join(story, "n-1")
    lose(story, "n-2" if wrong else "n-1", managers=0)


@breaks(Rule.RUNS_UNDER_A_LEASE)
def one_starts_without_a_lease(story: Story, wrong: bool) -> None:
    join(story)
    lose(story, managers=0)
    story.at(1.0)
    if not wrong:
        join(story, "n-2")
    story.begin()


@breaks(Rule.RUNS_UNDER_A_LEASE)
def one_starts_without_a_lease_where_nobody_is_kept(story: Story, wrong: bool) -> None:
    join(story)
    lose(story, managers=0, kept=not wrong)
    story.at(1.0)
    story.begin()


@breaks(Rule.ENDS_WITH_ITS_LEASE)
def one_ends_long_after_its_lease(story: Story, wrong: bool) -> None:
    join(story)
    who = story.begin()
    lose(story)
    story.at(2 * CANCEL_GRACE + DEFAULT_CLEANUP_GRACE + (1.0 if wrong else 0.0))
    fence(story, who)


@breaks(Rule.ENDS_WITH_ITS_LEASE)
def one_never_ends_though_its_lease_is_over(story: Story, wrong: bool) -> None:
    join(story)
    who = story.begin()
    lose(story)
    if not wrong:
        fence(story, who)
    story.at(60.0)
    join(story, "n-2")


@breaks(Rule.ENDS_WITH_ITS_LEASE)
def one_is_kept_only_where_that_is_the_policy(story: Story, wrong: bool) -> None:
    join(story)
    story.begin()
    lose(story, kept=not wrong)
    story.at(60.0)
    join(story, "n-2")


@breaks(Rule.FENCED_FOR_A_LOSS)
def one_is_fenced_and_the_lease_was_never_lost(story: Story, wrong: bool) -> None:
    join(story)
    who = story.begin()
    if not wrong:
        lose(story)
    fence(story, who)
    go_on(story)


@breaks(Rule.FENCED_FOR_A_LOSS)
def one_is_fenced_before_it_is_told_that_the_lease_was_lost(story: Story, wrong: bool) -> None:
    join(story)
    who = story.begin()
    fence(story, who)
    if wrong:
        story.at(1.0)
    lose(story, managers=0)
    go_on(story)


@breaks(Rule.FENCED_FOR_A_LOSS)
def one_is_fenced_for_a_lease_that_was_kept(story: Story, wrong: bool) -> None:
    join(story)
    who = story.begin()
    lose(story, kept=wrong)
    fence(story, who)
    go_on(story)


@breaks(Rule.FENCED_FOR_A_LOSS)
def one_is_fenced_for_the_slot_of_another_one(story: Story, wrong: bool) -> None:
    join(story)
    who = story.begin()
    story.tell(Reconciled, "ann", 0, 0, ("b" if wrong else "a",))
    fence(story, who)
    go_on(story)


@breaks(Rule.FENCED_FOR_A_LOSS)
def one_is_fenced_for_a_lease_that_was_lost_before_it_came(story: Story, wrong: bool) -> None:
    join(story)
    lose(story, managers=0)
    story.at(1.0)
    join(story, "n-2")
    who = story.begin()
    if not wrong:
        lose(story, "n-2")
    fence(story, who)
    go_on(story)


@breaks(Rule.OWNERS_ASKED)
def slots_elsewhere_refuse_and_nobody_asked_there(story: Story, wrong: bool) -> None:
    join(story)
    _refuse(story, asked=() if wrong else ("m",))


@breaks(Rule.OWNERS_ASKED)
def another_node_was_asked(story: Story, wrong: bool) -> None:
    join(story)
    _refuse(story, asked=("l",) if wrong else ("l", "m"))


@breaks(Rule.OWNERS_ASKED)
def one_keeps_silent_that_was_not_asked(story: Story, wrong: bool) -> None:
    join(story)
    story.reserve("late", 1)
    story.tell(OwnersAsked, "ann", ("l", "m"), ("k",) if wrong else ("m",), 0, 1.0)


def _refuse(story: Story, asked: tuple[str, ...], **facts: Any) -> None:
    """One of two slots is held here, the other one on node `m`."""
    first = story.begin("a", 1)
    story.reserve("late", 2)
    stages = story.clean()
    if asked:
        story.tell(OwnersAsked, "ann", asked, (), 0, 0.1)
    there = elsewhere(story, "b")
    story.refuse(story.holder(first), there, stages=stages, reason=FULL, live=2, **facts)


@breaks(Rule.HOLDERS_COMPLETE)
def a_refusal_of_the_cluster_forgets_who_lives_here(story: Story, wrong: bool) -> None:
    join(story)
    first = story.begin("a", 1)
    story.reserve("late", 2)
    stages = story.clean()
    story.tell(OwnersAsked, "ann", ("m",), (), 0, 0.1)
    here = story.holder(first)
    # Somebody of the same key and number on another node is somebody else.
    story.refuse(
        attrs.evolve(here, node="m" if wrong else ""),
        elsewhere(story, "b"),
        stages=stages,
        reason=FULL,
        live=2,
    )


@breaks(Rule.STARTS_ONCE)
def one_lives_elsewhere_and_starts_here(story: Story, wrong: bool) -> None:
    join(story)
    late = story.reserve("late", 1)
    story.tell(FoundElsewhere, "ann", "late", "m")
    if wrong:
        story.about(Started, late, 0.0)


@breaks(Rule.STARTS_ONCE)
def one_is_not_admitted_and_starts(story: Story, wrong: bool) -> None:
    join(story)
    late = story.reserve("late", 1)
    story.tell(NotAdmitted, "ann", "late", "the engine is away", 1.0)
    if wrong:
        story.about(Started, late, 0.0)


@breaks(Rule.NO_REFUSAL_OF_THE_LIVING)
def one_is_found_elsewhere_that_lives_here(story: Story, wrong: bool) -> None:
    join(story)
    late = story.reserve("late", 1)
    if wrong:
        story.about(Started, late, 0.0)
    story.tell(FoundElsewhere, "ann", "late", "m")


@breaks(Rule.EVIDENCE_AGREES)
def one_is_to_begin_when_others_have_answered(story: Story, wrong: bool) -> None:
    """Only in a cluster may that be later than the log can know."""
    if not wrong:
        join(story)
    waiting = story.reserve("a", 1)
    story.reserve("late", 2)
    stages = story.clean()
    until = 3.0 + POLICY.start_grace
    holder = story.holder(waiting, Health.STARTING, since=3.0, until=until, phase=Phase.WAITING_TO_RUN)
    story.refuse(attrs.evolve(holder, connections=0), stages=stages, reason=FULL, live=2)


@breaks(Rule.NO_GHOSTS)
def what_another_node_says_of_its_own_is_not_judged_by_this_log(story: Story, wrong: bool) -> None:
    join(story)
    first = story.begin("a", 1)
    story.reserve("late", 2)
    stages = story.clean()
    story.tell(OwnersAsked, "ann", ("m",), (), 0, 0.1)
    here = story.holder(first, Health.IDLE if wrong else Health.HEALTHY)
    there = Holder("b", 1, Verdict(Health.IDLE, "quiet"), 1.0, None, node="m")
    story.refuse(here, there, stages=stages, reason=FULL, live=2)
