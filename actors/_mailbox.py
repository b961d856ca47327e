"""A bounded queue with two lanes: control outranks user mail, and is never held up by it."""

from __future__ import annotations

from collections import OrderedDict, deque

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


@attrs.define(eq=False)
class Reply:
    """Where the answer to one request arrives; its asker parks here.

    An answer that comes after the asker went away vanishes.
    """

    _task: trio.lowlevel.Task | None = None
    _result: outcome.Outcome[object] | None = None
    _awaited: bool = True

    def awaited(self) -> bool:
        """Is the answer still to come, and wanted?"""
        return self._awaited

    def set(self, result: outcome.Outcome[object]) -> None:
        if not self._awaited:
            return
        self._awaited = False
        self._result = result
        if self._task is not None:
            trio.lowlevel.reschedule(self._task, result)
            self._task = None

    async def wait(self) -> object:
        """Park until the answer is there. Cancellation: the answer, if it still comes, vanishes."""
        if self._result is not None:
            await trio.lowlevel.checkpoint()
            return self._result.unwrap()
        self._task = trio.lowlevel.current_task()

        def abort(_: object) -> trio.lowlevel.Abort:
            self._task = None
            self.abandon()
            return trio.lowlevel.Abort.SUCCEEDED

        return await trio.lowlevel.wait_task_rescheduled(abort)

    def abandon(self) -> None:
        """The asker goes away."""
        self._awaited = False


@attrs.frozen(eq=False)
class Envelope:
    """One message under way, and whom to answer."""

    message: object
    reply: Reply | None = None


@attrs.define(eq=False)
class Probe:
    """A control message: run the actor's probe hook. Done when the hook has ended, however."""

    done: trio.Event = attrs.field(factory=trio.Event)


class Closed(Exception):
    """The mailbox takes nothing any more; the ref turns this into an error with facts."""


@attrs.define(eq=False)
class Mailbox:
    """What waits for one actor. One receiver; any number of senders, served in order of arrival.

    Invariant: senders wait only while the user lane is full, so nobody overtakes them.
    """

    capacity: int
    accepted: int = attrs.field(init=False, default=0)
    """How many user messages ever got in."""
    _user: deque[Envelope] = attrs.field(init=False, factory=deque[Envelope])
    _control: deque[Probe] = attrs.field(init=False, factory=deque[Probe])
    """The runtime's own mail: at most one probe waits at a time."""
    _senders: OrderedDict[trio.lowlevel.Task, Envelope] = attrs.field(
        init=False, factory=OrderedDict[trio.lowlevel.Task, Envelope]
    )
    _receiver: trio.lowlevel.Task | None = attrs.field(init=False, default=None)
    _closed: bool = attrs.field(init=False, default=False)

    def put_nowait(self, envelope: Envelope) -> bool:
        """Take the envelope if there is room, and say whether there was."""
        if self._closed:
            raise Closed
        if len(self._user) >= self.capacity:
            return False
        self._user.append(envelope)
        self.accepted += 1
        self.wake()
        return True

    async def put_blocked(self, envelope: Envelope) -> None:
        """Wait behind the other senders until the envelope is in.

        Cancellation: the envelope was not sent.
        """
        task = trio.lowlevel.current_task()
        self._senders[task] = envelope

        def abort(_: object) -> trio.lowlevel.Abort:
            del self._senders[task]
            if envelope.reply is not None:
                envelope.reply.abandon()
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(abort)

    def is_blocked(self, task: trio.lowlevel.Task) -> bool:
        """Does this sender still wait for room?"""
        return task in self._senders

    def put_probe(self) -> Probe:
        """Queue a probe in the control lane; one that still waits there is shared."""
        if not self._control:
            self._control.append(Probe())
            self.wake()
        return self._control[0]

    def take_control(self) -> Probe | None:
        return self._control.popleft() if self._control else None

    def take(self) -> Envelope | None:
        """The next user message, or None; a freed place goes to the first sender that waits."""
        if not self._user:
            return None
        envelope = self._user.popleft()
        if self._senders:
            task, waiting = self._senders.popitem(last=False)
            self._user.append(waiting)
            self.accepted += 1
            trio.lowlevel.reschedule(task)
        return envelope

    async def wait_mail(self) -> None:
        """Park until either lane has something, or somebody calls `wake`."""
        assert self._receiver is None
        self._receiver = trio.lowlevel.current_task()

        def abort(_: object) -> trio.lowlevel.Abort:
            self._receiver = None
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(abort)

    def wake(self) -> None:
        if self._receiver is not None:
            trio.lowlevel.reschedule(self._receiver)
            self._receiver = None

    def close(self) -> None:
        """Take nothing new; senders that wait are told so. What is queued stays."""
        self._closed = True
        while self._senders:
            task, _ = self._senders.popitem(last=False)
            trio.lowlevel.reschedule(task, outcome.Error(Closed()))
        self.wake()

    def clear(self) -> list[Envelope]:
        """Give back all that is queued; probes end unanswered."""
        for probe in self._control:
            probe.done.set()
        self._control.clear()
        left = list(self._user)
        self._user.clear()
        return left

    def __len__(self) -> int:
        return len(self._user)

    def statistics(self) -> MailboxStatistics:
        return MailboxStatistics(
            queued=len(self._user), capacity=self.capacity, senders_waiting=len(self._senders)
        )
