"""What a node's rooms and logins go through: an engine that refuses, that is away, that has odd entries."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from examples.chat.ground import NodeSpec
from examples.chat.history import CLOSE_DEADLINE, Draft, StorageError, Stored
from examples.chat.shared_history import log_of
from examples.chat.shared_sessions import SharedSessions
from supervisor.cluster import Cluster, EngineRefused, Log, Reply, Script, Topic
from tests.cluster.simulated import SimulatedEngine, SimulatedWire

from .nodes import LEASE, open_nodes, two_nodes
from .support import Frame
from .test_virtual_nodes import A_MOMENT, heard, in_room, texts
from .virtual import VirtualChat, open_virtual_chat

# Texts of a newer version, or damaged; what is in them is nobody's business.
ODD = (
    "SECRET",
    '{"SECRET": 1}',
    "[" * 100_000,
    '["a", "SECRET", {}, "i"]',
    '["\\ud800", "SECRET", 1, "i"]',
    "[]",
)
OOM = "OOM command not allowed when used memory > 'maxmemory'."


def cluster_of(chat: VirtualChat) -> Cluster:
    sessions = chat.server.edge.sessions
    assert isinstance(sessions, SharedSessions)
    return sessions.cluster


async def spoil(log: Log) -> None:
    """Something odd is in it now."""
    await log.append([(f"odd {number}", text) for number, text in enumerate(ODD)])


def skipped(caplog: pytest.LogCaptureFixture, where: str) -> int:
    """How often it was told that something was skipped there; never what."""
    told = [record.getMessage() for record in caplog.records if "skipped" in record.getMessage()]
    assert "SECRET" not in caplog.text
    return sum(message.startswith(where) for message in told)


def members(frames: list[Frame]) -> list[Frame]:
    return [frame for frame in frames if frame["type"] == "presence"]


@contextmanager
def refusing(monkeypatch: pytest.MonkeyPatch, *scripts: str) -> Generator[None]:
    """The engine refuses these scripts of all nodes while the block lasts."""
    run = SimulatedWire.run

    async def refuse(
        wire: SimulatedWire, script: Script, keys: Sequence[str], args: Sequence[str | int]
    ) -> Reply:
        if script.name in scripts:
            raise EngineRefused("simulated", OOM)
        return await run(wire, script, keys, args)

    with monkeypatch.context() as while_it_lasts:
        while_it_lasts.setattr(SimulatedWire, "run", refuse)
        yield


async def test_an_engine_that_refuses_newcomers_is_told_of_once_and_then_all_are_shown(
    tmp_path: Path,
    autojump_clock: MockClock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with two_nodes(tmp_path) as (_, one, two):
        alice, bob = await in_room(one, "alice"), await in_room(two, "bob")
        await in_room(two, "bob", "other", room="q")
        await alice.until("presence", user="bob")
        with refusing(monkeypatch, "enter"):
            carols = [await one.enter("carol", room) for room in ("r", "q")]
            for carol, room in zip(carols, ("r", "q"), strict=True):
                await carol.send("join", room=room)
            await trio.sleep(10)
        assert (await bob.until("presence", user="carol"))["state"] == "online"
        await trio.sleep(A_MOMENT)
        late = await two.enter("late", "tab")
        assert (await late.join("r"))["members"] == ["alice", "bob", "carol", "late"]
        assert {frame["state"] for frame in members(await bob.before_pong())} == {"online"}
    assert [record.getMessage().count(OOM) for record in caplog.records if OOM in record.getMessage()] == [1]


@pytest.mark.parametrize("steps", [("leave",), ("leave", "join", "leave")], ids=" ".join)
async def test_who_leaves_while_the_engine_is_away_is_shown_to_have_left_when_it_is_back(
    steps: tuple[str, ...], tmp_path: Path, autojump_clock: MockClock
) -> None:
    """Also if he looked in again: by then the room is another one, which never knew that he was shown."""
    async with two_nodes(tmp_path) as (nodes, one, two):
        alice = await in_room(one, "alice")
        bob = await in_room(two, "bob")
        assert (await alice.until("presence", user="bob"))["state"] == "online"
        nodes.engine.stop()
        for step in steps:
            await bob.send(step, room="r")
            await trio.sleep(LEASE / 6)
        nodes.engine.start()
        assert (await alice.until("presence", user="bob"))["state"] == "offline"
        assert bob.session in two.keys("bob"), "his session has lived on"


async def test_who_comes_back_before_his_leaving_could_be_told_stays(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with two_nodes(tmp_path) as (nodes, one, two):
        alice = await in_room(one, "alice")
        bob = await in_room(two, "bob")
        await alice.until("presence", user="bob")
        nodes.engine.stop()
        await bob.send("leave", room="r")
        await trio.sleep(LEASE / 3)
        await bob.send("join", room="r")
        await trio.sleep(LEASE / 6)
        nodes.engine.start()
        await trio.sleep(2 * LEASE)
        assert members(await alice.before_pong()) == []
        late = await one.enter("late", "tab")
        assert (await late.join("r"))["members"] == ["alice", "bob", "late"]


async def test_who_comes_and_goes_in_one_breath_is_where_he_went_last(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with two_nodes(tmp_path) as (nodes, one, two):
        nodes.wires["two"].delays = (0.02, 0.05)
        alice, bob = await in_room(one, "alice"), await in_room(two, "bob")
        for pause in (0, 0.01, 0.03, 0.1):
            for _ in range(3):
                await bob.send("leave", room="r")
                await trio.sleep(pause)
                await bob.send("join", room="r")
                await trio.sleep(pause)
        await trio.sleep(1)
        assert (await alice.join("r"))["members"] == ["alice", "bob"]
        await bob.send("leave", room="r")
        await trio.sleep(1)
        assert (await alice.join("r"))["members"] == ["alice"]


async def test_an_odd_entry_of_a_room_is_skipped_by_those_who_follow_and_by_those_who_read(
    tmp_path: Path, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with two_nodes(tmp_path) as (_, one, two):
        alice, bob = await in_room(one, "alice"), await in_room(two, "bob")
        first = await alice.say("r", "before", "1")
        await spoil(log_of(cluster_of(one), "r"))
        late = await two.enter("late", "tab")
        assert (await late.join("r", since=first))["seq"] == first
        await alice.say("r", "after", "2")
        assert texts(await heard(bob)) == ["before", "after"]
        assert texts(await heard(late)) == ["after"]
        later = await in_room(one, "later")
        assert texts(await heard(later)) == ["before", "after"]
        history = two.server.edge.services.history
        assert [said.text for said in await history.after("r", 0, limit=2)] == ["before", "after"]
        assert [said.text for said in await history.last("r", count=2)] == ["before", "after"]
    assert skipped(caplog, "room r: entry ") == 2 * len(ODD)


async def test_an_odd_word_of_who_types_is_skipped(
    tmp_path: Path, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with two_nodes(tmp_path) as (_, one, two):
        alice, bob = await in_room(one, "alice"), await in_room(two, "bob")
        for text in ODD:
            await Topic(cluster_of(one).engine, "chat:typing").publish(text)
        await bob.send("typing", room="r")
        assert (await alice.until("typing"))["user"] == "bob"
    assert skipped(caplog, "who types: ") == 2 * len(ODD)


async def test_an_odd_logout_is_skipped_and_the_next_one_is_heard(
    tmp_path: Path, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with two_nodes(tmp_path) as (_, one, two):
        guest = await two.enter("alice", "tab")
        cluster = cluster_of(one)
        await spoil(Log(cluster.engine, "chat:logouts", cluster, cluster.spec))
        login = one.server.edge.logins.verify(guest.token)
        assert await one.server.edge.sessions.logged_out(login)
        assert await guest.closed() == (4001, "logged out")
    assert skipped(caplog, "logouts: entry ") == 2 * len(ODD)


@pytest.mark.parametrize("away_for", [0.0, CLOSE_DEADLINE / 2, 2 * CLOSE_DEADLINE])
async def test_what_was_submitted_when_a_node_ends_is_stored_while_it_has_its_lease(
    away_for: float, tmp_path: Path, autojump_clock: MockClock
) -> None:
    """In bounded time; and what could not be is owned up to."""
    drafts = [
        Draft(room=room, user="u", text=f"text {n}", id=f"{room} {n}") for room in "rq" for n in range(3)
    ]
    outcomes: list[Stored | StorageError] = []

    async def be_away(engine: SimulatedEngine) -> None:
        engine.stop()
        await trio.sleep(away_for)
        engine.start()

    async with open_nodes(tmp_path) as nodes, trio.open_nursery() as nursery:
        wire = nodes.engine.wire("one", delays=(0.01, 0.01))
        async with open_virtual_chat(tmp_path, node=NodeSpec(engine=wire, lease=2 * LEASE)) as one:
            await trio.sleep(1)
            if away_for:
                nursery.start_soon(be_away, nodes.engine)
                await trio.sleep(0.1)
            for draft in drafts:
                await one.server.edge.services.history.submit(draft, outcomes.append)
            began = trio.current_time()
        assert trio.current_time() - began < CLOSE_DEADLINE + 2
        assert len(outcomes) == len(drafts)
        if away_for < CLOSE_DEADLINE:
            assert {type(outcome) for outcome in outcomes} == {Stored}, outcomes
            assert trio.current_time() - began < away_for + 2
        else:
            assert {type(outcome) for outcome in outcomes} == {StorageError}
