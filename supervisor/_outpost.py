"""The outpost: starts the lookout, beats for it, hears what it found, and ends it."""

from __future__ import annotations

import json
import mmap
import os
import select
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

import attrs
import trio

from ._anatomy import anatomy
from ._lookout import ASK, BEAT_AT, MOMENT, SHARED, TURN_AT, Held, Post
from ._loop_view import LoopView
from ._memory import Memory
from ._reading import Anatomy

# The package, but for what its `__init__` imports: the lookout needs three files of it, and no Trio.
_PROGRAM = """
import sys, types
package = sys.modules["supervisor"] = types.ModuleType("supervisor")
package.__path__ = [sys.argv[1]]
from supervisor._lookout import main
main(sys.argv[2])
"""
# Nothing of the user's environment, no packages but the standard library's, and no files written.
_PYTHON = ("-I", "-S", "-B", "-c", _PROGRAM, str(Path(__file__).parent))

# It ends in a millisecond, or, if it has just been started, in some more. Then it is ended by force.
_PATIENCE = 1.0

# What is read of its words at once, in bytes; more than they ever are.
_MOUTHFUL = 1 << 16

# The memory of whoever opens it, as a file; whoever is handed that may read it, also where nobody may
# look into other processes.
_OWN_MEMORY = "/proc/self/mem"

_TRIOS_FILES = str(Path(trio.__file__).parent)


@contextmanager
def open_outpost(limit: float, period: float, view: LoopView) -> Generator[Outpost]:
    """A lookout for as long as the block lasts, for the loop that runs this, of which that is a view.

    It stands there some 20 ms after the block has begun; to begin and to end takes the loop some
    10 ms each. Whatever becomes of us, it ends, and is never left for somebody else to reap.

    Raises:
      RuntimeError: this Python cannot be started once more, or not like this.
      OSError: the system has no process, or no file, left for it.
    """
    if sys.platform == "win32" or getattr(sys, "frozen", False) or not sys.executable:
        raise RuntimeError("a watchdog's process needs a POSIX system, and Python as `sys.executable`")
    with ExitStack() as until_ended:
        file = until_ended.enter_context(_shared_file())
        shared = until_ended.enter_context(mmap.mmap(file.fileno(), SHARED))
        with ExitStack() as until_started:
            memory = _own_memory(until_started)
            known = None if memory is None else _known(view, memory)
            if known is None:
                until_ended.enter_context(_turns_told(shared))
            thread = threading.get_native_id()
            post = Post(os.getpid(), thread, limit, period, file.fileno(), memory, known, _TRIOS_FILES)
            process = until_ended.enter_context(_process(post))
        yield Outpost(process, shared)


def _known(view: LoopView, memory: int) -> Anatomy | None:
    """None: the lookout cannot read there what the loop does."""
    if view.loop is None or view.ahead is None:
        return None
    return anatomy(view.loop, view.ahead, Memory(memory))


@contextmanager
def _turns_told(shared: mmap.mmap) -> Generator[None]:
    turns = _Turns(shared)
    trio.lowlevel.add_instrument(turns)
    try:
        yield
    finally:
        trio.lowlevel.remove_instrument(turns)


@attrs.define(eq=False, repr=False)
class _Turns(trio.abc.Instrument):
    """Says when a turn begins, where that cannot be read; half a microsecond each."""

    _shared: mmap.mmap

    def after_io_wait(self, timeout: float) -> None:  # noqa: ARG002  # Trio's signature
        MOMENT.pack_into(self._shared, TURN_AT, time.perf_counter())


def _shared_file() -> IO[bytes]:
    """Of two moments; without a name, and where there is such a thing without a disk."""
    if sys.platform == "linux":
        file: IO[bytes] = os.fdopen(os.memfd_create("trouper watchdog"), "r+b")
    else:
        file = tempfile.TemporaryFile()  # noqa: SIM115  # whoever asked closes it
    file.truncate(SHARED)
    return file


def _own_memory(until: ExitStack) -> int | None:
    """As a file; None where there is no such thing."""
    try:
        file = os.open(_OWN_MEMORY, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    until.callback(os.close, file)
    return file


@contextmanager
def _process(post: Post) -> Generator[subprocess.Popen[bytes]]:
    """Its standard input is our life line: when that ends, so does it."""
    process = subprocess.Popen(  # noqa: S603  # ourselves
        [sys.executable, *_PYTHON, json.dumps(post)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
        pass_fds=[file for file in (post.shared, post.memory) if file is not None],
    )
    with process:
        try:
            yield process
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.close()
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()


@attrs.define(eq=False, repr=False)
class Outpost:
    """The thread's side of a lookout."""

    _process: subprocess.Popen[bytes]
    _shared: mmap.mmap
    _unread: bytes = attrs.field(init=False, default=b"")

    def is_asked(self, within: float) -> bool:
        """Are we, within so many seconds? If not, the loop is well."""
        poll = select.poll()
        poll.register(self._from_there, select.POLLIN)
        return bool(poll.poll(1000 * within))

    def answer(self) -> list[Held] | None:
        """Wait until we are asked whether Python runs, and say that it does. None: nobody asks any more.

        Gives what was found out while none ran.
        """
        words = os.read(self._from_there, _MOUTHFUL)
        if not words:
            return None
        MOMENT.pack_into(self._shared, BEAT_AT, time.perf_counter())
        if self.is_asked(within=0.0):  # more was said while we, asked already, were not let in
            words += os.read(self._from_there, _MOUTHFUL)
        *lines, self._unread = (self._unread + words).split(b"\n")
        found = [json.loads(line) for line in lines if line != ASK.strip()]
        return [Held(since, actor, tuple(stack)) for since, actor, stack in found]

    def end(self) -> None:
        """In the loop: have nobody ask any more."""
        _end(self._process)

    def reap(self) -> int:
        """Once nobody asks. Gives the status that it ended with."""
        return self._process.wait()

    @property
    def _from_there(self) -> int:
        assert self._process.stdout is not None
        return self._process.stdout.fileno()
