"""Line: one connection to the engine, until it is cut; the only file that knows coredis.

Below coredis' clients and pools, which lose slots when callers are cancelled, try again by themselves and
connect in their callers' tasks: a connection is asked directly, and is never used again after an error.
"""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable
from typing import cast

import anyio
import attrs
import trio
from anyio.abc import ByteStream
from coredis.connection import BaseConnection, Location
from coredis.exceptions import (
    AuthenticationRequiredError,
    BusyLoadingError,
    ClusterDownError,
    ConnectionError,  # noqa: A004  # coredis' own; Python's is not used here
    InvalidResponse,
    NoScriptError,
    ReadOnlyError,
    RedisError,
)

from ._errors import ClusterError, EngineDown, EngineRefused, EngineUnknown
from ._redis_url import Credentials, EngineUrl, Place
from ._wire import Reply, Standing

# Error replies of an engine that did nothing, and that will do it later, or of which another took over.
_NOT_NOW = (BusyLoadingError, ClusterDownError, ReadOnlyError)
_NOT_NOW_WORDS = ("BUSY", "MASTERDOWN", "NOREPLICAS")  # for which coredis has no class
TOO_LATE = "no answer in time"

# Where this process itself stood still for longer than a call may take, the answer is there, and is not read
# yet; what reads it needs a moment. As long as it stood still, but no longer than this, in seconds.
LEAST_GRACE, MOST_GRACE = 0.05, 0.5


Pending = Awaitable[object]
"""The answer to come."""


class _NoScript(ClusterError):
    """The engine does not know the script: nothing was done."""


@attrs.define(eq=False)
class Line:
    """One connection. It is `over` after the first error that is not an answer, and stays so."""

    address: str
    _connection: BaseConnection
    _on_end: Callable[[Line], None]
    """Told once, at once."""
    settled: trio.Event = attrs.field(init=False, factory=trio.Event)
    """It is open, or it is over."""
    over: trio.Event = attrs.field(init=False, factory=trio.Event)
    refusal: EngineRefused | None = attrs.field(init=False, default=None)
    """Why the engine did not let us in."""
    is_unwilling: bool = attrs.field(init=False, default=False)
    """It was cut because the engine lets us in but does nothing now."""
    standing: Standing = attrs.field(init=False, default=Standing.UNKNOWN)
    """How the engine stood when it was cut."""
    _why: str = attrs.field(init=False, default="")
    _scope: trio.CancelScope = attrs.field(init=False, factory=trio.CancelScope)

    async def run(self) -> None:
        """Be let in, and carry what is asked and answered until it is cut. Raises nothing."""
        error: Exception | None = None
        try:
            with self._scope:
                await self._connection.run(task_status=_Settled(self.settled))
        except Exception as problem:  # noqa: BLE001  # whatever coredis or its reader meets, this connection is over
            error = problem
        finally:
            if isinstance(error, RedisError) and not isinstance(error, ConnectionError):
                wanted = isinstance(error, AuthenticationRequiredError)
                self.refusal = EngineRefused(self.address, "it wants a password" if wanted else str(error))
            self.cut("the connection was lost" if error is None else first_cause(error))
            self.settled.set()
            self.over.set()

    @property
    def is_open(self) -> bool:
        """May it still be asked?"""
        return not self._why and self._connection.usable

    @property
    def why(self) -> str:
        """Why it is over; empty while it is not."""
        return self._why

    @property
    def version(self) -> str:
        """The engine's, once it is open."""
        return self._connection.server_version or ""

    def cut(self, why: str, standing: Standing = Standing.DOWN) -> None:
        """No more of it: all that wait for answers are told so."""
        if not self._why:
            self._why, self.standing = why, standing
            self._scope.cancel()
            self._on_end(self)

    async def ask(self, *words: bytes, before: float) -> Reply:
        """Send a command, and wait for its answer, until a moment on Trio's clock."""
        return await self.answer(self.post(*words), before=before)

    def post(self, *words: bytes) -> Pending:
        """Send a command. Raises EngineDown: it was not sent."""
        if not self.is_open:
            raise EngineDown(self.address, self._why or "the connection was lost")
        try:
            return self._connection.create_request(*words)
        except Exception as error:  # not sent, whatever it is: anyio's come through when it closes
            self.cut(first_cause(error))
            raise EngineDown(self.address, self._why) from error

    async def answer(self, pending: Pending, *, before: float) -> Reply:
        """Wait for the answer to what was posted."""
        try:
            with trio.move_on_at(before):
                return _plain(await pending)
            late = trio.current_time() - before
            with trio.move_on_after(min(max(LEAST_GRACE, late), MOST_GRACE)):
                return _plain(await pending)
        except Exception as error:  # coredis' own, anyio's or Python's
            raise self._meaning(error) from error
        self.cut(TOO_LATE, Standing.UNKNOWN)
        raise EngineUnknown(self.address, TOO_LATE)

    async def run_script(self, source: bytes, digest: bytes, words: list[bytes], *, before: float) -> Reply:
        """By its digest; once more, with the whole source, if the engine does not know it."""
        try:
            return await self.ask(b"EVALSHA", digest, *words, before=before)
        except _NoScript:
            return await self.ask(b"EVAL", source, *words, before=before)

    def tell(self, *words: bytes) -> None:
        """Send a command whose answer comes as messages, if it is still open."""
        if self.is_open:
            try:
                self._connection.send_command(*words)
            except Exception as error:  # noqa: BLE001  # as above
                self.cut(first_cause(error))

    async def hear(self, tell: Callable[[str, str], None]) -> None:
        """Tell each message that is published, with its channel, until it is over."""
        try:
            async for push in self._connection.push_messages:
                if push[0] == "message":
                    tell(_text(push[1]), _text(push[2]))
        except Exception as error:  # noqa: BLE001  # as above
            self.cut(first_cause(error))

    def _meaning(self, error: Exception) -> ClusterError:
        if isinstance(error, _Odd):
            return EngineRefused(self.address, str(error))
        if isinstance(error, NoScriptError):
            return _NoScript()
        if isinstance(error, _NOT_NOW) or str(error).split(" ")[0] in _NOT_NOW_WORDS:
            self.is_unwilling = True
            self.cut(str(error))
            return EngineDown(self.address, str(error))
        if isinstance(error, RedisError) and not isinstance(error, ConnectionError | InvalidResponse):
            return EngineRefused(self.address, str(error))
        self.cut(first_cause(error))
        return EngineUnknown(self.address, self._why)


async def open_stream(url: EngineUrl, place: Place | None, trust: ssl.SSLContext | None) -> ByteStream:
    """To a place, or to the URL's socket."""
    if place is None:
        return await anyio.connect_unix(url.path)
    if trust is None:
        return await anyio.connect_tcp(place.host, place.port)
    return await anyio.connect_tcp(
        place.host, place.port, tls=True, ssl_context=trust, tls_standard_compatible=False
    )


def make_line(
    url: EngineUrl,
    stream: ByteStream,
    who: Credentials | None,
    *,
    database: int,
    on_end: Callable[[Line], None],
) -> Line:
    """A line over a stream; `run` has it let in."""
    return Line(str(url), _Connection(stream, who, database), on_end)


class _Connection(BaseConnection):
    """Over a stream that is there already: coredis would leave its buffers open where it finds none."""

    def __init__(self, stream: ByteStream, who: Credentials | None, database: int) -> None:
        user, password = (None, None) if who is None else (who.user or "default", who.password)
        super().__init__(_Nowhere(), username=user, password=password, db=database, decode_responses=True)
        self._ready_stream = stream

    async def _connect(self) -> ByteStream:
        return self._ready_stream

    def describe(self) -> str:
        return "a line's connection"


class _Nowhere(Location):
    """What a connection has that was made by somebody else."""

    async def check(self) -> bool:
        return False


@attrs.frozen
class _Settled:
    """What coredis tells that it is connected: Trio's own would tie the line to whoever opens it."""

    _settled: trio.Event

    def started(self, value: object = None) -> None:  # noqa: ARG002  # nothing is told, but so it is called
        self._settled.set()


class _Odd(Exception):
    """An answer that no script of ours gives."""


def _plain(value: object) -> Reply:
    """An answer as what a Reply may be; an error within it is one of it all."""
    if value is None or isinstance(value, int | str):
        return value
    if isinstance(value, list):
        return [_plain(each) for each in cast("list[object]", value)]
    if isinstance(value, RedisError):
        raise value
    raise _Odd(
        f"its answer has a {type(value).__name__} in it, which is neither text, number, list nor nothing"
    )


def _text(value: object) -> str:
    """What is no UTF-8 is not from one of us, and stays bytes."""
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def first_cause(error: BaseException) -> str:
    """The first cause of it, in its own words."""
    while (cause := error.__cause__) is not None:
        error = cause
    inner: tuple[BaseException, ...] = getattr(error, "exceptions", ())
    return first_cause(inner[0]) if inner else str(error) or type(error).__name__
