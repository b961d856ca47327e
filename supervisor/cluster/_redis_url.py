"""Where the engine is, read from a URL; what is shown of it never has a password."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

import attrs

FORMS = (
    "redis://[user:password@]host[:port][/database]",
    "rediss://[user:password@]host[:port][/database]",
    "unix://[user:password@]/path/of/the/socket",
    "sentinel://[user:password@]host[:port],host[:port],.../service",
)

REDIS_PORT = 6379
SENTINEL_PORT = 26379


class _BadUrlError(ValueError):
    """Says what is wrong, and what is allowed; it quotes no part of the URL, which may have a password."""

    def __init__(self, wrong: str) -> None:
        super().__init__(f"the engine's URL is wrong: {wrong}; allowed: {', '.join(FORMS)}")


@attrs.frozen
class Place:
    """A host and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@attrs.frozen
class Credentials:
    """Who asks."""

    user: str
    """Empty: the engine's default user."""
    password: str = attrs.field(repr=False)


@attrs.frozen
class EngineUrl:
    """Where the engine is, and as whom to ask it. Its str is for people."""

    scheme: str
    credentials: Credentials | None
    places: tuple[Place, ...] = ()
    """The engine's; or the sentinels', who know the engine's."""
    path: str = ""
    """Of its socket, if it has no place."""
    service: str = ""
    """What sentinels call it; empty: there are none."""
    database: int = 0

    def __str__(self) -> str:
        if self.path:
            return f"unix://{self.path}"
        places = ",".join(map(str, self.places))
        below = f"/{self.service}" if self.service else f"/{self.database}" if self.database else ""
        return f"{self.scheme}://{places}{below}"


def read_url(url: str) -> EngineUrl:
    """Raise ValueError, which says what is wrong, if it is none of the allowed forms."""
    scheme, found, rest = url.partition("://")
    if not found or scheme not in {"redis", "rediss", "unix", "sentinel"}:
        raise _BadUrlError("it does not begin with redis://, rediss://, unix:// or sentinel://")
    if "?" in rest or "#" in rest:
        raise _BadUrlError("it has a ? or a # (in a password: %3F, %23)")
    before, at, after = rest.rpartition("@")
    credentials = _credentials(before) if at else None
    if scheme == "unix":
        if not after.startswith("/") or after == "/":
            raise _BadUrlError("the socket's path does not begin with a / or has no name")
        return EngineUrl(scheme, credentials, path=unquote(after))
    hosts, _, below = after.partition("/")
    if scheme == "sentinel":
        places = tuple(_place(each, SENTINEL_PORT) for each in hosts.split(","))
        if not below or "/" in below:
            raise _BadUrlError("after the sentinels' places stands one /, and then the name of the service")
        return EngineUrl(scheme, credentials, places, service=unquote(below))
    return EngineUrl(scheme, credentials, (_place(hosts, REDIS_PORT),), database=_database(below))


def _credentials(text: str) -> Credentials:
    user, colon, password = text.partition(":")
    if not colon or not password:
        raise _BadUrlError("there is an @ but no user:password (or :password) before it")
    if "/" in text or "@" in text or ":" in password:
        raise _BadUrlError("there is a / : or @ in the user or password, where %2F %3A %40 must stand")
    return Credentials(unquote(user), unquote(password))


def _place(text: str, default: int) -> Place:
    if "," in text:
        raise _BadUrlError("it has several hosts, which only sentinel:// may have")
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        raise _BadUrlError("a host's port is no number up to 65535, or its brackets do not match") from None
    if not host or port == 0 or text.endswith(":"):
        raise _BadUrlError("a host or a port is missing")
    return Place(host, default if port is None else port)


def _database(text: str) -> int:
    if text and not (text.isascii() and text.isdigit()):
        raise _BadUrlError("what stands after the host is no number of a database")
    return int(text or 0)
