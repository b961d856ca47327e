"""The lookout ends with what it watches, however that ends, and is nobody's zombie."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio

from supervisor import SupervisorSpec, _outpost, open_supervisor, open_watchdog

from .blocking import LIMIT, PATIENCE, Told, block
from .holding import AT_ITS_POST, children, is_there, lookouts, sleep_in_c

ROOT = Path(__file__).parents[2]

# Says so when its lookout stands at its post; then does the rest.
WATCHED = f"""
import os, sys, time
import trio
from supervisor import open_watchdog

async def main():
    with open_watchdog(limit={LIMIT}, tell=print, process=True):
        await trio.sleep({AT_ITS_POST})
        {{then}}
        print("watched", flush=True)
        await trio.sleep(3600)

trio.run(main)
"""


@contextmanager
def watched(then: str = "") -> Generator[tuple[subprocess.Popen[str], int]]:
    """Such a process, and its lookout; that must be gone soon after."""
    process = subprocess.Popen(
        [sys.executable, "-c", WATCHED.format(then=then or "pass")],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    with process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "watched\n"
            (lookout,) = lookouts(process.pid)
            yield process, lookout
        finally:
            process.kill()
    wait_until_gone(lookout)


def wait_until_gone(process: int) -> None:
    ends = time.perf_counter() + PATIENCE
    while is_there(process):
        assert time.perf_counter() < ends, "left behind"
        time.sleep(LIMIT / 20)


def said_by(process: subprocess.Popen[str]) -> str:
    """All that it and its lookout have said, once both are gone."""
    process.kill()
    assert process.stderr is not None
    return process.stderr.read()


def open_files() -> set[str]:
    return {file.name for file in Path("/proc/self/fd").iterdir()}


async def test_it_ends_with_the_block_and_is_reaped() -> None:
    for wait in (0.0, AT_ITS_POST):  # also where it has hardly begun
        with open_watchdog(limit=LIMIT, tell=print, process=True):
            (lookout,) = lookouts()
            await trio.sleep(wait)
        assert not is_there(lookout)


async def test_it_ends_when_the_block_is_crashed_out_of() -> None:
    async def crash() -> None:
        async with open_supervisor(spec=SupervisorSpec(watchdog=LIMIT, watchdog_process=True)):
            seen.extend(lookouts())
            raise LookupError

    seen: list[int] = []
    with pytest.raises(LookupError):
        await crash()
    (lookout,) = seen
    assert not is_there(lookout)


async def test_one_that_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_outpost, "_PATIENCE", 0.1)
    with open_watchdog(limit=LIMIT, tell=print, process=True):
        (lookout,) = lookouts()
        await trio.sleep(AT_ITS_POST)
        os.kill(lookout, signal.SIGSTOP)
    assert not is_there(lookout)


async def test_signals_that_are_meant_for_the_parent_leave_it_at_its_post(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with open_watchdog(limit=LIMIT, tell=print, process=True):
        (lookout,) = lookouts()
        await trio.sleep(AT_ITS_POST)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(lookout, number)
        await trio.sleep(LIMIT)
        sleep_in_c(2 * LIMIT)
        assert "blocked" in capfd.readouterr().err


async def test_one_that_somebody_ends_is_reaped_and_missed_and_the_thread_watches_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    told = Told()
    with open_watchdog(limit=LIMIT, tell=told, process=True):
        (lookout,) = lookouts()
        os.kill(lookout, signal.SIGKILL)
        while is_there(lookout):
            await trio.sleep(LIMIT / 20)
        while told.waits():
            block(LIMIT / 20)
    said = "watchdog: its process has ended, status -9; its thread watches on\n"
    assert capsys.readouterr().err == said


async def test_a_process_that_cannot_be_started_is_an_error_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    before = open_files()
    with pytest.raises(FileNotFoundError), open_watchdog(limit=LIMIT, tell=print, process=True):
        raise AssertionError("unreachable")
    assert open_files() == before
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("trouper")]


@pytest.mark.parametrize(("name", "value"), [("executable", ""), ("frozen", True), ("platform", "win32")])
async def test_where_there_can_be_none_it_says_so(
    name: str, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, name, value, raising=False)
    with (
        pytest.raises(RuntimeError, match="needs a POSIX system"),
        open_watchdog(limit=LIMIT, tell=print, process=True),
    ):
        raise AssertionError("unreachable")


# Of a process that does not end it


def test_it_ends_when_its_parent_is_ended_by_force() -> None:
    with watched() as (process, lookout):
        process.kill()
        process.wait()
        wait_until_gone(lookout)


def test_it_ends_also_where_a_fork_keeps_its_life_line() -> None:
    with watched("os.fork() or time.sleep(3600)") as (process, lookout):
        (fork,) = set(children(process.pid)) - {lookout}
        try:
            process.kill()
            process.wait()
            wait_until_gone(lookout)
            assert is_there(fork)
        finally:
            os.kill(fork, signal.SIGKILL)


def test_a_parent_that_is_stopped_is_not_blocked() -> None:
    with watched() as (process, _):
        time.sleep(LIMIT)  # until its loop rests: one that is stopped in a step has blocked when it goes on
        os.kill(process.pid, signal.SIGSTOP)
        time.sleep(5 * LIMIT)
        os.kill(process.pid, signal.SIGCONT)
        time.sleep(2 * LIMIT)
        assert said_by(process) == ""


def test_who_were_stopped_together_go_on_together() -> None:
    with watched() as (process, _):
        time.sleep(LIMIT)
        for _ in range(5):
            os.killpg(process.pid, signal.SIGSTOP)
            time.sleep(2 * LIMIT)
            os.killpg(process.pid, signal.SIGCONT)
            time.sleep(LIMIT)
        assert said_by(process) == ""
