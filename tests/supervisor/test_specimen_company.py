"""Specimens that misbehave in a hook, with a peer, or with one another do so as they say; on bare Trio."""

from __future__ import annotations

from functools import partial

import pytest
import trio
from trio.testing import MockClock

from actors import ActorCrashed, ActorRef, Deadlock, ExitReason, Phase, State
from supervisor.testing import (
    SPECIMENS,
    Asks,
    AsksInARing,
    AsksItself,
    FullDownstream,
    Healthy,
    Message,
    MissesProbes,
    ParksWork,
    ParksWorkAndTells,
    ProbeAnswers,
    ProbeHangs,
    ProbeRaises,
    SlowStart,
    SlowStop,
    StartCancelled,
    StartHangs,
    StartRaises,
    WedgesOnceJudged,
    Work,
    WouldAnswerProbes,
    connection,
    hold,
)

from ..actors.puppets import open_stage
from .harness import BUDGET, CANCEL_GRACE
from .test_specimens import GRACES, LONG_ENOUGH, answers, at_work, ends_within

# W6, W7, W8: in company


async def test_its_own_mailbox_fills_up_behind_a_full_downstream(autojump_clock: MockClock) -> None:
    actor = FullDownstream()
    async with open_stage() as stage:
        ref = await stage.start(lambda: actor, capacity=2)
        for _ in range(3):
            await ref.tell(Work())
        with trio.move_on_after(LONG_ENOUGH) as waited:
            await ref.tell(Work())
        assert waited.cancelled_caught
        [downstream] = actor.hired
        assert downstream.pulse.phase is Phase.HANDLE
        mailbox = downstream.cell.mailbox.statistics()
        assert (mailbox.queued, mailbox.senders_waiting) == (mailbox.capacity, 1)


async def test_asking_itself_is_a_typed_error(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        how = await (await at_work(stage, AsksItself)).wait_stopped()
        assert isinstance(how.error, Deadlock)
        catches = AsksItself(catches=True)
        ref = await at_work(stage, lambda: catches)
        assert await answers(ref)
        assert [deadlock.chain for deadlock in catches.caught] == [("it", "it")]


@pytest.mark.parametrize("size", [1, 2, 3, 7])
async def test_a_ring_of_asks_is_told_so_and_all_of_it_crash(size: int, autojump_clock: MockClock) -> None:
    actor = AsksInARing(size=size)
    async with open_stage() as stage:
        error = (await (await at_work(stage, lambda: actor)).wait_stopped()).error
        while isinstance(error, ActorCrashed):
            error = error.error
        assert isinstance(error, Deadlock)
        assert len(error.chain) == size + 1
        assert [ref.state for ref in actor.hired] == [State.ENDED] * (size - 1)


@pytest.mark.parametrize("size", [1, 2, 5])
async def test_a_ring_through_child_tasks_is_no_deadlock_to_the_runtime_and_stuck(
    size: int, autojump_clock: MockClock
) -> None:
    actor = AsksInARing(size=size, through_child=True)
    async with open_stage() as stage:
        ref = await at_work(stage, lambda: actor)
        await trio.sleep(LONG_ENOUGH)
        assert [each.pulse.phase for each in (ref, *actor.hired)] == [Phase.HANDLE] * size


async def test_two_actors_of_ones_own_that_ask_each_other(autojump_clock: MockClock) -> None:
    refs: list[ActorRef[Message]] = []
    async with open_stage() as stage:
        refs.append(await stage.start(lambda: Asks(lambda: refs[1]), "first"))
        refs.append(await stage.start(lambda: Asks(lambda: refs[0]), "second"))
        refs[0].tell_nowait(Work())
        ended = [await ref.wait_stopped() for ref in refs]
        assert isinstance(ended[1].error, Deadlock)
        assert isinstance(ended[0].error, ActorCrashed)


# W9, W10: peers


async def test_a_gone_peer_is_mute_and_its_connection_ends_after_two_pings(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        ref = await stage.start(partial(Healthy, sockets=True))
        stage.nursery.start_soon(hold, ref, connection(mute=True))
        await trio.sleep(25.9)
        assert ref.pulse.connections == 1
        await trio.sleep(0.2)
        assert ref.pulse.connections == 0
        assert await answers(ref)  # the task is fine


async def test_a_peer_that_answers_pings_is_held_whatever_the_task_does(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        ref = await stage.start(lambda: SPECIMENS["answers pings"].make(trio.Event()))
        wire = connection()
        stage.nursery.start_soon(hold, ref, wire)
        ref.tell_nowait(Work())
        await trio.sleep(LONG_ENOUGH)
        assert wire.closed is None
        assert ref.pulse.phase is Phase.HANDLE


# W11, W12, and crashes: hooks


async def test_a_start_that_hangs_is_ended_by_cancellation_unless_it_is_shielded(
    autojump_clock: MockClock,
) -> None:
    release = trio.Event()
    async with open_stage() as stage:
        for shield in (False, True):
            ref = await stage.start(partial(StartHangs, release, shield=shield))
            await trio.sleep(LONG_ENOUGH)
            assert ref.pulse.phase is Phase.ON_START
            assert await ends_within(ref, CANCEL_GRACE) != shield
        release.set()


@pytest.mark.parametrize("make", [StartRaises, StartCancelled])
async def test_a_start_that_fails_never_was(make: type[Healthy], autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        how = await (await stage.start(make)).wait_stopped()
        assert (how.reason, repr(how.error)) == (ExitReason.START_FAILED, "OSError('no database')")


async def test_a_slow_start_starts_and_a_slow_stop_stops(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        starts = await stage.start(partial(SlowStart, 3.0))
        stops = await stage.start(partial(SlowStop, 2.0))
        stops.stop()
        await trio.sleep(1.9)
        assert (starts.state, stops.state) == (State.STARTING, State.STOPPING)
        await trio.sleep(1.2)
        assert (starts.state, stops.state) == (State.RUNNING, State.ENDED)


@pytest.mark.parametrize(
    ("name", "after", "error"),
    [
        ("stop raises", 0.0, "OSError('could not flush')"),
        ("stop hangs", 5.0, "None"),
        ("stop hangs, shielded", LONG_ENOUGH, "None"),
    ],
)
async def test_last_rites_go_wrong_and_only_a_shield_outlives_the_stop_grace(
    name: str, after: float, error: str, autojump_clock: MockClock
) -> None:
    release = trio.Event()
    async with open_stage() as stage:
        ref = await stage.start(lambda: SPECIMENS[name].make(release))
        ref.stop()
        with trio.move_on_after(LONG_ENOUGH):
            await ref.wait_stopped()
        assert trio.current_time() == pytest.approx(after)
        release.set()
        assert repr((await ref.wait_stopped()).error) == error


@pytest.mark.parametrize(
    ("name", "ends"),
    [("awaits for ever, and stop hangs", True), ("awaits for ever, and stop is shielded", False)],
)
async def test_once_cancelled_its_last_rites_are_as_bad_as_its_work(
    name: str, ends: bool, autojump_clock: MockClock
) -> None:
    release = trio.Event()
    async with open_stage() as stage:
        ref = await at_work(stage, lambda: SPECIMENS[name].make(release))
        assert not await ends_within(ref, GRACES - CANCEL_GRACE - 0.01)
        assert ref.pulse.phase is Phase.ON_STOP
        await trio.sleep(0.02)
        assert (ref.state is State.ENDED) == ends
        release.set()


# W13, W15, W16: probes


async def probed(ref: ActorRef[Message]) -> str | None:
    """Probe it: what it says, or None when all is well; a probe that never ends says so too."""
    probe = ref.cell.probe()
    assert probe is not None
    with trio.move_on_after(BUDGET) as waited:
        await probe.done.wait()
    return "never ended" if waited.cancelled_caught else ref.pulse.probe_failure


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (ProbeAnswers, None),
        (ProbeRaises, "OSError('no backend')"),
        (ProbeHangs, "never ended"),
        (WouldAnswerProbes, None),
    ],
)
async def test_its_probe_says_this(make: type[Healthy], said: str | None, autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        assert await probed(await stage.start(make)) == said


async def test_one_that_would_answer_its_probe_is_never_asked_while_it_is_wedged(
    autojump_clock: MockClock,
) -> None:
    async with open_stage() as stage:
        ref = await at_work(stage, WouldAnswerProbes)
        assert await probed(ref) == "never ended"
        assert ref.pulse.phase is Phase.HANDLE


@pytest.mark.parametrize(("missed", "of"), [(0, 1), (1, 3), (2, 3), (3, 3)])
async def test_it_misses_exactly_so_many_of_so_many_probes(
    missed: int, of: int, autojump_clock: MockClock
) -> None:
    async with open_stage() as stage:
        ref = await stage.start(partial(MissesProbes, missed=missed, of=of))
        failed = [await probed(ref) is not None for _ in range(3 * of)]
        assert failed == 3 * ([True] * missed + [False] * (of - missed))


async def test_one_that_parks_its_work_answers_everything_and_finishes_nothing(
    autojump_clock: MockClock,
) -> None:
    actor = ParksWork()
    async with open_stage() as stage:
        ref = await stage.start(lambda: actor)
        for _ in range(3):
            await ref.tell(Work())
        await trio.sleep(LONG_ENOUGH)
        assert await probed(ref) is None
        assert await answers(ref)
        assert ref.cell.children is not None
        assert ref.cell.children.nursery is not None
        assert len(ref.cell.children.nursery.child_tasks) == len(actor.parked) == 3


async def test_only_a_probe_that_looks_at_the_parked_work_tells(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        ref = await at_work(stage, partial(ParksWorkAndTells, seconds=3.0))
        await trio.sleep(3.0)
        assert await probed(ref) is None
        await trio.sleep(0.01)
        assert await probed(ref) == "OSError('a piece of work is 3.01 s old')"


async def test_one_wedges_right_after_it_was_judged_and_no_earlier(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        ref = await at_work(stage, WedgesOnceJudged)
        await trio.sleep(LONG_ENOUGH)
        assert await answers(ref)
        assert await probed(ref) is None
        assert not await answers(ref)
        assert ref.pulse.phase is Phase.HANDLE
