"""What is to be written in one turn of the event loop is written at its end, and holds up nobody for long."""

from __future__ import annotations

from itertools import pairwise

import attrs
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors._tick import current_tick

# Written in one go.
BATCH = 512


@attrs.frozen(eq=False)
class Line:
    """Writes its number."""

    number: int
    page: list[int]

    def write(self) -> None:
        self.page.append(self.number)


async def test_all_write_in_order_when_the_turn_is_over(autojump_clock: MockClock) -> None:
    page: list[int] = []
    for number in range(3):
        current_tick().add(Line(number, page))
    assert page == []
    await wait_all_tasks_blocked()
    assert page == [0, 1, 2]
    current_tick().add(Line(3, page))
    await wait_all_tasks_blocked()
    assert page == [0, 1, 2, 3]


async def test_who_comes_during_the_writing_writes_too(autojump_clock: MockClock) -> None:
    page: list[int] = []

    class Chain:
        def write(self) -> None:
            page.append(len(page))
            if len(page) < 5:
                current_tick().add(self)

    current_tick().add(Chain())
    await wait_all_tasks_blocked()
    assert page == [0, 1, 2, 3, 4]


async def test_the_time_does_not_go_on_before_all_has_been_written(autojump_clock: MockClock) -> None:
    written: list[float] = []

    class Stamp:
        def write(self) -> None:
            written.append(trio.current_time())

    for _ in range(3):
        current_tick().add(Stamp())
        await trio.sleep(1)
    assert written == [0, 1, 2]


async def test_others_have_their_turn_between_two_batches(autojump_clock: MockClock) -> None:
    page: list[int] = []
    for number in range(8 * BATCH):
        current_tick().add(Line(number, page))
    seen = [0]
    while len(page) < 8 * BATCH:
        await trio.lowlevel.checkpoint()
        seen.append(len(page))
    # A task may be the first in one turn, and the last in the next.
    assert max(after - before for before, after in pairwise(seen)) <= 2 * BATCH
    assert page == list(range(8 * BATCH))


def test_each_event_loop_has_its_own() -> None:
    async def mine() -> object:
        assert current_tick() is current_tick()
        return current_tick()

    assert trio.run(mine) is not trio.run(mine)
