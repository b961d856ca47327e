"""Groups: who ends and begins anew with whom, and in what order. Named as OTP's behaviours."""

from __future__ import annotations

import attrs
import pytest
import trio
from trio.testing import MockClock

from actors import Actor, ActorRef, ExitReason
from supervisor import (
    Beyond,
    ChildSpec,
    Condemned,
    GaveUp,
    HealthPolicy,
    Restart,
    RestartGroup,
    Restarting,
    RestartPolicy,
    SpawnRefused,
    Strategy,
    Supervisor,
    Terminal,
)
from supervisor.checking import check_events
from supervisor.testing import Shielded, Work

from .harness import opened, settle

USER = "alice"
POLICY = RestartPolicy(when=Restart.ON_FAILURE, backoff=0.1)


@attrs.define(eq=False)
class Stage:
    """A group of a, b and c, which tell what happens to them."""

    strategy: Strategy
    said: list[str] = attrs.field(factory=list[str])
    fails_to_start: set[str] = attrs.field(factory=set[str])
    """Once each."""
    slow: float = 0.0
    """How long each takes to stop, and to start."""

    def spec(self, key: str, restart: RestartPolicy | Restart = POLICY) -> ChildSpec[str]:
        group = RestartGroup("call", self.strategy)
        return ChildSpec(lambda: Member(self, key), restart=restart, group=group, cleanup_grace=5.0)

    def take(self) -> list[str]:
        said, self.said = self.said, []
        return said


class Member(Actor[str]):
    def __init__(self, stage: Stage, key: str) -> None:
        self.stage, self.key = stage, key

    async def on_start(self) -> None:
        await trio.sleep(self.stage.slow)
        if self.key in self.stage.fails_to_start:
            self.stage.fails_to_start.remove(self.key)
            raise OSError("no start")
        self.stage.said.append(f"{self.key} begins")

    async def handle(self, message: str) -> None:
        match message:
            case "crash":
                raise ValueError(message)
            case "stop":
                self.stop()
            case _:
                await trio.sleep_forever()

    async def on_stop(self) -> None:
        await trio.sleep(self.stage.slow)
        self.stage.said.append(f"{self.key} ends")


async def begin(supervisor: Supervisor, stage: Stage, *keys: str) -> list[ActorRef[str]]:
    refs = [(await supervisor.get_or_spawn(USER, key, stage.spec(key))).ref for key in keys]
    assert stage.take() == [f"{key} begins" for key in keys]
    return refs


def alive(supervisor: Supervisor) -> list[str]:
    return [key for key in "abcd" if supervisor.lookup(USER, key) is not None]


async def test_one_for_all_they_end_in_reverse_and_begin_in_order(autojump_clock: MockClock) -> None:
    stage = Stage(Strategy.ONE_FOR_ALL, slow=0.2)
    async with opened(5) as (supervisor, log):
        _, b, _ = await begin(supervisor, stage, "a", "b", "c")
        await b.tell("crash")
        await trio.sleep(10)
        assert stage.take() == ["b ends", "c ends", "a ends", "a begins", "b begins", "c begins"]
        assert alive(supervisor) == ["a", "b", "c"]
        assert {event.key for event in log.of(Restarting)} == {"a", "b", "c"}
        assert check_events(log.all, over=False) == ()


async def test_rest_for_one_who_began_before_goes_on(autojump_clock: MockClock) -> None:
    stage = Stage(Strategy.REST_FOR_ONE)
    async with opened(5) as (supervisor, _):
        a, b, _, _ = await begin(supervisor, stage, "a", "b", "c", "d")
        await b.tell("crash")
        await trio.sleep(10)
        assert stage.take() == ["b ends", "d ends", "c ends", "b begins", "c begins", "d begins"]
        assert supervisor.lookup(USER, "a") == a
        # In the same order once more: its place does not change by beginning anew.
        c = supervisor.lookup(USER, "c")
        assert c is not None
        await c.tell("crash")
        await trio.sleep(10)
        assert stage.take() == ["c ends", "d ends", "c begins", "d begins"]


async def test_one_for_one_begins_alone_and_counts_with_the_others(autojump_clock: MockClock) -> None:
    stage = Stage(Strategy.ONE_FOR_ONE)
    async with opened(5) as (supervisor, log):
        a, b, _ = await begin(supervisor, stage, "a", "b", "c")
        await a.tell("crash")
        await trio.sleep(1)
        assert stage.take() == ["a ends", "a begins"]
        await b.tell("crash")
        await trio.sleep(1)
        for _ in range(2):  # the third restart in 5 s, and one more
            again = supervisor.lookup(USER, "a")
            assert again is not None
            await again.tell("crash")
            await trio.sleep(1)
        assert [event.key for event in log.of(GaveUp)] == ["a"]
        assert alive(supervisor) == [], "they belong together: all end"


async def test_a_stranger_and_another_group_see_nothing_of_it(autojump_clock: MockClock) -> None:
    stage, other = Stage(Strategy.ONE_FOR_ALL), Stage(Strategy.REST_FOR_ONE)
    async with opened(5) as (supervisor, _):
        a, _ = await begin(supervisor, stage, "a", "b")
        (c,) = await begin(supervisor, other, "c")
        alone = (await supervisor.get_or_spawn(USER, "d", attrs.evolve(stage.spec("d"), group=None))).ref
        stage.take()
        await a.tell("crash")
        await trio.sleep(10)
        assert stage.take() == ["a ends", "b ends", "a begins", "b begins"]
        assert supervisor.lookup(USER, "c") == c
        assert supervisor.lookup(USER, "d") == alone


async def test_a_temporary_one_ends_with_the_others_and_stays_ended(autojump_clock: MockClock) -> None:
    stage = Stage(Strategy.ONE_FOR_ALL)
    async with opened(5) as (supervisor, _):
        (a,) = await begin(supervisor, stage, "a")
        temporary = (await supervisor.get_or_spawn(USER, "b", stage.spec("b", Restart.NEVER))).ref
        await a.tell("crash")
        await trio.sleep(10)
        assert alive(supervisor) == ["a"]
        assert temporary.exit is not None
        assert temporary.exit.reason is ExitReason.STOPPED
        assert "its group begins anew: 'a' ended (crashed)" in temporary.exit.detail


async def test_a_temporary_one_that_crashes_takes_nobody_along(autojump_clock: MockClock) -> None:
    stage = Stage(Strategy.ONE_FOR_ALL)
    async with opened(5) as (supervisor, _):
        (a,) = await begin(supervisor, stage, "a")
        temporary = (await supervisor.get_or_spawn(USER, "b", stage.spec("b", Restart.NEVER))).ref
        await temporary.tell("crash")
        await trio.sleep(10)
        assert supervisor.lookup(USER, "a") == a
        assert alive(supervisor) == ["a"]


@pytest.mark.parametrize("how", ["stop", "terminate_child", "idle"])
async def test_a_normal_end_takes_nobody_along(how: str, autojump_clock: MockClock) -> None:
    stage = Stage(Strategy.ONE_FOR_ALL)
    async with opened(5, sweep_period=10.0) as (supervisor, _):
        (a,) = await begin(supervisor, stage, "a")
        quiet = HealthPolicy(idle_limit=60.0 if how == "idle" else None)
        b = (await supervisor.get_or_spawn(USER, "b", attrs.evolve(stage.spec("b"), health=quiet))).ref
        if how == "stop":
            await b.tell("stop")
        elif how == "terminate_child":
            await supervisor.stop(USER, "b")
        await trio.sleep(120)
        assert supervisor.lookup(USER, "a") == a
        assert alive(supervisor) == ["a"]


async def test_beyond_the_intensity_the_whole_group_ends_in_reverse(autojump_clock: MockClock) -> None:
    stage = Stage(Strategy.REST_FOR_ONE)
    at_once = attrs.evolve(POLICY, backoff=0.01)
    async with opened(5) as (supervisor, log):
        for key in "abc":
            await supervisor.get_or_spawn(USER, key, stage.spec(key, at_once))
        for _ in range(POLICY.intensity + 1):
            stage.take()
            c = supervisor.lookup(USER, "c")
            assert c is not None
            await c.tell("crash")
            await trio.sleep(0.6)
        assert stage.take() == ["c ends", "b ends", "a ends"]
        assert supervisor.users == ()
        (gave_up,) = log.of(GaveUp)
        assert gave_up.why == "more than 3 restarts in 5 s"
        end = log.of(Terminal)[-1]
        assert end.exit.detail == "its group ended: 'c' was given up"


async def test_failing_upward_ends_also_those_of_no_group(autojump_clock: MockClock) -> None:
    stage = Stage(Strategy.ONE_FOR_ALL)
    policy = attrs.evolve(POLICY, intensity=0, beyond=Beyond.END_USER)
    async with opened(5) as (supervisor, _):
        ref = (await supervisor.get_or_spawn(USER, "a", stage.spec("a", policy))).ref
        await supervisor.get_or_spawn(USER, "alone", ChildSpec(lambda: Member(stage, "alone")))
        await ref.tell("crash")
        await settle()
        assert supervisor.users == ()


async def test_one_that_does_not_come_to_start_begins_the_round_again(autojump_clock: MockClock) -> None:
    stage = Stage(Strategy.ONE_FOR_ALL)
    async with opened(5) as (supervisor, log):
        a, _, _ = await begin(supervisor, stage, "a", "b", "c")
        stage.fails_to_start.add("b")
        await a.tell("crash")
        await trio.sleep(10)
        ends, begins = ["a ends", "c ends", "b ends"], ["a begins", "b begins", "c begins"]
        assert stage.take() == [*ends, "a begins", "a ends", *begins]
        assert max(event.attempt for event in log.of(Restarting)) == 2
        assert check_events(log.all, over=False) == ()


async def test_a_new_one_that_does_not_come_to_start_takes_nobody_along(autojump_clock: MockClock) -> None:
    stage = Stage(Strategy.ONE_FOR_ALL)
    async with opened(5) as (supervisor, _):
        (a,) = await begin(supervisor, stage, "a")
        stage.fails_to_start.add("b")
        with pytest.raises(Exception, match="no start"):
            await supervisor.get_or_spawn(USER, "b", stage.spec("b"))
        await trio.sleep(10)
        assert supervisor.lookup(USER, "a") == a


async def test_max_children_they_keep_their_slots_and_keys_meanwhile(autojump_clock: MockClock) -> None:
    stage = Stage(Strategy.ONE_FOR_ALL, slow=1.0)
    async with opened(3) as (supervisor, log):
        a, _, _ = await begin(supervisor, stage, "a", "b", "c")
        await a.tell("crash")
        for _ in range(6):  # ending, waiting, beginning
            with pytest.raises(SpawnRefused):
                await supervisor.get_or_spawn(USER, "d", stage.spec("d"))
            await trio.sleep(1)
        again = await supervisor.get_or_spawn(USER, "c", stage.spec("c"))
        assert not again.created, "whoever asks for one that will begin anew gets that one"
        assert alive(supervisor) == ["a", "b", "c"]
        assert check_events(log.all, over=False) == ()


@pytest.mark.parametrize("after", [0.0, 0.1, 0.5, 1.0, 1.7, 2.2])
async def test_terminate_child_during_the_round_and_the_others_begin(
    after: float, autojump_clock: MockClock
) -> None:
    stage = Stage(Strategy.ONE_FOR_ALL, slow=0.3)
    async with opened(5) as (supervisor, _):
        a, _, _ = await begin(supervisor, stage, "a", "b", "c")
        await a.tell("crash")
        await trio.sleep(after)
        await supervisor.stop(USER, "b")
        await trio.sleep(10)
        assert alive(supervisor) == ["a", "c"]


@pytest.mark.parametrize("after", [0.0, 0.1, 0.5, 1.0, 1.7, 2.2])
async def test_ending_all_during_the_round_is_for_good(after: float, autojump_clock: MockClock) -> None:
    stage = Stage(Strategy.ONE_FOR_ALL, slow=0.3)
    long = attrs.evolve(POLICY, backoff=30.0)
    async with opened(5) as (supervisor, log):
        for key in "abc":
            await supervisor.get_or_spawn(USER, key, stage.spec(key, long))
        b = supervisor.lookup(USER, "b")
        assert b is not None
        await b.tell("crash")
        await trio.sleep(after)
        began = trio.current_time()
        await supervisor.stop_user(USER)
        await settle()
        assert supervisor.users == (), "nothing waits for a round that will not be"
        assert trio.current_time() - began < 2.0
        assert check_events(log.all, over=False) == ()


async def test_one_that_ignores_its_stop_holds_the_round_up_for_its_graces_only(
    autojump_clock: MockClock,
) -> None:
    stage = Stage(Strategy.ONE_FOR_ALL)
    async with opened(5) as (supervisor, log):
        (a,) = await begin(supervisor, stage, "a")
        spec = ChildSpec(Shielded, restart=POLICY, group=stage.spec("b").group, stop_grace=1.0)
        ref = (await supervisor.get_or_spawn(USER, "b", spec)).ref
        await ref.tell(Work())
        await settle()
        await a.tell("crash")
        await trio.sleep(4)
        assert log.of(Condemned)
        assert alive(supervisor) == ["a", "b"]
        await trio.sleep(60)
        assert check_events(log.all, over=False) == ()


async def test_one_that_crashes_before_its_turn_to_stop_begins_once(autojump_clock: MockClock) -> None:
    stage = Stage(Strategy.ONE_FOR_ALL, slow=1.0)
    async with opened(5) as (supervisor, log):
        a, b, _ = await begin(supervisor, stage, "a", "b", "c")
        await a.tell("crash")
        await trio.sleep(1.5)  # c is ending, and b is next
        await b.tell("crash")
        await trio.sleep(20)
        assert alive(supervisor) == ["a", "b", "c"]
        assert len(log.of(Restarting)) == 3


async def test_an_earlier_one_that_crashes_during_the_round_begins_it_with_all_after_it(
    autojump_clock: MockClock,
) -> None:
    stage = Stage(Strategy.REST_FOR_ONE, slow=1.0)
    async with opened(5) as (supervisor, log):
        a, b, _ = await begin(supervisor, stage, "a", "b", "c")
        await b.tell("crash")
        await trio.sleep(1.5)  # c is ending
        await a.tell("crash")
        await trio.sleep(20)
        assert alive(supervisor) == ["a", "b", "c"]
        assert stage.take()[-3:] == ["a begins", "b begins", "c begins"]
        assert check_events(log.all, over=False) == ()


async def test_given_up_during_the_round_nobody_of_the_group_begins_any_more(
    autojump_clock: MockClock,
) -> None:
    stage = Stage(Strategy.ONE_FOR_ALL, slow=0.2)
    once = attrs.evolve(POLICY, intensity=1, backoff=0.01)
    async with opened(5) as (supervisor, log):
        for key in "abc":
            await supervisor.get_or_spawn(USER, key, stage.spec(key, once))
        stage.take()
        b = supervisor.lookup(USER, "b")
        assert b is not None
        stage.fails_to_start.add("a")
        await b.tell("crash")
        await trio.sleep(10)
        assert len(log.of(GaveUp)) == 1
        assert [line for line in stage.take() if "begins" in line] == []
        assert supervisor.users == ()
        assert check_events(log.all, over=False) == ()


def test_a_group_is_no_name() -> None:
    with pytest.raises(TypeError, match="group"):
        ChildSpec(Shielded, group="call")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
