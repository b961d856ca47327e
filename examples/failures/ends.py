"""The end of a process, and its borders."""

import time

import trio

from supervisor import ChildSpec, DrainSpec, open_supervisor

from .sessions import Session, Stuck


async def drain() -> str:
    """One does not stop while the process empties."""
    async with open_supervisor() as supervisor:
        session = await supervisor.get_or_spawn("ann", "laptop", ChildSpec(Stuck))
        await session.ref.tell("query")
        await trio.sleep(0.1)
        return str(await supervisor.drain(DrainSpec(spread=0.0, grace=0.2)))


async def shutdown() -> str:
    """The block is left, and does not end."""
    saved = trio.Event()

    class Saves(Session):
        async def work(self) -> None:
            with trio.move_on_after(1.5, shield=True):
                await saved.wait()

    began = time.monotonic()
    async with open_supervisor() as supervisor:
        spec = ChildSpec(Saves, stop_grace=0.2)
        await (await supervisor.get_or_spawn("ann", "laptop", spec)).ref.tell("save")
        await trio.sleep(0.1)
    return f"the block ended after {time.monotonic() - began:.1f} s"


async def processes() -> str:
    """Two processes (here: two supervisors) know nothing of each other."""
    async with open_supervisor(limit=1) as one, open_supervisor(limit=1) as other:
        here = await one.get_or_spawn("ann", "laptop", ChildSpec(Session))
        there = await other.get_or_spawn("ann", "phone", ChildSpec(Session))
        return f"limit 1, and both are here: {here.ref.name}, {there.ref.name}"
