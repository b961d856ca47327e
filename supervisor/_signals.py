"""Signals: the first one drains the process, the second one ends it at once."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Iterable

import trio

from ._report import DrainReport
from ._spec import DrainSpec
from ._supervisor import Supervisor

# What an operator means who signals twice.
AT_ONCE = DrainSpec(spread=0.0, grace=0.0)


async def drain_on_signal(
    supervisor: Supervisor,
    spec: DrainSpec | None = None,
    *,
    signals: Iterable[signal.Signals] = (signal.SIGTERM, signal.SIGINT),
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> DrainReport:
    """Wait for one of the signals, then drain; at a second one, cancel whoever is left.

    Run it beside the servers, and end these when it returns: then only condemned managers are here.
    `await nursery.start(drain_on_signal, supervisor)` returns as soon as it listens. Only in the main
    thread, as Python has it, and once in a process.

    Cancellation: the signals mean again what they did before; as for `Supervisor.drain`.
    """
    with trio.open_signal_receiver(*signals) as received:
        task_status.started()
        await anext(received)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_hurry, received, supervisor)
            report = await supervisor.drain(spec or DrainSpec())
            nursery.cancel_scope.cancel()
    return report


async def _hurry(received: AsyncIterator[int], supervisor: Supervisor) -> None:
    await anext(received)
    await supervisor.drain(AT_ONCE)
