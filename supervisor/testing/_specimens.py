"""Specimens: one actor for each way to misbehave, and a wire made of memory.

Each answers `Echo` and misbehaves on `Work`, or in the hook that its name tells. What ignores
cancellation does so for `PATIENCE` at most, so that a test that fails ends all the same.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import attrs
import trio

from actors import Actor, ActorCell, Connection, ConnectionClosed, Request, UserManager

# Longer than any test needs, and still only moments of virtual time.
PATIENCE = 10_000.0


@attrs.frozen
class Echo(Request[str]):
    """A request that every specimen answers while it can."""

    text: str = "there?"


@attrs.frozen
class Work:
    """What the specimens misbehave on."""


Message = Echo | Work


class Healthy(UserManager[Message]):
    """Does what it is told, at once. The base of all specimens.

    With `sockets` it is a manager that needs connections; without, an actor that never has any.
    """

    def __init__(self, *, sockets: bool = False) -> None:
        self._sockets = sockets
        self.worked = 0
        self.name: str | None = None
        self.hung_since: float | None = None

    def bind(self, cell: ActorCell) -> None:
        self.name = cell.name
        if self._sockets:
            super().bind(cell)
        else:
            Actor[Message].bind(self, cell)

    async def handle(self, message: Message) -> object:
        match message:
            case Echo(text):
                return text
            case Work():
                self.hung_since = trio.current_time()
                await self.work()
                self.hung_since = None
                self.worked += 1
                return None

    async def work(self) -> None:
        """What it does on `Work`; specimens override it."""


class WedgedForever(Healthy):
    """Awaits something that never comes."""

    async def work(self) -> None:
        await trio.sleep_forever()


class Shielded(Healthy):
    """Ignores cancellation until it is released, or for so many seconds."""

    def __init__(
        self, until: trio.Event | None = None, *, seconds: float = PATIENCE, sockets: bool = False
    ) -> None:
        super().__init__(sockets=sockets)
        self._until = trio.Event() if until is None else until
        self._seconds = seconds

    async def work(self) -> None:
        with trio.move_on_after(self._seconds, shield=True):
            await self._until.wait()


class SwallowsCancelled(Healthy):
    """Catches `Cancelled` so many times and goes on; None: until it is released."""

    def __init__(
        self, until: trio.Event | None = None, *, times: int | None = None, sockets: bool = False
    ) -> None:
        super().__init__(sockets=sockets)
        self._until = trio.Event() if until is None else until
        self._times = times
        self.swallowed = 0

    async def work(self) -> None:
        while not self._until.is_set():
            try:
                await self._until.wait()
            except trio.Cancelled:  # noqa: ASYNC103  # that is its misbehaviour
                self.swallowed += 1
                if self._times is None:
                    await self._recover()  # noqa: ASYNC102  # it bounds itself
                elif self.swallowed > self._times:
                    raise

    async def _recover(self) -> None:
        """Shielded, or it would spin, and a clock that jumps only when all wait would stand still."""
        with trio.move_on_after(PATIENCE, shield=True) as scope:
            await self._until.wait()
        if scope.cancelled_caught:
            self._until.set()


class EndsLate(Healthy):
    """Gives way to cancellation, but only after so many seconds."""

    def __init__(self, seconds: float, *, sockets: bool = False) -> None:
        super().__init__(sockets=sockets)
        self._seconds = seconds

    async def work(self) -> None:
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(self._seconds)


class SlowButAlive(Healthy):
    """Takes a fraction of its budget over each piece of work."""

    def __init__(self, fraction: float, *, budget: float = 5.0, sockets: bool = False) -> None:
        super().__init__(sockets=sockets)
        self._seconds = fraction * budget

    async def work(self) -> None:
        await trio.sleep(self._seconds)


class BusyWithProgress(Healthy):
    """Works for long, and says every second that it gets on."""

    def __init__(self, seconds: float, *, sockets: bool = False) -> None:
        super().__init__(sockets=sockets)
        self._seconds = seconds

    async def work(self) -> None:
        ends = trio.current_time() + self._seconds
        while trio.current_time() < ends:
            self.progress()
            await trio.sleep(min(1.0, ends - trio.current_time()))


class StartHangs(Healthy):
    """Never comes to run; `shield` makes it ignore being given up, too, until it is released."""

    def __init__(self, until: trio.Event | None = None, *, shield: bool = False) -> None:
        super().__init__()
        self._until = trio.Event() if until is None else until
        self._shield = shield

    async def on_start(self) -> None:
        with trio.move_on_after(PATIENCE, shield=self._shield):
            await self._until.wait()


class SlowStart(Healthy):
    """Takes so many seconds to start."""

    def __init__(self, seconds: float, *, sockets: bool = False) -> None:
        super().__init__(sockets=sockets)
        self._seconds = seconds

    async def on_start(self) -> None:
        await trio.sleep(self._seconds)


class StartRaises(Healthy):
    async def on_start(self) -> None:
        raise OSError("no database")


class StopHangs(Healthy):
    """Never finishes its last rites by itself."""

    async def on_stop(self) -> None:
        await trio.sleep_forever()


class SlowStop(Healthy):
    """Takes so many seconds over its last rites."""

    def __init__(self, seconds: float, *, sockets: bool = False) -> None:
        super().__init__(sockets=sockets)
        self._seconds = seconds

    async def on_stop(self) -> None:
        await trio.sleep(self._seconds)


class StopRaises(Healthy):
    async def on_stop(self) -> None:
        raise OSError("could not flush")


class ProbeRaises(Healthy):
    """Looks well and answers; its probe says that it cannot work."""

    async def probe(self) -> None:
        raise OSError("no backend")


class ProbeHangs(Healthy):
    async def probe(self) -> None:
        await trio.sleep_forever()


class ProbeAnswers(Healthy):
    """Healthy, and has a probe that says so."""

    async def probe(self) -> None:
        await trio.lowlevel.checkpoint()


class CrashesInHandle(Healthy):
    async def work(self) -> None:
        raise OSError("handle")


class CrashesInChild(Healthy):
    """Its child task raises, not the actor itself."""

    async def work(self) -> None:
        self.start_soon(self._crash)

    async def _crash(self) -> None:
        raise OSError("child task")


class HasChildTasks(Healthy):
    """Starts child tasks, two deep, and then wedges."""

    async def work(self) -> None:
        self.start_soon(self._nest)
        await trio.sleep_forever()

    async def _nest(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            nursery.start_soon(trio.sleep_forever)


class LiesAboutHealth(WedgedForever):
    """Says that all is well, in every way it has of saying so; it is wedged."""

    is_healthy = True
    is_active = True
    state = "active"
    last_activity = float("inf")

    async def on_start(self) -> None:
        self.start_soon(self._boast)

    async def _boast(self) -> None:
        """Its child task lives on and pushes, whatever its own task does."""
        while True:
            self.push("all is well")
            await trio.sleep(1)


@attrs.define(eq=False)
class MemoryTransport:
    """A wire without a network. Its peer answers pings unless it is `mute`."""

    mute: bool = False
    last_inbound: float = attrs.field(factory=trio.current_time)
    sent: list[str] = attrs.field(init=False, factory=list[str])
    pings: int = attrs.field(init=False, default=0)
    ended: tuple[int, str] | None = attrs.field(init=False, default=None)
    _inbound: deque[str] = attrs.field(init=False, factory=deque[str])
    _news: trio.Event = attrs.field(init=False, factory=trio.Event)

    def arrive(self, text: str) -> None:
        """The peer sends."""
        self._inbound.append(text)
        self.last_inbound = trio.current_time()
        self._news.set()

    async def send(self, text: str) -> None:
        await trio.lowlevel.checkpoint()
        self._raise_if_ended()
        self.sent.append(text)

    async def receive(self) -> str:
        await trio.lowlevel.checkpoint()
        while not self._inbound:
            self._raise_if_ended()
            self._news = trio.Event()
            await self._news.wait()
        return self._inbound.popleft()

    def ping_soon(self) -> None:
        self.pings += 1
        if not self.mute:
            self.last_inbound = trio.current_time()

    async def aclose(self, code: int, reason: str) -> None:
        await trio.lowlevel.checkpoint()
        self._end(code, reason)

    def abort(self) -> None:
        self._end(1006, "cut")

    def _end(self, code: int, reason: str) -> None:
        if self.ended is None:
            self.ended = (code, reason)
        self._news.set()

    def _raise_if_ended(self) -> None:
        if self.ended is not None:
            raise ConnectionClosed(*self.ended)


def connection(*, mute: bool = False, peer: str = "memory") -> Connection:
    """A connection over memory."""
    return Connection(peer, MemoryTransport(mute=mute))


@attrs.frozen
class Wedge:
    """One way to get stuck on `Work` for good, and whether it gives way to cancellation in time."""

    make: Callable[[trio.Event], Healthy]
    """Given the event that releases it."""
    gives_way: bool


WEDGES = {
    "awaits for ever": Wedge(lambda _: WedgedForever(), gives_way=True),
    "child tasks": Wedge(lambda _: HasChildTasks(), gives_way=True),
    "lies": Wedge(lambda _: LiesAboutHealth(), gives_way=True),
    "swallows one Cancelled": Wedge(lambda _: SwallowsCancelled(times=1), gives_way=True),
    "swallows five Cancelled": Wedge(lambda _: SwallowsCancelled(times=5), gives_way=True),
    "gives way after 0.03 s": Wedge(lambda _: EndsLate(0.03), gives_way=True),
    "gives way after 1 s": Wedge(lambda _: EndsLate(1.0), gives_way=False),
    "shielded": Wedge(Shielded, gives_way=False),
    "swallows every Cancelled": Wedge(SwallowsCancelled, gives_way=False),
}
"""Every such way, by name."""
