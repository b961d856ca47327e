"""Where the lookout cannot read what the loop does, it still tells that the loop is blocked."""

from __future__ import annotations

import time

import pytest
import trio
from trio.testing import MockClock

from supervisor import _anatomy, _loop_view, _outpost, open_watchdog

from .blocking import LIMIT, Told, block
from .holding import AT_ITS_POST, compute_in_c

HELD = 4 * LIMIT


async def hold_at_an_unknown_place(capfd: pytest.CaptureFixture[str]) -> None:
    told = Told()
    with open_watchdog(limit=LIMIT, tell=told, process=True):
        await trio.sleep(AT_ITS_POST)
        compute_in_c(HELD)
        while told.waits():
            await trio.sleep(LIMIT / 20)
    assert (told.only.actor, told.only.where) == (None, "an unknown place")
    assert " by no actor, at an unknown place; " in capfd.readouterr().err


async def test_where_memory_is_no_file_it_tells_all_the_same(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_outpost, "_OWN_MEMORY", "/nowhere/mem")
    await hold_at_an_unknown_place(capfd)


async def test_where_trios_loop_is_another_it_tells_all_the_same(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_loop_view, "TRIOS_LOOP", "a loop of a later Trio")
    await hold_at_an_unknown_place(capfd)


async def test_where_python_is_made_otherwise_it_tells_all_the_same(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_anatomy, "_FRAME", 1)  # too little to find anything in
    await hold_at_an_unknown_place(capfd)


async def test_under_a_virtual_clock_it_watches_real_time(
    capfd: pytest.CaptureFixture[str], autojump_clock: MockClock
) -> None:
    told = Told()
    with open_watchdog(limit=LIMIT, tell=told, process=True):
        await trio.to_thread.run_sync(block, AT_ITS_POST)
        await trio.sleep(1_000.0)  # no time at all
        ends = time.perf_counter() + 2 * LIMIT
        while time.perf_counter() < ends:
            await trio.sleep(1.0)
        assert told.blockages == []
        compute_in_c(HELD)
        await trio.to_thread.run_sync(block, 2 * LIMIT)
    assert told.only.where == "an unknown place"
    assert capfd.readouterr().err.count("blocked") == 1
