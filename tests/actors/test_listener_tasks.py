"""What a listener's connections cost in tasks: two each, and one Keeper for all, wherever it has to run."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager

import attrs
import pytest
import trio
from hypothesis import given
from trio.testing import MockClock, wait_all_tasks_blocked
from wsproto.events import Ping

from actors import Connection
from actors.websocket import serve_listeners
from supervisor.testing import Network, NetworkStream

from . import virtual
from .raw import RawClient
from .test_connection import code, listen


@attrs.define(eq=False)
class House:
    """A listener, its handlers, and the clients that are there."""

    nursery: trio.Nursery
    """Of the handlers, and of nothing else."""
    network: Network = attrs.field(factory=Network)
    listening: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    connections: list[Connection] = attrs.field(factory=list[Connection])
    clients: list[RawClient] = attrs.field(factory=list[RawClient])

    async def handle(self, connection: Connection) -> None:
        self.connections.append(connection)
        await listen(connection)

    async def enter(self, count: int) -> None:
        """So many more clients; from now on they do nothing, and answer no ping."""
        for _ in range(count):
            client = RawClient(await self.network.connect())
            await client.shake_hands()
            self.clients.append(client)
        await wait_all_tasks_blocked()


class Failing(trio.abc.Listener[NetworkStream]):
    """A listener that fails when it is told to, and not by a cancellation."""

    def __init__(self, listener: trio.abc.Listener[NetworkStream]) -> None:
        self._listener = listener
        self._accepting = trio.CancelScope()

    def fail(self) -> None:
        self._accepting.cancel()

    async def accept(self) -> NetworkStream:
        self._accepting = trio.CancelScope()
        with self._accepting:
            return await self._listener.accept()
        raise OSError("no more of that")

    async def aclose(self) -> None:
        await self._listener.aclose()


@asynccontextmanager
async def opened() -> AsyncGenerator[House]:
    """At the end all is cancelled."""
    with trio.fail_after(virtual.FOREVER):
        async with trio.open_nursery() as nursery, trio.open_nursery() as handlers:
            house = House(handlers)

            async def serve() -> None:
                with house.listening:
                    await serve_listeners(house.handle, [house.network.listener()], handler_nursery=handlers)

            nursery.start_soon(serve)
            await wait_all_tasks_blocked()
            yield house
            nursery.cancel_scope.cancel()


def tasks_below(task: trio.lowlevel.Task) -> Iterator[trio.lowlevel.Task]:
    yield task
    for nursery in task.child_nurseries:
        for child in nursery.child_tasks:
            yield from tasks_below(child)


def everybody() -> Counter[str]:
    """The names of all tasks there are, Trio's own too."""
    root = trio.lowlevel.current_root_task()
    assert root is not None
    return Counter(task.name.rpartition(".")[2] for task in tasks_below(root))


@pytest.mark.parametrize("count", [1, 50])
async def test_a_connection_is_two_tasks(count: int, autojump_clock: MockClock) -> None:
    async with opened() as house:
        before = everybody()
        await house.enter(count)
        assert everybody() - before == {"_run_handler": count, "_reader_task": count}


async def test_one_task_pings_them_all(autojump_clock: MockClock) -> None:
    async with opened() as house:
        before = everybody()
        await house.enter(50)
        await trio.sleep(20.5)  # they are being pinged
        assert all(connection.statistics().unanswered_pings == 1 for connection in house.connections)
        assert everybody() - before == {"_run_handler": 50, "_reader_task": 50}
        await trio.sleep(6)
        assert {code(connection) for connection in house.connections} == {1006}
        assert everybody() == before


async def test_closing_leaves_no_task_behind(autojump_clock: MockClock) -> None:
    async with opened() as house:
        before = everybody()
        await house.enter(20)
        for connection in house.connections:
            connection.close()
        await trio.sleep(5)
        assert everybody() == before


async def test_those_that_outlive_their_listener_are_still_pinged_by_one_task(
    autojump_clock: MockClock,
) -> None:
    async with opened() as house:
        await house.enter(20)
        house.listening.cancel()
        await wait_all_tasks_blocked()
        assert len(house.nursery.child_tasks) == 21
        await trio.sleep(30)
        assert {code(connection) for connection in house.connections} == {1006}
        assert len(house.nursery.child_tasks) == 0
        client = house.clients[0]
        with pytest.raises(trio.BrokenResourceError):
            await client.read_to_the_end()
        assert [type(event) for event in client.seen].count(Ping) == 2


@given(virtual.seeds)
@virtual.unhurried
def test_those_that_outlive_a_listener_that_failed_are_pinged_too(seed: int) -> None:
    async def outlive() -> list[int | None]:
        async with trio.open_nursery() as handlers:
            house = House(handlers)
            listener = Failing(house.network.listener())

            async def serve() -> None:
                with pytest.RaisesGroup(OSError, flatten_subgroups=True):
                    await serve_listeners(house.handle, [listener], handler_nursery=handlers)

            async with trio.open_nursery() as nursery:
                nursery.start_soon(serve)
                await house.enter(3)
                listener.fail()
            await trio.sleep(30)
        return [code(connection) for connection in house.connections]

    assert virtual.run(outlive, seed=seed) == [1006] * 3


async def test_a_listener_that_ends_alone_leaves_no_task(autojump_clock: MockClock) -> None:
    async with opened() as house:
        await house.enter(3)
        for connection in house.connections:
            connection.close()
        await trio.sleep(5)
        house.listening.cancel()
        await wait_all_tasks_blocked()
        assert len(house.nursery.child_tasks) == 0
