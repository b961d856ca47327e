"""How one node of a cluster stands, which nodes there are, and where a user's managers live. Plain facts."""

from __future__ import annotations

from collections.abc import Mapping

import attrs


@attrs.frozen
class ClusterStatistics:
    """How one node stood in its cluster. Immutable, also for other threads. Times are in seconds."""

    node: str
    """What people call this node."""
    address: str
    """Where clients reach it; empty: it did not say."""
    engine: str
    """Where the engine is, without a password."""
    standing: str
    """How the engine stands, as far as this node knows: "up", "down" or "unknown"."""
    standing_for: float
    """Since when it stands so."""
    why: str
    """What went wrong with the engine last; empty while nothing has."""
    lease: float
    """For how long the engine counts a node as alive after a beat."""
    lease_left: float | None
    """How long this node may act still, unless there is another beat; None: it has no lease."""
    no_lease: str
    """Why it has none; empty where it has one."""
    kept: bool
    """The policy: without a lease everybody lives on and is let in, and limits may be exceeded."""
    warming: float
    """Nobody is admitted for so long: the engine's data is new. 0: it is not."""
    nodes: int
    """How many were alive at the last beat, this one included; 0 without a lease."""
    slots: int
    """How many of this node count, or are about to."""
    calls: int
    """Asked of the engine."""
    failures: int
    """Those of them that raised."""
    connects: int
    gaps: int
    """Times that published messages may have been missed."""
    round_trip: float | None
    """How long the last good call took."""

    @property
    def is_up(self) -> bool:
        """Does the engine answer?"""
        return self.standing == "up"

    @property
    def state(self) -> str:
        """How the engine stands, in one word: "up", "down", "unknown", or "warming"."""
        return "warming" if self.is_up and self.warming else self.standing

    @property
    def limits_may_be_exceeded(self) -> bool:
        """Is there no lease, and is everybody let in all the same?"""
        return self.kept and self.lease_left is None

    @property
    def lets_in(self) -> bool:
        """May newcomers come here, as far as the cluster is concerned?"""
        return self.kept or (self.lease_left is not None and not self.warming)


@attrs.frozen
class Node:
    """A node that is alive, as the engine knows it."""

    session: str
    name: str
    address: str
    """Where clients reach it; empty: it did not say."""
    lease: float
    """For how long the engine counts it as alive after a beat, in seconds."""
    expires_in: float
    """Seconds until it does no more, unless there is another beat."""
    figures: Mapping[str, int]
    """How much lived there at its last beat: "managers", "users", "zombies"."""
    is_me: bool = False


@attrs.frozen
class Place:
    """Where one manager of a user lives."""

    key: str
    node: Node
    fence: int
    """Greater than that of every manager that the user had before: for stores that check such tokens."""
