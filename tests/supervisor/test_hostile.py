"""What users' own code, and bad moments, do to a supervisor: nothing to anybody else."""

from __future__ import annotations

import gc
import math
import weakref
from contextlib import suppress
from contextvars import ContextVar
from functools import partial
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from actors import ActorRef, Connection, Exit, ExitReason, State, attach
from supervisor import (
    Event,
    EventsLost,
    HandlerFailed,
    Reserved,
    SpawnFailed,
    Subscription,
    SupervisorSpec,
    Terminal,
    open_supervisor,
)
from supervisor.testing import Healthy, MemoryTransport, ProbeAnswers, WedgedForever, Work

from .backends import Fails
from .harness import PLAIN, Crowd, answers, descendants, opened, settle


class PushesAtEnd(Healthy):
    """At its end it says one thing more, to a client that no longer reads, and then raises."""

    async def on_start(self) -> None:
        self.ref.cell.call_at_end("goodbye", self.goodbye)

    def goodbye(self, _: object) -> None:
        self.broadcast("x" * 1_000_000)
        raise OSError("goodbye")


class Occupied(ProbeAnswers):
    """Has a probe, and no time for it."""

    async def work(self) -> None:
        await trio.sleep(2900)


async def test_a_block_entered_when_already_cancelled_ends(autojump_clock: MockClock) -> None:
    async def enter() -> None:
        with trio.CancelScope() as scope:
            scope.cancel()
            async with open_supervisor():
                await trio.lowlevel.checkpoint()
        watch.cancel_scope.cancel()

    async with trio.open_nursery() as watch:
        watch.start_soon(enter)
        await trio.sleep(100)  # a block that hangs is cut short, through its shield
        for task in [below for child in watch.child_tasks for below in descendants(child)]:
            for nursery in task.child_nurseries:
                nursery.cancel_scope.cancel()
    assert trio.current_time() == 0


@pytest.mark.parametrize(
    ("user", "key", "spec"), [("alice", "tab", Healthy), ("alice", 7, PLAIN), (7, "tab", PLAIN)]
)
async def test_nonsense_is_an_error_before_anything_happened(
    user: Any, key: Any, spec: Any, autojump_clock: MockClock
) -> None:
    async with opened(1) as (supervisor, log):
        with pytest.raises(TypeError, match="must be a"):
            await supervisor.get_or_spawn(user, key, spec)
        assert not supervisor.snapshot().users
        ref = (await Crowd(supervisor).get("tab")).ref
        with pytest.raises(TypeError, match="must be a"):
            await supervisor.get_or_spawn("alice", 7 if key == 7 else "other", Healthy)  # type: ignore[arg-type]
        assert await answers(ref)
        assert len(log.of(Reserved)) == 1
        await supervisor.stop_user("alice")
        assert (await Crowd(supervisor).get("tab")).created


async def test_what_a_manager_leaves_to_be_done_at_its_end_harms_nobody(autojump_clock: MockClock) -> None:
    async with opened(1) as (supervisor, log):
        bystander = (await Crowd(supervisor, "bob").get("tab")).ref
        crowd = Crowd(supervisor)
        ref = (await crowd.get("tab", partial(PushesAtEnd, sockets=True))).ref
        slow, other = crowd.attach(ref), crowd.attach(ref)
        await supervisor.stop_user("alice")
        [terminal] = log.of(Terminal)
        assert terminal.exit.reason is ExitReason.STOPPED
        assert isinstance(terminal.exit.error, OSError)
        assert None not in (slow.closed, other.closed)
        assert ref.pulse.connections == 0
        assert (await crowd.get("tab")).created
        assert await answers(bystander)


async def test_a_cluster_that_fails_to_admit_fails_that_start_alone(autojump_clock: MockClock) -> None:
    cluster = Fails()
    async with opened(1, cluster=cluster) as (supervisor, log):
        alice = (await Crowd(supervisor, "alice").get("tab")).ref
        bob = Crowd(supervisor, "bob")
        with pytest.raises(SpawnFailed, match="no engine") as failed:
            await bob.get("tab")
        assert isinstance(failed.value.__cause__, OSError)
        await settle()
        assert (bob.held, len(cluster.counted), len(log.of(Terminal))) == (0, 1, 1)
        cluster.down = False
        assert (await bob.get("tab")).created
        assert await answers(alice)


async def test_a_handler_that_raises_while_it_is_cancelled_harms_nobody(autojump_clock: MockClock) -> None:
    async def raise_at_last(error: Exception) -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise error

    async def handler(error: Exception) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(raise_at_last, error)
            nursery.start_soon(trio.sleep_forever)

    async def crash(error: Exception) -> None:
        raise error

    early, late = OSError("early"), OSError("late")
    async with open_supervisor() as supervisor:
        events = supervisor.events()
        supervisor.handler_nursery.start_soon(crash, early)
        supervisor.handler_nursery.start_soon(handler, late)
        await trio.sleep(1)
    told = [event.error for event in events.drain() if isinstance(event, HandlerFailed)]
    assert told == [early, late]


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), LookupError()], ids=repr)
async def test_what_ends_the_program_comes_out_bare(error: BaseException, autojump_clock: MockClock) -> None:
    refs: list[ActorRef[Any]] = []
    with pytest.raises(type(error)) as raised:  # noqa: PT012  # the body is the block
        async with open_supervisor() as supervisor:
            refs.append((await supervisor.get_or_spawn("alice", "tab", PLAIN)).ref)
            raise error
    assert raised.value is error
    assert [ref.exit for ref in refs] == [Exit(ExitReason.SHUTDOWN, "the supervisor ends")]


async def test_a_block_that_sleeps_ends_when_it_is_cancelled(autojump_clock: MockClock) -> None:
    with trio.move_on_after(1) as scope:
        async with open_supervisor() as supervisor:
            await supervisor.get_or_spawn("alice", "tab", PLAIN)
            await trio.sleep_forever()
    assert scope.cancelled_caught
    assert trio.current_time() == 1


@pytest.mark.parametrize("rounds", range(4))
async def test_one_that_crashes_as_soon_as_it_runs_is_not_handed_out(
    rounds: int, autojump_clock: MockClock
) -> None:
    class Crashes(Healthy):
        async def on_start(self) -> None:
            self.ref.tell_nowait(Work())

        async def work(self) -> None:
            for _ in range(rounds):
                await trio.lowlevel.checkpoint()
            raise OSError("at once")

    async with opened(3) as (supervisor, _):
        crowd = Crowd(supervisor)

        async def ask() -> None:
            with suppress(SpawnFailed):
                assert (await crowd.get("tab", Crashes)).ref.state is State.RUNNING

        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(ask)
        await settle()
        assert crowd.held == 0


@pytest.mark.parametrize("jitter", [1, 1.5, 3, -0.1, math.nan])
def test_a_sweep_that_might_have_to_come_before_now_is_an_error(jitter: float) -> None:
    with pytest.raises(ValueError, match="sweep_jitter must be a part"):
        SupervisorSpec(sweep_jitter=jitter)


async def test_the_first_callers_context_is_not_kept(autojump_clock: MockClock) -> None:
    variable: ContextVar[Healthy] = ContextVar("variable")
    hostages: list[weakref.ref[Healthy]] = []

    async with opened() as (supervisor, _):

        async def request() -> None:
            hostage = Healthy()
            hostages.append(weakref.ref(hostage))
            variable.set(hostage)
            await Crowd(supervisor).get("tab")
            await supervisor.cleanup()

        async with trio.open_nursery() as nursery:  # noqa: ASYNC112  # a task has a context of its own
            nursery.start_soon(request)
        await settle()
        gc.collect()
        assert supervisor.lookup("alice", "tab") is not None
        assert [hostage() for hostage in hostages] == [None]


async def test_a_transport_that_raises_holds_up_no_cleanup(autojump_clock: MockClock) -> None:
    class Unpingable(MemoryTransport):
        def ping_soon(self) -> None:
            raise OSError("no wire")

    async with opened() as (supervisor, _):
        ref = (await Crowd(supervisor).get("tab", partial(Healthy, sockets=True))).ref
        wire = Connection("it", Unpingable())

        async def listen() -> None:
            with attach(ref, wire):
                await wire.receive()

        supervisor.handler_nursery.start_soon(listen)
        await trio.sleep(10)
        with trio.fail_after(60):
            await supervisor.cleanup()
        assert wire.closed is not None
        assert "no wire" in wire.closed.reason


async def test_a_busy_manager_with_a_probe_holds_up_no_sweep(autojump_clock: MockClock) -> None:
    async with opened(sweep_period=10.0, sweep_jitter=0.0) as (supervisor, _):
        ann = Crowd(supervisor, "ann")
        [busy] = await ann.add("busy", 1, Occupied, at_work=True, budget=3000.0, ceiling=3000.0)
        await trio.sleep(15)
        [stuck] = await Crowd(supervisor, "bob").add("stuck", 1, WedgedForever, at_work=True)
        with trio.fail_after(30):
            assert (await stuck.wait_stopped()).reason is ExitReason.UNRESPONSIVE
        assert busy.state is State.RUNNING


async def test_who_reads_the_events_comes_to_an_end_with_the_block(autojump_clock: MockClock) -> None:
    seen: list[Event | EventsLost] = []

    async def read(subscription: Subscription) -> None:
        seen.extend([event async for event in subscription])

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery, open_supervisor() as supervisor:
            nursery.start_soon(read, supervisor.events())  # noqa: ASYNC111  # it is to outlive it
            await Crowd(supervisor).add("tab", 1)
        assert type(seen[-1]) is Terminal
        assert [event async for event in supervisor.events()] == [], "nor is there more for a latecomer"
