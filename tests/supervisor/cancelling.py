"""One call in one situation: made, never made, or cancelled at one moment; and how things stand after."""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable, Generator, Iterable
from contextlib import contextmanager

import attrs
import trio

from supervisor import (
    ActorEvent,
    Backend,
    Condemned,
    Event,
    EventsLost,
    Explanation,
    Holder,
    Limit,
    Refused,
    Started,
    Supervisor,
    SupervisorSpec,
    Terminal,
    open_supervisor,
)
from supervisor.testing import check_events, check_tree, run

from .test_cancelled_callers import CancelAt

# All that a situation has in store is over by then, in seconds after the call.
SETTLED = 25.0

CANCELLED = "cancelled"


@attrs.define(eq=False)
class CancelParked(CancelAt):
    """Cancels when the task has just parked for the k-th time: it is taken out of its wait."""

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        pass

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        super().before_task_step(task)


@attrs.define(eq=False)
class CancelAmid(CancelAt):
    """Cancels when anybody at all is about to take the k-th step since the call."""

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        super().before_task_step(self.task)


class Left(enum.Enum):
    """What a cancelled call may leave behind: all is as if ..."""

    NEVER = "it had never been made"
    MADE = "it had been made"
    CLEANED = "a cleanup had been asked for in its place"


@attrs.frozen(eq=False)
class World:
    """What is around the call. `seen` is what those beside the caller got."""

    supervisor: Supervisor
    nursery: trio.Nursery
    seen: dict[str, object] = attrs.field(init=False, factory=dict[str, object])
    release: trio.Event = attrs.field(init=False, factory=trio.Event)
    """Lets go of those that ignore cancellation."""

    def after(self, seconds: float, function: Callable[[], object]) -> None:
        """Have something done meanwhile."""

        async def later() -> None:
            await trio.sleep(seconds)
            function()

        self.nursery.start_soon(later)

    def beside(self, name: str, seconds: float, call: Callable[[], Awaitable[object]]) -> None:
        """Have somebody else call meanwhile, and note what he gets."""

        async def later() -> None:
            await trio.sleep(seconds)
            self.seen[name] = await outcome_of(call)

        self.nursery.start_soon(later)


@attrs.frozen(eq=False)
class Call:
    make: Callable[[], Awaitable[object]]
    look: Callable[[], Awaitable[object]]
    """What it may have changed beyond the tables, and what the next caller gets."""
    clean: Callable[[], Awaitable[object]] | None = None
    """The cleanup that the call comes down to, when it is cancelled half way."""


@attrs.frozen(eq=False)
class Case:
    """A situation with one call in it, and what may be left of the call when it is cancelled."""

    prepare: Callable[[World], Awaitable[Call]]
    leaves: tuple[Left, ...] = (Left.NEVER,)
    amid: tuple[Left, ...] = ()
    """What besides, when the cancellation comes in the instant of the answer: the answer may still come."""
    limit: Limit = 2
    spec: SupervisorSpec = attrs.field(factory=SupervisorSpec)
    cluster: Callable[[], Backend] | None = None


@attrs.frozen
class Ended:
    """One run: what the caller got, and how things stood long after."""

    outcome: object
    tables: object
    rest: object
    struck: bool
    began: float
    over: float
    """When, on Trio's clock, he began and was through."""

    @property
    def stands(self) -> tuple[object, object]:
        return self.tables, self.rest


# How the caller goes about his call; gives what he got, and whether the cancellation came in time.
Way = Callable[[Call], Awaitable[tuple[object, bool]]]


async def outcome_of(call: Callable[[], Awaitable[object]]) -> object:
    """What it returned, or the kind of error that it raised."""
    try:
        return await call()
    except Exception as error:  # noqa: BLE001  # an outcome like any other
        return type(error).__name__


async def makes_it(call: Call) -> tuple[object, bool]:
    return await outcome_of(call.make), False


async def never_makes_it(_: Call) -> tuple[object, bool]:
    return CANCELLED, False


async def only_cleans(call: Call) -> tuple[object, bool]:
    assert call.clean is not None
    await call.clean()
    return CANCELLED, False


def at_step(kind: type[CancelAt], step: int, *, again: bool = False) -> Way:
    """Is cancelled at a step; at step 0 before the call. Perhaps he comes again at once."""

    async def way(call: Call) -> tuple[object, bool]:
        got: object = CANCELLED
        with trio.CancelScope() as scope, _instrument(kind, scope, step):
            if not step:
                scope.cancel()
            got = await outcome_of(call.make)
        struck = scope.cancel_called
        return (await outcome_of(call.make) if again and got is CANCELLED else got), struck

    return way


def at_time(deadline: float) -> Way:
    """Is cancelled by a deadline, on Trio's clock."""

    async def way(call: Call) -> tuple[object, bool]:
        got: object = CANCELLED
        with trio.move_on_at(deadline) as scope:
            got = await outcome_of(call.make)
        return got, scope.cancel_called

    return way


@contextmanager
def _instrument(kind: type[CancelAt], scope: trio.CancelScope, step: int) -> Generator[None]:
    instrument = kind(scope, trio.lowlevel.current_task(), step)
    trio.lowlevel.add_instrument(instrument)
    try:
        yield
    finally:
        trio.lowlevel.remove_instrument(instrument)


def enact(case: Case, seed: int, way: Way) -> Ended:
    """One run, judged by the library's own checks, up to the end of the supervisor's block."""
    return run(_enact, case, way, seed=seed)


async def _enact(case: Case, way: Way) -> Ended:
    events: list[Event | EventsLost] = []
    cluster = case.cluster() if case.cluster is not None else None
    async with open_supervisor(case.limit, spec=case.spec, cluster=cluster) as supervisor:
        log = supervisor.events(capacity=1_000_000)
        async with trio.open_nursery() as nursery:
            world = World(supervisor, nursery)
            call = await case.prepare(world)
            began = trio.current_time()
            outcome, struck = await way(call)
            over = trio.current_time()
            assert check_tree(supervisor) == ()
            await trio.sleep_until(began + SETTLED)
            assert check_tree(supervisor) == ()
            events += log.drain()
            tables = _tables(supervisor)
            rest = (_history(events), await call.look(), world.seen)
            world.release.set()
            nursery.cancel_scope.cancel()
    events += log.drain()
    limit = None if callable(case.limit) else case.limit
    assert check_events(events, spec=case.spec, limit=limit) == ()
    return Ended(outcome, tables, rest, struck, began, over)


def _tables(supervisor: Supervisor) -> object:
    """How everybody stands, but for times and numbers that merely count up."""
    return [_user(supervisor.explain(user.user)) for user in supervisor.snapshot().users]


def _user(stands: Explanation) -> object:
    who = [[_holder(holder) for holder in holders] for holders in (stands.holders, stands.condemned)]
    counts = (stands.limit, stands.slots_held, stands.waiting, stands.threads, stands.would_admit)
    return (stands.user, *counts, *who, str(stands.dry_run))


def _holder(holder: Holder) -> object:
    return (holder.key, holder.verdict.health, holder.connections, holder.phase)


def _history(log: Iterable[Event | EventsLost]) -> object:
    """What happened to each user, but for the spawns that came to nothing because nobody waited any more."""
    events = [event for event in log if isinstance(event, ActorEvent | Refused)]
    ends = {event.incarnation: event.exit for event in events if isinstance(event, Terminal)}
    lived = {event.incarnation for event in events if isinstance(event, Started)}
    condemned = {event.incarnation for event in events if isinstance(event, Condemned)}
    unwanted = {who for who, end in ends.items() if end.detail == _UNWANTED} - lived - condemned
    history: dict[str, list[object]] = {}
    for event in events:
        if isinstance(event, Refused) or event.incarnation not in unwanted:
            history.setdefault(event.user, []).append((type(event).__name__, event.key, *_how(event)))
    return history


_UNWANTED = "nobody waited for it any more"


def _how(event: Event) -> tuple[object, ...]:
    return (event.exit.reason, event.was_condemned) if isinstance(event, Terminal) else ()
