"""On an asyncio host: Trio runs beside it as a guest, in the same thread, and the supervisor in Trio.

    python -m examples.embedding.asyncio_host 4000     # and elsewhere: nc 127.0.0.1 4000

`open_guest` is all that it takes, to be copied: asyncio's code awaits Trio's functions with `guest.call`,
actors await asyncio's with `guest.call_asyncio`, and a cancellation goes along both ways. What is no
coroutine function (`tell_nowait`, `lookup`, `explain`) may be called directly: it is one thread. Not obvious:

* asyncio must not end before Trio: `open_guest` waits for it, also when it is cancelled meanwhile, and twice.
* asyncio's signal handlers use the wake-up descriptor that Trio would take for itself: Trio is told so.
* One guest for one host loop, and one such loop for one thread: no `trio.run` within.
* asyncio cancels once, and Trio until one has gone: `call` answers a cancellation when Trio's side has ended.
"""

import asyncio
import signal
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from contextvars import Context
from functools import partial
from typing import Any, TypeVar, TypeVarTuple

import attrs
import outcome
import trio

from actors import Actor, ActorError, Request
from supervisor import ChildSpec, HealthPolicy, Supervisor, SupervisorClosed, SupervisorError, open_supervisor

R = TypeVar("R")
Ts = TypeVarTuple("Ts")

# What an actor waits for a coroutine of asyncio that it has cancelled, in seconds.
ASYNCIO_GRACE = 1.0

# A line that is longer is nobody's who means well, in bytes.
LONGEST_LINE = 4096


@attrs.frozen(eq=False)
class Guest:
    """A supervisor in Trio, and the two ways between Trio and the asyncio around it."""

    supervisor: Supervisor
    _nursery: trio.Nursery
    _loop: asyncio.AbstractEventLoop

    async def call(self, function: Callable[[*Ts], Awaitable[R]], *args: *Ts) -> R:
        """In asyncio: await a function of Trio's, `supervisor.get_or_spawn` or `ref.ask`, say.

        Cancellation: the function is cancelled, and has ended when this does, unless it is cancelled twice;
        its result is lost.
        Raises SupervisorClosed: Trio is about to end, or has ended.
        """
        if self._nursery.cancel_scope.cancel_called:
            raise SupervisorClosed
        done: asyncio.Future[R] = self._loop.create_future()
        scope = trio.CancelScope()
        self._nursery.start_soon(_settle, done, scope, partial(function, *args))
        try:
            return await asyncio.shield(done)
        except asyncio.CancelledError:
            scope.cancel()
            await asyncio.wait([done])  # noqa: ASYNC102  # it was cancelled, and cancels at once
            raise

    async def call_asyncio(self, function: Callable[[*Ts], Coroutine[Any, Any, R]], *args: *Ts) -> R:
        """In Trio: await a coroutine function of asyncio's, in a task and a context of its own.

        Cancellation: the task is cancelled, and waited for, no longer than `ASYNCIO_GRACE`.
        """
        task, ended = self._loop.create_task(function(*args), context=Context()), trio.Event()
        task.add_done_callback(lambda _: ended.set())
        try:
            await ended.wait()
        except trio.Cancelled:
            task.cancel()
            with trio.move_on_after(ASYNCIO_GRACE, shield=True):
                await ended.wait()
            raise
        return task.result()


async def _settle(
    done: asyncio.Future[R], scope: trio.CancelScope, function: Callable[[], Awaitable[R]]
) -> None:
    try:
        with scope:
            done.set_result(await function())
    except Exception as error:  # noqa: BLE001  # for whoever waits
        done.set_exception(error)
    finally:
        if not done.done():  # cancelled: by its caller, who does not look, or since all ends
            done.set_exception(SupervisorClosed())


@asynccontextmanager
async def open_guest(limit: int = 20) -> AsyncGenerator[Guest]:
    """In asyncio: a supervisor for as long as the block lasts. It does not end before Trio has.

    The managers stop first; calls that wait for one of them get its error.
    """
    loop, leaving = asyncio.get_running_loop(), trio.Event()
    ready: asyncio.Future[Guest] = loop.create_future()
    over: asyncio.Future[outcome.Outcome[None]] = loop.create_future()

    async def run_guest() -> None:
        async with trio.open_nursery() as nursery:
            async with open_supervisor(limit) as supervisor:
                ready.set_result(Guest(supervisor, nursery, loop))
                await leaving.wait()
            nursery.cancel_scope.cancel()

    trio.lowlevel.start_guest_run(
        run_guest,
        run_sync_soon_threadsafe=loop.call_soon_threadsafe,
        run_sync_soon_not_threadsafe=loop.call_soon,
        done_callback=over.set_result,
        host_uses_signal_set_wakeup_fd=True,
    )
    try:
        waiting: list[asyncio.Future[Any]] = [ready, over]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if ready.done():
            yield ready.result()
    finally:
        leaving.set()
        await _whatever_cancels(over)  # noqa: ASYNC102  # its purpose
        over.result().unwrap()


async def _whatever_cancels(future: asyncio.Future[Any]) -> None:
    """Wait until it is done; a cancellation meanwhile is raised only then."""
    cancelled: asyncio.CancelledError | None = None
    while not future.done():
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError as error:  # noqa: ASYNC103  # raised below
            cancelled = error
    if cancelled is not None:
        raise cancelled


# What follows is an application.


@attrs.frozen
class Line(Request[str]):
    text: str


async def translate(text: str) -> str:
    """It stands for what exists for asyncio alone: the driver of a database, say."""
    await asyncio.sleep(0.01)
    return text.upper()


@attrs.define(eq=False)
class Session(Actor[Line]):
    """Numbers the lines, and translates them."""

    guest: Guest
    number: int = 0

    async def handle(self, message: Line) -> str:
        self.number += 1
        return f"{self.number}: {await self.guest.call_asyncio(translate, message.text)}"


async def serve_client(guest: Guest, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        await talk(guest, reader, writer)
    except (ActorError, SupervisorError) as error:  # refused, crashed, ended
        writer.write(f"{error}\n".encode())
    except (OSError, ValueError):
        return  # the client is gone, or sends no lines
    finally:
        writer.close()


async def talk(guest: Guest, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    user, _, key = (await reader.readline()).decode(errors="replace").strip().partition(" ")
    if not user or not key:
        writer.write(b"say who you are: USER SESSION\n")
        return
    spec = ChildSpec(partial(Session, guest), health=HealthPolicy(idle_limit=600.0))
    session = await guest.call(guest.supervisor.get_or_spawn, user, key, spec)
    writer.write(b"welcome\n" if session.created else b"welcome back\n")
    while line := await reader.readline():
        answer = await guest.call(session.ref.ask, Line(line.decode(errors="replace").strip()))
        writer.write(f"{answer}\n".encode())
        await writer.drain()


@asynccontextmanager
async def serving(guest: Guest, port: int) -> AsyncGenerator[int]:
    """Until the block ends: then nobody is accepted any more, and those who are here are cut off."""
    clients: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = asyncio.create_task(serve_client(guest, reader, writer))
        clients.add(client)
        client.add_done_callback(clients.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", port, limit=LONGEST_LINE)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for client in clients:
            client.cancel()
        await asyncio.gather(*clients, return_exceptions=True)  # noqa: ASYNC102  # they were cancelled


async def main(port: int) -> None:
    ending = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ending.set)
    async with open_guest() as guest, serving(guest, port) as at:
        print(f"127.0.0.1 {at}", flush=True)
        await ending.wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
