"""The dump: the tree of all tasks, equal ones together, and the threads; at a pace that hurts nobody."""

# pyright: reportPrivateUsage=false

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from supervisor.operations import _stacks, dump
from supervisor.operations._stacks import in_words
from supervisor.testing import WedgedForever
from tests.supervisor.harness import Crowd, all_tasks, opened

from .kit import HOSTILE


async def waits() -> None:
    await trio.sleep_forever()


async def waits_elsewhere() -> None:
    await trio.sleep_forever()


async def nests(depth: int, leaves: int) -> None:
    """So deep, and at each depth so many that wait."""
    async with trio.open_nursery() as nursery:
        for _ in range(leaves):
            nursery.start_soon(waits)
        if depth:
            nursery.start_soon(nests, depth - 1, leaves)


def ours(dumped: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """The groups whose tasks run this function of ours."""
    return [
        group for group in dumped["groups"] if any(line.endswith(f" in {name}") for line in group["stack"])
    ]


async def test_tasks_that_wait_in_the_same_place_are_one_group(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        for number in range(30):
            nursery.start_soon(waits, name=f"task {number}")
        nursery.start_soon(waits_elsewhere, name="another")
        await trio.testing.wait_all_tasks_blocked()
        dumped = await dump()
        [group] = ours(dumped, "waits")
        assert group["count"] == 30
        assert len(group["names"]) == 5
        assert len(set(group["names"])) == 5
        assert all(name.startswith("task ") for name in group["names"])
        [other] = ours(dumped, "waits_elsewhere")
        assert (other["count"], other["names"]) == (1, ["another"])
        assert dumped["groups"].index(group) < dumped["groups"].index(other), "the larger one first"
        assert group["depth"] == other["depth"]
        nursery.cancel_scope.cancel()


async def test_the_same_place_below_others_is_another_group(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(nests, 3, 2)
        nursery.start_soon(nests, 3, 2)
        await trio.testing.wait_all_tasks_blocked()
        groups = (await dump())["groups"]
        nursery.cancel_scope.cancel()
    mine = [group for group in groups if any("test_dump" in line for line in group["stack"])]
    nested = [group for group in mine if any(line.endswith(" in nests") for line in group["stack"])]
    leaves = [group for group in mine if any(line.endswith(" in waits") for line in group["stack"])]
    depth = nested[0]["depth"]
    assert [group["depth"] for group in nested] == [depth, depth + 1, depth + 2, depth + 3]
    assert [group["count"] for group in nested] == [2] * 4
    assert [group["count"] for group in leaves] == [4] * 4
    for group in leaves:
        above = groups[: groups.index(group)]
        parent = next(each for each in reversed(above) if each["depth"] == group["depth"] - 1)
        assert parent in nested, "each stands below its own parent"


async def test_every_task_is_counted_once(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(nests, 5, 7)
        await trio.testing.wait_all_tasks_blocked()
        dumped = await dump()
        assert dumped["tasks"] == len(all_tasks()) == sum(group["count"] for group in dumped["groups"])
        nursery.cancel_scope.cancel()


async def test_a_stuck_manager_is_found_by_its_line(autojump_clock: MockClock) -> None:
    async with opened() as (supervisor, _):
        await Crowd(supervisor).add("stuck", 3, WedgedForever, at_work=True)
        await trio.testing.wait_all_tasks_blocked()
        [group] = ours(await dump(), "WedgedForever.work")
        assert group["count"] == 3
        assert set(group["names"]) == {f"alice/stuck-{number}#{number + 1}" for number in range(3)}
        [above] = [each for each in (await dump())["groups"] if each["names"] == ["user 'alice'"]]
        assert above["depth"] == group["depth"] - 1


async def test_threads_are_told_by_name_and_from_the_outside_in(autojump_clock: MockClock) -> None:
    release = threading.Event()

    def hangs_in_a_thread() -> None:
        release.wait(5)

    thread = threading.Thread(target=hangs_in_a_thread, name="a thread of mine")
    thread.start()
    try:
        dumped = await dump()
    finally:
        release.set()
        thread.join()
    [mine] = [each for each in dumped["threads"] if each["name"] == "a thread of mine"]
    functions = [line.rpartition(" in ")[2] for line in mine["stack"]]
    assert functions.index("Thread.run") < functions.index(
        "test_threads_are_told_by_name_and_from_the_outside_in.<locals>.hangs_in_a_thread"
    )
    assert "MainThread" in {each["name"] for each in dumped["threads"]}


async def test_the_files_of_the_sources_are_not_read(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("it reads from the disk")

    for name in ("getline", "getlines", "checkcache", "lazycache", "updatecache"):
        monkeypatch.setattr(f"linecache.{name}", fail)
    assert (await dump())["threads"]


@contextmanager
def a_look_takes(monkeypatch: pytest.MonkeyPatch, seconds: float) -> Generator[None]:
    """Each look at the clock finds so much time gone; nothing else takes any."""
    ticks = count()
    with monkeypatch.context() as patch:
        patch.setattr(_stacks, "time", SimpleNamespace(perf_counter=lambda: next(ticks) * seconds))
        yield


class Turns(trio.abc.Instrument):
    """Counts what a task does between two turns of the loop."""

    def __init__(self) -> None:
        self.turns = 0

    def before_io_wait(self, timeout: float) -> None:
        self.turns += 1


async def test_ten_thousand_tasks_do_not_hold_the_loop(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = Turns()
    async with trio.open_nursery() as nursery:
        for _ in range(10_000):
            nursery.start_soon(waits)
        await trio.testing.wait_all_tasks_blocked()
        trio.lowlevel.add_instrument(turns)
        with a_look_takes(monkeypatch, 0.0001):
            dumped = await dump()
        trio.lowlevel.remove_instrument(turns)
        nursery.cancel_scope.cancel()
    assert ours(dumped, "waits")[0]["count"] == 10_000
    assert turns.turns > 10_000 / 25, "twenty looks of a tenth of a millisecond, and then the others"


async def test_a_task_that_ends_meanwhile_is_not_a_group_of_its_own(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def waits_a_little(seconds: float) -> None:
        await trio.sleep(seconds)

    with a_look_takes(monkeypatch, 1.0):  # a task a second
        async with trio.open_nursery() as nursery:
            for number in range(40):
                nursery.start_soon(waits_a_little, 1.5 * number + 0.5)
            await trio.testing.wait_all_tasks_blocked()
            dumped = await dump()
    assert 0 < sum(group["count"] for group in ours(dumped, waits_a_little.__qualname__)) < 40
    assert [
        group for group in dumped["groups"] if not group["stack"] and "waits_a_little" in str(group["names"])
    ] == []


async def test_groups_are_five_hundred_at_most(autojump_clock: MockClock) -> None:
    """Each of a place of its own."""
    made: dict[str, Callable[[], Awaitable[None]]] = {}
    for number in range(600):
        source = f"async def wait_{number}():\n    await sleep_forever()"
        exec(source, {"sleep_forever": trio.sleep_forever}, made)  # noqa: S102  # our own source
    async with trio.open_nursery() as nursery:
        for function in made.values():
            nursery.start_soon(function)
        await trio.testing.wait_all_tasks_blocked()
        dumped = await dump()
        nursery.cancel_scope.cancel()
    assert len(dumped["groups"]) == 500
    assert dumped["tasks"] > 600, "all are counted"


async def test_for_a_person_it_is_a_tree_of_lines(autojump_clock: MockClock) -> None:
    dumped: dict[str, Any] = {
        "tasks": 7,
        "groups": [
            {"count": 1, "names": ["main"], "stack": ["a.py:1 in main"], "depth": 0},
            {"count": 6, "names": list("abcde"), "stack": ["a.py:2 in child", "a.py:3 in waits"], "depth": 1},
            {"count": 1, "names": ["newborn"], "stack": [], "depth": 1},
        ],
        "threads": [{"name": "MainThread", "stack": ["a.py:9 in run"]}],
    }
    await trio.lowlevel.checkpoint()
    assert list(in_words(dumped)) == [
        "7 tasks",
        "1 x main",
        "    a.py:1 in main",
        "  6 x a, b, c, d, e, ...",
        "      a.py:2 in child",
        "      a.py:3 in waits",
        "  1 x newborn",
        "      (runs, or has not begun)",
        "thread MainThread",
        "    a.py:9 in run",
    ]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_is_one_line_of_a_terminal(name: str) -> None:
    dumped: dict[str, Any] = {
        "tasks": 1,
        "groups": [{"count": 1, "names": [name], "stack": ["a.py:1 in main"], "depth": 0}],
        "threads": [{"name": name, "stack": []}],
    }
    lines = list(in_words(dumped))
    assert len(lines) == 4
    assert all(line.isprintable() for line in lines)
    assert max(map(len, lines)) < 600
