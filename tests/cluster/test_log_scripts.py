"""Whatever is said, cut, lost, wiped and rewound: every follower ends with the log as the engine has it."""

from __future__ import annotations

from typing import TypeAlias

import attrs
import trio
import trio.testing
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from .followed import Cluster, Reader, open_cluster
from .simulated import Snapshot

NODES = ("a", "b", "c")


@attrs.frozen
class Say:
    node: int
    count: int


@attrs.frozen
class Pause:
    seconds: float


@attrs.frozen
class Cut:
    node: int


@attrs.frozen
class Mend:
    node: int


@attrs.frozen
class LoseReplies:
    node: int
    count: int


@attrs.frozen
class Restart:
    away: float
    keeps: bool


@attrs.frozen
class Remember:
    """The engine's state, as a replica has it."""


@attrs.frozen
class Rewind:
    """To what was remembered; without a cut, as far as anybody notices."""


Step: TypeAlias = Say | Pause | Cut | Mend | LoseReplies | Restart | Remember | Rewind

node = st.integers(0, len(NODES) - 1)
troubles: st.SearchStrategy[Step] = st.one_of(
    st.builds(Cut, node),
    st.builds(Mend, node),
    st.builds(LoseReplies, node, st.integers(1, 3)),
    st.builds(Restart, st.sampled_from([0.0, 0.5, 5.0]), st.just(value=True)),
)
losses: st.SearchStrategy[Step] = st.one_of(
    st.builds(Restart, st.sampled_from([0.0, 0.5]), st.just(value=False)),
    st.builds(Remember),
    st.builds(Rewind),
)
usual: st.SearchStrategy[Step] = st.one_of(
    st.builds(Say, node, st.integers(1, 4)),
    st.builds(Pause, st.sampled_from([0.001, 0.1, 1.0])),
)
scripts_without_loss = st.lists(usual | troubles, max_size=25)
scripts_with_loss = st.lists(usual | troubles | losses, max_size=25)


async def perform(script: list[Step], seed: int) -> tuple[Cluster, list[Reader], list[str]]:
    """What the readers have at the end, and what the engine has."""
    async with open_cluster(*NODES, seed=seed) as cluster:
        readers = [await cluster.reader(node) for node in cluster.nodes]
        snapshot = cluster.engine.snapshot()
        async with trio.open_nursery() as saying:
            for number, step in enumerate(script):
                snapshot = await _do(cluster, step, f"{number}", saying, snapshot)
            for node in cluster.nodes:
                node.wire.mend()
        # Whoever is told nothing cannot know that something is gone.
        await cluster.say(cluster.nodes[0], "the last")
        await trio.sleep(2)
        kept = await cluster.nodes[0].log().read(limit=10_000)
        return cluster, readers, [entry.payload for entry in kept.entries]


async def _do(  # noqa: C901  # one case per kind of step
    cluster: Cluster, step: Step, name: str, saying: trio.Nursery, snapshot: Snapshot
) -> Snapshot:
    match step:
        case Say(node, count):
            payloads = [f"{name}.{each}" for each in range(count)]
            saying.start_soon(cluster.say, cluster.nodes[node], *payloads)
        case Pause(seconds):
            await trio.sleep(seconds)
        case Cut(node):
            cluster.nodes[node].wire.cut()
        case Mend(node):
            cluster.nodes[node].wire.mend()
        case LoseReplies(node, count):
            cluster.nodes[node].wire.replies_to_lose = count
        case Restart(away, keeps):
            cluster.engine.stop()
            await trio.sleep(away)
            cluster.engine.start(with_data=keeps)
        case Remember():
            return cluster.engine.snapshot()
        case Rewind():
            cluster.engine.rewind(snapshot)
    return snapshot


def run(script: list[Step], seed: int) -> tuple[Cluster, list[Reader], list[str]]:
    return trio.run(perform, script, seed, clock=trio.testing.MockClock(autojump_threshold=0))


bounded = settings(
    max_examples=100,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow],
)


@bounded
@given(scripts_without_loss, st.integers(0, 2**32))
def test_every_follower_has_every_acked_entry_once_and_in_order(script: list[Step], seed: int) -> None:
    cluster, readers, kept = run(script, seed)
    in_order = sorted(cluster.acked, key=lambda payload: cluster.acked[payload])
    assert kept == in_order, "the engine keeps what it has acked"
    for reader in readers:
        assert reader.given == in_order
        assert reader.told == []


@bounded
@example(script=[Restart(5.0, keeps=True), Say(0, 1), Pause(0.1), Rewind()], seed=0)
@given(scripts_with_loss, st.integers(0, 2**32))
def test_whatever_the_engine_loses_every_follower_ends_with_what_it_has(
    script: list[Step], seed: int
) -> None:
    _, readers, kept = run(script, seed)
    for reader in readers:
        assert reader.payloads == kept
        assert kept[-1] == "the last"
        assert len(set(reader.payloads)) == len(reader.payloads)
