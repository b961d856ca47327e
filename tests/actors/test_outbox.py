"""An outbox writes in order, once a tick, and has a task wait for its peer only where it must."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import attrs
import pytest
import trio
from hypothesis import given
from trio.testing import MockClock, wait_all_tasks_blocked

from actors import Outbox

from . import virtual
from .sinks import PaperSink

# What a frame is charged on top of its bytes.
OVERHEAD = 64


@attrs.frozen(eq=False)
class Post:
    """An outbox that is served, and what is known of it."""

    sink: PaperSink
    outbox: Outbox
    nursery: trio.Nursery
    """Here the flusher runs, and nothing else."""
    told: list[tuple[str, bool, float]] = attrs.field(factory=list[tuple[str, bool, float]])
    """The losses: why, was it slow, and when."""

    def lost(self, why: str, /, *, slow: bool) -> None:
        self.told.append((why, slow, trio.current_time()))

    @property
    def flushers(self) -> int:
        return len(self.nursery.child_tasks)

    async def push(self, *frames: bytes) -> None:
        """In one turn; then until all that can happen has."""
        for frame in frames:
            self.outbox.push(frame)
        await wait_all_tasks_blocked()


@asynccontextmanager
async def served(sink: PaperSink) -> AsyncGenerator[Post]:
    """At the end whatever still runs is cancelled."""
    with trio.fail_after(virtual.FOREVER):
        async with trio.open_nursery() as nursery:
            outbox = Outbox(sink)
            outbox.serve(nursery)
            post = Post(sink, outbox, nursery)
            outbox.lost = post.lost
            yield post
            nursery.cancel_scope.cancel()


async def test_an_offer_is_taken_while_there_is_room_and_no_end(autojump_clock: MockClock) -> None:
    async with served(PaperSink(room=0)) as post:
        post.outbox.budget = 2 * (10 + OVERHEAD)
        assert [post.outbox.offer(b"x" * 10) for _ in range(3)] == [True, True, False]
        assert post.outbox.queued == 2 * (10 + OVERHEAD)
        post.sink.allow()
        await wait_all_tasks_blocked()
        assert post.outbox.offer(b"y")
        post.outbox.ending()
        assert not post.outbox.offer(b"z")
        await wait_all_tasks_blocked()
        assert post.sink.taken == b"x" * 20 + b"y"
        post.outbox.drop()
        assert not post.outbox.offer(b"z")


# Without back-pressure


async def test_what_is_pushed_in_one_turn_is_written_once(autojump_clock: MockClock) -> None:
    async with served(PaperSink()) as post:
        for frame in (b"a", b"bc", b"d"):
            post.outbox.push(frame)
        assert (post.sink.taken, post.outbox.queued) == (b"", 4 + 3 * OVERHEAD)
        await wait_all_tasks_blocked()
        assert (post.sink.taken, post.sink.writes, post.outbox.queued) == (b"abcd", [4], 0)


async def test_each_turn_has_its_own_write(autojump_clock: MockClock) -> None:
    async with served(PaperSink()) as post:
        await post.push(b"a", b"b")
        await post.push(b"c")
        assert (post.sink.taken, post.sink.writes) == (b"abc", [2, 1])


@given(virtual.seeds)
@virtual.unhurried
def test_several_tasks_of_one_turn_share_a_write(seed: int) -> None:
    async def push(outbox: Outbox, number: int) -> None:
        outbox.push(b"%d" % number)

    async def pushed() -> PaperSink:
        async with served(PaperSink()) as post, trio.open_nursery() as nursery:
            for number in range(5):
                nursery.start_soon(push, post.outbox, number)
        return post.sink

    sink = virtual.run(pushed, seed=seed)
    assert (sorted(sink.taken), sink.writes) == (sorted(b"01234"), [5])


async def test_no_task_runs_while_the_peer_keeps_up(autojump_clock: MockClock) -> None:
    async with served(PaperSink()) as post:
        await post.push(b"a" * 1000)
        assert (post.flushers, post.sink.waits, post.outbox.held_up) == (0, 0, False)


async def test_much_is_written_in_pieces(autojump_clock: MockClock) -> None:
    async with served(PaperSink()) as post:
        await post.push(b"a" * 100_000, b"b" * 100_000)
        assert post.sink.taken == b"a" * 100_000 + b"b" * 100_000
        assert max(post.sink.writes) <= 64 * 1024
        assert post.flushers == 0


async def test_a_frame_of_nothing_is_nothing(autojump_clock: MockClock) -> None:
    async with served(PaperSink(room=0)) as post:
        await post.push(b"")
        assert (post.outbox.queued, post.flushers) == (0, 0)
        await post.push(b"a")
        post.outbox.push(b"")
        post.sink.allow(1)
        await trio.sleep(100)
        assert (post.sink.taken, post.told, post.flushers) == (b"a", [], 0)


# Under back-pressure


async def test_one_task_waits_for_a_slow_peer_and_ends(autojump_clock: MockClock) -> None:
    async with served(PaperSink(room=3)) as post:
        await post.push(b"abcde")
        assert (post.sink.taken, post.outbox.queued) == (b"abc", 2)
        assert (post.flushers, post.outbox.held_up) == (1, True)
        await post.push(b"f", b"g")
        assert (post.flushers, post.outbox.queued) == (1, 2 + 2 + 2 * OVERHEAD)
        post.sink.allow()
        await wait_all_tasks_blocked()
        assert (post.sink.taken, post.outbox.queued) == (b"abcdefg", 0)
        assert (post.flushers, post.outbox.held_up) == (0, False)
        await post.push(b"h")
        assert (post.sink.taken, post.flushers) == (b"abcdefgh", 0)


async def test_nothing_overtakes_what_waits(autojump_clock: MockClock) -> None:
    async with served(PaperSink(room=1)) as post:
        await post.push(b"first")
        for _ in range(5):
            post.sink.allow(1)
            post.outbox.push(b"later")
            await wait_all_tasks_blocked()
        post.sink.allow()
        await wait_all_tasks_blocked()
        assert post.sink.taken == b"first" + b"later" * 5


async def test_one_that_takes_nothing_for_the_stall_time_is_lost(autojump_clock: MockClock) -> None:
    async with served(PaperSink(room=1)) as post:
        post.outbox.stall = 7
        await post.push(b"abc")
        await trio.sleep(6.9)
        assert (post.told, post.outbox.broken) == ([], False)
        await trio.sleep(100)
        assert post.told == [("nothing was read for 7 s", True, 7)]
        assert (post.outbox.queued, post.outbox.broken, post.flushers) == (0, True, 0)


async def test_each_byte_that_is_taken_starts_the_stall_time_anew(autojump_clock: MockClock) -> None:
    async with served(PaperSink(room=0)) as post:
        post.outbox.stall = 7
        await post.push(b"abc")
        for _ in range(3):
            await trio.sleep(6.9)
            post.sink.allow(1)
        await trio.sleep(100)
        assert (post.sink.taken, post.told) == (b"abc", [])


async def test_a_broken_wire_is_lost_at_once_and_told_once(autojump_clock: MockClock) -> None:
    async with served(PaperSink()) as post:
        post.sink.fail(trio.BrokenResourceError("reset"))
        await post.push(b"abc")
        await post.push(b"def")
        assert post.told == [("the wire is broken: reset", False, 0)]
        assert (post.sink.taken, post.outbox.queued, post.flushers) == (b"", 0, 0)


async def test_a_wire_that_breaks_amid_a_flush_is_lost_at_once(autojump_clock: MockClock) -> None:
    async with served(PaperSink(room=1)) as post:
        await post.push(b"abc")
        await trio.sleep(3)
        post.sink.fail(trio.ClosedResourceError("closed"))
        await trio.sleep(100)
        assert post.told == [("the wire is broken: closed", False, 3)]


async def test_a_fault_of_the_sink_is_its_nurserys_and_not_everybodys(autojump_clock: MockClock) -> None:
    with pytest.RaisesGroup(ValueError):
        async with served(PaperSink()) as post:
            post.sink.fail(ValueError("a bug"))
            await post.push(b"abc")
    async with served(PaperSink()) as post:  # and the tick goes on
        await post.push(b"abc")
        assert post.sink.taken == b"abc"


async def test_what_is_told_of_a_loss_may_raise(autojump_clock: MockClock) -> None:
    def raising(why: str, /, *, slow: bool) -> None:
        raise ValueError(why)

    with pytest.RaisesGroup(ValueError):
        async with served(PaperSink(room=0)) as post:
            post.outbox.lost = raising
            await post.push(b"abc")
            await trio.sleep_forever()


# Who serves it


async def test_until_it_is_served_a_slow_peer_is_waited_for(autojump_clock: MockClock) -> None:
    sink = PaperSink(room=1)
    outbox = Outbox(sink)
    outbox.push(b"abc")
    await trio.sleep(100)
    assert (sink.taken, outbox.queued, outbox.broken) == (b"a", 2, False)
    sink.allow()
    async with trio.open_nursery() as nursery:
        outbox.serve(nursery)
    await wait_all_tasks_blocked()
    assert (sink.taken, outbox.queued) == (b"abc", 0)


async def test_one_whose_nursery_is_over_is_dropped(autojump_clock: MockClock) -> None:
    async with served(PaperSink(room=0)) as post:
        async with trio.open_nursery() as nursery:
            post.outbox.serve(nursery)
        await post.push(b"abc")
        assert (post.outbox.broken, post.outbox.queued, post.told) == (True, 0, [])


# The end


async def test_nothing_follows_the_last(autojump_clock: MockClock) -> None:
    async with served(PaperSink(room=1)) as post:
        post.outbox.push(b"abc")
        post.outbox.push_last(b"bye")
        await post.push(b"news")
        post.sink.allow()
        await post.push(b"news")
        assert (post.sink.taken, post.outbox.queued) == (b"abcbye", 0)


async def test_one_that_was_dropped_writes_nothing_more(autojump_clock: MockClock) -> None:
    async with served(PaperSink(room=1)) as post:
        await post.push(b"abc")
        post.outbox.push(b"def")
        post.outbox.drop()
        assert (post.outbox.queued, post.outbox.broken) == (0, True)
        await post.push(b"ghi")
        post.sink.allow(1)  # of the write that was under way
        await wait_all_tasks_blocked()
        assert (post.sink.taken, post.outbox.queued, post.flushers, post.told) == (b"ab", 0, 0, [])


# Waiting


@pytest.mark.parametrize(("size", "until"), [(5, 0), (4, 1), (1, 4), (0, 5)])
async def test_waiting_lasts_until_little_enough_waits(
    size: int, until: int, autojump_clock: MockClock
) -> None:
    async with served(PaperSink(room=0)) as post:
        await post.push(b"abcde")
        async with trio.open_nursery() as nursery:
            for second in range(1, 6):
                nursery.start_soon(allow_at, post.sink, second)
            await post.outbox.wait_at_most(size)
            assert trio.current_time() == until
            await post.outbox.flush()


async def allow_at(sink: PaperSink, second: int) -> None:
    await trio.sleep_until(second)
    sink.allow(1)


@pytest.mark.parametrize("end", [Outbox.drop, Outbox.ending])
async def test_waiting_ends_with_it(end: object, autojump_clock: MockClock) -> None:
    assert callable(end)
    async with served(PaperSink(room=0)) as post, trio.open_nursery() as nursery:
        await post.push(b"abc")
        nursery.start_soon(post.outbox.wait_at_most, 0)
        await wait_all_tasks_blocked()
        end(post.outbox)
        with trio.fail_after(1):
            await post.outbox.wait_at_most(0)
        nursery.cancel_scope.deadline = trio.current_time() + 1
    assert not nursery.cancel_scope.cancelled_caught


async def test_what_waits_is_written_though_it_is_ending(autojump_clock: MockClock) -> None:
    async with served(PaperSink(room=1)) as post:
        await post.push(b"abc")
        post.outbox.ending()
        post.outbox.push(b"bye")
        post.sink.allow()
        await wait_all_tasks_blocked()
        assert post.sink.taken == b"abcbye"


# Flushing by hand


async def test_a_flush_leaves_the_writing_to_the_flusher(autojump_clock: MockClock) -> None:
    async with served(PaperSink(room=0)) as post, trio.open_nursery() as nursery:
        await post.push(b"abc")
        nursery.start_soon(allow_at, post.sink, 2)
        nursery.start_soon(allow_at, post.sink, 3)
        nursery.start_soon(allow_at, post.sink, 4)
        await post.outbox.flush()
        assert (trio.current_time(), post.sink.taken) == (4, b"abc")


async def test_a_flush_goes_on_by_itself_when_the_flusher_is_cancelled(autojump_clock: MockClock) -> None:
    sink = PaperSink(room=0)
    outbox = Outbox(sink)
    async with trio.open_nursery() as nursery, trio.open_nursery() as flushers:
        outbox.serve(flushers)
        outbox.push(b"abc")
        await wait_all_tasks_blocked()
        nursery.start_soon(allow_all_at, sink, 5)
        flushers.cancel_scope.cancel()
        with trio.CancelScope(shield=True):
            await outbox.flush()
            assert (trio.current_time(), sink.taken, outbox.queued) == (5, b"abc", 0)


async def allow_all_at(sink: PaperSink, second: int) -> None:
    await trio.sleep_until(second)
    sink.allow()


async def test_without_a_nursery_a_flush_writes_all(autojump_clock: MockClock) -> None:
    sink = PaperSink()
    outbox = Outbox(sink)
    outbox.push(b"abc")
    await outbox.flush()
    assert (sink.taken, outbox.queued) == (b"abc", 0)


@given(virtual.seeds)
@virtual.unhurried
def test_what_is_pushed_during_a_flush_that_is_cancelled_still_arrives(seed: int) -> None:
    async def flush_and_give_up() -> bytes:
        async with served(PaperSink(room=0)) as post:
            with trio.move_on_after(1):
                post.outbox.push(b"abc")
                await post.outbox.flush()
            post.sink.allow()
            await trio.sleep(1)
            return bytes(post.sink.taken)

    assert virtual.run(flush_and_give_up, seed=seed) == b"abc"


async def test_a_flush_ends_when_the_wire_is_lost(autojump_clock: MockClock) -> None:
    async with served(PaperSink(room=1)) as post:
        post.outbox.push(b"abc")
        await post.outbox.flush()
        assert trio.current_time() == post.outbox.stall == 10
        assert (post.outbox.broken, len(post.told)) == (True, 1)


async def test_a_thousand_pushes_of_one_turn_are_still_one_write(autojump_clock: MockClock) -> None:
    async with served(PaperSink(room=math.inf)) as post:
        await post.push(*[b"ab"] * 1000)
        assert (post.sink.writes, len(post.sink.taken)) == ([2000], 2000)
