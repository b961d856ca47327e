"""Restarts under any script: whatever ends whom, and when, every promise is kept; and each policy."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from typing import TypeAlias

import attrs
import trio
from hypothesis import example, given
from hypothesis import strategies as st

from actors import Actor, ExitReason
from supervisor import (
    ActorEvent,
    ChildSpec,
    Condemned,
    Event,
    Restart,
    RestartGroup,
    Restarting,
    RestartPolicy,
    SpawnFailed,
    SpawnRefused,
    Started,
    Strategy,
    Supervisor,
    Terminal,
)
from supervisor.checking import check_events
from supervisor.testing import run

from .harness import BUDGET, opened

USER, LIMIT = "alice", 3

KEYS = ("a", "b", "c", "d")

# Each key has a policy of its own, so that the log tells which one it was.
POLICIES = {
    "a": RestartPolicy(when=Restart.NEVER),
    "b": RestartPolicy(when=Restart.ON_FAILURE, intensity=2, period=3.0, backoff=0.5, backoff_limit=2.0),
    "c": RestartPolicy(when=Restart.ALWAYS, intensity=4, period=1.0, backoff=0.01),
    "d": RestartPolicy(when=Restart.ON_FAILURE, intensity=3, period=60.0, backoff=8.0, healthy_after=1.0),
}


GROUPS: Sequence[RestartGroup | None] = (None, *(RestartGroup("all", strategy) for strategy in Strategy))


class Worker(Actor[str]):
    """Ends, or hangs, as it is told; and every fifth does not come to start."""

    numbers: itertools.count[int]
    slow: float
    """How long it takes to start; five times as long to stop."""

    async def on_start(self) -> None:
        await trio.sleep(self.slow)
        if next(self.numbers) % 5 == 4:
            raise OSError("no start")

    async def handle(self, message: str) -> None:
        if message == "crash":
            raise ValueError(message)
        if message == "hang":
            await trio.sleep_forever()
        self.stop()

    async def on_stop(self) -> None:
        await trio.sleep(5 * self.slow)


@attrs.frozen
class Ask:
    """Get one, or begin it; and perhaps give up after so many seconds."""

    key: str
    patience: float


@attrs.frozen
class Tell:
    key: str
    message: str


@attrs.frozen
class Stop:
    """For good; None: all."""

    key: str | None


@attrs.frozen
class Sleep:
    seconds: float


@attrs.frozen
class Limit:
    number: int


Step: TypeAlias = Ask | Tell | Stop | Sleep | Limit

CALL: Sequence[Step] = (Ask("a", 30.0), Ask("b", 30.0), Ask("c", 30.0), Sleep(1.0))

keys = st.sampled_from(KEYS)
steps: st.SearchStrategy[Step] = st.one_of(
    st.builds(Ask, keys, st.sampled_from([0.0, 0.3, 30.0])),
    st.builds(Ask, keys, st.just(30.0)),
    st.builds(Tell, keys, st.sampled_from(["crash", "crash", "crash", "stop", "hang"])),
    st.builds(Tell, keys, st.just("crash")),
    st.builds(Stop, st.none() | keys),
    st.builds(Sleep, st.sampled_from([0.0, 0.01, 0.4, 1.0, BUDGET + 0.02, 20.0])),
    st.builds(Limit, st.integers(0, LIMIT)),
)


async def perform(script: Sequence[Step], group: RestartGroup | None = None) -> list[Event]:
    """All that happened; "d" is in no group."""
    worker = type("Worker", (Worker,), {"numbers": itertools.count(), "slow": 0.05 if group else 0.0})
    specs = {
        key: ChildSpec(worker, restart=policy, group=group if key != "d" else None)
        for key, policy in POLICIES.items()
    }
    async with opened(LIMIT, sweep_period=10.0, sweep_jitter=0.0) as (supervisor, log):
        async with trio.open_nursery() as nursery:
            for step in script:
                await take(step, supervisor, nursery, specs)
        await supervisor.stop_user(USER)
        await trio.sleep(100)
        assert supervisor.users == ()
        assert check_events(log.all, over=False) == ()
    return log.all


async def take(
    step: Step, supervisor: Supervisor, nursery: trio.Nursery, specs: dict[str, ChildSpec[str]]
) -> None:
    match step:
        case Ask(key, patience):
            nursery.start_soon(ask, supervisor, key, patience, specs[key])
            await trio.lowlevel.checkpoint()
        case Tell(key, message):
            ref = supervisor.lookup(USER, key)
            if ref is not None:
                ref.tell_nowait(message)
        case Stop(str() as key):
            nursery.start_soon(supervisor.stop, USER, key)
        case Stop():
            nursery.start_soon(supervisor.stop_user, USER)
        case Sleep(seconds):
            await trio.sleep(seconds)
        case Limit(number):
            supervisor.set_limit(number, user=USER)


async def ask(supervisor: Supervisor, key: str, patience: float, spec: ChildSpec[str]) -> None:
    with trio.move_on_after(patience):
        try:
            await supervisor.get_or_spawn(USER, key, spec)
        except (SpawnFailed, SpawnRefused):
            return


@given(st.lists(steps, max_size=25), st.integers(0, 2**32 - 1))
@example([Ask("b", 30.0), Sleep(0.01), Tell("b", "crash"), Sleep(0.01), Stop(None), Ask("b", 30.0)], 0)
@example([Ask("c", 30.0), Sleep(0.01), Tell("c", "stop"), Ask("c", 0.0), Sleep(1.0), Tell("c", "hang")], 0)
def test_under_any_script_every_promise_and_each_policy_is_kept(script: list[Step], seed: int) -> None:
    log = run(partial(perform, script), seed=seed)
    ends = {(event.key, event.incarnation): event for event in log if isinstance(event, Terminal)}
    begun = {(event.key, event.incarnation) for event in log if isinstance(event, Started)}
    chains: dict[tuple[str, int], list[float]] = defaultdict(list)
    for event in log:
        if not isinstance(event, Restarting):
            continue
        policy, before = POLICIES[event.key], ends[event.key, event.incarnation]
        after = ends[event.key, event.next_incarnation]
        assert policy.when is not Restart.NEVER
        assert before.exit.reason in (
            ExitReason.CRASHED,
            ExitReason.START_FAILED,
            ExitReason.UNRESPONSIVE,
            *([ExitReason.STOPPED] if policy.when is Restart.ALWAYS else []),
        )
        assert 0 <= event.delay <= min(policy.backoff_limit, policy.backoff * 2 ** (event.attempt - 1))
        assert after.stamp.at >= before.stamp.at
        chain = chains[event.key, event.incarnation]
        assert len([at for at in chain if event.stamp.at - at < policy.period]) < policy.intensity
        chains[event.key, event.next_incarnation] = [*chain, event.stamp.at]
        first = event.attempt > 1 or (event.key, event.incarnation) in begun
        assert first, "one that never began is not begun anew"


@given(st.lists(steps, max_size=25), st.sampled_from(GROUPS[1:]), st.integers(0, 2**32 - 1))
@example([*CALL, Tell("c", "crash"), Sleep(20.0), Tell("b", "crash"), Sleep(20.0)], GROUPS[2], 0)
@example([*CALL, Tell("b", "crash"), Sleep(0.01), Tell("a", "crash"), Sleep(20.0)], GROUPS[2], 0)
@example([*CALL, Tell("b", "hang"), Sleep(BUDGET + 0.02), Limit(1), Sleep(20.0)], GROUPS[3], 0)
def test_under_any_script_a_group_keeps_every_promise_and_its_order(
    script: list[Step], group: RestartGroup, seed: int
) -> None:
    audit = Audit(group.strategy)
    for event in run(partial(perform, script, group), seed=seed):
        if isinstance(event, ActorEvent) and event.key != "d":
            audit.see(event)


@attrs.define(eq=False)
class Audit:
    """Of one group, from its events alone: when one begins anew, whom that concerns has ended before."""

    strategy: Strategy
    order: list[str] = attrs.field(factory=list[str])
    """In which they first began."""
    alive: dict[str, int] = attrs.field(factory=dict[str, int])
    pending: dict[str, int] = attrs.field(factory=dict[str, int])
    """Those that are to begin anew."""
    must_go: dict[str, set[int]] = attrs.field(factory=dict[str, set[int]])
    """Who, by incarnation, before this one begins."""

    def see(self, event: ActorEvent) -> None:
        match event:
            case Started(key=key, incarnation=incarnation):
                self.began(key, incarnation)
            case Terminal(key=key, incarnation=incarnation) | Condemned(key=key, incarnation=incarnation):
                for lives in (self.alive, self.pending):
                    if lives.get(key) == incarnation:
                        del lives[key]
            case Restarting(key=key):
                if not self.pending:
                    self.must_go[key] = {self.alive[other] for other in self.concerned(key)}
                self.pending[key] = event.next_incarnation
            case _:
                pass

    def began(self, key: str, incarnation: int) -> None:
        if self.pending.get(key) != incarnation:
            self.order = [*(other for other in self.order if other != key), key]
        else:
            del self.pending[key]
            assert not self.must_go.pop(key, set()) & set(self.alive.values())
            if self.strategy is not Strategy.ONE_FOR_ONE:
                earlier = self.order[: self.order.index(key)]
                assert not self.pending.keys() & set(earlier), "each begins when the one before has"
        self.alive[key] = incarnation

    def concerned(self, key: str) -> set[str]:
        place = {
            Strategy.ONE_FOR_ONE: len(self.order),
            Strategy.ONE_FOR_ALL: 0,
            Strategy.REST_FOR_ONE: self.order.index(key),
        }
        return self.alive.keys() & set(self.order[place[self.strategy] :])
