"""What each edge promises, whatever it speaks: limits, whose page may connect, a crash that is told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable
from typing import TypeAlias

import attrs

from ._connection import CLOSE_ERROR, Connection
from ._errors import ActorError, ConnectionClosed
from ._silence import ConnectionSpec

CLOSE_NOT_TEXT = 1003
CLOSE_TOO_BIG = 1009

ABNORMAL = 1006
"""What stands for an end without a Close frame; nothing can be said any more."""

Handler: TypeAlias = Callable[[Connection], Awaitable[None]]


@attrs.frozen(kw_only=True)
class EdgeSpec:
    """What is allowed at every edge (seconds, bytes)."""

    message_bytes: int = 64 * 1024
    """A larger message closes the connection with 1009; OWASP's advice. Text is counted in characters."""
    handshake: float = 10.0
    """From accept to the end of the opening handshake; a silent client holds nothing longer. Slow
    radio links need some seconds. Its headers may have 16 KiB, which is h11's limit."""
    origins: Collection[str] | None = None
    """Web pages from which one may connect, exactly as browsers say it (`https://chat.example`);
    None: pages of the same host and port. Others get 403, so that no foreign page speaks in a
    user's name. A client that names no origin is no browser, and passes."""
    connection: ConnectionSpec = attrs.field(factory=ConnectionSpec)


def welcome(headers: Iterable[tuple[bytes, bytes]], host: bytes, origins: Collection[str] | None) -> bool:
    """May a page from there connect? Schemes are not compared: behind a proxy we do not know ours."""
    said = [value for name, value in headers if name.lower() == b"origin"]
    if origins is not None:
        return all(value.decode("latin-1") in origins for value in said)
    return all(host != b"" and value.lower().partition(b"://")[2] == host for value in said)


def not_text() -> ConnectionClosed:
    """Why a client that sent bytes is closed."""
    return ConnectionClosed(CLOSE_NOT_TEXT, "only text is spoken here")


def noting(handler: Handler, crash: list[Exception]) -> Handler:
    """The handler, with its error kept apart from those of the wire."""

    async def noted(connection: Connection) -> None:
        try:
            await handler(connection)
        except Exception as error:
            _, other = ExceptionGroup("", [error]).split(ConnectionClosed)
            if other is None:  # the normal end, perhaps out of a nursery
                raise
            if (farewell := _farewell(other)) is not None:
                connection.close(*farewell)
                return
            crash.append(error)
            connection.close(CLOSE_ERROR, "internal error")

    return noted


def _farewell(error: BaseException) -> tuple[int, str] | None:
    """What the client is told, where that one error, perhaps out of a nursery, has words for it."""
    inner: tuple[BaseException, ...] = getattr(error, "exceptions", ())
    if len(inner) == 1:
        return _farewell(inner[0])
    return error.farewell if isinstance(error, ActorError) else None
