"""Supervisor: one per process (or more; they share nothing). From user and key to the one manager."""

from __future__ import annotations

import inspect
from contextvars import Context
from typing import Any, TypeVar

import attrs
import trio

from actors import ActorRef, ExitReason, State

from ._cleanup import anything_to_remove, resumable_until
from ._counts import Counts
from ._errors import SupervisorClosed
from ._events import LimitChanged, SettingsChanged, ShutdownHeld
from ._handlers import HandlerNursery
from ._quota import LocalQuota, Quota
from ._report import CleanupReport, Explanation, Snapshot, Stage, Trigger, UserSnapshot
from ._settings import Change, Settings, diff
from ._spawn import Obtained
from ._spec import ChildSpec, Limit, SupervisorSpec
from ._stream import DEFAULT_CAPACITY, Events, Subscription
from ._sweep import Sweep, clean_up_all, joined
from ._sweeper import LagMeter, Pace, sweep_for_ever
from ._table import Services
from ._user import UserSupervisor

M = TypeVar("M")

# These are built into what runs: threads, and slots that were given back already.
FIXED = frozenset(
    f"supervisor.{name}" for name in ("watchdog", "dead_man", "condemned_allowance", "threads_per_user")
)

# A full process that was swept less than this ago, in seconds, is not swept again for each newcomer.
SWEEPS_APART = 0.1


class Supervisor:
    """Obtains, finds and ends the managers of all users. Made by `open_supervisor`.

    Guaranteed: at most `limit` slots of a user are held at any instant; the same user and key is
    the same manager; a refusal comes after cleanup, with the evidence on every slot holder.
    Not guaranteed: that an actor which ignores cancellation ends. It is condemned: told, bounded,
    watched, and in nobody's way.
    """

    def __init__(
        self,
        root: trio.Nursery,
        handler_nursery: HandlerNursery,
        events: Events,
        *,
        limit: Limit,
        spec: SupervisorSpec,
        quota: Quota,
    ) -> None:
        self.handler_nursery = handler_nursery
        """Pass it to trio-websocket, or to `serve_websocket`: a crash of one handler stays there."""
        self._root = root
        self._limit = limit
        self._limits: dict[str, int] = {}
        self._users: dict[str, UserSupervisor] = {}
        self._lag_meter = LagMeter(events)
        self._accepting = True
        self._making_room: _MakingRoom | None = None
        self._services = Services(spec, events, quota, self._lag_meter.read, self._make_room, self._reclaim)
        self._sweep = Sweep(self._services, lambda: list(self._users.values()))
        self._pace = Pace(spec, self._services.jitter)

    def __repr__(self) -> str:
        held = sum(user.table.held for user in self._users.values())
        return f"<Supervisor {len(self._users)} users, {held} slots held>"

    # Obtaining

    async def get_or_spawn(self, user: str, key: str, spec: ChildSpec[M]) -> Obtained[M]:
        """The one manager of `user` under `key`: the one that lives, or a new one.

        Room is made before anybody is refused: a stuck predecessor under the key is taken over,
        then garbage goes, then who is past his budget. User and key are exact strings. A manager
        that is found is returned without yielding; attach to it before you wait for anything.

        Worst case: twice the `admission_deadline`, plus the longest `cancel_grace` (and the
        `cleanup_grace` of one that is in its `on_stop`), plus `slot_wait`; those graces again for
        each time that a slot holder turns out to be stuck only meanwhile; under a key whose last
        manager is stopping, plus what is left of its `stop_grace`; and the new actor's own
        `on_start`, for as long as its `start_grace`.

        Cancellation: either the manager runs and you would have had it, or it never was.

        Raises:
          SpawnRefused: every slot is held by an actor that is alive, newborn, or being removed.
          SpawnFailed: the new actor ended before it was running.
          SupervisorClosed: this supervisor is shutting down.
        """
        _check_request(user, key, spec)
        here = self._users.get(user)
        found = here.find(key) if here is not None else None
        if found is not None:
            return found
        limit = await self._limit_of(user)
        if not self._accepting:
            raise SupervisorClosed
        here = self._users.get(user) or self._open_user(user)
        here.set_limit(limit)
        return await here.get_or_spawn(key, spec)

    def lookup(self, user: str, key: str) -> ActorRef[Any] | None:
        """The ref of the manager that lives there, or None. A dying one is never handed out."""
        here = self._users.get(user)
        child = here.table.under(key) if here is not None else None
        return child.ref if child is not None and child.state is State.RUNNING else None

    # Ending and cleaning

    async def stop_user(self, user: str, detail: str = "") -> None:
        """Stop all managers of a user, and wait until each is gone or condemned.

        Cancellation: they stop all the same.
        """
        here = self._users.get(user)
        if here is not None:
            await here.stop_all(ExitReason.STOPPED, detail)

    async def cleanup(
        self, user: str | None = None, *, until: Stage = Stage.LIVENESS, dry_run: bool = False
    ) -> CleanupReport:
        """Remove whom the evidence speaks against, for one user or for all; report each by name.

        Works whatever the sweeper does. A dry run probes and touches nobody.
        Cancellation: what was begun goes on.
        """
        if user is None:
            users = list(self._users.values())
        else:
            users = [here] if (here := self._users.get(user)) is not None else []
        if dry_run:
            return joined(user, [here.dry_run(until) for here in users], dry_run=True)
        return joined(user, await clean_up_all(users, Trigger.REQUEST, until=until, bound=None))

    def set_limit(self, limit: Limit, *, user: str | None = None) -> None:
        """Change the limit of one user (a number), or of all that have none of their own.

        Raising it admits those that wait at once (from a function: as soon as it has answered;
        a HandlerFailed event tells of one that raises); lowering it ends nobody.
        """
        events = self._services.events
        if callable(limit):
            if user is not None:
                raise TypeError(f"the limit of one user, {user!r}, is a number, not a function")
            self._limit = limit
            for here in list(self._users.values()):
                name = f"limit of {here.user!r}"
                self.handler_nursery.start_soon(self._apply_limit_function, here, name=name)
            return
        check_limit(limit, user)
        if user is None:
            self._limit = limit
        else:
            self._limits[user] = limit
        events.emit(LimitChanged(events.stamp(), user, limit))
        for here in list(self._users.values()):
            if user in (None, here.user):
                here.set_limit(self._limits.get(here.user, limit))

    def configure(self, settings: Settings) -> tuple[Change, ...]:
        """Take new settings while it runs: limits, periods, waits, and whether cleanup probes.

        They hold from now on; nobody is ended by them. What changed is given back, and told by a
        SettingsChanged event (and by a LimitChanged one). Health policies are the child specs': those
        here are for the managers that you make from now on.

        Raises ValueError, before anything has changed: an option is fixed once a supervisor is open.
        """
        limit = settings.limit if callable(self._limit) else self._limit
        before = Settings(limit=limit, supervisor=self.spec, health=settings.health)
        changes = diff(before, settings)
        fixed = [change.option for change in changes if change.option in FIXED]
        if fixed:
            raise ValueError(f"{', '.join(fixed)}: fixed since open_supervisor; start a new process")
        services = self._services
        services.spec = settings.supervisor
        self._pace.change(settings.supervisor)
        if isinstance(services.quota, LocalQuota):
            services.quota.limit = settings.supervisor.process_limit
        if changes:
            words = tuple(map(str, changes))
            services.events.emit(SettingsChanged(services.events.stamp(), settings.supervisor, words))
        if self._limit != settings.limit:
            self.set_limit(settings.limit)
        return changes

    async def _apply_limit_function(self, here: UserSupervisor) -> None:
        here.set_limit(await self._limit_of(here.user))

    async def _limit_of(self, user: str) -> int:
        """The limit as it stands now, also if it was changed while a function thought about it."""
        while True:
            asked = self._limits.get(user, self._limit)
            answer = asked(user) if callable(asked) else asked
            limit = await answer if inspect.isawaitable(answer) else answer
            check_limit(limit, user)
            if self._limits.get(user, self._limit) is asked:
                return limit

    # Insight

    @property
    def spec(self) -> SupervisorSpec:
        """How it behaves."""
        return self._services.spec

    @property
    def limit(self) -> Limit:
        """The limit of every user that has none of his own, as it stands now."""
        return self._limit

    def explain(self, user: str) -> Explanation:
        """Who holds the user's slots, the verdict on each, and what one more spawn would meet.

        A dry run of an admission, from passive evidence alone. A user of whom nothing is here has
        no holders, perhaps threads, and the limit last known (0 where only a function knows it).
        """
        here = self._users.get(user)
        if here is not None:
            return here.explain()
        limit = self._limits.get(user, self._limit)
        nothing = CleanupReport(user, (), dry_run=True)
        threads = self._services.threads_of(user).busy
        return Explanation(user, 0 if callable(limit) else limit, (), (), 0, 0, threads, nothing)

    def snapshot(self) -> Snapshot:
        """How everybody stands now, those included of whom nothing but a thread is left."""
        users = dict.fromkeys((*self._users, *self._services.occupy_threads))
        return Snapshot(trio.current_time(), tuple(_snapshot_of(self.explain(user)) for user in users))

    def counts(self) -> Counts:
        """What has happened so far, in numbers, and how many are here; some microseconds, whoever is here.

        Every number equals its recount from the events. What you get is immutable, also for other
        threads; called in another thread, one number may be an event ahead of its neighbour.
        """
        return self._services.events.tally.counts()

    @property
    def users_at_limit(self) -> tuple[str, ...]:
        """The users who hold as many slots as they may, whoever reached it first being first."""
        return self._services.events.tally.users_at_limit

    def events(self, *, capacity: int = DEFAULT_CAPACITY) -> Subscription:
        """Subscribe to all that happens from now on. Use it in a `with`, or `close()` it."""
        return self._services.events.subscribe(capacity)

    # The runtime's side

    def _open_user(self, user: str) -> UserSupervisor:
        here = self._users[user] = UserSupervisor(user, self._services, self._retire)
        name = f"user {user!r}"
        Context().run(lambda: self._root.start_soon(here.home.run, name=name))
        return here

    def _retire(self, here: UserSupervisor) -> None:
        del self._users[here.user]

    async def _make_room(self) -> None:
        """The process is full: clean up after everybody, once for all that found it so."""
        if self._making_room is None or self._making_room.is_stale():
            making = self._making_room = _MakingRoom()

            async def make() -> None:
                try:
                    await self._sweep.clean(bound=self._services.spec.admission_deadline)
                finally:
                    making.finish()

            self.handler_nursery.start_soon(make, name="making room in a full process")
        await self._making_room.done.wait()

    async def _reclaim(self) -> bool:
        bound = self._services.spec.admission_deadline
        convicted = [here for here in self._users.values() if anything_to_remove(here.table)]
        if convicted:  # by evidence that came in since the last cleanup
            await clean_up_all(convicted, Trigger.FULL_PROCESS, until=Stage.LIVENESS, bound=bound, ask=False)
            return True
        gone = [
            (at, here) for here in self._users.values() if (at := resumable_until(here.table)) is not None
        ]
        if not gone:
            return False
        _, here = min(gone, key=lambda found: found[0])
        await here.clean_up(Stage.GARBAGE, Trigger.FULL_PROCESS, needed=1, bound=bound)
        return True

    async def serve(self) -> None:
        """Run the background; called by `open_supervisor` before anybody can spawn."""
        services = self._services
        self._root.start_soon(self._lag_meter.beat_for_ever)
        await self._root.start(sweep_for_ever, self._sweep.run, self._pace, services.events)

    async def shut_down(self) -> None:
        """Start nothing new, stop everybody, each within its graces, and say who cannot be ended."""
        self._accepting = False
        async with trio.open_nursery() as nursery:
            for here in list(self._users.values()):
                nursery.start_soon(here.stop_all, ExitReason.SHUTDOWN, "the supervisor ends")
        condemned = [c for here in self._users.values() for c in here.table.condemned]
        if condemned:
            stuck = tuple(f"{c.cell.name}: {' > '.join(c.stack())}" for c in condemned)
            events = self._services.events
            events.emit(ShutdownHeld(events.stamp(), stuck))


@attrs.define(eq=False)
class _MakingRoom:
    """One cleanup of a full process, shared by all that wait for it."""

    done: trio.Event = attrs.field(factory=trio.Event)
    _finished_at: float | None = None

    def finish(self) -> None:
        self._finished_at = trio.current_time()
        self.done.set()

    def is_stale(self) -> bool:
        return self._finished_at is not None and trio.current_time() - self._finished_at > SWEEPS_APART


def _snapshot_of(stands: Explanation) -> UserSnapshot:
    return UserSnapshot(
        stands.user,
        stands.limit,
        stands.slots_held,
        stands.waiting,
        stands.threads,
        managers=stands.holders,
        condemned=stands.condemned,
    )


def _check_request(user: object, key: object, spec: object) -> None:
    for what, value in (("user", user), ("key", key)):
        if not isinstance(value, str):
            raise TypeError(f"{what} must be a str, exactly as it is to be compared, not {value!r}")
    if not isinstance(spec, ChildSpec):
        raise TypeError(f"spec must be a ChildSpec, not {spec!r}: write ChildSpec(YourActor)")


def check_limit(limit: object, user: str | None) -> None:
    """Raise ValueError unless it is a number of slots."""
    if not isinstance(limit, int) or limit < 0:
        whose = "the limit" if user is None else f"the limit of {user!r}"
        raise ValueError(f"{whose} must be a whole number of slots, 0 or more, not {limit!r}")
