"""What must hold of one cell of the matrix, each as a claim: broken ones are told in words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import attrs
import trio

from actors import ActorRef, ActorStopped, State
from supervisor import (
    Condemned,
    Health,
    Obtained,
    ReapStarted,
    Refusal,
    RefusalReason,
    Reserved,
    Suspected,
    Terminal,
)
from supervisor.testing import Echo, run

from .matrix import SLACK, USER, Cell, Condition, Scene, bound_unasked, play
from .promises import End

# What an admission may take besides the grace of those that it removes: twice its deadline.
ADMISSION = 0.1

# Within this anyone that stays has got through its work and answers: the longest works for 30 s.
ANSWERS_WITHIN = 40.0

# Floats are not exact, in seconds.
EPSILON = 1e-6

NO_GHOSTS = {Health.UNRESPONSIVE, Health.CONDEMNED}


@attrs.frozen
class Played:
    """What came of one cell."""

    broken: tuple[str, ...]
    """Claims that did not hold, in words."""
    took: float | None
    """Till the last was gone or condemned: from the question, or, unasked, from the misbehaviour."""


def examine(cell: Cell) -> Played:
    """Play the cell on a clock of its own, and hold it against its promise."""
    broken: list[str] = []

    async def look(scene: Scene) -> None:
        broken.extend(_each_left_in_time(scene))
        broken.extend(_convicted_as_promised(scene))
        broken.extend(_newcomer(scene))
        broken.extend(_nobody_waits(scene))
        broken.extend(await _alive(scene))

    scene = run(play, cell, look)
    broken.extend(_ended_as_promised(scene))
    return Played(tuple(broken), _took(scene))


def _goes(scene: Scene) -> bool:
    """Is it promised that those of the kind leave, under this cell's conditions?"""
    promise = scene.cell.kind.promise
    return promise.end is not End.STAYS and not (promise.by_chance and not scene.cell.asked)


def _took(scene: Scene) -> float | None:
    if not _goes(scene):
        return None
    last = max(scene.left.values(), default=float("inf"))
    return max(0.0, last - scene.asked_at) if scene.cell.asked else last - scene.began


def _each_left_in_time(scene: Scene) -> Iterator[str]:
    promise, cell, left = scene.cell.kind.promise, scene.cell, scene.left
    if not _goes(scene):
        if left and not promise.by_chance:
            yield f"left although it lives: {left}"
        return
    wanted = 1 if promise.one_goes and cell.asked else cell.count
    if len(left) != wanted:
        yield f"{len(left)} of {wanted} left"
    for key, at in left.items():
        if at < scene.began + scene.due - EPSILON:
            yield f"{key} left {scene.began + scene.due - at:.3f} s before there was evidence"
    bound = scene.asked_at + promise.grace if cell.asked else scene.began + bound_unasked(cell.kind)
    if left and max(left.values()) > bound + SLACK:
        yield f"the last left {max(left.values()) - bound:.3f} s after its bound"
    condemned = {event.key for event in scene.of(Condemned, "bad-")}
    if condemned != (set(left) if promise.end is End.CONDEMNED else set()):
        yield f"condemned: {sorted(condemned)}"


def _convicted_as_promised(scene: Scene) -> Iterator[str]:
    promise = scene.cell.kind.promise
    wanted = promise.health if scene.left else None
    suspected = scene.of(Suspected, "bad-")
    if {event.verdict.health for event in suspected} != ({wanted} - {None}):
        yield f"suspected: {[str(event.verdict) for event in suspected]}"


def _newcomer(scene: Scene) -> Iterator[str]:
    cell, promise = scene.cell, scene.cell.kind.promise
    if not cell.asked:
        return
    if not promise.blocks_loop and scene.answered_after > ADMISSION + promise.grace + SLACK:
        yield f"the newcomer waited for {scene.answered_after:.3f} s"
    let_in = promise.end is not End.STAYS and cell.limit > 0
    match scene.answer:
        case Obtained():
            if not let_in:
                yield "the newcomer was let in"
        case Refusal() as refusal:
            if let_in:
                yield f"the newcomer was refused: {refusal}"
            yield from _proven(refusal, promise.end, cell.limit)
        case None:
            yield "the newcomer was never answered"


def _proven(refusal: Refusal, end: End, limit: int) -> Iterator[str]:
    """At limit 0 only the condemned hold something; at others everybody is alive."""
    pending = end is End.CONDEMNED
    reason = RefusalReason.REAP_PENDING if pending else RefusalReason.LIMIT
    if (refusal.reason, refusal.limit) != (reason, limit):
        yield f"refused with {refusal.reason} at {refusal.limit}"
    ghosts = [str(holder) for holder in refusal.holders if holder.verdict.health in NO_GHOSTS]
    if ghosts and not pending:
        yield f"refused because of {ghosts}"


def _nobody_waits(scene: Scene) -> Iterator[str]:
    """Senders that wait for room are told when there will be none."""
    if len(scene.left) == scene.cell.count and scene.senders:
        yield f"{scene.senders} senders wait for one that is gone"


async def _alive(scene: Scene) -> list[str]:
    """The neighbours are untouched; so are those of the kind, if they stay."""
    broken = [f"a neighbour was suspected: {event}" for event in scene.of(Suspected, "good-")]
    broken += [f"a neighbour was reaped: {event}" for event in scene.of(ReapStarted, "good-")]
    stay = {} if scene.left else scene.bad
    for key, ref in (scene.good | stay).items():
        if scene.supervisor.lookup(USER, key) != ref or ref.state is not State.RUNNING:
            broken.append(f"{key} is not there any more: {ref}")
    witnesses = scene.good | (stay if scene.cell.condition is Condition.IDLE else {})
    for ref in witnesses.values():
        if not await _answers(ref):
            broken.append(f"{ref} does not answer")
    return broken


async def _answers(ref: ActorRef[Any]) -> bool:
    with trio.move_on_after(ANSWERS_WITHIN), suppress(ActorStopped):
        return await ref.ask(Echo()) == "there?"
    return False


def _ended_as_promised(scene: Scene) -> Iterator[str]:
    """Over the whole log: one end each, with its reason; and never more slots than there are."""
    promise = scene.cell.kind.promise
    born, ended = scene.of(Reserved, "bad-"), scene.of(Terminal, "bad-")
    if sorted(event.incarnation for event in born) != sorted(event.incarnation for event in ended):
        yield f"{len(born)} were born, {len(ended)} ended"
    if any(event.held > event.limit for event in scene.log.of(Reserved)):
        yield "more slots were held than there are"
    if not _goes(scene):
        return
    gone = [event for event in ended if event.key in scene.left]
    if {event.exit.reason for event in gone} != {promise.reason}:
        yield f"ended: {[str(event.exit) for event in gone]}"
