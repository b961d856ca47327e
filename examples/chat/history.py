"""What was said, in SQLite: committed in batches, never an ack before the commit."""

import sqlite3
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Protocol, TypeAlias

import attrs
import trio

from .blocking import RunBlocking

# Messages. What a second of a slow disk's commits takes in; then submitters wait.
QUEUE_CAPACITY = 1_024
# Messages in one transaction. Spreads an fsync thin, yet is told within milliseconds.
BATCH_LIMIT = 256
# So many messages of a batch, or so many deliveries, are told at once and leave in one write to each
# reader; then everybody else gets some turns of the event loop. Told any faster, a flood would hold up
# all, and would cut off readers that keep up.
MESSAGES_AT_ONCE = 8
DELIVERIES_AT_ONCE = 16_384
TURNS_BETWEEN = 32
# Turns of the event loop without anything new after which a batch is committed: what one client has
# sent at once needs some turns to come through, and shares a commit and a write to each reader.
QUIET_TURNS = 4
# Seconds. How long what was submitted may take to be committed once we are closing.
CLOSE_DEADLINE = 5.0
# Seconds. How long to wait for another process that is writing the same file.
BUSY_TIMEOUT = 5.0
# Threads. Reads are short and mostly from memory; more would only fight for the GIL.
READER_LIMIT = 4
# Words of one search. A question; a pasted page would be one index scan a word.
SEARCH_WORD_LIMIT = 32
# What `PRAGMA user_version` says of a file whose tables are those below.
SCHEMA_VERSION = 1

# No collation: comparison is of bytes, so "A" and "a" are two rooms and two users.
SCHEMA = (
    """CREATE TABLE message (
        number INTEGER PRIMARY KEY, room TEXT NOT NULL, seq INTEGER NOT NULL,
        user TEXT NOT NULL, text TEXT NOT NULL, at REAL NOT NULL, id TEXT NOT NULL,
        UNIQUE (room, seq), UNIQUE (user, id))""",
    """CREATE VIRTUAL TABLE message_text
        USING fts5(text, content='message', content_rowid='number')""",
    """CREATE TRIGGER message_is_found AFTER INSERT ON message BEGIN
        INSERT INTO message_text (rowid, text) VALUES (new.number, new.text); END""",
    f"PRAGMA user_version = {SCHEMA_VERSION}",
)
_STORE = """INSERT INTO message (room, seq, user, text, at, id)
    SELECT :room, coalesce(max(seq), 0) + 1, :user, :text, :at, :id
    FROM message WHERE room = :room ON CONFLICT (user, id) DO NOTHING"""
_FIND = "SELECT room, seq, user, text, at, id FROM message WHERE user = ? AND id = ?"
_LAST = """SELECT room, seq, user, text, at, id FROM message
    WHERE room = ? ORDER BY seq DESC LIMIT ?"""
_AFTER = """SELECT room, seq, user, text, at, id FROM message
    WHERE room = ? AND seq > ? ORDER BY seq LIMIT ?"""
SEARCH = """SELECT room, seq, user, message.text, at, id
    FROM message_text JOIN message ON message.number = message_text.rowid
    WHERE message_text MATCH ? AND room IN (:rooms)
    ORDER BY bm25(message_text), number DESC LIMIT ?"""


class StorageError(Exception):
    """What keeps the history could not do it; its own error is the cause, where there was one."""


@attrs.frozen(kw_only=True)
class Draft:
    """A message to be stored; (user, id) names it once and for all."""

    room: str
    user: str
    text: str
    id: str


@attrs.frozen
class Stored:
    """A message on disk; `at` is when it was committed, in seconds since the epoch."""

    room: str
    seq: int
    """Grows from message to message of a room, and says nothing else."""
    user: str
    text: str
    at: float
    id: str


Publish: TypeAlias = Callable[[Stored], int | None]  # how many it went to, if anybody
Done: TypeAlias = Callable[[Stored | StorageError], None]
_Submission: TypeAlias = tuple[Draft, Done]
_Outcomes: TypeAlias = list[tuple[Stored, bool]]  # ... and whether it is new


class History(Protocol):
    """What was said in each room, wherever it is kept.

    A read sees every message that was acked, so also those whose `publish` is still to come: whoever
    joins the two must drop by seq. Reads raise StorageError.
    """

    async def submit(self, draft: Draft, done: Done) -> None:
        """Have it stored; `done` is called once, with what was stored, or why it was not.

        Cancellation: either `done` will be called, or it never was submitted.
        """
        ...

    async def last(self, room: str, *, count: int = 50) -> list[Stored]:
        """Give the latest messages of a room, oldest first."""
        ...

    async def after(self, room: str, seq: int, *, limit: int = 500) -> list[Stored]:
        """Give the messages of a room that follow `seq`, oldest first."""
        ...

    async def last_seq(self, room: str) -> int:
        """Give the seq of the room's latest message, 0 if there is none."""
        ...

    async def search(self, text: str, *, rooms: Collection[str], limit: int = 5) -> list[Stored]:
        """Give the messages in these rooms with any of the words, the best first."""
        ...


@attrs.define(eq=False, repr=False)
class FileHistory(History):
    """What was said in each room, in a file of SQLite, made by `open_history`.

    A read sees every commit, so also messages whose `publish` is still to come: whoever
    joins the two must drop by seq. Cancelled, a read still ends its query first (soon);
    where SQLite fails it raises StorageError.
    """

    _path: Path
    _send: trio.MemorySendChannel[_Submission]
    _run: RunBlocking
    _readers: trio.CapacityLimiter

    def __repr__(self) -> str:
        """Name the file and how much of the queue waits to be committed."""
        waiting = self._send.statistics().current_buffer_used
        return f"<History {self._path.name} {waiting}/{QUEUE_CAPACITY} waiting>"

    async def submit(self, draft: Draft, done: Done) -> None:
        """Queue a message to be stored, waiting while the queue is full.

        `done` is called once, in the Trio thread, after the commit: with the stored
        message (the one stored earlier if this user's id is known; nothing is stored
        twice), or with a StorageError; then submit it again under the same id. It
        must neither block nor raise: what it raises ends the history.

        Cancellation: either it is queued and `done` will be called, or it never was.

        Raises:
          trio.ClosedResourceError: the history is closed.
          trio.BrokenResourceError: a callback raised.
          UnicodeEncodeError: it holds a lone surrogate, no text SQLite could store.

        """
        "".join(attrs.astuple(draft)).encode()  # here, where it fails no one else's
        await self._send.send((draft, done))

    async def last(self, room: str, *, count: int = 50) -> list[Stored]:
        """Give the latest messages of a room, oldest first."""
        return (await self._read(_LAST, (room, count)))[::-1]

    async def after(self, room: str, seq: int, *, limit: int = 500) -> list[Stored]:
        """Give the messages of a room that follow `seq`, oldest first."""
        return await self._read(_AFTER, (room, seq, limit))

    async def last_seq(self, room: str) -> int:
        """Give the seq of the room's latest message, 0 if there is none."""
        return next((said.seq for said in await self.last(room, count=1)), 0)

    async def search(self, text: str, *, rooms: Collection[str], limit: int = 5) -> list[Stored]:
        """Give the messages in these rooms with any of the words, the best first."""
        sql = SEARCH.replace(":rooms", ", ".join("?" * len(rooms)))
        return await self._read(sql, (any_word_of(text), *rooms, limit))

    async def _read(self, sql: str, values: tuple[str | int, ...]) -> list[Stored]:
        try:
            return await self._run(_read, self._path, sql, values, limiter=self._readers)
        except sqlite3.Error as error:
            raise StorageError(f"cannot read {self._path}: {error}") from error


@asynccontextmanager
async def open_history(
    path: Path, *, publish: Publish, run: RunBlocking = trio.to_thread.run_sync
) -> AsyncGenerator[FileHistory, None]:
    """Open the history in a file, made if need be; commit what is submitted.

    Every call of SQLite goes through `run`.

    `publish` is called in the Trio thread for each newly stored message, right before
    its `done` and in order of seq in each room. It must neither block nor raise.

    At the end, also when cancelled, what was submitted is committed first; what could
    not be within CLOSE_DEADLINE (and the commit under way then) gets a StorageError.
    As with any nursery, errors of the block arrive in an exception group.

    Raises:
      StorageError: the file cannot be opened, or is not a history we can read.

    """
    writers = trio.CapacityLimiter(1)
    connection = await run(_open_writer, path, limiter=writers)
    try:
        send, receive = trio.open_memory_channel[_Submission](QUEUE_CAPACITY)
        committer = _Committer(connection, receive, publish, run, writers)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(committer.run)  # noqa: ASYNC113  # what is submitted before it runs waits
            try:
                yield FileHistory(path, send, run, trio.CapacityLimiter(READER_LIMIT))
            finally:
                send.close()
                committer.scope.deadline = trio.current_time() + CLOSE_DEADLINE
    finally:
        with trio.move_on_after(CLOSE_DEADLINE, shield=True):
            await run(connection.close, limiter=writers)


@attrs.define(eq=False)
class _Committer:
    """Commit whatever waits, batch after batch, and tell whom it concerns."""

    _connection: sqlite3.Connection
    _receive: trio.MemoryReceiveChannel[_Submission]
    _publish: Publish
    _run: RunBlocking
    _writers: trio.CapacityLimiter
    # Ended by nothing but its deadline, which is set when the history closes.
    scope: trio.CancelScope = attrs.field(factory=lambda: trio.CancelScope(shield=True))
    # Invariant: those taken from the queue and not told yet, in order.
    _taken: deque[_Submission] = attrs.field(factory=deque[_Submission])

    async def run(self) -> None:
        with self._receive:
            with self.scope:
                async for submission in self._receive:
                    self._taken.append(submission)
                    await self._take_coming(BATCH_LIMIT)
                    await self._commit_taken()
            # Something is left only if the deadline has passed.
            self._take_waiting(BATCH_LIMIT + QUEUE_CAPACITY)
            self._refuse_taken("the chat closed before it got to it", cause=None)

    async def _take_coming(self, limit: int) -> None:
        """Take what waits, and what comes while we look."""
        before = 0
        while before < len(self._taken) < limit:
            before = len(self._taken)
            for _ in range(QUIET_TURNS):
                await trio.lowlevel.checkpoint()
            self._take_waiting(limit)

    def _take_waiting(self, limit: int) -> None:
        while len(self._taken) < limit:
            try:
                self._taken.append(self._receive.receive_nowait())
            except (trio.WouldBlock, trio.EndOfChannel):
                return

    async def _commit_taken(self) -> None:
        drafts = [draft for draft, _ in self._taken]
        try:
            outcomes = await self._run(_commit, self._connection, drafts, limiter=self._writers)
        except sqlite3.Error as error:
            self._refuse_taken(str(error), cause=error)
            return
        told = deliveries = 0
        for stored, is_new in outcomes:
            if told >= MESSAGES_AT_ONCE or deliveries >= DELIVERIES_AT_ONCE:
                told = deliveries = 0
                for _ in range(TURNS_BETWEEN):
                    await trio.lowlevel.cancel_shielded_checkpoint()
            _, done = self._taken.popleft()
            if is_new:
                deliveries += self._publish(stored) or 0
            done(stored)
            told += 1

    def _refuse_taken(self, reason: str, *, cause: sqlite3.Error | None) -> None:
        while self._taken:
            _, done = self._taken.popleft()
            refusal = StorageError(f"the message was not stored: {reason}")
            refusal.__cause__ = cause
            done(refusal)


def _commit(connection: sqlite3.Connection, drafts: list[Draft]) -> _Outcomes:
    outcomes: _Outcomes = []
    with connection:  # commits, or rolls back and raises
        connection.execute("BEGIN IMMEDIATE")
        at = time.time()
        for draft in drafts:
            values = attrs.asdict(draft) | {"at": at}
            is_new = connection.execute(_STORE, values).rowcount == 1
            row = connection.execute(_FIND, (draft.user, draft.id)).fetchone()
            outcomes.append((Stored(*row), is_new))
    return outcomes


def any_word_of(text: str) -> str:
    """Turn any text into an FTS5 query: quoted, so that no word is an operator."""
    # NUL would end the query, a lone surrogate cannot be passed.
    clean = text.replace("\0", " ").encode(errors="ignore").decode()
    words = list(dict.fromkeys(clean.split()))[:SEARCH_WORD_LIMIT]
    # The empty phrase matches nothing, where an empty query is an error.
    return " OR ".join('"' + word.replace('"', '""') + '"' for word in words or [""])


def _read(path: Path, sql: str, values: tuple[str | int, ...]) -> list[Stored]:
    # One connection a read costs 0.1 ms and leaves none to be closed at a bad moment.
    uri = f"{path.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, timeout=BUSY_TIMEOUT, uri=True)) as connection:
        return [Stored(*row) for row in connection.execute(sql, values)]


def _open_writer(path: Path) -> sqlite3.Connection:
    try:
        connection = sqlite3.connect(
            path, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False
        )
        try:
            _prepare(connection, path)
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        raise StorageError(f"cannot open the history {path}: {error}") from error
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    with connection:
        connection.execute("BEGIN IMMEDIATE")  # of two first starts, one makes it
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        tables = connection.execute("SELECT 1 FROM sqlite_master").fetchall()
        if version != (SCHEMA_VERSION if tables else 0):
            raise StorageError(
                f"{path} is a newer chat's or another program's (schema {version}, ours"
                f" is {SCHEMA_VERSION}): update the chat, or give another --database"
            )
        for statement in () if tables else SCHEMA:
            connection.execute(statement)
    # Readers and the writer then do not wait for each other. The mode is the file's:
    # of two that switch at once one is refused, and the other has done it for both.
    with suppress(sqlite3.OperationalError):
        connection.execute("PRAGMA journal_mode = WAL")
    # Acked means on disk: with WAL anything less would lose commits with the power.
    connection.execute("PRAGMA synchronous = FULL")
