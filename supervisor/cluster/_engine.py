"""Engine: what a cluster keeps in common, and the steps that change it; each is one script, or one message.

All time is the engine's own. A session id is never used twice, and one that has expired is never
revived, so that "dead" is a stable fact.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from . import _scripts
from ._spec import without_braces
from ._wire import Reply, Wire

# For so long the engine remembers a user or a place that no step has touched: longer than anybody goes
# without reconciling, and short enough that those who never come back are not kept for ever.
_REMEMBERED = 24 * 3600.0

# The greatest whole number that Lua tells from its neighbours.
_GREATEST = 2**53

Arguments = list[str | int]


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
    fence: int
    """Greater than those of all slots admitted so far, less than those of all to come: see `reconcile`."""


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
    """The position of the entry before it, 0 for the first one: who knows another one has missed some."""
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


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))


def _seconds(microseconds: str) -> float:
    return int(microseconds) / 1_000_000


def _positive(**numbers: float) -> None:
    for name, number in numbers.items():
        if number <= 0:
            raise ValueError(f"{name} must be more than 0, not {number!r}")


# A reply is as its script says; one that is not is our own mistake.


def _list(reply: Reply) -> list[Reply]:
    assert isinstance(reply, list), reply
    return reply


def _text(reply: Reply) -> str:
    assert isinstance(reply, str), reply
    return reply


def _number(reply: Reply) -> int:
    assert isinstance(reply, int), reply
    return reply


def _texts(reply: Reply) -> tuple[str, ...]:
    return tuple(map(_text, _list(reply)))


def _slot(reply: Reply) -> Slot:
    slot, key, session, fence = _texts(reply)
    return Slot(slot, key, session, int(fence))


def _page(reply: Reply) -> Page:
    first, last, entries = _list(reply)
    found = [_texts(entry) for entry in _list(entries)]
    return Page(
        tuple(Entry(int(position), int(before), payload) for position, before, payload in found),
        int(_text(first)),
        int(_text(last)),
    )


def _by_fence(reply: Reply) -> tuple[Slot, ...]:
    return tuple(sorted(map(_slot, _list(reply)), key=lambda slot: slot.fence))


def _appended(reply: Reply) -> Appended:
    position, is_new = _list(reply)
    return Appended(int(_text(position)), bool(_number(is_new)))


def _dead(reply: list[Reply]) -> Dead:
    assert reply == ["dead"], reply
    return Dead()


@attrs.frozen
class Engine:
    """The steps. Each raises EngineDown, EngineUnknown or EngineRefused, as its wire does.

    All of them may be repeated after EngineUnknown: twice is as good as once.
    """

    wire: Wire
    prefix: str = attrs.field(validator=without_braces)
    """Of all keys and channels; without braces."""

    async def open(self, session: str, lease: float, about: str) -> Opened | Dead:
        """Begin a session. The same one again, while it lives: the same answer. Dead: it has expired.

        Raises EngineRefused: live nodes have another lease (the sentence names both numbers).
        """
        keys = self._keys("clock", "nodes", "epoch", "about", "figures")
        match _list(await self.wire.run(_scripts.OPEN, keys, [session, _milliseconds(lease), about])):
            case ["opened", warming]:
                return Opened(_seconds(_text(warming)))
            case reply:
                return _dead(reply)

    async def beat(self, session: str, lease: float, figures: str) -> Beat | Dead:
        """Renew the lease."""
        keys = self._keys("clock", "nodes", "epoch", "about", "figures")
        match _list(await self.wire.run(_scripts.BEAT, keys, [session, _milliseconds(lease), figures])):
            case ["beat", live, fence]:
                return Beat(tuple(sorted(_texts(live))), int(_text(fence)))
            case reply:
                return _dead(reply)

    async def close(self, session: str) -> None:
        """End a session: its slots are free at once."""
        await self.wire.run(_scripts.CLOSE, self._keys("clock", "nodes", "about", "figures"), [session])

    async def nodes(self) -> tuple[NodeRecord, ...]:
        """All that are alive, by session id."""
        reply = await self.wire.run(_scripts.NODES, self._keys("clock", "nodes", "about", "figures"), [])
        found = [_texts(node) for node in _list(reply)]
        return tuple(
            NodeRecord(session, _seconds(left), about, figures)
            for session, left, about, figures in sorted(found)
        )

    async def admit(
        self, user: str, slot: Slot, *, limit: int, gone: Sequence[str] = ()
    ) -> Admitted | Taken | Full | Warming | Dead:
        """Count one more slot and give it its key, if there are fewer than `limit`; first give up `gone`.

        The fence of `slot` is ignored, the answer has the one it got. A key that a slot of the same session
        holds moves to the new one. Slots of dead sessions are given up when it would be full, or
        when one of them holds the key. The same slot again: the same answer.
        """
        keys = [*self._user(user), *self._keys("epoch")]
        args: Arguments = [slot.session, slot.slot, slot.key, limit, _milliseconds(_REMEMBERED), *gone]
        match _list(await self.wire.run(_scripts.ADMIT, keys, args)):
            case ["admitted", counted]:
                return Admitted(_slot(counted))
            case ["taken", by]:
                return Taken(_slot(by))
            case ["full", holders]:
                return Full(_by_fence(holders))
            case ["warming", left]:
                return Warming(_seconds(_text(left)))
            case reply:
                return _dead(reply)

    async def release(self, user: str, slots: Sequence[str]) -> None:
        """Count them no more. Idempotent; also for a session that is dead."""
        await self.wire.run(_scripts.RELEASE, self._user(user), slots)

    async def reconcile(
        self,
        user: str,
        session: str,
        held: Sequence[Slot],
        *,
        limit: int,
        over_limit: bool,
        as_of: int | None = None,
    ) -> Reconciled | Dead:
        """Have the engine count exactly `held` for this user and session.

        `over_limit`: what it has forgotten is added even if there is no room (a key that another live
        node has is lost all the same).
        `as_of`: the fence of the last beat before `held` was looked up. A call that was given up may yet be
        executed, after later ones: it must not drop what was admitted in between. None: it drops all.
        """
        latest = _GREATEST if as_of is None else as_of
        args: Arguments = [session, limit, int(over_limit), _milliseconds(_REMEMBERED), latest]
        for slot in sorted(held, key=lambda slot: slot.fence):
            args += [slot.slot, slot.key, slot.fence]
        match _list(await self.wire.run(_scripts.RECONCILE, self._user(user), args)):
            case ["reconciled", dropped, added, lost]:
                return Reconciled(_texts(dropped), _texts(added), _texts(lost))
            case reply:
                return _dead(reply)

    async def slots(self, user: str) -> tuple[Slot, ...]:
        """All of the user's that count: those of live sessions, by fence."""
        return _by_fence(await self.wire.run(_scripts.COUNTED, self._user(user), []))

    async def append(
        self, log: str, session: str, entries: Sequence[tuple[str, str]], *, length: int, memory: float
    ) -> tuple[Appended, ...] | Dead:
        """Append entries, each an id and a payload, in this order; publish each to the log's channel.

        An id that was appended within `memory` seconds is not appended again. At least `length` entries
        are kept. What is published is for `entry_of`.
        """
        _positive(length=length, memory=memory)
        seen = [self._key("seen", f"{len(log)}:{log}:{name}") for name, _ in entries]
        keys = [*self._keys("clock", "nodes"), self._key("log", log), *seen]
        payloads = [payload for _, payload in entries]
        args: Arguments = [session, self.log_channel(log), length, _milliseconds(memory), *payloads]
        match _list(await self.wire.run(_scripts.APPEND, keys, args)):
            case ["appended", *answers]:
                return tuple(map(_appended, answers))
            case reply:
                return _dead(reply)

    async def read(self, log: str, *, after: int = 0, limit: int = 500) -> Page:
        """The first entries after a position."""
        _positive(limit=limit)
        return _page(await self.wire.run(_scripts.ENTRIES, [self._key("log", log)], ["after", after, limit]))

    async def latest(self, log: str, *, count: int) -> Page:
        """The last entries."""
        _positive(count=count)
        return _page(await self.wire.run(_scripts.ENTRIES, [self._key("log", log)], ["latest", 0, count]))

    async def enter(self, place: str, session: str, who: str) -> bool | Dead:
        """Note that somebody is present at a place by this session; True: by no live session he was before.

        True is published to the place's channel (see `presence_of`).
        """
        args: Arguments = [session, who, self.place_channel(place), _milliseconds(_REMEMBERED)]
        match _list(await self.wire.run(_scripts.ENTER, self._place(place), args)):
            case ["entered", is_new]:
                return bool(_number(is_new))
            case reply:
                return _dead(reply)

    async def leave(self, place: str, session: str, who: str) -> bool:
        """And no more; True: by no other live session either, which is published likewise."""
        args: Arguments = [session, who, self.place_channel(place)]
        return bool(_number(await self.wire.run(_scripts.LEAVE, self._place(place), args)))

    async def present(self, place: str) -> tuple[tuple[str, str], ...]:
        """Who is present by which live session: pairs of session and who."""
        reply = await self.wire.run(_scripts.PRESENT, self._place(place), [])
        found = [_texts(pair) for pair in _list(reply)]
        return tuple(sorted((session, who) for session, who in found))

    # What is published.

    def log_channel(self, log: str) -> str:
        """Where the entries of a log are published."""
        return self._key("log", log)

    def entry_of(self, message: str) -> Entry:
        """The entry that a message of a log's channel tells of."""
        position, before, payload = message.split(" ", 2)
        return Entry(int(position), int(before), payload)

    def place_channel(self, place: str) -> str:
        """Where it is published that somebody came to a place, or left it."""
        return self._key("place", place)

    def presence_of(self, message: str) -> tuple[str, bool]:
        """Of whom a message of a place's channel tells, and whether he is present now."""
        return message[1:], message.startswith("+")

    # Names of keys.

    def _key(self, kind: str, name: str) -> str:
        return f"{{{self.prefix}}}:{kind}:{name}"

    def _keys(self, *kinds: str) -> list[str]:
        return [f"{{{self.prefix}}}:{kind}" for kind in kinds]

    def _user(self, user: str) -> list[str]:
        return [*self._keys("clock", "nodes"), self._key("slots", user), self._key("keys", user)]

    def _place(self, place: str) -> list[str]:
        return [*self._keys("clock", "nodes"), self._key("place", place)]
