"""Waits for keys, where there is a keyboard."""

from __future__ import annotations

import os
import select
import sys
import termios
import time
import tty
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TypeAlias

Wait: TypeAlias = Callable[[float], bool]
"""Waits for so many seconds at most; says whether one wants to leave."""

LEAVE = b"q"

# Keys that are taken at once: more than anybody types in a second.
AT_ONCE = 1024


@contextmanager
def keyboard() -> Generator[Wait]:
    """Within the block keys count at once, and are not shown. Ctrl-C does what it always does."""
    if not sys.stdin.isatty():
        yield _no_key
        return
    before = termios.tcgetattr(sys.stdin)
    tty.setcbreak(sys.stdin)
    try:
        yield _wants_to_leave
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def _no_key(seconds: float) -> bool:
    time.sleep(seconds)
    return False


def _wants_to_leave(seconds: float) -> bool:
    """Was q pressed, or is the terminal gone? Reads past Python's buffer: `select` cannot see into it."""
    ready, _, _ = select.select([sys.stdin], [], [], seconds)
    if not ready:
        return False
    keys = os.read(sys.stdin.fileno(), AT_ONCE)
    return LEAVE in keys or not keys
