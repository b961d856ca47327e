"""ActorCell: the runtime's half of one actor. Users hold its ref; whoever runs actors holds the cell.

The name is Akka's: what surrounds an actor and makes it one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextvars import ContextVar, Token

import attrs
import trio

from ._children import Children
from ._errors import ActorCrashed, ActorStopped, Deadlock, Fenced
from ._lifecycle import Exit, ExitReason, Signal, State
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
class Ended:
    """It has ended: nothing of it runs any more, and it holds nothing."""


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


Notice = Began | Ending | Ended | DeadLettered | Attached | Detached


@attrs.define(eq=False, repr=False)
class ActorCell:
    """Everything the runtime knows of one incarnation, and the few things it can do to it."""

    name: str
    capacity: int = attrs.field(kw_only=True, default=DEFAULT_CAPACITY)
    stop_grace: float = attrs.field(kw_only=True, default=DEFAULT_STOP_GRACE)
    cleanup_grace: float = attrs.field(kw_only=True, default=DEFAULT_CLEANUP_GRACE)
    connection_limit: int = attrs.field(kw_only=True, default=DEFAULT_CONNECTION_LIMIT)
    _threads: Threads | None = attrs.field(kw_only=True, default=None)

    pulse: Pulse = attrs.field(init=False, factory=lambda: Pulse(born_at=trio.current_time()))
    mailbox: Mailbox = attrs.field(
        init=False, default=attrs.Factory(lambda self: Mailbox(self.capacity), takes_self=True)
    )
    scope: trio.CancelScope = attrs.field(init=False, factory=trio.CancelScope)
    task: trio.lowlevel.Task | None = attrs.field(init=False, default=None)
    children: Children | None = attrs.field(init=False, default=None)
    """Its child tasks; None before the first of them, and after its life."""
    asked: Envelope | None = attrs.field(init=False, default=None)
    """The request in hand; None while it is working on what nobody waits for."""
    unfinished: tuple[object, ...] = attrs.field(init=False, default=())
    """What was in hand when an exception ended its handling, and nobody has been told of yet."""
    waiting: Waiting | None = attrs.field(init=False, default=None)
    due: Exit | None = attrs.field(init=False, default=None)
    """How it will have ended; None while nothing speaks for its end."""
    is_over: bool = attrs.field(init=False, default=False)
    """It has ended, or is condemned."""
    let_go: tuple[object, ...] = attrs.field(init=False, default=())
    """What it held when its end began: the keys given to `call_at_end`. Empty when it has ended."""
    _over: trio.Event | None = attrs.field(init=False, default=None)
    """Made for the first who waits for its end."""
    _outside: Token[ActorCell | None] | None = attrs.field(init=False, default=None)
    """What its task's context was without it; None while it is so."""
    _at_end: dict[object, Callable[[Exit], None]] | None = attrs.field(init=False, default=None)
    """What to call at its end; None: nothing ever was to be called."""

    def observe(self, notice: Notice) -> None:
        """Told of each notice, synchronously. Override it; it must not raise."""

    @property
    def threads(self) -> Threads:
        """For its blocking calls; shared with whoever belongs to the same owner."""
        if self._threads is None:
            self._threads = Threads(self.name)
        return self._threads

    @property
    def may_begin(self) -> bool:
        """Asked once, before anything of it is made. Override it; one that may not ends at once."""
        return True

    @property
    def exit_from_outside(self) -> Exit:
        """Why it ends when the scope around it was cancelled. Override it where somebody knows more."""
        return Exit(ExitReason.CANCELLED, "the scope around it was cancelled")

    @property
    def exit_due(self) -> Exit:
        assert self.due is not None, "nothing ends without a reason"
        return self.due

    @property
    def waits_for(self) -> ActorCell | None:
        """Whom its own task waits for; None as soon as the wait is over, even before it runs on."""
        return self.waiting.target if self.waiting is not None and self.waiting.lasts() else None

    @property
    def roots(self) -> tuple[tuple[trio.lowlevel.Task, trio.CancelScope], ...]:
        """The tasks below which all of it runs, each with the scope that its cancellation cancels.

        Its own is none of them while that only waits for its child tasks to end.
        """
        own, children = self.task, self.children
        if children is None:
            return () if own is None else ((own, self.scope),)
        below = tuple((task, children.scope) for task in children.tasks)
        return below if own is None or children.hold_it_up else ((own, self.scope), *below)

    # Its context

    def enter_context(self) -> None:
        """From here on, code of its own runs: in this task and all that it starts, it is `current_cell`."""
        if self._outside is None:
            self._outside = current_cell.set(self)

    def leave_context(self) -> None:
        """No more. A newborn that only waits keeps no context of its own: most of the idle are such."""
        if self._outside is not None:
            current_cell.reset(self._outside)
            self._outside = None

    # Mail

    def check_may_send(self) -> None:
        """Raise if this actor is condemned: for everybody else it is dead."""
        if self.pulse.state is State.CONDEMNED:
            raise Fenced(self.name)

    def refuses(self) -> ActorStopped:
        """What a sender is told when the mailbox is closed."""
        return ActorStopped(self.name, self.exit_due)

    async def put_blocked(self, item: object) -> None:
        """Wait for room in the full mailbox. Cancellation: it was not sent."""
        try:
            await self.mailbox.put_blocked(item)
        except Closed:
            raise self.refuses() from None

    @property
    def in_hand(self) -> tuple[object, ...]:
        """The message, or the envelope, that it works on; none when that was given back already."""
        if self.pulse.cancelled_at is not None:
            return ()
        if self.pulse.phase is Phase.HANDLE:
            return (self.pulse.hand if self.asked is None else self.asked,)
        return self.unfinished

    def interrupted(self, item: object) -> None:
        """An exception ends the handling of what is in hand; whoever asked may have been told."""
        told = type(item) is Envelope and self.asked is None
        self.unfinished = () if told or self.pulse.cancelled_at is not None else (item,)
        self.pulse.enter(Phase.BETWEEN, trio.current_time())

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
        self.bound_stop(self.pulse.stop_by)
        self.mailbox.close()
        self.observe(Ending())

    def bound_stop(self, deadline: float) -> None:
        """Have it cancelled then, if it has not ended. Override it where somebody sees to that anyhow."""
        self.scope.deadline = deadline
        if self.children is not None:
            self.children.scope.deadline = deadline

    def cancel(self, reason: ExitReason, detail: str = "") -> None:
        """Cancel its task; give back its mail and close what it holds, now. First reason stays."""
        if self.pulse.cancelled_at is not None or self.pulse.state is State.ENDED:
            return
        if self.due is None:
            self.due = Exit(reason, detail)
        self.pulse.signal(Signal.CANCEL)
        lost, self.unfinished = self.in_hand, ()
        self.pulse.cancelled_at = trio.current_time()
        self.scope.cancel()
        if self.children is not None:
            self.children.scope.cancel()
        self._let_go(lost)
        self.observe(Ending())

    def condemn(self) -> None:
        """Give up on a cancelled actor that runs on: dead to all, and its own sends are refused."""
        self.pulse.signal(Signal.CONDEMN)
        fenced.add(self)
        self._tell_over()

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
        """`handle` raised on the request in hand; whoever asked is told."""
        if self.asked is not None:
            self.asked.answer(None, ActorCrashed(self.name, error))
            self.pulse.failed += 1
            self.asked = None

    def ended(self) -> None:
        """Its task is about to be gone."""
        if self.due is None:
            self.due = self.exit_from_outside
        lost, self.unfinished = self.in_hand, ()
        self.pulse.signal(Signal.END)
        self.pulse.enter(Phase.GONE, trio.current_time())
        self.task = None
        fenced.discard(self)
        self._let_go(lost)
        self.let_go = ()
        self._tell_over()
        self.observe(Ended())

    async def wait_over(self) -> None:
        """Until it has ended, or is condemned. Cancellation: nothing happens."""
        if self.is_over:
            await trio.lowlevel.checkpoint()
            return
        if self._over is None:
            self._over = trio.Event()
        await self._over.wait()

    def _tell_over(self) -> None:
        self.is_over = True
        if self._over is not None:
            self._over.set()

    def call_at_end(self, key: object, function: Callable[[Exit], None]) -> None:
        """Have `function(exit)` called once, when it is cancelled or has ended, the first of them.

        Also for one that is condemned and never runs `on_stop`. What it raises goes into the Exit.
        """
        if self._at_end is None:
            self._at_end = {}
        self._at_end[key] = function

    def forget_at_end(self, key: object) -> bool:
        """Take it back; False when it was called already, or never there."""
        return self._at_end is not None and self._at_end.pop(key, None) is not None

    @property
    def held(self) -> tuple[object, ...]:
        """What will be let go at the end: the keys given to `call_at_end`."""
        return tuple(self._at_end or ())

    def _let_go(self, in_hand: tuple[object, ...]) -> None:
        """Give back what others wait for. What is left of the actor holds nothing of theirs."""
        self.mailbox.close()
        self.asked = None
        self._lose((*in_hand, *self.mailbox.clear()), self.exit_due)
        if self._at_end is not None:
            self._call_at_end(self._at_end)

    def _call_at_end(self, functions: dict[object, Callable[[Exit], None]]) -> None:
        self.let_go = (*self.let_go, *functions)
        while functions:
            key, function = next(iter(functions.items()))
            try:
                function(self.exit_due)
            except Exception as error:  # noqa: BLE001  # its own trouble: told by its Exit
                self.due = attrs.evolve(self.exit_due, error=self.exit_due.error or error)
            functions.pop(key, None)  # only now: while it is called it may be taken back

    def _lose(self, lost: Iterable[object], exit: Exit) -> None:
        dead = 0
        for item in lost:
            if isinstance(item, Envelope):
                self.pulse.returned += 1
                item.answer(None, ActorStopped(self.name, exit))
            else:
                dead += 1
        self.pulse.dead_lettered += dead
        if dead:
            self.observe(DeadLettered(dead, exit.reason))


fenced: set[ActorCell] = set()
"""The condemned of this process. While there are none, as a rule, no sender is asked who he is."""

current_cell: ContextVar[ActorCell | None] = ContextVar("trouper_current_cell", default=None)
"""The actor in whose context this code runs: set once per incarnation, in a fresh context."""


def actor_of(task: trio.lowlevel.Task) -> str | None:
    """The name of the actor whose task it is, child tasks included; None for a task of no actor.

    May be called in any thread.
    """
    cell = task.context.get(current_cell)
    return None if cell is None else cell.name


class Waiting:
    """From its making until `end()`, while it `lasts()`, `sender` waits for `target`.

    A circle of such waits is a Deadlock. Only an actor's own task counts: a child task that waits
    holds nobody up.
    """

    __slots__ = ("_before", "_sender", "lasts", "target")

    def __init__(self, sender: ActorCell, target: ActorCell, lasts: Callable[[], bool]) -> None:
        self.target = target
        self.lasts = lasts
        self._sender = sender if sender.task is trio.lowlevel.current_task() else None
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

    def end(self) -> None:
        if self._sender is not None:
            self._sender.waiting = self._before
