"""The crowd counts what it hears: however the stream is cut, every message once."""

from __future__ import annotations

from collections import Counter

import pytest

from examples.chat.protocol import Hello, Say, decode_client
from examples.chat.tokens import Tokens

from .dialects import SESSIONS_PER_USER, Bare, Chat
from .frames import CLOSE, PING, PONG, TEXT, Reader, client_frame
from .process import SECRET

MESSAGES = tuple(b'{"type":"message"'.ljust(size, b"x") for size in (30, 4000, 70_000))
OTHERS = (
    (TEXT, b'{"type":"ack","id":"1"}'),
    (PING, b"looks so:m"),
    (TEXT, b'{"type":"pong"}'),
    (CLOSE, b"\x03\xe8bye"),
)


def frame(opcode: int, payload: bytes) -> bytes:
    """As a server sends it: the client's, without its mask."""
    masked = client_frame(opcode, payload)
    head = masked[: -len(payload) - 4] if payload else masked[:-4]
    return bytes((head[0], head[1] & 0x7F)) + head[2:] + payload


STREAM = b"".join(
    frame(*other) + frame(TEXT, message)
    for other, message in zip((*OTHERS, (PONG, b"x")), (*MESSAGES, *MESSAGES[:2]), strict=True)
)


@pytest.mark.parametrize("piece", [1, 2, 3, 7, 10, 11, 126, 4001, 65_536, len(STREAM)])
def test_however_the_stream_is_cut_every_frame_is_counted_once(piece: int) -> None:
    reader, buffer, messages = Reader(), bytearray(b"\xff" * (piece + 20)), 0
    for at in range(0, len(STREAM), piece):
        part = STREAM[at : at + piece]
        buffer[: len(part)] = part
        messages += reader.feed(buffer, len(part))
    assert messages == 5
    assert reader.others == [*OTHERS, (PONG, b"x")]


def test_a_message_counts_only_once_its_last_byte_is_there() -> None:
    whole, reader = frame(TEXT, MESSAGES[1]), Reader()
    assert reader.feed(whole, len(whole) - 1) == 0
    assert reader.feed(whole[-1:], 1) == 1


@pytest.mark.parametrize("size", [100, 4000])
def test_a_bare_message_has_exactly_the_size_that_is_compared(size: int) -> None:
    said = Bare().message(7, size)
    payload = said[-size:]
    assert said == client_frame(TEXT, payload)
    assert payload.startswith(b'{"type":"message"')


@pytest.mark.parametrize("size", [100, 4000])
def test_the_chat_is_said_a_text_of_that_size(size: int) -> None:
    said = Chat(Tokens(SECRET)).message(7, size)
    message = decode_client(said[said.index(b"{") :].decode())
    assert isinstance(message, Say)
    assert (len(message.text), message.id) == (size, "7")


def test_each_user_of_the_crowd_has_as_many_sessions_as_planned_each_its_own() -> None:
    tokens = Tokens(SECRET)
    hellos = [hello_of(Chat(tokens).greeting(number)) for number in range(40)]
    users = Counter(hello.token for hello in hellos)
    assert set(users.values()) == {SESSIONS_PER_USER}
    assert len({(hello.token, hello.session) for hello in hellos}) == 40


def hello_of(greeting: bytes) -> Hello:
    """The message in its first frame."""
    begin = greeting.index(b"{")
    hello = decode_client(greeting[begin : greeting.index(b"}") + 1].decode())
    assert isinstance(hello, Hello)
    return hello
