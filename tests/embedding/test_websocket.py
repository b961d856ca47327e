"""The bare WebSocket server, over real sockets: a session, a refusal by its code, a clean end."""

from __future__ import annotations

import re
import signal
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from urllib.parse import urlsplit

import pytest
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_client_stream

from examples.embedding.websocket_server import serve
from supervisor import open_supervisor

from .lines import PATIENCE, started

Open = Callable[[], AbstractAsyncContextManager[WebSocketConnection]]


@asynccontextmanager
async def opened(url: str) -> AsyncGenerator[WebSocketConnection]:
    """One tab. (`open_websocket` forgets its socket when the server hangs up first.)"""
    there = urlsplit(url)
    assert there.port is not None
    stream = await trio.open_tcp_stream("127.0.0.1", there.port)
    async with stream, trio.open_nursery() as nursery:
        websocket = await wrap_client_stream(nursery, stream, "127.0.0.1", there.path)
        yield websocket
        await websocket.aclose()


@asynccontextmanager
async def served(limit: int = 20) -> AsyncGenerator[Open]:
    with trio.fail_after(PATIENCE):
        async with open_supervisor(limit) as supervisor, trio.open_nursery() as nursery:
            port = await nursery.start(serve, supervisor, 0)
            yield partial(opened, f"ws://127.0.0.1:{port}/ws")
            nursery.cancel_scope.cancel()


async def say(websocket: WebSocketConnection, text: str) -> str:
    await websocket.send_message(text)
    answer = await websocket.get_message()
    assert isinstance(answer, str)
    return answer


async def closed(websocket: WebSocketConnection) -> tuple[int, str]:
    """The code and the reason with which the server closes it, when it has said no more."""
    with pytest.raises(ConnectionClosed) as ended:
        await websocket.get_message()
    assert ended.value.reason is not None
    return ended.value.reason.code, ended.value.reason.reason or ""


async def test_all_tabs_of_a_session_hear_what_one_says() -> None:
    async with served() as open_tab, open_tab() as one, open_tab() as other, open_tab() as stranger:
        assert await say(one, "alice laptop") == "welcome"
        assert await say(other, "alice laptop") == "welcome back"
        assert await say(stranger, "bob laptop") == "welcome"
        assert await say(one, "hello") == "1: hello"
        assert await other.get_message() == "1: hello"
        assert await say(stranger, "hello") == "1: hello"


async def test_beyond_the_limit_one_is_refused_by_a_close_code_and_the_reason() -> None:
    async with served(limit=1) as open_tab, open_tab() as one, open_tab() as other, open_tab() as bob:
        assert await say(one, "alice laptop") == "welcome"
        await other.send_message("alice phone")
        code, reason = await closed(other)
        assert code == 1013
        assert reason.startswith("Limit reached: 1 of 1 sessions alive.")
        assert await say(one, "still here") == "1: still here"
        assert await say(bob, "bob laptop") == "welcome"


async def test_who_does_not_say_who_it_is_and_one_tab_too_many_are_told_so() -> None:
    async with served() as open_tab, open_tab() as nobody:
        await nobody.send_message("alice")
        assert await closed(nobody) == (1008, "say who you are: USER SESSION")
        async with AsyncExitStack() as tabs:
            for _ in range(8):
                tab = await tabs.enter_async_context(open_tab())
                assert (await say(tab, "alice laptop")).startswith("welcome")
            ninth = await tabs.enter_async_context(open_tab())
            await ninth.send_message("alice laptop")
            assert await closed(ninth) == (1013, "not in this session, not now")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_it_and_everybody_is_told(number: signal.Signals) -> None:
    with started("examples.embedding.websocket_server", "0") as program:
        async with opened(program.says) as websocket:
            assert await say(websocket, "alice laptop") == "welcome"
            assert await program.end(number) == (0, "")
            code, reason = await closed(websocket)
            assert code == 1012
            assert re.fullmatch(r"The server restarts. Retry in [0-5] s.", reason)
