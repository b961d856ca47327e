"""Judgement: were the promises kept in a run that is over? By its log, its mail and its callers' answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator

import supervisor
from actors import ExitReason
from supervisor import (
    ActorEvent,
    CleanedUp,
    Condemned,
    Event,
    Forced,
    Found,
    Health,
    MailDeadLettered,
    Obtained,
    Refused,
    Reserved,
    SpawnFailed,
    SpawnRefused,
    Stalled,
    Started,
    Suspected,
    SweeperFailed,
    Swept,
    Voided,
    Waited,
)
from supervisor.checking import check_events

from ._specimens import TURN, BlocksLoop, BusyWithProgress, Healthy, Spins
from ._stage import Stage

# A specimen that spins takes time between any two turns, as code does, and so does each beside it;
# ten of its rounds, in seconds.
SLACK = 10 * TURN

# And one that blocks the loop may do so for less than what is told as a stall, in seconds.
UNTOLD_STALL = 0.5

SITUATIONS: dict[type[Event], str] = {
    Condemned: "condemned",
    Forced: "force",
    Stalled: "stall",
    SweeperFailed: "sweeper crashed",
    Swept: "sweep",
    Voided: "voided",
    Waited: "waited",
}


def name_of(event: ActorEvent) -> str:
    """The name of the incarnation that it is about."""
    return f"{event.user}/{event.key}#{event.incarnation}"


def situations(log: list[Event]) -> Counter[str]:
    """What interesting was met in this log, and how often."""
    seen = Counter(SITUATIONS[type(event)] for event in log if type(event) in SITUATIONS)
    for event in log:
        match event:
            case Refused(refusal=refusal):
                full = refusal.reason.is_beyond_the_user
                seen["process full" if full else "refusal"] += 1
            case CleanedUp(report=report):
                seen["takeover"] += sum(stage.stage is supervisor.Stage.TAKEOVER for stage in report.stages)
            case _:
                pass
    return +seen


def judge_stage(stage: Stage, *, good: Container[str]) -> Iterator[str]:
    """Each broken promise, in words. Managers of the `good` kinds must never be found unresponsive."""
    for violation in check_events(stage.log, spec=stage.spec, limit=stage.limit, slack=_slack(stage)):
        yield str(violation)
    yield from _innocents(stage, good)
    yield from _ghosts(stage)
    yield from _answers(stage)
    yield from _books(stage)


def _slack(stage: Stage) -> float:
    """How late anything may be, since some take time, at worst one right after the other."""
    actors = [actor for _, actor in stage.made.values()]
    stalls = sum(actor.worked for actor in actors if isinstance(actor, BlocksLoop))
    spinners = sum(isinstance(actor, Spins) for actor in actors)
    return UNTOLD_STALL * stalls + SLACK * max(1, spinners)


def _innocents(stage: Stage, good: Container[str]) -> Iterator[str]:
    for event in stage.log:
        if isinstance(event, Suspected) and event.verdict.health is Health.UNRESPONSIVE:
            made = stage.made.get(name_of(event))
            if made is not None and made[0] in good:
                yield f"{name_of(event)} ({made[0]}) was convicted: {event.verdict}"


def _ghosts(stage: Stage) -> Iterator[str]:
    """No refusal may count one as busy that has hung for longer than its budget: it knows that best."""
    policies = {e.incarnation: e.policy for e in stage.log if isinstance(e, Reserved)}
    stuck: dict[int, float] = {}
    for name, (_, actor) in stage.made.items():
        if isinstance(actor, Healthy) and actor.hung_since is not None:
            who = int(name.rpartition("#")[2])
            renews = isinstance(actor, BusyWithProgress)
            stuck[who] = actor.hung_since + (policies[who].ceiling if renews else policies[who].budget)
    stalled = False
    for event in stage.log:
        stalled = stalled or isinstance(event, Stalled)
        if not isinstance(event, Refused) or stalled:
            continue
        for holder in event.refusal.holders:
            due = stuck.get(holder.incarnation, event.stamp.at)
            if holder.verdict.health is Health.BUSY and event.stamp.at > due + _slack(stage):
                yield f"{event.user} was refused because of a ghost: {holder}, due at {due:g} s"


def _answers(stage: Stage) -> Iterator[str]:
    """Who was refused was told the proof; who created one created it alone."""
    told = [event.refusal for event in stage.log if isinstance(event, Refused)]
    created = Counter[str]()
    for call in stage.calls:
        match call.answer:
            case SpawnRefused(refusal=refusal) if refusal not in told:
                yield f"{call.user}/{call.key} was refused, and no event told of it"
            case SpawnFailed(exit=exit) if exit.reason is ExitReason.CANCELLED:
                yield f"{call.user}/{call.key} failed because somebody else went away: {exit}"
            case Obtained(ref=ref, created=True):
                created[ref.name] += 1
            case _:
                pass
    for name, times in created.items():
        if times > 1:
            yield f"{times} callers created {name}"
    yield from _handed_out(stage)


def _handed_out(stage: Stage) -> Iterator[str]:
    started = Counter(name_of(event) for event in stage.log if isinstance(event, Started))
    found = Counter(name_of(event) for event in stage.log if isinstance(event, Found))
    for call in stage.calls:
        if isinstance(call.answer, Obtained):
            name = call.answer.ref.name
            if not started[name] and not found[name]:
                yield f"{call.user}/{call.key} got {name}, of which no event says that it started"


def _books(stage: Stage) -> Iterator[str]:
    """Accepted = handled + failed + returned + dead-lettered, for each; by its books and by its events."""
    dead = Counter[str]()
    for event in stage.log:
        if isinstance(event, MailDeadLettered):
            dead[name_of(event)] += event.count
    for name, ref in stage.refs.items():
        yield from stage.mail.check(ref, dead[name])
