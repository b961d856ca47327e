"""A user's threads are the user's own: they take nobody else's, and nothing hides those that hang."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors import ActorCrashed, ActorRef, ExitReason, TooManyThreads
from supervisor import Condemned, Supervisor, Terminal, UserSnapshot
from tests.actors.blocking import Gate, until
from tests.actors.puppets import Do, Puppet, answer

from .harness import BUDGET, Crowd, opened

# As often as the supervisor looks whether the loop stands still; in larger leaps it would seem to.
MOMENT = 0.2


async def passes(clock: MockClock, seconds: float) -> None:
    """So much virtual time; threads take real time, so the clock never goes on by itself."""
    until = clock.current_time() + seconds
    while clock.current_time() < until:
        clock.jump(MOMENT)
        await wait_all_tasks_blocked()


async def stick(ref: ActorRef[Do[Any]], gate: Gate) -> None:
    """Have it call a function that does not return."""
    await ref.tell(Do(lambda self: self.run_blocking(gate.wait)))
    await wait_all_tasks_blocked()


async def can_use_a_thread(ref: ActorRef[Do[Any]]) -> bool:
    return await ref.ask(Do(lambda self: self.run_blocking(divmod, 7, 4))) == (1, 3)


async def has_too_many(ref: ActorRef[Do[Any]]) -> TooManyThreads:
    """Have it try one more and be told that there are too many."""

    async def work(self: Puppet) -> TooManyThreads:
        with pytest.raises(TooManyThreads) as refused:
            await self.run_blocking(int)
        return refused.value

    return await ref.ask(Do(work))


def threads(supervisor: Supervisor, user: str = "alice") -> int:
    """As an operator sees it: the two views must agree."""
    explained = supervisor.explain(user).threads
    users = [seen for seen in supervisor.snapshot().users if seen.user == user]
    assert sum(seen.threads for seen in users) == explained
    return explained


async def test_an_actor_stuck_in_a_thread_is_reaped_at_once_and_not_condemned(mock_clock: MockClock) -> None:
    async with opened(1) as (supervisor, log):
        with Gate() as gate:
            [stuck] = await Crowd(supervisor).add("stuck", 1, Puppet)
            await stick(stuck, gate)
            await passes(mock_clock, BUDGET)
            await passes(mock_clock, MOMENT)
            before = trio.current_time()
            assert (await Crowd(supervisor).get("next", Puppet)).created
            assert trio.current_time() == before
            [terminal] = log.of(Terminal, stuck)
            assert terminal.exit.reason is ExitReason.UNRESPONSIVE
            assert not log.of(Condemned)
            assert threads(supervisor) == 1
            gate.open()
            await until(lambda: threads(supervisor) == 0)


async def test_a_call_that_is_within_the_budget_leaves_its_actor_busy(mock_clock: MockClock) -> None:
    async with opened(1) as (supervisor, log):
        with Gate() as gate:
            crowd = Crowd(supervisor)
            [slow] = await crowd.add("slow", 1, Puppet)
            await stick(slow, gate)
            await passes(mock_clock, BUDGET - 1)
            assert "busy" in str((await crowd.refused("next")).holders[0].verdict)
            gate.open()
            assert await slow.ask(answer("back")) == "back"
            assert not log.of(Terminal)


async def test_the_ninth_thread_of_a_user_fails_at_once_whichever_manager_asks(mock_clock: MockClock) -> None:
    async with opened() as (supervisor, _):
        with Gate() as gate:
            crowd = Crowd(supervisor)
            for stuck in await crowd.add("stuck", 7, Puppet):
                await stick(stuck, gate)
            [free] = await crowd.add("free", 1, Puppet)
            assert await can_use_a_thread(free)
            [eighth] = await crowd.add("eighth", 1, Puppet)
            await stick(eighth, gate)
            assert threads(supervisor) == 8
            refused = await has_too_many(free)
            assert (refused.owner, refused.limit) == ("alice", 8)
            gate.open()
            await until(lambda: threads(supervisor) == 0)
            assert await can_use_a_thread(free)


async def test_unhandled_it_is_a_crash_with_its_cause(mock_clock: MockClock) -> None:
    async with opened(threads_per_user=1) as (supervisor, log):
        with Gate() as gate:
            stuck, other = await Crowd(supervisor).add("it", 2, Puppet)
            await stick(stuck, gate)
            with pytest.raises(ActorCrashed) as crashed:
                await can_use_a_thread(other)
            assert isinstance(crashed.value.error, TooManyThreads)
            await other.wait_stopped()
            await wait_all_tasks_blocked()
            assert [end.exit.reason for end in log.of(Terminal)] == [ExitReason.CRASHED]


async def test_other_users_and_trio_itself_have_all_their_threads(mock_clock: MockClock) -> None:
    async with opened(limit=50, threads_per_user=50) as (supervisor, _):
        with Gate() as gate:
            for stuck in await Crowd(supervisor, "alice").add("stuck", 50, Puppet):
                await stick(stuck, gate)
            bobs = (await Crowd(supervisor, "bob").get("tab", Puppet)).ref
            assert await can_use_a_thread(bobs)
            assert trio.to_thread.current_default_thread_limiter().borrowed_tokens == 0
            assert await trio.to_thread.run_sync(divmod, 7, 4) == (1, 3)
            assert (threads(supervisor, "alice"), threads(supervisor, "bob")) == (50, 0)
            assert supervisor.snapshot().threads == 50


async def test_generations_of_stuck_managers_occupy_no_more_than_the_users_threads(
    mock_clock: MockClock,
) -> None:
    async with opened(1, threads_per_user=3) as (supervisor, log):
        with Gate() as gate:
            crowd = Crowd(supervisor)
            for number in range(3):
                await stick((await crowd.get(f"{number}", Puppet)).ref, gate)
                assert threads(supervisor) == number + 1
                await passes(mock_clock, BUDGET)
                await passes(mock_clock, MOMENT)
            last = (await crowd.get("last", Puppet)).ref
            assert (await has_too_many(last)).limit == 3
            assert [end.exit.reason for end in log.of(Terminal)] == [ExitReason.UNRESPONSIVE] * 3
            assert await last.ask(answer("not locked out")) == "not locked out"
            gate.open()
            await until(lambda: threads(supervisor) == 0)
            assert await can_use_a_thread(last)


async def leave_threads_behind(supervisor: Supervisor, gate: Gate, count: int) -> None:
    """Nothing of alice's stays, nor any reference of ours, but so many threads."""
    for stuck in await Crowd(supervisor).add("stuck", count, Puppet):
        await stick(stuck, gate)
        stuck.cell.cancel(ExitReason.UNRESPONSIVE)
    await supervisor.stop_user("alice")
    await wait_all_tasks_blocked()


async def test_threads_count_on_while_nothing_else_of_their_user_is_left(mock_clock: MockClock) -> None:
    async with opened(threads_per_user=2) as (supervisor, _):
        with Gate() as gate:
            await leave_threads_behind(supervisor, gate, 2)
            gc.collect()
            assert [seen.user for seen in supervisor.snapshot().users] == ["alice"]
            assert supervisor.snapshot().users == (
                UserSnapshot("alice", 20, 0, 0, threads=2, managers=(), condemned=()),
            )
            anew = (await Crowd(supervisor).get("anew", Puppet)).ref
            assert (await has_too_many(anew)).owner == "alice"
            gate.open()
            await until(lambda: threads(supervisor) == 0)
            assert await can_use_a_thread(anew)


async def test_when_its_last_thread_has_ended_a_user_that_left_is_forgotten(mock_clock: MockClock) -> None:
    async with opened() as (supervisor, _):
        with Gate() as gate:
            await Crowd(supervisor).get("tab", Puppet)
            await leave_threads_behind(supervisor, gate, 2)
            assert threads(supervisor) == 2
            kept = weakref.ref(supervisor._services.threads_of("alice"))  # pyright: ignore[reportPrivateUsage]
            assert kept() is not None
            gate.open()
            await until(lambda: threads(supervisor) == 0)
            assert supervisor.snapshot().users == ()
            gc.collect()
            assert kept() is None


async def test_the_block_ends_while_a_thread_hangs(mock_clock: MockClock) -> None:
    with Gate() as gate:
        async with opened() as (supervisor, log):
            await leave_threads_behind(supervisor, gate, 1)
        # The gate is closed still, and no time has passed.
        assert trio.current_time() == 0
        assert [end.was_condemned for end in log.of(Terminal)] == [False]


async def test_supervisors_do_not_share_a_users_threads(mock_clock: MockClock) -> None:
    async with opened(threads_per_user=1) as (one, _), opened(threads_per_user=1) as (other, _):
        with Gate() as gate:
            await stick((await Crowd(one).get("tab", Puppet)).ref, gate)
            assert (threads(one), threads(other)) == (1, 0)
            assert await can_use_a_thread((await Crowd(other).get("tab", Puppet)).ref)


SECRET: ContextVar[str] = ContextVar("secret", default="none")


def keep(secret: str) -> Callable[[], str]:
    """What one user's thread leaves behind, if threads left anything behind."""

    def keep_and_read() -> str:
        before = SECRET.get()
        SECRET.set(secret)
        return before

    return keep_and_read


async def test_nothing_of_one_users_context_is_seen_in_anothers_thread(mock_clock: MockClock) -> None:
    async def work(self: Puppet) -> list[str]:
        SECRET.set(f"set by {self.ref.name}")
        return [await self.run_blocking(keep("set in a thread")) for _ in range(2)]

    async with opened() as (supervisor, _):
        SECRET.set("the caller's")
        for user in ("alice", "bob"):  # one after the other: Trio gives them the same thread
            ref = (await Crowd(supervisor, user).get("tab", Puppet)).ref
            fresh = await ref.ask(Do(lambda self: self.run_blocking(SECRET.get)))
            assert fresh == "none"
            assert await ref.ask(Do(work)) == [f"set by {ref.name}"] * 2
