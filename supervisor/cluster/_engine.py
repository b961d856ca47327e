"""Engine: what a cluster keeps in common, and the steps that change it; each is one script, or one message.

All time is the engine's own. A session id is never used twice, and one that has expired is never
revived, so that "dead" is a stable fact.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from ._wire import Wire


@attrs.frozen
class Slot:
    """One slot of a user, as the engine counts it."""

    slot: str
    key: str
    session: str
    """Of the node that holds it."""
    fence: int
    """Greater than that of every slot of the user before it: a token for stores that check such."""


@attrs.frozen
class NodeRecord:
    """A node that is alive, as the engine knows it."""

    session: str
    expires_in: float
    """Seconds until its lease ends, unless it is renewed."""
    about: str
    """What it said of itself when it joined (JSON)."""
    figures: str
    """What it said with its last beat (JSON)."""


@attrs.frozen
class Opened:
    """The session is open."""

    warming: float
    """For so many seconds nothing is admitted: the engine's data is new, and others may still hold slots
    that it has forgotten. 0: it is not new."""


@attrs.frozen
class Beat:
    """The lease was renewed."""

    live: tuple[str, ...]
    """The sessions that are alive, this one included."""


@attrs.frozen
class Dead:
    """The session that asked has expired, or was never opened: nothing was done."""


@attrs.frozen
class Admitted:
    """The slot counts, and the key is its."""

    slot: Slot


@attrs.frozen
class Taken:
    """A slot of another live node has the key."""

    by: Slot


@attrs.frozen
class Full:
    """All slots of the user are held by live sessions."""

    holders: tuple[Slot, ...]


@attrs.frozen
class Warming:
    """Nothing is admitted for so many seconds: the engine's data is new."""

    seconds: float


@attrs.frozen
class Reconciled:
    """What the engine counts for this user and session is what was said, but for `lost`."""

    dropped: tuple[str, ...]
    """Slots that it counted for this session, and that nobody here holds."""
    added: tuple[str, ...]
    """Slots that it had forgotten, and for which there was room."""
    lost: tuple[str, ...]
    """Slots that it had forgotten, and for which there is no room, or whose key another node has."""


@attrs.frozen
class Entry:
    """One entry of a log."""

    position: int
    """Grows from entry to entry, with holes; microseconds of the engine's clock, as a rule."""
    before: int
    """The position of the entry before it, 0 for the first one ever: who knows another one has missed some."""
    payload: str


@attrs.frozen
class Appended:
    """Where it is; `is_new` is False if it was there already."""

    position: int
    is_new: bool


@attrs.frozen
class Page:
    """A part of a log, oldest first."""

    entries: tuple[Entry, ...]
    first: int
    """The position of the oldest entry that is kept; 0: there is none."""
    last: int
    """The position of the latest; 0: there was never one."""


@attrs.frozen
class Engine:
    """The steps. Each raises EngineDown, EngineUnknown or EngineRefused, as its wire does.

    All of them may be repeated after EngineUnknown: twice is as good as once.
    """

    wire: Wire
    prefix: str

    async def open(self, session: str, lease: float, about: str) -> Opened | Dead:
        """Begin a session. The same one again, while it lives: the same answer. Dead: it has expired.

        Raises EngineRefused: live nodes have another lease (the sentence names both numbers).
        """
        raise NotImplementedError

    async def beat(self, session: str, lease: float, figures: str) -> Beat | Dead:
        """Renew the lease."""
        raise NotImplementedError

    async def close(self, session: str) -> None:
        """End a session: its slots are free at once."""
        raise NotImplementedError

    async def nodes(self) -> tuple[NodeRecord, ...]:
        """All that are alive, by session id."""
        raise NotImplementedError

    async def admit(
        self, user: str, slot: Slot, *, limit: int, gone: Sequence[str] = ()
    ) -> Admitted | Taken | Full | Warming | Dead:
        """Count one more slot and give it its key, if there are fewer than `limit`; first give up `gone`.

        The fence of `slot` is ignored, the answer has the one it got. A key that a slot of the same session
        holds moves to the new one. Slots of dead sessions are given up when it would be full, or
        when one of them holds the key. The same slot again: the same answer.
        """
        raise NotImplementedError

    async def release(self, user: str, slots: Sequence[str]) -> None:
        """Count them no more. Idempotent; also for a session that is dead."""
        raise NotImplementedError

    async def reconcile(
        self, user: str, session: str, held: Sequence[Slot], *, limit: int, over_limit: bool
    ) -> Reconciled | Dead:
        """Have the engine count exactly `held` for this user and session.

        `over_limit`: what it has forgotten is added even if there is no room (a key that another live node has
        is lost all the same).
        """
        raise NotImplementedError

    async def slots(self, user: str) -> tuple[Slot, ...]:
        """All of the user's that count: those of live sessions, by fence."""
        raise NotImplementedError

    async def append(
        self, log: str, session: str, entries: Sequence[tuple[str, str]], *, length: int, memory: float
    ) -> tuple[Appended, ...] | Dead:
        """Append entries, each an id and a payload, in this order; publish each to the log's channel.

        An id that was appended within `memory` seconds is not appended again. At least `length` entries
        are kept. What is published is for `entry_of`.
        """
        raise NotImplementedError

    async def read(self, log: str, *, after: int = 0, limit: int = 500) -> Page:
        """The first entries after a position."""
        raise NotImplementedError

    async def latest(self, log: str, *, count: int) -> Page:
        """The last entries."""
        raise NotImplementedError

    async def enter(self, place: str, session: str, who: str) -> bool | Dead:
        """Note that somebody is present at a place by this session; True: by no live session he was before.

        True is published to the place's channel (see `presence_of`).
        """
        raise NotImplementedError

    async def leave(self, place: str, session: str, who: str) -> bool:
        """And no more; True: by no other live session either, which is published likewise."""
        raise NotImplementedError

    async def present(self, place: str) -> tuple[tuple[str, str], ...]:
        """Who is present by which live session: pairs of session and who."""
        raise NotImplementedError
