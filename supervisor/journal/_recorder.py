"""The task that writes a journal: in batches, never in the supervisor's way, and to its very end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Protocol, TypeAlias

import attrs
import trio

from supervisor import Subscription, Supervisor

from ._lines import End, Header, Line, header_line, line_of

# Records written in one go: a millisecond or two.
BATCH = 256

# What happens within so many seconds is written together. A process that is ended by force loses no more,
# where its disk keeps up.
LINGER = 0.05

# A full disk is tried again after so many seconds, then after twice as many each time, up to the most.
FIRST_RETRY = 0.5
LONGEST_RETRY = 10.0

# How long, in seconds, the end of the block waits for the last lines; a disk that is gone never takes them.
END_GRACE = 5.0


class JournalError(Exception):
    """A journal that cannot be read, or is not whole: says which, where, and why."""

    def __init__(self, name: str, problem: str, *, line: int | None = None) -> None:
        super().__init__(name, problem, line)
        self.name = name
        self.problem = problem
        self.line = line
        """Counted from 1; None: the whole."""

    def __str__(self) -> str:
        where = self.name if self.line is None else f"{self.name}, line {self.line}"
        return f"{where}: {self.problem}"


# Writing


class Sink(Protocol):
    """Where lines go: an unbuffered binary file, a socket's file, `io.BytesIO`."""

    def write(self, data: bytes, /) -> int | None:
        """Take some of it, and say how many bytes; None: all."""


Call: TypeAlias = Callable[[Callable[[], None]], Awaitable[None]]
"""Calls a function that may block."""


@attrs.define(eq=False)
class Pen:
    """Writes bytes; what was not taken stays, and is tried again: a full disk tears no line."""

    sink: Sink
    rest: bytes = b""

    def write(self, data: bytes = b"") -> None:
        self.rest += data
        while self.rest:
            taken = self.sink.write(self.rest)
            self.rest = b"" if taken is None else self.rest[taken:]


@attrs.frozen(eq=False)
class _Recording:
    """What is to be written down."""

    supervisor: Supervisor
    header: Header
    events: Subscription


@attrs.define(eq=False)
class JournalWriter:
    """Writes down what happens in one supervisor. Made by `open_journal`."""

    name: str
    """What it is called where something is wrong with it."""
    _pen: Pen
    _call: Call
    _capacity: int
    _over: trio.Event = attrs.field(init=False, factory=trio.Event)
    _begun: trio.Event = attrs.field(init=False, factory=trio.Event)
    _recording: _Recording | None = attrs.field(init=False, default=None)
    _writing: trio.CancelScope = attrs.field(init=False, factory=lambda: trio.CancelScope(shield=True))
    problem: JournalError | None = attrs.field(init=False, default=None)
    """Why it is not whole, once that is known for good."""

    def __repr__(self) -> str:
        recorded = self._recording.supervisor if self._recording is not None else "nothing yet"
        return f"<JournalWriter {self.name}: {recorded}>"

    def record(self, supervisor: Supervisor) -> None:
        """Write down all that happens there from now on. Returns at once.

        Call it first thing in the supervisor's block, also before you set limits: only a journal
        from the beginning can be checked.

        Raises:
          RuntimeError: somebody was let in already, or this journal has a supervisor.
        """
        if self._recording is not None:
            raise RuntimeError(f"{self!r} has its supervisor: open one journal for each")
        if supervisor.snapshot().users:
            raise RuntimeError(f"{supervisor} has let somebody in: record it first thing in its block")
        limit = None if callable(supervisor.limit) else supervisor.limit
        clustered = supervisor.cluster is not None
        header = Header(supervisor.spec, limit, trio.current_time(), datetime.now(UTC), clustered)
        self._recording = _Recording(supervisor, header, supervisor.events(capacity=self._capacity))
        self._begun.set()

    def finish(self) -> None:
        """The block is over, and with it the supervisor: only what is left is waited for."""
        self._over.set()
        self._begun.set()
        self._writing.deadline = trio.current_time() + END_GRACE

    async def run(self) -> None:
        """The task of the journal. It ends nobody: what goes wrong is told, and kept in `problem`."""
        try:
            with self._writing:
                await self._begun.wait()
                if self._recording is not None:
                    await self._write_down(self._recording)
                return
        except Exception as error:  # noqa: BLE001  # the boundary: the block raises it at its end
            self._tell(error)
            why = str(error)
        else:
            why = f"{END_GRACE:g} s after its block, its supervisor had not ended, or its disk was silent"
        self.problem = JournalError(self.name, f"the journal is not whole: {why}")

    async def _write_down(self, recording: _Recording) -> None:
        with recording.events:
            await self._put(lambda: header_line(recording.header))
            await self._write_events(recording.events)

    async def _write_events(self, subscription: Subscription) -> None:
        with suppress(trio.EndOfChannel):
            while True:
                await self._write_all([await subscription.receive(), *subscription.drain()])
                with trio.move_on_after(LINGER):
                    await self._over.wait()
        await self._write_all([End(trio.current_time())])

    async def _write_all(self, records: Sequence[Line]) -> None:
        for start in range(0, len(records), BATCH):
            await self._put(partial(_encoded, records[start : start + BATCH]))

    async def _put(self, encode: Callable[[], bytes]) -> None:
        """Encode and write. What a full disk does not take is tried again, and told of once."""
        try:
            await self._call(lambda: self._pen.write(encode()))
        except OSError as error:
            self._tell(error)
            await self._try_again()

    async def _try_again(self) -> None:
        """Until the sink has taken what is left. What happens meanwhile waits, or is counted as lost."""
        pause = FIRST_RETRY
        while True:
            with trio.move_on_after(pause):
                await self._over.wait()
            last = self._over.is_set()
            try:
                await self._call(self._pen.write)
            except OSError:
                if last:
                    raise
            else:
                return
            pause = min(2 * pause, LONGEST_RETRY)

    def _tell(self, error: Exception) -> None:
        """As a HandlerFailed event; a supervisor that has ended hears nothing."""

        async def fail() -> None:  # noqa: ASYNC124  # a handler is async
            raise error

        recording = self._recording
        assert recording is not None
        with suppress(RuntimeError):  # its nursery is closed
            recording.supervisor.handler_nursery.start_soon(fail, name=f"journal {self.name}")


def _encoded(records: Sequence[Line]) -> bytes:
    return b"".join(map(line_of, records))
