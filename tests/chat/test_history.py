"""What was said is on disk before anybody hears of it, in order, once, and found again."""

import itertools
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Generator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import attrs
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
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


@pytest.mark.parametrize(
    ("statements", "sentence"),
    [
        (["PRAGMA user_version = 2", "CREATE TABLE message (a)"], r"newer chat's .*\(schema 2, ours is 1\)"),
        (["CREATE TABLE theirs (a)"], r"another program's \(schema 0, ours is 1\).* another --database"),
    ],
)
async def test_files_of_others_are_refused_and_left_alone(
    path: Path, statements: list[str], sentence: str
) -> None:
    with closing(sqlite3.connect(path)) as theirs:
        for statement in statements:
            theirs.execute(statement)
    before = path.read_bytes()
    with pytest.raises(StorageError, match=sentence):
        async with open_history(path, publish=ignore):
            pytest.fail("it opened")
    assert path.read_bytes() == before


async def test_what_cannot_be_opened_or_read_is_a_storage_error(path: Path) -> None:
    with pytest.raises(StorageError, match=r"cannot open the history .*unable to open"):
        async with open_history(path / "deeper.db", publish=ignore):
            pytest.fail("it opened")
    async with open_history(path, publish=ignore) as history:
        with closing(sqlite3.connect(path)) as other:
            other.execute("DROP TABLE message")
        with pytest.raises(StorageError, match=r"cannot read .*no such table"):
            await history.last("r")


async def test_reads_give_what_was_asked_for_in_order(path: Path) -> None:
    async with open_history(path, publish=ignore) as history:
        await settle(history, *(draft(f"{n}") for n in range(1, 601)), draft("1", room="R", user="U"))

        def seqs(said: list[Stored]) -> list[int]:
            return [stored.seq for stored in said]

        assert seqs(await history.last("r")) == list(range(551, 601))
        assert seqs(await history.last("r", count=2)) == [599, 600]
        assert seqs(await history.after("r", 0)) == list(range(1, 501))
        assert seqs(await history.after("r", 590, limit=3)) == [591, 592, 593]
        assert seqs(await history.after("r", 600)) == []
        assert seqs(await history.last("R")) == [1]
        assert [await history.last_seq(room) for room in ("r", "R", "none")] == [600, 1, 0]


async def test_a_read_can_be_given_up_and_leaves_no_trace(path: Path) -> None:
    async with open_history(path, publish=ignore) as history:
        for _ in range(3 * subject.READER_LIMIT):
            with trio.CancelScope() as scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(history.last, "r")
                    await wait_all_tasks_blocked()
                    scope.cancel()
        with trio.fail_after(2):
            assert await history.last("r") == []


async def test_search_finds_any_of_the_words_in_the_given_rooms_the_best_first(path: Path) -> None:
    texts = ["cat and dog", "the cat sat", "a dog", "don't AND OR NOT", "nothing else at all"]
    async with open_history(path, publish=ignore) as history:
        await settle(history, *(draft(f"{n}", text=text) for n, text in enumerate(texts)))
    async with open_history(path, publish=ignore) as history:
        await settle(history, draft("elsewhere", room="R", text="cat dog"))

        async def found(text: str, rooms: list[str], limit: int = 5) -> list[str]:
            return [stored.text for stored in await history.search(text, rooms=rooms, limit=limit)]

        assert await found("cat, dog?", ["r"]) == ["cat and dog", "a dog", "the cat sat"]
        assert await found("DOG cat", ["r"], limit=1) == ["cat and dog"]
        assert await found("elephant NOT", ["r"]) == ["don't AND OR NOT"]
        assert await found("cat", ["R"]) == ["cat dog"]
        assert len(await found("cat", ["r", "R", "none"])) == 3
        assert await found("cat", []) == []
        assert await found("?!", ["r"]) == []


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(st.characters()) | st.text("\"'*^():-+{} \0\ud800aANDORT"), min_size=1))
def test_any_text_can_be_searched_for(texts: list[str]) -> None:
    async def search_all(path: Path) -> None:
        async with open_history(path, publish=ignore) as history:
            await settle(history, draft("1", text="needle"))
            for text in texts:
                await history.search(text, rooms=["r", text.replace("\ud800", "")][:1])
                assert len(await history.search(f"needle {text[:20]}", rooms=["r"])) == 1

    with tempfile.TemporaryDirectory() as folder:
        trio.run(search_all, Path(folder, "chat.db"))


names = st.sampled_from(["a", "A"])
said = st.builds(Draft, room=names, user=names, text=st.text("xy"), id=st.sampled_from("123"))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(said, max_size=8), max_size=4))
def test_whatever_is_submitted_seq_has_no_gaps_and_no_id_is_stored_twice(script: list[list[Draft]]) -> None:
    async def perform(path: Path) -> tuple[list[Stored], list[Stored]]:
        answers, published = Answers(), list[Stored]()
        for session in script:
            async with open_history(path, publish=published.append) as history:
                await answers.submit(history, *session)
        return answers.stored(), published

    with tempfile.TemporaryDirectory() as folder:
        answers, published = trio.run(perform, Path(folder, "chat.db"))
    count, first = Counter[str](), dict[tuple[str, str], Stored]()
    for each, answer in zip(itertools.chain(*script), answers, strict=True):
        if (each.user, each.id) not in first:
            count[each.room] += 1
            stored = Stored(each.room, count[each.room], each.user, each.text, answer.at, each.id)
            first[each.user, each.id] = stored
        assert answer == first[each.user, each.id]
    assert published == list(first.values())


CHILD = """
import sys, trio
from pathlib import Path
from examples.chat.history import Draft, open_history

def ack(stored):
    print(stored.room, stored.seq, stored.id, flush=True)

async def main():
    async with open_history(Path(sys.argv[1]), publish=lambda _: None) as history:
        for n in range(1000):
            await history.submit(Draft(room="abc"[n % 3], user="u", text="text", id=str(n)), ack)
            if n % 10 == 9:
                await trio.sleep(0.003)

trio.run(main)
"""


def test_killed_in_the_middle_every_acked_message_is_there_once_and_in_order(path: Path) -> None:
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", CHILD, str(path)]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout
        acks = [child.stdout.readline() for _ in range(300)]
        child.kill()
        acks += [line for line in child.stdout if line.endswith("\n")]
    assert child.returncode == -signal.SIGKILL
    assert 300 <= len(acks) < 1000, "killed in the middle"

    async def reopen() -> dict[str, list[Stored]]:
        async with open_history(path, publish=ignore) as history:
            return {room: await history.after(room, 0) for room in "abc"}

    rooms = trio.run(reopen)
    for said in rooms.values():
        assert [stored.seq for stored in said] == list(range(1, len(said) + 1))
    ids = [int(stored.id) for said in rooms.values() for stored in said]
    assert sorted(ids) == list(range(len(ids))), "what was said before an acked message is there, once"
    assert all(said == sorted(said, key=lambda stored: int(stored.id)) for said in rooms.values())
    for room, seq, acked in map(str.split, acks):
        assert rooms[room][int(seq) - 1].id == acked
