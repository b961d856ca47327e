"""A group says a thing once, to all its members; what is wrong with one of them is nobody else's trouble."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors import Connection, ConnectionClosed, ConnectionSpec, Frame, Group

from . import virtual
from .test_connection import code, idle
from .wires import PaperWire


def counting_wires() -> tuple[type[PaperWire], list[str]]:
    """A kind of wires, and what is framed for them."""
    framed: list[str] = []

    class CountingWire(PaperWire):
        @staticmethod
        def framing(text: str) -> bytes:
            framed.append(text)
            return PaperWire.framing(text)

    return CountingWire, framed


class FaultyWire(PaperWire):
    """Its framing fails."""

    @staticmethod
    def framing(text: str) -> bytes:
        raise ValueError(f"no frame for {text!r}")


@asynccontextmanager
async def meeting(*wires: PaperWire, spec: ConnectionSpec | None = None) -> AsyncGenerator[Group[int]]:
    """The wires' connections run, and are the members, each noted with its number."""
    group: Group[int] = Group()
    with trio.fail_after(virtual.FOREVER):
        async with trio.open_nursery() as nursery:
            for number, wire in enumerate(wires):
                connection = Connection(str(number), wire, spec or ConnectionSpec())
                nursery.start_soon(connection.run, idle)
                group.add(connection, number)
            await wait_all_tasks_blocked()
            yield group
            nursery.cancel_scope.cancel()


async def test_all_members_hear_all_in_order(autojump_clock: MockClock) -> None:
    wires = [PaperWire() for _ in range(3)]
    async with meeting(*wires) as group:
        group.broadcast("a")
        group.broadcast(Frame("b"))
        await wait_all_tasks_blocked()
        assert [wire.sent for wire in wires] == [["a", "b"]] * 3


async def test_a_broadcast_is_framed_once(autojump_clock: MockClock) -> None:
    kind, framed = counting_wires()
    wires = [kind() for _ in range(10)]
    async with meeting(*wires) as group:
        group.broadcast("a")
        group.broadcast("b")
        await wait_all_tasks_blocked()
    assert framed == ["a", "b"]
    assert [wire.sent for wire in wires] == [["a", "b"]] * 10


async def test_wires_of_different_kinds_hear_the_same(autojump_clock: MockClock) -> None:
    kind, _ = counting_wires()
    wires = [PaperWire(), kind(), PaperWire(), kind()]
    async with meeting(*wires) as group:
        group.broadcast("a")
        await wait_all_tasks_blocked()
        assert [wire.sent for wire in wires] == [["a"]] * 4


async def test_a_broadcast_goes_to_those_chosen_by_their_note(autojump_clock: MockClock) -> None:
    wires = [PaperWire() for _ in range(4)]
    async with meeting(*wires) as group:
        group.broadcast("a", to=lambda _, number: number % 2 == 1)
        group.broadcast("b", to=lambda connection, _: connection.peer == "2")
        await wait_all_tasks_blocked()
        assert [wire.sent for wire in wires] == [[], ["a"], ["b"], ["a"]]


async def test_what_the_choice_raises_leaves_and_nobody_hears_anything(autojump_clock: MockClock) -> None:
    wires = [PaperWire() for _ in range(3)]

    def choose(_: Connection, number: int) -> bool:
        return bool(1 / (1 - number))

    async with meeting(*wires) as group:
        with pytest.raises(ZeroDivisionError):
            group.broadcast("a", to=choose)
        await wait_all_tasks_blocked()
        assert ([wire.sent for wire in wires], len(group)) == ([[], [], []], 3)


# Members that fail


async def test_one_that_fails_is_closed_and_the_others_hear_all(autojump_clock: MockClock) -> None:
    good, bad, after = PaperWire(), FaultyWire(), PaperWire()
    async with meeting(good, bad, after) as group:
        _, failing, _ = group
        group.broadcast("a")
        group.broadcast("b")
        await wait_all_tasks_blocked()
        assert (good.sent, after.sent, bad.sent) == (["a", "b"], ["a", "b"], [])
        assert failing.closed is not None
        assert (failing.closed.code, failing.closed.reason) == (
            1011,
            "its wire failed: ValueError(\"no frame for 'a'\")",
        )
        assert (len(group), failing in group) == (2, False)


async def test_one_that_is_slow_is_cut_off_and_the_others_hear_all(autojump_clock: MockClock) -> None:
    wires = [PaperWire() for _ in range(3)]
    async with meeting(*wires, spec=ConnectionSpec(outbox_bytes=1000)) as group:
        slow = list(group)[1]
        wires[1].stall()
        for _ in range(20):
            group.broadcast("x" * 100)
            await wait_all_tasks_blocked()
        assert [len(wire.sent) for wire in wires] == [20, 0, 20]
        assert (code(slow), slow in group, len(group)) == (4008, False, 2)
        assert wires[1].log == ["cut"]


async def test_whose_end_is_told_to_one_who_fails_at_it_harms_nobody(autojump_clock: MockClock) -> None:
    def fail(why: str) -> None:
        raise RuntimeError(why)

    wires = [PaperWire() for _ in range(3)]
    wires[1].stall()
    async with meeting(*wires, spec=ConnectionSpec(outbox_bytes=500)) as group:
        slow = list(group)[1]
        slow.call_at_close("a guest", fail)
        for _ in range(5):
            group.broadcast("x" * 100)
            await wait_all_tasks_blocked()
        assert [len(wire.sent) for wire in wires] == [5, 0, 5]
        assert code(slow) == 4008


async def test_a_text_that_no_wire_takes_is_its_speakers_fault(autojump_clock: MockClock) -> None:
    wires = [PaperWire() for _ in range(3)]
    async with meeting(*wires) as group:
        with pytest.raises(UnicodeEncodeError):
            group.broadcast("half a pair: \ud800")
        group.broadcast("a")
        await wait_all_tasks_blocked()
        assert ([wire.sent for wire in wires], len(group)) == ([["a"]] * 3, 3)


async def test_many_messages_in_one_turn_cut_nobody_off_who_reads(autojump_clock: MockClock) -> None:
    wires = [PaperWire() for _ in range(3)]
    async with meeting(*wires, spec=ConnectionSpec(outbox_bytes=1000)) as group:
        for _ in range(100):
            group.broadcast("x" * 100)
        await wait_all_tasks_blocked()
        assert ([len(wire.sent) for wire in wires], len(group)) == ([100] * 3, 3)


# Coming and going


@pytest.mark.parametrize("end", ["close", "abort"])
async def test_a_member_leaves_by_itself_when_it_closes(end: str, autojump_clock: MockClock) -> None:
    wires = [PaperWire(), PaperWire()]
    async with meeting(*wires) as group:
        leaving, staying = group
        getattr(leaving, end)(4000, "enough")
        assert (list(group), len(group), group.get(leaving)) == ([staying], 1, None)
        group.broadcast("a")
        await wait_all_tasks_blocked()
        assert (wires[0].sent, wires[1].sent) == ([], ["a"])


async def test_a_member_that_leaves_stays_connected(autojump_clock: MockClock) -> None:
    wires = [PaperWire(), PaperWire()]
    async with meeting(*wires) as group:
        leaving, _ = group
        group.discard(leaving)
        group.discard(leaving)
        group.broadcast("a")
        leaving.send_nowait("to you alone")
        await wait_all_tasks_blocked()
        assert (wires[0].sent, wires[1].sent) == (["to you alone"], ["a"])
        assert (leaving.closed, leaving in group) == (None, False)
        leaving.close()


async def test_one_may_be_a_member_of_several_groups(autojump_clock: MockClock) -> None:
    wire = PaperWire()
    async with meeting(wire) as group:
        (member,) = group
        other: Group[str] = Group()
        other.add(member, "here too")
        group.broadcast("a")
        other.broadcast("b")
        group.discard(member)
        group.broadcast("c")
        other.broadcast("d")
        await wait_all_tasks_blocked()
        assert wire.sent == ["a", "b", "d"]
        member.close()
        assert len(other) == 0


async def test_a_note_can_be_changed(autojump_clock: MockClock) -> None:
    wires = [PaperWire(), PaperWire()]
    async with meeting(*wires) as group:
        first, second = group
        group.add(first, 7)
        assert (group.get(first), group.get(second), list(group)) == (7, 1, [first, second])
        group.broadcast("a")
        await wait_all_tasks_blocked()
        assert wires[0].sent == ["a"]


async def test_one_that_is_closing_does_not_become_a_member(autojump_clock: MockClock) -> None:
    group: Group[None] = Group()
    connection = Connection("it", PaperWire())
    connection.close(4000, "enough")
    with pytest.raises(ConnectionClosed, match="4000: enough"):
        group.add(connection, None)
    assert len(group) == 0


async def test_members_may_go_while_they_are_gone_through(autojump_clock: MockClock) -> None:
    async with meeting(*[PaperWire() for _ in range(3)]) as group:
        for member in group:
            group.discard(member)
        assert len(group) == 0
