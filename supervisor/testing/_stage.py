"""Stage: one run of a script over a fresh supervisor, and all that its callers saw. Knows no Hypothesis."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Generator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from functools import partial
from typing import Any
from unittest.mock import patch

import attrs
import trio

from actors import (
    Actor,
    ActorCrashed,
    ActorRef,
    ActorStopped,
    Connection,
    MailboxFull,
    Request,
    State,
    TooManyConnections,
    attach,
)
from supervisor import (
    ChildSpec,
    Event,
    EventsLost,
    Obtained,
    SpawnFailed,
    SpawnRefused,
    Supervisor,
    SupervisorClosed,
    SupervisorSpec,
    open_supervisor,
)

from ._cancelling import CancelAt, instrumented
from ._mail import Delivery, Mail
from ._specimens import PATIENCE, Echo
from ._tree import SlotGuard
from ._wire import connection

# More events than a script can make: none may be lost.
EVERYTHING = 10_000_000

# How long a caller waits for room in a mailbox, or for an answer, before he gives up, in seconds.
SENDER_PATIENCE = 3.0


@attrs.define(eq=False)
class Call:
    """One caller of `get_or_spawn`, and what came of it."""

    user: str
    key: str
    kind: str
    answer: Obtained[Any] | SpawnRefused | SpawnFailed | SupervisorClosed | None = None
    """None until there is one, and if he was cancelled before."""
    over: trio.Event = attrs.field(init=False, factory=trio.Event)


class Stage:
    """A supervisor for the time of one script, and everything that happened on it."""

    patience: float = 20.0
    """After the last step, how long every caller may still wait for an answer, in seconds; more than
    the start grace, the stop grace and the `slot_wait` of your specs together."""

    def __init__(self, limit: int, spec: SupervisorSpec) -> None:
        self.limit, self.spec = limit, spec
        self.release = trio.Event()
        """Set at the end; what is wedged on purpose waits for it, if it ignores cancellation."""
        self.log: list[Event] = []
        self.calls: list[Call] = []
        self.made: dict[str, tuple[str, Actor[Any]]] = {}
        """Kind and actor, by the name of the incarnation."""
        self.refs: dict[str, ActorRef[Any]] = {}
        self.wires: list[Connection] = []
        self.mail = Mail()
        self.seen: Counter[str] = Counter()
        """How often which rule was performed, which kind was made, and which situation was met."""
        self.failures: list[BaseException] = []
        self.broken: list[str] = []
        """Promises that did not hold, in words."""
        self.wall_clock_offset = 0.0
        self.numbers = itertools.count()
        """For messages and their senders."""
        self.closing = trio.Event()
        """Set it, and the supervisor's block ends."""
        self._opened = trio.Event()
        self._closed = trio.Event()
        self._sockets = ExitStack()
        self._callers: trio.Nursery | None = None
        self._supervisor: Supervisor | None = None

    @property
    def supervisor(self) -> Supervisor:
        """The one under test; after `shut_down` it still answers."""
        assert self._supervisor is not None, "asked before the run"
        return self._supervisor

    # The run

    async def play(self, perform: Callable[[], Awaitable[None]]) -> None:
        """Open a supervisor, perform, release what is stuck, and see the block end."""
        with self._sockets, self._own_wall_clock():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._own_block)
                await self._opened.wait()
                with SlotGuard(self.supervisor) as guard:
                    async with trio.open_nursery() as self._callers:
                        await self._guard(perform)
                        await self._wait_for_answers()
                        self.release.set()
                        self._callers.cancel_scope.cancel()
                    self.closing.set()
                    await self._wait_closed()
        self.broken += [guard.breach] if guard.breach is not None else []
        for name, ref in self.refs.items():
            if ref.state is not State.ENDED:
                self.broken.append(f"{name} outlives the block: {ref!r}")
        self.broken += [f"{user.user} outlives the block" for user in self.supervisor.snapshot().users]

    async def _own_block(self) -> None:
        """Own the supervisor's block, so that a step can end it."""
        async with open_supervisor(self.limit, spec=self.spec) as self._supervisor:
            subscription = self._supervisor.events(capacity=EVERYTHING)
            self._opened.set()
            await self.closing.wait()
        for event in subscription.drain():
            assert not isinstance(event, EventsLost)
            self.log.append(event)
        self._closed.set()

    async def _wait_for_answers(self) -> None:
        await trio.lowlevel.checkpoint()  # who was started by the last step has called by now
        with trio.move_on_after(self.patience):
            for call in self.calls:
                await call.over.wait()
            return
        waiting = [call for call in self.calls if not call.over.is_set()]
        self.broken += [f"nobody answered {call.user}/{call.key} ({call.kind})" for call in waiting]

    async def _wait_closed(self) -> None:
        with trio.move_on_after(2 * PATIENCE):
            await self._closed.wait()
            return
        self.broken.append("the supervisor's block does not end, though all that was stuck is released")
        self.supervisor._root.cancel_scope.cancel()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # or the test hangs

    async def _guard(self, function: Callable[..., Awaitable[object]], *args: object) -> None:
        """What raises is told when everything has come to its end."""
        try:
            await function(*args)
        except Exception as error:  # noqa: BLE001  # raised when all is over
            self.failures.append(error)

    @contextmanager
    def _own_wall_clock(self) -> Generator[None]:
        real = time.time
        with patch("time.time", lambda: real() + self.wall_clock_offset):
            yield

    def start_soon(self, function: Callable[..., Awaitable[object]], *args: object) -> None:
        """Run something beside the script until it ends, or the script does."""
        assert self._callers is not None
        self._callers.start_soon(self._guard, function, *args)

    # Managers

    def make(self, kind: str, factory: Callable[[], Actor[Any]]) -> Actor[Any]:
        """Make an actor, and overhear what it handles."""
        actor = factory()
        handle = actor.handle

        async def overheard(message: object) -> object:
            self.mail.arrive(actor.ref.name, message)
            return await handle(message)

        setattr(actor, "handle", overheard)  # noqa: B010  # of this one only
        bind = actor.bind

        def bound(cell: Any) -> None:
            bind(cell)
            self.made[cell.name] = (kind, actor)

        setattr(actor, "bind", bound)  # noqa: B010
        self.seen[f"kind: {kind}"] += 1
        return actor

    async def call(
        self,
        user: str,
        key: str,
        kind: str,
        spec: ChildSpec[Any],
        *,
        cancel_at: tuple[int, int] | None = None,
    ) -> Call:
        """Obtain a manager; perhaps be cancelled at that checkpoint, so many steps of others later."""
        call = Call(user, key, kind)
        self.calls.append(call)
        recorded = attrs.evolve(spec, factory=partial(self.make, kind, spec.factory))
        with trio.CancelScope() as scope:
            cancelling = CancelAt(scope, trio.lowlevel.current_task(), *(cancel_at or (0, 0)))
            with nullcontext() if cancel_at is None else instrumented(cancelling):
                call.answer = await self._obtain(user, key, recorded)
        call.over.set()
        return call

    async def _obtain(
        self, user: str, key: str, spec: ChildSpec[Any]
    ) -> Obtained[Any] | SpawnRefused | SpawnFailed | SupervisorClosed:
        try:
            obtained = await self.supervisor.get_or_spawn(user, key, spec)
        except (SpawnRefused, SpawnFailed, SupervisorClosed) as error:
            return error
        self.refs[obtained.ref.name] = obtained.ref
        return obtained

    def lookup(self, user: str, key: str) -> ActorRef[Any] | None:
        ref = self.supervisor.lookup(user, key)
        if ref is not None:
            self.refs[ref.name] = ref
        return ref

    # Mail

    def tell_nowait(self, ref: ActorRef[Any], message: object, sender: str = "script") -> bool:
        """Send if there is room, and say whether there was."""
        post = self.mail.post(sender, ref, message)
        try:
            ref.tell_nowait(message)
        except (MailboxFull, ActorStopped):
            post.delivery = Delivery.REJECTED
            return False
        post.delivery = Delivery.ACCEPTED
        return True

    async def tell_patiently(self, ref: ActorRef[Any], message: object, sender: str) -> None:
        """Send, and wait for room, but not for ever."""
        post = self.mail.post(sender, ref, message)
        post.delivery = Delivery.REJECTED
        with trio.move_on_after(SENDER_PATIENCE):
            try:
                await ref.tell(message)
            except ActorStopped:
                return
            post.delivery = Delivery.ACCEPTED

    async def ask_bounded(self, ref: ActorRef[Any], request: Request[Any]) -> None:
        """Ask, and wait for the answer, but not for ever. Every other end is a typed error."""
        self.mail.post(f"asker {next(self.numbers)}", ref, request)
        with trio.move_on_after(SENDER_PATIENCE):
            try:
                answer = await ref.ask(request)
            except (ActorStopped, ActorCrashed):
                return
            if isinstance(request, Echo) and answer != request.text:
                self.broken.append(f"{ref.name} was asked {request.text!r} and answered {answer!r}")

    # Connections

    def connect(self, ref: ActorRef[Any], *, mute: bool = False) -> None:
        """Give it a connection, if it takes any."""
        if ref.pulse.connections is None:
            return
        wire = connection(mute=mute)
        with suppress(ActorStopped, TooManyConnections):
            self._sockets.enter_context(attach(ref, wire))
            self.wires.append(wire)
