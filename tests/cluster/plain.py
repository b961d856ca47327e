"""A real engine in the plainest way: redis-server on a free port, and a wire whose calls run in threads.

Only what the contract of the engine's steps needs: no mending, no time limits of its own.
"""

from __future__ import annotations

import math
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, cast

import attrs
import redis
import trio

from supervisor.cluster._errors import EngineDown, EngineRefused
from supervisor.cluster._wire import Gap, Reply, Script, Standing, WireStatistics

# However busy the machine: a server that has not come by then will not come.
_SECONDS_TO_START = 30.0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def plain_server() -> Generator[int]:
    """The port of a server that keeps nothing on disk, for as long as the block lasts."""
    port = _free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            _await_answer(port)
            yield port
        finally:
            server.kill()
            server.wait()


def _await_answer(port: int) -> None:
    deadline = time.monotonic() + _SECONDS_TO_START
    with redis.Redis(host="127.0.0.1", port=port) as client:
        while True:
            try:
                cast("Any", client).ping()
            except redis.ConnectionError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
            else:
                return


def _decoded(value: Any) -> Reply:
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, list):
        return [_decoded(item) for item in cast("Sequence[Any]", value)]
    assert value is None or isinstance(value, int), value
    return value


@attrs.define(eq=False)
class PlainSubscription:
    listener: Any

    async def receive(self) -> str | Gap:
        while True:
            message = await trio.to_thread.run_sync(
                lambda: self.listener.get_message(ignore_subscribe_messages=True, timeout=0.05)
            )
            if message is not None:
                return cast("str", message["data"].decode())


@attrs.define(eq=False)
class PlainWire:
    """Each call takes a connection of its own from redis-py's pool."""

    port: int
    address: str = attrs.field(init=False)
    client: Any = attrs.field(init=False)
    """redis-py's, which says of few of its methods what they give."""

    def __attrs_post_init__(self) -> None:
        self.address = f"127.0.0.1:{self.port}"
        self.client = redis.Redis(host="127.0.0.1", port=self.port)

    async def run(self, script: Script, keys: Sequence[str], args: Sequence[str | int]) -> Reply:
        packed = [part.encode() if isinstance(part, str) else part for part in (*keys, *args)]
        try:
            return _decoded(
                await trio.to_thread.run_sync(lambda: self.client.eval(script.source, len(keys), *packed))
            )
        except redis.ConnectionError as error:
            raise EngineDown(self.address, str(error)) from error
        except redis.ResponseError as error:
            raise EngineRefused(self.address, str(error)) from error

    async def publish(self, channel: str, message: str) -> int:
        heard: int = await trio.to_thread.run_sync(lambda: self.client.publish(channel, message))
        return heard

    @asynccontextmanager
    async def subscribe(self, channel: str, *, capacity: int = 1024) -> AsyncGenerator[PlainSubscription]:
        listener = self.client.pubsub()
        try:
            await trio.to_thread.run_sync(lambda: listener.subscribe(channel))
            await trio.to_thread.run_sync(lambda: listener.get_message(timeout=_SECONDS_TO_START))
            yield PlainSubscription(listener)
        finally:
            listener.close()

    def statistics(self) -> WireStatistics:
        return WireStatistics(
            standing=Standing.UP,
            since=-math.inf,
            why="",
            calls=0,
            failures=0,
            connects=1,
            gaps=0,
            round_trip=None,
        )
