"""A stage on which a script is performed, and what came of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import ExitStack, suppress

import attrs
import trio
from trio.testing import MockClock

from actors import ActorRef, ActorStopped, Connection, MailboxFull, TooManyConnections, attach
from supervisor import (
    ChildSpec,
    Event,
    EventsLost,
    Obtained,
    Refusal,
    SpawnFailed,
    SpawnRefused,
    Supervisor,
    SupervisorClosed,
    SupervisorSpec,
    open_supervisor,
)
from supervisor.testing import Healthy, Message, Work, connection

from .steps import (
    KINDS,
    Advance,
    Attach,
    Cleanup,
    Detach,
    Script,
    SetLimit,
    Spawn,
    Stall,
    Step,
    Stop,
    StopUser,
    Tell,
)


@attrs.frozen(eq=False)
class Performance:
    """What came of a script."""

    script: Script
    log: list[Event] = attrs.field(factory=list[Event])
    obtained: list[Obtained[Message]] = attrs.field(factory=list[Obtained[Message]])
    refused: list[Refusal] = attrs.field(factory=list[Refusal])
    failed: list[SpawnFailed] = attrs.field(factory=list[SpawnFailed])
    made: list[tuple[str, Healthy]] = attrs.field(factory=list[tuple[str, Healthy]])
    unanswered: list[Spawn] = attrs.field(factory=list[Spawn])
    """Callers that neither got an answer nor were cancelled."""
    left_over: list[str] = attrs.field(factory=list[str])
    """Users that the supervisor still knows of after its block."""

    def kinds(self) -> dict[str, str]:
        """By the name of the incarnation."""
        return {actor.name: kind for kind, actor in self.made if actor.name is not None}


@attrs.define(eq=False)
class Stage:
    """Performs one script."""

    play: Performance
    supervisor: Supervisor
    callers: trio.Nursery
    sockets: ExitStack
    release: trio.Event = attrs.field(factory=trio.Event)
    wires: list[Connection] = attrs.field(factory=list[Connection])

    async def perform(self, step: Step) -> None:
        match step:
            case Spawn(callers=count):
                for _ in range(count):
                    self.callers.start_soon(self.call, step)
                await trio.lowlevel.checkpoint()
            case Advance(seconds):
                await trio.sleep(seconds)
            case Stall(seconds):
                clock = trio.lowlevel.current_clock()
                assert isinstance(clock, MockClock)
                clock.jump(seconds)
                await self.soon(self.supervisor.cleanup)
            case Cleanup(user):
                await self.soon(self.supervisor.cleanup, user)
            case StopUser(user):
                await self.soon(self.supervisor.stop_user, user)
            case _:
                self.touch(step)

    async def soon(self, function: Callable[..., Awaitable[object]], *args: object) -> None:
        self.callers.start_soon(function, *args)
        await trio.lowlevel.checkpoint()

    def touch(self, step: Stop | Tell | Attach | Detach | SetLimit) -> None:
        match step:
            case Stop(user, key):
                if (ref := self.supervisor.lookup(user, key)) is not None:
                    ref.stop()
            case Tell(user, key):
                self.tell(self.supervisor.lookup(user, key))
            case Attach(user, key, cut):
                self.attach(self.supervisor.lookup(user, key), cut=cut)
            case Detach():
                if self.wires:
                    self.wires.pop(0).abort()
            case SetLimit(limit):
                self.supervisor.set_limit(limit)

    async def call(self, step: Spawn) -> None:
        self.play.unanswered.append(step)
        with trio.CancelScope() as scope:
            if step.cancel_after is not None:
                self.callers.start_soon(self.cancel, scope, step.cancel_after)
            await self.ask(step)
        self.play.unanswered.remove(step)

    async def cancel(self, scope: trio.CancelScope, rounds: int) -> None:
        for _ in range(rounds):
            await trio.lowlevel.checkpoint()
        scope.cancel()

    async def ask(self, step: Spawn) -> None:
        try:
            got = await self.supervisor.get_or_spawn(
                step.user, step.key, ChildSpec(lambda: self.make(step.kind))
            )
        except SpawnRefused as refused:
            self.play.refused.append(refused.refusal)
        except SupervisorClosed:
            pass
        except SpawnFailed as failed:
            self.play.failed.append(failed)
        else:
            self.play.obtained.append(got)
            if step.work:
                self.tell(got.ref)

    def make(self, kind: str) -> Healthy:
        actor = KINDS[kind](self.release)
        self.play.made.append((kind, actor))
        return actor

    def tell(self, ref: ActorRef[Message] | None) -> None:
        if ref is not None:
            with suppress(ActorStopped, MailboxFull):
                ref.tell_nowait(Work())

    def attach(self, ref: ActorRef[Message] | None, *, cut: bool) -> None:
        if ref is None or ref.pulse.connections is None:
            return
        wire = connection()
        with suppress(ActorStopped, TooManyConnections):
            self.sockets.enter_context(attach(ref, wire))
            if cut:
                wire.abort()
            else:
                self.wires.append(wire)


async def perform(script: Script) -> Performance:
    """Open a supervisor, do all that the script says, release what is stuck, and end the block."""
    play = Performance(script)
    spec = SupervisorSpec(condemned_allowance=script.allowance, slot_wait=script.slot_wait)
    with ExitStack() as sockets:
        async with open_supervisor(script.limit, spec=spec) as supervisor:
            subscription = supervisor.events(capacity=1_000_000)
            async with trio.open_nursery() as callers:
                stage = Stage(play, supervisor, callers, sockets)
                for step in script.steps:
                    await stage.perform(step)
                await trio.sleep(20)  # more than any caller has to wait
                play.left_over.extend(f"unanswered: {step}" for step in play.unanswered)
                stage.release.set()
                await trio.sleep(5)
                callers.cancel_scope.cancel()
    for event in subscription.drain():
        assert not isinstance(event, EventsLost)
        play.log.append(event)
    play.left_over.extend(user.user for user in supervisor.snapshot().users)
    return play
