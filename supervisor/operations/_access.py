"""Who may look, and who may act: nobody from elsewhere, unless you say so."""

from __future__ import annotations

import enum
import hmac
import inspect
import ipaddress
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import attrs
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection, Request

from ._unable import Unable


class Access(enum.Enum):
    """What somebody may do."""

    NONE = "none"
    LOOK = "look"
    """See everything: names, evidence, stacks."""
    ACT = "act"
    """Also remove, stop, and change limits."""


# A shorter one could be guessed.
SHORTEST_TOKEN = 16

Authorize = Callable[[HTTPConnection], Access | Awaitable[Access]]
"""Says what the sender of a request may do; sync or async."""

# Who comes with one of these was sent on by a proxy, and may be anybody.
_FORWARDED = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip")


def on_loopback(request: HTTPConnection) -> Access:
    """ACT for a client on this machine that asked for this machine by name; else NONE.

    Its address and the Host header must both be loopback's: a name that an attacker points here makes
    the attacker's page a neighbour. And no proxy may have sent it on: behind one on this machine
    everybody has its address. A proxy that keeps silent about that, and asks for this machine by
    name (as nginx does if not told otherwise), looks like a neighbour: behind it, use `bearer`.
    """
    client, headers = request.client, request.headers
    local = client is not None and _is_loopback(client.host) and _is_loopback(_host_of(headers))
    return Access.ACT if local and not any(name in headers for name in _FORWARDED) else Access.NONE


def _host_of(headers: Headers) -> str:
    """Whom it asks for, without the port; empty if that is nobody's name."""
    try:
        return urlsplit(f"//{headers.get('host', '')}").hostname or ""
    except ValueError:
        return ""


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def everybody(_: HTTPConnection) -> Access:
    """ACT for whoever comes: for a socket that only its owner can open."""
    return Access.ACT


def bearer(token: str) -> Authorize:
    """ACT for requests with `Authorization: Bearer TOKEN`; else NONE.

    Raises:
      ValueError: the token is so short that it could be guessed.
    """
    if len(token) < SHORTEST_TOKEN:
        raise ValueError(
            f"a token has {SHORTEST_TOKEN} characters or more: make one with secrets.token_urlsafe()"
        )

    def authorize(request: HTTPConnection) -> Access:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        same = hmac.compare_digest(given.encode(), token.encode())
        return Access.ACT if same and scheme.lower() == "bearer" else Access.NONE

    return authorize


async def access_of(request: HTTPConnection, authorize: Authorize) -> Access:
    """What the sender may do; NONE if anything but an Access is answered: by one that forgot to, say."""
    answer = authorize(request)
    access = await answer if inspect.isawaitable(answer) else answer
    return access if access in (Access.LOOK, Access.ACT) else Access.NONE


def is_cross_origin(request: Request) -> bool:
    """Was this sent by a page from elsewhere?

    As Go's `http.CrossOriginProtection` decides it: by `Sec-Fetch-Site`, which a page cannot forge;
    of browsers too old for it, by `Origin`. Programs send neither, and carry no cookies of others.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = request.headers.get("origin")
    return origin is not None and _place_of(origin) != request.headers.get("host")


def _place_of(origin: str) -> str | None:
    """Its host and port; None of one that has none, and equals nothing."""
    try:
        return urlsplit(origin).netloc or None
    except ValueError:
        return None


@attrs.frozen
class Guard:
    """Lets requests of our own pages and of programs pass, or raises Unable.

    A page from elsewhere could not read the answers, but could take the places of those who may.
    """

    _authorize: Authorize

    async def look(self, request: Request) -> Access:
        """For those who may look; says whether they may act too."""
        return await self._access(request)

    async def act(self, request: Request) -> Access:
        """For those who may act."""
        access = await self._access(request)
        if access is not Access.ACT:
            raise Unable(403, "you may look, not act")
        return access

    async def _access(self, request: Request) -> Access:
        access = await access_of(request, self._authorize)
        if access is Access.NONE:
            raise Unable(403, "not for you: only who is authorized, or else on this machine, may look here")
        if is_cross_origin(request):
            raise Unable(403, "a page from elsewhere sent this; nothing was done")
        return access
