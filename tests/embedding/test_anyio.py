"""The example in an AnyIO program on Trio, over real sockets: a session, a refusal, a clean end."""

from __future__ import annotations

import logging
import signal
from collections.abc import AsyncGenerator
from contextlib import ExitStack, asynccontextmanager
from functools import partial

import pytest
import trio

from examples.embedding.anyio_app import LONGEST_LINE, serve

from .lines import PATIENCE, Door, started


@asynccontextmanager
async def served(limit: int = 20) -> AsyncGenerator[Door]:
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            with ExitStack() as opened:
                yield Door(await nursery.start(partial(serve, 0, limit=limit)), opened)
            nursery.cancel_scope.cancel()


async def test_a_session_outlives_its_connection(caplog: pytest.LogCaptureFixture) -> None:
    async with served() as door:
        client, welcome = await door.connect("alice laptop")
        assert (welcome, await client.say("one")) == ("welcome", "1: one")
        await client.stream.aclose()
        client, welcome = await door.connect("alice laptop")
        assert (welcome, await client.say("two")) == ("welcome back", "2: two")
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == [], (
        "no handler crashed"
    )


async def test_beyond_the_limit_one_is_refused_with_the_reason_and_others_are_not() -> None:
    async with served(limit=1) as door:
        client, _ = await door.connect("alice laptop")
        refused, why = await door.connect("alice phone")
        assert why is not None
        assert "Limit reached: 1 of 1 sessions alive." in why
        assert await refused.hear() is None
        assert await client.say("still here") == "1: still here"
        assert (await door.connect("bob laptop"))[1] == "welcome"


async def test_whoever_sends_no_lines_is_cut_and_nobody_else() -> None:
    async with served() as door:
        client, _ = await door.connect("alice laptop")
        flooding, _ = await door.connect("alice phone")
        await flooding.stream.send_all(b"x" * (LONGEST_LINE + 1))
        assert await flooding.hear() is None
        assert (await door.connect("nobody"))[1] == "say who you are: USER SESSION"
        assert await client.say("one") == "1: one"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_it_with_its_clients_connected(number: signal.Signals) -> None:
    with started("examples.embedding.anyio_app", "0") as program, ExitStack() as opened:
        door = Door(int(program.says.split()[1]), opened)
        client, _ = await door.connect("alice laptop")
        assert await program.end(number) == (0, "")
        assert await client.hear() is None
