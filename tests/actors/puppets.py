"""Actors that do what each message says, and a place for them to live."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import attrs
import trio
from trio.testing import wait_all_tasks_blocked

from actors import Actor, ActorCell, ActorRef, ExitReason, Notice, Request, run_actor

from . import virtual

M = TypeVar("M")
R = TypeVar("R")


@attrs.frozen(eq=False)
class Do(Request[R]):
    """Have the puppet do this work in its `handle`, and answer with the result."""

    work: Callable[[Puppet], Awaitable[R]]


class Puppet(Actor[Do[Any]]):
    async def handle(self, message: Do[Any]) -> object:
        return await message.work(self)


class Recorder(Actor[object]):
    """Keeps what it handled, in order."""

    def __init__(self) -> None:
        self.handled: list[object] = []

    async def handle(self, message: object) -> object:
        self.handled.append(message)
        return message


def nothing() -> Do[None]:
    async def work(_: Puppet) -> None: ...

    return Do(work)


def answer(value: R) -> Do[R]:
    async def work(_: Puppet) -> R:
        return value

    return Do(work)


def sleep(seconds: float) -> Do[None]:
    async def work(_: Puppet) -> None:
        await trio.sleep(seconds)

    return Do(work)


def crash(error: BaseException) -> Do[None]:
    async def work(_: Puppet) -> None:
        raise error

    return Do(work)


def ask(target: ActorRef[Do[Any]], request: Do[R]) -> Do[R]:
    async def work(_: Puppet) -> R:
        return await target.ask(request)

    return Do(work)


def tell(target: ActorRef[Do[Any]], message: Do[Any]) -> Do[None]:
    async def work(_: Puppet) -> None:
        await target.tell(message)

    return Do(work)


def wedge(release: trio.Event) -> Do[None]:
    """Ignore cancellation until released."""

    async def work(_: Puppet) -> None:
        with trio.CancelScope(shield=True):
            await release.wait()

    return Do(work)


@attrs.define(eq=False)
class Observed(ActorCell):
    """An actor whose notices somebody reads."""

    _tell: Callable[[Notice], None]

    def observe(self, notice: Notice) -> None:
        self._tell(notice)


@attrs.define(eq=False)
class Stage:
    """Where actors live for one test."""

    nursery: trio.Nursery
    cells: list[ActorCell] = attrs.field(factory=list[ActorCell])
    notices: list[Notice] = attrs.field(factory=list[Notice])

    def start_soon(self, factory: Callable[[], Actor[M]], name: str = "it", **options: Any) -> ActorRef[M]:
        cell = Observed(name, self.notices.append, **options)
        self.cells.append(cell)
        self.nursery.start_soon(run_actor, factory, cell)
        return ActorRef(cell)

    async def start(self, factory: Callable[[], Actor[M]], name: str = "it", **options: Any) -> ActorRef[M]:
        """As `start_soon`; on return the actor is parked."""
        ref = self.start_soon(factory, name, **options)
        await wait_all_tasks_blocked()
        return ref

    async def puppet(self, name: str = "it", **options: Any) -> ActorRef[Do[Any]]:
        return await self.start(Puppet, name, **options)


@asynccontextmanager
async def open_stage() -> AsyncGenerator[Stage]:
    """At the end all actors are cancelled and waited for. A deadlock is a TooSlowError, at once."""
    with trio.fail_after(virtual.FOREVER):
        async with trio.open_nursery() as nursery:
            stage = Stage(nursery)
            yield stage
            for cell in stage.cells:
                cell.cancel(ExitReason.SHUTDOWN)
