"""Actor, which you write; then run_actor, which runs it."""

from __future__ import annotations

import abc
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar, TypeVarTuple, cast

import trio

from ._cell import ActorCell, Began
from ._children import Children
from ._clock import quickest_clock
from ._errors import Fenced
from ._lifecycle import Exit, Signal, State
from ._mailbox import Envelope
from ._monitor import Monitor
from ._pulse import Phase
from ._ref import ActorRef
from ._timer import Timer, check_delay

M = TypeVar("M")
R = TypeVar("R")
T = TypeVar("T")
Ts = TypeVarTuple("Ts")

# How long one actor may work through its mail before the others get a turn, in seconds.
TIME_SLICE = 0.001

# And how many messages: where Trio's clock stands still, under test, no slice is ever over.
MESSAGES_PER_SLICE = 500


class Actor(abc.ABC, Generic[M]):
    """One thing that lives: it has state of its own and handles one message at a time.

    Subclass it with the type of its messages, and write `handle`. The hooks run in the actor's
    own task, one after the other, so its state needs no lock. An exception from any of them ends
    the actor; nobody else is touched.

    Guaranteed: messages of one sender arrive in order, each at most once; `on_stop` runs exactly
    if `on_start` returned, also after a crash or a cancellation.
    Not guaranteed: that an accepted message is handled (the actor may end first; then it is
    dead-lettered, or an asker is told), or any order between senders.
    """

    __cell: ActorCell | None = None

    async def on_start(self) -> None:
        """Called first. Raising means that the actor never was."""

    @abc.abstractmethod
    async def handle(self, message: M) -> object:
        """Work on one message. The result answers an `ask`, and is dropped otherwise.

        It has the budget of the actor's spec (5 s unless said otherwise). Longer work belongs in
        a child task (`start_soon`), or calls `progress()` as it goes.
        """

    async def on_stop(self) -> None:
        """Called last. After a cancellation it runs shielded, and only for the cleanup grace."""

    async def probe(self) -> None:
        """Override it to add evidence: raise when the actor cannot do its work.

        Called between two messages, under the same budget as `handle`; raising or overrunning is
        a verdict of unresponsive, with the cause. An actor that does not override it is never
        probed: its pulse says it all.
        """

    @property
    def ref(self) -> ActorRef[M]:
        """My own ref, from `on_start` on."""
        return ActorRef(self._cell)

    def start_soon(self, function: Callable[..., Awaitable[object]], *args: object) -> None:
        """Start a child task that lives and dies with the actor. If it raises, the actor crashes."""
        cell = self._cell
        if cell.task is None:
            raise RuntimeError(f"{cell.name!r} has ended and can have no child tasks any more")
        if cell.children is None:
            _open_children(cell, cell.task)
        assert cell.children is not None
        cell.children.start_soon(_run_child, cell, function, args)

    def tell_later(self, message: T, seconds: float, *, to: ActorRef[T] | None = None) -> Timer:
        """Send it in so many seconds, to myself unless `to` somebody. The timer can be cancelled.

        It waits for room as any `tell` does, and in nobody's way. Whom it is for may have ended by then:
        then nothing happens. What an actor tells itself is work, so it keeps it from being idle.

        Raises ValueError: that is no time.
        """
        check_delay("seconds", seconds)
        return self._start_timer(Timer(to or self.ref, message, trio.current_time() + seconds, None))

    def tell_every(
        self, message: T, period: float, *, first: float | None = None, to: ActorRef[T] | None = None
    ) -> Timer:
        """Send it every `period` seconds, the first time after `first`; as `tell_later`.

        The times are fixed when it is called. One that comes round while the mailbox is still full is
        left out, so that nothing piles up.
        """
        check_delay("period", period, or_zero=False)
        first = period if first is None else first
        check_delay("first", first)
        return self._start_timer(Timer(to or self.ref, message, trio.current_time() + first, period))

    def _start_timer(self, timer: Timer) -> Timer:
        self.start_soon(timer.run)
        return timer

    def monitor(self, ref: ActorRef[Any]) -> Monitor:
        """Have a `Down` sent to me when that actor has ended, or is condemned; at once if it has.

        `Down` then belongs to the messages that `handle` knows. To wait for an end right here:
        `await ref.wait_stopped()`.

        Raises ValueError: it is myself, and nobody hears of his own end.
        """
        if ref == self.ref:
            raise ValueError(f"{ref.name!r} cannot monitor itself; `on_stop` is where its own end is told")
        monitor = Monitor(ref, self.ref)
        self.start_soon(monitor.run)
        return monitor

    async def run_blocking(self, function: Callable[[*Ts], R], *args: *Ts) -> R:
        """Run `function(*args)` in a thread, so that it blocks nobody else; give what it returns.

        The threads are the user's own, over all of his managers: when as many run as
        `threads_per_user` of the supervisor's spec allows, this fails at once instead of waiting.

        The function runs in a copy of the caller's context and, as any thread, beside the actor:
        hand it what it needs, and let it return what it found. The budget of `handle` goes on
        counting meanwhile. In the thread `progress()` raises RuntimeError; a long function says
        `trio.from_thread.run_sync(actor.progress)`, and the ceiling holds as ever.

        Cancellation: the caller goes on at once. The thread cannot be stopped: it runs to its
        end, its result or error is dropped, and till then it counts. It ends sooner if it calls
        `trio.from_thread.check_cancelled()` now and then.

        Raises:
          Exception: whatever the function raises.
          TooManyThreads: all threads of the user are occupied; nothing was started.
          Fenced: you are condemned.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        cell = self._cell
        if cell.pulse.state is State.CONDEMNED:
            raise Fenced(cell.name)
        return await cell.threads.run(cell.name, function, *args)

    def progress(self) -> None:
        """Say that the current `handle` gets on: renews its budget, up to the spec's ceiling."""
        self._cell.pulse.progress(trio.current_time())

    def stop(self) -> None:
        """End after the mail that is there."""
        self.ref.stop()

    def bind(self, cell: ActorCell) -> None:
        """Called by the runtime before anything else. Override only to add evidence, call super."""
        self.__cell = cell
        cell.pulse.has_probe = type(self).probe is not _NO_PROBE

    @property
    def _cell(self) -> ActorCell:
        if self.__cell is None:
            raise RuntimeError(
                f"{type(self).__name__} does not run yet: spawn it with a supervisor (or "
                "`run_actor`) and do this in `on_start` or later, not in `__init__`"
            )
        return self.__cell


# The hooks that do nothing, looked up once.
_NO_PROBE: object = Actor[Any].probe
_NO_ON_STOP: object = Actor[Any].on_stop


async def run_actor(factory: Callable[[], Actor[M]], cell: ActorCell) -> Exit:
    """Run one actor from its making to its end, in this task, and say how it ended.

    Its child tasks run beside this task, in the same nursery. All have ended when it returns.

    Cancellation: the actor ends with reason CANCELLED; `on_stop` still has its cleanup grace.
    This is where a crash becomes a value. As with asyncio's tasks, only what is meant for the
    whole program leaves: KeyboardInterrupt and SystemExit (and Trio's own Cancelled).
    """
    if not cell.may_begin:
        cell.ended()
        return cell.exit_due
    cell.task = trio.lowlevel.current_task()
    clock, cell.pulse.ahead = quickest_clock()
    try:
        with cell.scope:
            actor = await _start(factory, cell)
            try:
                while await _work(actor, cell, clock):
                    await trio.lowlevel.wait_task_rescheduled(cell.mailbox.park(cell.task))
            except BaseException as error:  # noqa: ASYNC103, BLE001  # split at once: `on_stop` finds it crashed
                _take_crash(cell, error)
            finally:
                await _clean_up(actor, cell)  # noqa: ASYNC102  # it bounds itself
    except BaseException as error:  # noqa: ASYNC103, BLE001  # split at once: what is not for it alone goes on
        _take_crash(cell, error)
    finally:
        cell.leave_context()
        if cell.children is not None:
            await cell.children.end()  # noqa: ASYNC102  # they are cancelled
            cell.children = None
        cell.ended()
    return cell.exit_due


async def _start(factory: Callable[[], Actor[M]], cell: ActorCell) -> Actor[M]:
    """Make it, and have it begin."""
    cell.pulse.enter(Phase.ON_START, trio.current_time())
    cell.enter_context()
    actor = factory()
    if not isinstance(actor, Actor):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"the factory must make an Actor, not {actor!r}")
    actor.bind(cell)
    await actor.on_start()
    cell.leave_context()
    cell.pulse.signal(Signal.STARTED)
    cell.observe(Began())
    return actor


def _take_crash(cell: ActorCell, error: BaseException) -> None:
    """The one boundary at which an error of the user's code turns into an Exit; the rest goes on."""
    crash, rest = _part(error, _is_crash), _part(error, _goes_on)
    if crash is not None:
        cell.crashed(crash)
    if rest is error:
        raise  # noqa: PLE0704  # called where it was caught
    if rest is not None:
        raise rest from None


def _is_crash(error: BaseException) -> bool:
    """Does it end the actor because its own code raised?"""
    return not isinstance(error, trio.Cancelled | GeneratorExit)


def _goes_on(error: BaseException) -> bool:
    """Is it meant for the whole program, or for Trio? One actor must not keep it."""
    return isinstance(error, trio.Cancelled | GeneratorExit | KeyboardInterrupt | SystemExit)


def _part(error: BaseException, wanted: Callable[[BaseException], bool]) -> BaseException | None:
    """What of an error, which may be a group, is `wanted`."""
    if not isinstance(error, BaseExceptionGroup):
        return error if wanted(error) else None
    group = cast("BaseExceptionGroup[BaseException]", error)
    part, rest = group.split(lambda each: not isinstance(each, BaseExceptionGroup) and wanted(each))
    return group if rest is None else part


def _open_children(cell: ActorCell, task: trio.lowlevel.Task) -> None:
    """Beside the actor's own task: there a nursery can be opened at any moment."""
    assert task.parent_nursery is not None
    cell.children = Children()
    if cell.pulse.stop_by is not None:
        cell.children.scope.deadline = cell.pulse.stop_by
    if cell.pulse.cancelled_at is not None:
        cell.children.scope.cancel()
    task.parent_nursery.start_soon(cell.children.run, name=f"child tasks of {cell.name}")


async def _run_child(
    cell: ActorCell, function: Callable[..., Awaitable[object]], args: tuple[object, ...]
) -> None:
    try:
        await function(*args)
    except BaseException as error:  # noqa: ASYNC103, BLE001  # split at once, as above
        _take_crash(cell, error)


async def _clean_up(actor: Actor[M], cell: ActorCell) -> None:
    """Run `on_stop`: within the stop grace, or, after a cancellation, shielded and briefly."""
    cell.pulse.enter(Phase.ON_STOP, trio.current_time())
    if type(actor).on_stop is _NO_ON_STOP:
        return  # there is nothing to run
    cell.enter_context()
    cancelled = trio.current_effective_deadline() <= trio.current_time()
    if cell.pulse.state is State.STOPPING and not cancelled:
        await actor.on_stop()
        return
    cell.pulse.cleanup_by = trio.current_time() + cell.cleanup_grace
    with trio.move_on_at(cell.pulse.cleanup_by) as scope:
        scope.shield = True
        await actor.on_stop()


async def _work(actor: Actor[M], cell: ActorCell, clock: Callable[[], float]) -> bool:
    """Handle mail until there is none, and say whether to wait for more; if not, it is to stop."""
    mailbox, pulse = cell.mailbox, cell.pulse
    while mailbox.user or mailbox.probe is not None:
        cell.enter_context()
        if mailbox.probe is not None:
            await _probe(actor, cell)
        else:
            await _handle_some(actor, cell, clock)
        if mailbox.user and mailbox.probe is None:
            pulse.phase, pulse.stamp = Phase.BETWEEN, clock()
            await trio.lowlevel.checkpoint()
    pulse.phase, pulse.stamp = Phase.PARKED, clock()
    return pulse.state is State.RUNNING


async def _handle_some(actor: Actor[M], cell: ActorCell, clock: Callable[[], float]) -> None:
    """Handle what waits, for one time slice at most, or until there is a probe.

    Each message costs one reading of the clock: when its handling began, which is when that of the
    one before it ended. Nobody else runs between two of them, so all the rest is stamped once.
    """
    mailbox, pulse, user = cell.mailbox, cell.pulse, cell.mailbox.user
    now = clock()
    slice_ends = now + TIME_SLICE
    pulse.phase = Phase.HANDLE
    item: object = None
    try:
        for _ in range(MESSAGES_PER_SLICE):
            item = user.popleft() if mailbox.senders is None else mailbox.take()
            pulse.stamp = now
            if type(item) is Envelope:
                cell.asked, pulse.hand = item, item.message
                answer = await actor.handle(item.message)  # type: ignore[arg-type]  # typed at the ref
                cell.asked = None
                item.answer(answer)
            else:
                pulse.hand = item
                await actor.handle(item)  # type: ignore[arg-type]  # typed at the ref
            now = clock()
            pulse.handled += 1
            if not user or now >= slice_ends or mailbox.probe is not None:
                break
    except BaseException as error:
        if _part(error, _goes_on) is None:
            cell.failed(error)
        cell.interrupted(item)
        raise
    if pulse.cancelled_at is not None:
        pulse.handled -= 1  # when it was cancelled, what was in hand was given back, and all that waited
    pulse.active_at = now + pulse.ahead
    pulse.phase, pulse.hand = Phase.BETWEEN, None


async def _probe(actor: Actor[M], cell: ActorCell) -> None:
    """Run the hook; what it raises is evidence and ends nothing by itself."""
    probe = cell.mailbox.take_probe()
    cell.pulse.enter(Phase.PROBE, trio.current_time())
    try:
        await actor.probe()
    except Exception as error:  # noqa: BLE001  # evidence, judged elsewhere
        cell.pulse.probe_failure = repr(error)
    else:
        cell.pulse.probe_failure = None
    finally:
        cell.pulse.probed_at = trio.current_time()
        probe.done.set()
