"""open_redis: the wire to a Valkey or Redis: one link for calls, another for channels."""

from __future__ import annotations

import hashlib
import operator
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import lru_cache

import attrs
import trio

from ._errors import ClusterError, EngineRefused
from ._redis_channels import Channels
from ._redis_line import Line
from ._redis_link import Link
from ._redis_url import EngineUrl, read_url
from ._wire import Reply, Script, Wire, WireStatistics, WireSubscription


def open_redis(url: str, *, call_timeout: float = 1.0) -> AbstractAsyncContextManager[Wire]:
    """A wire to the engine at a URL, for as long as the block lasts.

    The URL is one of `redis://[user:password@]host[:port][/database]`, `rediss://...` (TLS, judged by the
    system's certificates, or those of `SSL_CERT_FILE`), `unix://[user:password@]/path` and
    `sentinel://[user:password@]host[:port],host[:port],.../service`; a sentinel that asks for a password is
    given the same one. No call takes longer than `call_timeout` seconds.

    The block is entered when the engine has answered, or after one call's timeout without it: then the
    wire is down, and mends itself. While it is down, calls raise EngineDown at once; while a connection
    is being made, they wait for it within their own timeout.

    Raises:
      ValueError: the URL is wrong; the sentence says how.
      EngineRefused: the engine lets nobody in with this URL, is older than version 7, or is a Redis Cluster.

    """
    if not call_timeout > 0:
        raise ValueError(f"call_timeout must be more than 0 seconds, not {call_timeout!r}")
    return _open(read_url(url), call_timeout)


@asynccontextmanager
async def _open(url: EngineUrl, call_timeout: float) -> AsyncGenerator[Wire]:
    failure: Exception | None = None
    wire = RedisWire(Link(url, call_timeout), Channels(url, call_timeout))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(wire.calls.keep, nursery)
        nursery.start_soon(wire.channels.link.keep, nursery)
        try:
            await wire.wait_first()
            yield wire
        except Exception as error:  # noqa: BLE001  # it is raised below: the nursery would wrap it
            failure = error
        finally:
            wire.close()
            nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure


@lru_cache(maxsize=256)
def _compiled(script: Script) -> tuple[bytes, bytes]:
    """Its source and its digest, as the engine wants them."""
    source = script.source.encode()
    return source, hashlib.sha1(source, usedforsecurity=False).hexdigest().encode()


def _words(keys: Sequence[str], args: Sequence[str | int]) -> list[bytes]:
    """Here, so that what cannot be sent is the caller's error, and not the end of everybody's line."""
    words = [
        str(len(keys)),
        *keys,
        *(arg if isinstance(arg, str) else str(operator.index(arg)) for arg in args),
    ]
    return [word.encode() for word in words]


@attrs.define(eq=False)
class RedisWire:
    """The wire; see `Wire`."""

    calls: Link
    channels: Channels
    _called: int = attrs.field(init=False, default=0)
    _failures: int = attrs.field(init=False, default=0)
    _round_trip: float | None = attrs.field(init=False, default=None)

    @property
    def address(self) -> str:
        return str(self.calls.url)

    async def run(self, script: Script, keys: Sequence[str], args: Sequence[str | int]) -> Reply:
        source, digest = _compiled(script)
        words = _words(keys, args)
        return await self._call(lambda line, before: line.run_script(source, digest, words, before=before))

    async def publish(self, channel: str, message: str) -> int:
        words = (b"PUBLISH", channel.encode(), message.encode())
        heard = await self._call(lambda line, before: line.ask(*words, before=before))
        if not isinstance(heard, int):
            raise EngineRefused(self.address, f"it answered {heard!r} to a PUBLISH")
        return heard

    def subscribe(
        self, channel: str, *, capacity: int = 1024
    ) -> AbstractAsyncContextManager[WireSubscription]:
        return self.channels.subscribe(channel, capacity=capacity)

    def statistics(self) -> WireStatistics:
        link = self.calls
        return WireStatistics(
            standing=link.standing,
            since=link.since,
            why=link.why,
            calls=self._called,
            failures=self._failures,
            connects=link.connects,
            gaps=self.channels.gaps,
            round_trip=self._round_trip,
        )

    async def wait_first(self) -> None:
        """Wait until the engine answered, or is away. Raises EngineRefused."""
        try:
            await self.calls.line(before=trio.current_time() + self.calls.call_timeout)
        except EngineRefused:
            raise
        except ClusterError:
            pass  # it mends itself

    def close(self) -> None:
        self.calls.close()
        self.channels.close()

    async def _call(self, ask: Callable[[Line, float], Awaitable[Reply]]) -> Reply:
        began = trio.current_time()
        self._called += 1
        try:
            line = await self.calls.line(before=began + self.calls.call_timeout)
            sent = trio.current_time()
            reply = await ask(line, began + self.calls.call_timeout)
        except ClusterError:
            self._failures += 1
            raise
        self._round_trip = trio.current_time() - sent
        return reply

    def __repr__(self) -> str:
        return f"<RedisWire {self.address} {self.calls.standing.value}, {self._called} calls>"
