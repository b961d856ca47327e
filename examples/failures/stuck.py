"""Stuck at work, and what becomes of it."""

import threading
import time
from collections.abc import Callable

import trio

from supervisor import ChildSpec, SupervisorSpec, SweepHeld, open_supervisor

from .sessions import QUICK, Session, Stuck, is_stuck, told


async def database() -> str:
    """It is at work for longer than its budget, though it only waits."""
    async with open_supervisor(limit=1) as supervisor:
        waiting = await supervisor.get_or_spawn("ann", "laptop", ChildSpec(Stuck, health=QUICK))
        await waiting.ref.tell("query")
        await is_stuck(supervisor)
        await supervisor.get_or_spawn("ann", "phone", ChildSpec(Session))
        return str(await waiting.ref.wait_stopped())


async def shield() -> str:
    """A shield without a deadline: it cannot be cancelled."""
    saved = trio.Event()

    class Saves(Session):
        async def work(self) -> None:
            with trio.CancelScope(shield=True):
                await saved.wait()

    return await _cleaned_up(Saves, saved.set)


async def swallow() -> str:
    """It catches everything, its own cancellation included, and goes round and round."""
    healed = trio.Event()

    class Retries(Session):
        last_error: BaseException | None = None

        async def work(self) -> None:
            while not healed.is_set():
                try:
                    await healed.wait()
                except BaseException as error:  # noqa: ASYNC103, BLE001  # that is the failure
                    self.last_error = error

    return await _cleaned_up(Retries, healed.set)


async def thread() -> str:
    """It waits for a thread of Trio's that never returns, instead of `run_blocking`."""
    answered = threading.Event()

    class Resolves(Session):
        async def work(self) -> None:
            await trio.to_thread.run_sync(answered.wait, 20.0)

    return await _cleaned_up(Resolves, answered.set)


async def _cleaned_up(make: Callable[[], Session], end_it: Callable[[], None]) -> str:
    """Clean up when one is stuck, and say who could not be removed; only then, end it after all."""
    async with open_supervisor() as supervisor:
        session = await supervisor.get_or_spawn("ann", "laptop", ChildSpec(make, health=QUICK))
        await session.ref.tell("work")
        await is_stuck(supervisor)
        report = await supervisor.cleanup("ann")
        await trio.sleep(0.3)
        end_it()
        while supervisor.explain("ann").condemned:  # noqa: ASYNC110  # there is no event for it
            await trio.sleep(0.05)
        return str(report)


async def loop() -> str:
    """One step of one actor keeps everybody from running."""

    class Computes(Session):
        async def work(self) -> None:
            time.sleep(0.8)  # noqa: ASYNC251  # that is the failure

    async with open_supervisor(spec=SupervisorSpec(watchdog=0.2)) as supervisor:
        session = await supervisor.get_or_spawn("ann", "laptop", ChildSpec(Computes))
        await session.ref.tell("work")
        await trio.sleep(0.1)
        return f"and it is {session.ref.state.value}"


async def hold() -> str:
    """The same thing is down for all of them, for a while."""
    back = trio.Event()

    class Queries(Session):
        async def work(self) -> None:
            await back.wait()

    async with open_supervisor(spec=SupervisorSpec(sweep_period=0.4)) as supervisor:
        with supervisor.events() as events:
            for number in range(12):
                spec = ChildSpec(Queries, health=QUICK)
                session = await supervisor.get_or_spawn(f"user-{number}", "tab", spec)
                await session.ref.tell("query")
            await told(events, SweepHeld)
        back.set()
        return f"and all {len(supervisor.users)} are here"
