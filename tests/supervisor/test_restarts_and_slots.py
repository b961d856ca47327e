"""Restarts lock nobody out: not by condemned ones, not in a full process, not while a cluster hangs."""

from __future__ import annotations

import attrs
import pytest
import trio
from trio.testing import MockClock

from actors import Actor
from supervisor import (
    Beyond,
    ChildSpec,
    Claim,
    GaveUp,
    QuotaRefused,
    RefusalReason,
    Restart,
    Restarting,
    RestartPolicy,
)

from .backends import AdmitsAll
from .harness import BUDGET, Crowd, opened, settle

OFTEN = RestartPolicy(when=Restart.ON_FAILURE, intensity=1000, backoff=0.01, backoff_limit=0.01)


class Worker(Actor[str]):
    async def handle(self, message: str) -> None:
        if message == "hang":
            await trio.sleep_forever()
        raise ValueError(message)


async def test_one_that_is_condemned_each_time_costs_no_slot(autojump_clock: MockClock) -> None:
    release, begun = trio.Event(), 0

    class StartsOnce(Worker):
        async def on_start(self) -> None:
            nonlocal begun
            begun += 1
            if begun > 1:
                with trio.CancelScope(shield=True):
                    await release.wait()

    async with opened(3) as (supervisor, log):
        spec = ChildSpec(StartsOnce, restart=OFTEN)
        await (await supervisor.get_or_spawn("alice", "worker", spec)).ref.tell("crash")
        await settle(600)
        assert [event.why for event in log.of(GaveUp)] == [
            "it is condemned, and one more of its kind would cost a slot"
        ]
        crowd = Crowd(supervisor)
        assert crowd.held == 0
        assert len(await crowd.add("tab", 3)) == 3
        release.set()


async def test_in_a_full_process_a_stuck_one_gives_its_slot_to_another(
    autojump_clock: MockClock,
) -> None:
    async with opened(5, process_limit=1, sweep_period=1000.0) as (supervisor, log):
        spec = ChildSpec(Worker, restart=OFTEN)
        await (await supervisor.get_or_spawn("alice", "worker", spec)).ref.tell("hang")
        await trio.sleep(BUDGET + 0.01)
        assert (await Crowd(supervisor, "bob").get("newcomer")).created
        assert supervisor.lookup("alice", "worker") is None
        assert [event.why for event in log.of(GaveUp)] == ["somebody waits for its slot"]


@attrs.define(eq=False)
class FewSlots(AdmitsAll):
    """A cluster of few slots, that may take its time."""

    limit: int = 5
    hangs: bool = False

    async def admit(self, claim: Claim) -> None:
        if self.hangs:
            await trio.sleep_forever()
        if len(self.counted) >= self.limit:
            raise QuotaRefused(self.limit, reason=RefusalReason.CLUSTER_LIMIT)
        await super().admit(claim)


@pytest.mark.parametrize("how", ["stop", "stop_user", "shutdown"])
async def test_a_cluster_that_hangs_holds_no_end_up(how: str, autojump_clock: MockClock) -> None:
    cluster = FewSlots(limit=5)
    async with opened(5, cluster=cluster) as (supervisor, _):
        ref = (await supervisor.get_or_spawn("alice", "worker", ChildSpec(Worker, restart=OFTEN))).ref
        cluster.hangs = True
        await ref.tell("crash")
        await settle()
        began = trio.current_time()
        if how == "stop":
            await supervisor.stop("alice", "worker")
        elif how == "stop_user":
            await supervisor.stop_user("alice")
        if how != "shutdown":
            assert supervisor.users == ()
    assert trio.current_time() - began < 1
    assert not cluster.counted


async def test_its_slot_beyond_the_user_is_kept_while_it_waits(autojump_clock: MockClock) -> None:
    cluster = FewSlots(limit=1)
    policy = RestartPolicy(when=Restart.ON_FAILURE, backoff=20.0)
    async with opened(5, cluster=cluster) as (supervisor, _):
        spec = ChildSpec(Worker, restart=policy)
        await (await supervisor.get_or_spawn("alice", "worker", spec)).ref.tell("crash")
        await trio.sleep(0.1)
        await Crowd(supervisor, "bob").refused("newcomer")
        await settle(60)
        assert supervisor.lookup("alice", "worker") is not None
        assert len(cluster.counted) == 1


async def test_a_slot_that_is_lost_beyond_the_user_is_told(autojump_clock: MockClock) -> None:
    cluster = FewSlots(limit=1)
    async with opened(5, cluster=cluster) as (supervisor, log):
        ref = (await supervisor.get_or_spawn("alice", "worker", ChildSpec(Worker, restart=OFTEN))).ref
        cluster.limit = 0
        await ref.tell("crash")
        await settle()
        assert [event.why for event in log.of(GaveUp)] == ["nobody else had a slot for it"]
        assert supervisor.users == ()


async def test_who_hangs_again_and_again_backs_off_and_is_given_up(autojump_clock: MockClock) -> None:
    class HangsSoon(Worker):
        async def on_start(self) -> None:
            self.tell_later("hang", 0.01)

    policy = RestartPolicy(when=Restart.ON_FAILURE, intensity=3, period=5.0, beyond=Beyond.END_USER)
    async with opened(2, sweep_period=300.0, sweep_jitter=0.0) as (supervisor, log):
        await supervisor.get_or_spawn("alice", "worker", ChildSpec(HangsSoon, restart=policy))
        await settle(3600)
        assert [event.attempt for event in log.of(Restarting)] == [1, 2, 3]
        assert len(log.of(GaveUp)) == 1
        assert supervisor.users == ()


async def test_nobody_is_waited_for_who_gave_up_waiting(autojump_clock: MockClock) -> None:
    async with opened(2, slot_wait=600.0) as (supervisor, _):
        crowd = Crowd(supervisor)
        await crowd.add("tab", 2)
        with trio.move_on_after(1):
            await crowd.get("one too many")
        await supervisor.stop_user("alice")
        await settle()
        assert supervisor.users == ()
