"""A caller that is cancelled, at whatever moment: as if it had never called, or as if it had got it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import attrs
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from actors import Actor
from supervisor import Reserved, SpawnFailed, SpawnRefused, Terminal
from supervisor.testing import Healthy, Shielded, SlowStart, SlowStop, StartHangs, WedgedForever, run

from .harness import BUDGET, CANCEL_GRACE, Crowd, answers, opened, settle


@attrs.define(eq=False)
class CancelAt(trio.abc.Instrument):
    """Cancels a scope when the task inside it is about to take its k-th step."""

    scope: trio.CancelScope
    task: trio.lowlevel.Task
    steps_left: int

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        if task is self.task:
            self.steps_left -= 1
            if self.steps_left == 0:
                self.scope.cancel()


SITUATIONS: dict[str, Callable[[], Actor[Any]] | None] = {
    "room": None,
    "stuck": WedgedForever,
    "shielded": Shielded,
    "slow to stop": partial(SlowStop, 2.0),
}
WANTED: dict[str, Callable[[], Actor[Any]]] = {
    "at once": Healthy,
    "slowly": partial(SlowStart, 1.0),
    "never": StartHangs,
}


@attrs.frozen
class Moment:
    """When the caller is cancelled: some rounds of the scheduler after a time, or at a step of its own."""

    seconds: float
    rounds: int
    steps: int


async def cancelled_at(situation: str, wanted: str, key: str, moment: Moment) -> None:
    """Have a caller cancelled, and look around."""
    release = trio.Event()
    async with opened(1, slot_wait=3.0) as (supervisor, log):
        crowd = Crowd(supervisor)
        holder = SITUATIONS[situation]
        if holder is not None:
            make = partial(Shielded, release) if holder is Shielded else holder
            [ref] = await crowd.add("old", 1, make, at_work=True)
            await trio.sleep(BUDGET + 0.01)
            if situation == "slow to stop":
                ref.stop()

        async def call() -> None:
            with trio.CancelScope() as scope:
                nursery.start_soon(cancel, scope)
                instrument = CancelAt(scope, trio.lowlevel.current_task(), moment.steps)
                trio.lowlevel.add_instrument(instrument)
                try:
                    await crowd.get(key, WANTED[wanted])
                finally:
                    trio.lowlevel.remove_instrument(instrument)

        async def cancel(scope: trio.CancelScope) -> None:
            await trio.sleep(moment.seconds)
            for _ in range(moment.rounds):
                await trio.lowlevel.checkpoint()
            scope.cancel()

        async with trio.open_nursery() as nursery:  # noqa: ASYNC112  # the call starts its own canceller in it
            nursery.start_soon(call)

        # At once, and not only when all has settled, the next caller has what it would have had.
        other = await crowd.get(key)
        assert await answers(other.ref)
        await settle(10)
        assert crowd.held == len(crowd.keys) == 1
        assert supervisor.explain("alice").waiting == 0
        born = {event.incarnation for event in log.of(Reserved)}
        ended = {event.incarnation for event in log.of(Terminal)}
        condemned = {holder.incarnation for holder in supervisor.explain("alice").condemned}
        assert len(born - ended - condemned) == 1
        release.set()


MOMENTS = st.builds(
    Moment, st.sampled_from([0.0, 0.01, 0.05, 0.5]), rounds=st.integers(0, 10), steps=st.integers(1, 4)
)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(list(SITUATIONS)),
    st.sampled_from(list(WANTED)),
    st.sampled_from(["old-0", "new"]),
    MOMENTS,
    st.integers(0, 2**16),
)
def test_the_next_caller_has_what_it_would_have_had(
    situation: str, wanted: str, key: str, moment: Moment, seed: int
) -> None:
    run(cancelled_at, situation, wanted, key, moment, seed=seed)


async def test_a_caller_cancelled_at_once_leaves_no_trace(autojump_clock: MockClock) -> None:
    async with opened(1) as (supervisor, log):
        with trio.CancelScope() as scope:
            scope.cancel()
            await Crowd(supervisor).get("tab", StartHangs)
        await settle()
        assert not supervisor.snapshot().users
        assert len(log.of(Reserved)) == len(log.of(Terminal))


async def test_one_of_several_callers_may_go_and_the_others_get_it(autojump_clock: MockClock) -> None:
    async with opened(1) as (supervisor, log):
        crowd = Crowd(supervisor)
        created: list[bool] = []

        async def ask() -> None:
            created.append((await crowd.get("tab", partial(SlowStart, 1.0))).created)

        async def leave() -> None:
            with trio.move_on_after(0.5):
                await crowd.get("tab", partial(SlowStart, 1.0))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(leave)
            await trio.sleep(0.1)
            for _ in range(2):
                nursery.start_soon(ask)
        assert sorted(created) == [False, True]
        assert len(log.of(Reserved)) == 1


async def test_who_waits_and_is_cancelled_gives_up_his_place(autojump_clock: MockClock) -> None:
    async with opened(1, slot_wait=60.0) as (supervisor, _):
        crowd = Crowd(supervisor)
        first = (await crowd.get("first")).ref
        async with trio.open_nursery() as nursery:

            async def leave() -> None:
                with trio.move_on_after(5):
                    await crowd.get("leaves")

            nursery.start_soon(leave)
            await trio.sleep(1)
            nursery.start_soon(crowd.get, "stays")
            await trio.sleep(9)
            assert supervisor.explain("alice").waiting == 1
            first.stop()
        assert crowd.keys == {"stays"}


async def test_a_start_that_nobody_waits_for_and_that_shields_itself_is_condemned(
    autojump_clock: MockClock,
) -> None:
    release = trio.Event()
    async with opened(1) as (supervisor, log):
        crowd = Crowd(supervisor)
        with trio.move_on_after(1):
            await crowd.get("tab", partial(StartHangs, release, shield=True))
        began = trio.current_time()
        assert (await crowd.get("tab")).created
        assert trio.current_time() - began <= CANCEL_GRACE + 0.001
        release.set()
        await settle()
        assert [event.was_condemned for event in log.of(Terminal)] == [True]


@pytest.mark.parametrize("error", [SpawnFailed, SpawnRefused])
async def test_an_error_carries_its_facts_and_a_sentence(
    error: type[Exception], autojump_clock: MockClock
) -> None:
    async with opened(0 if error is SpawnRefused else 1) as (supervisor, _):

        class Raises(Healthy):
            async def on_start(self) -> None:
                raise OSError("no disk")

        with pytest.raises(error, match="alice") as raised:
            await Crowd(supervisor).get("tab", Raises)
        assert getattr(raised.value, "user", None) == "alice"
