"""Does anything accumulate? Days of virtual time under random load; at the end of each, nothing may be left.

    python -m tests.long.days [--days 30] [--seed N] [--untraced]

Each night all is released and stopped, and everything is counted: tasks, rows, objects, memory. From
day to day none of it may grow. Meanwhile, each hour, the tables are compared with what really runs,
and the events are judged. Prints a line for each day; the exit status is 1 when anything was wrong.
"""

# pyright: reportPrivateUsage=false
from __future__ import annotations

import argparse
import gc
import json
import statistics
import sys
import tempfile
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import attrs
import trio
import trio.testing

from supervisor import (
    Condemned,
    Event,
    EventsLost,
    Refused,
    Reserved,
    Stalled,
    Subscription,
    Supervisor,
    Terminal,
    open_supervisor,
)
from supervisor._quota import LocalQuota
from supervisor.checking import Judge
from supervisor.testing import check_tree
from supervisor.testing._judgement import UNTOLD_STALL

from .load import LIMIT, REGULARS, SPEC, Load

HOUR = 3600.0

# The last hours of a day are quiet: longer than any deadline that a specimen sets itself, so that
# Trio has forgotten the last one of those too.
NIGHT = 3

# After the first day every cache is warm; the second is what the others are compared with.
WARM = 1

# What may differ between two nights without anything having been kept: bytes, pieces of memory, objects.
BYTES = 50_000
BLOCKS = 1000
OBJECTS = 200

# More than the events of an hour: none may be lost.
EVERYTHING = 1_000_000


@attrs.frozen
class Stand:
    """How much there is, at a moment when nothing should be."""

    tasks: int
    """As Trio counts them, and all of them found in its tree."""
    rows: int
    """Users, slots held, condemned, slots of the process, and limits of those who never return."""
    subscriptions: int
    traced: int
    """Bytes; 0 while they are not traced."""
    blocks: int
    """Pieces of memory that Python has allocated."""
    objects: int


@attrs.frozen
class Day:
    """What happened on one day, and what was left of it in the night."""

    number: int
    done: Counter[str]
    seen: Counter[str]
    """Events of interest; those that ended under "gone: " and why."""
    stand: Stand
    wrong: tuple[str, ...]

    def __str__(self) -> str:
        seen, stand = self.seen, self.stand
        gone = ", ".join(f"{what[6:]} {n}" for what, n in sorted(seen.items()) if what.startswith("gone: "))
        return (
            f"day {self.number:2}: {sum(self.done.values())} operations, {seen['Reserved']} managers "
            f"({gone}), {seen['Refused']} refused, {seen['Condemned']} condemned, {seen['Stalled']} stalls; "
            f"left {stand.tasks} tasks, {stand.rows} rows, {stand.traced / 1000:.1f} KB traced, "
            f"{stand.blocks} blocks, {stand.objects} objects"
        )


@attrs.define(eq=False)
class Auditor:
    """Compares what the supervisor says with what runs, and with what the log has told."""

    supervisor: Supervisor
    _news: Subscription
    wrong: list[str] = attrs.field(init=False, factory=list[str])
    seen: Counter[str] = attrs.field(init=False, factory=Counter[str])
    _judge: Judge = attrs.field(init=False)

    def begin(self) -> None:
        """A new day: nobody is here, and the judge knows it. So his books are as short as the day."""
        self._news.drain()
        self.wrong, self.seen = [], Counter()
        self._judge = Judge(spec=SPEC, limit=LIMIT, slack=UNTOLD_STALL, fresh=True)
        for user in REGULARS:
            self.supervisor.set_limit(LIMIT, user=user)

    def look(self) -> None:
        """Tables, tasks and log tell the same."""
        self._read()
        self.wrong += check_tree(self.supervisor)
        pages = self.supervisor.snapshot().users
        here = frozenset(holder.incarnation for page in pages for holder in (*page.managers, *page.condemned))
        if here != self._judge.living:
            self.wrong.append(f"the snapshot knows {sorted(here)}, the log {sorted(self._judge.living)}")

    def finish(self) -> None:
        """The day is over, and everybody gone."""
        self.look()
        self.wrong += map(str, self._judge.finish())
        del self._judge

    def _read(self) -> None:
        for event in self._news.drain():
            assert not isinstance(event, EventsLost)
            self._judge.feed(event)
            self._count(event)

    def _count(self, event: Event) -> None:
        if isinstance(event, Reserved | Refused | Condemned | Stalled):
            self.seen[type(event).__name__] += 1
        elif isinstance(event, Terminal):
            self.seen[f"gone: {event.exit.reason.value}"] += 1
            self.seen["ended after all"] += event.was_condemned


def run_days(
    days: int,
    told: Callable[[Day], None],
    *,
    seed: int = 0,
    hours: int = 24,
    make: Callable[[Supervisor, int], Load] = Load,
) -> None:
    """Live through so many days of so many hours, and tell of each.

    Not by `supervisor.testing.run`: that ends after a million seconds. Every specimen here that spins
    takes its time by itself.
    """
    trio._core._run._r.seed(seed)
    clock = trio.testing.MockClock(autojump_threshold=0)
    trio.run(lambda: live(days, told, seed=seed, hours=hours, make=make), clock=clock)


async def live(
    days: int,
    told: Callable[[Day], None],
    *,
    seed: int,
    hours: int,
    make: Callable[[Supervisor, int], Load],
) -> None:
    """As `run_days`, inside of a run."""
    async with open_supervisor(LIMIT, spec=SPEC) as supervisor:
        with supervisor.events(capacity=EVERYTHING) as news:
            auditor = Auditor(supervisor, news)
            fresh = take_stock(supervisor)
            for number in range(1, days + 1):
                load = make(supervisor, seed)
                await _live_a_day(load, auditor, hours)
                told(_count_up(number, load, auditor, fresh))
                del load


async def _live_a_day(load: Load, auditor: Auditor, hours: int) -> None:
    began = trio.current_time()
    auditor.begin()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_rest, load, began + (hours - NIGHT) * HOUR)
        for hour in range(1, hours + 1):
            await trio.sleep_until(began + hour * HOUR)
            auditor.look()
    auditor.finish()


async def _rest(load: Load, until: float) -> None:
    """Work until then; then everybody is stopped."""
    await load.run(until=until)
    for page in load.supervisor.snapshot().users:
        await load.supervisor.stop_user(page.user, "the day ends")


def _count_up(number: int, load: Load, auditor: Auditor, fresh: Stand) -> Day:
    stand = take_stock(load.supervisor)
    wrong = [*auditor.wrong]
    for what in ("tasks", "rows", "subscriptions"):
        now, then = getattr(stand, what), getattr(fresh, what)
        if now != then:
            wrong.append(f"{now} {what} in the night, {then} at the beginning")
    return Day(number, load.done, auditor.seen, stand, tuple(wrong))


def take_stock(supervisor: Supervisor) -> Stand:
    """Count everything, once what nobody refers to is gone."""
    while gc.collect():
        pass
    traced, _ = tracemalloc.get_traced_memory()
    snapshot, services = supervisor.snapshot(), supervisor._services
    assert isinstance(services.quota, LocalQuota)
    rows = len(snapshot.users) + snapshot.slots_held + snapshot.condemned + len(services.quota)
    rows += len(supervisor.own_limits.keys() - set(REGULARS))
    tasks = trio.lowlevel.current_statistics().tasks_living
    assert tasks == _count_tasks(), "Trio counts other tasks than are in its tree"
    subscriptions = len(services.events._subscriptions)
    return Stand(tasks, rows, subscriptions, traced, sys.getallocatedblocks(), len(gc.get_objects()))


def _count_tasks() -> int:
    root = trio.lowlevel.current_root_task()
    tasks = [root] if root is not None else []
    for task in tasks:
        tasks += (child for nursery in task.child_nurseries for child in nursery.child_tasks)
    return len(tasks)


@attrs.define(eq=False)
class Accounts:
    """Compares the nights. It keeps two numbers of each, and the rest in files, or it would find itself."""

    traced: bool
    folder: Path
    failed: bool = attrs.field(init=False, default=False)
    bytes: list[int] = attrs.field(init=False, factory=list[int])
    objects: list[int] = attrs.field(init=False, factory=list[int])

    def close_day(self, day: Day) -> None:
        _say(str(day))
        for wrong in day.wrong:
            _say(f"  WRONG: {wrong}")
        self.failed = self.failed or bool(day.wrong)
        if day.number == WARM and self.traced:
            tracemalloc.start(1)
        if day.number == WARM + 1:
            self._remember()
        if day.number > WARM:
            self.bytes.append(day.stand.traced if self.traced else day.stand.blocks)
            self.objects.append(day.stand.objects)

    def _remember(self) -> None:
        """What is there on the day that the others are compared with."""
        if self.traced:
            tracemalloc.take_snapshot().dump(str(self.folder / "memory"))
        self._types.write_text(json.dumps(_types()))

    @property
    def _types(self) -> Path:
        return self.folder / "types"

    def verdict(self) -> bool:
        """Say how the last night differs from the second; True: nothing has grown."""
        if len(self.bytes) < 2:
            return not self.failed
        grown, more = self.bytes[-1] - self.bytes[0], self.objects[-1] - self.objects[0]
        unit, noise = ("traced bytes", BYTES) if self.traced else ("blocks", BLOCKS)
        _say(f"since day {WARM + 1}: {grown:+} {unit}, drift {drift(self.bytes):+.0f}; {more:+} objects")
        _say(f"by type: {_differences(_types(), Counter(json.loads(self._types.read_text())))}")
        held = has_grown(self.bytes, noise) or has_grown(self.objects, OBJECTS)
        if held and self.traced:
            self._say_where()
        return not (self.failed or held)

    def _say_where(self) -> None:
        then = tracemalloc.Snapshot.load(str(self.folder / "memory"))
        for difference in tracemalloc.take_snapshot().compare_to(then, "lineno")[:15]:
            _say(f"  {difference}")


def has_grown(amounts: Sequence[int], noise: int) -> bool:
    """From the first to the last, or as a trend that is hidden by what differs from day to day."""
    return amounts[-1] - amounts[0] > noise or drift(amounts) > noise / 2


def drift(amounts: Sequence[int]) -> float:
    """By how much the last third is above the first one."""
    third = max(1, len(amounts) // 3)
    return statistics.median(amounts[-third:]) - statistics.median(amounts[:third])


def _types() -> Counter[str]:
    return Counter(type(each).__qualname__ for each in gc.get_objects())


def _differences(now: Counter[str], then: Counter[str]) -> str:
    changed = {name: now[name] - then[name] for name in now | then if now[name] != then[name]}
    most = sorted(changed.items(), key=lambda item: -abs(item[1]))[:8]
    return ", ".join(f"{name} {number:+}" for name, number in most) or "the same"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.long.days", description=__doc__)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--untraced", action="store_true", help="count blocks, not bytes: four times as fast")
    options = parser.parse_args(arguments)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        accounts = Accounts(not options.untraced, Path(folder))
        run_days(options.days, accounts.close_day, seed=options.seed)
        well = accounts.verdict()
    took, word = time.monotonic() - began, "well" if well else "NOT WELL"
    _say(f"seed {options.seed}, {options.days} days in {took:.0f} s: {word}")
    return 0 if well else 1


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
