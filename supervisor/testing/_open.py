"""open_checked_supervisor: a supervisor for a test written by hand, judged by all its promises at the end."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import trio
from trio.testing import MockClock

from supervisor import Limit, Supervisor, SupervisorSpec, open_supervisor
from supervisor.checking import check_events

from ._stage import EVERYTHING

# On a real clock, how late anything may be without a stall that the supervisor noticed, in seconds.
REAL_SLACK = 0.5


@asynccontextmanager
async def open_checked_supervisor(
    limit: Limit = 20, *, spec: SupervisorSpec | None = None
) -> AsyncGenerator[Supervisor]:
    """As `open_supervisor`; and at the end of the block all that happened in it is judged.

    What you check yourself stays your affair: if the block raises, that is what you see.

    Raises:
      AssertionError: a promise was not kept; names each, and the event that shows it.
    """
    async with open_supervisor(limit, spec=spec) as supervisor:
        subscription = supervisor.events(capacity=EVERYTHING)
        yield supervisor
    virtual = isinstance(trio.lowlevel.current_clock(), MockClock)
    broken = check_events(
        subscription.drain(),
        spec=spec,
        limit=None if callable(limit) else limit,
        slack=0.0 if virtual else REAL_SLACK,
    )
    if broken:
        raise AssertionError("\n".join(["promises not kept:", *map(str, broken)]))
