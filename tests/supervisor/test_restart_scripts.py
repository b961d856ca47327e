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
    ChildSpec,
    Event,
    Restart,
    Restarting,
    RestartPolicy,
    SpawnFailed,
    SpawnRefused,
    Started,
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


class Worker(Actor[str]):
    """Ends, or hangs, as it is told; and every third does not come to start."""

    numbers: itertools.count[int]

    async def on_start(self) -> None:
        if next(self.numbers) % 3 == 2:
            raise OSError("no start")

    async def handle(self, message: str) -> None:
        if message == "crash":
            raise ValueError(message)
        if message == "hang":
            await trio.sleep_forever()
        self.stop()


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


async def perform(script: Sequence[Step]) -> list[Event]:
    """All that happened."""
    worker = type("Worker", (Worker,), {"numbers": itertools.count()})
    specs = {key: ChildSpec(worker, restart=policy) for key, policy in POLICIES.items()}
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
