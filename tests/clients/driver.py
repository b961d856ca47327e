"""One client under our command: its process, what it told, and the words of the chat."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import threading
from typing import Any, Protocol, TypeAlias

import attrs

from tests.chat.support import PATIENCE, ROOT, TOKENS, Frame, fits, frame_of

from .kinds import Kind

Told: TypeAlias = dict[str, Any]

# What begins a connection, and what ends it.
BEGINNINGS, ENDS = ("open",), ("closed", "refused")


class Ports(Protocol):
    """Where a chat is."""

    @property
    def http(self) -> int: ...
    @property
    def ws(self) -> int: ...


@attrs.define(eq=False)
class Driver:
    """A client in a process of its own, with at most one connection at a time."""

    kind: Kind
    process: subprocess.Popen[str]
    told: queue.SimpleQueue[Told | None]
    """What has not been looked at yet; None: the process has ended."""
    connected: bool = False
    """As far as it was looked at."""

    def end(self) -> int:
        """Have the process end; gives its status, which is 0 unless it was in trouble."""
        assert self.process.stdin is not None
        with self.process:  # closes its pipes
            self.process.stdin.close()
            try:
                return self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                raise AssertionError(f"{self.kind.name} does not end") from None

    # The wire

    def do(self, what: str, **arguments: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"do": what, **arguments}) + "\n")
        self.process.stdin.flush()

    def next(self) -> Told:
        """What it tells next."""
        try:
            told = self.told.get(timeout=PATIENCE)
        except queue.Empty:
            raise AssertionError(f"{self.kind.name} told nothing within {PATIENCE:g} s") from None
        assert told is not None, f"{self.kind.name} ended with status {self.process.wait(PATIENCE)}"
        if told["event"] in BEGINNINGS + ENDS:
            self.connected = told["event"] in BEGINNINGS
        return told

    def connect(self, server: Ports, path: str = "/ws", *, page: int | None = None) -> Told:
        """Gives how it went: an event `open` or `refused`. A browser does so in the page of that port."""
        url, page_url = f"ws://127.0.0.1:{server.ws}{path}", f"http://127.0.0.1:{page or server.http}/"
        self.do("connect", url=url, page=page_url)
        return self.next()

    def closed(self) -> tuple[int, str | None]:
        """Listen to the end; gives the code and reason. A reason of None: it does not tell any."""
        while (told := self.next())["event"] != "closed":
            assert told["event"] == "text", told
        return told["code"], told["reason"]

    # The chat

    def enter(self, server: Ports, user: str, session: str = "tab") -> Frame:
        """Connect and say hello; gives the welcome."""
        self.greet(server, user, session)
        return self.hears("welcome")

    def greet(self, server: Ports, user: str, session: str = "tab") -> None:
        """Connect and say hello."""
        assert self.connect(server) == {"event": "open"}
        self.says("hello", token=TOKENS.issue(user), session=session)

    def says(self, type: str, **fields: object) -> None:
        self.do("send", text=json.dumps({"type": type, **fields}, ensure_ascii=False))

    def frame(self) -> Frame:
        """The next frame."""
        told = self.next()
        assert told["event"] == "text", told
        return frame_of(told["text"])

    def hears(self, type: str, **facts: object) -> Frame:
        """The next frame of that type that says these facts; others are passed over."""
        while not fits(frame := self.frame(), type, facts):
            pass
        return frame


def start(kind: Kind) -> Driver:
    """Start the client. Raises MissingError."""
    command, more = kind.command()
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **more},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    driver = Driver(kind, process, queue.SimpleQueue())
    threading.Thread(target=_collect, args=(driver,), daemon=True).start()
    return driver


def _collect(driver: Driver) -> None:
    assert driver.process.stdout is not None
    for line in driver.process.stdout:
        driver.told.put(json.loads(line))
    driver.told.put(None)
