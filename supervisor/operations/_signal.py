"""A dump of all tasks and threads on a signal, for when nothing else answers."""

from __future__ import annotations

import faulthandler
import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import TextIO

import trio

from ._stacks import dump, in_words


async def dump_on_signal(
    number: signal.Signals = signal.SIGUSR1,
    *,
    to: TextIO | None = None,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Write what everybody does to `to` (standard error), whenever the signal comes, until cancelled.

    The threads are told at once, also while the event loop is blocked; the tasks, equal stacks
    together, as soon as the loop runs. Run it in a nursery of the main thread, or in
    `Supervisor.background`; only one can have the signal. `to` is a real file: the first part is
    written without Python's help.
    """
    file = sys.stderr if to is None else to
    own_thread = trio.CapacityLimiter(1)  # the usual ones may all be stuck: that is why one asks
    with trio.open_signal_receiver(number) as signals, _threads_at_once(number, file):
        task_status.started()
        async for _ in signals:
            words = "\n".join(in_words(await dump()))
            await trio.to_thread.run_sync(_write, file, words, abandon_on_cancel=True, limiter=own_thread)


@contextmanager
def _threads_at_once(number: signal.Signals, file: TextIO) -> Generator[None]:
    """Python's own dump, from within the signal handler; the receiver of Trio has the signal after it."""
    faulthandler.register(number, file=file, all_threads=True, chain=True)
    try:
        yield
    finally:
        faulthandler.unregister(number)


def _write(file: TextIO, words: str) -> None:
    """Where nobody can read it any more it goes on all the same: a signal that nobody takes ends us."""
    with suppress(OSError):
        file.write(f"{words}\n")
        file.flush()
