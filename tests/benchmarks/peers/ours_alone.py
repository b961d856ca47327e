"""Ours, where there is nobody to compare with: what our own events cost, and our import."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from functools import partial
from statistics import median
from typing import Protocol

import trio

from supervisor import ChildSpec, Subscription, Supervisor, open_supervisor

from .ours import LIMIT, Idle
from .work import Stopwatch, names, rounds

# Events


class Subscribe(Protocol):
    """How somebody listens, or does not, as long as a block lasts."""

    def __call__(self, supervisor: Supervisor, nursery: trio.Nursery, /) -> object: ...


def events_no_subscriber(n: int) -> float:
    return trio.run(spawn_and_stop, n, nobody)


def events_read(n: int) -> float:
    return trio.run(spawn_and_stop, n, who_reads)


def events_unread(n: int) -> float:
    return trio.run(spawn_and_stop, n, who_never_reads)


def nobody(_: Supervisor, __: trio.Nursery) -> None:
    pass


def who_reads(supervisor: Supervisor, nursery: trio.Nursery) -> Subscription:
    subscription = supervisor.events()
    nursery.start_soon(read, subscription)
    return subscription


def who_never_reads(supervisor: Supervisor, _: trio.Nursery) -> Subscription:
    return supervisor.events()


async def read(subscription: Subscription) -> None:
    async for _ in subscription:
        pass


async def spawn_and_stop(n: int, subscribe: Subscribe) -> float:
    spec = ChildSpec(Idle)
    async with open_supervisor(LIMIT) as supervisor, trio.open_nursery() as nursery:
        subscription = subscribe(supervisor, nursery)
        watch = Stopwatch()
        for size in rounds(n):
            who = names(size)
            with watch:
                for user, key in who:
                    ref = (await supervisor.get_or_spawn(user, key, spec)).ref
                    ref.stop()
                    await ref.wait_stopped()
        nursery.cancel_scope.cancel()
    del subscription  # held to the end: who lets go of it does not listen any more
    return watch.seconds / n


# Import

IMPORT = """
import time, trio
began = time.process_time()
import actors, supervisor
print(time.process_time() - began)
"""


def import_time(n: int) -> float:
    """Seconds of processor time that ours takes where Trio is imported already, in the middle of n processes.

    What is compiled is cached on disk, even where Python is told not to: as wherever it was used before.
    """
    with tempfile.TemporaryDirectory() as cache:
        environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environ["PYTHONPYCACHEPREFIX"] = cache
        run = partial(
            subprocess.run, [sys.executable, "-c", IMPORT], check=True, env=environ, stdout=subprocess.PIPE
        )
        run()
        return median([float(run().stdout) for _ in range(n)])
