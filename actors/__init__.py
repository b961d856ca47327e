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
`supervisor.open_supervisor()`, and need of this only `Actor`, `UserManager`, `Request` and `attach`.

*What you write* is an `Actor`: its state, and `handle`, which gets one message at a time, so nothing
needs a lock. Around it are hooks: `on_start`, `on_stop`, `probe`. Longer work is a child task
(`start_soon`), a blocking call a thread (`run_blocking`); both end, or are let go, with the actor.

*What others hold* is an `ActorRef`: `tell` (waits for room), `tell_nowait` (raises `MailboxFull`), `ask`
(gives the answer, of the type that its `Request` names), `stop`, `wait_stopped`. It reaches one
incarnation, and never the next. Nothing takes a time-out: use Trio's cancel scopes.

*How it ends* is a value, an `Exit`: stopped, crashed, cancelled and so on, with the error if there is one. A
crash ends this one actor; whoever asked it has the error too. `monitor` tells another actor of the end.

*What the runtime knows* is its `Pulse`: in which phase its task is, since when, with what in hand. It
is written by what runs the actor and not by the actor, so it is evidence: `supervisor` judges by it.

*Connections* belong to a `UserManager`, by `attach`. They live by what comes in; sending
(`broadcast`, `Group`) never waits for a peer. `actors.websocket` makes them of WebSockets,
`actors.asgi` of those of any ASGI framework.
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
from ._goodbye import CLOSE_EVICTED, goodbye
from ._group import Group
from ._lifecycle import Exit, ExitReason, State
from ._mailbox import DEFAULT_CAPACITY, Probe
from ._manager import UserManager, attach, attached_to
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
