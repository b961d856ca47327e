"""With a process of its own, the watchdog names C code that keeps the interpreter from every thread.

On a real clock, as what blocks is real. What the lookout says is on the process's standard error.
"""

from __future__ import annotations

import gc
import os
import re
import signal
import time
import weakref
from collections.abc import Callable

import pytest
import trio

from actors import Actor
from supervisor import (
    ChildSpec,
    SupervisorSpec,
    _outpost,
    open_supervisor,
    open_watchdog,
)
from supervisor._lookout import Held

from .blocking import LIMIT, Computes, Sleeps, Told, block, blocked, is_within
from .holding import (
    AT_ITS_POST,
    HoldsAsleep,
    HoldsBusy,
    HoldsInChild,
    Quick,
    compute_in_c,
    lookouts,
    processor_time,
    sleep_in_c,
)

HELD = 4 * LIMIT

SAYS = re.compile(
    r"watchdog: the event loop is blocked for ([\d.]+) s by (.*), at (.*); no Python runs meanwhile\n"
)


async def held_by(kind: type[Actor[float]], told: Told, user: str = "alice") -> None:
    """Have such an actor hold the interpreter, and be told of it."""
    async with open_supervisor() as supervisor:
        with open_watchdog(limit=LIMIT, tell=told, process=True):
            await trio.sleep(AT_ITS_POST)
            ref = (await supervisor.get_or_spawn(user, "tab", ChildSpec(kind))).ref
            await ref.tell(HELD)
            while told.waits():
                await trio.sleep(LIMIT / 20)
            await trio.sleep(2 * LIMIT)


@pytest.mark.parametrize("kind", [HoldsAsleep, HoldsBusy])
async def test_an_actor_whose_c_code_holds_the_interpreter_is_named_with_its_line(
    kind: type[Actor[float]], capfd: pytest.CaptureFixture[str]
) -> None:
    told = Told()
    await held_by(kind, told)
    called = sleep_in_c if kind is HoldsAsleep else None
    assert told.only.actor == "alice/tab#1"
    assert any(is_within(kind.handle, line) for line in told.only.stack)
    if called is not None:
        assert is_within(called, told.only.where)
    assert told.only.duration >= LIMIT
    said = SAYS.fullmatch(capfd.readouterr().err)
    assert said is not None
    assert said[2] == "alice/tab#1"
    assert said[3] == told.only.where
    assert LIMIT <= float(said[1]) <= HELD, "it was told before it was over"


async def test_an_actor_is_named_for_its_child_task_that_holds_it(capfd: pytest.CaptureFixture[str]) -> None:
    told = Told()
    await held_by(HoldsInChild, told)
    assert told.only.actor == "alice/tab#1"
    assert is_within(HoldsInChild.hold, told.only.stack[-2])
    assert " by alice/tab#1, at " in capfd.readouterr().err


@pytest.mark.parametrize("user", ["Zoë", "אליס", "👻", "a b/c#d"])
async def test_whoever_it_is_has_his_name(user: str, capfd: pytest.CaptureFixture[str]) -> None:
    told = Told()
    await held_by(HoldsAsleep, told, user)
    assert told.only.actor == f"{user}/tab#1"
    assert f" by {user}/tab#1, at " in capfd.readouterr().err


async def test_a_name_cannot_begin_a_line_of_its_own(capfd: pytest.CaptureFixture[str]) -> None:
    told = Told()
    await held_by(HoldsAsleep, told, "eve\nwatchdog: all is well\x1b[1A")
    assert told.only.actor == "eve\nwatchdog: all is well\x1b[1A/tab#1"
    (line,) = capfd.readouterr().err.splitlines()
    assert r" by eve\nwatchdog: all is well\x1b[1A/tab#1, at " in line


async def test_a_task_of_no_actor_has_its_line_told(capfd: pytest.CaptureFixture[str]) -> None:
    told = Told()
    with open_watchdog(limit=LIMIT, tell=told, process=True):
        await trio.sleep(AT_ITS_POST)
        sleep_in_c(HELD)
        while told.waits():
            await trio.sleep(LIMIT / 20)
    assert told.only.actor is None
    assert is_within(sleep_in_c, told.only.where)
    assert "in test_a_task_of_no_actor" in told.only.stack[-2]
    assert not [line for line in told.only.stack if "/trio/" in line]
    assert " by no actor, at " in capfd.readouterr().err


async def test_the_event_has_the_actor_the_line_and_the_whole_duration(
    capfd: pytest.CaptureFixture[str],
) -> None:
    spec = SupervisorSpec(watchdog=LIMIT, watchdog_process=True)
    async with open_supervisor(spec=spec) as supervisor:
        events = supervisor.events()
        await trio.sleep(AT_ITS_POST)
        ref = (await supervisor.get_or_spawn("alice", "tab", ChildSpec(HoldsAsleep))).ref
        await ref.tell(HELD)
        await trio.sleep(HELD + 2 * LIMIT)
        (event,) = blocked(events)
    assert event.actor == "alice/tab#1"
    assert is_within(sleep_in_c, event.where)
    assert event.duration >= HELD - LIMIT / 4
    assert capfd.readouterr().err.count("blocked") == 1


async def test_what_the_thread_can_see_it_alone_tells(capfd: pytest.CaptureFixture[str]) -> None:
    for kind in (Sleeps, Computes):
        told = Told()
        async with open_supervisor() as supervisor:
            with open_watchdog(limit=LIMIT, tell=told, process=True):
                await trio.sleep(AT_ITS_POST)
                ref = (await supervisor.get_or_spawn("alice", "tab", ChildSpec(kind))).ref
                await ref.tell(told)
                while told.waits():
                    await trio.sleep(LIMIT / 20)
                await trio.sleep(2 * LIMIT)
        assert told.only.actor == "alice/tab#1"
        assert is_within(kind.handle, told.only.where)
    assert capfd.readouterr().err == ""


async def test_nobody_is_accused_where_another_thread_holds_the_interpreter(
    capfd: pytest.CaptureFixture[str],
) -> None:
    told = Told()
    with open_watchdog(limit=LIMIT, tell=told, process=True):
        await trio.sleep(AT_ITS_POST)
        await trio.to_thread.run_sync(compute_in_c, HELD)
        while told.waits():
            await trio.sleep(LIMIT / 20)
    assert told.only.actor is None
    assert told.only.where.startswith("what another thread does")
    assert " by no actor, at what another thread does" in capfd.readouterr().err


async def test_each_that_holds_it_is_told_once(capfd: pytest.CaptureFixture[str]) -> None:
    told = Told()
    with open_watchdog(limit=LIMIT, tell=told, process=True):
        await trio.sleep(AT_ITS_POST)
        for count in (1, 2):
            sleep_in_c(2 * HELD)
            while told.waits(count):
                await trio.sleep(LIMIT / 20)
            await trio.sleep(2 * LIMIT)
    assert len(told.blockages) == 2
    assert capfd.readouterr().err.count("blocked") == 2


async def test_a_step_that_was_told_and_then_holds_it_is_no_second_event() -> None:
    told = Told()
    with open_watchdog(limit=LIMIT, tell=told, process=True):
        await trio.sleep(AT_ITS_POST)
        while told.waits():
            block(LIMIT / 20)
        sleep_in_c(HELD)
        block(LIMIT)
        await trio.sleep(2 * LIMIT)
    assert len(told.blockages) == 1


async def test_of_a_healthy_loop_nothing_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    told = Told()
    with open_watchdog(limit=2 * LIMIT, tell=told, process=True):
        await trio.sleep(5 * LIMIT)
        ends = time.perf_counter() + 5 * LIMIT
        while time.perf_counter() < ends:
            sleep_in_c(LIMIT / 10)
            await trio.lowlevel.checkpoint()
    assert told.blockages == []
    assert capfd.readouterr().err == ""


async def test_a_loop_that_is_busy_with_short_turns_is_not_even_asked(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It lets go of the interpreter so often, and so briefly, that a thread may wait for it long."""
    answers: list[object] = []
    monkeypatch.setattr(_outpost.Outpost, "answer", answered(answers))
    told = Told()
    async with open_supervisor() as supervisor:
        ref = (await supervisor.get_or_spawn("alice", "tab", ChildSpec(Quick))).ref
        with open_watchdog(limit=2 * LIMIT, tell=told, process=True):
            await trio.sleep(AT_ITS_POST)
            before = len(answers)
            ends = time.perf_counter() + 6 * LIMIT
            while time.perf_counter() < ends:
                await ref.tell(None)
            asked = len(answers) - before
    assert told.blockages == []
    assert capfd.readouterr().err == ""
    assert asked <= 2, "as often as a busy machine may hold everybody up"


def answered(answers: list[object]) -> Callable[[_outpost.Outpost], list[Held] | None]:
    """Answers as ever, and notes it."""
    answer = _outpost.Outpost.answer

    def noted(outpost: _outpost.Outpost) -> list[Held] | None:
        answers.append(found := answer(outpost))
        return found

    return noted


async def test_it_holds_no_task_that_has_ended() -> None:
    tasks: list[weakref.ref[trio.lowlevel.Task]] = []

    async def short() -> None:
        tasks.append(weakref.ref(trio.lowlevel.current_task()))
        block(LIMIT)  # so it has surely been looked at

    with open_watchdog(limit=LIMIT, tell=Told(), process=True):
        await trio.sleep(AT_ITS_POST)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(short)
            nursery.start_soon(short)
        os.kill(lookouts()[0], signal.SIGSTOP)  # so nobody looks
        await trio.sleep(LIMIT)
        gc.collect()
        os.kill(lookouts()[0], signal.SIGCONT)
        assert [task() for task in tasks] == [None, None]


async def test_it_costs_less_than_a_hundredth_of_a_processor() -> None:
    with open_watchdog(limit=LIMIT, tell=print, process=True):
        (lookout,) = lookouts()
        await trio.sleep(AT_ITS_POST)
        before = processor_time(lookout)
        await trio.sleep(10 * LIMIT)
        assert processor_time(lookout) - before < 0.01 * 10 * LIMIT


async def test_a_loop_in_another_thread_is_another_loop(capfd: pytest.CaptureFixture[str]) -> None:
    told = Told()

    async def watched() -> None:
        with open_watchdog(limit=LIMIT, tell=told, process=True):
            await trio.sleep(AT_ITS_POST)
            sleep_in_c(HELD)
            while told.waits():
                await trio.sleep(LIMIT / 20)

    await trio.to_thread.run_sync(trio.run, watched)
    assert is_within(sleep_in_c, told.only.where)
    assert "in sleep_in_c; " in capfd.readouterr().err
