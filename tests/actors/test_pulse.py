"""The pulse is what the runtime saw: where the actor is, since when, and nothing it says of itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from itertools import pairwise

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors import Actor, ActorRef, DeadLettered, ExitReason, Phase, State
from actors._actor import TIME_SLICE

from .puppets import Do, Puppet, Recorder, nothing, open_stage, sleep


class Patient(Actor[object]):
    """Has a probe hook that does as it is told; each other hook takes a second."""

    def __init__(self, examined: Callable[[], Awaitable[object]]) -> None:
        self.examined = examined

    async def on_start(self) -> None:
        await trio.sleep(1)

    async def handle(self, message: object) -> None:
        await trio.sleep(1)

    async def on_stop(self) -> None:
        await trio.sleep(1)

    async def probe(self) -> None:
        await self.examined()


async def a_second() -> None:
    await trio.sleep(1)


async def test_every_phase_is_stamped_with_its_beginning(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        ref = stage.start_soon(lambda: Patient(a_second))
        seen: list[tuple[Phase, float, object]] = []

        async def look() -> None:
            await wait_all_tasks_blocked()
            seen.append((ref.pulse.phase, ref.pulse.since, ref.pulse.hand))

        seen.append((ref.pulse.phase, ref.pulse.since, ref.pulse.hand))
        await look()
        await trio.sleep(1.5)
        await look()
        ref.tell_nowait("message")
        await look()
        ref.cell.probe()
        await trio.sleep(1)
        await look()
        ref.stop()
        await trio.sleep(1)
        await look()
        await trio.sleep(1)
        await look()
    assert seen == [
        (Phase.WAITING_TO_RUN, 0, None),
        (Phase.ON_START, 0, None),
        (Phase.PARKED, 1, None),
        (Phase.HANDLE, 1.5, "message"),
        (Phase.PROBE, 2.5, None),
        (Phase.ON_STOP, 3.5, None),
        (Phase.GONE, 4.5, None),
    ]


async def test_a_probe_that_answers_clears_an_earlier_failure(autojump_clock: MockClock) -> None:
    failures: list[Exception] = [ValueError("the disk is full")]

    async def examined() -> None:
        if failures:
            raise failures.pop()

    async with open_stage() as stage:
        ref = await stage.start(lambda: Patient(examined))
        await trio.sleep(2)
        for expected in ("ValueError('the disk is full')", None):
            probe = ref.cell.probe()
            assert probe is not None
            await probe.done.wait()
            assert ref.pulse.probe_failure == expected
        assert ref.state is State.RUNNING


async def test_a_probe_goes_before_the_mail_that_waits(autojump_clock: MockClock) -> None:
    order: list[object] = []

    async def examined() -> None:
        order.append("probed")

    class Scribe(Patient):
        async def handle(self, message: object) -> None:
            await trio.sleep(1)
            order.append(message)

    async with open_stage() as stage:
        ref = await stage.start(lambda: Scribe(examined))
        await trio.sleep(2)
        for message in "abc":
            ref.tell_nowait(message)
        await trio.sleep(0.5)
        ref.cell.probe()
        await trio.sleep(5)
    assert order == ["a", "probed", "b", "c"]


async def test_a_probe_that_hangs_shows_in_the_pulse_and_ends_with_the_actor(
    autojump_clock: MockClock,
) -> None:
    async with open_stage() as stage:
        ref = await stage.start(lambda: Patient(trio.sleep_forever))
        await trio.sleep(2)
        probe = ref.cell.probe()
        assert probe is not None
        with trio.move_on_after(5):
            await probe.done.wait()
        assert not probe.done.is_set()
        assert (ref.pulse.phase, ref.pulse.since) == (Phase.PROBE, 2)
        ref.cell.cancel(ExitReason.UNRESPONSIVE)
        await probe.done.wait()
        await ref.wait_stopped()


async def test_a_probe_that_never_ran_is_over_when_the_actor_is(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        ref = await stage.start(lambda: Patient(a_second))
        await trio.sleep(2)
        ref.tell_nowait("message")
        await wait_all_tasks_blocked()
        probe = ref.cell.probe()
        assert probe is not None
        ref.cell.cancel(ExitReason.UNRESPONSIVE)
        assert probe.done.is_set()
        assert DeadLettered(1, ExitReason.UNRESPONSIVE) in stage.notices


async def test_there_is_nothing_to_probe_without_a_hook_or_after_a_stop(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        hookless = await stage.start(Recorder)
        assert hookless.cell.probe() is None
        ref = await stage.start(lambda: Patient(a_second))
        assert ref.cell.probe() is None, "it is starting"
        await trio.sleep(2)
        assert ref.cell.probe() is not None
        ref.stop()
        assert ref.cell.probe() is None


async def test_only_handled_work_is_activity(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        ref = await stage.start(lambda: Patient(a_second))
        await trio.sleep(5)
        ref.tell_nowait("message")
        await trio.sleep(2)
        assert ref.pulse.active_at == 6
        probe = ref.cell.probe()
        assert probe is not None
        await probe.done.wait()
        assert ref.pulse.active_at == 6


async def test_progress_is_stamped_and_forgotten_with_the_message(autojump_clock: MockClock) -> None:
    stamps: list[tuple[float, float]] = []

    async def get_on(puppet: Puppet) -> None:
        await trio.sleep(1)
        puppet.progress()
        stamps.append((puppet.ref.pulse.since, puppet.ref.pulse.progressed_at))

    async with open_stage() as stage:
        ref = await stage.puppet()
        await ref.ask(Do(get_on))
        assert stamps == [(0, 1)]
        ref.tell_nowait(sleep(1))
        await wait_all_tasks_blocked()
        assert not ref.pulse.has_progressed


async def test_what_an_actor_says_of_itself_is_not_evidence(autojump_clock: MockClock) -> None:
    """It may call itself what it likes, and try: the pulse is made of the runtime's own stamps."""

    class Boaster(Puppet):
        alive = True
        last_seen = 1e9
        state = "splendid"

    async with open_stage() as stage:
        ref = await stage.start(Boaster)
        ref.tell_nowait(sleep(60))
        await trio.sleep(30)
        pulse = ref.pulse
        assert (pulse.phase, pulse.since, pulse.active_at) == (Phase.HANDLE, 0, 0)
        assert (pulse.state, pulse.handled, pulse.progressed_at) == (State.RUNNING, 0, 0)


async def test_a_long_queue_lets_the_others_run(mock_clock: MockClock) -> None:
    """Each message takes half a slice and never yields: the others get their turns in between."""
    turns: list[int] = []

    async def take_half_a_slice(_: Puppet) -> None:
        mock_clock.jump(TIME_SLICE / 2)

    async def other(ref: ActorRef[Do[object]]) -> None:
        while ref.statistics().handled < 20:
            turns.append(ref.statistics().handled)
            await trio.lowlevel.checkpoint()

    async with open_stage() as stage:
        ref = await stage.puppet()
        for _ in range(20):
            ref.tell_nowait(Do(take_half_a_slice))
        await other(ref)
    gaps = [later - earlier for earlier, later in pairwise(turns)]
    assert max(gaps) <= 4, "two slices at most lie between two turns"


async def test_between_two_messages_the_pulse_says_so(mock_clock: MockClock) -> None:
    phases: list[Phase] = []

    async def take_a_slice(_: Puppet) -> None:
        mock_clock.jump(TIME_SLICE)

    async with open_stage() as stage:
        ref = await stage.puppet()
        for _ in range(3):
            ref.tell_nowait(Do(take_a_slice))
        while ref.statistics().handled < 3:
            await trio.lowlevel.checkpoint()
            phases.append(ref.pulse.phase)
    assert Phase.BETWEEN in phases


@pytest.mark.parametrize("count", [0, 3])
async def test_handled_work_is_counted(count: int, autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        ref = await stage.puppet()
        for _ in range(count):
            await ref.ask(nothing())
        assert ref.pulse.handled == count
