"""The example on an asyncio host: a session, a refusal, cancellation both ways, and ends in any order."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from typing import Any

import attrs
import pytest
import trio

from actors import Actor, ActorCrashed, ActorRef, ActorStopped, ExitReason, Request
from examples.embedding.asyncio_host import LONGEST_LINE, Guest, open_guest, serving
from supervisor import ChildSpec, SupervisorClosed

from .lines import PATIENCE, Door, started


@attrs.frozen(eq=False)
class Client:
    """One that knows asyncio alone, as its server's outer half."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def say(self, line: str) -> str:
        """The answer; empty: there is none."""
        self.writer.write(f"{line}\n".encode())
        return (await self.reader.readline()).decode().strip()


@asynccontextmanager
async def connected(port: int) -> AsyncGenerator[Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Client(reader, writer)
    finally:
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


def perform(scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(PATIENCE):
            await scene()
        assert asyncio.all_tasks() == {asyncio.current_task()}, "nothing is left over"

    asyncio.run(bounded(), debug=True)


Work = Callable[[], Coroutine[Any, Any, None]]


class Ask(Request[str]):
    pass


@attrs.define(eq=False)
class Waiter(Actor[Ask]):
    """It answers when some work of asyncio's is done."""

    guest: Guest
    work: Work

    async def handle(self, message: Ask) -> str:
        await self.guest.call_asyncio(self.work)
        return "done"


@attrs.define(eq=False)
class Long:
    """Work of asyncio's that takes for ever, unless it is let go or cancelled."""

    begun: asyncio.Event = attrs.field(factory=asyncio.Event)
    let_go: asyncio.Event = attrs.field(factory=asyncio.Event)
    cancelled: bool = False

    async def work(self) -> None:
        self.begun.set()
        try:
            await self.let_go.wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0.01)  # its own cleanup
            self.cancelled = True
            raise


async def spawn(guest: Guest, work: Work) -> ActorRef[Ask]:
    spec = ChildSpec(partial(Waiter, guest, work), stop_grace=0.05)
    return (await guest.call(guest.supervisor.get_or_spawn, "alice", "it", spec)).ref


def test_a_session_outlives_its_connection_and_uses_what_is_made_for_asyncio() -> None:
    async def scene() -> None:
        async with open_guest() as guest, serving(guest, 0) as port:
            async with connected(port) as client:
                said = [await client.say(text) for text in ("alice laptop", "one")]
                assert said == ["welcome", "1: ONE"]
            async with connected(port) as client, connected(port) as other:
                said = [await client.say(text) for text in ("alice laptop", "two")]
                assert said == ["welcome back", "2: TWO"]
                assert await other.say("nobody") == "say who you are: USER SESSION"
                other.writer.write(b"x" * (2 * LONGEST_LINE + 1))
                assert await other.reader.read() == b""

    perform(scene)


def test_beyond_the_limit_one_is_refused_with_the_reason_and_others_are_not() -> None:
    async def scene() -> None:
        async with open_guest(limit=1) as guest, serving(guest, 0) as port, connected(port) as client:
            assert await client.say("alice laptop") == "welcome"
            async with connected(port) as other:
                assert "Limit reached: 1 of 1 sessions alive." in await other.say("alice phone")
                assert await other.reader.read() == b""
            assert await client.say("still here") == "1: STILL HERE"
            async with connected(port) as bob:
                assert await bob.say("bob laptop") == "welcome"

    perform(scene)


def test_a_cancellation_of_asyncio_has_come_to_its_end_in_trio_when_it_is_answered() -> None:
    async def scene() -> None:
        ended: list[str] = []

        async def wait_in_trio() -> None:
            try:
                await trio.sleep_forever()
            finally:
                with trio.CancelScope(shield=True):
                    await trio.sleep(0.05)
                ended.append("in Trio")

        async with open_guest() as guest:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await guest.call(wait_in_trio)
            assert ended == ["in Trio"]

    perform(scene)


def test_one_who_stops_waiting_for_an_answer_leaves_the_actor_alone() -> None:
    async def scene() -> None:
        long = Long()
        async with open_guest() as guest:
            ref = await spawn(guest, long.work)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await guest.call(ref.ask, Ask())
            long.let_go.set()
            assert await guest.call(ref.ask, Ask()) == "done"
            assert not long.cancelled

    perform(scene)


def test_an_actor_that_is_cancelled_takes_what_it_runs_in_asyncio_with_it() -> None:
    async def scene() -> None:
        long = Long()
        async with open_guest() as guest:
            ref = await spawn(guest, long.work)
            asking = asyncio.create_task(guest.call(ref.ask, Ask()))
            await long.begun.wait()
            await guest.call(guest.supervisor.stop, "alice", "it")
            assert long.cancelled
            with pytest.raises(ActorStopped):
                await asking

    perform(scene)


def test_an_error_goes_either_way_as_it_is() -> None:
    async def fail() -> None:
        raise ZeroDivisionError("in asyncio")

    async def scene() -> None:
        async with open_guest() as guest:
            ref = await spawn(guest, fail)
            with pytest.raises(ActorCrashed) as crashed:
                await guest.call(ref.ask, Ask())
            assert isinstance(crashed.value.error, ZeroDivisionError)

    perform(scene)


def test_whoever_waits_when_all_ends_is_told_and_whoever_comes_later_too() -> None:
    async def scene() -> None:
        long = Long()
        async with open_guest() as guest:
            ref = await spawn(guest, long.work)
            asking = asyncio.create_task(guest.call(ref.ask, Ask()))
            waiting = asyncio.create_task(guest.call(trio.sleep_forever))
            await long.begun.wait()
        assert long.cancelled
        assert asking.done()
        assert waiting.done()
        with pytest.raises(ActorStopped) as stopped:
            await asking
        assert stopped.value.exit.reason is ExitReason.SHUTDOWN
        with pytest.raises(SupervisorClosed):
            await waiting
        with pytest.raises(SupervisorClosed):
            await spawn(guest, long.work)

    perform(scene)


@pytest.mark.parametrize("leaves", [True, False])
def test_however_often_asyncio_is_cancelled_trio_ends_first_and_it_is_cancelled_then(leaves: bool) -> None:
    async def scene() -> None:
        long, inside = Long(), asyncio.Event()

        async def host() -> None:
            async with open_guest() as guest:
                ref = await spawn(guest, long.work)
                ref.tell_nowait(Ask())  # no coroutine, one thread: called directly
                await long.begun.wait()
                inside.set()
                if not leaves:
                    await asyncio.Event().wait()

        hosting = asyncio.create_task(host())
        await inside.wait()
        for _ in range(3):
            hosting.cancel()
            await asyncio.sleep(0.005)
        assert not hosting.done(), "the manager has its grace"
        await asyncio.wait([hosting])
        assert hosting.cancelled()
        assert long.cancelled

    perform(scene)


def test_what_fails_at_the_start_or_within_is_raised_by_the_block() -> None:
    async def scene() -> None:
        with pytest.RaisesGroup(pytest.RaisesExc(ValueError, match="limit")):
            async with open_guest(limit=-1):
                pytest.fail("there is none")
        with pytest.raises(ZeroDivisionError):
            async with open_guest():
                raise ZeroDivisionError
        async with open_guest() as guest:  # and the loop can have another one
            await guest.call(trio.sleep, 0)

    perform(scene)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_it_with_its_clients_connected(number: signal.Signals) -> None:
    with started("examples.embedding.asyncio_host", "0") as program, ExitStack() as opened:
        door = Door(int(program.says.split()[1]), opened)
        client, welcome = await door.connect("alice laptop")
        assert (welcome, await client.say("one")) == ("welcome", "1: ONE")
        assert await program.end(number) == (0, "")
        assert await client.hear() is None
