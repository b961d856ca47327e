"""Operations: what an operator may ask of a supervisor, and do to it; all answers are plain JSON."""

from __future__ import annotations

import functools
import os
import time
from importlib.metadata import PackageNotFoundError, version

import attrs
import trio

from supervisor import Backend, Node, Settings, Stage, Supervisor, SupervisorError
from supervisor.alerts import Thresholds

from . import _shapes
from ._monitor import Monitor
from ._shapes import Json
from ._stacks import dump
from ._stopping import Stopping
from ._trends import STEP
from ._unable import Unable

# Names that are searched in one go: half a millisecond.
NAMES_AT_ONCE = 2_000

# Users at the limit that are named in the overview.
MOST_AT_LIMIT = 20


_UNTIL = {stage.value: stage for stage in (Stage.GARBAGE, Stage.LIVENESS)}


class Operations:
    """What an operator sees of one supervisor, and can do. Make it within the supervisor's block.

    It takes four looks a second at the loop and at what has happened, at the cost of some 0.05 % of
    a core; while somebody asks, it also surveys all managers, within the share of `Supervisor.survey`.
    Its tasks live in `Supervisor.background`.
    """

    def __init__(
        self, supervisor: Supervisor, *, alert_window: float = 60.0, thresholds: Thresholds | None = None
    ) -> None:
        """Alerts are those of `supervisor.alerts`, looked for every `alert_window` seconds."""
        self.supervisor = supervisor
        self._monitor = Monitor(supervisor, alert_window=alert_window, thresholds=thresholds)
        self._began = trio.current_time()
        self._made: tuple[float, Json] = (float("-inf"), {})
        """The last overview, and of which sample it is: it is made once, however many look."""

    # What is seen

    async def overview(self) -> Json:
        """How everything stands. The first time, it waits up to a second for a survey."""
        await self._monitor.wait_surveyed()
        return self._overview_now()

    def _overview_now(self) -> Json:
        monitor = self._monitor
        if self._made[0] != monitor.sampled_at or (self._made[1]["survey"] is None and monitor.survey):
            self._made = (monitor.sampled_at, self._make_overview())
        return self._made[1]

    def _make_overview(self) -> Json:
        supervisor, now = self.supervisor, trio.current_time()
        spec, limit, fitness = supervisor.spec, supervisor.limit, supervisor.fitness()
        at_limit, survey = supervisor.users_at_limit, self._monitor.survey
        counts = supervisor.counts()
        return {
            "at": time.time(),
            "uptime": now - self._began,
            "pid": os.getpid(),
            "version": _version(),
            "live": {"ok": not fitness.live, "problems": list(fitness.live)},
            "ready": {"ok": not fitness.ready, "problems": list(fitness.ready)},
            "warnings": list(fitness.warnings),
            "probing": spec.probing,
            "limit": None if callable(limit) else limit,
            "process_limit": spec.process_limit,
            "sweep_period": spec.sweep_period,
            "lag": self._monitor.trends.lag(),
            "counts": _shapes.counts(counts),
            "cluster": None if counts.cluster is None else _shapes.cluster(counts.cluster),
            "rates": self._monitor.trends.rates(),
            "spawn": self._monitor.trends.spawns(),
            "survey": None if survey is None else _shapes.survey(survey, self._monitor.first_survey, now),
            "at_limit": {"total": len(at_limit), "users": self._standings(at_limit[:MOST_AT_LIMIT])},
            "alerts": self._monitor.alerts.shown(now),
        }

    def _standings(self, users: tuple[str, ...]) -> list[Json]:
        standings = (self.supervisor.standing(user) for user in users)
        return [_shapes.user(standing) for standing in standings if standing is not None]

    def history(self) -> Json:
        """The last ten minutes, a point a second."""
        ago = trio.current_time() - self._monitor.sampled_at
        return {"step": STEP, "ends_ago": ago, "series": self._monitor.trends.series()}

    def events(self, last: int, *, acts: bool = False) -> Json:
        """The last events, oldest first; or the last of those in which something was done."""
        feed, now = self._monitor.feed, trio.current_time()
        return {"events": feed.acts(now, most=last) if acts else feed.lines(now, most=last)}

    def refusals(self, *, since: int = 0, brief: bool = False) -> Json:
        """The refusals after that number, newest first; brief ones without their proofs."""
        return {"refusals": self._monitor.feed.refusals(trio.current_time(), since=since, brief=brief)}

    def refusal(self, seq: int) -> Json:
        """One refusal with its whole proof. Raises Unable: it is too old."""
        found = self._monitor.feed.refusal(seq, trio.current_time())
        if found is None:
            raise Unable(404, "that refusal is too old: it is not kept any more")
        return found

    async def next_overview(self) -> Json:
        """The overview, as soon as there is a new one: within a second."""
        await self._monitor.wait_sampled()
        self._monitor.look()
        return self._overview_now()

    @property
    def last_event(self) -> int:
        """The number of the last event that was seen."""
        return self._monitor.feed.last

    def lines_since(self, seen: int) -> tuple[int, list[Json]]:
        """The number of the last event, and the lines after the one of number `seen`.

        Whoever takes them slowly is told how many were skipped.
        """
        return self.last_event, self._monitor.feed.lines_since(seen, trio.current_time())

    async def users(
        self, *, search: str = "", at_limit: bool = False, start: int = 0, count: int = 50
    ) -> Json:
        """Some users, those first who came first: all, or those whose names contain a text."""
        names = self.supervisor.users_at_limit if at_limit else self.supervisor.users
        if search:
            names = await _containing(search, names)
        page = self._standings(names[start : start + count])
        end = start + count
        following = end if end < len(names) else None
        clustered = self.supervisor.cluster is not None
        return {"users": page, "next": following, "total": len(names), "clustered": clustered}

    def user(self, name: str) -> Json:
        """How one user stands: every manager with its verdict, and what an admission would do."""
        supervisor = self.supervisor
        return _shapes.explanation(
            supervisor.explain(name),
            trio.current_time(),
            here=supervisor.standing(name) is not None,
            own_limit=name in supervisor.own_limits,
            clustered=supervisor.cluster is not None,
        )

    async def nodes(self) -> Json:
        """The nodes of the cluster, how this one stands, and what went wrong if nobody could say.

        Raises Unable: there is no cluster.
        """
        members: tuple[Node, ...] = ()
        cluster, problem = self._cluster(), None
        try:
            members = await cluster.nodes()
        except SupervisorError as error:
            problem = str(error)
        return _shapes.nodes(members, self.supervisor.counts(), problem=problem)

    async def where(self, user: str) -> Json:
        """Who holds the user's slots on which node. Those here are told also while nobody else can be asked.

        Raises Unable: there is no cluster.
        """
        cluster, problem = self._cluster(), None
        try:
            holders = await cluster.holders(user)
        except SupervisorError as error:
            problem, holders = str(error), self.supervisor.explain(user).holders
        stands = cluster.statistics()
        me = "" if stands is None else stands.node
        return _shapes.whereabouts(user, holders, me, trio.current_time(), problem=problem)

    def _cluster(self) -> Backend:
        cluster = self.supervisor.cluster
        if cluster is None:
            raise Unable(404, "this process is no node of a cluster: all that it knows lives here")
        return cluster

    async def dump(self) -> Json:
        """All tasks and threads by their stacks."""
        return await dump()

    # What is done

    async def cleanup(self, user: str | None, until: str, *, dry_run: bool) -> Json:
        """Remove whom the evidence speaks against, or say who that would be."""
        if until == "evict":
            raise Unable(409, "the healthy make room for newcomers only, and where an eviction policy is set")
        stage = _UNTIL.get(until)
        if stage is None:
            raise Unable(400, f"until must be garbage, liveness or evict, not {until!r}")
        done = await self.supervisor.cleanup(user, until=stage, dry_run=dry_run)
        if user is not None:
            return _shapes.report(done)
        return await trio.to_thread.run_sync(_shapes.report, done)  # of 100,000 managers it takes 0.1 s

    async def stop(self, user: str, key: str | None, incarnation: int | None) -> Json:
        """Ask managers to stop, and wait until each has ended or is condemned; not for ever.

        Those on other nodes of a cluster, too; `problem` says which of them could not be asked.
        Raises Unable: nobody is meant.
        """
        stopping = Stopping(self.supervisor, user)
        await stopping.choose(key, incarnation)
        return await stopping.run()

    def set_limit(self, user: str | None, limit: int) -> Json:
        """Set the limit of one user, or of all that have none of their own; on this node only."""
        if user is None and callable(self.supervisor.limit):
            raise Unable(409, "the limit of all is a function of the user; set the limit of one user")
        try:
            self.supervisor.set_limit(limit, user=user)
        except ValueError as error:
            raise Unable(400, str(error)) from None
        self._outdate()
        return {"user": user, "limit": limit, "clustered": self.supervisor.cluster is not None}

    def set_probing(self, *, on: bool) -> Json:
        """Switch on or off whether cleanup asks managers and clients."""
        supervisor = self.supervisor
        spec = attrs.evolve(supervisor.spec, probing=on)
        limit = supervisor.limit
        settings = Settings(supervisor=spec) if callable(limit) else Settings(limit=limit, supervisor=spec)
        changes = supervisor.configure(settings)
        self._outdate()
        return {"probing": on, "changes": [str(change) for change in changes]}

    def _outdate(self) -> None:
        """Whoever asks next sees what was changed."""
        self._made = (float("-inf"), {})


async def _containing(text: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """The names that contain it, in whatever case."""
    wanted = text.casefold()
    found: list[str] = []
    for start in range(0, len(names), NAMES_AT_ONCE):
        found += (name for name in names[start : start + NAMES_AT_ONCE] if wanted in name.casefold())
        await trio.lowlevel.checkpoint()
    return tuple(found)


@functools.cache  # it is looked up on the disk
def _version() -> str:
    try:
        return version("trouper")
    except PackageNotFoundError:  # it runs from its sources
        return ""
