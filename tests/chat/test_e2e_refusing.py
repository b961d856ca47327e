"""What is not in the protocol: told as an error where one can go on, closed with a code where not."""

from __future__ import annotations

import json
from pathlib import Path

import trio

from examples.chat.limits import Limits
from examples.chat.protocol import FRAME_LIMIT, ID_LIMIT, NAME_LIMIT, ROOM_LIMIT, TEXT_LIMIT
from examples.chat.tokens import Tokens

from .support import PATIENCE, SECRET, TOKENS, Chat, open_chat, within


async def test_speaking_in_a_room_one_is_not_in_is_an_error_with_the_id(chat: Chat) -> None:
    alice = await chat.enter("alice")
    await alice.send("say", room="r", text="hi", id="1")
    error = await alice.next()
    sentence = error.pop("message")
    assert error == {"type": "error", "code": "not_joined", "id": "1"}
    assert "'r'" in sentence
    await alice.send("typing", room="r")
    error = await alice.next()
    assert (error["code"], "id" in error) == ("not_joined", False)
    await alice.join("r")
    assert await alice.say("r", "hi", "1") == 1


BAD = [
    ("", None),
    ("{", None),
    ("[]", None),
    ("[" * 10_000, None),
    ('{"type": "say", "room": "r", "text": "hi", "id": "1"', None),
    ('{"type": "unheard of", "id": "1"}', "1"),
    ('{"type": "say", "room": "r", "id": "1"}', "1"),
    ('{"type": "say", "room": "r", "text": "", "id": "1"}', "1"),
    ('{"type": "say", "room": "\\u0000", "text": "hi", "id": "1"}', "1"),
    ('{"type": "say", "room": "", "text": "hi", "id": "1"}', "1"),
    ('{"type": "say", "room": "r", "text": 1, "id": "1"}', "1"),
    ('{"type": "say", "room": "r", "text": "hi", "id": 1}', None),
    ('{"type": "say", "room": "r", "text": "\\ud800", "id": "1"}', None),
    ('{"type": "join", "room": "r", "since": -1}', None),
    ('{"type": "join", "room": "r", "since": "1"}', None),
    (json.dumps({"type": "say", "room": "r", "text": "x" * (TEXT_LIMIT + 1), "id": "1"}), "1"),
    (json.dumps({"type": "say", "room": "r" * (ROOM_LIMIT + 1), "text": "hi", "id": "1"}), "1"),
    (json.dumps({"type": "say", "room": "r", "text": "hi", "id": "1" * (ID_LIMIT + 1)}), None),
]


async def test_a_bad_message_is_an_error_with_the_id_where_readable(chat: Chat) -> None:
    alice = await chat.enter("alice")
    for text, named in BAD:
        await alice.send_raw(text)
        (error,) = await alice.before_pong()
        assert (error["type"], error["code"], error.get("id")) == ("error", "bad_message", named), text
        assert error["message"]


async def test_what_is_just_within_the_limits_is_taken(chat: Chat) -> None:
    name = "n" * NAME_LIMIT
    alice = await chat.enter(name, "s" * 64)
    room = "\U0001f600" * ROOM_LIMIT
    await alice.join(room)
    assert await alice.say(room, "x" * TEXT_LIMIT, "i" * ID_LIMIT) == 1
    frame = {"type": "say", "room": room, "text": "\U0001f600" * 3_500, "id": "2"}
    said = json.dumps(frame, ensure_ascii=False)
    assert len(said.encode()) < FRAME_LIMIT
    await alice.send_raw(said)
    assert (await alice.until("ack", id="2"))["seq"] == 2


async def test_a_second_hello_is_an_error_and_no_more(chat: Chat) -> None:
    alice = await chat.enter("alice")
    await alice.send("hello", token=TOKENS.issue("bob"), session="other")
    assert (await alice.next())["code"] == "already_here"
    assert await alice.before_pong() == []


async def test_a_session_is_in_50_rooms_at_the_most(chat: Chat) -> None:
    alice = await chat.enter("alice")
    for n in range(50):
        await alice.join(f"room {n}")
    await alice.send("join", room="one too many")
    assert (await alice.until("error"))["code"] == "too_many_rooms"
    await alice.send("leave", room="room 0")
    await alice.join("not too many now")


async def test_binary_frames_close_the_connection(chat: Chat) -> None:
    alice = await chat.enter("alice")
    await alice.send_raw(b"{}")
    assert await alice.closed() == (1003, "only text is spoken here")


async def test_too_big_a_frame_closes_with_1009_and_the_session_can_be_resumed(chat: Chat) -> None:
    alice = await chat.enter("alice")
    await alice.join("r")
    await alice.send("say", room="r", text="x" * FRAME_LIMIT, id="1")
    code, _ = await alice.closed()
    assert code == 1009
    again = await chat.greet("alice", "tab")
    assert (await again.next())["resumed"] is True
    assert await again.say("r", "shorter", "1") == 1


async def test_who_does_not_say_hello_in_time_is_closed(tmp_path: Path) -> None:
    assert Limits().hello_within == 5.0
    async with open_chat(tmp_path, limits=Limits(hello_within=0.2)) as chat:
        silent = await chat.connect()
        assert await silent.closed() == (1008, "no hello within 0.2 s")


async def test_a_first_message_that_is_no_good_hello_is_closed_with_1008(chat: Chat) -> None:
    expired = Tokens(SECRET, age=-10).issue("alice")
    hello = {"type": "hello", "session": "tab"}
    good = TOKENS.issue("alice")
    cases = {
        json.dumps(hello | {"token": expired}): "the token is expired; log in again",
        json.dumps(hello | {"token": Tokens("another").issue("alice")}): "the token is invalid; log in again",
        json.dumps(hello | {"token": good[:-1]}): "the token is invalid; log in again",
        json.dumps({"type": "ping"}): "Say hello first, with a token.",
        "no json": "The frame is not valid JSON.",
        json.dumps(hello): "",
        json.dumps({"type": "hello", "token": good}): "",
        json.dumps(hello | {"token": good, "session": ""}): "",
    }
    for said, sentence in cases.items():
        client = await chat.connect()
        await client.send_raw(said)
        code, reason = await client.closed()
        assert (code, sentence in reason) == (1008, True), (said, reason)
        assert good not in reason
    assert chat.running.supervisor.snapshot().users == ()


async def test_another_path_is_not_found(chat: Chat) -> None:
    statuses = {"/": 404, "/wss": 404, "/ws/": 404, "/ws": 101, "/ws?query": 101}
    for path, status in statuses.items():
        lines = [f"GET {path} HTTP/1.1", "Host: x", "Connection: upgrade", "Upgrade: websocket"]
        lines += ["Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {'x' * 22}==", "", ""]
        with within(PATIENCE, f"an answer to {path}"):
            async with await trio.open_tcp_stream("127.0.0.1", chat.running.ws_port) as stream:
                await stream.send_all("\r\n".join(lines).encode())
                assert (await stream.receive_some()).startswith(f"HTTP/1.1 {status} ".encode())


async def test_one_session_has_8_connections_and_the_ninth_touches_none_of_them(chat: Chat) -> None:
    connections = [await chat.enter("alice", "tab") for _ in range(8)]
    ninth = await chat.greet("alice", "tab")
    assert await ninth.closed() == (1013, "This session has 8 connections already.")
    for connection in connections:
        assert await connection.before_pong() == []
    await chat.enter("alice", "another tab")
    await connections[0].close()
    assert await (await chat.enter("alice", "tab")).before_pong() == []
