"""Backend: the other nodes of a cluster, as one supervisor sees them; in a single process there is none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Concatenate, ParamSpec, Protocol

import attrs
import trio

from ._cluster_facts import ClusterStatistics, Node, Place
from ._events import Event, Stamp
from ._report import Holder

P = ParamSpec("P")


@attrs.frozen
class Claim:
    """One slot of a user, with its key."""

    user: str
    key: str
    slot: str
    """Chosen here, and never used twice."""
    limit: int
    """How many slots the user may hold, on all nodes together."""


class LocalNode(Protocol):
    """One supervisor, as its backend sees it."""

    def tell(self, kind: Callable[Concatenate[Stamp, P], Event], *args: P.args, **kwargs: P.kwargs) -> None:
        """Emit an event."""
        ...

    def figures(self) -> Mapping[str, int]:
        """How much lives here, in numbers, for the other nodes' operators."""
        ...

    def users(self) -> Sequence[str]:
        """All of whom there is anybody here."""
        ...

    def claims_of(self, user: str) -> Sequence[Claim]:
        """The user's slots that are held here; of one that is starting, too."""
        ...

    async def fence(self, why: str) -> None:
        """End everybody at once: nothing here may act for the cluster any more."""
        ...

    def give_up(self, user: str, slots: Sequence[str], why: str) -> tuple[str, ...]:
        """Have those end that hold these slots, and say their keys: the slots are not theirs any more."""
        ...

    async def clean_up(self, user: str) -> tuple[Holder, ...]:
        """Judge the user's managers here, end those that the evidence speaks against, and say who is left."""
        ...

    async def reclaim(self, user: str) -> bool:
        """End the one whose client is gone longest and may still come back; False: there is none."""
        ...

    def holders(self, user: str) -> tuple[Holder, ...]:
        """Who holds slots of the user here, and the verdict on each."""
        ...

    async def stop_here(self, user: str, key: str, detail: str) -> bool:
        """Stop one manager, and wait until it has left; False: there is none."""
        ...


class Backend(Protocol):
    """What the supervisor asks of a cluster: whether there is a slot, and a place to run."""

    @property
    def ground(self) -> trio.Nursery | None:
        """Where actors run, cancelled by Trio itself when the node's lease ends. None: there is no lease."""
        ...

    async def serve(self, node: LocalNode, *, task_status: trio.TaskStatus[None]) -> None:
        """Keep this node in the cluster until cancelled. Started when it has joined, or tried for long."""
        ...

    async def admit(self, claim: Claim) -> None:
        """Count one more slot of the user, over all nodes, and give it its key.

        Cancellation: as if it had never been asked.

        Raises:
          QuotaRefused: all are held.
          LivesElsewhere: another node has the key.
          ClusterUnavailable: nobody can say.
        """
        ...

    def counts(self, claim: Claim) -> bool:
        """Does it still count? Not if the lease under which it was admitted is over."""
        ...

    async def make_room(self, claim: Claim) -> tuple[Holder, ...]:
        """Have the other nodes judge who holds the user's slots there, and reap; say who is left there.

        Takes no longer than `patience`. Whoever does not answer in time is told as such.
        """
        ...

    async def reclaim(self, claim: Claim, holders: Sequence[Holder]) -> bool:
        """Of these, have the one end whose client is gone longest and may still come back; False: there is
        none, or its node did not answer.
        """
        ...

    @property
    def patience(self) -> float:
        """How long an admission may take in all, in seconds."""
        ...

    def release(self, user: str, slot: str) -> None:
        """Count it no more, as soon as that can be told. Idempotent."""
        ...

    # For those who operate it

    def statistics(self) -> ClusterStatistics | None:
        """How this node stands in the cluster now; called in any thread. None: it has nothing to tell."""
        ...

    async def nodes(self) -> tuple[Node, ...]:
        """All nodes that are alive. Raises SupervisorError: nobody can say."""
        ...

    async def places(self, user: str) -> tuple[Place, ...]:
        """Where the user's managers live, the oldest first. Raises SupervisorError: nobody can say."""
        ...

    async def holders(self, user: str) -> tuple[Holder, ...]:
        """Who holds the user's slots on all nodes, with the verdict on each; those here have no node.

        Takes no longer than `patience`. Raises SupervisorError: nobody can say.
        """
        ...

    async def stop(self, user: str, key: str, detail: str = "") -> bool:
        """Stop a manager wherever it lives, and wait until it has left; False: there is none.

        Raises SupervisorError: its node does not answer, or nobody can say.
        """
        ...
