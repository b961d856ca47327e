"""The lookout: a process beside ours that sees when C code keeps the interpreter to itself.

It watches when the turns of our event loop begin. Is one getting long, it asks the watchdog's thread
to look, which answers with a beat in memory that both share. Is there none, then no Python runs
over there; so the lookout reads in that process's memory what the loop does, tells it on standard
error at once, and to the thread for when that runs again. It only ever reads: it takes no lock,
sends no signal, and what it cannot make out is an unknown place. A loop that is well is never asked
anything, and pays nothing.

This is its program. With `_reading` and `_memory` it is all that the process has of ours: so these
three import nothing but the standard library. It ends when its parent does, however that ends.
"""

from __future__ import annotations

import json
import mmap
import os
import select
import signal
import struct
import time
from pathlib import Path
from typing import NamedTuple

from ._memory import Memory, Texts
from ._reading import Anatomy, Place, Reader

# What is shared: when the thread last ran, and, where that cannot be read elsewhere, when the latest
# turn began. In seconds of `time.perf_counter`, which is one clock for all processes.
MOMENT = struct.Struct("d")
BEAT_AT, TURN_AT, SHARED = 0, MOMENT.size, 2 * MOMENT.size

# What the thread is asked.
ASK = b"look\n"

UNKNOWN = "an unknown place"
ANOTHER_THREAD = "what another thread does, which keeps the interpreter to itself"

# What is told of a stack at most, from its inner end.
_DEEPEST = 50

# No turn of a loop that has started us is older than that when we begin, in seconds. What reads as an
# older one is something else.
_OLDEST = 3600.0

# What holds still does so each time that one looks; and a thread that runs does, where one that waits
# is seen to run only now and then. In seconds.
_LOOKS = 3
_BETWEEN_LOOKS = 0.001

# Meant for the parent. When that ends, we do.
_NOT_OURS = ("SIGINT", "SIGTERM", "SIGHUP")


class Post(NamedTuple):
    """What the lookout is told at its start."""

    parent: int
    thread: int
    """The one of the loop: the system's number for it."""
    limit: float
    period: float
    """A turn that lasts is looked at so often, in seconds."""
    shared: int
    """A file."""
    memory: int | None
    """A file."""
    anatomy: Anatomy | None
    spared: str
    """Files that begin like this are Trio's own."""


class Held(NamedTuple):
    """What keeps a loop from running."""

    since: float
    """Of `time.perf_counter`; surely not too early."""
    actor: str | None
    stack: tuple[str, ...]
    """From the outside in; the last one is the place."""


class Lookout:
    """Waits, asks, and tells."""

    def __init__(self, post: Post, shared: mmap.mmap, reader: Reader | None) -> None:
        self._post = post
        self._shared = shared
        self._reader = reader
        self._since = time.perf_counter()
        """What was before that is held against nobody."""
        self._earliest = self._since - _OLDEST

    def watch(self) -> None:
        """Until the parent is no more."""
        post, told, due = self._post, (0.0, 0.0), self._since
        while self._parent_lives(until=due):
            now, began = time.perf_counter(), self._turn_began()
            if now > due + post.period:
                self._since = now  # we have been late, and so perhaps was everybody
            if began <= now - post.period:
                _write(1, ASK)
            silent = self._silent_since(began)
            this = (self._moment(BEAT_AT), began)
            if now >= silent + post.limit and this != told and self._tell(silent):
                told = this
            due = next_look(now, began, silent, post)

    def _parent_lives(self, until: float) -> bool:
        """Wait. Standard input ends with the parent, unless a fork of it has kept the other end."""
        ended, _, _ = select.select([0], [], [], max(until - time.perf_counter(), 0.0))
        return not ended and os.getppid() == self._post.parent

    def _turn_began(self) -> float:
        """The latest. What moves on while it is read may read as anything: then one begins just now."""
        if self._reader is None:
            return self._moment(TURN_AT)
        now = time.perf_counter()
        try:
            found = {self._reader.turn_began() for _ in range(_LOOKS)}
        except LookupError:
            return now
        holds_still = len(found) == 1 and self._earliest <= min(found) <= now
        return min(found) if holds_still else now

    def _silent_since(self, began: float) -> float:
        """Since when has neither the loop moved on, nor the thread run, which is asked all the while?"""
        beat = self._moment(BEAT_AT)
        return max(self._since, began if beat <= began else beat + self._post.period)

    def _moment(self, place: int) -> float:
        found: float = MOMENT.unpack_from(self._shared, place)[0]
        return found

    def _tell(self, silent: float) -> bool:
        """Is it told, now that it is known?"""
        found = self._find(silent)
        if found is None or self._silent_since(self._turn_began()) != silent:
            return False
        _write(2, f"watchdog: {sentence(found, time.perf_counter())}\n".encode(errors="backslashreplace"))
        _write(1, json.dumps(found).encode() + b"\n")
        return True

    def _find(self, since: float) -> Held | None:
        """None: nothing keeps it; its threads are not given a processor, or not woken up."""
        post = self._post
        threads = running(post.parent)
        task, actor, stack = self._look()
        if threads and post.thread not in threads:
            return Held(since, None, (ANOTHER_THREAD,))
        # Where nobody runs, it is one that sleeps and lets nobody in meanwhile.
        return None if threads == set() and not task else Held(since, actor, stack)

    def _look(self) -> tuple[int, str | None, tuple[str, ...]]:
        task = 0
        stack: tuple[str, ...] = (UNKNOWN,)
        if self._reader is None:
            return task, None, stack
        try:
            task = self._reader.task()
            stack = shown(self._reader.stack(), self._post.spared) or stack
            return task, self._reader.actor(task) if task else None, stack
        except LookupError:
            return task, None, stack


def next_look(now: float, began: float, silent: float, post: Post) -> float:
    """When the turn is, or any later one could be, another period old; or the silence a limit."""
    period = post.period
    looks = (max(now - began, 0.0) // period + 1) * period + began
    tells = silent + post.limit
    return min(looks, now + period, tells if tells > now else now + period)


def running(process: int) -> set[int] | None:
    """Which threads of a process want a processor, all the time; None: nobody knows."""
    always: set[int] | None = None
    for _ in range(_LOOKS):
        try:
            now = {int(task.name) for task in Path(f"/proc/{process}/task").iterdir() if _runs(task)}
        except OSError:
            return None
        always = now if always is None else always & now
        time.sleep(_BETWEEN_LOOKS)
    return always


def _runs(thread: Path) -> bool:
    try:
        state = (thread / "stat").read_text(errors="replace").rpartition(")")[2].split()[0]
    except OSError:  # it has ended
        return False
    return state == "R"


def shown(places: list[Place], spared: str) -> tuple[str, ...]:
    """What of a stack is told, from the outside in."""
    ours = [place for place in places if not place.file.startswith(spared)]
    return tuple(map(str, reversed(ours[:_DEEPEST] or places[:1])))


def sentence(held: Held, now: float) -> str:
    """On one line, whatever somebody calls himself."""
    said = (
        f"the event loop is blocked for {now - held.since:.2f} s by {held.actor or 'no actor'}, "
        f"at {held.stack[-1]}; no Python runs meanwhile"
    )
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in said)


def _write(file: int, words: bytes) -> None:
    """To whoever is there, and reads."""
    try:
        os.write(file, words)
    except OSError:
        return


def main(words: str) -> None:
    """Be the lookout at the post that is given in JSON."""
    for name in _NOT_OURS:
        signal.signal(signal.Signals[name], signal.SIG_IGN)
    os.set_blocking(1, False)  # it need not be read at all
    post = Post(*json.loads(words))
    reader = None
    if post.memory is not None and post.anatomy is not None:
        texts = Texts(Memory(os.open("/proc/self/mem", os.O_RDONLY)))
        reader = Reader(Memory(post.memory), texts, Anatomy(*post.anatomy))
    with mmap.mmap(post.shared, SHARED, access=mmap.ACCESS_READ) as shared:
        Lookout(post, shared, reader).watch()
        os._exit(0)  # at once: the parent waits
