"""What a node's rooms and logins go through: an engine that refuses, that is away, that has odd entries."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from supervisor.cluster import EngineRefused, Reply, Script
from tests.cluster.simulated import SimulatedWire

from .nodes import two_nodes
from .test_virtual_nodes import A_MOMENT, in_room

OOM = "OOM command not allowed when used memory > 'maxmemory'."


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
        offline = [f for f in await bob.before_pong() if f["type"] == "presence" and f["state"] == "offline"]
        assert offline == []
    assert [record.getMessage().count(OOM) for record in caplog.records if OOM in record.getMessage()] == [1]
