"""Which alerts do these numbers raise? Pure: snapshots and failures in, alerts out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import attrs

from actors import ExitReason
from supervisor import BOUNDS, ClusterStatistics, Counts, Event, EventsLost, Refused, StartFailed, Terminal

from ._facts import Alert, AlertName, Thresholds

# The slowest of a hundred spawns may be slow.
SLOW_PART = 0.01

# More users at once are not named: it is no longer about users then.
MOST_USERS = 10


@attrs.define(eq=False)
class Failures:
    """What went wrong for whom since the window began. Its size is that of those for whom it did."""

    refusals: Counter[str] = attrs.field(factory=Counter[str])
    crashes: Counter[str] = attrs.field(factory=Counter[str])
    """And failed starts."""

    def see(self, event: Event | EventsLost) -> None:
        """One that was lost is not counted: an alert is late then, not wrong."""
        match event:
            case Refused(user=user):
                self.refusals[user] += 1
            case StartFailed(user=user):
                self.crashes[user] += 1
            case Terminal(user=user, exit=exit) if exit.reason is ExitReason.CRASHED:
                self.crashes[user] += 1
            case _:
                pass


@attrs.frozen
class Window:
    """What is looked at: the snapshots up to now, oldest first, and the failures of the last window."""

    history: Sequence[Counts]
    failures: Failures
    thresholds: Thresholds

    @property
    def before(self) -> Counts:
        return self.history[-2]

    @property
    def now(self) -> Counts:
        return self.history[-1]

    def grown(self, get: Callable[[Counts], float]) -> float:
        return get(self.now) - get(self.before)


def evaluate(window: Window) -> tuple[Alert, ...]:
    """All alerts of this window. It takes two snapshots or more; growth is seen from `growth_windows` on."""
    assert len(window.history) > 1
    return tuple(alert for judge in _JUDGES for alert in judge(window))


def _sweeper(window: Window) -> Iterator[Alert]:
    now = window.now
    if now.background_cleanup_task_started <= now.background_cleanup_failures:
        yield Alert(AlertName.SWEEPER_NOT_RUNNING, "The background cleanup does not run.")
    if crashes := window.grown(lambda counts: counts.background_cleanup_failures):
        yield Alert(AlertName.SWEEPER_CRASHED, f"The background cleanup crashed, {crashes:g} times.")


def _cleanup(window: Window) -> Iterator[Alert]:
    """Of those that had somebody to remove: it is no failure to refuse where all are alive."""
    tried = window.grown(_cleanups_with_a_task)
    made = window.grown(lambda counts: counts.successful_emergency_cleanups)
    if tried >= window.thresholds.least_cleanups and made < window.thresholds.success * tried:
        summary = f"{made:g} of {tried:g} emergency cleanups that had somebody to remove made room."
        yield Alert(AlertName.EMERGENCY_CLEANUP_FAILING, summary)


def _cleanups_with_a_task(counts: Counts) -> int:
    return counts.emergency_cleanup_triggers - counts.emergency_cleanups_all_alive


def _spawns(window: Window) -> Iterator[Alert]:
    bound = window.thresholds.spawn_seconds
    spawns = window.grown(lambda counts: counts.spawned.count + counts.spawned_after_cleanup.count)
    slow = window.grown(lambda counts: _slower(counts, bound))
    if slow > SLOW_PART * spawns:
        yield Alert(AlertName.SPAWN_SLOW, f"{slow:g} of {spawns:g} spawns took more than {bound:g} s.")


def _slower(counts: Counts, bound: float) -> int:
    """Spawns that took longer than this bound."""
    above = BOUNDS.index(bound) + 1
    return sum(counts.spawned.counts[above:]) + sum(counts.spawned_after_cleanup.counts[above:])


def _users(window: Window) -> Iterator[Alert]:
    for name, what, numbers in (
        (AlertName.REPEATED_REFUSALS, "was refused", window.failures.refusals),
        (AlertName.REPEATED_FAILURES, "had managers fail", window.failures.crashes),
    ):
        for user, number in numbers.most_common(MOST_USERS):
            if number >= window.thresholds.failures:
                yield Alert(name, f"{user!r} {what} {number} times.", user)


def _growth(window: Window) -> Iterator[Alert]:
    thresholds, history = window.thresholds, window.history
    if len(history) <= thresholds.growth_windows:
        return
    last = thresholds.growth_windows
    then, third, second, now = (
        _population(history[place - last - 1]) for place in (0, last // 3, 2 * last // 3, last)
    )
    rising = then < third < second < now
    if rising and now > thresholds.growth * then and then >= thresholds.growth_least:
        yield Alert(AlertName.GROWTH_WITHOUT_BOUND, f"{now} managers, {then} of them at first; ever more.")


def _population(counts: Counts) -> int:
    return counts.managers + counts.zombies


def _standing(window: Window) -> Iterator[Alert]:
    """What is no event, but a state, and was so a window ago."""
    before, now = window.before, window.now
    if before.zombies and now.zombies:
        yield Alert(
            AlertName.ZOMBIES,
            f"{_counted(now.zombies, 'condemned manager runs', 'condemned managers run')} on.",
        )
    if before.users_at_manager_limit and now.users_at_manager_limit:
        who = _counted(now.users_at_manager_limit, "user holds", "users hold")
        summary = f"{who} as many managers as allowed."
        yield Alert(AlertName.USERS_AT_LIMIT, summary)


def _counted(number: int, one: str, many: str) -> str:
    return f"1 {one}" if number == 1 else f"{number} {many}"


def _loop(window: Window) -> Iterator[Alert]:
    stalled = window.grown(lambda counts: counts.stalled_seconds)
    if stalled > window.thresholds.stalled_seconds:
        yield Alert(AlertName.LOOP_STALLED, f"The event loop stood still for {stalled:.1f} s.")


def _cluster(window: Window) -> Iterator[Alert]:
    """Nothing of this ever happens without one."""
    before, now = window.before.cluster, window.now.cluster
    if before is not None and now is not None:
        yield from _engine(before, now)
    if lost := window.grown(lambda counts: counts.leases_lost):
        kept = "limits may be exceeded" if now is not None and now.kept else "its managers ended"
        yield Alert(AlertName.LEASE_LOST, f"This node lost its lease in the cluster, {lost:g} times: {kept}.")
    if window.grown(lambda counts: counts.warmings):
        yield Alert(AlertName.CLUSTER_WARMING, "The engine's data was new: for one lease nobody is let in.")
    orphans = window.grown(lambda counts: counts.orphans_dropped + counts.slots_added + counts.slots_lost)
    if orphans >= window.thresholds.orphans:
        yield Alert(AlertName.ORPHANS, f"The cluster had counted {orphans:g} slots of this node wrongly.")
    silent = window.grown(lambda counts: counts.owners_silent)
    if silent >= window.thresholds.silent:
        asked = window.grown(lambda counts: counts.owners_asked)
        summary = f"Other nodes were asked {asked:g} times to make room, and {silent:g} times did not answer."
        yield Alert(AlertName.OWNERS_SILENT, summary)


def _engine(before: ClusterStatistics, now: ClusterStatistics) -> Iterator[Alert]:
    if not before.is_up and not now.is_up:
        since = f"for {now.standing_for:.0f} s: {now.why}" if now.why else f"for {now.standing_for:.0f} s"
        yield Alert(AlertName.ENGINE_AWAY, f"The cluster's engine is {now.standing} {since}.")


_JUDGES: tuple[Callable[[Window], Iterator[Alert]], ...] = (
    _sweeper,
    _cleanup,
    _spawns,
    _users,
    _growth,
    _standing,
    _loop,
    _cluster,
)
