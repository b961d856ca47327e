"""The journal has all that happened, to the very end, and is in nobody's way."""

from __future__ import annotations

import errno
import io
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import attrs
import pytest
import trio
from trio.testing import MockClock

from supervisor import (
    Condemned,
    EventsLost,
    HandlerFailed,
    Refused,
    Reserved,
    SpawnRefused,
    Supervisor,
    SupervisorSpec,
    Terminal,
    open_supervisor,
)
from supervisor.journal import Journal, JournalError, Sink, open_journal, read_journal
from supervisor.journal._recorder import BATCH, END_GRACE, JournalWriter, Pen
from supervisor.testing import CrashesInHandle, Shielded, Work

from .harness import Crowd, settle
from .records import as_read

NO_SPACE = OSError(errno.ENOSPC, "No space left on device")


@attrs.define(eq=False)
class Disk:
    """Takes so many bytes at a time, or none while it is full."""

    mouthful: int = 1_000_000
    full: bool = False
    content: bytes = b""
    asked: int = 0

    def write(self, data: bytes, /) -> int:
        self.asked += 1
        if self.full:
            raise NO_SPACE
        self.content += data[: self.mouthful]
        return min(len(data), self.mouthful)


@pytest.fixture
def read(tmp_path: Path) -> Callable[[bytes], Journal]:
    """Read what a disk has, as a file."""

    def read(content: bytes) -> Journal:
        path = tmp_path / "journal.jsonl"
        path.write_bytes(content)
        return read_journal(path)

    return read


def seqs(journal: Journal) -> list[int]:
    return [event.stamp.seq for event in journal.events if not isinstance(event, EventsLost)]


async def recorded(to: Sink, evening: Callable[[Supervisor], Awaitable[None]]) -> None:
    """What a program does that keeps a journal."""
    async with open_journal(to) as journal, open_supervisor(3) as supervisor:
        journal.record(supervisor)
        await evening(supervisor)


async def divide(supervisor: Supervisor) -> None:
    await Crowd(supervisor).add("tab", 1)
    raise ZeroDivisionError


async def busy_evening(supervisor: Supervisor) -> None:
    """Some of everything: a crash, a refusal, a takeover of a stuck one, a condemned one."""
    crowd = Crowd(supervisor)
    [crash, *_] = await crowd.add("tab", 2)
    await (await crowd.get("crash", CrashesInHandle)).ref.tell(Work())
    await settle()
    crash.stop()
    release = trio.Event()
    await crowd.add("stuck", 1, lambda: Shielded(release), at_work=True)
    with pytest.raises(SpawnRefused):
        await crowd.add("more", 5)
    await settle(10)
    await crowd.add("late", 1)
    release.set()


async def test_it_has_all_that_happened_and_says_that_it_has_the_end(
    autojump_clock: MockClock, read: Callable[[bytes], Journal]
) -> None:
    spec = SupervisorSpec(sweep_period=7.0)
    file = io.BytesIO()
    async with open_journal(file) as journal, open_supervisor(3, spec=spec) as supervisor:
        all_of_them = supervisor.events(capacity=100_000)
        journal.record(supervisor)
        await busy_evening(supervisor)
        with pytest.raises(RuntimeError, match="open one journal for each"):
            journal.record(supervisor)
    written = read(file.getvalue())
    assert written.events == tuple(map(as_read, all_of_them.drain()))
    assert (written.ended, written.torn) == (True, False)
    assert (written.header.spec, written.header.limit) == (spec, 3)
    kinds = {type(event) for event in written.events}
    assert {Reserved, Terminal, Refused, Condemned} <= kinds
    assert abs(written.header.wall - datetime.now(UTC)) < timedelta(minutes=5)


async def test_a_limit_that_only_a_function_knows_is_null(
    autojump_clock: MockClock, read: Callable[[bytes], Journal]
) -> None:
    file = io.BytesIO()
    async with open_journal(file) as journal, open_supervisor(len) as supervisor:
        journal.record(supervisor)
    assert read(file.getvalue()).header.limit is None


async def test_the_last_terminal_is_in_it_when_the_block_is_cancelled(
    autojump_clock: MockClock, read: Callable[[bytes], Journal]
) -> None:
    file = io.BytesIO()
    with trio.CancelScope() as scope:
        async with open_journal(file) as journal, open_supervisor(3) as supervisor:
            journal.record(supervisor)
            await Crowd(supervisor).add("tab", 3)
            scope.cancel()
            await trio.sleep_forever()
    assert scope.cancelled_caught
    written = read(file.getvalue())
    assert written.ended
    assert [type(event) for event in written.events[-3:]] == [Terminal] * 3


async def test_the_last_terminal_is_in_it_when_the_block_raises_and_the_error_is_as_it_was(
    autojump_clock: MockClock, read: Callable[[bytes], Journal]
) -> None:
    file = io.BytesIO()
    with pytest.raises(ZeroDivisionError):
        await recorded(file, divide)
    written = read(file.getvalue())
    assert isinstance(written.events[-1], Terminal)
    assert written.ended


async def test_what_it_is_too_slow_for_is_counted_and_nobody_waits(
    autojump_clock: MockClock, read: Callable[[bytes], Journal]
) -> None:
    file = io.BytesIO()
    async with open_journal(file, capacity=5) as journal, open_supervisor(20) as supervisor:
        with supervisor.events() as all_of_them:
            journal.record(supervisor)
            await Crowd(supervisor).add("tab", 20)
            await settle()
            happened = all_of_them.drain()
    written = read(file.getvalue())
    lost = [event.count for event in written.events if isinstance(event, EventsLost)]
    assert lost
    assert len(seqs(written)) + sum(lost) == seqs(written)[-1] - 1
    assert len(happened) > sum(lost[:1]) > 0


async def test_what_happens_at_once_is_written_in_few_pieces(
    autojump_clock: MockClock, read: Callable[[bytes], Journal]
) -> None:
    disk = Disk()
    async with open_journal(disk) as journal, open_supervisor(1000) as supervisor:
        journal.record(supervisor)
        await Crowd(supervisor).add("tab", 400)
    assert len(read(disk.content).events) == 1200
    assert disk.asked < 1200 / BATCH + 15


async def test_a_disk_that_takes_little_at_a_time_gets_all(
    autojump_clock: MockClock, read: Callable[[bytes], Journal]
) -> None:
    disk = Disk(mouthful=7)
    async with open_journal(disk) as journal, open_supervisor(3) as supervisor:
        journal.record(supervisor)
        await Crowd(supervisor).add("tab", 2)
    assert read(disk.content).ended


async def test_a_full_disk_is_told_once_and_nothing_is_lost_when_there_is_room_again(
    autojump_clock: MockClock, read: Callable[[bytes], Journal]
) -> None:
    disk = Disk(mouthful=100)
    async with open_journal(disk) as journal, open_supervisor(3) as supervisor:
        journal.record(supervisor)
        with supervisor.events(capacity=100_000) as all_of_them:
            await settle()
            disk.full, before = True, disk.asked
            crowd = Crowd(supervisor)
            await crowd.add("tab", 2)
            await settle(60)
            asked = disk.asked - before
            disk.full = False
            await crowd.add("late", 1)
            await settle(11)
            assert b"late" in disk.content
        told = [event for event in all_of_them.drain() if isinstance(event, HandlerFailed)]
    assert [(event.name, event.error) for event in told] == [("journal Disk", NO_SPACE)]
    assert asked <= 10, "it is tried less and less often"
    written = read(disk.content)
    assert seqs(written) == list(range(2, len(written.events) + 2))


@pytest.mark.parametrize("cancelled", [False, True])
async def test_a_disk_that_stays_full_is_an_error_at_the_end_and_not_before(
    autojump_clock: MockClock, cancelled: bool
) -> None:
    async def evening(supervisor: Supervisor) -> None:
        await Crowd(supervisor).add("tab", 2)
        await settle(100)
        assert not (await Crowd(supervisor).get("tab-0")).created
        if cancelled:
            scope.cancel()

    scope = trio.CancelScope()
    began = trio.current_time()
    with pytest.raises(JournalError, match=r"Disk: the journal is not whole: .*No space left"), scope:
        await recorded(Disk(full=True), evening)
    assert trio.current_time() < began + 101


async def test_the_error_of_the_block_goes_before_that_of_its_journal(autojump_clock: MockClock) -> None:
    with pytest.raises(ZeroDivisionError) as raised:
        await recorded(Disk(full=True), divide)
    assert raised.value.__notes__ == ["Disk: the journal is not whole: [Errno 28] No space left on device"]


async def test_a_disk_that_never_answers_holds_up_the_end_for_a_bounded_time(
    autojump_clock: MockClock,
) -> None:
    async def never(_: Callable[[], None]) -> None:
        await trio.sleep_forever()

    journal = JournalWriter("x.jsonl", Pen(io.BytesIO()), never, 100)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(journal.run)
        async with open_supervisor(3) as supervisor:
            journal.record(supervisor)
            await Crowd(supervisor).add("tab", 2)
            await settle(100)
        journal.finish()
        began = trio.current_time()
    assert trio.current_time() == pytest.approx(began + END_GRACE)
    assert "its disk was silent" in str(journal.problem)


async def test_inside_of_its_supervisor_it_says_that_it_is_not_whole(autojump_clock: MockClock) -> None:
    async with open_supervisor(3) as supervisor:
        with pytest.raises(JournalError, match="5 s after its block, its supervisor had not ended"):
            async with open_journal(io.BytesIO()) as journal:
                journal.record(supervisor)
        assert (await Crowd(supervisor).get("tab")).created


async def test_it_records_from_the_beginning_or_not_at_all(autojump_clock: MockClock) -> None:
    file = io.BytesIO()
    async with open_journal(file) as journal, open_supervisor(3) as supervisor:
        await Crowd(supervisor).add("tab", 1)
        with pytest.raises(RuntimeError, match="record it first thing in its block"):
            journal.record(supervisor)
    assert file.getvalue() == b""


async def test_a_journal_of_nothing_ends_at_once(autojump_clock: MockClock) -> None:
    began = trio.current_time()
    async with open_journal(io.BytesIO()) as journal:
        assert repr(journal) == "<JournalWriter BytesIO: nothing yet>"
    assert (trio.current_time(), journal.problem) == (began, None)
