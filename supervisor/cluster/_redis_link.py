"""Link: a line to the engine that is made anew whenever it is over, by a task of its own."""

from __future__ import annotations

import contextlib
import random
import ssl
from collections.abc import Awaitable, Callable

import attrs
import trio
from anyio.abc import ByteStream

from ._errors import ClusterError, EngineDown, EngineRefused, EngineUnknown
from ._redis_line import TOO_LATE, Line, first_cause, make_line, open_stream
from ._redis_url import Credentials, EngineUrl, Place
from ._wire import Standing

OLDEST = 7
"""The first major version of the engine that will do."""

# A line that is dead without a word, and on which nobody asks, is found out after so many seconds and
# one call's timeout; one short command a second costs an engine nothing.
PING_PERIOD = 1.0

# After a failure: soon, as an engine restarts in a moment; then rarer and rarer, but never so rare that an
# engine that is back is not noticed soon. Each pause is between half of it and all of it, so that
# nodes that were cut at once do not come back at once.
FIRST_PAUSE = 0.02
LONGEST_PAUSE = 0.5

# After a line that held for so long, the first attempt is made at once.
STEADY = 1.0


async def _idle(_: Line) -> None:
    """For a link that only asks."""


@attrs.define(eq=False)
class Link:
    """Who wants to ask gets the line that is open; or waits while one is being made."""

    url: EngineUrl
    call_timeout: float
    while_open: Callable[[Line], Awaitable[None]] = _idle
    """Runs beside each line, until it is over."""
    connects: int = attrs.field(init=False, default=0)
    standing: Standing = attrs.field(init=False, default=Standing.UNKNOWN)
    since: float = attrs.field(init=False, factory=trio.current_time)
    why: str = attrs.field(init=False, default="")
    _line: Line | None = attrs.field(init=False, default=None)
    _away: EngineDown | EngineRefused | None = attrs.field(init=False, default=None)
    """What the last attempt met, while no other is made."""
    _waiting: trio.lowlevel.ParkingLot = attrs.field(init=False, factory=trio.lowlevel.ParkingLot)
    _trust: ssl.SSLContext | None = attrs.field(init=False, default=None)

    def __attrs_post_init__(self) -> None:
        if self.url.scheme == "rediss":
            self._trust = ssl.create_default_context()

    async def keep(self, nursery: trio.Nursery) -> None:
        """Make lines, one after the other, for ever."""
        pause = 0.0
        while True:
            pause = await self._once(nursery, pause)
            if pause:
                self._rest(self._away or EngineDown(str(self.url), self.why))
                await trio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311  # no secret
            self._away = None

    async def _once(self, nursery: trio.Nursery, pause: float) -> float:
        """Make one, and see it to its end; say for how many seconds to rest then."""
        longer = min(LONGEST_PAUSE, max(FIRST_PAUSE, 2 * pause))
        try:
            line = await self._reach(nursery)
        except EngineRefused as error:
            self._fail(error, Standing.DOWN)
        except EngineUnknown as error:
            self._fail(EngineDown(error.address, error.why), Standing.UNKNOWN)
        except EngineDown as error:
            self._fail(error, Standing.DOWN)
        else:
            began = trio.current_time()
            self._open(line)
            await self._live(line)
            if not line.is_unwilling:
                return 0.0 if trio.current_time() - began >= STEADY else FIRST_PAUSE
        return longer

    async def line(self, *, before: float) -> Line:
        """The line that is open; or the one that is being made, if it is by then.

        Raises EngineDown, EngineRefused: at once if the last attempt failed and the next is not begun.
        """
        with trio.move_on_at(before):
            while True:
                if self._line is not None and self._line.is_open:
                    return self._line
                if (away := self._away) is not None:
                    raise type(away)(away.address, away.why)
                await self._waiting.park()
        raise EngineDown(str(self.url), "it is still being connected to")

    def close(self) -> None:
        """Nothing is asked any more."""
        self._rest(EngineDown(str(self.url), "it was closed on this side"))
        self._line = None

    def _open(self, line: Line) -> None:
        self.connects += 1
        self._line = line
        self._stand(Standing.UP)
        self._waiting.unpark_all()

    def _fail(self, error: EngineDown | EngineRefused, standing: Standing) -> None:
        self._stand(standing, error.why)
        self._rest(error)

    def _rest(self, error: EngineDown | EngineRefused) -> None:
        self._away = error
        self._waiting.unpark_all()

    def _ended(self, line: Line) -> None:
        if line is self._line:
            self._stand(line.standing, line.why)

    def _stand(self, standing: Standing, why: str = "") -> None:
        self.why = why or self.why
        if standing is not self.standing:
            self.standing, self.since = standing, trio.current_time()

    async def _live(self, line: Line) -> None:
        async with trio.open_nursery() as life:
            life.start_soon(self._ping, line)
            life.start_soon(self.while_open, line)
            await line.over.wait()
            life.cancel_scope.cancel()

    async def _ping(self, line: Line) -> None:
        with contextlib.suppress(ClusterError):  # the line is over then, which is waited for
            while True:
                await trio.sleep(PING_PERIOD)
                await line.ask(b"PING", before=self._soon())

    def _soon(self) -> float:
        return trio.current_time() + self.call_timeout

    async def _reach(self, nursery: trio.Nursery) -> Line:
        """A line to the engine. Raises a ClusterError."""
        url = self.url
        if not url.service:
            return await self._connect(nursery, url.places[0] if url.places else None)
        problem: ClusterError | None = None
        # Shuffled: one that is frozen, or cut off with an old engine, is not always the first to be asked.
        for sentinel in random.sample(url.places, len(url.places)):
            try:
                return await self._connect(nursery, await self._primary(nursery, sentinel))
            except ClusterError as error:
                problem = error
        assert problem is not None, "a URL has at least one place"
        raise problem

    async def _connect(self, nursery: trio.Nursery, place: Place | None) -> Line:
        line = await self._begin(nursery, place, self.url.credentials, database=self.url.database)
        try:
            await self._greet(line)
        except ClusterError as error:
            line.cut(str(error))
            raise
        return line

    async def _greet(self, line: Line) -> None:
        """Is it an engine that will do?"""
        major = line.version.partition(".")[0]
        if not major.isdigit() or int(major) < OLDEST:
            raise EngineRefused(
                line.address, f"its version is {line.version}; {OLDEST} is the first that will do"
            )
        # While it loads its data it lets us in, and does nothing.
        await line.ask(b"PING", before=self._soon())
        if await self._is_redis_cluster(line):
            raise EngineRefused(
                line.address, "it is a Redis Cluster; take one primary, or one under Sentinel"
            )
        if self.url.service:
            match await line.ask(b"ROLE", before=self._soon()):
                case ["master", *_]:
                    pass
                case _:
                    raise EngineDown(line.address, "what the sentinels call its primary is none any more")

    async def _is_redis_cluster(self, line: Line) -> bool:
        """As far as it tells: one that may not is found out by the first script."""
        try:
            return "cluster_enabled:1" in str(await line.ask(b"INFO", b"cluster", before=self._soon()))
        except EngineRefused:
            return False

    async def _primary(self, nursery: trio.Nursery, sentinel: Place) -> Place:
        """Where a sentinel says that the engine is."""
        line = await self._sentinel(nursery, sentinel)
        try:
            answer = await line.ask(
                b"SENTINEL", b"GET-MASTER-ADDR-BY-NAME", self.url.service.encode(), before=self._soon()
            )
        finally:
            line.cut("it was asked what it was to be asked")
        match answer:
            case [str(host), str(port)]:
                return Place(host, int(port))
            case _:
                raise EngineDown(str(self.url), f"the sentinel at {sentinel} does not know the service")

    async def _sentinel(self, nursery: trio.Nursery, sentinel: Place) -> Line:
        """A sentinel that asks for a password is given the engine's."""
        try:
            return await self._begin(nursery, sentinel, None)
        except EngineRefused:
            if self.url.credentials is None:
                raise
        return await self._begin(nursery, sentinel, self.url.credentials)

    async def _begin(
        self, nursery: trio.Nursery, place: Place | None, who: Credentials | None, *, database: int = 0
    ) -> Line:
        stream = await self._stream(place)
        line = make_line(self.url, stream, who, database=database, on_end=self._ended)
        nursery.start_soon(line.run)
        with trio.move_on_after(self.call_timeout):
            await line.settled.wait()
        if not line.settled.is_set():
            line.cut(TOO_LATE, Standing.UNKNOWN)
            raise EngineUnknown(line.address, TOO_LATE)
        if not line.is_open:
            raise line.refusal or EngineDown(line.address, line.why)
        return line

    async def _stream(self, place: Place | None) -> ByteStream:
        try:
            with trio.move_on_after(self.call_timeout):
                return await open_stream(self.url, place, self._trust)
        except Exception as error:  # the system's, TLS', or that of a name that is none
            raise EngineDown(str(self.url), first_cause(error)) from error
        raise EngineUnknown(str(self.url), TOO_LATE)
