"""Who leaves has left: a room, a tab, the whole server; and nobody can hold the server up."""

from __future__ import annotations

import http.client
import socket
from contextlib import ExitStack, closing

from .support import PATIENCE, Chat, Serve, peer


async def test_who_joins_and_leaves_at_once_hears_nothing_more_of_the_room(chat: Chat) -> None:
    bob, ann = await chat.enter("bob"), await chat.enter("ann")
    await bob.join("r")
    for _ in range(5):
        await ann.send("join", room="r")
        await ann.send("leave", room="r")
    await ann.before_pong()
    await bob.say("r", "ann is gone", "secret")
    await ann.join("elsewhere")  # whatever was under way before has arrived by now
    assert not [f for f in await ann.before_pong() if f["type"] == "message"]
    assert not [f for f in ann.heard if f["type"] == "message"]


async def test_a_room_that_was_left_can_be_joined_again(chat: Chat) -> None:
    ann = await chat.enter("ann")
    await ann.join("r")
    await ann.say("r", "one", "1")
    await ann.send("leave", room="r")
    await ann.join("r", since=1)
    assert await ann.say("r", "two", "2") == 2
    # The ack may come first, when the message comes by way of the catching up.
    while [f["seq"] for f in ann.heard if f["type"] == "message"] != [1, 2]:
        await ann.until("message")


def test_the_end_of_each_session_is_in_the_log(serve: Serve) -> None:
    server = serve()
    with peer(server.ws, "ann", "tab") as ann:
        ann.until("welcome")
        server.end()
    assert "ann/tab#1 ended: drained: The server restarts. Retry in " in server.said


def test_clients_of_the_page_that_read_nothing_do_not_hold_the_server_up(serve: Serve) -> None:
    server = serve()
    request = b"GET /style.css HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    with ExitStack() as clients:
        for _ in range(3):
            deaf = clients.enter_context(closing(socket.create_connection(("127.0.0.1", server.http))))
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.sendall(request * 400)
        server.end()  # with status 0: its dead-man switch did not have to


def test_more_than_a_name_is_not_read(serve: Serve) -> None:
    server = serve()
    with closing(http.client.HTTPConnection("127.0.0.1", server.http, timeout=PATIENCE)) as connection:
        connection.request("POST", "/login", b'{"name": "' + b"x" * 100_000 + b'"}')
        assert connection.getresponse().status == 400
