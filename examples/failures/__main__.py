"""Run one failure by its name, and print what is logged and said; tracebacks are left out."""

import logging
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import trio

from . import ends, refused, stuck

FAILURES: dict[str, Callable[[], Awaitable[str]]] = {
    "pending": refused.pending,
    "database": stuck.database,
    "shield": stuck.shield,
    "swallow": stuck.swallow,
    "thread": stuck.thread,
    "threads": refused.threads,
    "loop": stuck.loop,
    "hold": stuck.hold,
    "abandoned": refused.abandoned,
    "deadlock": refused.deadlock,
    "full": refused.full,
    "gave-up": refused.gave_up,
    "drain": ends.drain,
    "shutdown": ends.shutdown,
    "processes": ends.processes,
}


class OneLine(logging.Formatter):
    """Leaves out the tracebacks."""

    def formatException(self, ei: Any) -> str:  # noqa: N802, ARG002  # the names are logging's
        return ""


def main(names: list[str]) -> None:
    if len(names) != 1 or names[0] not in FAILURES:
        sys.exit(f"one of: {' '.join(FAILURES)}")
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(OneLine("%(levelname)s %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    print(trio.run(FAILURES[names[0]]))


if __name__ == "__main__":
    main(sys.argv[1:])
