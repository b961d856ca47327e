"""Restarts: what begins anew, when, in which slot, and when it is given up. Named as OTP's behaviours."""

from __future__ import annotations

import attrs
import pytest
import trio
from trio.testing import MockClock

from actors import Actor, ActorRef, ExitReason, State
from supervisor import (
    ActorEvent,
    Beyond,
    ChildSpec,
    GaveUp,
    Health,
    Reserved,
    Restart,
    Restarting,
    RestartPolicy,
    SpawnFailed,
    Started,
    Supervisor,
    Terminal,
)
from supervisor.checking import check_events
from supervisor.testing import Shielded, Work

from .harness import BUDGET, Crowd, all_answer, opened, settle

USER, KEY = "alice", "worker"


class Worker(Actor[str]):
    """Ends as it is told."""

    async def handle(self, message: str) -> None:
        match message:
            case "crash":
                raise ValueError(message)
            case "stop":
                self.stop()
            case "hang":
                await trio.sleep_forever()
            case _:
                return


async def begin(supervisor: Supervisor, restart: Restart | RestartPolicy, key: str = KEY) -> ActorRef[str]:
    spec = ChildSpec(Worker, restart=restart)
    return (await supervisor.get_or_spawn(USER, key, spec)).ref


def alive(supervisor: Supervisor, key: str = KEY) -> ActorRef[str] | None:
    return supervisor.lookup(USER, key)


FAILURES = {"crash": ExitReason.CRASHED, "hang": ExitReason.UNRESPONSIVE}


@pytest.mark.parametrize("how", ["crash", "hang", "stop", "ref.stop"])
@pytest.mark.parametrize("when", Restart)
async def test_temporary_transient_permanent(how: str, when: Restart, autojump_clock: MockClock) -> None:
    async with opened(5, sweep_period=10.0, sweep_jitter=0.0) as (supervisor, log):
        ref = await begin(supervisor, when)
        if how == "ref.stop":
            ref.stop()
        else:
            await ref.tell(how)
        await ref.wait_stopped()
        await settle(BUDGET)
        wanted = when is Restart.ALWAYS or (when is Restart.ON_FAILURE and how in FAILURES)
        after = alive(supervisor)
        assert (after is not None) == wanted
        assert len(log.of(Restarting)) == wanted
        if wanted:
            assert after != ref
            await supervisor.stop(USER, KEY)
        assert alive(supervisor) is None


# Quick ones, for tests that are not about waiting.
OFTEN = RestartPolicy(when=Restart.ON_FAILURE, intensity=1000, backoff=0.01, backoff_limit=0.01)


async def crash_times(supervisor: Supervisor, times: int, *, every: float = 0.0, key: str = KEY) -> int:
    """Crash it again and again, as soon as it is there; how often it was."""
    for crashed in range(times):
        ref = alive(supervisor, key)
        if ref is None:
            return crashed
        await ref.tell("crash")
        await ref.wait_stopped()
        await trio.sleep(max(every, 0.1))
    return times


async def test_max_children_counts_those_that_restart(autojump_clock: MockClock) -> None:
    policy = RestartPolicy(when=Restart.ON_FAILURE, backoff=1000.0, backoff_limit=1000.0)
    async with opened(1) as (supervisor, log):
        ref = await begin(supervisor, policy)
        await ref.tell("crash")
        await ref.wait_stopped()
        crowd = Crowd(supervisor)
        assert (crowd.held, crowd.keys) == (1, {KEY})
        refusal = await crowd.refused("another")
        [holder] = refusal.holders
        assert (holder.key, holder.verdict.health) == (KEY, Health.STARTING)
        assert holder.verdict.evidence.startswith("is to begin within ")
        assert check_events(log.all, limit=1, over=False) == ()


async def test_intensity_beyond_it_the_child_is_given_up_with_its_history(autojump_clock: MockClock) -> None:
    policy = RestartPolicy(when=Restart.ON_FAILURE, intensity=3, period=5.0, backoff=0.01)
    async with opened(5) as (supervisor, log):
        await begin(supervisor, policy)
        assert await crash_times(supervisor, 10) == 4
        [gave_up] = log.of(GaveUp)
        assert [how.reason for _, how in gave_up.exits] == [ExitReason.CRASHED] * 4
        assert gave_up.why == "more than 3 restarts in 5 s"
        assert Crowd(supervisor).held == 0
        # Whoever asks for it later begins it anew, with nothing held against it.
        await begin(supervisor, policy)
        assert await crash_times(supervisor, 10) == 4
        assert check_events(log.all, limit=5, over=False) == ()


async def test_sliding_window_old_restarts_count_no_more(autojump_clock: MockClock) -> None:
    policy = attrs.evolve(OFTEN, intensity=3, period=5.0)
    async with opened(5) as (supervisor, log):
        await begin(supervisor, policy)
        assert await crash_times(supervisor, 40, every=2.0) == 40
        assert not log.of(GaveUp)


async def test_intensity_0_restarts_nothing(autojump_clock: MockClock) -> None:
    async with opened(5) as (supervisor, log):
        await begin(supervisor, RestartPolicy(when=Restart.ALWAYS, intensity=0))
        assert await crash_times(supervisor, 10) == 1
        assert len(log.of(GaveUp)) == 1


async def test_one_for_one_siblings_see_nothing_of_a_crash(autojump_clock: MockClock) -> None:
    async with opened(10) as (supervisor, log):
        crowd = Crowd(supervisor)
        siblings = await crowd.add("sibling", 5)
        await begin(supervisor, attrs.evolve(OFTEN, intensity=2))
        await crash_times(supervisor, 10)
        assert len(log.of(GaveUp)) == 1
        assert await all_answer(siblings)


async def test_failing_upward_ends_the_user_and_nobody_else(autojump_clock: MockClock) -> None:
    policy = RestartPolicy(when=Restart.ON_FAILURE, intensity=1, beyond=Beyond.END_USER)
    async with opened(10) as (supervisor, _):
        siblings = await Crowd(supervisor).add("sibling", 2)
        others = await Crowd(supervisor, "bob").add("tab", 2)
        await begin(supervisor, policy)
        await crash_times(supervisor, 10)
        await settle()
        ends = [ref.exit for ref in siblings]
        assert {how.reason for how in ends if how} == {ExitReason.STOPPED}
        assert {how.detail for how in ends if how} == {
            "'worker' failed too often: they are of no use without it"
        }
        assert supervisor.users == ("bob",)
        assert await all_answer(others)


class Fragile(Worker):
    """Starts only while it may."""

    may_start = True

    async def on_start(self) -> None:
        if not Fragile.may_start:
            raise OSError("no start")


async def test_start_child_that_fails_is_not_restarted(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Fragile, "may_start", False)
    async with opened(5) as (supervisor, log):
        with pytest.raises(SpawnFailed):
            await supervisor.get_or_spawn(USER, KEY, ChildSpec(Fragile, restart=Restart.ALWAYS))
        await settle()
        assert not log.of(Restarting)
        assert supervisor.users == ()


async def test_a_restart_that_fails_is_tried_again_and_counts(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = RestartPolicy(when=Restart.ON_FAILURE, intensity=4, period=100.0)
    async with opened(5) as (supervisor, log):
        ref = (await supervisor.get_or_spawn(USER, KEY, ChildSpec(Fragile, restart=policy))).ref
        monkeypatch.setattr(Fragile, "may_start", False)
        await ref.tell("crash")
        await settle(30)
        assert [event.attempt for event in log.of(Restarting)] == [1, 2, 3, 4]
        [gave_up] = log.of(GaveUp)
        reasons = [how.reason for _, how in gave_up.exits]
        assert reasons == [ExitReason.CRASHED] + [ExitReason.START_FAILED] * 4
        assert check_events(log.all, limit=5, over=False) == ()


@pytest.mark.parametrize("how", ["stop", "stop_user", "shutdown"])
async def test_terminate_child_while_it_restarts(how: str, autojump_clock: MockClock) -> None:
    policy = RestartPolicy(when=Restart.ALWAYS, backoff=1000.0, backoff_limit=1000.0)
    async with opened(5) as (supervisor, log):
        ref = await begin(supervisor, policy)
        await ref.tell("crash")
        await ref.wait_stopped()
        [restarting] = log.of(Restarting)
        began = trio.current_time()
        if how == "stop":
            await supervisor.stop(USER, KEY, "for good")
        elif how == "stop_user":
            await supervisor.stop_user(USER, "for good")
        if how != "shutdown":
            assert supervisor.users == ()
            assert log.of(Terminal)[-1].incarnation == restarting.next_incarnation
            assert log.of(Terminal)[-1].exit.detail == "for good"
        assert check_events(log.all, limit=5, over=False) == ()
    assert trio.current_time() - began < 1, "nobody waited for its back-off"


async def test_terminate_child_of_a_permanent_one_is_for_good(autojump_clock: MockClock) -> None:
    async with opened(5) as (supervisor, log):
        ref = await begin(supervisor, Restart.ALWAYS)
        await supervisor.stop(USER, KEY)
        assert ref.exit is not None
        await supervisor.stop(USER, KEY)
        await supervisor.stop("nobody", "nothing")
        await settle(100)
        assert not log.of(Restarting)
        assert supervisor.users == ()


async def test_who_asks_for_one_that_restarts_gets_the_next(autojump_clock: MockClock) -> None:
    policy = RestartPolicy(when=Restart.ON_FAILURE, backoff=10.0)
    async with opened(5) as (supervisor, log):
        ref = await begin(supervisor, policy)
        await ref.tell("crash")
        await ref.wait_stopped()
        [restarting] = log.of(Restarting)
        with trio.move_on_after(restarting.delay / 2) as gave_up_waiting:
            await begin(supervisor, Restart.NEVER)
        assert gave_up_waiting.cancelled_caught
        obtained = await supervisor.get_or_spawn(USER, KEY, ChildSpec(Worker))
        assert not obtained.created
        assert obtained.ref.name == f"{USER}/{KEY}#{restarting.next_incarnation}"
        assert trio.current_time() == pytest.approx(restarting.stamp.at + restarting.delay)
        assert check_events(log.all, limit=5, over=False) == ()


async def test_who_asks_for_it_while_it_ends_begins_it_anew_himself(autojump_clock: MockClock) -> None:
    class SlowToStop(Worker):
        async def on_stop(self) -> None:
            await trio.sleep(0.1)

    async with opened(5) as (supervisor, log):
        spec = ChildSpec(SlowToStop, restart=Restart.ON_FAILURE, cleanup_grace=1.0)
        ref = (await supervisor.get_or_spawn(USER, KEY, spec)).ref
        await ref.tell("crash")
        await trio.sleep(0.05)
        assert (await supervisor.get_or_spawn(USER, KEY, spec)).created
        assert not log.of(Restarting)
        assert check_events(log.all, limit=5, over=False) == ()


async def test_an_unresponsive_one_gives_its_slot_to_who_waits(autojump_clock: MockClock) -> None:
    async with opened(1, sweep_period=1000.0) as (supervisor, log):
        await (await begin(supervisor, OFTEN)).tell("hang")
        await trio.sleep(BUDGET + 0.01)
        crowd = Crowd(supervisor)
        assert (await crowd.get("newcomer")).created
        assert crowd.keys == {"newcomer"}
        assert [event.why for event in log.of(GaveUp)] == ["somebody waits for its slot"]
        assert check_events(log.all, limit=1, over=False) == ()


async def test_a_crash_gives_its_slot_to_nobody_who_waits(autojump_clock: MockClock) -> None:
    async with opened(1, slot_wait=5.0) as (supervisor, _):
        ref = await begin(supervisor, OFTEN)
        crowd = Crowd(supervisor)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(crowd.refused, "another")
            await trio.sleep(1)
            await ref.tell("crash")
        assert crowd.keys == {KEY}
        assert alive(supervisor) is not None


async def test_a_condemned_one_is_replaced_under_its_key(autojump_clock: MockClock) -> None:
    release = trio.Event()
    async with opened(5, sweep_period=10.0, sweep_jitter=0.0) as (supervisor, log):
        spec = ChildSpec(lambda: Shielded(release), restart=OFTEN)
        ref = (await supervisor.get_or_spawn(USER, KEY, spec)).ref
        await ref.tell(Work())
        await settle(20)
        assert ref.state is State.CONDEMNED
        after = alive(supervisor)
        assert after is not None
        release.set()
        await settle()
        assert alive(supervisor) == after, "its end, when it comes, is nobody's affair"
        assert len(log.of(Restarting)) == 1
        assert check_events(log.all, limit=5, over=False) == ()


async def test_lowering_the_limit_restarts_nobody_beyond_it(autojump_clock: MockClock) -> None:
    async with opened(2) as (supervisor, log):
        await begin(supervisor, OFTEN)
        await begin(supervisor, OFTEN, key="other")
        supervisor.set_limit(1)
        assert await crash_times(supervisor, 5) == 1
        assert [event.why for event in log.of(GaveUp)] == ["there is no slot for it any more"]
        assert await crash_times(supervisor, 5, key="other") == 5


async def test_counts_and_events_tell_the_whole_story(autojump_clock: MockClock) -> None:
    async with opened(5) as (supervisor, log):
        await begin(supervisor, OFTEN)
        await crash_times(supervisor, 3)
        kinds = [type(event) for event in log.all if isinstance(event, ActorEvent)]
        life = [Reserved, Started, Terminal]
        assert [kind for kind in kinds if kind in life] == life * 3 + life[:2]
        incarnations = [event.incarnation for event in log.of(Started)]
        assert [event.next_incarnation for event in log.of(Restarting)] == incarnations[1:]
