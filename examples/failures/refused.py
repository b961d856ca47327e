"""Refused, ended or given up; each error says why."""

import time

import trio

from actors import ActorError, ActorRef, Request, UserManager
from supervisor import (
    ChildSpec,
    GaveUp,
    Restart,
    RestartPolicy,
    SpawnRefused,
    SupervisorSpec,
    open_supervisor,
)

from .sessions import QUICK, Session, told


class Ask(Request[None]):
    """Something that has an answer."""


async def pending() -> str:
    """A slot is held by one that ends, and takes its time."""
    flushed = trio.Event()

    class Flushes(Session):
        async def on_stop(self) -> None:
            await flushed.wait()

    async with open_supervisor(limit=1) as supervisor:
        leaving = await supervisor.get_or_spawn("ann", "laptop", ChildSpec(Flushes))
        leaving.ref.stop()
        try:
            await supervisor.get_or_spawn("ann", "phone", ChildSpec(Session))
        except SpawnRefused as refused:
            return f"{refused.reason}: {refused}"
        finally:
            flushed.set()
    return ""


async def abandoned() -> str:
    """A manager of connections to which none is ever attached."""

    class Tab(UserManager[str]):
        async def handle(self, message: str) -> None: ...

    async with open_supervisor() as supervisor:
        tab = await supervisor.get_or_spawn("ann", "tab-1", ChildSpec(Tab, health=QUICK))
        while tab.ref.exit is None:
            await trio.sleep(0.1)
            await supervisor.cleanup()
        return str(tab.ref.exit)


async def deadlock() -> str:
    """Two that wait for each other."""
    other: dict[str, ActorRef[Ask]] = {}

    class Asks(Session):
        async def work(self) -> None:
            await other[self.ref.name].ask(Ask())

    async with open_supervisor() as supervisor:
        one = (await supervisor.get_or_spawn("ann", "laptop", ChildSpec(Asks))).ref
        two = (await supervisor.get_or_spawn("ann", "phone", ChildSpec(Asks))).ref
        other |= {one.name: two, two.name: one}
        try:
            await one.ask(Ask())
        except ActorError as error:
            cause: BaseException = error
            while cause.__cause__ is not None:
                cause = cause.__cause__
            return f"{type(cause).__name__}: {cause}"
    return ""


async def full() -> str:
    """More is sent than is handled."""
    async with open_supervisor() as supervisor:
        session = await supervisor.get_or_spawn("ann", "laptop", ChildSpec(Session, mailbox_capacity=2))
        try:
            for number in range(3):
                session.ref.tell_nowait(number)
        except ActorError as error:
            return f"{type(error).__name__}: {error}"
    return ""


async def threads() -> str:
    """All threads of a user hang."""

    class Resolves(Session):
        async def work(self) -> None:
            await self.run_blocking(time.sleep, 1.0)

    async with open_supervisor(spec=SupervisorSpec(threads_per_user=2)) as supervisor:
        for key in ("laptop", "phone"):
            await (await supervisor.get_or_spawn("ann", key, ChildSpec(Resolves))).ref.tell("resolve")
        while supervisor.explain("ann").threads < 2:  # noqa: ASYNC110, PLR2004  # until both hang
            await trio.sleep(0.01)
        third = (await supervisor.get_or_spawn("ann", "tablet", ChildSpec(Resolves))).ref
        await third.tell("resolve")
        return str((await third.wait_stopped()).error)


async def gave_up() -> str:
    """It crashes, begins anew, and crashes."""

    class Crashes(Session):
        async def on_start(self) -> None:
            self.tell_later("work", 0.01)

        async def work(self) -> None:
            raise ValueError("no number")

    policy = RestartPolicy(when=Restart.ON_FAILURE, intensity=2, backoff=0.01)
    async with open_supervisor() as supervisor:
        with supervisor.events() as events:
            first = await supervisor.get_or_spawn("ann", "feed", ChildSpec(Crashes, restart=policy))
            await told(events, GaveUp)
        try:
            await first.ref.tell("again")
        except ActorError as error:
            return f"{type(error).__name__}: {error}"
    return ""
