"""How fast, and at what price: admissions beside the engine's own round trip, renewals, fan-out.

    python -m tests.cluster.figures [--seconds 3] [--repeat 3] [--only WORD ...] [--json FILE]

An engine of its own, with an append-only file, on this machine. Each figure is the median of `--repeat` runs.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import attrs
import trio
from rich.console import Console
from rich.table import Table

from actors import Actor
from supervisor import ChildSpec, SpawnRefused, Supervisor, open_supervisor
from supervisor.cluster import GAP, ClusterSpec, Engine, Script, Wire, open_cluster
from supervisor.cluster._engine import Admitted, Full, Slot
from supervisor.cluster._nodes import about
from supervisor.cluster._redis import open_redis
from tests.benchmarks.machine import header, look

from .fleet import PATIENCE, ROOT
from .redis_server import RedisServer, open_server
from .scenarios import KEEPS

LIMIT = 20
# Longer than any run here.
LEASE = 300.0
SLOTS, USERS = 3000, 1000
BEATS = 200
# Appended one after the other so often: what a chat with many rooms has.
STEADY = 500
NOTHING = Script("nothing", "return 1")


@attrs.frozen
class Figure:
    """One line of the table; times in milliseconds."""

    what: str
    callers: int
    per_second: float
    p50: float
    p99: float
    cpu: float
    """Of this process, for each call."""


def figure(what: str, callers: int, took: Sequence[float], seconds: float, cpu: float) -> Figure:
    """`took` and the others in seconds."""
    cuts = quantiles(took, n=100, method="inclusive")
    return Figure(what, callers, len(took) / seconds, 1e3 * cuts[49], 1e3 * cuts[98], 1e3 * cpu / len(took))


Call = Callable[[int], Awaitable[float]]
"""By the caller's number; gives the seconds that count."""


async def timed(work: Awaitable[object]) -> float:
    began = time.perf_counter()
    await work
    return time.perf_counter() - began


async def pace(what: str, callers: int, seconds: float, call: Call) -> Figure:
    """Call all the time, from so many tasks."""
    took: list[float] = []

    async def go_on(number: int) -> None:
        while trio.current_time() < until:
            took.append(await call(number))

    for number in range(callers):
        await call(number)  # warm
    began, cpu, until = time.perf_counter(), time.process_time(), trio.current_time() + seconds
    async with trio.open_nursery() as nursery:
        for number in range(callers):
            nursery.start_soon(go_on, number)
    return figure(what, callers, took, time.perf_counter() - began, time.process_time() - cpu)


@attrs.frozen
class Bench:
    """What is measured with."""

    server: RedisServer
    wire: Wire
    engine: Engine
    seconds: float
    numbers: Iterator[int] = attrs.field(init=False, factory=itertools.count)

    async def paces(self, what: str, call: Call) -> list[Figure]:
        return [await pace(what, callers, self.seconds, call) for callers in (1, 64)]

    async def open_session(self) -> str:
        session = f"session-{next(self.numbers)}"
        await self.engine.open(session, LEASE, about("bench", "", LEASE))
        epoch = f"{{{self.engine.prefix}}}:epoch"
        await self.server.command("HSET", epoch, "warm", 0)  # here nobody holds anything that it forgot
        return session

    async def engine_cpu(self) -> float:
        """Seconds of processor time that the engine has used so far."""
        told = str(await self.server.command("INFO", "cpu"))
        facts = dict(line.split(":") for line in told.splitlines() if ":" in line)
        return float(facts["used_cpu_user"]) + float(facts["used_cpu_sys"])


@asynccontextmanager
async def open_bench(seconds: float) -> AsyncGenerator[Bench]:
    async with open_server(*KEEPS) as server, open_redis(server.url) as wire:
        yield Bench(server, wire, Engine(wire, "figures"), seconds)


# Steps of the engine


async def steps(bench: Bench) -> list[Figure]:
    """The engine's own round trip, then the steps that an admission takes there."""
    session = await bench.open_session()
    engine = bench.engine

    async def admit(number: int) -> float:
        slot = Slot(f"slot-{next(bench.numbers)}", "tab", session, 0)
        took = await timed(engine.admit(f"user-{number}", slot, limit=LIMIT))
        await engine.release(f"user-{number}", [slot.slot])
        return took

    async def refuse(_: int) -> float:
        slot = Slot(f"slot-{next(bench.numbers)}", f"tab-{next(bench.numbers)}", session, 0)
        began = time.perf_counter()
        assert isinstance(await engine.admit("crowded", slot, limit=LIMIT), Full)
        return time.perf_counter() - began

    for number in range(LIMIT):
        slot = Slot(f"full-{number}", f"full-{number}", session, 0)
        assert isinstance(await engine.admit("crowded", slot, limit=LIMIT), Admitted)
    return [
        *await bench.paces(
            "engine: a script that does nothing", lambda _: timed(bench.wire.run(NOTHING, [], []))
        ),
        *await bench.paces("engine: admit (and a release, not timed)", admit),
        *await bench.paces("engine: refuse, with 20 holders", refuse),
    ]


# Through a supervisor


class Session(Actor[str]):
    async def handle(self, message: str) -> None: ...


SPEC = ChildSpec(Session)


async def spawn_and_stop(supervisor: Supervisor, user: str, numbers: Iterator[int]) -> float:
    key = f"tab-{next(numbers)}"
    took = await timed(supervisor.get_or_spawn(user, key, SPEC))
    await supervisor.stop(user, key)
    return took


async def supervised(bench: Bench) -> list[Figure]:
    """Admissions of actors that begin at once: without a cluster, and over the engine."""
    numbers = bench.numbers
    async with open_supervisor(LIMIT) as supervisor:
        alone = await bench.paces(
            "one process, no cluster: spawn (and a stop, not timed)",
            lambda number: spawn_and_stop(supervisor, f"user-{number}", numbers),
        )
    async with open_nodes(bench, 1) as (supervisor,):
        found = await bench.paces(
            "cluster: spawn (and a stop, not timed)",
            lambda number: spawn_and_stop(supervisor, f"user-{number}", numbers),
        )
        one_user = await pace(
            "cluster: spawn, all callers for one user",
            16,
            bench.seconds,
            lambda _: spawn_and_stop(supervisor, "alice", numbers),
        )
    return [*alone, *found, one_user]


async def refused(bench: Bench) -> list[Figure]:
    """Half of the slots are held on another node, which is asked to judge and reap before each refusal."""
    numbers = bench.numbers
    async with open_nodes(bench, 2) as nodes:
        for number in range(LIMIT):
            await nodes[number % 2].get_or_spawn("alice", f"held-{number}", SPEC)

        async def refuse(_: int) -> float:
            began = time.perf_counter()
            try:
                await nodes[0].get_or_spawn("alice", f"tab-{next(numbers)}", SPEC)
            except SpawnRefused:
                return time.perf_counter() - began
            raise AssertionError("all slots are held")

        return [
            await pace("cluster: refuse, half of the holders on another node", callers, bench.seconds, refuse)
            for callers in (1, 16)
        ]


@asynccontextmanager
async def open_nodes(bench: Bench, many: int) -> AsyncGenerator[list[Supervisor]]:
    """So many nodes in this process."""
    await bench.open_session()  # or nobody would be admitted for one lease
    async with trio.open_nursery() as nursery:
        nodes: list[Supervisor] = []

        async def node(number: int, *, task_status: trio.TaskStatus[None]) -> None:
            spec = ClusterSpec(lease=LEASE, name=f"node-{number}", prefix=bench.engine.prefix)
            async with (
                open_cluster(bench.server.url, spec) as cluster,
                open_supervisor(LIMIT, cluster=cluster) as supervisor,
            ):
                nodes.append(supervisor)
                task_status.started()
                await trio.sleep_forever()

        for number in range(many):
            await nursery.start(node, number)
        yield nodes
        nursery.cancel_scope.cancel()


# Renewals


@attrs.frozen
class Renewal:
    """Processor time, in microseconds."""

    slots: int
    beat: float
    """Of this process, for one beat, which renews all slots."""
    beat_engine: float
    reconcile: float
    """Of this process, for comparing all users once, which happens in each `reconcile_period`."""
    reconcile_engine: float


async def renewals(bench: Bench) -> Renewal:
    session, engine = await bench.open_session(), bench.engine
    held: dict[str, list[Slot]] = {}
    for number in range(SLOTS):
        user, slot = f"user-{number % USERS}", Slot(f"slot-{number}", f"tab-{number}", session, 0)
        admitted = await engine.admit(user, slot, limit=LIMIT)
        assert isinstance(admitted, Admitted)
        held.setdefault(user, []).append(admitted.slot)

    async def beat() -> None:
        for _ in range(BEATS):
            await engine.beat(session, LEASE, '{"managers": 3000}')

    async def reconcile() -> None:
        for user, slots in held.items():
            await engine.reconcile(user, session, slots, limit=LIMIT, over_limit=False)

    beats, beats_engine = await _cpu(bench, beat)
    compared, compared_engine = await _cpu(bench, reconcile)
    return Renewal(SLOTS, beats / BEATS, beats_engine / BEATS, compared, compared_engine)


async def _cpu(bench: Bench, work: Callable[[], Awaitable[None]]) -> tuple[float, float]:
    """Of this process and of the engine, in microseconds."""
    engine, ours = await bench.engine_cpu(), time.process_time()
    await work()
    return 1e6 * (time.process_time() - ours), 1e6 * (await bench.engine_cpu() - engine)


# Fan-out


@attrs.frozen
class FanOut:
    """A log that so many other processes hear; times in milliseconds."""

    processes: int
    appended: float
    """So many a second, at most."""
    delivered: float
    """So many a second then, all processes together."""
    missed: int
    """Of all that was appended: told as a gap, to be read from the log."""
    p50: float
    """From the append to the subscriber, at a steady pace."""
    p99: float


def _process(command: Sequence[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


async def fan_out(bench: Bench, processes: int) -> FanOut:
    log = f"room-{next(bench.numbers)}"
    command = [sys.executable, "-m", "tests.cluster.figures", "--hear", bench.server.url, log]
    hearers = [_process(command) for _ in range(processes)]
    try:
        channel = bench.engine.log_channel(log)
        with trio.fail_after(PATIENCE):
            while await bench.server.command("PUBSUB", "NUMSUB", channel) != [channel, processes]:
                await trio.sleep(0.02)
        session = await bench.open_session()
        steady = await _append_steadily(bench, log, session)
        appended, seconds = await _append_fast(bench, log, session)
        await trio.sleep(1.0)  # what is under way arrives
        told = [json.loads(hearer.communicate(b"", timeout=PATIENCE)[0]) for hearer in hearers]
    finally:
        for hearer in hearers:
            hearer.kill()
            hearer.wait()
    took = [each for hears in told for each in hears["steady"]]
    cuts = quantiles(took, n=100, method="inclusive")
    fast = sum(hears["fast"] for hears in told)
    heard = fast + len(took)
    span = max(seconds, *(hears["seconds"] for hears in told))
    missed = processes * (steady + appended) - heard
    return FanOut(processes, appended / seconds, fast / span, missed, 1e3 * cuts[49], 1e3 * cuts[98])


async def _append(bench: Bench, log: str, session: str, kind: str) -> None:
    entry = f"{kind} {time.monotonic_ns()} ".ljust(200, ".")
    await bench.engine.append(log, session, [(str(next(bench.numbers)), entry)], length=10_000, memory=60.0)


async def _append_steadily(bench: Bench, log: str, session: str) -> int:
    began, number = trio.current_time(), 0
    async with trio.open_nursery() as nursery:
        while (due := began + number / STEADY) < began + bench.seconds:
            await trio.sleep_until(due)
            nursery.start_soon(_append, bench, log, session, "steady")
            number += 1
    return number


async def _append_fast(bench: Bench, log: str, session: str) -> tuple[int, float]:
    appended = itertools.count()

    async def append(_: int) -> float:
        took = await timed(_append(bench, log, session, "fast"))
        next(appended)
        return took

    began = time.perf_counter()
    await pace("append", 32, bench.seconds, append)
    return next(appended), time.perf_counter() - began


async def hear(url: str, log: str) -> None:
    """One process that hears a log; at the end of its input it says what it has heard."""
    steady: list[float] = []
    fast: list[int] = []

    async def listen() -> None:
        async with open_redis(url) as wire:
            engine = Engine(wire, "figures")
            async with wire.subscribe(engine.log_channel(log), capacity=100_000) as subscription:
                while True:
                    message = await subscription.receive()
                    if message is GAP:
                        continue
                    kind, sent, _ = engine.entry_of(message).payload.split(" ")
                    now = time.monotonic_ns()
                    if kind == "steady":
                        steady.append((now - int(sent)) / 1e9)
                    else:
                        fast.append(now)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(listen)
        await trio.to_thread.run_sync(sys.stdin.read, abandon_on_cancel=True)
        nursery.cancel_scope.cancel()
    seconds = (fast[-1] - fast[0]) / 1e9 if fast else 0.0
    print(json.dumps({"steady": steady, "fast": len(fast), "seconds": seconds}))


# All of it


@attrs.frozen
class Figures:
    """What was measured."""

    calls: list[Figure]
    renewals: list[Renewal]
    fan_out: list[FanOut]


def middle(several: Sequence[Any]) -> Any:
    """Field by field the median of several records of one kind."""
    first: attrs.AttrsInstance = several[0]
    numbers = {
        name: median(getattr(each, name) for each in several)
        for name, value in attrs.asdict(first, recurse=False).items()
        if not isinstance(value, str)
    }
    return attrs.evolve(several[0], **numbers)


async def measure(seconds: float, repeat: int, only: Sequence[str], say: Callable[[str], None]) -> Figures:
    figures = Figures([], [], [])
    lines: list[tuple[str, Callable[[Bench], Awaitable[Any]], list[Any]]] = [
        ("steps", steps, figures.calls),
        ("supervised", supervised, figures.calls),
        ("refused", refused, figures.calls),
        ("renewals", renewals, figures.renewals),
        *((f"fan-out {many}", partial(fan_out, processes=many), figures.fan_out) for many in (1, 2, 4)),
    ]
    for name, work, into in lines:
        if only and not any(word in name for word in only):
            continue
        say(f"{name} ...")
        found: list[Any] = []
        for _ in range(repeat):
            async with open_bench(seconds) as bench:
                found.append(await work(bench))
        if isinstance(found[0], list):
            into.extend(middle(several) for several in zip(*found, strict=True))
        else:
            into.append(middle(found))
    return figures


def tables(figures: Figures) -> list[Table]:
    calls = Table(title="Calls", caption="CPU: of the calling process, without the engine's")
    for head in ("", "callers", "/s", "p50 ms", "p99 ms", "CPU ms/call"):
        calls.add_column(head, justify="right" if head else "left")
    for each in figures.calls:
        numbers = (f"{each.per_second:,.0f}", f"{each.p50:.2f}", f"{each.p99:.2f}", f"{each.cpu:.3f}")
        calls.add_row(each.what, str(round(each.callers)), *numbers)
    renewed = Table(title="Renewals: processor time")
    for head in ("slots", "a beat, us", "the engine's", "a slot, us", "reconciling all, ms", "engine's"):
        renewed.add_column(head, justify="right")
    for one in figures.renewals:
        renewed.add_row(
            f"{one.slots:,.0f}",
            f"{one.beat:.0f}",
            f"{one.beat_engine:.0f}",
            f"{(one.beat + one.beat_engine) / one.slots:.3f}",
            f"{one.reconcile / 1e3:.0f}",
            f"{one.reconcile_engine / 1e3:.0f}",
        )
    heard = Table(title=f"A log that other processes hear: 200 bytes; p50 and p99 at {STEADY} a second")
    for head in ("processes", "appended /s", "delivered /s", "missed", "p50 ms", "p99 ms"):
        heard.add_column(head, justify="right")
    for fan in figures.fan_out:
        rates = f"{fan.appended:,.0f}", f"{fan.delivered:,.0f}", f"{fan.missed:,.0f}"
        heard.add_row(str(round(fan.processes)), *rates, f"{fan.p50:.2f}", f"{fan.p99:.2f}")
    return [table for table in (calls, renewed, heard) if table.row_count]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster.figures")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--only", nargs="+", default=[])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--hear", nargs=2, metavar=("URL", "LOG"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.hear:
        trio.run(hear, *options.hear)
        return
    out, progress = Console(width=None if sys.stdout.isatty() else 120), Console(stderr=True)
    facts = look(())
    figures = trio.run(measure, options.seconds, options.repeat, options.only, progress.print)
    out.print(
        header(facts),
        f"Load after: {os.getloadavg()[0]:.1f}. redis-server, append-only file, fsync every second.",
    )
    for table in tables(figures):
        out.print(table)
    if options.json:
        options.json.write_text(json.dumps({"facts": dict(facts), **attrs.asdict(figures)}, indent=1))


if __name__ == "__main__":
    main()
