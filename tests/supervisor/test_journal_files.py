"""A journal in a file, written by a thread; on a real clock: threads do not keep up with a virtual one."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
import trio

from supervisor import open_supervisor
from supervisor.journal import JournalError, open_journal, read_journal

from .harness import PLAIN


async def test_a_file_is_its_owners_only_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    async with open_journal(path) as journal, open_supervisor(3) as supervisor:
        journal.record(supervisor)
        await supervisor.get_or_spawn("ann", "tab", PLAIN)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.read_bytes()
    assert read_journal(path).ended
    with pytest.raises(
        JournalError, match=r"journal\.jsonl: there already, and a journal is never overwritten"
    ):
        async with open_journal(str(path)):
            raise AssertionError
    assert path.read_bytes() == before


async def test_a_file_that_cannot_be_made_is_told_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="cannot be made: No such file or directory"):
        async with open_journal(tmp_path / "nowhere" / "journal.jsonl"):
            raise AssertionError


async def test_what_happened_is_in_the_file_a_moment_later(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    async with open_journal(path) as journal, open_supervisor(3) as supervisor:
        journal.record(supervisor)
        await supervisor.get_or_spawn("ann", "tab", PLAIN)
        with trio.fail_after(10):
            while b"Started" not in path.read_bytes():
                await trio.sleep(0.01)
        so_far = read_journal(path)
        assert (so_far.ended, so_far.torn) == (False, False)


async def test_a_file_that_somebody_cuts_off_goes_on_at_its_end(tmp_path: Path) -> None:
    """As logrotate does with copytruncate."""
    path = tmp_path / "journal.jsonl"
    async with open_journal(path) as journal, open_supervisor(3) as supervisor:
        journal.record(supervisor)
        await supervisor.get_or_spawn("ann", "tab", PLAIN)
        with trio.fail_after(10):
            while b"Started" not in (first := path.read_bytes()):
                await trio.sleep(0.01)
        path.write_bytes(b"")
    path.write_bytes(first + path.read_bytes())
    assert read_journal(path).ended
