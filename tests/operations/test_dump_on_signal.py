"""A signal has everybody dumped: the threads at once, also while the loop is blocked; then the tasks."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PROGRAM = """
import os, signal, sys, threading, time
import trio
from supervisor import ChildSpec, open_supervisor
from supervisor.operations import dump_on_signal
from supervisor.testing import WedgedForever, Work

def blocks_the_loop(seconds):
    print("ready", flush=True)
    time.sleep(seconds)

async def main():
    async with open_supervisor() as supervisor, trio.open_nursery() as nursery:
        %(start)s
        stuck = await supervisor.get_or_spawn("alice", "tab", ChildSpec(WedgedForever, stop_grace=0.1))
        await stuck.ref.tell(Work())
        await trio.sleep(0.1)
        blocks_the_loop(%(blocked)s)
        print("over", flush=True)
        await trio.to_thread.run_sync(sys.stdin.readline)
        nursery.cancel_scope.cancel()
    print("ended", flush=True)

trio.run(main)
"""

IN_A_NURSERY = "await nursery.start(dump_on_signal)"
IN_THE_BACKGROUND = "supervisor.background.start_soon(dump_on_signal)"


@contextmanager
def running(
    tmp_path: Path, start: str, blocked: float = 0.0
) -> Generator[tuple[subprocess.Popen[str], Path]]:
    """A process, and the file that its standard error goes to."""
    errors = tmp_path / "errors"
    program = PROGRAM % {"start": start, "blocked": blocked}
    with errors.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-c", program],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=file,
            text=True,
        )
    with process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n", errors.read_text()
            yield process, errors
        finally:
            process.kill()


def said(errors: Path, what: str, times: int = 1) -> str:
    """All that was written, once this has been so many times."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        text = errors.read_text()
        if text.count(what) >= times:
            return text
        time.sleep(0.02)
    raise AssertionError(f"never {what!r} in {errors.read_text()!r}")


def end(process: subprocess.Popen[str]) -> int:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()
    return process.wait(10)


@pytest.mark.parametrize("start", [IN_A_NURSERY, IN_THE_BACKGROUND])
def test_a_blocked_loop_tells_the_threads_at_once_and_the_tasks_later(tmp_path: Path, start: str) -> None:
    with running(tmp_path, start, blocked=2.0) as (process, errors):
        process.send_signal(signal.SIGUSR1)
        sent = time.monotonic()
        text = said(errors, "in blocks_the_loop")
        assert time.monotonic() - sent < 1.5, "while it was blocked"
        assert " tasks\n" not in text
        text = said(errors, "thread MainThread")
        assert time.monotonic() - sent > 1, "the tasks can be told only by the loop"
        assert "1 x alice/tab#1" in text
        assert "in WedgedForever.work" in text
        assert end(process) == 0


def test_it_can_be_asked_again_and_again(tmp_path: Path) -> None:
    with running(tmp_path, IN_A_NURSERY) as (process, errors):
        for times in (1, 2, 3):
            process.send_signal(signal.SIGUSR1)
            text = said(errors, "thread MainThread", times)
        assert text.count(" tasks\n") == 3
        assert end(process) == 0


def test_one_after_another_may_have_the_signal(tmp_path: Path) -> None:
    start = """async with trio.open_nursery() as brief:
            await brief.start(dump_on_signal)
            brief.cancel_scope.cancel()
        await nursery.start(dump_on_signal)"""
    with running(tmp_path, start, blocked=1.0) as (process, errors):
        process.send_signal(signal.SIGUSR1)
        assert " tasks\n" not in said(errors, "in blocks_the_loop"), "at once"
        assert end(process) == 0


def test_where_nobody_can_read_it_the_process_lives_on(tmp_path: Path) -> None:
    start = 'await nursery.start(lambda **task: dump_on_signal(to=open("/dev/full", "w"), **task))'
    with running(tmp_path, start) as (process, _):
        for _ in range(3):
            process.send_signal(signal.SIGUSR1)
            time.sleep(0.3)
        assert process.poll() is None
        assert end(process) == 0


def test_it_needs_no_thread_of_those_that_are_stuck(tmp_path: Path) -> None:
    start = """await nursery.start(dump_on_signal)
        for _ in range(45):
            nursery.start_soon(lambda: trio.to_thread.run_sync(time.sleep, 1000, abandon_on_cancel=True))"""
    with running(tmp_path, start) as (process, errors):
        process.send_signal(signal.SIGUSR1)
        assert "thread MainThread" in said(errors, "thread MainThread")


def test_afterwards_the_signal_is_as_it_was_before(tmp_path: Path) -> None:
    # It may come while "over" is being printed, and a print within a print is an error.
    start = """signal.signal(signal.SIGUSR1, lambda *_: os.write(1, b"mine\\n"))
        async with trio.open_nursery() as brief:
            await brief.start(dump_on_signal)
            brief.cancel_scope.cancel()"""
    with running(tmp_path, start) as (process, errors):
        assert process.stdout is not None
        assert process.stdout.readline() == "over\n"
        process.send_signal(signal.SIGUSR1)
        assert process.stdout.readline() == "mine\n"
        assert "MainThread" not in errors.read_text()
        assert "most recent call first" not in errors.read_text()
