"""What was said, in the engine of a cluster: acked once it is there, whichever node it came in by."""

from __future__ import annotations

import sqlite3
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager, closing
from functools import partial
from typing import TypeVar

import attrs
import msgspec
import trio

from supervisor.cluster import (
    Appended,
    Cluster,
    ClusterError,
    EngineDown,
    EngineUnknown,
    Entry,
    Log,
    Page,
    until_answered,
)

from .blocking import RunBlocking
from .history import CLOSE_DEADLINE, SCHEMA, SEARCH, Done, Draft, History, StorageError, Stored, any_word_of

# Messages of this process that wait to be stored; then submitters wait.
QUEUE_CAPACITY = 1_024
# Messages of one room in one append: one step of the engine, of a millisecond or two.
BATCH_LIMIT = 64
# Seconds. How long to go on asking an engine that is away; then the client is told, and sends it again.
STORE_WITHIN = 10.0
# Seconds. How long whoever submits waits for room: less than a manager may take for one message.
SUBMIT_WITHIN = 2.0
# Seconds. How long a reader waits for an engine that is away.
READ_WITHIN = 30.0
# Messages that a search looks at, shared by the rooms it looks in, and at least so many of each.
SEARCHED = 2_000
SEARCHED_AT_LEAST = 50
# Threads for searches.
SEARCHES = 2
# What is raised for a text of another node that is not as ours are: of a newer version, or damaged.
UNREADABLE = (ValueError, RecursionError)

_INSERT = "INSERT OR IGNORE INTO message (room, seq, user, text, at, id) VALUES (?, ?, ?, ?, ?, ?)"

T = TypeVar("T")


class _Payload(msgspec.Struct, frozen=True, array_like=True):
    """An entry of a room's log."""

    user: str
    text: str
    at: float
    id: str


_decoder = msgspec.json.Decoder(_Payload)


def log_of(cluster: Cluster, room: str) -> Log:
    """The log of a room."""
    return Log(cluster.engine, f"room:{room}", cluster, cluster.spec)


def stored_of(room: str, entry: Entry) -> Stored | None:
    """The message that an entry of the room's log is; None: it cannot be read."""
    try:
        said = _decoder.decode(entry.payload)
    except UNREADABLE:
        return None
    return Stored(room, entry.position, said.user, said.text, said.at, said.id)


def _readable(room: str, page: Page) -> list[Stored]:
    found = (stored_of(room, entry) for entry in page.entries)
    return [stored for stored in found if stored is not None]


@attrs.frozen
class _Waiting:
    draft: Draft
    done: Done


@attrs.define(eq=False, repr=False)
class SharedHistory(History):
    """What was said in each room, in the cluster's engine, made by `open_shared_history`.

    `at` is when the node it came in by had it. One user's id is stored once in a room for as long as the
    cluster's `log_memory`; in two rooms it is two messages.
    """

    _cluster: Cluster
    _run_blocking: RunBlocking
    _new_rooms: trio.MemorySendChannel[str]
    """Rooms for which something waits, and no task yet."""
    _free: trio.Semaphore = attrs.field(init=False, factory=lambda: trio.Semaphore(QUEUE_CAPACITY))
    _searches: trio.CapacityLimiter = attrs.field(init=False, factory=lambda: trio.CapacityLimiter(SEARCHES))
    _rooms: dict[str, deque[_Waiting]] = attrs.field(init=False, factory=dict[str, deque[_Waiting]])
    """By room: what waits to be stored, and whom to tell. There is a task for each."""
    _closing: trio.Event = attrs.field(init=False, factory=trio.Event)
    _over: trio.Event = attrs.field(init=False, factory=trio.Event)
    # Ended by nothing but its deadline, which is set when the history closes.
    _scope: trio.CancelScope = attrs.field(init=False, factory=lambda: trio.CancelScope(shield=True))

    def __repr__(self) -> str:
        waiting = sum(map(len, self._rooms.values()))
        return f"<SharedHistory {waiting}/{QUEUE_CAPACITY} waiting>"

    async def submit(self, draft: Draft, done: Done) -> None:
        """Queue a message to be stored, waiting a little while the queue is full.

        `done` is called once, in the Trio thread: with the stored message, or with a StorageError; then it
        may be stored all the same: submit it again under the same id. It must neither block nor raise.

        Cancellation: either it is queued and `done` will be called, or it never was.

        Raises:
          trio.ClosedResourceError: the history is closed.
          UnicodeEncodeError: it holds a lone surrogate.

        """
        "".join(attrs.astuple(draft)).encode()  # here, where it fails no one else's
        if self._closing.is_set():
            raise trio.ClosedResourceError
        with trio.move_on_after(SUBMIT_WITHIN) as patience:
            await self._free.acquire()
        if patience.cancelled_caught:
            done(StorageError(f"the message was not stored: {QUEUE_CAPACITY} others wait for the engine"))
            return
        waiting = self._rooms.get(draft.room)
        if waiting is None:
            waiting = self._rooms[draft.room] = deque()
            # There is always room: fewer rooms have something waiting than there are messages.
            self._new_rooms.send_nowait(draft.room)
        waiting.append(_Waiting(draft, done))

    async def last(self, room: str, *, count: int = 50) -> list[Stored]:
        """Give the latest messages of a room, oldest first."""
        log = log_of(self._cluster, room)
        looked_at = count
        while True:
            page = await self._read(partial(log.latest, count=looked_at))
            found = _readable(room, page)
            if len(found) >= count or len(page.entries) < looked_at:
                return found[-count:]
            looked_at *= 2

    async def after(self, room: str, seq: int, *, limit: int = 500) -> list[Stored]:
        """Give the messages of a room that follow `seq`, oldest first."""
        log = log_of(self._cluster, room)
        found: list[Stored] = []
        while len(found) < limit:
            page = await self._read(partial(log.read, after=seq, limit=limit))
            found += _readable(room, page)
            if len(page.entries) < limit:
                break
            seq = page.entries[-1].position
        return found[:limit]

    async def last_seq(self, room: str) -> int:
        """Give the seq of the room's latest message, 0 if there is none."""
        return next((said.seq for said in await self.last(room, count=1)), 0)

    async def search(self, text: str, *, rooms: Collection[str], limit: int = 5) -> list[Stored]:
        """Give the messages with any of the words among the latest of these rooms, the best first."""
        count = max(SEARCHED_AT_LEAST, SEARCHED // max(1, len(rooms)))
        said = [stored for room in rooms for stored in await self.last(room, count=count)]
        said.sort(key=lambda stored: stored.seq)
        try:
            return await self._run_blocking(_search, text, said, tuple(rooms), limit, limiter=self._searches)
        except sqlite3.Error as error:
            raise StorageError(f"cannot search: {error}") from error

    async def _read(self, ask: Callable[[], Awaitable[T]]) -> T:
        try:
            with trio.fail_after(READ_WITHIN):
                return await until_answered(ask, pause=self._cluster.spec.retry)
        except (ClusterError, trio.TooSlowError) as error:
            raise StorageError(f"cannot read the history: {error or 'the engine is away'}") from error

    # Storing

    async def run(self, new_rooms: trio.MemoryReceiveChannel[str]) -> None:
        """Store what is submitted until `close`, and a bounded time longer."""
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    async for room in new_rooms:
                        nursery.start_soon(self._store, room, self._rooms[room])
        finally:
            self._over.set()

    def close(self) -> None:
        """Take nothing more; what waits is still stored, within CLOSE_DEADLINE of the first call."""
        if not self._closing.is_set():
            self._closing.set()
            self._new_rooms.close()
            self._scope.deadline = trio.current_time() + CLOSE_DEADLINE

    async def wait_over(self) -> None:
        """Wait until all that was submitted is stored, or refused: soon after `close`, and never before."""
        await self._over.wait()

    async def _store(self, room: str, waiting: deque[_Waiting]) -> None:
        """Store what waits for one room, in order, until nothing does."""
        try:
            while waiting:
                batch = list(waiting)[:BATCH_LIMIT]
                outcomes = await self._append(room, [each.draft for each in batch])
                for outcome in outcomes:
                    self._tell(waiting, outcome)
        finally:
            del self._rooms[room]
            while waiting:
                self._tell(waiting, StorageError("the message was not stored: the chat closed first"))

    def _tell(self, waiting: deque[_Waiting], outcome: Stored | StorageError) -> None:
        self._free.release()
        waiting.popleft().done(outcome)

    async def _append(self, room: str, drafts: Sequence[Draft]) -> Sequence[Stored | StorageError]:
        """Ask until it is there, under the same ids, as long as that is worth it and we may."""
        at = time.time()
        entries = [(_id(draft), _payload(draft, at)) for draft in drafts]
        log = log_of(self._cluster, room)
        cause: BaseException | None = None
        with trio.move_on_after(STORE_WITHIN):
            while True:
                try:
                    appended = await log.append(entries)
                except (EngineDown, EngineUnknown) as error:
                    cause = error
                    await trio.sleep(self._cluster.spec.retry)
                except ClusterError as error:
                    return _refused(drafts, error)
                else:
                    found = zip(drafts, appended, strict=True)
                    return [await self._stored(log, draft, at, place) for draft, place in found]
        return _refused(drafts, cause)

    async def _stored(self, log: Log, draft: Draft, at: float, place: Appended) -> Stored:
        """What is there; of an id that was there already it may be another text."""
        if not place.is_new:
            try:
                page = await log.read(after=place.position - 1, limit=1)
            except ClusterError:
                page = None
            found = _readable(draft.room, page) if page is not None else []
            if found and found[0].seq == place.position:
                return found[0]
        return Stored(draft.room, place.position, draft.user, draft.text, at, draft.id)


def _refused(drafts: Sequence[Draft], cause: BaseException | None) -> list[StorageError]:
    refusals = [StorageError(f"the message was not stored: {cause}") for _ in drafts]
    for refusal in refusals:
        refusal.__cause__ = cause
    return refusals


def _id(draft: Draft) -> str:
    return msgspec.json.encode((draft.user, draft.id)).decode()


def _payload(draft: Draft, at: float) -> str:
    return msgspec.json.encode(_Payload(draft.user, draft.text, at, draft.id)).decode()


def _search(text: str, said: Sequence[Stored], rooms: Sequence[str], limit: int) -> list[Stored]:
    """With the very tables and the ranking of the history in a file."""
    sql = SEARCH.replace(":rooms", ", ".join("?" * len(rooms)))
    with closing(sqlite3.connect(":memory:")) as connection:
        for statement in SCHEMA:
            connection.execute(statement)
        connection.executemany(_INSERT, map(attrs.astuple, said))
        return [Stored(*row) for row in connection.execute(sql, (any_word_of(text), *rooms, limit))]


@asynccontextmanager
async def open_shared_history(
    cluster: Cluster, *, run: RunBlocking = trio.to_thread.run_sync
) -> AsyncGenerator[SharedHistory]:
    """The history in the cluster's engine; at the end what was submitted is stored, in bounded time.

    That needs the node's lease: whoever gives it back earlier closes the history before (see `shared`).
    Searches go through `run`. What is stored is published by the log: see `shared_rooms`.
    """
    new_rooms, receive = trio.open_memory_channel[str](QUEUE_CAPACITY)
    history = SharedHistory(cluster, run, new_rooms)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(history.run, receive)  # noqa: ASYNC113  # what is submitted before it runs waits
        try:
            yield history
        finally:
            history.close()
