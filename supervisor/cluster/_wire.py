"""Wire: the little that a cluster needs of an engine: run a script, publish, subscribe."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import attrs

Reply = None | int | str | list["Reply"]
"""What a script gives back: text is decoded, a missing value is None."""


@attrs.frozen
class Script:
    """A script that the engine runs as one step; its source is Lua 5.1."""

    name: str
    source: str


class Gap(enum.Enum):
    """What a subscription gives where messages may be missing."""

    GAP = "gap"
    """It was cut and made anew, or its queue was full: catch up by other means."""


GAP = Gap.GAP


class Standing(enum.Enum):
    """How the engine stands, as far as this process knows."""

    UP = "up"
    DOWN = "down"
    """The last attempt to connect failed, or the connection was cut."""
    UNKNOWN = "unknown"
    """It was not asked yet, or does not answer in time."""


@attrs.frozen
class WireStatistics:
    """How the connection stood, and what it has done so far."""

    standing: Standing
    since: float
    """When it came to stand so, on Trio's clock."""
    why: str
    """The last thing that went wrong; empty while nothing has."""
    calls: int
    failures: int
    connects: int
    gaps: int
    round_trip: float | None
    """Seconds that the last good call took."""


class WireSubscription(Protocol):
    """What was published on one channel since it was opened."""

    async def receive(self) -> str | Gap:
        """The next message, in the order of publishing. Cancellation: none is lost."""
        ...


class Wire(Protocol):
    """A connection to the engine that mends itself. It never tries a script twice by itself.

    Raised by all: EngineDown (it was surely not executed), EngineUnknown (it may have been),
    EngineRefused (the engine's own error). No call takes longer than the wire's call timeout.
    """

    @property
    def address(self) -> str:
        """Where the engine is, for people: without a password."""
        ...

    async def run(self, script: Script, keys: Sequence[str], args: Sequence[str | int]) -> Reply:
        """Run a script. Cancellation: it may have been executed."""
        ...

    async def publish(self, channel: str, message: str) -> int:
        """Tell all subscribers, and say how many there are. Cancellation: it may have been told."""
        ...

    def subscribe(
        self, channel: str, *, capacity: int = 1024
    ) -> AbstractAsyncContextManager[WireSubscription]:
        """All that is published on the channel while the block lasts.

        It is entered when the engine has confirmed it, waiting for as long as the engine is away.
        At most `capacity` messages wait to be received; what does not fit becomes one GAP.
        """
        ...

    def statistics(self) -> WireStatistics:
        """How it stands now."""
        ...
