"""What a member says to a room: nothing but messages, or what the chat asks for. Pure."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Protocol

import attrs

from examples.chat.tokens import Tokens

from .frames import TEXT, client_frame

ROOM = "everybody"

# The chat's own limit is 20; a user with so many tabs is odd enough.
SESSIONS_PER_USER = 10


class Dialect(Protocol):
    """How to get into the room, and how to speak in it."""

    @property
    def answers(self) -> bool:
        """Does the room say that one is in, and that what one said is stored?"""
        ...

    def greeting(self, number: int) -> bytes:
        """What the member with that number says once connected: whole frames."""
        ...

    def message(self, number: int, size: int) -> bytes:
        """The frame of the message with that number, of so many bytes (the chat's: of text)."""
        ...


@attrs.frozen
class Bare:
    """A room that sends to all whatever anybody says."""

    answers: bool = False

    def greeting(self, number: int) -> bytes:
        return b""

    def message(self, number: int, size: int) -> bytes:
        return client_frame(TEXT, f'{{"type":"message","id":"{number}"'.encode().ljust(size - 1) + b"}")


@attrs.frozen
class Chat:
    """The chat: hello with a token, join, and every text with an id of its own."""

    tokens: Tokens
    alone: bool = False
    """Each user in a room of his own: a crowd that need not hear who else comes."""
    answers: bool = True

    def greeting(self, number: int) -> bytes:
        user, tab = divmod(number, SESSIONS_PER_USER)
        name = f"user {user}"
        hello = {"type": "hello", "token": _token(self.tokens, name), "session": f"tab {tab}"}
        join = {"type": "join", "room": name if self.alone else ROOM}
        return _said(hello) + _said(join)

    def message(self, number: int, size: int) -> bytes:
        return _said({"type": "say", "room": ROOM, "text": _text(size), "id": str(number)})


@lru_cache(maxsize=4096)
def _token(tokens: Tokens, name: str) -> str:
    return tokens.issue(name)


@lru_cache(maxsize=8)
def _text(size: int) -> str:
    words = "the quick brown fox jumps over the lazy dog "
    return (words * (size // len(words) + 1))[:size]


def _said(message: dict[str, str]) -> bytes:
    return client_frame(TEXT, json.dumps(message).encode())
