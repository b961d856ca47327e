"""What is drawn while one looks: `top` on a pseudo-terminal, and `events --follow`."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from threading import Thread

import attrs
import httpx2
import pytest

from supervisor.cli._client import Client
from supervisor.cli._events import unseen
from supervisor.cli._where import where

from .kit import PATIENCE, PROVEN, ROOT, Server, open_server
from .specimens import event

SSE = {"Content-Type": "text/event-stream"}

# The screen that a program may draw on, and leave as it was.
ENTER, LEAVE = "\x1b[?1049h", "\x1b[?1049l"


@pytest.fixture(scope="module", autouse=True)
def interruptible() -> Generator[None]:
    """Whoever runs these tests in the background of a shell has Ctrl-C ignored, and so would our commands."""
    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@attrs.define(eq=False)
class Terminal:
    """A command on a terminal of its own."""

    process: subprocess.Popen[bytes]
    screen: int
    shown: str = ""
    """All that it has drawn so far."""

    def until(self, words: str) -> str:
        """What it drew up to those words, escape sequences left out."""
        mark, deadline = len(self.shown), time.monotonic() + PATIENCE
        while words not in (plain := re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.shown[mark:])):
            assert time.monotonic() < deadline, f"{words!r} was not drawn, but {plain!r}"
            self._read(0.1)
        return plain

    def type(self, keys: str) -> None:
        os.write(self.screen, keys.encode())

    def end(self) -> int:
        """Wait until it has ended; gives its status."""
        deadline = time.monotonic() + PATIENCE
        while self.process.poll() is None:
            assert time.monotonic() < deadline, "it did not end"
            self._read(0.05)
        self._read(0.05)
        return self.process.returncode

    def _read(self, seconds: float) -> None:
        ready, _, _ = select.select([self.screen], [], [], seconds)
        if ready:
            try:
                self.shown += os.read(self.screen, 65536).decode(errors="replace")
            except OSError:  # whoever drew has gone
                time.sleep(seconds)


@contextmanager
def terminal(*words: str, rows: int = 24, columns: int = 80, **environ: str) -> Generator[Terminal]:
    screen, keyboard = pty.openpty()
    fcntl.ioctl(screen, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    command = [sys.executable, "-W", "error", "-m", "supervisor", *words]
    inherited = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "NO_COLOR"}}
    environment = inherited | {"TERM": "xterm-256color"} | environ
    with subprocess.Popen(
        command,
        stdin=keyboard,
        stdout=keyboard,
        stderr=keyboard,
        cwd=ROOT,
        env=environment,
        start_new_session=True,
    ) as process:
        os.close(keyboard)
        try:
            yield Terminal(process, screen)
        finally:
            process.kill()
            process.wait()
            os.close(screen)


@pytest.mark.parametrize("leave", ["q", "Ctrl-C"])
def test_top_draws_on_a_screen_of_its_own_until_one_leaves_it(server: Server, leave: str) -> None:
    server.spawn("tom", "phone", "wedged")
    time.sleep(PROVEN)
    with terminal("--socket", server.socket, "top") as top:
        drawn = top.until("WedgedForever.work")
        assert "trouper" in drawn
        assert ENTER in top.shown
        top.until("trouper")  # and once more, a second later
        if leave == "q":
            top.type("xq")
        else:
            top.process.send_signal(signal.SIGINT)
        assert top.end() == 0
        assert top.shown.rstrip().endswith(LEAVE) or LEAVE in top.shown.rpartition(ENTER)[2]


def test_top_has_colours_unless_one_wants_none(server: Server) -> None:
    with terminal("--socket", server.socket, "top") as top:
        top.until("managers")
        assert "\x1b[32m" in top.shown
    with terminal("--socket", server.socket, "top", NO_COLOR="1") as top:
        top.until("managers")
        assert not re.search(r"\x1b\[3[0-9]m", top.shown)


def test_top_goes_on_when_the_supervisor_ends_and_says_so(tmp_path: Path) -> None:
    with open_server(tmp_path) as mine, terminal("--socket", mine.socket, "top", rows=10) as top:
        top.until("3 managers")
        assert mine.process.stdin is not None
        mine.process.stdin.close()
        mine.process.wait(PATIENCE)
        top.until("as of ")
        top.until("no supervisor answers")
        top.type("q")
        assert top.end() == 0


def test_events_are_followed_each_once_until_one_has_seen_enough(server: Server) -> None:
    with running("events", "--follow", "--json", "--last", "3", "--socket", server.socket) as following:
        told = lines_of(following)
        seen = [json.loads(told.get(timeout=PATIENCE)) for _ in range(3)]
        server.spawn("fay", "phone")
        while not (seen[-1]["user"] == "fay" and seen[-1]["event"] == "supervisor.spawn.started"):
            seen.append(json.loads(told.get(timeout=PATIENCE)))
        following.send_signal(signal.SIGINT)
        assert following.wait(PATIENCE) == 0
    numbers = [line["seq"] for line in seen]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_whoever_follows_is_told_that_the_supervisor_has_ended(tmp_path: Path) -> None:
    with (
        open_server(tmp_path) as mine,
        running("events", "--follow", "--socket", mine.socket) as following,
    ):
        lines_of(following).get(timeout=PATIENCE)
        assert mine.process.stdin is not None
        mine.process.stdin.close()
        assert following.wait(PATIENCE) == 2
        assert following.stderr is not None
        assert following.stderr.read().startswith(f"trouper: {mine.socket} went away: ")


@contextmanager
def running(*words: str) -> Generator[subprocess.Popen[str]]:
    """The command, for as long as the block lasts at most."""
    command = [sys.executable, "-W", "error", "-m", "supervisor", *words]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, cwd=ROOT) as process:
        try:
            yield process
        finally:
            process.kill()


def lines_of(process: subprocess.Popen[str]) -> Queue[str]:
    """What it says, as it comes."""
    lines: Queue[str] = Queue()

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.put(line)

    Thread(target=read, daemon=True).start()
    return lines


def test_the_past_is_asked_for_only_when_the_stream_has_begun() -> None:
    happened: list[str] = []

    def stream() -> Iterator[bytes]:
        happened.append("the stream began")
        yield b"event: overview\ndata: {}\n\n"
        yield b'event: events\ndata: [{"seq": 1}]\n\n'

    transport = httpx2.MockTransport(lambda request: httpx2.Response(200, content=stream(), headers=SSE))
    http = httpx2.Client(transport=transport, base_url="http://localhost/")
    with http, Client(where({}), http).stream() as news:
        happened.append("the past is asked for")
        assert next(news).get("seq") == 1
    assert happened == ["the stream began", "the past is asked for"]


def test_what_is_both_past_and_news_is_told_once() -> None:
    past = [event(seq=1), event(seq=2), event(seq=3)]
    news = [event(seq=2), event(seq=3), {"skipped": 4}, event(seq=8)]
    told = [line.get("seq", "skipped") for line in unseen(past, news)]  # type: ignore[arg-type]
    assert told == [1, 2, 3, "skipped", 8]
