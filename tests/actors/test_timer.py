"""Timers tell once or again and again, can be cancelled, and end with the actor that set them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import trio
from trio.testing import MockClock

from actors import ActorRef, Timer

from .puppets import Recorder, open_stage


class Ticking(Recorder):
    """Keeps what it handled, and when; sets its timers when it starts, and takes its time for each."""

    def __init__(self, set_timers: Callable[[Ticking], None], *, takes: float = 0.0) -> None:
        super().__init__()
        self.set_timers = set_timers
        self.takes = takes
        self.seen: list[tuple[float, object]] = []
        self.timers: list[Timer] = []

    async def on_start(self) -> None:
        self.set_timers(self)

    async def handle(self, message: object) -> None:
        self.seen.append((trio.current_time(), message))
        await trio.sleep(self.takes)


async def seen_by(
    set_timers: Callable[[Ticking], None], *, until: float, takes: float = 0.0
) -> list[tuple[float, object]]:
    """What such an actor has handled after so many seconds, and when: seconds after its start."""
    actor = Ticking(set_timers, takes=takes)
    async with open_stage() as stage:
        began = trio.current_time()
        stage.start_soon(lambda: actor)
        await trio.sleep(until)
    return [(round(at - began, 6), message) for at, message in actor.seen]


async def test_later_is_once_and_in_time(autojump_clock: MockClock) -> None:
    def set_timers(actor: Ticking) -> None:
        actor.tell_later("second", 2.0)
        actor.tell_later("first", 1.0)
        actor.tell_later("now", 0.0)

    assert await seen_by(set_timers, until=10) == [(0.0, "now"), (1.0, "first"), (2.0, "second")]


async def test_every_is_again_and_again(autojump_clock: MockClock) -> None:
    def set_timers(actor: Ticking) -> None:
        actor.tell_every("tick", 3.0, first=1.0)
        actor.tell_every("tock", 4.0)

    seen = await seen_by(set_timers, until=9.5)
    assert sorted(seen) == [(1.0, "tick"), (4.0, "tick"), (4.0, "tock"), (7.0, "tick"), (8.0, "tock")]


async def test_a_cancelled_timer_tells_nothing_more(autojump_clock: MockClock) -> None:
    def set_timers(actor: Ticking) -> None:
        never = actor.tell_later("never", 1.0)
        ticking = actor.tell_every("tick", 1.0)
        actor.tell_later("a message", 2.5)
        never.cancel()
        never.cancel()
        actor.start_soon(cancel_after, ticking, 2.5)

    async def cancel_after(timer: Timer, seconds: float) -> None:
        await trio.sleep(seconds)
        timer.cancel()

    assert await seen_by(set_timers, until=10) == [(1.0, "tick"), (2.0, "tick"), (2.5, "a message")]


async def test_ticks_do_not_pile_up_before_a_full_mailbox(autojump_clock: MockClock) -> None:
    actor = Ticking(lambda it: void(it.tell_every("tick", 1.0)), takes=10.0)
    async with open_stage() as stage:
        ref = stage.start_soon(lambda: actor, capacity=1)
        await trio.sleep(21.5)
        statistics = ref.statistics()
        assert statistics.accepted == statistics.handled + statistics.in_hand + statistics.queued
        assert statistics.queued <= 1
        # one is in hand, one waits in the mailbox, and one for room in it; the others are left out
        assert [at % 1 for at, _ in actor.seen] == [0.0, 0.0, 0.0]
        assert statistics.accepted <= 5


async def test_timers_for_others_end_with_whom_they_are_for(autojump_clock: MockClock) -> None:
    heard = Recorder()
    async with open_stage() as stage:
        other = stage.start_soon(lambda: heard)
        setter = stage.start_soon(lambda: Ticking(lambda it: void(it.tell_every("tick", 1.0, to=other))))
        await trio.sleep(2.5)
        other.stop()
        await other.wait_stopped()
        await trio.sleep(2)
        assert setter.exit is None, "that nobody is there is no crash"
    assert heard.handled == ["tick", "tick"]


@pytest.mark.parametrize("how", ["stopped", "crashed"])
async def test_timers_end_with_the_actor_that_set_them(how: str, autojump_clock: MockClock) -> None:
    class Setter(Ticking):
        async def handle(self, message: object) -> None:
            raise ValueError(message)

    heard = Recorder()
    async with open_stage() as stage:
        other = stage.start_soon(lambda: heard)
        setter: ActorRef[object] = stage.start_soon(
            lambda: Setter(lambda it: void(it.tell_every("tick", 1.0, to=other)))
        )
        await trio.sleep(1.5)
        if how == "stopped":
            setter.stop()
        else:
            await setter.tell("no")
        await setter.wait_stopped()
        await trio.sleep(5)
    assert heard.handled == ["tick"]


WRONG: list[tuple[Callable[[Ticking], Timer], str]] = [
    (lambda it: it.tell_later("x", -1), "seconds must be 0 seconds or more"),
    (lambda it: it.tell_later("x", float("nan")), "seconds must be 0 seconds or more"),
    (lambda it: it.tell_every("x", 0), "period must be more than 0 seconds"),
    (lambda it: it.tell_every("x", float("inf")), "period must be more than 0 seconds"),
    (lambda it: it.tell_every("x", 1, first=-2), "first must be 0 seconds or more"),
]


@pytest.mark.parametrize(("set_timer", "words"), WRONG)
async def test_what_is_no_time_is_refused(
    set_timer: Callable[[Ticking], Timer], words: str, autojump_clock: MockClock
) -> None:
    async with open_stage() as stage:
        ref = stage.start_soon(lambda: Ticking(lambda it: void(set_timer(it))))
        how = await ref.wait_stopped()
    assert isinstance(how.error, ValueError)
    assert str(how.error).startswith(f"{words}, and finite, not ")


async def test_before_it_runs_an_actor_has_no_timers() -> None:
    with pytest.raises(RuntimeError, match="Recorder does not run yet"):
        Recorder().tell_later("x", 1)


def void(_: object) -> None:
    """A timer that is not kept."""
