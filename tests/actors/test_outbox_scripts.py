"""Whatever its peer takes, and whenever: an outbox loses, invents and reorders no byte, and can count."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import attrs
import trio
from hypothesis import event, given, settings
from hypothesis import strategies as st
from trio.testing import wait_all_tasks_blocked

from actors import Outbox

from . import virtual
from .sinks import PaperSink

# What a frame is charged on top of its bytes, and the seconds of a stall.
OVERHEAD = 64
STALL = 10.0


@attrs.frozen
class Push:
    """So many frames of so many bytes, in one turn."""

    count: int
    size: int


@attrs.frozen
class Take:
    """The peer reads so many bytes more."""

    count: int


@attrs.frozen
class Turns:
    """So many turns of the event loop, amid whatever is under way."""

    count: int


@attrs.frozen
class Sleep:
    seconds: float


@attrs.frozen
class Flush:
    """By hand, and for so long at most."""

    within: float


@attrs.frozen
class Serve:
    """From now on by a nursery of its own, which may be over."""

    over: bool


@attrs.frozen
class CancelFlushers:
    """The nursery in which the flusher runs is cancelled; it is still open."""


@attrs.frozen
class Drop: ...


Step = Push | Take | Turns | Sleep | Flush | Serve | CancelFlushers | Drop


def often(times: int, kind: st.SearchStrategy[Step]) -> list[st.SearchStrategy[Step]]:
    return [kind] * times


# Mostly harmless, or each script is soon over.
steps: st.SearchStrategy[Step] = st.sampled_from(
    [
        *often(8, st.builds(Push, st.integers(1, 4), st.sampled_from([0, 1, 2, 10, 70_000]))),
        *often(6, st.builds(Take, st.sampled_from([1, 2, 3, 50, 70_000, 300_000]))),
        *often(6, st.builds(Turns, st.integers(1, 4))),
        *often(3, st.builds(Sleep, st.sampled_from([0.5, 2.0]))),
        *often(3, st.builds(Flush, st.sampled_from([0.0, 1.0]))),
        *often(3, st.just(Serve(over=False))),
        *often(1, st.just(Serve(over=True))),
        *often(1, st.just(Sleep(STALL))),
        *often(1, st.just(CancelFlushers())),
        *often(1, st.just(Drop())),
    ]
).flatmap(lambda kind: kind)


@attrs.define(eq=False)
class Model:
    """What the queue must be, from the outside: the bytes pushed, and up to where they were joined."""

    pushed: bytearray = attrs.field(factory=bytearray)
    ends: list[int] = attrs.field(factory=list[int])
    """Where each frame ends."""
    joined: int = 0
    """Up to there the frames are one: their overhead is no more."""

    def push(self, frame: bytes) -> None:
        if frame:
            self.pushed += frame
            self.ends.append(len(self.pushed))

    def queued(self, taken: int) -> range:
        """What `queued` may be, when the peer has taken so much: of some the overhead is gone."""
        waiting = len(self.pushed) - taken
        frames = sum(end > taken for end in self.ends)
        return range(waiting, waiting + OVERHEAD * frames + 1, OVERHEAD)

    def queued_at_rest(self, taken: int) -> int:
        """And exactly, where it is asked at each rest."""
        if taken >= self.joined:  # what was begun is through, and all that waited was joined
            self.joined = len(self.pushed)
        return len(self.pushed) - taken + OVERHEAD * sum(end > self.joined for end in self.ends)


@attrs.define(eq=False)
class Play:
    """One script on one outbox."""

    nursery: trio.Nursery
    sink: PaperSink = attrs.field(factory=lambda: PaperSink(room=0))
    outbox: Outbox = attrs.field(init=False)
    model: Model = attrs.field(factory=Model)
    served: trio.CancelScope | None = None
    over: trio.Event = attrs.field(factory=trio.Event)
    number: int = 0

    def __attrs_post_init__(self) -> None:
        self.outbox = Outbox(self.sink)
        self.outbox.stall = STALL

    async def take(self, step: Step) -> None:
        match step:
            case Turns():
                for _ in range(step.count):
                    await trio.lowlevel.checkpoint()
            case Sleep():
                await trio.sleep(step.seconds)
            case Flush():
                with trio.move_on_after(step.within):
                    await self.outbox.flush()
            case Serve():
                await self.serve(over=step.over)
            case _:
                self.take_at_once(step)
        self.check()

    def take_at_once(self, step: Push | Take | CancelFlushers | Drop) -> None:
        match step:
            case Push():
                self.push(step)
            case Take():
                self.sink.allow(step.count)
            case CancelFlushers():
                if self.served is not None:
                    self.served.cancel()
            case Drop():
                self.outbox.drop()

    def push(self, step: Push) -> None:
        for _ in range(step.count):
            self.number += 1
            frame = (b"%d," % self.number * step.size)[: step.size]
            before, broken = self.outbox.queued, self.outbox.broken
            self.outbox.push(frame)
            charged = 0 if broken or not frame else len(frame) + OVERHEAD
            assert self.outbox.queued == before + charged
            if not broken:
                self.model.push(frame)

    async def serve(self, *, over: bool) -> None:
        async def hold(task_status: trio.TaskStatus[trio.Nursery]) -> None:
            async with trio.open_nursery() as nursery:
                self.served = nursery.cancel_scope
                task_status.started(nursery)
                if not over:
                    with trio.CancelScope(shield=True):  # it is open, even while it is cancelled
                        await self.over.wait()

        self.outbox.serve(await self.nursery.start(hold))

    def check(self) -> None:
        """At any time, also amid a write."""
        taken = len(self.sink.taken)
        assert self.sink.taken == self.model.pushed[:taken]
        if self.outbox.broken:
            assert self.outbox.queued == 0
        else:
            assert self.outbox.queued in self.model.queued(taken)

    async def check_at_rest(self) -> None:
        await wait_all_tasks_blocked()
        self.check()
        if not self.outbox.broken:
            assert self.outbox.queued == self.model.queued_at_rest(len(self.sink.taken))

    async def end(self) -> None:
        """The peer reads on: now all arrives."""
        self.sink.allow()
        await self.outbox.flush()
        self.check()
        if not self.outbox.broken:
            assert (self.sink.taken, self.outbox.queued) == (bytes(self.model.pushed), 0)


async def perform(script: Sequence[Step], *, rest: bool) -> Play:
    """Perform the steps one by one; after each wait for a rest, or let them meet."""
    async with trio.open_nursery() as nursery:
        play = Play(nursery)
        try:
            for step in script:
                await play.take(step)
                if rest:
                    await play.check_at_rest()
            await play.end()
        finally:
            play.over.set()
    return play


scripts = st.lists(steps, min_size=8, max_size=30)


@given(scripts, virtual.seeds)
@settings(virtual.unhurried, max_examples=300)
def test_the_bytes_that_arrive_are_a_beginning_of_those_pushed(script: Sequence[Step], seed: int) -> None:
    play = virtual.run(partial(perform, script, rest=False), seed=seed)
    event("dropped" if play.outbox.broken else "complete")
    event(f"written in {min(len(play.sink.writes), 3)} turns or more, waited {min(play.sink.waits, 3)} times")


@given(scripts)
@virtual.unhurried
def test_what_is_queued_is_known_to_the_byte(script: Sequence[Step]) -> None:
    virtual.run(partial(perform, script, rest=True))
