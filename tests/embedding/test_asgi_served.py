"""The ASGI transport behind a real Hypercorn: what it promises, and what only the server can."""

from __future__ import annotations

import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast

import attrs
import hypercorn.config
import hypercorn.trio
import pytest
import trio
from trio_websocket import ConnectionRejected
from wsproto.events import CloseConnection

from actors import Connection, ConnectionSpec
from actors.asgi import AsgiSpec, serve_asgi
from actors.websocket import Handler
from tests.actors.raw import RawClient

from .kit import Server, goodbye, served

# Milliseconds. So long the kernel waits for a client that reads nothing.
UNREAD = 1_000


@attrs.define(eq=False)
class Visits:
    connections: list[Connection] = attrs.field(factory=list[Connection])
    over: int = 0
    """Requests that have ended."""


@asynccontextmanager
async def knocking(server: Server) -> AsyncGenerator[RawClient]:
    async with await trio.open_tcp_stream("127.0.0.1", server.port) as stream:
        client = RawClient(stream)
        await client.shake_hands()
        yield client


@asynccontextmanager
async def serving(
    handler: Handler, spec: AsgiSpec | None = None, **settings: Any
) -> AsyncGenerator[tuple[Server, Visits]]:
    visits = Visits()

    async def noting(connection: Connection) -> None:
        visits.connections.append(connection)
        await handler(connection)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            await serve_asgi(noting, scope, receive, send, spec=spec)
        finally:
            visits.over += scope["type"] == "websocket"

    async def serve(_: int, *, limit: int, task_status: trio.TaskStatus[list[str]]) -> None:  # noqa: ASYNC128
        listening = socket.create_server(("127.0.0.1", 0))
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD)
        config = hypercorn.config.Config()
        config.bind = [f"fd://{listening.detach()}"]
        config.errorlog = None
        for name, value in settings.items():
            setattr(config, name, value)
        await cast("Any", hypercorn.trio).serve(app, config, mode="asgi", task_status=task_status)

    async with served(serve) as server:
        yield server, visits


async def echo(connection: Connection) -> None:
    while True:
        connection.send_nowait(await connection.receive())


async def flood(connection: Connection) -> None:
    while True:
        await connection.send("x" * 50_000)


async def until(fact: Any) -> None:
    while not fact():
        await trio.sleep(0.01)


async def test_what_is_said_comes_back_and_a_plain_request_is_not_found() -> None:
    texts = ["a", "", "ü" * 30_000, "d"]
    async with serving(echo) as (server, _), server.tab("/") as tab:
        for text in texts:
            await tab.send_message(text)
        assert [await tab.get_message() for _ in texts] == texts
        assert (await server.http.get("/")).status_code == 404


@pytest.mark.parametrize(
    ("said", "code", "reason"),
    [("x" * 1001, 1009, "more than 1000 characters"), (b"x", 1003, "only text is spoken here")],
    ids=["large", "bytes"],
)
async def test_what_is_not_to_be_said_closes_with_the_reason(
    said: str | bytes, code: int, reason: str
) -> None:
    async with serving(echo, AsgiSpec(message_bytes=1000)) as (server, visits), server.tab("/") as tab:
        await tab.send_message(said)
        assert await goodbye(tab) == (code, reason)
        await until(lambda: visits.over)


async def test_a_client_still_busy_sending_too_much_hears_why() -> None:
    """Closing the socket with unread data would reset it, and the Close frame would be lost."""
    async with serving(echo, AsgiSpec(message_bytes=1000)) as (server, _), knocking(server) as client:
        await client.say("x" * 200_000)
        await client.say("x" * 200_000)
        await client.read_until(CloseConnection)
        assert client.close_codes == [1009]


async def test_a_page_from_elsewhere_is_forbidden() -> None:
    async with serving(echo) as (server, visits):
        with pytest.RaisesGroup(ConnectionRejected) as caught:
            async with server.tab("/", (b"Origin", b"https://evil.example")):
                pass
        [rejected] = caught.value.exceptions
        assert isinstance(rejected, ConnectionRejected)
        assert rejected.status_code == 403
        async with server.tab("/", (b"Origin", server.address.encode())) as tab:
            await tab.send_message("hello")
            assert await tab.get_message() == "hello"
        assert len(visits.connections) == 1


async def test_a_quiet_client_that_answers_stays_and_one_that_does_not_is_cut_off() -> None:
    """Of both the library answers the protocol's pings; only the applications behind it differ."""
    spec = AsgiSpec(connection=ConnectionSpec(quiet=0.1, ping_timeout=0.1, second_chance=0.2))
    async with (
        serving(echo, spec, websocket_ping_interval=0.05) as (server, visits),
        server.tab("/") as there,
        server.tab("/") as hung,
    ):
        for _ in range(8):
            assert await there.get_message() == '{"type":"ping"}'
            await there.send_message('{"type":"pong"}')
        assert (await goodbye(hung))[0] in {1006, 1011}  # Hypercorn's, and it hangs up at once
        first, second = visits.connections
        assert first.closed is None
        assert second.closed is not None
        assert "silent for" in second.closed.reason


async def test_a_client_that_leaves_is_noticed_at_once_whatever_it_said() -> None:
    async with serving(echo) as (server, visits):
        async with server.tab("/") as tab:
            await tab.send_message("hello")
            assert await tab.get_message() == "hello"
        await until(lambda: visits.over)
        [connection] = visits.connections
        assert connection.closed is not None
        assert connection.closed.code == 1006, "Hypercorn tells no other"


async def test_a_client_that_reads_nothing_holds_its_request_until_the_kernel_gives_up() -> None:
    """Hypercorn shields its writes. What the client held, a manager say, is free before."""
    spec = AsgiSpec(connection=ConnectionSpec(stall=0.2))
    async with serving(flood, spec) as (server, visits), knocking(server):
        await until(lambda: visits.connections and visits.connections[0].closed)
        [connection] = visits.connections
        assert connection.closed is not None
        assert connection.closed.code == 4008
        assert not visits.over
        await until(lambda: visits.over)


async def test_who_goes_on_sending_is_held_up_while_the_handler_does_not_receive() -> None:
    async def ignore(_: Connection) -> None:
        await trio.sleep_forever()

    async with serving(ignore) as (server, _), knocking(server) as client:
        sent = 0
        with trio.move_on_after(1):
            while sent < 50_000_000:
                await client.say("x" * 50_000)
                sent += 50_000
        assert sent < 50_000_000


async def test_at_the_servers_end_a_client_is_told_and_it_takes_no_time() -> None:
    async with serving(echo) as (server, _), server.tab("/") as tab:
        await tab.send_message("hello")
        assert await tab.get_message() == "hello"
        server.stop.cancel()
        assert await goodbye(tab) == (1001, "going away")
        began = trio.current_time()
        await server.end()
        assert trio.current_time() - began < 1.0
