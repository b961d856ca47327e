"""A journal is read as it was written; a torn end is told, and anything else that is wrong is an error."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest

from supervisor import open_supervisor
from supervisor.journal import Journal, JournalError, open_journal, read_journal
from supervisor.testing import run

from .harness import PLAIN

Read = Callable[[bytes], Journal]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Read that content, as a file."""

    def read(content: bytes) -> Journal:
        path = tmp_path / "journal.jsonl"
        path.write_bytes(content)
        return read_journal(path)

    return read


def script() -> bytes:
    """A journal of a few lines."""
    file = io.BytesIO()

    async def perform() -> None:
        async with open_journal(file) as journal, open_supervisor(3) as supervisor:
            journal.record(supervisor)
            await supervisor.get_or_spawn("ann", "tab", PLAIN)

    run(perform)
    return file.getvalue()


WHOLE = script()
LINES = WHOLE.splitlines(keepends=True)


@pytest.mark.parametrize("cut", [1, 10, len(LINES[-1]) - 1])
def test_a_last_line_that_was_cut_off_is_told_and_left_out(read: Read, cut: int) -> None:
    written = read(WHOLE[:-cut])
    assert (written.torn, written.ended) == (True, False)
    assert written.events == read(WHOLE).events
    written = read(WHOLE[: -len(LINES[-1])])
    assert (written.torn, written.ended) == (False, False)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "journal.jsonl: it is empty"),
        (LINES[0][:50], "journal.jsonl: not one whole line"),
        (b"hello\n", "journal.jsonl, line 1: this is not a journal"),
        (b"".join(LINES[1:]), "journal.jsonl, line 1: this is not a journal, or not the beginning of one"),
        (b"".join([*LINES[:2], b"\n", *LINES[2:]]), "journal.jsonl, line 3: not JSON"),
        (b"".join([*LINES[:2], LINES[2][:40], *LINES[3:]]), "journal.jsonl, line 3: not JSON"),
        (b"".join([*LINES[:-1], b"{}\n"]), f"line {len(LINES)}: no record is of the type None"),
        (WHOLE + LINES[0], f"line {len(LINES) + 1}: no record is of the type None"),
        (WHOLE + LINES[1], f"line {len(LINES) + 1}: something follows the end"),
        (WHOLE + b"x", f"line {len(LINES) + 1}: something follows the end"),
    ],
)
def test_anything_else_that_is_wrong_is_an_error_with_its_line(
    read: Read, content: bytes, problem: str
) -> None:
    with pytest.raises(JournalError) as raised:
        read(content)
    assert problem in str(raised.value)
