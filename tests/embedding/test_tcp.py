"""The example in a plain Trio server, over real sockets: a session, a refusal, a clean end."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import attrs
import trio

from examples.embedding.tcp import LONGEST_LINE, Lines, serve


@attrs.frozen(eq=False)
class Door:
    """To a server; what was opened through it is closed behind it."""

    port: int
    stack: AsyncExitStack

    async def connect(self, hello: str) -> tuple[Lines, str | None]:
        """With the answer to a first line."""
        stream = await trio.open_tcp_stream("127.0.0.1", self.port)
        self.stack.push_async_callback(trio.aclose_forcefully, stream)
        lines = Lines(stream)
        await lines.write(hello)
        return lines, await lines.read()


@asynccontextmanager
async def served(limit: int = 20) -> AsyncGenerator[Door]:
    with trio.fail_after(20):
        async with AsyncExitStack() as stack, trio.open_nursery() as nursery:
            yield Door(await nursery.start(partial(serve, 0, limit=limit)), stack)
            nursery.cancel_scope.cancel()


async def say(lines: Lines, text: str) -> str | None:
    await lines.write(text)
    return await lines.read()


async def test_a_session_outlives_its_connection() -> None:
    async with served() as door:
        lines, welcome = await door.connect("alice laptop")
        assert welcome == "welcome"
        assert [await say(lines, text) for text in ("one", "two")] == ["1: one", "2: two"]
        await lines.stream.aclose()
        lines, welcome = await door.connect("alice laptop")
        assert welcome == "welcome back"
        assert await say(lines, "three") == "3: three"
        other, welcome = await door.connect("alice phone")
        assert (welcome, await say(other, "one")) == ("welcome", "1: one")


async def test_beyond_the_limit_one_is_refused_with_the_reason_and_others_are_not() -> None:
    async with served(limit=1) as door:
        lines, _ = await door.connect("alice laptop")
        refused, why = await door.connect("alice phone")
        assert why is not None
        assert "Limit reached: 1 of 1 sessions alive. Tried garbage, liveness. Retry in " in why
        assert await refused.read() is None
        assert await say(lines, "still here") == "1: still here"
        _, welcome = await door.connect("bob laptop")
        assert welcome == "welcome"


async def test_what_is_no_hello_is_told_what_is_and_a_flood_is_cut() -> None:
    async with served() as door:
        _, answer = await door.connect("alice")
        assert answer == "say who you are: USER SESSION"
        lines, _ = await door.connect("alice laptop")
        await lines.stream.send_all(b"x" * (LONGEST_LINE + 1))
        assert await lines.read() is None


async def test_it_ends_with_its_clients_connected() -> None:
    async with trio.open_nursery() as nursery:
        server = trio.CancelScope()

        async def serve_until_cancelled(task_status: trio.TaskStatus[int]) -> None:  # noqa: ASYNC128  # `serve` does
            with server:
                await serve(0, task_status=task_status)

        async with AsyncExitStack() as stack:
            door = Door(await nursery.start(serve_until_cancelled), stack)
            lines, _ = await door.connect("alice laptop")
            server.cancel()
            with trio.fail_after(20):
                assert await lines.read() is None
