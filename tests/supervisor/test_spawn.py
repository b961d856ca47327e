"""One manager per user and key: found or created, and what a failed start leaves behind."""

from __future__ import annotations

from contextvars import ContextVar
from functools import partial

import pytest
import trio
from trio.testing import MockClock

from actors import ActorRef, ExitReason, State
from supervisor import (
    Found,
    RefusalReason,
    Reserved,
    SpawnFailed,
    SpawnRefused,
    Started,
    StartFailed,
    SupervisorClosed,
    Terminal,
)
from supervisor.testing import Echo, Healthy, SlowStart, SlowStop, StartHangs, StartRaises

from .harness import PLAIN, Crowd, all_answer, answers, opened, settle, spec_of

LIMITS = (0, 1, 2, 3, 5, 20)


async def test_the_first_call_creates_and_the_next_finds(autojump_clock: MockClock) -> None:  # R11
    async with opened() as (supervisor, log):
        first = await supervisor.get_or_spawn("alice", "tab", PLAIN)
        second = await supervisor.get_or_spawn("alice", "tab", PLAIN)
        assert (first.created, second.created) == (True, False)
        assert second.ref == first.ref == supervisor.lookup("alice", "tab")
        assert [event.key for event in log.of(Found)] == ["tab"]
        assert len(log.of(Reserved)) == len(log.of(Started)) == 1


async def test_3_requests_at_once_get_one_object(autojump_clock: MockClock) -> None:  # R11, A10
    async with opened() as (supervisor, _):
        crowd = Crowd(supervisor, "demo-user-001")
        made: list[Healthy] = []
        got: list[tuple[ActorRef[object], bool]] = []

        def make() -> Healthy:
            made.append(SlowStart(1.0))
            return made[-1]

        async def ask() -> None:
            obtained = await crowd.get("session", make)
            got.append((obtained.ref, obtained.created))

        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(ask)

        assert len(made) == 1
        assert len({ref for ref, _ in got}) == 1
        assert sorted(created for _, created in got) == [False, False, True]
        assert supervisor.snapshot().slots_held == 1


@pytest.mark.parametrize("limit", LIMITS)
async def test_there_are_never_more_than_the_limit(limit: int, autojump_clock: MockClock) -> None:  # R01
    async with opened(limit) as (supervisor, log):
        crowd = Crowd(supervisor)
        outcomes: list[tuple[int, int]] = []

        async def ask(number: int) -> None:
            try:
                obtained = await crowd.get(f"tab-{number}", partial(SlowStart, 1.0))
            except SpawnRefused as refused:
                outcomes.append((refused.live, refused.limit))
            else:
                assert obtained.created

        async with trio.open_nursery() as nursery:
            for number in range(limit + 3):
                nursery.start_soon(ask, number)

        assert outcomes == [(limit, limit)] * 3
        assert crowd.held == limit
        assert all(event.held <= event.limit == limit for event in log.of(Reserved))


@pytest.mark.parametrize("limit", LIMITS)
async def test_stopping_managers_hold_their_slots(limit: int, autojump_clock: MockClock) -> None:  # R01
    async with opened(limit) as (supervisor, _):
        crowd = Crowd(supervisor)
        for ref in await crowd.add("slow", limit, partial(SlowStop, 2.0)):
            ref.stop()
        refusal = await crowd.refused("one-more")
        pending = RefusalReason.REAP_PENDING if limit else RefusalReason.LIMIT
        assert refusal.reason is pending
        await trio.sleep(2.1)
        if limit:
            assert (await crowd.get("one-more")).created


async def test_a_start_that_raises_frees_slot_and_key_and_tells(autojump_clock: MockClock) -> None:
    async with opened(1) as (supervisor, log):
        crowd = Crowd(supervisor)
        for _ in range(3):
            with pytest.raises(SpawnFailed, match="no database") as failed:
                await crowd.get("tab", StartRaises)
            assert failed.value.exit.reason is ExitReason.START_FAILED
            assert isinstance(failed.value.__cause__, OSError)
        await settle()  # a caller may know before the events tell
        assert [type(event) for event in log.all][:3] == [Reserved, StartFailed, Terminal]
        assert len(log.of(Reserved)) == len(log.of(StartFailed)) == len(log.of(Terminal)) == 3
        assert (await crowd.get("tab")).created


async def test_a_factory_that_raises_is_a_failed_start(autojump_clock: MockClock) -> None:
    async with opened(1) as (supervisor, _):
        crowd = Crowd(supervisor)

        def make() -> Healthy:
            raise OSError("no memory")

        with pytest.raises(SpawnFailed, match="no memory"):
            await crowd.get("tab", make)
        assert (await crowd.get("tab")).created


async def test_each_who_asked_for_a_failed_start_has_an_error_of_its_own(autojump_clock: MockClock) -> None:
    async with opened(1) as (supervisor, _):
        crowd = Crowd(supervisor)
        errors: list[SpawnFailed] = []

        async def ask() -> None:
            with pytest.raises(SpawnFailed) as failed:
                await crowd.get("tab", StartRaises)
            errors.append(failed.value)

        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(ask)
        assert len({id(error) for error in errors}) == 3


async def test_a_start_that_hangs_is_taken_down_for_whoever_needs_the_slot(
    autojump_clock: MockClock,
) -> None:
    async with opened(1) as (supervisor, log):
        crowd = Crowd(supervisor)

        async def ask() -> None:
            with pytest.raises(SpawnFailed) as failed:
                await crowd.get("hangs", StartHangs)
            assert failed.value.exit.reason is ExitReason.UNRESPONSIVE

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await trio.sleep(10.01)
            assert (await crowd.get("one-more")).created
        assert len(log.of(Terminal)) == 1


async def test_a_manager_stopped_while_it_starts_is_not_handed_out(autojump_clock: MockClock) -> None:  # R11
    async with opened(1) as (supervisor, log):
        crowd = Crowd(supervisor)

        async def ask() -> None:
            with pytest.raises(SpawnFailed) as failed:
                await crowd.get("tab", partial(SlowStart, 1.0))
            assert failed.value.exit.reason is ExitReason.STOPPED

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await trio.sleep(0.5)
            await supervisor.stop_user("alice")
        assert not log.of(Started)
        assert len(log.of(Terminal)) == 1


async def test_a_manager_that_begins_to_stop_before_it_is_collected_is_not_handed_out(
    autojump_clock: MockClock,
) -> None:  # R11
    async with opened(1) as (supervisor, log):
        crowd = Crowd(supervisor)
        got: list[State | ExitReason] = []

        async def ask() -> None:
            """Whoever of the two has it first stops it at once."""
            try:
                ref = (await crowd.get("tab", partial(SlowStart, 1.0))).ref
            except SpawnFailed as failed:
                got.append(failed.exit.reason)
            else:
                got.append(ref.state)
                ref.stop()

        async with trio.open_nursery() as nursery:
            for _ in range(2):
                nursery.start_soon(ask)
        assert got == [State.RUNNING, ExitReason.STOPPED]
        assert len(log.of(Started)) == 1


async def test_a_start_that_is_to_end_disturbs_nobody_who_waits_for_the_next(
    autojump_clock: MockClock,
) -> None:
    async with opened(1) as (supervisor, log):
        crowd = Crowd(supervisor)

        async def ask() -> None:
            with pytest.raises(SpawnFailed):
                await crowd.get("tab", partial(SlowStart, 1.0))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await trio.sleep(0.5)
            nursery.start_soon(supervisor.stop_user, "alice")
            await trio.sleep(0.1)
            assert await answers((await crowd.get("tab")).ref)  # once the first has begun, and ended
        [terminal] = log.of(Terminal)
        assert (terminal.exit.reason, terminal.exit.error) == (ExitReason.STOPPED, None)
        assert len(log.of(Started)) == 1


async def test_a_start_that_shields_itself_and_comes_too_late_disturbs_nobody(
    autojump_clock: MockClock,
) -> None:
    release = trio.Event()
    async with opened(1) as (supervisor, log):
        crowd = Crowd(supervisor)

        async def ask() -> None:
            with pytest.raises(SpawnFailed) as failed:
                await crowd.get("tab", partial(StartHangs, release, shield=True))
            assert failed.value.exit.error is None

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await trio.sleep(10.01)
            await supervisor.cleanup("alice")  # condemned: it ignores cancellation
        async with trio.open_nursery() as nursery:
            nursery.start_soon(crowd.get, "tab", partial(SlowStart, 1.0))
            await trio.sleep(0.5)
            release.set()  # the old incarnation comes to run while the new one starts
        assert len(log.of(Started)) == 1
        [terminal] = log.of(Terminal)
        assert terminal.was_condemned
        assert terminal.exit.error is None
        ref = supervisor.lookup("alice", "tab")
        assert ref is not None
        assert await answers(ref)


async def test_nothing_of_the_callers_context_reaches_the_manager(autojump_clock: MockClock) -> None:  # R13
    variable: ContextVar[str] = ContextVar("variable", default="nobody's")
    seen: list[str] = []

    class Looks(Healthy):
        async def on_start(self) -> None:
            seen.append(variable.get())
            variable.set("the manager's")
            self.start_soon(self.look)

        async def look(self) -> None:
            seen.append(variable.get())

    async with opened(1) as (supervisor, _):
        variable.set("alice's")
        crowd = Crowd(supervisor)
        for key in ("first", "second"):
            ref = (await crowd.get(key, Looks)).ref
            await ref.ask(Echo())
            await supervisor.stop_user("alice")
        assert seen == ["nobody's", "the manager's"] * 2
        assert variable.get() == "alice's"


async def test_lookup_knows_only_who_runs(autojump_clock: MockClock) -> None:  # R11
    async with opened() as (supervisor, _):
        crowd = Crowd(supervisor)
        assert supervisor.lookup("alice", "tab") is None
        ref = (await crowd.get("tab", partial(SlowStop, 1.0))).ref
        assert supervisor.lookup("alice", "tab") == ref
        ref.stop()
        assert ref.state is State.STOPPING
        assert supervisor.lookup("alice", "tab") is None
        assert await all_answer([(await crowd.get("tab")).ref])


async def test_after_the_block_nothing_is_started(autojump_clock: MockClock) -> None:
    async with opened() as (supervisor, _):
        await supervisor.get_or_spawn("alice", "tab", PLAIN)
    with pytest.raises(SupervisorClosed):
        await supervisor.get_or_spawn("alice", "tab", spec_of(Healthy))
