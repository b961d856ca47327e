"""The journal: all that happens in one supervisor, as a file of JSON lines; written, and read back.

    async with open_journal("trouper.jsonl") as journal, open_supervisor() as supervisor:
        journal.record(supervisor)
        ...

It stands outside of the supervisor, and so has its end too. `python -m supervisor check FILE`
says whether all promises were kept. It needs cattrs: install `trouper[journal]`.
"""

from __future__ import annotations

import io
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

if find_spec("cattrs") is None:
    raise ImportError("supervisor.journal needs cattrs: install trouper[journal]", name="cattrs")

import attrs
import trio

from supervisor import Event, EventsLost
from supervisor._stream import DEFAULT_CAPACITY

from ._lines import End, Header, LineError, RecordedError, header_of, record_of
from ._recorder import END_GRACE, Call, JournalError, JournalWriter, Pen, Sink

__all__ = [
    "Header",
    "Journal",
    "JournalError",
    "JournalWriter",
    "RecordedError",
    "Sink",
    "open_journal",
    "read_journal",
]


T = TypeVar("T")


@asynccontextmanager
async def open_journal(
    to: str | os.PathLike[str] | Sink, *, capacity: int = DEFAULT_CAPACITY
) -> AsyncGenerator[JournalWriter]:
    """A journal for as long as the block lasts; open it outside of the supervisor that it records.

    `to` is a path of a new file, readable by its owner only (it holds names, and the texts of
    errors): a journal that is there already is never overwritten. It is encoded and written in a
    thread, so a slow disk slows nobody. Or `to` is anything with `write`: that is called in the
    event loop, and must not block (under virtual time it must be this: threads do not keep up).

    What it cannot write in time waits, `capacity` events of it; of more, the oldest are lost, and
    a line says how many. A full disk is told by a HandlerFailed event, once, and tried again; the
    supervisor never notices. What was written survives the end of the process, and a power cut
    as far as the kernel had it on disk.

    Rotation is not its job: give each run a path of its own. (A `copytruncate` of logrotate
    works; joined in their order, the pieces are the journal.)

    Cancellation: waits till the supervisor inside has ended, then at most 5 s for the last lines.

    Raises:
      JournalError: the file cannot be made, or is there already. At the end: the journal is not
        whole; where the block raised an error, that one is raised, with a note.
    """
    failure: Exception | None = None
    async with _opened(to) as (name, sink, call):
        journal = JournalWriter(name, Pen(sink), call, capacity)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(journal.run)  # noqa: ASYNC113  # shields itself; `record` need not wait for it
                try:
                    yield journal
                except Exception as error:  # noqa: BLE001  # raised below, outside of the nursery
                    failure = error
                finally:
                    journal.finish()
        finally:
            if journal.problem is not None and failure is None:
                raise journal.problem
        if failure is not None:
            if journal.problem is not None:
                failure.add_note(str(journal.problem))
            raise failure


@asynccontextmanager
async def _opened(to: str | os.PathLike[str] | Sink) -> AsyncGenerator[tuple[str, Sink, Call]]:
    """The sink, what it is called, and how it is to be called."""
    if not isinstance(to, str | os.PathLike):
        yield type(to).__name__, to, _here
        return
    limiter = trio.CapacityLimiter(1)

    async def in_thread(function: Callable[[], None]) -> None:
        await trio.to_thread.run_sync(function, abandon_on_cancel=True, limiter=limiter)

    try:
        file = await trio.to_thread.run_sync(_new_file, to, limiter=limiter)
    except FileExistsError:
        raise JournalError(os.fspath(to), "there already, and a journal is never overwritten") from None
    except OSError as error:
        raise JournalError(os.fspath(to), f"cannot be made: {error.strerror}") from error
    try:
        yield os.fspath(to), file, in_thread
    finally:
        with trio.move_on_after(END_GRACE, shield=True):
            await in_thread(file.close)


async def _here(function: Callable[[], None]) -> None:
    function()
    await trio.lowlevel.checkpoint()


def _new_file(path: str | os.PathLike[str]) -> io.FileIO:
    """It only ever grows at its end, so that others may cut it off."""
    how = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
    return io.FileIO(os.open(path, how, mode=0o600), "w")


# Reading


@attrs.frozen
class Journal:
    """What was written down, as it was told; errors are RecordedErrors, and verdicts have their words."""

    header: Header
    events: tuple[Event | EventsLost, ...]
    ended: bool
    """Whether it has the supervisor's end; without, its process was ended by force, or runs on."""
    torn: bool
    """Whether its last line was cut off in the middle, and left out here."""


def read_journal(path: str | os.PathLike[str]) -> Journal:
    """The journal in that file. Blocks while it reads.

    Raises:
      OSError: there is no such file, or it cannot be read.
      JournalError: it is no journal, or not as it was written: says in which line, and what.
    """
    name = os.fspath(path)
    *lines, rest = Path(path).read_bytes().split(b"\n")
    if not lines:
        raise JournalError(name, "not one whole line" if rest else "it is empty")
    header = _parsed(header_of, lines[0], name, 1)
    records = [_parsed(record_of, line, name, number) for number, line in enumerate(lines[1:], start=2)]
    ends = [number for number, record in enumerate(records, start=2) if isinstance(record, End)]
    if ends and (ends[0] <= len(records) or rest):
        raise JournalError(name, "something follows the end", line=ends[0] + 1)
    events = tuple(record for record in records if not isinstance(record, End))
    return Journal(header, events, ended=bool(ends), torn=bool(rest))


def _parsed(parse: Callable[[bytes], T], line: bytes, name: str, number: int) -> T:
    try:
        return parse(line)
    except LineError as error:
        raise JournalError(name, str(error), line=number) from None
