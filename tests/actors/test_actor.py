"""An actor's hooks come in order and in pairs, and what it raises becomes its exit and goes no further."""

from __future__ import annotations

import contextvars
from collections.abc import Callable

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors import Actor, ActorCell, ActorRef, Began, Ended, Ending, Exit, ExitReason, State, run_actor

from .puppets import Do, Puppet, crash, nothing, open_stage, sleep


class Diarist(Actor[object]):
    """Writes down its hooks; each takes as long, and raises what, it was told."""

    def __init__(self, diary: list[str], **raising: BaseException) -> None:
        self.diary = diary
        self.raising = raising
        self.cleanup_takes = 0.0

    async def live(self, hook: str) -> None:
        self.diary.append(hook)
        await trio.lowlevel.checkpoint()
        if hook in self.raising:
            raise self.raising[hook]

    async def on_start(self) -> None:
        await self.live("on_start")

    async def handle(self, message: object) -> None:
        await self.live("handle")
        if isinstance(message, float):
            await trio.sleep(message)

    async def on_stop(self) -> None:
        await self.live("on_stop")
        await trio.sleep(self.cleanup_takes)
        self.diary.append("cleaned up")


WHOLE_LIFE = ["on_start", "handle", "on_stop", "cleaned up"]


async def test_the_hooks_run_in_order(autojump_clock: MockClock) -> None:
    diary: list[str] = []
    async with open_stage() as stage:
        ref = stage.start_soon(lambda: Diarist(diary))
        ref.tell_nowait("hello")
        ref.stop()
        await ref.wait_stopped()
        assert stage.notices == [Ending(), Began(), Ended()]  # it was stopped before it had started
    assert diary == WHOLE_LIFE


async def test_on_stop_runs_after_a_crash(autojump_clock: MockClock) -> None:
    diary: list[str] = []
    async with open_stage() as stage:
        ref = stage.start_soon(lambda: Diarist(diary, handle=ValueError("no")))
        ref.tell_nowait("hello")
        assert (await ref.wait_stopped()).reason is ExitReason.CRASHED
    assert diary == WHOLE_LIFE


@pytest.mark.parametrize("stop_first", [False, True])
@pytest.mark.parametrize("inner", [False, True])
async def test_on_stop_runs_shielded_after_a_cancellation(
    stop_first: bool, inner: bool, autojump_clock: MockClock
) -> None:
    diary: list[str] = []
    cell = ActorCell("it")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_actor, lambda: Diarist(diary), cell)
        ActorRef[object](cell).tell_nowait(60.0)
        await wait_all_tasks_blocked()
        if stop_first:
            cell.stop(ExitReason.STOPPED)
        if inner:
            cell.cancel(ExitReason.EVICTED)
        else:
            nursery.cancel_scope.cancel()
    assert diary == WHOLE_LIFE
    how = ExitReason.EVICTED if inner else ExitReason.CANCELLED
    assert cell.exit_due.reason is (ExitReason.STOPPED if stop_first else how)


@pytest.mark.parametrize("crashing", [False, True])
async def test_on_stop_has_only_the_cleanup_grace(crashing: bool, autojump_clock: MockClock) -> None:
    diary: list[str] = []
    dawdler = Diarist(diary, **({"handle": ValueError("no")} if crashing else {}))
    dawdler.cleanup_takes = 60
    async with open_stage() as stage:
        ref = stage.start_soon(lambda: dawdler, cleanup_grace=3)
        ref.tell_nowait(60.0)
        await wait_all_tasks_blocked()
        ref.cell.cancel(ExitReason.EVICTED)
        await ref.wait_stopped()
    assert trio.current_time() == 3
    assert diary == WHOLE_LIFE[:-1]


async def test_on_stop_after_a_stop_has_the_rest_of_the_stop_grace(autojump_clock: MockClock) -> None:
    diary: list[str] = []
    thorough = Diarist(diary)
    thorough.cleanup_takes = 4
    async with open_stage() as stage:
        ref = stage.start_soon(lambda: thorough, stop_grace=5)
        ref.stop()
        await ref.wait_stopped()
    assert trio.current_time() == 4
    assert diary == ["on_start", "on_stop", "cleaned up"]


async def test_without_a_start_there_is_no_on_stop(autojump_clock: MockClock) -> None:
    diary: list[str] = []
    error = ValueError("no")
    async with open_stage() as stage:
        ref = stage.start_soon(lambda: Diarist(diary, on_start=error))
        ended = await ref.wait_stopped()
        assert (ended.reason, ended.error) == (ExitReason.START_FAILED, error)
        assert stage.notices == [Ending(), Ended()]
    assert diary == ["on_start"]


async def test_one_cancelled_in_on_start_never_was(autojump_clock: MockClock) -> None:
    diary: list[str] = []
    async with open_stage() as stage:
        ref = stage.start_soon(lambda: Diarist(diary))
        ref.cell.cancel(ExitReason.SHUTDOWN)
        assert await ref.wait_stopped() == Exit(ExitReason.SHUTDOWN)
    assert diary == ["on_start"]


async def test_a_factory_that_raises_is_a_failed_start(autojump_clock: MockClock) -> None:
    error = ValueError("no")

    def factory() -> Puppet:
        raise error

    async with open_stage() as stage:
        ended = await stage.start_soon(factory).wait_stopped()
        assert (ended.reason, ended.error) == (ExitReason.START_FAILED, error)


async def test_an_error_in_on_stop_stands_beside_the_reason(autojump_clock: MockClock) -> None:
    error = ValueError("no")
    async with open_stage() as stage:
        ref = stage.start_soon(lambda: Diarist([], on_stop=error))
        ref.stop()
        ended = await ref.wait_stopped()
        assert (ended.reason, ended.error) == (ExitReason.STOPPED, error)


async def test_the_first_error_is_the_one_that_is_told(autojump_clock: MockClock) -> None:
    first = ValueError("first")
    async with open_stage() as stage:
        ref = stage.start_soon(lambda: Diarist([], handle=first, on_stop=ValueError("second")))
        ref.tell_nowait("hello")
        assert (await ref.wait_stopped()).error is first


async def test_children_live_and_die_with_the_actor(autojump_clock: MockClock) -> None:
    lived: list[str] = []

    async def child() -> None:
        try:
            await trio.sleep_forever()
        finally:
            lived.append("ended with it")

    async def bear(puppet: Puppet) -> None:
        puppet.start_soon(child)

    async with open_stage() as stage:
        ref = await stage.puppet()
        await ref.ask(Do(bear))
        await trio.sleep(10)
        assert lived == []
        ref.stop()
        await ref.wait_stopped()
        assert lived == ["ended with it"]
        assert trio.current_time() == 10


async def test_a_crash_in_a_child_task_ends_the_actor_with_that_error(autojump_clock: MockClock) -> None:
    error = ValueError("no")

    async def child() -> None:
        await trio.sleep(1)
        raise error

    async def bear(puppet: Puppet) -> None:
        puppet.start_soon(child)
        await trio.sleep(60)

    async with open_stage() as stage:
        bystander = await stage.puppet("bystander")
        ref = await stage.puppet()
        ref.tell_nowait(Do(bear))
        ended = await ref.wait_stopped()
        assert (ended.reason, ended.error) == (ExitReason.CRASHED, error)
        assert trio.current_time() == 1
        assert bystander.state is State.RUNNING


async def test_an_ended_actor_has_no_children(autojump_clock: MockClock) -> None:
    puppet = Puppet()
    async with open_stage() as stage:
        ref = await stage.start(lambda: puppet, "gone")
        ref.stop()
        await ref.wait_stopped()
        with pytest.raises(RuntimeError, match="'gone' has ended and can have no child tasks"):
            puppet.start_soon(trio.sleep_forever)


async def test_a_crash_amid_a_cancellation_stays_inside(autojump_clock: MockClock) -> None:
    """The group of a Cancelled and an error is no Exception; still the error must not leave."""
    error = ValueError("no")

    async def crash_when_cancelled() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise error

    async def crowd(_: Puppet) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(crash_when_cancelled)
            nursery.start_soon(trio.sleep_forever)

    cell = ActorCell("it")
    with trio.CancelScope() as outer:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run_actor, Puppet, cell)
            ActorRef[object](cell).tell_nowait(Do(crowd))
            await wait_all_tasks_blocked()
            outer.cancel()
    assert outer.cancelled_caught
    assert pytest.RaisesGroup(pytest.RaisesExc(check=lambda it: it is error)).matches(cell.exit_due.error)


async def test_only_a_base_exception_leaves(autojump_clock: MockClock) -> None:
    cell = ActorCell("it")
    ActorRef[object](cell).tell_nowait(crash(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        await run_actor(Puppet, cell)
    assert cell.pulse.state is State.ENDED
    assert cell.is_over
    assert cell.pulse.dead_lettered == 1


async def test_a_dead_actor_leaves_no_trace_in_the_context(autojump_clock: MockClock) -> None:
    async def end_at_once(puppet: Puppet) -> None:
        puppet.stop()

    before = dict(contextvars.copy_context())
    for name in ("first", "second"):
        cell = ActorCell(name)
        ActorRef[object](cell).tell_nowait(Do(end_at_once))
        assert await run_actor(Puppet, cell) == Exit(ExitReason.STOPPED)
        assert dict(contextvars.copy_context()) == before


USES: dict[str, Callable[[Puppet], object]] = {
    "ref": lambda puppet: puppet.ref,
    "stop": lambda puppet: puppet.stop(),
    "progress": lambda puppet: puppet.progress(),
    "start_soon": lambda puppet: puppet.start_soon(trio.sleep_forever),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_one_that_does_not_run_says_what_to_do(use: Callable[[Puppet], object]) -> None:
    with pytest.raises(RuntimeError, match="Puppet does not run yet: spawn it with a supervisor"):
        use(Puppet())


async def test_a_stop_before_the_start_still_works_off_the_mail(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        ref = stage.start_soon(Puppet)
        ref.tell_nowait(sleep(1))
        ref.tell_nowait(nothing())
        ref.stop()
        assert await ref.wait_stopped() == Exit(ExitReason.STOPPED)
        assert ref.statistics().handled == 2
