"""Supervisor: one per process (or more; they share nothing). From user and key to the one manager."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextvars import Context
from types import MappingProxyType
from typing import Any, TypeVar

import attrs
import trio

from actors import ActorRef, ExitReason, State

from ._backend import Backend
from ._counts import Counts
from ._drain import Drain
from ._errors import SupervisorClosed
from ._events import LimitChanged, SettingsChanged, ShutdownHeld
from ._eviction import EvictionPolicy
from ._fitness import Facts, Fitness, fitness
from ._handlers import HandlerNursery
from ._here import Here
from ._limits import Limits, check_limit
from ._quota import LocalQuota
from ._reaper import Reaper
from ._report import (
    CleanupReport,
    DrainReport,
    Explanation,
    Snapshot,
    Stage,
    Standing,
    Trigger,
    UserSnapshot,
)
from ._room import Room
from ._settings import Change, Settings, diff
from ._spawn import Obtained
from ._spec import ChildSpec, DrainSpec, Limit, SupervisorSpec
from ._stream import DEFAULT_CAPACITY, Events, Subscription
from ._survey import Survey, survey
from ._sweep import Sweep, clean_up_all, dry_run_all, joined
from ._sweeper import LagMeter, Pace, sweep_for_ever
from ._table import Services
from ._user import UserSupervisor

M = TypeVar("M")

# These are built into what runs: threads, and slots that were given back already.
FIXED = frozenset(
    f"supervisor.{name}"
    for name in ("watchdog", "watchdog_process", "dead_man", "condemned_allowance", "threads_per_user")
)

_USUAL_DRAIN = DrainSpec()

# What a survey may take of the event loop, as a part of it: an open console is to cost less than 2 %.
SURVEY_SHARE = 0.015


class Supervisor:
    """Obtains, finds and ends the managers of all users. Made by `open_supervisor`.

    Guaranteed: at most `limit` slots of a user are held at any instant; the same user and key is
    the same manager; a refusal comes after cleanup, with the evidence on every slot holder.
    Not guaranteed: that an actor which ignores cancellation ends. It is condemned: told, bounded,
    watched, and in nobody's way.
    """

    def __init__(  # noqa: PLR0913  # made in one place, by their names
        self,
        root: trio.Nursery,
        handler_nursery: HandlerNursery,
        events: Events,
        *,
        limit: Limit,
        spec: SupervisorSpec,
        quota: LocalQuota,
        evict: EvictionPolicy | None,
        backend: Backend | None,
    ) -> None:
        self.handler_nursery = handler_nursery
        """Pass it to trio-websocket, or to `serve_websocket`: a crash of one handler stays there."""
        self.background = HandlerNursery(root, events)
        """For tasks that live as long as the supervisor: at its end, after everybody's, they are cancelled.

        An exception in one becomes a HandlerFailed event.
        """
        self._root = root
        self._limits = Limits(limit)
        self._users: dict[str, UserSupervisor] = {}
        self._lag_meter = LagMeter(events)
        self._accepting = True
        self._services = Services(
            spec,
            events,
            quota,
            self._lag_meter.read,
            make_room=lambda: self._room.make(),  # noqa: PLW0108  # it is made below
            reclaim=lambda: self._room.reclaim(),  # noqa: PLW0108  # likewise
            evict=evict,
            backend=backend,
        )
        self._reaper = Reaper(events)
        self._sweep = Sweep(self._services, lambda: list(self._users.values()))
        self._pace = Pace(spec, self._services.jitter)
        self._room = Room(self._services, self._sweep, self._users.values, self._in_handler_nursery)

        self._drain = Drain(self._services, self._users.values, self.stop_accepting)

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
        limit = self._limits.number_of(user)
        if limit is None:
            limit = await self._limits.of(user)
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

    async def stop(self, user: str, key: str, detail: str = "") -> None:
        """Stop the manager of `user` under `key` for good, also one that is beginning anew, whatever its
        restart policy; wait until it is gone or condemned. Where there is none, nothing happens.

        Cancellation: it stops all the same.
        """
        here = self._users.get(user)
        if here is not None:
            await here.stop(key, detail)

    async def stop_user(self, user: str, detail: str = "") -> None:
        """Stop all managers of a user, and wait until each is gone or condemned.

        Cancellation: they stop all the same.
        """
        here = self._users.get(user)
        if here is not None:
            await here.stop_all(ExitReason.STOPPED, detail)

    async def drain(self, spec: DrainSpec = _USUAL_DRAIN) -> DrainReport:
        """Empty this process before its end: not ready any more, then nothing new, then stop everybody.

        Managers are stopped in batches, those without a client first, then the quiet ones; each works
        off its mail, and its clients are told, by close code 1012, when to come back. Whoever held it
        up is in the report, with where it hung. Only condemned ones are here when it returns.

        A second drain beside it that is in more of a hurry hurries both.
        Cancellation: nothing new is started all the same (after the notice), and who was asked to stop stops.
        """
        return await self._drain.run(spec)

    async def cleanup(
        self, user: str | None = None, *, until: Stage = Stage.LIVENESS, dry_run: bool = False
    ) -> CleanupReport:
        """Remove whom the evidence speaks against, for one user or for all; report each by name.

        Works whatever the sweeper does. A dry run probes and touches nobody.
        Cancellation: what was begun goes on. Raises ValueError: nobody is evicted by hand.
        """
        if until is Stage.EVICT:
            raise ValueError("until must not be Stage.EVICT: the healthy make room for newcomers only")
        if user is None:
            users = list(self._users.values())
        else:
            users = [here] if (here := self._users.get(user)) is not None else []
        if dry_run:
            return joined(user, await dry_run_all(users, until), dry_run=True)
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
            self._limits.usual = limit
            for here in list(self._users.values()):
                name = f"limit of {here.user!r}"
                self.handler_nursery.start_soon(self._apply_limit_function, here, name=name)
            return
        check_limit(limit, user)
        if user is None:
            self._limits.usual = limit
        else:
            self._limits.own[user] = limit
        events.emit(LimitChanged(events.stamp(), user, limit))
        for here in list(self._users.values()):
            if user in (None, here.user):
                here.set_limit(self._limits.own.get(here.user, limit))

    def configure(self, settings: Settings) -> tuple[Change, ...]:
        """Take new settings while it runs: limits, periods, waits, and whether cleanup probes.

        They hold from now on; nobody is ended by them. A limit that is a function stays. What changed
        is given back, and told by a SettingsChanged event (and by a LimitChanged one). Health policies
        are the child specs': those here are for the managers that you make from now on.

        Raises ValueError, before anything has changed: an option is fixed once a supervisor is open.
        """
        limit = self.limit
        usual = settings.limit if callable(limit) else limit
        before = Settings(limit=usual, supervisor=self.spec, health=settings.health)
        changes = diff(before, settings)
        fixed = [change.option for change in changes if change.option in FIXED]
        if fixed:
            raise ValueError(f"{', '.join(fixed)}: fixed since open_supervisor; start a new process")
        services = self._services
        services.spec = settings.supervisor
        self._pace.change(settings.supervisor)
        services.quota.limit = settings.supervisor.process_limit
        services.quota.fair_from = settings.supervisor.fair_from
        if changes:
            words = tuple(map(str, changes))
            services.events.emit(SettingsChanged(services.events.stamp(), settings.supervisor, words))
        if settings.limit != usual:
            self.set_limit(settings.limit)
        return changes

    async def _apply_limit_function(self, here: UserSupervisor) -> None:
        here.set_limit(await self._limits.of(here.user))

    # Insight

    @property
    def spec(self) -> SupervisorSpec:
        """How it behaves."""
        return self._services.spec

    @property
    def limit(self) -> Limit:
        """The limit of every user that has none of his own, as it stands now."""
        return self._limits.usual

    @property
    def own_limits(self) -> Mapping[str, int]:
        """The limits of the users that have one of their own."""
        return MappingProxyType(self._limits.own)

    def explain(self, user: str) -> Explanation:
        """Who holds the user's slots, the verdict on each, and what one more spawn would meet.

        A dry run of an admission, from passive evidence alone. A user of whom nothing is here has
        no holders, perhaps threads, and the limit last known (0 where only a function knows it).
        """
        here = self._users.get(user)
        if here is not None:
            return here.explain()
        nothing = CleanupReport(user, (), dry_run=True)
        threads = self._services.busy_threads_of(user)
        return Explanation(user, self._limits.known_of(user), (), (), 0, 0, threads, nothing)

    def snapshot(self) -> Snapshot:
        """How everybody stands now, those included of whom nothing but a thread is left.

        It takes some microseconds for each manager; `survey` leaves most of the time to others.
        """
        users = [here.snapshot() for here in self._users.values()]
        others = (user for user in self._services.occupy_threads if user not in self._users)
        gone = (self._snapshot_of_nobody(user) for user in others)
        return Snapshot(trio.current_time(), (*users, *gone))

    def _snapshot_of_nobody(self, user: str) -> UserSnapshot:
        stands = self.explain(user)
        return UserSnapshot(user, stands.limit, 0, 0, stands.threads, (), ())

    async def survey(self, *, users: Iterable[str] | None = None, share: float = SURVEY_SHARE) -> Survey:
        """How everybody stands, or these users, in numbers and the worst by name, however many there are.

        It looks at them in slices of a millisecond, users at their limit first, and rests in between,
        so that it takes `share` of the event loop: 100,000 managers take it half a minute or so.
        """
        if not 0 < share <= 1:
            raise ValueError(
                f"share must be a part of the event loop, more than 0 and at most 1, not {share!r}"
            )
        first = self.users_at_limit if users is None else users
        here = {user: self._users[user] for user in first if user in self._users}
        everybody = here if users is not None else here | self._users
        return await survey(list(everybody.values()), share=share)

    @property
    def users(self) -> tuple[str, ...]:
        """All of whom there is anybody, whoever came first being first."""
        return tuple(self._users)

    def standing(self, user: str) -> Standing | None:
        """How this user stands, in one line; None: of him nobody is here."""
        here = self._users.get(user)
        return here.standing() if here is not None else None

    def counts(self) -> Counts:
        """What has happened so far, in numbers, and how many are here; some microseconds, whoever is here.

        Every number equals its recount from the events; how a node stands in its cluster is beside them.
        What you get is immutable, also for other threads; called in another thread, one number may be an
        event ahead of its neighbour.
        """
        counts, backend = self._services.events.tally.counts(), self._services.backend
        return counts if backend is None else attrs.evolve(counts, cluster=backend.statistics())

    @property
    def cluster(self) -> Backend | None:
        """The cluster that this process is a node of, if it is one."""
        return self._services.backend

    @property
    def users_at_limit(self) -> tuple[str, ...]:
        """The users who hold as many slots as they may, whoever reached it first being first."""
        return self._services.events.tally.users_at_limit

    @property
    def accepting(self) -> bool:
        """Whether it starts managers: until its block is left, or cancelled."""
        return self._accepting

    def fitness(self) -> Fitness:
        """Is this process fit to live, and ready for newcomers? The problems, in words that name no user.

        Some microseconds, and some more for each user of whom a condemned manager runs on. Not for
        other threads.
        """
        if self._accepting:  # in the end the beat stops, and nothing is late
            self._lag_meter.read()  # a loop that comes back right now tells so first
        signs = self._services.events.signs
        tables = [self._users[user].table for user in signs.users_with_condemned]
        facts = Facts(
            accepting=self._accepting,
            draining=self._drain.has_begun,
            sweeper_down_for=signs.sweeper_down_for,
            sweeper_quiet=trio.current_time() - signs.sweeper_seen,
            sweep_period=self.spec.sweep_period,
            spent=sum(table.allowance_spent for table in tables),
            spinning=sum(table.spinning for table in tables),
            cluster=backend.statistics() if (backend := self._services.backend) is not None else None,
        )
        return fitness(facts)

    def events(self, *, capacity: int = DEFAULT_CAPACITY) -> Subscription:
        """Subscribe to all that happens from now on. Use it in a `with`, or `close()` it."""
        return self._services.events.subscribe(capacity)

    # The runtime's side

    def _open_user(self, user: str) -> UserSupervisor:
        here = self._users[user] = UserSupervisor(user, self._services, self._reaper, self._retire)
        name = f"user {user!r}"
        Context().run(lambda: self._root.start_soon(here.home.run, name=name))
        return here

    def _in_handler_nursery(self, chore: Callable[[], Awaitable[None]], name: str) -> None:
        self.handler_nursery.start_soon(chore, name=name)

    def _retire(self, here: UserSupervisor) -> None:
        del self._users[here.user]

    async def serve(self) -> None:
        """Run the background; called by `open_supervisor` before anybody can spawn."""
        services = self._services
        self._root.start_soon(self._lag_meter.beat_for_ever)
        self._root.start_soon(self._reaper.run)
        await self._root.start(sweep_for_ever, self._sweep.run, self._pace, services.events)
        if services.backend is not None:
            await self._root.start(services.backend.serve, Here(services, self._users))

    def stop_accepting(self) -> None:
        """Start nothing new from now on. Whoever is here stays."""
        self._accepting = False

    async def shut_down(self) -> None:
        """Start nothing new, stop everybody, each within its graces, and say who cannot be ended."""
        self.stop_accepting()
        async with trio.open_nursery() as nursery:
            for here in list(self._users.values()):
                nursery.start_soon(here.stop_all, ExitReason.SHUTDOWN, "the supervisor ends")
        condemned = [c for here in self._users.values() for c in here.table.condemned]
        if condemned:
            stuck = tuple(f"{c.name}: {' > '.join(c.stack())}" for c in condemned)
            events = self._services.events
            events.emit(ShutdownHeld(events.stamp(), stuck))


def _check_request(user: object, key: object, spec: object) -> None:
    if not isinstance(user, str) or not isinstance(key, str):
        what, value = ("key", key) if isinstance(user, str) else ("user", user)
        raise TypeError(f"{what} must be a str, exactly as it is to be compared, not {value!r}")
    if not isinstance(spec, ChildSpec):
        raise TypeError(f"spec must be a ChildSpec, not {spec!r}: write ChildSpec(YourActor)")
