"""Actors on Trio: one thing that lives, its mailbox, and what the runtime knows of it.

    import trio
    from actors import Actor, ActorCell, ActorRef, Request, run_actor

    class Total(Request[int]): ...

    class Counter(Actor[int | Total]):
        total = 0

        async def handle(self, message: int | Total) -> int:
            if isinstance(message, int):
                self.total += message
            return self.total

    async def main() -> None:
        cell = ActorCell("counter")
        counter: ActorRef[int | Total] = ActorRef(cell)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run_actor, Counter, cell)
            await counter.tell(2)
            await counter.tell(3)
            print(await counter.ask(Total()))  # 5
            counter.stop()

This package knows one actor and nothing of supervision: most programs get their refs from
`supervisor.open_supervisor()`.
"""

from ._actor import Actor, run_actor
from ._cell import (
    DEFAULT_CLEANUP_GRACE,
    DEFAULT_CONNECTION_LIMIT,
    DEFAULT_STOP_GRACE,
    ActorCell,
    Attached,
    Began,
    DeadLettered,
    Detached,
    Ended,
    Ending,
    Notice,
    actor_of,
)
from ._conflict import refuse_overwritten as refuse_overwritten
from ._connection import Connection, ConnectionStatistics, Frame, Transport
from ._errors import (
    ActorCrashed,
    ActorError,
    ActorStopped,
    ConnectionClosed,
    Deadlock,
    Fenced,
    MailboxFull,
    TooManyConnections,
    TooManyThreads,
)
from ._group import Group
from ._lifecycle import Exit, ExitReason, State
from ._mailbox import DEFAULT_CAPACITY, Probe
from ._manager import CLOSE_EVICTED, UserManager, attach, attached_to, goodbye
from ._monitor import Down, Monitor
from ._outbox import Outbox, Sink
from ._pulse import Phase, Pulse
from ._rate import TokenBucket
from ._ref import ActorRef, ActorStatistics, Request
from ._silence import ConnectionSpec
from ._threads import DEFAULT_THREAD_LIMIT, Threads
from ._timer import Timer

__all__ = [
    "CLOSE_EVICTED",
    "DEFAULT_CAPACITY",
    "DEFAULT_CLEANUP_GRACE",
    "DEFAULT_CONNECTION_LIMIT",
    "DEFAULT_STOP_GRACE",
    "DEFAULT_THREAD_LIMIT",
    "Actor",
    "ActorCell",
    "ActorCrashed",
    "ActorError",
    "ActorRef",
    "ActorStatistics",
    "ActorStopped",
    "Attached",
    "Began",
    "Connection",
    "ConnectionClosed",
    "ConnectionSpec",
    "ConnectionStatistics",
    "DeadLettered",
    "Deadlock",
    "Detached",
    "Down",
    "Ended",
    "Ending",
    "Exit",
    "ExitReason",
    "Fenced",
    "Frame",
    "Group",
    "MailboxFull",
    "Monitor",
    "Notice",
    "Outbox",
    "Phase",
    "Probe",
    "Pulse",
    "Request",
    "Sink",
    "State",
    "Threads",
    "Timer",
    "TokenBucket",
    "TooManyConnections",
    "TooManyThreads",
    "Transport",
    "UserManager",
    "actor_of",
    "attach",
    "attached_to",
    "goodbye",
    "run_actor",
]
