"""The walker: the tables say what Trio's task tree says, at any moment; and it sees each lie."""

# pyright: reportPrivateUsage=false
from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import attrs
import pytest
import trio
from trio.testing import MockClock

from actors import State
from supervisor import Explanation, Supervisor, SupervisorSpec, UserSnapshot, open_supervisor
from supervisor._child import Child
from supervisor._quota import LocalQuota
from supervisor._spawn import Spawn
from supervisor._user import UserSupervisor
from supervisor.testing import (
    Healthy,
    Shielded,
    SlotGuard,
    SlowStop,
    check_tree,
    run,
)

from .harness import BUDGET, PLAIN, Crowd, opened
from .test_judged_logs import LIMIT, SCENARIOS, Scenario

AT_ONCE, OFTEN = 200, 0.5


async def watch(supervisor: Supervisor, seen: list[str]) -> None:
    """Compare again and again, in between whatever else goes on."""
    for turn in itertools.count():
        seen += check_tree(supervisor)
        await trio.sleep(0 if turn < AT_ONCE else OFTEN)


async def perform_watched(scenario: Scenario, spec: SupervisorSpec) -> tuple[list[str], SlotGuard]:
    seen: list[str] = []
    async with open_supervisor(LIMIT, spec=spec) as supervisor:
        crowd, guard = Crowd(supervisor), SlotGuard(supervisor)
        with guard, crowd.sockets:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(watch, supervisor, seen)
                await scenario(supervisor, crowd)
                nursery.cancel_scope.cancel()
    seen += check_tree(supervisor)
    return seen, guard


@pytest.mark.parametrize(("scenario", "options"), [(scenario, options) for scenario, options, _ in SCENARIOS])
def test_the_tables_agree_with_the_task_tree_at_every_moment(
    scenario: Scenario, options: dict[str, object]
) -> None:
    spec = SupervisorSpec(**options)  # type: ignore[arg-type]
    seen, guard = run(perform_watched, scenario, spec)
    assert seen == []
    assert guard.breach is None
    assert guard.steps > 10


# Lies


@attrs.frozen(eq=False)
class House:
    """A user with a manager, one that stops, a condemned one, and a spawn that waits."""

    supervisor: Supervisor
    patch: pytest.MonkeyPatch
    """Undoes each lie, or the supervisor could not end."""

    @property
    def here(self) -> UserSupervisor:
        return self.supervisor._users["alice"]

    def child(self, key: str) -> Child:
        child = self.here.table.under(key)
        assert child is not None
        return child

    @property
    def condemned(self) -> Child:
        return self.here.table.condemned[0]

    @property
    def spawn(self) -> Spawn:
        return self.here._spawns["late"]

    @property
    def quota(self) -> LocalQuota:
        quota = self.supervisor._services.quota
        assert isinstance(quota, LocalQuota)
        return quota


def forget_one(house: House) -> None:
    house.patch.delitem(house.here.table._children, "tab-0")


def invent_one(house: House) -> None:
    table = house.here.table
    house.patch.setitem(
        table._children, "new", Child("alice/new#99", "alice", "new", 99, PLAIN, "a slot", table)
    )


def run_it_elsewhere(house: House) -> None:
    house.patch.setattr(house.child("tab-0"), "task", trio.lowlevel.current_task())


def miscount_connections(house: House) -> None:
    house.patch.setattr(house.child("tab-0").pulse, "connections", 7)


def lose_a_message(house: House) -> None:
    house.patch.setattr(house.child("tab-0").mailbox, "accepted", 1)


def swap_keys(house: House) -> None:
    children = house.here.table._children
    tab, leaving = children["tab-0"], children["leaving-0"]
    house.patch.setitem(children, "tab-0", leaving)
    house.patch.setitem(children, "leaving-0", tab)


def keep_the_key_of_one_that_left(house: House) -> None:
    house.patch.setattr(house.child("tab-0"), "has_left", True)


def raise_the_dead(house: House) -> None:
    house.patch.setattr(house.condemned.pulse, "state", State.RUNNING)


def go_on_with_a_spawn_that_nobody_wants(house: House) -> None:
    house.patch.setattr(house.spawn, "_callers", 0)


def wait_for_one_that_left(house: House) -> None:
    house.patch.setattr(house.spawn, "child", house.condemned)


def see_nobody_out(house: House) -> None:
    house.patch.delitem(house.here._reaper._watched, house.child("leaving-0"))


def watch_one_that_left(house: House) -> None:
    house.patch.setitem(house.here._reaper._watched, house.condemned, (math.inf, house.here.table))


def keep_a_slot_of_the_process(house: House) -> None:
    house.patch.setattr(house.quota, "_slots", house.quota._slots | {"nobody's"})


def lose_a_slot_of_the_process(house: House) -> None:
    house.patch.setattr(house.quota, "_slots", house.quota._slots - {house.child("tab-0").slot})


def leave_a_user_behind(house: House) -> None:
    supervisor = house.supervisor
    bob = UserSupervisor("bob", supervisor._services, supervisor._reaper, supervisor._retire)
    house.patch.setitem(supervisor._users, "bob", bob)


def run_it_under_another_user(house: House) -> None:
    house.patch.setattr(house.here.home, "_nursery", house.supervisor._root)


def explain_it_wrongly(house: House) -> None:
    said = house.supervisor.explain("alice")
    wrong = attrs.evolve(said, holders=said.holders[1:], slots_held=1, condemned=())

    def explain(_: UserSupervisor) -> Explanation:
        return wrong

    house.patch.setattr(UserSupervisor, "explain", explain)


def miscount_in_the_snapshot(house: House) -> None:
    wrong = attrs.evolve(house.here.snapshot(), slots_held=1)

    def snapshot(_: UserSupervisor) -> UserSnapshot:
        return wrong

    house.patch.setattr(UserSupervisor, "snapshot", snapshot)


Lie = Callable[[House], None]

LIES: dict[Lie, str] = {
    forget_one: "alice/tab-0#2 runs, and is in no table",
    invent_one: "alice/new#99 is in the table, and has 0 tasks",
    run_it_elsewhere: "alice/tab-0#2 runs in another task than its own",
    miscount_connections: "alice/tab-0#2 has 1 connections, its pulse says 7",
    lose_a_message: "the mail of alice/tab-0#2 does not add up",
    swap_keys: "alice/leaving-0#3 is in the table of 'alice' under another key",
    keep_the_key_of_one_that_left: "alice/tab-0#2 has left, and holds its key",
    raise_the_dead: "alice/stuck-0#1 is among the condemned, and is running",
    go_on_with_a_spawn_that_nobody_wants: "a spawn of alice/late goes on that is over",
    wait_for_one_that_left: "a spawn of alice/late waits for alice/stuck-0#1, which has left",
    run_it_under_another_user: "alice/tab-0#2 runs in a nursery that is not its user's",
    see_nobody_out: "alice/leaving-0#3 is stopping, and nobody watches it",
    watch_one_that_left: "alice/stuck-0#1 is condemned, and is still watched",
    keep_a_slot_of_the_process: "1 slots of the process are held by nobody",
    lose_a_slot_of_the_process: "alice/tab-0#2 runs, and does not count for the process",
    leave_a_user_behind: "nothing is left of 'bob', who is still there",
    explain_it_wrongly: "'alice' holds 2 of 2, it is explained as 1",
    miscount_in_the_snapshot: "the snapshot of 'alice' says",
}


async def tell(lie: Lie) -> tuple[tuple[str, ...], ...]:
    """What the walker sees before, meanwhile and after."""
    release = trio.Event()
    async with opened(2, slot_wait=5.0) as (supervisor, _), trio.open_nursery() as nursery:
        crowd = Crowd(supervisor)
        await crowd.add("stuck", 1, lambda: Shielded(release), at_work=True)
        await trio.sleep(BUDGET + 1)
        await supervisor.cleanup()
        with crowd.sockets:
            await crowd.add("tab", 1, lambda: Healthy(sockets=True), sockets=1)
            (leaving,) = await crowd.add("leaving", 1, lambda: SlowStop(3.0))
            leaving.stop()
            nursery.start_soon(crowd.get, "late")
            await trio.sleep(0.5)
            before = check_tree(supervisor)
            with pytest.MonkeyPatch.context() as patch:
                lie(House(supervisor, patch))
                meanwhile = check_tree(supervisor)
            after = check_tree(supervisor)
        release.set()
    return before, meanwhile, after


@pytest.mark.parametrize(("lie", "found"), LIES.items(), ids=[lie.__name__ for lie in LIES])
def test_the_walker_finds_a_lie(lie: Lie, found: str) -> None:
    before, meanwhile, after = run(tell, lie)
    assert (before, after) == ((), ())
    assert [problem for problem in meanwhile if problem.startswith(found)], meanwhile


def breach(guard: SlotGuard) -> str:
    return guard.breach or ""


async def test_one_slot_too_many_is_seen_at_the_next_step(autojump_clock: MockClock) -> None:
    async with opened(2) as (supervisor, _):
        crowd = Crowd(supervisor)
        await crowd.add("tab", 2)
        with SlotGuard(supervisor) as guard, pytest.MonkeyPatch.context() as patch:
            await trio.lowlevel.checkpoint()
            assert breach(guard) == ""
            invent_one(House(supervisor, patch))
            await trio.lowlevel.checkpoint()
        assert breach(guard).startswith("'alice' holds 3 of 2 slots after a step of ")


async def test_the_condemned_beyond_the_allowance_count(autojump_clock: MockClock) -> None:
    release = trio.Event()
    async with opened(2, condemned_allowance=1) as (supervisor, _):
        crowd = Crowd(supervisor)
        with SlotGuard(supervisor) as guard:
            await crowd.add("stuck", 2, lambda: Shielded(release), at_work=True)
            await trio.sleep(BUDGET + 1)
            await crowd.add("tab", 1)
            assert breach(guard) == ""
            with pytest.MonkeyPatch.context() as patch:
                invent_one(House(supervisor, patch))
                await trio.lowlevel.checkpoint()
        release.set()
    assert breach(guard).endswith("2 live, 2 condemned with an allowance of 1")


async def test_a_lowered_limit_is_no_breach_until_somebody_is_added(autojump_clock: MockClock) -> None:
    async with opened(2) as (supervisor, _):
        crowd = Crowd(supervisor)
        await crowd.add("tab", 2)
        with SlotGuard(supervisor) as guard:
            supervisor.set_limit(1)
            await trio.lowlevel.checkpoint()
            assert breach(guard) == ""
            with pytest.MonkeyPatch.context() as patch:
                invent_one(House(supervisor, patch))
                await trio.lowlevel.checkpoint()
        assert breach(guard)


async def test_the_process_has_a_limit_too(autojump_clock: MockClock) -> None:
    async with opened(5, process_limit=1) as (supervisor, _):
        await Crowd(supervisor).add("tab", 1)
        with SlotGuard(supervisor) as guard, pytest.MonkeyPatch.context() as patch:
            await trio.lowlevel.checkpoint()
            assert breach(guard) == ""
            keep_a_slot_of_the_process(House(supervisor, patch))
            await trio.lowlevel.checkpoint()
        assert breach(guard).startswith("the process counts 2 of 1 slots")
