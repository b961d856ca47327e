"""Several chats on one simulated engine, in virtual time."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import attrs
import trio

from examples.chat.ground import NodeSpec
from tests.cluster.simulated import SimulatedEngine, SimulatedWire, open_simulated_engine

from .virtual import VirtualChat, open_virtual_chat

# Seconds. Long enough for an engine to be away for a moment, and nobody loses it.
LEASE = 6.0


@attrs.define(eq=False)
class Nodes:
    """An engine, and the chats on it by name."""

    engine: SimulatedEngine
    _folder: Path
    _limit: int
    _nursery: trio.Nursery
    _guests: AsyncExitStack
    _over: trio.Event = attrs.field(init=False, factory=trio.Event)
    wires: dict[str, SimulatedWire] = attrs.field(init=False, factory=dict[str, SimulatedWire])

    async def start(self, name: str) -> VirtualChat:
        """One more node."""
        self.wires[name] = self.engine.wire(name)
        chat: VirtualChat = await self._nursery.start(self._run, name)
        return chat

    async def _run(self, name: str, *, task_status: trio.TaskStatus[VirtualChat]) -> None:
        """Each in a task of its own: they overlap, and so do their guests."""
        node = NodeSpec(engine=self.wires[name], name=name, lease=LEASE)
        folder = self._folder / name
        folder.mkdir()
        async with open_virtual_chat(folder, limit=self._limit, node=node, guests=self._guests) as chat:
            task_status.started(chat)
            await self._over.wait()

    def end(self) -> None:
        """All of them."""
        self._over.set()


@asynccontextmanager
async def open_nodes(folder: Path, *, limit: int = 20, seed: int = 0) -> AsyncGenerator[Nodes]:
    """An engine, and no node yet."""
    async with open_simulated_engine(seed=seed) as engine, trio.open_nursery() as nursery:
        async with AsyncExitStack() as guests:
            nodes = Nodes(engine, folder, limit, nursery, guests)
            yield nodes
        nodes.end()


@asynccontextmanager
async def two_nodes(
    folder: Path, *, limit: int = 20, seed: int = 0
) -> AsyncGenerator[tuple[Nodes, VirtualChat, VirtualChat]]:
    """Two of them, "one" and "two", past the time for which an engine with new data admits nobody."""
    async with open_nodes(folder, limit=limit, seed=seed) as nodes:
        one, two = [await nodes.start(name) for name in ("one", "two")]
        await trio.sleep(LEASE + 1)
        yield nodes, one, two
