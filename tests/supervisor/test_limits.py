"""How many: numbers and functions, changed at run time, of one user and of the process; who waits."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from supervisor import (
    CleanedUp,
    HandlerFailed,
    LimitChanged,
    RefusalReason,
    Reserved,
    SpawnRefused,
    Terminal,
    Waited,
    open_supervisor,
)
from supervisor.testing import Healthy, SlowStop, WedgedForever

from .harness import BUDGET, PLAIN, Crowd, all_answer, opened, settle


async def two_for_alice(user: str) -> int:
    await trio.sleep(0.5)
    return 2 if user == "alice" else 1


def two_for_alice_at_once(user: str) -> int:
    return 2 if user == "alice" else 1


def always(answer: Any) -> Callable[[str], Any]:
    return lambda _: answer


async def none_for_anybody(user: str) -> Any:
    await trio.lowlevel.checkpoint()
    return None


def raises(user: str) -> int:
    raise LookupError(user)


@pytest.mark.parametrize("limit", [two_for_alice_at_once, two_for_alice])
async def test_a_limit_may_be_a_function_of_the_user(
    limit: Callable[[str], int], autojump_clock: MockClock
) -> None:  # R01
    async with opened(limit) as (supervisor, _):
        await Crowd(supervisor, "alice").add("tab", 2)
        await Crowd(supervisor, "bob").add("tab", 1)
        assert (await Crowd(supervisor, "alice").refused("one-more")).limit == 2
        assert (await Crowd(supervisor, "bob").refused("one-more")).limit == 1


@pytest.mark.parametrize("nonsense", [always(-1), always("many"), always(1.5), none_for_anybody])
async def test_a_limit_that_is_no_number_of_slots_is_an_error_before_anything_happened(
    nonsense: Any, autojump_clock: MockClock
) -> None:
    async with opened(nonsense) as (supervisor, log):
        with pytest.raises(ValueError, match="limit of 'alice' must be a whole number of slots"):
            await supervisor.get_or_spawn("alice", "tab", PLAIN)
        assert not log.all
        assert not supervisor.snapshot().users


@pytest.mark.parametrize("nonsense", [-1, 1.5, None, "20"])
async def test_a_supervisor_is_not_opened_with_nonsense(nonsense: Any, autojump_clock: MockClock) -> None:
    with pytest.raises(ValueError, match="must be a whole number"):
        async with open_supervisor(nonsense):
            raise AssertionError("entered")


async def test_an_error_of_a_limit_function_reaches_the_caller_alone(autojump_clock: MockClock) -> None:
    async with opened(raises) as (supervisor, log):
        with pytest.raises(LookupError):
            await supervisor.get_or_spawn("alice", "tab", PLAIN)
        assert not log.all
        assert not supervisor.snapshot().users


async def test_a_found_manager_needs_no_limit(autojump_clock: MockClock) -> None:
    async with opened(1) as (supervisor, _):
        await supervisor.get_or_spawn("alice", "tab", PLAIN)
        supervisor.set_limit(0)
        assert not (await supervisor.get_or_spawn("alice", "tab", PLAIN)).created


async def test_raising_admits_those_who_wait_at_once(autojump_clock: MockClock) -> None:  # R01
    async with opened(1, slot_wait=60.0) as (supervisor, log):
        crowd = Crowd(supervisor)
        await crowd.get("first")
        async with trio.open_nursery() as nursery:
            for number in range(3):
                nursery.start_soon(crowd.get, f"waits-{number}")
            await trio.sleep(10)
            assert crowd.held == 1
            supervisor.set_limit(3)
            assert crowd.held == 3
            supervisor.set_limit(4, user="alice")
            assert crowd.held == 4
        assert trio.current_time() == pytest.approx(10, abs=0.2)
        assert [(e.user, e.limit) for e in log.of(LimitChanged)] == [(None, 3), ("alice", 4)]


async def test_raising_by_a_function_admits_when_it_has_answered(autojump_clock: MockClock) -> None:
    async with opened(1, slot_wait=60.0) as (supervisor, _):
        crowd = Crowd(supervisor)
        await crowd.get("first")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(crowd.get, "waits")
            await trio.sleep(1)
            supervisor.set_limit(two_for_alice)
            await trio.sleep(0.6)
            assert crowd.keys == {"first", "waits"}


async def test_a_new_limit_function_that_raises_ends_nobody(autojump_clock: MockClock) -> None:
    async with opened(1) as (supervisor, log):
        crowd = Crowd(supervisor)
        ref = (await crowd.get("tab")).ref
        supervisor.set_limit(raises)
        await settle()
        assert await all_answer([ref])
        assert [type(event.error) for event in log.of(HandlerFailed)] == [LookupError]


async def test_lowering_ends_nobody_and_admits_nobody(autojump_clock: MockClock) -> None:  # R01
    async with opened(5) as (supervisor, log):
        crowd = Crowd(supervisor)
        refs = await crowd.add("tab", 5)
        supervisor.set_limit(2)
        await settle(400)
        assert await all_answer(refs)
        assert not log.of(Terminal)
        for ref in refs[:3]:
            refusal = await crowd.refused("one-more")
            assert refusal.limit == 2
            ref.stop()
            await ref.wait_stopped()
            await settle()
        assert (await crowd.refused("one-more")).live == 2
        refs[3].stop()
        await settle()
        assert (await crowd.get("one-more")).created


async def test_a_user_with_a_limit_of_his_own_keeps_it(autojump_clock: MockClock) -> None:
    async with opened(1) as (supervisor, _):
        supervisor.set_limit(3, user="alice")
        supervisor.set_limit(2)
        await Crowd(supervisor, "alice").add("tab", 3)
        await Crowd(supervisor, "bob").add("tab", 2)
        assert (await Crowd(supervisor, "bob").refused("one-more")).limit == 2


async def test_those_who_wait_are_admitted_in_order_of_arrival(autojump_clock: MockClock) -> None:  # R26
    async with opened(3, slot_wait=100.0) as (supervisor, log):
        crowd = Crowd(supervisor)
        refs = await crowd.add("first", 3)
        async with trio.open_nursery() as nursery:
            for number in range(3):
                nursery.start_soon(crowd.get, f"waits-{number}")
                await trio.sleep(1)
            for ref in refs:
                ref.stop()
                await trio.sleep(1)
        order = [e.key for e in log.of(Reserved) if e.key.startswith("waits")]
        assert order == ["waits-0", "waits-1", "waits-2"]
        assert [event.ahead for event in log.of(Waited)] == [0, 1, 2]


async def test_who_waited_long_enough_is_refused_and_the_others_wait_on(autojump_clock: MockClock) -> None:
    async with opened(1, slot_wait=10.0) as (supervisor, _):
        crowd = Crowd(supervisor)
        first = (await crowd.get("first")).ref
        async with trio.open_nursery() as nursery:
            nursery.start_soon(crowd.refused, "early")
            await trio.sleep(5)
            nursery.start_soon(crowd.get, "late")
            await trio.sleep(6)
            first.stop()
        assert crowd.keys == {"late"}


async def test_a_wait_ends_early_when_a_newcomer_finds_room(autojump_clock: MockClock) -> None:
    async with opened(1, slot_wait=100.0) as (supervisor, _):
        crowd = Crowd(supervisor)
        await crowd.add("stuck", 1, WedgedForever, at_work=True)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(crowd.get, "first-to-wait")
            await trio.sleep(BUDGET + 1)
            with trio.move_on_after(1):
                await crowd.get("second")
            assert crowd.keys == {"first-to-wait"}


async def test_a_full_process_refuses_and_says_so(autojump_clock: MockClock) -> None:  # R01
    async with opened(5, process_limit=2) as (supervisor, log):
        refs = [*await Crowd(supervisor, "ann").add("tab", 1), *await Crowd(supervisor, "bob").add("tab", 1)]
        refusal = await Crowd(supervisor, "cid").refused("tab")
        assert refusal.reason is RefusalReason.PROCESS_LIMIT
        assert refusal.limit == 2
        assert "server is full (2 sessions)" in refusal.sentence
        assert "Tried garbage, liveness" in refusal.sentence
        assert log.of(CleanedUp)
        assert await all_answer(refs)
        await supervisor.stop_user("ann")
        assert (await Crowd(supervisor, "cid").get("tab")).created


async def test_a_refusal_of_a_full_process_names_nobody_elses_sessions(autojump_clock: MockClock) -> None:
    async with opened(5, process_limit=2) as (supervisor, _):
        ann = Crowd(supervisor, "ann")
        await ann.add("mine", 1)
        await Crowd(supervisor, "bob").add("secret", 1)
        refusal = await ann.refused("tab")
        assert [holder.key for holder in refusal.holders] == ["mine-0"]
        assert "bob" not in str(refusal)
        assert "secret" not in str(refusal)


async def test_a_full_process_is_rid_of_whom_evidence_speaks_against(autojump_clock: MockClock) -> None:
    async with opened(5, process_limit=2) as (supervisor, _):
        await Crowd(supervisor, "ann").add("stuck", 1, WedgedForever, at_work=True)
        healthy = await Crowd(supervisor, "bob").add("tab", 1)
        await trio.sleep(BUDGET + 0.01)
        assert (await Crowd(supervisor, "cid").get("tab")).created
        assert await all_answer(healthy)
        with pytest.raises(SpawnRefused):
            await Crowd(supervisor, "ann").get("tab")


async def test_a_full_process_answers_within_the_admission_deadline(autojump_clock: MockClock) -> None:
    async with opened(5, process_limit=2) as (supervisor, _):
        abandoned = partial(SlowStop, 4.0, sockets=True)
        await Crowd(supervisor, "ann").add("garbage", 1, abandoned)
        await trio.sleep(25)
        await Crowd(supervisor, "bob").add("stuck", 1, WedgedForever, at_work=True)
        await trio.sleep(BUDGET + 0.01)
        began = trio.current_time()
        assert (await Crowd(supervisor, "cid").get("tab", Healthy)).created
        assert trio.current_time() - began <= 2 * 0.05 + 0.05 + 0.001
