"""What was said is read back and found in order, also after a kill in the middle of acks."""

import itertools
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import wait_all_tasks_blocked

from examples.chat import history as subject
from examples.chat.history import Draft, StorageError, Stored, open_history

from .test_history import Answers, draft, ignore, settle


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "odd ?#% name.db"


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
