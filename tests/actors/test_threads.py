"""run_blocking: a thread per call, abandoned on cancellation, counted until it ends, never waited for."""

from __future__ import annotations

import threading
from contextvars import ContextVar
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors import ActorCrashed, ActorRef, ExitReason, Fenced, State, Threads, TooManyThreads
from tests.supervisor.test_cancelled_callers import CancelAt

from .blocking import Gate, until
from .puppets import Do, Puppet, Stage, answer, open_stage

# The clock of these tests stands still: threads take real time, and no budget runs out meanwhile.
pytestmark = pytest.mark.usefixtures("mock_clock")


async def all_taken(stage: Stage, gate: Gate, *, threads: Threads) -> list[ActorRef[Do[Any]]]:
    """As many actors as there are threads, each in a call that does not return."""
    puppets = [await stage.puppet(f"it-{number}", threads=threads) for number in range(threads.limit)]
    for puppet in puppets:
        puppet.tell_nowait(Do(lambda self: self.run_blocking(gate.wait)))
    await wait_all_tasks_blocked()
    assert threads.busy == threads.limit
    return puppets


async def test_the_function_runs_in_a_thread_and_its_result_comes_back() -> None:
    async with open_stage() as stage:
        puppet = await stage.puppet()
        where = await puppet.ask(Do(lambda self: self.run_blocking(threading.get_ident)))
        assert where != threading.get_ident()
        assert await puppet.ask(Do(lambda self: self.run_blocking(divmod, 7, 4))) == (1, 3)
        assert puppet.cell.threads.busy == 0


async def test_its_thread_bears_the_name_of_the_actor() -> None:
    async with open_stage() as stage:
        puppet = await stage.puppet("ann/tab#1")
        name = await puppet.ask(Do(lambda self: self.run_blocking(lambda: threading.current_thread().name)))
        assert name == "ann/tab#1"


async def test_an_error_of_the_function_reaches_the_caller() -> None:
    async with open_stage() as stage:
        puppet = await stage.puppet()
        error = OSError("no disk")

        def fail() -> None:
            raise error

        async def work(self: Puppet) -> str:
            with pytest.raises(OSError, match="no disk") as raised:
                await self.run_blocking(fail)
            assert raised.value is error
            return "survived"

        assert await puppet.ask(Do(work)) == "survived"
        with pytest.raises(ActorCrashed) as crashed:
            await puppet.ask(Do(lambda self: self.run_blocking(fail)))
        assert crashed.value.error is error
        assert puppet.cell.threads.busy == 0


async def test_when_all_threads_are_taken_the_next_call_fails_at_once() -> None:
    with Gate() as gate:
        async with open_stage() as stage:
            threads = Threads("ann", 3)
            await all_taken(stage, gate, threads=threads)
            ran: list[str] = []
            late = await stage.puppet("late", threads=threads)

            async def work(self: Puppet) -> TooManyThreads:
                with pytest.raises(TooManyThreads) as refused:
                    await self.run_blocking(ran.append, "ran")
                return refused.value

            refused = await late.ask(Do(work))
            assert (refused.owner, refused.limit) == ("ann", 3)
            assert all(word in str(refused) for word in ("'ann'", "3 threads", "`threads_per_user`"))
            assert (threads.busy, ran) == (3, [])
            gate.open()
            await until(lambda: threads.busy == 0)
            await late.ask(Do(lambda self: self.run_blocking(ran.append, "ran")))
            assert ran == ["ran"]


async def test_a_cancelled_caller_goes_on_at_once_and_its_thread_counts_until_it_ends() -> None:
    with Gate() as gate:
        async with open_stage() as stage:
            puppet = await stage.puppet()
            threads = puppet.cell.threads

            async def abandon(self: Puppet) -> None:
                with trio.CancelScope() as scope:
                    self.start_soon(cancel, scope)
                    await self.run_blocking(gate.wait)
                assert scope.cancelled_caught

            async def cancel(scope: trio.CancelScope) -> None:
                await wait_all_tasks_blocked()
                scope.cancel()

            await puppet.ask(Do(abandon))
            assert threads.busy == 1
            gate.open()
            await until(lambda: threads.busy == 0)
            assert puppet.state is State.RUNNING


async def test_the_error_of_an_abandoned_call_is_dropped() -> None:
    with Gate() as gate:
        async with open_stage() as stage:
            [puppet] = await all_taken(stage, gate, threads=Threads("ann", 1))
            puppet.cell.cancel(ExitReason.UNRESPONSIVE)
            assert (await puppet.wait_stopped()).error is None
            other = await stage.puppet("other")
            other.tell_nowait(Do(lambda self: self.run_blocking(gate.wait_and_raise)))
            await wait_all_tasks_blocked()
            other.cell.cancel(ExitReason.UNRESPONSIVE)
            gate.open()
            await until(lambda: other.cell.threads.busy == 0)
            assert (await other.wait_stopped()).error is None


@pytest.mark.parametrize("step", [1, 2, 3])  # within it: let in, let start, blocked
async def test_whenever_its_caller_is_cancelled_the_count_is_that_of_the_threads(step: int) -> None:
    threads, started = Threads("ann"), threading.Event()
    with Gate() as gate:

        def block() -> None:
            started.set()
            gate.wait()

        async def call() -> None:
            scope = trio.CancelScope()
            instrument = CancelAt(scope, trio.lowlevel.current_task(), step)
            trio.lowlevel.add_instrument(instrument)
            nursery.start_soon(cancel_when_blocked, scope)
            with scope:
                await threads.run("it", block)
            trio.lowlevel.remove_instrument(instrument)

        async def cancel_when_blocked(scope: trio.CancelScope) -> None:
            """It takes no more steps by itself, however many it was to be let."""
            await wait_all_tasks_blocked()
            scope.cancel()

        async with trio.open_nursery() as nursery:  # noqa: ASYNC112  # the call starts its own canceller in it
            nursery.start_soon(call)
        if threads.busy:
            await until(started.is_set)
        assert threads.busy == started.is_set()
        gate.open()
        await until(lambda: threads.busy == 0)


async def test_a_call_that_is_cancelled_before_it_begins_starts_no_thread() -> None:
    threads, ran = Threads("ann"), list[str]()
    with trio.CancelScope() as scope:
        scope.cancel()
        await threads.run("it", ran.append, "ran")
    assert scope.cancelled_caught
    assert (threads.busy, ran) == (0, [])


async def test_a_thread_that_could_not_be_started_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_more(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    threads = Threads("ann")
    monkeypatch.setattr("trio._threads.start_thread_soon", no_more)
    with pytest.raises(RuntimeError, match="can't start"):
        await threads.run("it", int)
    assert threads.busy == 0


async def test_trios_own_threads_stay_free_whatever_hangs() -> None:
    with Gate() as gate:
        async with open_stage() as stage:
            everybodys = trio.to_thread.current_default_thread_limiter()
            for puppet in await all_taken(stage, gate, threads=Threads("ann", 41)):
                puppet.cell.cancel(ExitReason.UNRESPONSIVE)
                await puppet.wait_stopped()
            assert everybodys.borrowed_tokens == 0
            assert await trio.to_thread.run_sync(divmod, 7, 4) == (1, 3)


async def test_an_actor_without_a_user_has_threads_of_its_own() -> None:
    async with open_stage() as stage:
        one, other = await stage.puppet("one"), await stage.puppet("other")
        assert one.cell.threads is not other.cell.threads
        assert (one.cell.threads.owner, one.cell.threads.limit) == ("one", 8)


async def test_a_child_task_may_block_too_and_goes_with_its_actor() -> None:
    with Gate() as gate:
        async with open_stage() as stage:
            puppet = await stage.puppet()

            async def in_child(self: Puppet) -> None:
                self.start_soon(self.run_blocking, gate.wait)

            await puppet.ask(Do(in_child))
            await wait_all_tasks_blocked()
            assert await puppet.ask(answer("free for mail")) == "free for mail"
            puppet.stop()
            assert (await puppet.wait_stopped()).reason is ExitReason.STOPPED
            assert puppet.cell.threads.busy == 1


async def test_an_abandoned_thread_can_see_that_it_is_and_end() -> None:
    async with open_stage() as stage:
        puppet, seen = await stage.puppet(), list[str]()

        def poll() -> None:
            try:
                while True:
                    trio.from_thread.check_cancelled()
            except trio.Cancelled:
                seen.append("cancelled")
                raise

        puppet.tell_nowait(Do(lambda self: self.run_blocking(poll)))
        await until(lambda: puppet.cell.threads.busy == 1)
        puppet.cell.cancel(ExitReason.UNRESPONSIVE)
        await until(lambda: puppet.cell.threads.busy == 0)
        assert seen == ["cancelled"]


LANGUAGE: ContextVar[str] = ContextVar("language", default="none")


async def test_the_function_sees_the_callers_context_and_changes_only_a_copy() -> None:
    def translate() -> str:
        before = LANGUAGE.get()
        LANGUAGE.set("changed in the thread")
        return before

    async def work(self: Puppet) -> tuple[str, str]:
        LANGUAGE.set("fi")
        return await self.run_blocking(translate), LANGUAGE.get()

    async with open_stage() as stage:
        assert await (await stage.puppet()).ask(Do(work)) == ("fi", "fi")
    assert LANGUAGE.get() == "none"


async def test_a_thread_says_that_it_gets_on_only_through_the_loop(mock_clock: MockClock) -> None:
    async with open_stage() as stage:
        puppet = await stage.puppet()
        mock_clock.jump(3)

        async def work(self: Puppet) -> tuple[float, float]:
            with pytest.raises(RuntimeError):
                await self.run_blocking(self.progress)
            untold = self.ref.pulse.progressed_at
            await self.run_blocking(trio.from_thread.run_sync, self.progress)
            return untold, self.ref.pulse.progressed_at

        untold, told = await puppet.ask(Do(work))
        assert untold == 0
        assert told == trio.current_time()


async def test_a_condemned_actor_may_not_start_threads() -> None:
    async with open_stage() as stage:
        puppet, release, raised = await stage.puppet(), trio.Event(), list[str]()

        async def work(self: Puppet) -> None:
            with trio.CancelScope(shield=True):
                await release.wait()
                with pytest.raises(Fenced) as fenced:
                    await self.run_blocking(raised.append, "ran")
                raised.append(str(fenced.value))

        puppet.tell_nowait(Do(work))
        await wait_all_tasks_blocked()
        puppet.cell.cancel(ExitReason.UNRESPONSIVE)
        puppet.cell.condemn()
        release.set()
        await until(lambda: puppet.state is State.ENDED)
        [told] = raised
        assert told.endswith("may not send, nor start threads")
