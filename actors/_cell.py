"""ActorCell: the runtime's half of one actor. Users hold its ref; whoever runs actors holds the cell.

The name is Akka's: what surrounds an actor and makes it one.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from functools import partial

import attrs
import outcome
import trio

from ._errors import ActorCrashed, ActorStopped, Deadlock, Fenced
from ._lifecycle import Exit, ExitReason, Signal, State, accepts_mail
from ._mailbox import DEFAULT_CAPACITY, Closed, Envelope, Mailbox, Probe
from ._pulse import Phase, Pulse
from ._threads import Threads

# A drain, a flush, a last write: seconds are plenty, and who waits for the slot waits no longer.
DEFAULT_STOP_GRACE = 5.0

# What `on_stop` may take after a cancellation, shielded: the actor has had its time already.
DEFAULT_CLEANUP_GRACE = 0.2

# One session rarely has more than a tab or two; more is a client that leaks connections.
DEFAULT_CONNECTION_LIMIT = 8


@attrs.frozen
class Began:
    """`on_start` has returned; the actor handles mail from now on."""


@attrs.frozen
class Ending:
    """It was asked to stop, or cancelled, or crashed: its end has begun."""


@attrs.frozen
class DeadLettered:
    """Accepted messages that nobody will handle, since the actor ended first."""

    count: int
    reason: ExitReason


@attrs.frozen
class Attached:
    """A connection joined the actor; `connections` counts it."""

    connections: int


@attrs.frozen
class Detached:
    """A connection left the actor; `connections` are left."""

    connections: int
    why: str


Notice = Began | Ending | DeadLettered | Attached | Detached


def _ignore(_: Notice) -> None:
    """Nobody listens."""


@attrs.define(eq=False)
class ActorCell:
    """Everything the runtime knows of one incarnation, and the few things it can do to it."""

    name: str
    capacity: int = attrs.field(kw_only=True, default=DEFAULT_CAPACITY)
    stop_grace: float = attrs.field(kw_only=True, default=DEFAULT_STOP_GRACE)
    cleanup_grace: float = attrs.field(kw_only=True, default=DEFAULT_CLEANUP_GRACE)
    connection_limit: int = attrs.field(kw_only=True, default=DEFAULT_CONNECTION_LIMIT)
    observe: Callable[[Notice], None] = attrs.field(kw_only=True, default=_ignore)
    """Told of each notice, synchronously; must not raise."""
    threads: Threads = attrs.field(
        kw_only=True, default=attrs.Factory(lambda self: Threads(self.name), takes_self=True)
    )
    """For its blocking calls; shared with whoever belongs to the same owner."""

    pulse: Pulse = attrs.field(init=False, factory=lambda: Pulse(born_at=trio.current_time()))
    mailbox: Mailbox = attrs.field(
        init=False, default=attrs.Factory(lambda self: Mailbox(self.capacity), takes_self=True)
    )
    scope: trio.CancelScope = attrs.field(init=False, factory=trio.CancelScope)
    task: trio.lowlevel.Task | None = attrs.field(init=False, default=None)
    children: trio.Nursery | None = attrs.field(init=False, default=None)
    """The actor's child tasks; None before and after its life."""
    hand: Envelope | None = attrs.field(init=False, default=None)
    waiting: Waiting | None = attrs.field(init=False, default=None)
    due: Exit | None = attrs.field(init=False, default=None)
    """How it will have ended; None while nothing speaks for its end."""
    over: trio.Event = attrs.field(init=False, factory=trio.Event)
    """Set when it has ended, or is condemned."""
    let_go: tuple[object, ...] = attrs.field(init=False, default=())
    """What it held when its end began: the keys given to `call_at_end`. Empty when it has ended."""
    _at_end: dict[object, Callable[[Exit], None]] = attrs.field(
        init=False, factory=dict[object, Callable[[Exit], None]]
    )

    @property
    def exit_due(self) -> Exit:
        assert self.due is not None, "nothing ends without a reason"
        return self.due

    @property
    def waits_for(self) -> ActorCell | None:
        """Whom its own task waits for; None as soon as the wait is over, even before it runs on."""
        return self.waiting.target if self.waiting is not None and self.waiting.lasts() else None

    # Mail

    def check_may_receive(self, sender: ActorCell | None) -> None:
        """Raise unless `sender` may send and this actor takes mail."""
        if sender is not None and sender.pulse.state is State.CONDEMNED:
            raise Fenced(sender.name)
        if not accepts_mail(self.pulse.state):
            raise ActorStopped(self.name, self.exit_due)

    async def put(self, envelope: Envelope, sender: ActorCell | None) -> None:
        """Put into the mailbox, waiting for room if need be. Cancellation: it was not sent."""
        if self.mailbox.put_nowait(envelope):
            return
        blocked = partial(self.mailbox.is_blocked, trio.lowlevel.current_task())
        with Waiting(sender, self, blocked if envelope.reply is None else envelope.reply.awaited):
            try:
                await self.mailbox.put_blocked(envelope)
            except Closed:
                raise ActorStopped(self.name, self.exit_due) from None

    def probe(self) -> Probe | None:
        """Have the probe hook run between two messages. None where there is nothing to ask.

        Somebody else's probe that still waits is shared.
        """
        if not self.pulse.has_probe or self.pulse.state is not State.RUNNING:
            return None
        return self.mailbox.put_probe()

    # Ending it

    def stop(self, reason: ExitReason, detail: str = "") -> None:
        """Take no new mail, let it work off what it has and end; cancel it after `stop_grace`."""
        if self.due is not None:
            return
        self.due = Exit(reason, detail)
        self.pulse.signal(Signal.STOP)
        self.pulse.stop_by = trio.current_time() + self.stop_grace
        self.scope.deadline = self.pulse.stop_by
        self.mailbox.close()
        self.observe(Ending())

    def cancel(self, reason: ExitReason, detail: str = "") -> None:
        """Cancel its task; give back its mail and close what it holds, now. First reason stays."""
        if self.pulse.cancelled_at is not None or self.pulse.state is State.ENDED:
            return
        if self.due is None:
            self.due = Exit(reason, detail)
        self.pulse.signal(Signal.CANCEL)
        self.pulse.cancelled_at = trio.current_time()
        self.scope.cancel()
        self._let_go()
        self.observe(Ending())

    def condemn(self) -> None:
        """Give up on a cancelled actor that runs on: dead to all, and its own sends are refused."""
        self.pulse.signal(Signal.CONDEMN)
        self.over.set()

    def crashed(self, error: BaseException) -> None:
        """Its code raised. A reason given before stays, with the error beside it."""
        if self.due is None:
            starting = self.pulse.state is State.STARTING
            reason = ExitReason.START_FAILED if starting else ExitReason.CRASHED
            self.due = Exit(reason, error=error)
        elif self.due.error is None:
            self.due = attrs.evolve(self.due, error=error)
        self.cancel(self.due.reason)

    def failed(self, error: BaseException) -> None:
        """`handle` raised on the message in hand; whoever asked is told."""
        if self.hand is None or self.hand.reply is None:
            return
        self.hand.reply.set(outcome.Error(ActorCrashed(self.name, error)))
        self.pulse.failed += 1
        self.hand = None

    def ended(self) -> None:
        """Its task is about to be gone."""
        if self.due is None:
            self.due = Exit(ExitReason.CANCELLED, "the scope around it was cancelled")
        self.pulse.signal(Signal.END)
        self.pulse.enter(Phase.GONE, trio.current_time())
        self.task = None
        self._let_go()
        self.let_go = ()
        self.over.set()

    def call_at_end(self, key: object, function: Callable[[Exit], None]) -> None:
        """Have `function(exit)` called once, when it is cancelled or has ended, the first of them.

        Also for one that is condemned and never runs `on_stop`. What it raises goes into the Exit.
        """
        self._at_end[key] = function

    def forget_at_end(self, key: object) -> bool:
        """Take it back; False when it was called already, or never there."""
        return self._at_end.pop(key, None) is not None

    @property
    def held(self) -> tuple[object, ...]:
        """What will be let go at the end: the keys given to `call_at_end`."""
        return tuple(self._at_end)

    def _let_go(self) -> None:
        """Give back what others wait for. What is left of the actor holds nothing of theirs."""
        self.mailbox.close()
        lost = self.mailbox.clear()
        if self.hand is not None:
            lost.insert(0, self.hand)
            self.hand = None
        self._lose(lost, self.exit_due)
        self.let_go = (*self.let_go, *self._at_end)
        while self._at_end:
            key, function = next(iter(self._at_end.items()))
            try:
                function(self.exit_due)
            except Exception as error:  # noqa: BLE001  # its own trouble: told by its Exit
                self.due = attrs.evolve(self.exit_due, error=self.exit_due.error or error)
            self._at_end.pop(key, None)  # only now: while it is called it may be taken back

    def _lose(self, lost: list[Envelope], exit: Exit) -> None:
        dead = 0
        for envelope in lost:
            if envelope.reply is None:
                dead += 1
            else:
                self.pulse.returned += 1
                envelope.reply.set(outcome.Error(ActorStopped(self.name, exit)))
        self.pulse.dead_lettered += dead
        if dead:
            self.observe(DeadLettered(dead, exit.reason))


current_cell: ContextVar[ActorCell | None] = ContextVar("trouper_current_cell", default=None)
"""The actor in whose context this code runs: set once per incarnation, in a fresh context."""


def actor_of(task: trio.lowlevel.Task) -> str | None:
    """The name of the actor whose task it is, child tasks included; None for a task of no actor.

    May be called in any thread.
    """
    cell = task.context.get(current_cell)
    return None if cell is None else cell.name


class Waiting:
    """While inside and `lasts()`, `sender` waits for `target`. A circle of such waits is a Deadlock.

    Only an actor's own task counts: a child task that waits holds nobody up.
    """

    __slots__ = ("_before", "_sender", "lasts", "target")

    def __init__(self, sender: ActorCell | None, target: ActorCell, lasts: Callable[[], bool]) -> None:
        self.target = target
        self.lasts = lasts
        own = sender is not None and sender.task is trio.lowlevel.current_task()
        self._sender = sender if own else None
        if self._sender is None:
            return
        chain = [self._sender]
        link: ActorCell | None = target
        while link is not None:
            chain.append(link)
            if link is self._sender:
                raise Deadlock(tuple(cell.name for cell in chain))
            link = link.waits_for
        self._before = self._sender.waiting
        self._sender.waiting = self

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None:
        if self._sender is not None:
            self._sender.waiting = self._before
