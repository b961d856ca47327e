"""The contract of the engine's steps, on a simulated engine and on a real one."""

from __future__ import annotations

import itertools
from typing import cast

import pytest
import trio

from supervisor.cluster._engine import (
    Admitted,
    Appended,
    Beat,
    Dead,
    Engine,
    Full,
    NodeRecord,
    Opened,
    Reconciled,
    Slot,
    Taken,
    Warming,
)
from supervisor.cluster._errors import EngineRefused
from supervisor.cluster._wire import Wire

from .conftest import Play, World

# No test outlives it.
LONG = 1000.0
# Each a name of users, keys, slots, sessions, logs and places alike.
HOSTILE = (
    "",
    " ",
    ":",
    "a",
    "a:",
    ":a",
    "a}:x",
    "{a}",
    "}",
    "a}:slots:b",
    "nodes",
    "1:a",
    "1:a1:b",
    "3:1:a",
    "a\nb",
    "a\r\nb",
    "a\0b",
    "\0",
    "%s%d%",
    "é",
    "e\u0301",
    "\U0001f600",
    "*",
    "x" * 10_000,
)


def slot(name: str, session: str = "s", *, key: str | None = None, fence: int = 0) -> Slot:
    return Slot(name, f"key of {name}" if key is None else key, session, fence)


async def admitted(engine: Engine, user: str, wanted: Slot, *, limit: int = 100) -> Slot:
    answer = await engine.admit(user, wanted, limit=limit)
    assert isinstance(answer, Admitted), answer
    return answer.slot


async def live(engine: Engine, session: str, lease: float) -> tuple[str, ...]:
    """Who is alive, as a beat of this session tells."""
    answer = await engine.beat(session, lease, "figures")
    assert isinstance(answer, Beat), answer
    return answer.live


async def names_of(engine: Engine, user: str) -> list[str]:
    return [counted.slot for counted in await engine.slots(user)]


# Sessions


def test_a_session_lives_for_its_lease_and_is_never_revived(play: Play) -> None:
    async def scene(world: World) -> None:
        engine = world.engine
        assert isinstance(await engine.open("s", world.lease, "about"), Opened)
        await world.sleep(0.6)
        assert await live(engine, "s", world.lease) == ("s",)
        await world.sleep(0.6)
        assert await live(engine, "s", world.lease) == ("s",)
        await world.sleep(1.1)
        for _ in range(2):
            assert await engine.beat("s", world.lease, "") == Dead()
            assert await engine.open("s", world.lease, "about") == Dead()
            assert await engine.admit("u", slot("1"), limit=5) == Dead()
            assert await engine.reconcile("u", "s", [], limit=5, over_limit=True) == Dead()
            assert await engine.append("l", "s", [("i", "p")], length=5, memory=5) == Dead()
            assert await engine.enter("p", "s", "bob") == Dead()
        assert await engine.nodes() == ()
        assert await engine.slots("u") == ()
        assert (await engine.read("l")).last == 0
        assert await engine.present("p") == ()

    play(scene)


def test_a_lease_ends_at_its_end_exactly(play_simulated: Play) -> None:
    async def scene(world: World) -> None:
        await world.join("s", "t")
        await world.pass_time(world.lease - 0.001)
        assert await live(world.engine, "s", world.lease) == ("s", "t")
        await trio.sleep(0.001)
        assert await world.engine.beat("t", world.lease, "") == Dead()
        assert await live(world.engine, "s", world.lease) == ("s",)

    play_simulated(scene)


def test_a_session_that_was_never_opened_is_dead(play: Play) -> None:
    async def scene(world: World) -> None:
        assert await world.engine.beat("s", 5, "") == Dead()
        await world.join("other")
        assert await world.engine.beat("s", world.lease, "") == Dead()
        assert await world.engine.admit("u", slot("1"), limit=5) == Dead()
        assert [node.session for node in await world.engine.nodes()] == ["other"]

    play(scene)


def test_what_nodes_say_of_themselves_is_known_while_they_live(play: Play) -> None:
    async def scene(world: World) -> None:
        engine = world.engine
        await engine.open("b", LONG, '{"name": "é"}')
        await engine.open("a", LONG, "")
        await engine.beat("b", LONG, "figures")
        first, second = await engine.nodes()
        assert first == NodeRecord("a", first.expires_in, "", "")
        assert second == NodeRecord("b", second.expires_in, '{"name": "é"}', "figures")
        assert LONG - 60 < first.expires_in <= LONG + 0.001
        await engine.close("b")
        assert [node.session for node in await engine.nodes()] == ["a"]
        assert await world.raw("HLEN", "{test}:about") == 1

    play(scene)


def test_opening_twice_is_as_good_as_once(play: Play) -> None:
    async def scene(world: World) -> None:
        first = await world.engine.open("s", LONG, "a")
        second = await world.engine.open("s", LONG, "a")
        assert isinstance(first, Opened)
        assert isinstance(second, Opened)
        assert 0 < second.warming <= first.warming <= LONG
        assert len(await world.engine.nodes()) == 1

    play(scene)


def test_all_live_nodes_have_one_lease(play: Play) -> None:
    async def scene(world: World) -> None:
        engine = world.engine
        await engine.open("a", LONG, "")
        with pytest.raises(EngineRefused, match=r"lease of 1000 s, and this one has 7\.5 s"):
            await engine.open("b", 7.5, "")
        assert await engine.beat("b", 7.5, "") == Dead()
        with pytest.raises(EngineRefused, match=r"lease of 1000 s, not 7\.5 s"):
            await engine.beat("a", 7.5, "")
        assert await live(engine, "a", LONG) == ("a",)
        await engine.close("a")
        assert isinstance(await engine.open("b", 7.5, ""), Opened)
        assert isinstance(await engine.open("b", 8.5, ""), Opened), "alone it may take another"
        assert await live(engine, "b", 8.5) == ("b",)

    play(scene)


def test_closing_frees_at_once_and_for_good(play: Play) -> None:
    async def scene(world: World) -> None:
        engine = world.engine
        await world.join("s", "t", lease=LONG)
        await admitted(engine, "u", slot("1"), limit=1)
        for _ in range(2):
            await engine.close("s")
        assert await engine.slots("u") == ()
        assert await engine.open("s", LONG, "") == Dead()
        assert await engine.beat("s", LONG, "") == Dead()
        await admitted(engine, "u", slot("2", "t", key="key of 1"), limit=1)
        await engine.close("late")
        assert await engine.open("late", LONG, "") == Dead(), "it was closed before its open came"

    play(scene)


def test_sessions_long_dead_are_forgotten_a_few_at_a_time(play: Play) -> None:
    async def scene(world: World) -> None:
        lease = world.lease / 8
        for number in range(40):
            await world.engine.open(f"{number}", lease, "about")
        await world.pass_time(5 * lease, lease=lease)
        await world.engine.open("early", lease, "about")
        assert await world.raw("ZCARD", "{test}:nodes") == 41, "for ten leases they are remembered"
        await world.pass_time(7 * lease, lease=lease)
        sizes: list[object] = []
        for _ in range(4):
            await world.engine.open("s", lease, "about")
            sizes.append(await world.raw("ZCARD", "{test}:nodes"))
        assert sizes == [26, 10, 2, 2]
        assert await world.raw("HLEN", "{test}:about") == 2
        assert await world.engine.beat("3", lease, "") == Dead()

    play(scene)


# New data


def test_nothing_is_admitted_for_one_lease_after_the_data_is_new(play: Play) -> None:
    async def scene(world: World) -> None:
        engine = world.engine
        opened = await engine.open("s", world.lease, "")
        assert opened == Opened(world.lease)
        await world.sleep(0.5)
        await engine.beat("s", world.lease, "")
        answer = await engine.admit("u", slot("1"), limit=5)
        assert isinstance(answer, Warming)
        assert 0 < answer.seconds <= world.lease / 2
        await world.pass_time(answer.seconds)
        await engine.beat("s", world.lease, "")
        await admitted(engine, "u", slot("1"))
        assert await engine.open("t", world.lease, "") == Opened(0.0)

    play(scene)


def test_after_a_wipe_all_are_dead_and_then_it_is_warming(play: Play) -> None:
    async def scene(world: World) -> None:
        engine = world.engine
        await world.join("s", lease=LONG)
        await admitted(engine, "u", slot("1"))
        await world.raw("FLUSHALL")
        assert await engine.beat("s", LONG, "") == Dead()
        assert await engine.admit("u", slot("1"), limit=5) == Dead()
        opened = await engine.open("again", LONG, "")
        assert opened == Opened(LONG)
        assert isinstance(await engine.admit("u", slot("2", "again"), limit=5), Warming)
        held = [slot("1", "again", fence=7)]
        done = await engine.reconcile("u", "again", held, limit=5, over_limit=False)
        assert done == Reconciled(dropped=(), added=("1",), lost=()), "also while it is warming"
        assert isinstance(await engine.admit("u", slot("1", "again"), limit=5), Admitted)

    play(scene)


def test_an_epoch_that_was_lost_by_itself_is_new_data(play: Play) -> None:
    async def scene(world: World) -> None:
        await world.join("s", lease=LONG)
        await world.raw("DEL", "{test}:epoch")
        assert await world.engine.admit("u", slot("1"), limit=5) == Dead()
        assert await world.engine.beat("s", LONG, "") == Dead()
        assert await world.engine.open("t", LONG, "") == Opened(LONG)

    play(scene)


# Admission


@pytest.mark.parametrize("limit", [0, 1, 2, 3, 5, 20])
def test_exactly_as_many_as_the_limit_are_admitted(play: Play, limit: int) -> None:
    async def scene(world: World) -> None:
        engine = world.engine
        await world.join("s", "t", lease=LONG)
        got = [
            await admitted(engine, "u", slot(str(number), "st"[number % 2]), limit=limit)
            for number in range(limit)
        ]
        assert [counted.fence for counted in got] == sorted({counted.fence for counted in got})
        for session in "st":
            assert await engine.admit("u", slot("more", session), limit=limit) == Full(tuple(got))
        assert await engine.slots("u") == tuple(got)
        for counted in got:
            assert await engine.admit("u", counted, limit=limit) == Admitted(counted)
        await admitted(engine, "v", slot("0"), limit=max(1, limit))
        if limit:
            await engine.release("u", ["0"])
            newest = await admitted(engine, "u", slot("more"), limit=limit)
            assert newest.fence > max(counted.fence for counted in got)
            assert isinstance(await engine.admit("u", slot("too many"), limit=limit), Full)

    play(scene)


def test_many_at_once_get_no_more_than_the_limit(play: Play) -> None:
    async def scene(world: World) -> None:
        await world.join("s", lease=LONG)
        answers: list[object] = []

        async def ask(name: str) -> None:
            answers.append(await world.engine.admit("u", slot(name), limit=3))

        async with trio.open_nursery() as nursery:
            for number in range(12):
                nursery.start_soon(ask, str(number))
        assert sum(isinstance(answer, Admitted) for answer in answers) == 3
        assert sum(isinstance(answer, Full) for answer in answers) == 9

    play(scene)


def test_a_lower_limit_admits_nobody_and_removes_nobody(play: Play) -> None:
    async def scene(world: World) -> None:
        await world.join("s", lease=LONG)
        for name in "12345":
            await admitted(world.engine, "u", slot(name))
        answer = await world.engine.admit("u", slot("6"), limit=2)
        assert isinstance(answer, Full)
        assert [holder.slot for holder in answer.holders] == list("12345")

    play(scene)


def test_what_is_gone_makes_room_first(play: Play) -> None:
    async def scene(world: World) -> None:
        engine = world.engine
        await world.join("s", "t", lease=LONG)
        for name in "12":
            await admitted(engine, "u", slot(name))
        answer = await engine.admit("u", slot("3"), limit=2, gone=["1", "never was"])
        assert isinstance(answer, Admitted)
        assert await names_of(engine, "u") == ["2", "3"]
        again = await engine.admit("u", slot("4", key="key of 2"), limit=2, gone=["2"])
        assert isinstance(again, Admitted)
        other = await engine.admit("u", slot("5", "t", key="key of 2"), limit=9)
        assert other == Taken(again.slot)
        assert await engine.admit("u", slot("6", "dead"), limit=9, gone=["3", "4"]) == Dead()
        assert await names_of(engine, "u") == ["3", "4"], "the dead change nothing"

    play(scene)


def test_a_key_belongs_to_one_live_node(play: Play) -> None:
    async def scene(world: World) -> None:
        engine = world.engine
        await world.join("s", "t", lease=LONG)
        mine = await admitted(engine, "u", slot("1", key="k"))
        assert await engine.admit("u", slot("2", "t", key="k"), limit=1) == Taken(mine), "rather than full"
        assert await engine.admit("u", slot("1", "t", key="other"), limit=9) == Taken(mine), (
            "a slot is one's own"
        )
        await admitted(engine, "v", slot("2", "t", key="k"))
        newer = await admitted(engine, "u", slot("3", key="k"))
        assert await engine.admit("u", mine, limit=9) == Admitted(mine)
        await engine.release("u", ["1"])
        assert await engine.admit("u", slot("2", "t", key="k"), limit=9) == Taken(newer), "it had moved"
        await engine.release("u", ["3"])
        await admitted(engine, "u", slot("2", "t", key="k"))
        assert await names_of(engine, "u") == ["2"]

    play(scene)


def test_a_key_does_not_move_to_a_slot_that_is_refused(play: Play) -> None:
    async def scene(world: World) -> None:
        engine = world.engine
        await world.join("s", "t", lease=LONG)
        mine = await admitted(engine, "u", slot("1", key="k"))
        assert await engine.admit("u", slot("2", key="k"), limit=1) == Full((mine,))
        assert await engine.admit("u", slot("3", "t", key="k"), limit=1) == Taken(mine)
        await engine.release("u", ["2"])
        assert await engine.admit("u", slot("3", "t", key="k"), limit=9) == Taken(mine)

    play(scene)


def test_slots_of_the_dead_are_given_up_when_it_would_be_full_or_for_their_key(play: Play) -> None:
    async def scene(world: World) -> None:
        engine = world.engine
        await world.join("s", "t", "x", lease=LONG)
        for name, session in zip("12345", "sttxx", strict=True):
            await admitted(engine, "u", slot(name, session))
        await engine.close("s")
        await engine.close("x")
        assert await names_of(engine, "u") == ["2", "3"]
        assert await world.raw("HLEN", "{test}:slots:u") == 5
        await admitted(engine, "u", slot("6", "t", key="key of 1"), limit=9)
        assert await world.raw("HLEN", "{test}:slots:u") == 5, (
            "only the one with the key is swept below the limit"
        )
        full = await engine.admit("u", slot("7", "t"), limit=3)
        assert isinstance(full, Full)
        assert [holder.slot for holder in full.holders] == ["2", "3", "6"]
        await admitted(engine, "u", slot("7", "t"), limit=4)
        assert await world.raw("HLEN", "{test}:slots:u") == 4
        assert await world.raw("HLEN", "{test}:keys:u") == 4

    play(scene)


def test_slots_of_a_node_that_died_come_back_within_one_lease(play: Play) -> None:
    async def scene(world: World) -> None:
        engine = world.engine
        await world.join("s", "t")
        await admitted(engine, "u", slot("1"), limit=1)
        await world.sleep(0.5)
        await engine.beat("t", world.lease, "")
        assert isinstance(await engine.admit("u", slot("2", "t"), limit=1), Full)
        await world.sleep(0.6)
        await admitted(engine, "u", slot("2", "t"), limit=1)

    play(scene)


def test_a_node_takes_over_its_own_slot_from_its_dead_session(play: Play) -> None:
    async def scene(world: World) -> None:
        engine = world.engine
        await world.join("s", "t", lease=LONG)
        old = await admitted(engine, "u", slot("1"), limit=1)
        await engine.close("s")
        new = await admitted(engine, "u", slot("1", "t"), limit=1)
        assert new.session == "t"
        assert new.fence > old.fence
        assert await engine.slots("u") == (new,)

    play(scene)


def test_releasing_is_idempotent_and_asks_nobody(play: Play) -> None:
    async def scene(world: World) -> None:
        engine = world.engine
        await world.join("s", lease=LONG)
        await admitted(engine, "u", slot("1"))
        await admitted(engine, "u", slot("2"))
        await engine.close("s")
        for _ in range(2):
            await engine.release("u", ["1", "2", "never was"])
        await engine.release("u", [])
        await engine.release("nobody", ["1"])
        assert await world.raw("EXISTS", "{test}:slots:u", "{test}:keys:u") == 0

    play(scene)


def test_fences_grow_even_within_one_microsecond_and_after_all_was_released(play_simulated: Play) -> None:
    async def scene(world: World) -> None:
        await world.join("s")
        fences: list[int] = []
        for number in range(10):
            fences.append((await admitted(world.engine, "u", slot(str(number)))).fence)
            await world.engine.release("u", [str(number)])
        assert fences == sorted(set(fences))

    play_simulated(scene)


# Reconciling


def test_reconciling_counts_exactly_what_is_held(play: Play) -> None:
    async def scene(world: World) -> None:
        engine = world.engine
        await world.join("s", "t", lease=LONG)
        one = await admitted(engine, "u", slot("1"))
        await admitted(engine, "u", slot("2"))
        theirs = await admitted(engine, "u", slot("3", "t"))
        forgotten = slot("4", fence=theirs.fence + 5)
        held = [forgotten, one]
        done = await engine.reconcile("u", "s", held, limit=5, over_limit=False)
        assert done == Reconciled(dropped=("2",), added=("4",), lost=())
        assert await engine.slots("u") == (one, theirs, forgotten)
        done = await engine.reconcile("u", "s", held, limit=5, over_limit=False)
        assert done == Reconciled((), (), ())
        assert await engine.slots("u") == (one, theirs, forgotten)
        later = await admitted(engine, "u", slot("5", key="key of 2"))
        assert later.fence > forgotten.fence
        emptied = await engine.reconcile("u", "s", [], limit=5, over_limit=False)
        assert isinstance(emptied, Reconciled)
        assert sorted(emptied.dropped) == ["1", "4", "5"]
        assert await engine.slots("u") == (theirs,)

    play(scene)


def test_what_was_forgotten_is_lost_without_room_unless_it_may_be_over_the_limit(play: Play) -> None:
    async def scene(world: World) -> None:
        engine = world.engine
        await world.join("s", "t", "x", lease=LONG)
        for name in "12":
            await admitted(engine, "u", slot(name, "t"))
        await admitted(engine, "u", slot("3", "x"))
        held = [slot("4", fence=4), slot("5", fence=5)]
        assert await engine.reconcile("u", "s", held, limit=3, over_limit=False) == Reconciled(
            (), (), ("4", "5")
        )
        await engine.close("x")
        assert await engine.reconcile("u", "s", held, limit=3, over_limit=False) == Reconciled(
            (), ("4",), ("5",)
        )
        assert await engine.reconcile("u", "s", held, limit=3, over_limit=True) == Reconciled((), ("5",), ())
        assert sorted(await names_of(engine, "u")) == ["1", "2", "4", "5"]

    play(scene)


def test_a_key_that_another_live_node_has_is_lost_all_the_same(play: Play) -> None:
    async def scene(world: World) -> None:
        engine = world.engine
        await world.join("s", "t", lease=LONG)
        theirs = await admitted(engine, "u", slot("1", "t", key="k"))
        held = [slot("2", key="k", fence=2), slot("1", key="j", fence=3)]
        for over_limit in (False, True):
            done = await engine.reconcile("u", "s", held, limit=9, over_limit=over_limit)
            assert done == Reconciled((), (), ("2", "1"))
        await engine.close("t")
        done = await engine.reconcile("u", "s", held, limit=1, over_limit=True)
        assert done == Reconciled((), ("2", "1"), ())
        assert theirs not in await engine.slots("u")

    play(scene)


def test_a_node_takes_its_slots_into_its_next_session(play: Play) -> None:
    async def scene(world: World) -> None:
        engine = world.engine
        await world.join("s", lease=LONG)
        held = [await admitted(engine, "u", slot(name)) for name in "12"]
        await engine.close("s")
        await engine.open("t", LONG, "")
        done = await engine.reconcile("u", "t", held, limit=2, over_limit=False)
        assert done == Reconciled((), ("1", "2"), ())
        assert [counted.session for counted in await engine.slots("u")] == ["t", "t"]
        assert [counted.fence for counted in await engine.slots("u")] == [counted.fence for counted in held]

    play(scene)


def test_of_ones_own_slots_the_newest_has_the_key(play: Play) -> None:
    async def scene(world: World) -> None:
        engine = world.engine
        await world.join("s", "t", lease=LONG)
        old, new = slot("old", key="k", fence=5), slot("new", key="k", fence=6)
        for held in ([new, old], [old, new]):
            await engine.release("u", ["old", "new"])
            await engine.reconcile("u", "s", held, limit=9, over_limit=False)
            assert await engine.admit("u", slot("1", "t", key="k"), limit=9) == Taken(new)
        await engine.reconcile("u", "s", [old], limit=9, over_limit=False)
        assert await engine.admit("u", slot("1", "t", key="k"), limit=9) == Taken(old), "which is here still"
        await engine.release("u", ["old"])
        await engine.reconcile("u", "s", [new], limit=9, over_limit=False)
        await engine.reconcile("u", "s", [new, old], limit=9, over_limit=False)
        assert await engine.admit("u", slot("1", "t", key="k"), limit=9) == Taken(new), (
            "an old one steals none"
        )

    play(scene)


def test_reconciling_late_drops_nothing_that_was_admitted_since(play: Play) -> None:
    async def scene(world: World) -> None:
        engine = world.engine
        await world.join("s", "t", lease=LONG)
        await admitted(engine, "u", slot("orphan"))
        beat = await engine.beat("s", LONG, "")
        assert isinstance(beat, Beat)
        newer = await admitted(engine, "u", slot("newer", key="k"))
        assert newer.fence > beat.fence
        held = [slot("old", key="k", fence=5)]
        done = await engine.reconcile("u", "s", held, limit=9, over_limit=False, as_of=beat.fence)
        assert done == Reconciled(("orphan",), ("old",), ())
        assert await engine.slots("u") == (held[0], newer)
        assert await engine.admit("u", slot("1", "t", key="k"), limit=9) == Taken(newer)
        await engine.release("u", ["old"])
        again = await engine.beat("s", LONG, "")
        assert isinstance(again, Beat)
        assert again.fence > newer.fence
        done = await engine.reconcile("u", "s", [], limit=9, over_limit=False, as_of=again.fence)
        assert done == Reconciled(("newer",), (), ())

    play(scene)


def test_a_slot_that_never_had_a_fence_gets_one(play: Play) -> None:
    async def scene(world: World) -> None:
        await world.join("s", lease=LONG)
        first = await admitted(world.engine, "u", slot("1"))
        await world.engine.reconcile("u", "s", [first, slot("2")], limit=9, over_limit=False)
        assert [counted.slot for counted in await world.engine.slots("u")] == ["1", "2"]

    play(scene)


# Logs


def test_a_log_keeps_what_was_appended_in_order(play: Play) -> None:
    async def scene(world: World) -> None:
        engine = world.engine
        await world.join("s", lease=LONG)
        assert await engine.read("l") == await engine.latest("l", count=5)
        assert (await engine.read("l")).last == 0
        first = await engine.append("l", "s", [("a", "A"), ("b", ""), ("c", "\0\n é")], length=9, memory=9)
        assert isinstance(first, tuple)
        second = await engine.append("l", "s", [("d", "D")], length=9, memory=9)
        assert isinstance(second, tuple)
        positions = [done.position for done in (*first, *second)]
        assert positions == sorted(set(positions))
        assert all(done.is_new for done in (*first, *second))
        page = await engine.read("l")
        assert [entry.position for entry in page.entries] == positions
        assert [entry.before for entry in page.entries] == [0, *positions[:-1]]
        assert [entry.payload for entry in page.entries] == ["A", "", "\0\n é", "D"]
        assert (page.first, page.last) == (positions[0], positions[-1])
        part = await engine.read("l", after=positions[1], limit=1)
        assert part.entries == page.entries[2:3]
        assert (part.first, part.last) == (page.first, page.last)
        assert (await engine.read("l", after=positions[-1])).entries == ()
        assert (await engine.latest("l", count=2)).entries == page.entries[-2:]
        assert await engine.append("l", "s", [], length=9, memory=9) == ()

    play(scene)


def test_an_id_is_appended_once(play: Play) -> None:
    async def scene(world: World) -> None:
        engine = world.engine
        await world.join("s", lease=LONG)
        wanted = [("a", "A"), ("b", "B"), ("a", "A again")]
        first = await engine.append("l", "s", wanted, length=9, memory=LONG)
        assert isinstance(first, tuple)
        assert [done.is_new for done in first] == [True, True, False]
        assert first[2].position == first[0].position
        again = await engine.append("l", "s", [*wanted, ("c", "C")], length=9, memory=LONG)
        assert isinstance(again, tuple)
        assert again[:3] == tuple(Appended(done.position, is_new=False) for done in first)
        assert again[3].is_new
        assert [entry.payload for entry in (await engine.read("l")).entries] == ["A", "B", "C"]
        elsewhere = await engine.append("l2", "s", [("a", "A")], length=9, memory=LONG)
        assert isinstance(elsewhere, tuple)
        assert elsewhere[0].is_new, "another log has other ids"

    play(scene)


def test_an_id_is_forgotten_in_its_time(play: Play) -> None:
    async def scene(world: World) -> None:
        engine = world.engine
        await world.join("s", lease=LONG)
        await engine.append("l", "s", [("a", "A")], length=9, memory=0.2)
        await trio.sleep(0.3)
        await engine.append("l", "s", [("a", "A")], length=9, memory=LONG)
        assert len((await engine.read("l")).entries) == 2
        assert await world.raw("KEYS", "{test}:seen:*") == ["{test}:seen:1:l:a"]

    play(scene)


def test_all_who_listen_are_told_of_each_entry_once(play: Play) -> None:
    async def scene(world: World) -> None:
        engine = world.engine
        await world.join("s", lease=LONG)
        async with world.wire.subscribe(engine.log_channel("l")) as subscription:
            for names in (["a", "b"], ["b", "c\n  d"]):
                await engine.append("l", "s", [(name, name) for name in names], length=9, memory=LONG)
            told: list[object] = []
            for _ in range(3):
                message = await subscription.receive()
                assert isinstance(message, str)
                told.append(engine.entry_of(message))
        assert tuple(told) == (await engine.read("l")).entries

    play(scene)


def test_a_log_is_trimmed_but_keeps_its_length(play: Play) -> None:
    async def scene(world: World) -> None:
        engine = world.engine
        await world.join("s", lease=LONG)
        first: int = 0
        for hundred in range(10):
            entries = [(f"{hundred}.{number}", str(100 * hundred + number)) for number in range(100)]
            done = await engine.append("l", "s", entries, length=150, memory=LONG)
            assert isinstance(done, tuple)
            first = first or done[0].position
        kept = (await engine.read("l", limit=2000)).entries
        assert 150 <= len(kept) < 500
        assert [entry.payload for entry in kept] == [str(number) for number in range(1000 - len(kept), 1000)]
        page = await engine.read("l", after=first, limit=5)
        assert page.first == kept[0].position > first
        assert page.entries[0].before > first, "so that a reader knows that it has missed some"

    play(scene)


def test_nothing_at_all_is_no_length(play_simulated: Play) -> None:
    async def scene(world: World) -> None:
        engine = world.engine
        for step in (
            engine.append("l", "s", [("a", "A")], length=0, memory=1),
            engine.append("l", "s", [("a", "A")], length=1, memory=0),
            engine.read("l", limit=0),
            engine.latest("l", count=0),
        ):
            with pytest.raises(ValueError, match="must be more than 0, not 0"):
                await step

    play_simulated(scene)


# Presence


def test_presence_is_of_people_not_of_sessions(play: Play) -> None:
    async def scene(world: World) -> None:
        engine = world.engine
        await world.join("s", "t", lease=LONG)
        async with world.wire.subscribe(engine.place_channel("p")) as subscription:
            assert await engine.enter("p", "s", "+bob\n") is True
            assert await engine.enter("p", "s", "+bob\n") is False
            assert await engine.enter("p", "t", "+bob\n") is False
            assert await engine.enter("p", "t", "") is True
            assert await engine.enter("q", "t", "+bob\n") is True
            assert await engine.present("p") == (("s", "+bob\n"), ("t", ""), ("t", "+bob\n"))
            assert await engine.leave("p", "s", "+bob\n") is False
            assert await engine.leave("p", "s", "+bob\n") is False
            assert await engine.leave("p", "t", "+bob\n") is True
            assert await engine.leave("p", "t", "+bob\n") is False
            assert await engine.leave("p", "t", "nobody") is False
            told: list[object] = []
            for _ in range(3):
                message = await subscription.receive()
                assert isinstance(message, str)
                told.append(engine.presence_of(message))
        assert told == [("+bob\n", True), ("", True), ("+bob\n", False)]
        assert await engine.present("p") == (("t", ""),)
        assert await engine.present("q") == (("t", "+bob\n"),)

    play(scene)


def test_by_a_dead_session_nobody_is_present(play: Play) -> None:
    async def scene(world: World) -> None:
        engine = world.engine
        await world.join("s", "t", lease=LONG)
        await engine.enter("p", "s", "bob")
        await engine.enter("p", "s", "eve")
        await engine.enter("p", "t", "eve")
        await engine.close("s")
        assert await engine.present("p") == (("t", "eve"),)
        assert await engine.enter("p", "t", "bob") is True
        assert await engine.enter("p", "s", "bob") == Dead()
        assert await engine.leave("p", "s", "eve") is False, "she is there by another"
        assert await engine.leave("p", "t", "eve") is True

    play(scene)


def test_those_whom_the_dead_have_left_behind_are_cleared_away(play: Play) -> None:
    async def scene(world: World) -> None:
        await world.join("s", "t", lease=LONG)
        for number in range(60):
            await world.engine.enter("p", "s", str(number))
        await world.engine.close("s")
        assert await world.raw("HLEN", "{test}:place:p") == 60
        for number in range(4):
            await world.engine.enter("p", "t", f"new {number}")
        assert await world.raw("HLEN", "{test}:place:p") == 4
        assert len(await world.engine.present("p")) == 4

    play(scene)


# Names


def test_no_two_names_are_one(play: Play) -> None:
    async def scene(world: World) -> None:
        engine = world.engine
        await world.join(*HOSTILE, lease=LONG)
        assert [node.session for node in await engine.nodes()] == sorted(HOSTILE)
        for name in HOSTILE:
            wanted = Slot(name, name, name, 0)
            got = await admitted(engine, name, wanted, limit=1)
            assert (got.slot, got.key, got.session) == (name, name, name)
            assert await engine.admit(name, Slot("x", "x", "a", 0), limit=1) == Full((got,))
            assert await engine.enter(name, name, name) is True
            assert await engine.present(name) == ((name, name),)
            done = await engine.append(name, name, [(name, name)], length=9, memory=LONG)
            assert isinstance(done, tuple)
            assert done[0].is_new
            assert [entry.payload for entry in (await engine.read(name)).entries] == [name]
        for name in HOSTILE:
            assert await names_of(engine, name) == [name]
            assert await engine.leave(name, name, name) is True
            await engine.release(name, [name])
            assert await engine.slots(name) == ()

    play(scene)


def test_one_user_has_slots_and_keys_of_any_name(play: Play) -> None:
    async def scene(world: World) -> None:
        engine = world.engine
        await world.join("s", "t", lease=LONG)
        got = [await admitted(engine, "u", Slot(name, name, "s", 0)) for name in HOSTILE]
        assert await engine.slots("u") == tuple(got)
        for counted in got:
            taken = await engine.admit("u", Slot("new", counted.key, "t", 0), limit=100)
            assert taken == Taken(counted)
        assert await engine.reconcile("u", "s", got, limit=100, over_limit=False) == Reconciled((), (), ())
        await engine.release("u", HOSTILE)
        done = await engine.reconcile("u", "s", got, limit=100, over_limit=False)
        assert done == Reconciled((), tuple(HOSTILE), ())
        assert await engine.slots("u") == tuple(got)

    play(scene)


def test_ids_of_one_log_are_not_those_of_another(play: Play) -> None:
    async def scene(world: World) -> None:
        await world.join("s", lease=LONG)
        for log, name in itertools.product(("", ":", "a", "a:", "1:a", "a:a", "a:1:a"), repeat=2):
            done = await world.engine.append(log, "s", [(name, "")], length=99, memory=LONG)
            assert isinstance(done, tuple)
            assert done[0].is_new, (log, name)

    play(scene)


def test_two_prefixes_are_two_clusters(play: Play) -> None:
    async def scene(world: World) -> None:
        engines = [Engine(world.wire, prefix) for prefix in ("a", "a:slots", ":", "a b")]
        for engine in engines:
            assert await engine.open("s", LONG, "") == Opened(LONG)
            done = await engine.reconcile("nodes", "s", [slot("1", fence=1)], limit=1, over_limit=False)
            assert done == Reconciled((), ("1",), ())

    play(scene)
    for prefix in ("", "{", "a}:x"):
        with pytest.raises(ValueError, match="prefix must not be empty nor have braces"):
            Engine(cast("Wire", None), prefix)


# Time


@pytest.mark.parametrize("ahead", [0.5, 60.0, 1e7])
def test_a_step_of_the_clock_ahead_ends_no_session(play_simulated: Play, ahead: float) -> None:
    async def scene(world: World) -> None:
        assert world.simulated is not None
        await world.join("s", "t")
        await world.sleep(0.25)
        await world.engine.beat("s", world.lease, "")
        world.simulated.step_clock(ahead * world.lease)
        assert await live(world.engine, "s", world.lease) == ("s", "t")
        await world.sleep(0.5)
        assert await live(world.engine, "s", world.lease) == ("s",), "leases end, and a little too early"
        world.simulated.step_clock(-ahead * world.lease)
        assert await world.engine.beat("t", world.lease, "") == Dead(), "nobody is revived by the way back"
        assert await live(world.engine, "s", world.lease) == ("s",)

    play_simulated(scene)


@pytest.mark.parametrize("back", [1.0, 60.0, 1e7])
def test_a_step_of_the_clock_back_makes_no_lease_longer(play_simulated: Play, back: float) -> None:
    async def scene(world: World) -> None:
        assert world.simulated is not None
        engine = world.engine
        await world.join("s", "t")
        await admitted(engine, "u", slot("1"), limit=1)
        world.simulated.step_clock(-back)
        assert [node.expires_in for node in await engine.nodes()] == [world.lease] * 2, (
            "readers correct it, too"
        )
        assert isinstance(await engine.beat("t", world.lease, ""), Beat)
        assert isinstance(await engine.admit("u", slot("2", "t"), limit=1), Full)
        await world.sleep(0.9)
        assert await live(engine, "t", world.lease) == ("s", "t")
        await world.sleep(0.2)
        assert await live(engine, "t", world.lease) == ("t",)
        newer = await admitted(engine, "u", slot("2", "t"), limit=1)
        assert newer.session == "t"
        world.simulated.step_clock(-back)
        assert await engine.beat("s", world.lease, "") == Dead()
        assert (await engine.admit("u", slot("3", "t"), limit=2)).slot.fence > newer.fence  # type: ignore[union-attr]

    play_simulated(scene)


def test_positions_grow_whatever_the_clock_does(play_simulated: Play) -> None:
    async def scene(world: World) -> None:
        assert world.simulated is not None
        await world.join("s", lease=1e6)
        positions: list[int] = []
        for number, step in enumerate((0, -60, 5, -1e4, 0, 0)):
            world.simulated.step_clock(step)
            done = await world.engine.append("l", "s", [(str(number), "")], length=9, memory=LONG)
            assert isinstance(done, tuple)
            positions.append(done[0].position)
        assert positions == sorted(set(positions))
        assert [entry.position for entry in (await world.engine.read("l")).entries] == positions

    play_simulated(scene)


def test_after_a_failover_that_lost_writes_positions_and_fences_grow_on(play_simulated: Play) -> None:
    async def scene(world: World) -> None:
        assert world.simulated is not None
        engine = world.engine
        await world.join("s", lease=LONG)
        await engine.append("l", "s", [("a", "A")], length=9, memory=LONG)
        before = world.simulated.snapshot()
        lost = await engine.append("l", "s", [("b", "B")], length=9, memory=LONG)
        assert isinstance(lost, tuple)
        fence = (await admitted(engine, "u", slot("1"))).fence
        world.simulated.rewind(before)
        await trio.sleep(0.001)
        assert await engine.slots("u") == ()
        again = await engine.append("l", "s", [("a", "A"), ("b", "B")], length=9, memory=LONG)
        assert isinstance(again, tuple)
        assert [done.is_new for done in again] == [False, True]
        assert again[1].position > lost[0].position
        assert (await admitted(engine, "u", slot("2"))).fence > fence
        done = await engine.reconcile("u", "s", [slot("1", fence=fence)], limit=9, over_limit=False)
        assert done == Reconciled(("2",), ("1",), ())

    play_simulated(scene)


def test_nothing_is_kept_of_those_who_never_come_back(play_simulated: Play) -> None:
    async def scene(world: World) -> None:
        engine = world.engine
        for number in range(5):
            await world.join(f"s{number}")
            await admitted(engine, f"u{number}", slot("1", f"s{number}"))
            await engine.enter(f"p{number}", f"s{number}", "bob")
            await engine.append("l", f"s{number}", [(str(number), "")], length=9, memory=60)
        await trio.sleep(25 * 3600)
        await world.sleep(12)
        await engine.open("last", world.lease, "")
        await engine.close("last")
        kept = await world.raw("KEYS", "*")
        assert isinstance(kept, list)
        assert {key for key in kept if isinstance(key, str)} == {
            "{test}:clock",
            "{test}:epoch",
            "{test}:nodes",
            "{test}:log:l",
        }

    play_simulated(scene)
