"""ActorRef: all that others may do with an actor, and all that they may know of it."""

from __future__ import annotations

from functools import partial
from typing import Generic, TypeVar

import attrs
from trio.lowlevel import checkpoint_if_cancelled, current_task, wait_task_rescheduled

from ._cancelled import RUNNING, SEES_CANCELLATION
from ._cell import ActorCell, Waiting, current_cell, fenced
from ._errors import MailboxFull
from ._lifecycle import Exit, ExitReason, State
from ._mailbox import Closed, Envelope
from ._pulse import Pulse

M_contra = TypeVar("M_contra", contravariant=True)
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class Request(Generic[R_co]):
    """Base of a message that has an answer; its parameter is the type of the answer.

    With `class Count(Request[int])`, `await ref.ask(Count())` is an int. The answer is what
    `handle` returns.
    """

    __slots__ = ()


@attrs.frozen
class ActorStatistics:
    """A snapshot. accepted == handled + failed + returned + dead_lettered + queued + in_hand."""

    accepted: int
    handled: int
    failed: int
    """Requests whose handling raised; their askers got ActorCrashed."""
    returned: int
    """Requests that nobody answered; their askers got ActorStopped."""
    dead_lettered: int
    queued: int
    in_hand: int


@attrs.frozen(repr=False)
class ActorRef(Generic[M_contra]):
    """A handle on one incarnation of an actor. It never reaches the next one.

    Safe to keep, to hand on and to compare. Use it within one `trio.run`.
    """

    cell: ActorCell
    """The runtime's half, for those who run actors; whoever only talks to them needs it never."""

    @property
    def name(self) -> str:
        return self.cell.name

    @property
    def state(self) -> State:
        return self.cell.pulse.state

    @property
    def pulse(self) -> Pulse:
        """The runtime's evidence about it. Read it, never write it."""
        return self.cell.pulse

    @property
    def exit(self) -> Exit | None:
        """How it ended; None while it has not. A condemned actor has ended, for all but its task."""
        return self.cell.due if self.cell.is_over else None

    def tell_nowait(self, message: M_contra) -> None:
        """Send if there is room now.

        Raises:
          MailboxFull: no room; nothing was sent.
          ActorStopped: it is dead or dying.
          Fenced: you are condemned.
        """
        mailbox = self.cell.mailbox
        if len(mailbox.user) < mailbox.room and not fenced:  # Mailbox.put_nowait, written out: a call less
            mailbox.user.append(message)
            mailbox.accepted += 1
            if mailbox.receiver is not None:
                mailbox.wake()
        elif not self._put_nowait(message, current_cell.get()):
            raise MailboxFull(self.cell.name, self.cell.capacity)

    async def tell(self, message: M_contra) -> None:
        """Send, waiting for room if need be (back-pressure), in order of arrival.

        Yields to others only when it waits. Cancellation: the message was not sent.

        Raises:
          ActorStopped: it is dead or dying, or became so while you waited.
          Deadlock: it is full and waits, directly or through others, for you.
          Fenced: you are condemned.
        """
        if not SEES_CANCELLATION or RUNNING.task._cancel_status.effectively_cancelled:  # noqa: SLF001
            await checkpoint_if_cancelled()
        mailbox = self.cell.mailbox
        if len(mailbox.user) < mailbox.room and not fenced:  # as in tell_nowait
            mailbox.user.append(message)
            mailbox.accepted += 1
            if mailbox.receiver is not None:
                mailbox.wake()
        elif not self._put_nowait(message, sender := current_cell.get()):
            await self._tell_blocked(message, sender)

    async def ask(self, request: Request[R]) -> R:
        """Send a request and wait for its answer. Bound it with a cancel scope of yours.

        Cancellation: the request may be handled all the same; its late answer vanishes.

        Raises:
          ActorStopped: it is dead or dying, or ended before it answered.
          ActorCrashed: it raised while working on this request.
          Deadlock: you are this actor, or it waits, directly or through others, for you.
          Fenced: you are condemned.
          TypeError: that is no Request; nothing was sent.
        """
        if not SEES_CANCELLATION or RUNNING.task._cancel_status.effectively_cancelled:  # noqa: SLF001
            await checkpoint_if_cancelled()
        if not isinstance(request, Request):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"ask takes a Request, which says what it is answered with, not {request!r}")
        cell, sender, envelope = self.cell, current_cell.get(), Envelope(request)
        mailbox = cell.mailbox
        if sender is None and len(mailbox.user) < mailbox.room:  # as in tell_nowait; no actor, so no circle
            mailbox.user.append(envelope)
            mailbox.accepted += 1
            if mailbox.receiver is not None:
                mailbox.wake()
            envelope.asker = current_task()
            return await wait_task_rescheduled(envelope.leave)  # type: ignore[no-any-return]
        waiting = None if sender is None else Waiting(sender, cell, envelope.awaited)
        try:
            if not self._put_nowait(envelope, sender):
                await cell.put_blocked(envelope)
            return await envelope.wait()  # type: ignore[return-value]  # typed by the request
        finally:
            if waiting is not None:
                waiting.end()

    def _put_nowait(self, item: object, sender: ActorCell | None) -> bool:
        """Send if there is room, and say whether there was. Raises if it takes none, or `sender` may not."""
        if sender is not None:
            sender.check_may_send()
        try:
            return self.cell.mailbox.put_nowait(item)
        except Closed:
            raise self.cell.refuses() from None

    async def _tell_blocked(self, message: M_contra, sender: ActorCell | None) -> None:
        cell = self.cell
        blocked = partial(cell.mailbox.is_blocked, current_task())
        waiting = None if sender is None else Waiting(sender, cell, blocked)
        try:
            await cell.put_blocked(message)
        finally:
            if waiting is not None:
                waiting.end()

    def stop(self) -> None:
        """Ask it to end: it takes no new mail, works off what it has, and runs `on_stop`.

        Returns at once; calling it again changes nothing. After the stop grace of its spec, what
        is left of it is cancelled.
        """
        self.cell.stop(ExitReason.STOPPED)

    async def wait_stopped(self) -> Exit:
        """Wait until it has ended, or is condemned, and say how. Cancellation: nothing happens."""
        await self.cell.wait_over()
        return self.cell.exit_due

    def statistics(self) -> ActorStatistics:
        """How many messages went which way, up to now."""
        cell = self.cell
        return ActorStatistics(
            accepted=cell.mailbox.accepted,
            handled=cell.pulse.handled,
            failed=cell.pulse.failed,
            returned=cell.pulse.returned,
            dead_lettered=cell.pulse.dead_lettered,
            queued=len(cell.mailbox),
            in_hand=len(cell.in_hand),
        )

    def __repr__(self) -> str:
        waiting = self.cell.mailbox.statistics()
        return f"<ActorRef {self.name} {self.state.value}, {waiting.queued}/{waiting.capacity} queued>"
