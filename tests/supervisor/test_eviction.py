"""Eviction: a healthy one makes room, where a policy says so; none at work, protected, or of another user."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress

import attrs
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from actors import CLOSE_EVICTED, ActorRef, ExitReason
from supervisor import (
    Candidate,
    CleanedUp,
    Evicted,
    EvictionFailed,
    EvictionPolicy,
    LeastRecentlyActive,
    LowestPriority,
    Newcomer,
    Refused,
    SpawnRefused,
    Stage,
    Supervisor,
    SupervisorSpec,
    open_supervisor,
)
from supervisor.checking import check_events
from supervisor.testing import Echo, Healthy, WedgedForever, Work

from .harness import LONG, Crowd, Log, answers, settle

candidates = st.lists(
    st.builds(
        Candidate,
        key=st.text(),
        incarnation=st.integers(1),
        priority=st.integers(-3, 3),
        quiet_for=st.floats(0, 1000),
        age=st.floats(0, 1000),
        connections=st.none() | st.integers(0, 3),
    )
)
NEWCOMER = Newcomer("alice", "new", 1)


@given(candidates, st.floats(0, 1000))
def test_the_least_recently_active_goes_if_it_is_quiet_at_all(found: list[Candidate], quiet: float) -> None:
    chosen = LeastRecentlyActive(quiet)(NEWCOMER, found)
    if chosen is None:
        assert all(one.quiet_for < quiet for one in found)
    else:
        assert chosen.quiet_for == max(one.quiet_for for one in found) >= quiet


@given(candidates)
def test_the_lowest_priority_goes_if_it_is_below_the_newcomers(found: list[Candidate]) -> None:
    chosen = LowestPriority()(NEWCOMER, found)
    if chosen is None:
        assert all(one.priority >= 1 for one in found)
    else:
        assert chosen.priority == min(one.priority for one in found) < 1
        assert chosen.quiet_for == max(one.quiet_for for one in found if one.priority == chosen.priority)


@asynccontextmanager
async def evicting(
    policy: EvictionPolicy | None, limit: int = 3, **spec: float
) -> AsyncGenerator[tuple[Supervisor, Log, Crowd]]:
    with trio.fail_after(LONG):
        made = SupervisorSpec(**spec)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        async with open_supervisor(limit, spec=made, evict=policy) as supervisor:
            with supervisor.events(capacity=1_000_000) as events:
                log = Log(events)
                yield supervisor, log, Crowd(supervisor)
                assert check_events(log.all, over=False) == ()


async def one_a_minute(crowd: Crowd, *keys: str) -> list[ActorRef[object]]:
    refs: list[ActorRef[object]] = []
    for key in keys:
        refs.append((await crowd.get(key)).ref)
        await trio.sleep(60)
    return refs


async def test_without_a_policy_nobody_healthy_ever_goes(autojump_clock: MockClock) -> None:
    async with evicting(None) as (_, log, crowd):
        await one_a_minute(crowd, "a", "b", "c")
        refusal = await crowd.refused("d")
        assert Stage.EVICT not in {report.stage for report in refusal.stages}
        assert crowd.keys == {"a", "b", "c"}
        assert not log.of(Evicted)


async def test_the_quietest_makes_room_and_its_client_hears_why(autojump_clock: MockClock) -> None:
    async with evicting(LeastRecentlyActive()) as (_, log, crowd):
        refs = await one_a_minute(crowd, "a", "b", "c")
        await refs[0].ask(Echo("a is in use"))
        began = trio.current_time()
        obtained = await crowd.get("d")
        assert obtained.created
        assert trio.current_time() - began < 0.05
        assert crowd.keys == {"a", "c", "d"}
        assert refs[1].exit is not None
        assert refs[1].exit.reason is ExitReason.EVICTED
        (event,) = log.of(Evicted)
        assert (event.key, event.newcomer, event.quiet_for) == ("b", "d", 120.0)
        (report,) = [event.report for event in log.of(CleanedUp)]
        assert [stage.stage for stage in report.stages] == [Stage.GARBAGE, Stage.LIVENESS, Stage.EVICT]
        assert [finding.key for finding in report.stages[-1].reaped] == ["b"]
        assert {finding.key for finding in report.stages[-1].kept} == {"a", "c"}


async def test_the_clients_connection_is_closed_with_a_code_of_its_own(autojump_clock: MockClock) -> None:
    async with evicting(LeastRecentlyActive(), limit=1) as (_, _, crowd):
        (ref,) = await crowd.add("tab", 1, lambda: Healthy(sockets=True))
        wire = crowd.attach(ref)
        await trio.sleep(100)
        await crowd.get("new")
        assert wire.closed is not None
        assert wire.closed.code == CLOSE_EVICTED == 4009
        assert wire.closed.reason == "This session had to make room for another one of yours."


async def test_who_is_at_work_or_newborn_or_protected_or_doubtful_is_no_candidate(
    autojump_clock: MockClock,
) -> None:
    asked: list[tuple[Newcomer, set[str]]] = []

    def policy(newcomer: Newcomer, found: Sequence[Candidate]) -> Candidate | None:
        asked.append((newcomer, {one.key for one in found}))
        return found[0]

    async with evicting(policy, limit=5) as (_, _, crowd):
        await crowd.get("free", priority=-1)
        await crowd.get("protected", protected=True)
        (busy,) = await crowd.add("busy", 1, WedgedForever, at_work=True)  # within its budget
        await crowd.add("stuck", 1, lambda: Healthy(sockets=True))  # newborn: no connection yet
        await crowd.get("another")
        await settle(0.1)
        await crowd.get("new", priority=7)
        assert asked == [(Newcomer("alice", "new", 7), {"free", "another"})]
        assert crowd.keys == {"protected", "busy-0", "stuck-0", "another", "new"}
        assert busy.exit is None


async def test_who_has_mail_is_no_candidate_though_he_has_not_begun_with_it(
    autojump_clock: MockClock,
) -> None:
    asked: list[set[str]] = []

    async with evicting(lambda _, found: policy(found), limit=3) as (_, _, crowd):
        refs = {key: (await crowd.get(key)).ref for key in ("a", "b", "c")}

        def policy(found: Sequence[Candidate]) -> Candidate | None:
            asked.append({one.key for one in found})
            refs["b"].tell_nowait(Work())
            return next(one for one in found if one.key == "a") if len(asked) == 1 else None

        async def come(key: str) -> None:
            with suppress(SpawnRefused):
                await crowd.get(key)

        await settle()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(come, "x")
            nursery.start_soon(come, "y")
        assert asked[:2] == [{"a", "b", "c"}, {"c"}]


async def test_the_bad_go_first_and_then_nobody_healthy_must(autojump_clock: MockClock) -> None:
    async with evicting(LeastRecentlyActive(0.0), limit=3) as (_, log, crowd):
        await crowd.get("a")
        await crowd.get("b")
        await crowd.add("stuck", 1, WedgedForever, at_work=True)
        await trio.sleep(5.1)
        await crowd.get("new")
        assert crowd.keys == {"a", "b", "new"}
        assert not log.of(Evicted)


async def test_one_goes_for_each_newcomer_and_no_more(autojump_clock: MockClock) -> None:
    async with evicting(LeastRecentlyActive(), limit=5) as (_, log, crowd):
        await one_a_minute(crowd, "a", "b", "c", "d", "e")
        async with trio.open_nursery() as nursery:
            for key in ("x", "y"):
                nursery.start_soon(crowd.get, key)
        assert crowd.keys == {"c", "d", "e", "x", "y"}
        assert [event.key for event in log.of(Evicted)] == ["a", "b"]
        assert not log.of(Refused)


async def test_newcomers_do_not_evict_each_other(autojump_clock: MockClock) -> None:
    async with evicting(LeastRecentlyActive(60.0), limit=2) as (_, _, crowd):
        await one_a_minute(crowd, "a", "b")
        await crowd.get("c")
        await crowd.get("d")
        await crowd.refused("e")
        assert crowd.keys == {"c", "d"}


async def test_the_lesser_makes_room_for_the_greater_only(autojump_clock: MockClock) -> None:
    async with evicting(LowestPriority(), limit=2) as (_, _, crowd):
        await crowd.get("background", priority=-1)
        await crowd.get("tab")
        await crowd.get("call", priority=5)
        assert crowd.keys == {"tab", "call"}
        await crowd.refused("tab2")
        await crowd.get("call2", priority=5)
        assert crowd.keys == {"call", "call2"}


async def test_other_users_see_nothing_of_it(autojump_clock: MockClock) -> None:
    async with evicting(LeastRecentlyActive(), limit=1) as (supervisor, _, crowd):
        other = Crowd(supervisor, "bob")
        bobs = (await other.get("tab")).ref
        await one_a_minute(crowd, "a")
        await trio.sleep(100)
        await crowd.get("b")
        assert await answers(bobs)


async def test_above_a_lowered_limit_nobody_is_evicted_in_vain(autojump_clock: MockClock) -> None:
    async with evicting(LeastRecentlyActive(), limit=3) as (supervisor, log, crowd):
        await one_a_minute(crowd, "a", "b", "c")
        supervisor.set_limit(1)
        await crowd.refused("d")
        assert not log.of(Evicted)
        assert crowd.keys == {"a", "b", "c"}


def raises(_: Newcomer, found: Sequence[Candidate]) -> Candidate | None:
    raise ZeroDivisionError(f"of {len(found)}")


def makes_one_up(_: Newcomer, found: Sequence[Candidate]) -> Candidate | None:
    return attrs.evolve(found[0], key="another")


@pytest.mark.parametrize("policy", [raises, makes_one_up])
async def test_a_policy_that_fails_evicts_nobody_and_is_told(
    policy: EvictionPolicy, autojump_clock: MockClock
) -> None:
    async with evicting(policy, limit=1) as (_, log, crowd):
        ref = (await crowd.get("a")).ref
        await settle()
        await crowd.refused("b")
        assert await answers(ref)
        (failed,) = log.of(EvictionFailed)
        assert failed.user == "alice"


async def test_one_that_does_not_stop_in_time_keeps_its_slot_for_its_grace(autojump_clock: MockClock) -> None:
    class Slow(Healthy):
        async def on_stop(self) -> None:
            await trio.sleep(2)

    async with evicting(LeastRecentlyActive(), limit=1) as (_, log, crowd):
        await crowd.get("a", Slow)
        await trio.sleep(100)
        refusal = await crowd.refused("b")
        assert refusal.reason.value == "reap_pending"
        await trio.sleep(2)
        await crowd.get("b")
        assert len(log.of(Evicted)) == 1


async def test_an_explanation_says_who_would_make_room(autojump_clock: MockClock) -> None:
    async with evicting(LeastRecentlyActive(), limit=2) as (supervisor, log, crowd):
        await crowd.get("a")
        await crowd.get("b")
        assert not supervisor.explain("alice").would_admit, "nobody is quiet yet"
        await trio.sleep(60)
        explained = supervisor.explain("alice")
        assert explained.would_admit
        assert [finding.key for finding in explained.dry_run.reaped] == ["a"]
        assert explained.dry_run.stages[-1].stage is Stage.EVICT
        assert not log.of(Evicted)


async def test_nobody_is_evicted_by_hand() -> None:
    async with open_supervisor(evict=LeastRecentlyActive()) as supervisor:
        with pytest.raises(ValueError, match="newcomers"):
            await supervisor.cleanup(until=Stage.EVICT)
