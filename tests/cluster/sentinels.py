"""A primary, a replica, and three Sentinels that make the replica a primary when the primary is gone."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

import attrs
import trio

from .redis_server import PATIENCE, RedisServer, ask, open_server

SERVICE = "trouper"

# Small, so that a test is short; a second of silence is long on a loopback, even on a busy machine.
DOWN_AFTER = 1.0


@attrs.frozen
class Company:
    """All of them run."""

    primary: RedisServer
    replica: RedisServer
    sentinels: tuple[RedisServer, ...]

    @property
    def url(self) -> str:
        places = ",".join(f"127.0.0.1:{each.port}" for each in self.sentinels)
        return f"sentinel://{places}/{SERVICE}"


@asynccontextmanager
async def open_company(*options: str) -> AsyncGenerator[Company]:
    """`options` are those of the primary and of the replica."""
    async with AsyncExitStack() as stack:
        primary = await stack.enter_async_context(open_server(*options))
        replica = await stack.enter_async_context(
            open_server(*options, "--replicaof", f"127.0.0.1 {primary.port}")
        )
        text = (
            f"sentinel monitor {SERVICE} 127.0.0.1 {primary.port} 2\n"
            f"sentinel down-after-milliseconds {SERVICE} {DOWN_AFTER * 1000:.0f}\n"
            f"sentinel failover-timeout {SERVICE} 3000\n"
        )
        sentinels = [await stack.enter_async_context(open_server(sentinel=text)) for _ in range(3)]
        company = Company(primary, replica, tuple(sentinels))
        with trio.fail_after(PATIENCE):
            while not all([await _is_ready(each.port) for each in sentinels]):
                await trio.sleep(0.05)
        yield company


async def _is_ready(port: int) -> bool:
    """Does it know the others, and the replica?"""
    answer = await ask(port, "SENTINEL", "MASTER", SERVICE)
    assert isinstance(answer, list)
    pairs = list(zip(answer[::2], answer[1::2], strict=True))
    return all(
        each in pairs for each in [("num-other-sentinels", "2"), ("num-slaves", "1"), ("flags", "master")]
    )
