"""The dead-man switch: should an end take too long, the process says where it hangs, and exits.

Neither needs the event loop. A thread does it first: while it writes, no other runs Python, so the
stacks hold still. Should C code keep the interpreter's lock from it, the interpreter's own timer
(`faulthandler`) follows, which needs no lock; it comes second because it crashes, now and then, on
the stack of a thread that runs. A process has one such timer: all switches share it, and the
earliest counts.
"""

from __future__ import annotations

import faulthandler
import os
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager

# Where the stacks go: standard error, whatever `sys.stderr` is at that moment.
_STANDARD_ERROR = 2

# What the thread has before the timer does it instead, in seconds.
_LAST_RESORT = 1.0

# The timer takes no less than this, in seconds.
_AT_ONCE = 0.001

# The timer is the process's, and so is this: when each switch that is held is due.
_due: dict[object, float] = {}
_changing = threading.Lock()


@contextmanager
def dead_man_switch(seconds: float | None) -> Generator[None]:
    """Within the block, the process has so many real seconds left; None: as many as it likes.

    Then the stacks of all threads go to standard error and the process exits with status 1, at
    once: nothing is flushed or cleaned up. Where C code holds the interpreter's lock, that is a
    second later. Switches may be held together, in any threads; the earliest counts. Nobody else
    in the process can use `faulthandler.dump_traceback_later` meanwhile.
    """
    if seconds is None:
        yield
        return
    thread = threading.Timer(seconds, _exit_with_stacks, [seconds])
    thread.daemon = True
    thread.name = "trouper dead-man switch"
    thread.start()
    with _changing:
        _due[thread] = time.monotonic() + seconds
        _set_timer()
    try:
        yield
    finally:
        thread.cancel()
        with _changing:
            del _due[thread]
            _set_timer()


def _exit_with_stacks(seconds: float) -> None:
    said = f"dead-man switch: the end took longer than {seconds:g} s. The process hangs here, and exits.\n"
    try:
        os.write(_STANDARD_ERROR, said.encode())
        faulthandler.dump_traceback(file=_STANDARD_ERROR, all_threads=True)
    finally:  # also where standard error is closed
        os._exit(1)


def _set_timer() -> None:
    """For the switch that is due first."""
    if _due:
        left = min(_due.values()) + _LAST_RESORT - time.monotonic()
        faulthandler.dump_traceback_later(max(left, _AT_ONCE), exit=True, file=_STANDARD_ERROR)
    else:
        faulthandler.cancel_dump_traceback_later()
