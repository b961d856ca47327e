"""Specimens: one actor for each way to misbehave at work.

Each answers `Echo` and misbehaves on `Work`; durations are in seconds. What ignores cancellation
does so for its patience at most, so that a test that fails ends all the same.
"""

from __future__ import annotations

import threading
import time

import attrs
import trio
import trio.testing

from actors import Actor, ActorCell, Request, UserManager

# Longer than any test needs, and still only moments of virtual time.
PATIENCE = 10_000.0

# The same for a thread, by a real clock.
THREAD_PATIENCE = 5.0

# How often one that spins goes round at most: a second or two of a real clock.
MOST_TURNS = 100_000

# What one such turn takes of virtual time: far less than any grace.
TURN = 1e-4


@attrs.frozen
class Echo(Request[str]):
    """A request that every specimen answers while it can."""

    text: str = "there?"


@attrs.frozen
class Work(Request[None]):
    """What the specimens misbehave on; tell it, or ask for it."""


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


class ShieldedChild(Shielded):
    """Does its work at once, and leaves behind a child task that ignores cancellation."""

    async def work(self) -> None:
        self.start_soon(super().work)


class SwallowsCancelled(Healthy):
    """Catches `Cancelled` so many times and goes on; None: until it is released.

    It rests after each; see `Spins` for one that does not.
    """

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
        with trio.move_on_after(PATIENCE, shield=True) as scope:
            await self._until.wait()
        if scope.cancelled_caught:
            self._until.set()


class Spins(Healthy):
    """Swallows every `Cancelled`, and once it is cancelled spins: it burns a core, and lets others run.

    So until it is released, or has gone round `turns` times. With `everything` it swallows whatever
    else is thrown into it too, but for what ends the program. A virtual clock goes on by `TURN` a round.
    """

    def __init__(
        self, until: trio.Event | None = None, *, turns: int = MOST_TURNS, everything: bool = False
    ) -> None:
        super().__init__()
        self._until = trio.Event() if until is None else until
        self._turns = turns
        self._swallows = BaseException if everything else trio.Cancelled
        self.swallowed = 0

    async def work(self) -> None:
        while not self._until.is_set() and self.swallowed < self._turns:
            try:
                await self._until.wait()
            except (GeneratorExit, KeyboardInterrupt):
                raise
            except self._swallows:  # noqa: ASYNC103  # that is its misbehaviour
                self.swallowed += 1
                advance(TURN)


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


class StuckInThread(Healthy):
    """Waits for a thread that cannot be abandoned: no cancellation ends it, and no force.

    Until it is released, or for so many seconds of a real clock.
    """

    def __init__(self, until: threading.Event | None = None, *, seconds: float = THREAD_PATIENCE) -> None:
        super().__init__()
        self._until = threading.Event() if until is None else until
        self._seconds = seconds

    async def work(self) -> None:
        await trio.to_thread.run_sync(self._until.wait, self._seconds)


class BlocksLoop(Healthy):
    """Lets nobody run for so many seconds, and then goes on as if nothing had been."""

    def __init__(self, *, seconds: float = 0.3) -> None:
        super().__init__()
        self._seconds = seconds

    async def work(self) -> None:
        if not advance(self._seconds):
            time.sleep(self._seconds)  # noqa: ASYNC251  # so nobody runs


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


class CrashesInHandle(Healthy):
    """Raises while it handles a message."""

    async def work(self) -> None:
        raise OSError("handle")


class CrashesInChild(Healthy):
    """Its child task raises, not the actor itself."""

    async def work(self) -> None:
        self.start_soon(self._crash)

    async def _crash(self) -> None:
        raise OSError("child task")


class Doom(BaseException):
    """No `Exception`: most handlers let it pass."""


class RaisesBaseException(Healthy):
    """Raises what is no `Exception`, and yet is meant for nobody but itself."""

    async def work(self) -> None:
        raise Doom("handle")


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
        while True:  # whatever its own task does
            self.broadcast("all is well")
            await trio.sleep(1)


def advance(seconds: float) -> bool:
    """Set a virtual clock forward, with no other task running meanwhile; False: the clock is real."""
    clock = trio.lowlevel.current_clock()
    if not isinstance(clock, trio.testing.MockClock):
        return False
    clock.jump(seconds)
    return True
