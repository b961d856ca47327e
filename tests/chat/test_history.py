"""What was said is on disk before anybody hears of it, in order, once, and found again."""

import sqlite3
import time
from collections.abc import Generator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import attrs
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from examples.chat import history as subject
from examples.chat.history import Draft, History, StorageError, Stored, open_history

Answer: TypeAlias = Stored | StorageError


def draft(id: str, *, room: str = "r", user: str = "u", text: str = "text") -> Draft:
    return Draft(room=room, user=user, text=text, id=id)


def ignore(_: object) -> None:
    pass


@attrs.define(eq=False)
class Answers:
    """What `done` was called with, by the place of the draft in the order of submission."""

    expected: int = 0
    got: dict[int, Answer] = attrs.field(factory=dict[int, Answer])
    complete: trio.Event = attrs.field(factory=trio.Event)

    async def submit(self, history: History, *drafts: Draft) -> None:
        places = range(self.expected, self.expected + len(drafts))
        self.expected += len(drafts)
        self.complete = trio.Event()
        for place, each in zip(places, drafts, strict=True):
            await history.submit(each, partial(self.hear, place))

    def hear(self, place: int, answer: Answer) -> None:
        assert place not in self.got, "told twice"
        self.got[place] = answer
        if len(self.got) == self.expected:
            self.complete.set()

    def stored(self) -> list[Stored]:
        answers = [self.got[place] for place in range(self.expected)]
        return [answer for answer in answers if isinstance(answer, Stored)]


async def settle(history: History, *drafts: Draft) -> list[Answer]:
    answers = Answers()
    await answers.submit(history, *drafts)
    await answers.complete.wait()
    return [answers.got[place] for place in range(len(drafts))]


@contextmanager
def somebody_writing(path: Path) -> Generator[None, None, None]:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


async def settle_as_one_batch(path: Path, history: History, *drafts: Draft) -> list[Answer]:
    answers = Answers()
    with somebody_writing(path):
        # The first commit waits for that somebody; the rest gathers behind it.
        await answers.submit(history, draft("before the batch", room="another"))
        await wait_all_tasks_blocked()
        await answers.submit(history, *drafts)
    await answers.complete.wait()
    return [answers.got[place] for place in range(1, answers.expected)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "odd ?#% name.db"


async def test_messages_are_counted_per_room_and_kept_to_the_letter(path: Path) -> None:
    texts = [" A ", "a", "A", "é", "e\u0301", "\0", "a\0b", "", "'; DROP TABLE message; --", "😀\n"]
    before = time.time()
    async with open_history(path, publish=ignore) as history:
        drafts = [draft(text, room=text, user=text, text=text) for text in texts for _ in "12"]
        drafts[1::2] = [attrs.evolve(each, id=f"{each.id}2") for each in drafts[1::2]]
        await settle(history, *drafts)
    async with open_history(path, publish=ignore) as history:
        for text in texts:
            said = await history.last(text)
            assert [(s.seq, s.user, s.text, s.id) for s in said] == [
                (1, text, text, text),
                (2, text, text, f"{text}2"),
            ]
            assert all(before <= s.at <= time.time() for s in said)


async def test_it_is_on_disk_then_published_then_acked(path: Path) -> None:
    events: list[str] = []

    def note(what: str, stored: Answer) -> None:
        assert isinstance(stored, Stored)
        with closing(sqlite3.connect(path)) as other:
            ((count,),) = other.execute("SELECT count(*) FROM message WHERE id = ?", (stored.id,))
        assert count == 1
        events.append(f"{what} {stored.seq}")

    async with open_history(path, publish=partial(note, "published")) as history:
        for place in range(4):
            await history.submit(draft(f"{place // 2}"), partial(note, "acked"))
    assert events == ["published 1", "acked 1", "acked 1", "published 2", "acked 2", "acked 2"]


async def test_a_known_id_of_the_same_user_gets_what_was_stored(path: Path) -> None:
    async with open_history(path, publish=ignore) as history:
        (first,) = await settle(history, draft("1", text="first"))
    published: list[Stored] = []
    async with open_history(path, publish=published.append) as history:
        again = await settle_as_one_batch(
            path, history, draft("1", room="s"), draft("2", room="s"), draft("2"), draft("1", user="U")
        )
        assert again[0] == first
        assert again[1] == again[2]
        places = [(s.room, s.seq, s.user, s.id) for s in again if isinstance(s, Stored)]
        assert places[1:] == [("s", 1, "u", "2"), ("s", 1, "u", "2"), ("r", 2, "U", "1")]
        assert [s.id for s in published] == ["before the batch", "2", "1"]
        assert await history.last_seq("s") == 1


async def test_a_batch_that_fails_stores_nothing_says_so_to_all_and_is_not_the_last(path: Path) -> None:
    published: list[Stored] = []
    async with open_history(path, publish=published.append) as history:
        with closing(sqlite3.connect(path)) as other:
            other.execute(
                "CREATE TRIGGER full BEFORE INSERT ON message WHEN new.id = 'bad'"
                " BEGIN SELECT RAISE(ABORT, 'no more'); END"
            )
        batch = [draft("1", text="lost"), draft("bad"), draft("3", text="lost")]
        refusals = await settle_as_one_batch(path, history, *batch)
        for refusal in refusals:
            assert isinstance(refusal, StorageError)
            assert isinstance(refusal.__cause__, sqlite3.IntegrityError)
            assert str(refusal) == "the message was not stored: no more"
        assert await history.search("lost", rooms=["r"]) == []
        (stored,) = await settle(history, draft("3"))
        assert isinstance(stored, Stored)
        assert stored.seq == 1
        assert [s.id for s in published] == ["before the batch", "3"]


async def test_another_writer_is_waited_for_but_not_for_ever(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject, "BUSY_TIMEOUT", 0.5)
    async with open_history(path, publish=ignore) as history:
        answers = Answers()
        with somebody_writing(path):
            await answers.submit(history, draft("1"))
            await trio.sleep(0.1)
            assert not answers.got
        await answers.complete.wait()
        assert len(answers.stored()) == 1
        with somebody_writing(path):
            (refusal,) = await settle(history, draft("2"))
        assert str(refusal) == "the message was not stored: database is locked"
        (stored,) = await settle(history, draft("2"))
        assert isinstance(stored, Stored)


async def test_two_processes_on_one_file_share_the_count(path: Path) -> None:
    answers = Answers()
    async with open_history(path, publish=ignore) as one, open_history(path, publish=ignore) as two:
        for place in range(40):
            await answers.submit((one, two)[place % 2], draft(f"{place}"))
    assert sorted(stored.seq for stored in answers.stored()) == list(range(1, 41))


async def test_submit_waits_when_the_queue_is_full_and_can_be_given_up(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject, "QUEUE_CAPACITY", 2)
    answers = Answers()
    async with open_history(path, publish=ignore) as history:
        with somebody_writing(path):
            await answers.submit(history, draft("being committed"))
            await wait_all_tasks_blocked()
            await answers.submit(history, draft("queued 1"), draft("queued 2"))
            assert repr(history) == "<History odd ?#% name.db 2/2 waiting>"
            with trio.move_on_after(0.05) as given_up:
                await history.submit(draft("too many"), lambda _: pytest.fail("it never was"))
            assert given_up.cancelled_caught
        await answers.complete.wait()
        assert [s.id for s in await history.last("r")] == ["being committed", "queued 1", "queued 2"]


@pytest.mark.parametrize("cancelled", [False, True])
async def test_closing_commits_all_that_was_submitted(path: Path, cancelled: bool) -> None:
    answers = Answers()
    with trio.CancelScope() as scope:
        async with open_history(path, publish=ignore) as history:
            await answers.submit(history, *(draft(f"{place}") for place in range(600)))
            if cancelled:
                scope.cancel()
                await trio.sleep_forever()
    assert [stored.seq for stored in answers.stored()] == list(range(1, 601))


async def test_nothing_is_taken_in_after_the_end(path: Path) -> None:
    async with open_history(path, publish=ignore) as history:
        pass
    with pytest.raises(trio.ClosedResourceError):
        await history.submit(draft("late"), ignore)


async def test_closing_is_bounded_and_says_what_it_did_not_store(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject, "BUSY_TIMEOUT", 0.3)
    monkeypatch.setattr(subject, "CLOSE_DEADLINE", 0.1)
    answers = Answers()
    began = time.monotonic()
    with ExitStack() as stack:
        async with open_history(path, publish=ignore) as history:
            stack.enter_context(somebody_writing(path))
            await answers.submit(history, draft("1"))
            await wait_all_tasks_blocked()
            await answers.submit(history, draft("2"), draft("3"))
    assert time.monotonic() - began < 2
    assert [str(answers.got[place]) for place in range(3)] == [
        "the message was not stored: database is locked",
        "the message was not stored: the chat closed before it got to it",
        "the message was not stored: the chat closed before it got to it",
    ]


async def test_a_callback_that_raises_ends_the_history_loudly(path: Path) -> None:
    def broken(_: object) -> None:
        raise ZeroDivisionError

    for publish, done in ((broken, ignore), (ignore, broken)):
        with pytest.RaisesGroup(ZeroDivisionError):
            async with open_history(path, publish=publish) as history:
                await history.submit(draft(f"{publish}"), done)
                await trio.sleep_forever()


async def test_text_that_cannot_be_stored_is_its_submitters_error_only(path: Path) -> None:
    async with open_history(path, publish=ignore) as history:
        with pytest.raises(UnicodeEncodeError):
            await history.submit(draft("1", text="\ud800"), ignore)
        assert len(await settle(history, draft("1"))) == 1


async def test_neither_reads_nor_commits_need_trios_own_threads(path: Path) -> None:
    limiter = trio.to_thread.current_default_thread_limiter()
    for hog in range(int(limiter.total_tokens)):
        limiter.acquire_on_behalf_of_nowait(hog)
    with trio.fail_after(5):
        async with open_history(path, publish=ignore) as history:
            await settle(history, draft("1"))
            assert await history.last_seq("r") == 1


async def test_an_ack_means_on_disk(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connections: list[sqlite3.Connection] = []

    connect = sqlite3.connect

    def noting(path: Path, **options: Any) -> sqlite3.Connection:
        connections.append(connect(path, **options))
        return connections[-1]

    monkeypatch.setattr(sqlite3, "connect", noting)
    async with open_history(path, publish=ignore):
        (writer,) = connections
        assert writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert writer.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
