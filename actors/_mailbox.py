"""A bounded queue with two lanes: control outranks user mail, and is never held up by it.

Every message passes through here, so the common way is a few lines without a call; whatever is rare
(the first message, a full mailbox, a closed one) is looked at only where there is no room.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable

import attrs
import outcome
import trio

# Enough for a burst of chat, small enough that back-pressure is felt within a second.
DEFAULT_CAPACITY = 64


@attrs.frozen
class MailboxStatistics:
    """A snapshot of one mailbox."""

    queued: int
    capacity: int
    senders_waiting: int


@attrs.define(eq=False, repr=False)
class Envelope:
    """One request under way. Its asker parks here until it is answered, and is woken with it.

    What is told lies in the mailbox as it is: nobody waits for its answer. An answer that comes
    after the asker went away vanishes.
    """

    message: object
    asker: trio.lowlevel.Task | None = attrs.field(init=False, default=None)
    """Who is parked, with `leave` for his cancellation, and must be woken. None: not yet, or no more."""
    _answer: object = attrs.field(init=False, default=None)
    _error: Exception | None = attrs.field(init=False, default=None)
    _awaited: bool = attrs.field(init=False, default=True)

    def awaited(self) -> bool:
        """Is the answer still to come, and wanted?"""
        return self._awaited

    def answer(self, answer: object, error: Exception | None = None) -> None:
        """What comes of it: the answer, or an error."""
        if not self._awaited:
            return
        self._awaited = False
        self._answer, self._error = answer, error
        if self.asker is not None:
            # All that Trio does with an outcome is to unwrap it: one object less for each request.
            trio.lowlevel.reschedule(self.asker, self)  # type: ignore[arg-type]
            self.asker = None

    def unwrap(self) -> object:
        """The answer, once; its error is raised. As an `outcome.Outcome` does it, keeping no circle alive."""
        if self._error is None:
            return self._answer
        error, self._error = self._error, None
        try:
            raise error
        finally:
            del error

    async def wait(self) -> object:
        """Wait for the answer, which may be there."""
        if not self._awaited:
            await trio.lowlevel.checkpoint()
            return self.unwrap()
        self.asker = trio.lowlevel.current_task()
        return await trio.lowlevel.wait_task_rescheduled(self.leave)

    def leave(self, _: object) -> trio.lowlevel.Abort:
        """The asker was cancelled while it was parked."""
        self.asker = None
        self.abandon()
        return trio.lowlevel.Abort.SUCCEEDED

    def abandon(self) -> None:
        """The asker goes away."""
        self._awaited = False


@attrs.define(eq=False, repr=False)
class Probe:
    """A control message: run the actor's probe hook. Done when the hook has ended, however."""

    done: trio.Event = attrs.field(factory=trio.Event)


class Closed(Exception):
    """The mailbox takes nothing any more; the ref turns this into an error with facts."""


# What a mailbox holds before its first message, which most of the idle never got: nothing is ever put in.
_NOTHING_YET: deque[object] = deque(maxlen=0)


@attrs.define(eq=False, repr=False)
class Mailbox:
    """What waits for one actor. One receiver; any number of senders, served in order of arrival.

    Invariant: senders wait only while the user lane is full, so nobody overtakes them.
    """

    capacity: int
    accepted: int = attrs.field(init=False, default=0)
    """How many user messages ever got in."""
    user: deque[object] = attrs.field(init=False, default=_NOTHING_YET)
    """The user lane, in order: messages as they were told, and envelopes. Only the receiver takes."""
    probe: Probe | None = attrs.field(init=False, default=None)
    """The control lane, the runtime's own mail: at most one probe waits at a time."""
    senders: OrderedDict[trio.lowlevel.Task, object] | None = attrs.field(init=False, default=None)
    """Those that wait for room, each with its message; None: nobody does."""
    room: int = attrs.field(init=False, default=0)
    """How many the user lane takes; 0 before its first message, and when the mailbox is closed."""
    receiver: trio.lowlevel.Task | None = attrs.field(init=False, default=None)
    """Who is parked here, and must be woken; None: nobody is."""
    _closed: bool = attrs.field(init=False, default=False)

    def put_nowait(self, item: object) -> bool:
        """Take the message, or the envelope, if there is room, and say whether there was."""
        user = self.user
        if len(user) >= self.room:
            return self._open() and self.put_nowait(item)
        user.append(item)
        self.accepted += 1
        if self.receiver is not None:
            self.wake()
        return True

    def _open(self) -> bool:
        """There is no room: closed, full, or only never used so far? Then there is now."""
        if self._closed:
            raise Closed
        if self.user is not _NOTHING_YET:
            return False
        self.user, self.room = deque[object](), self.capacity
        return True

    async def put_blocked(self, item: object) -> None:
        """Wait behind the other senders until the message, or the envelope, is in.

        Cancellation: it was not sent.
        """
        task = trio.lowlevel.current_task()
        senders = self.senders = (
            OrderedDict[trio.lowlevel.Task, object]() if self.senders is None else self.senders
        )
        senders[task] = item

        def abort(_: object) -> trio.lowlevel.Abort:
            del senders[task]
            self._note_senders()
            if type(item) is Envelope:
                item.abandon()
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(abort)

    def is_blocked(self, task: trio.lowlevel.Task) -> bool:
        """Does this sender still wait for room?"""
        return self.senders is not None and task in self.senders

    def put_probe(self) -> Probe:
        """Queue a probe in the control lane; one that still waits there is shared."""
        if self.probe is None:
            self.probe = Probe()
            self.wake()
        return self.probe

    def take_probe(self) -> Probe:
        """The one that waits."""
        probe, self.probe = self.probe, None
        assert probe is not None
        return probe

    def take(self) -> object:
        """The next user message, or envelope: there is one. Its place goes to the first who waits."""
        item = self.user.popleft()
        if self.senders is not None:
            task, waiting = self.senders.popitem(last=False)
            self._note_senders()
            self.user.append(waiting)
            self.accepted += 1
            trio.lowlevel.reschedule(task)
        return item

    def _note_senders(self) -> None:
        self.senders = self.senders or None

    def park(self, receiver: trio.lowlevel.Task) -> Callable[[object], trio.lowlevel.Abort]:
        """The receiver is about to wait, until either lane has something or somebody calls `wake`.

        What to do if it is cancelled meanwhile is returned, for `wait_task_rescheduled`.
        """
        assert self.receiver is None
        self.receiver = receiver
        return self._leave

    def _leave(self, _: object) -> trio.lowlevel.Abort:
        self.receiver = None
        return trio.lowlevel.Abort.SUCCEEDED

    def wake(self) -> None:
        if self.receiver is not None:
            trio.lowlevel.reschedule(self.receiver)
            self.receiver = None

    def close(self) -> None:
        """Take nothing new; senders that wait are told so. What is queued stays."""
        self._closed, self.room = True, 0
        for task in self.senders or ():
            trio.lowlevel.reschedule(task, outcome.Error(Closed()))
        self.senders = None
        self.wake()

    def clear(self) -> list[object]:
        """Give back all that is queued; a probe ends unanswered."""
        if self.probe is not None:
            self.take_probe().done.set()
        left = list(self.user)
        self.user.clear()
        return left

    def __len__(self) -> int:
        return len(self.user)

    def statistics(self) -> MailboxStatistics:
        return MailboxStatistics(
            queued=len(self.user), capacity=self.capacity, senders_waiting=len(self.senders or ())
        )
