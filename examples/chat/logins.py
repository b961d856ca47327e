"""Who is logged in: a token is good until it expires or is revoked, and its connections end with it."""

from __future__ import annotations

import heapq
import math
from collections.abc import Generator
from contextlib import contextmanager

import attrs
import trio

from actors import Connection

from .protocol import CLOSE_LOG_IN_AGAIN
from .tokens import BadToken, Login, Tokens


@attrs.define(eq=False)
class Revoked:
    """Logins revoked before their time, each remembered until it would have expired. Pure.

    It forgets nobody's logout: past `limit` it gives up the one that expires first, and from then
    on whatever expires no later counts as revoked with it, at the price of a login more for some.
    """

    limit: int
    _ids: set[str] = attrs.field(init=False, factory=set[str])
    _by_end: list[tuple[float, str]] = attrs.field(init=False, factory=list[tuple[float, str]])
    """A heap of the same ones: who expires first is on top."""
    _all_until: float = attrs.field(init=False, default=-math.inf)
    """Who expires by then is not told apart any more: all of them count as revoked."""

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, login: Login) -> bool:
        return login.ends_at <= self._all_until or login.id in self._ids

    def add(self, login: Login, *, now: float) -> None:
        while self._by_end and self._by_end[0][0] <= now:
            self._drop_first()
        if login in self:
            return
        self._ids.add(login.id)
        heapq.heappush(self._by_end, (login.ends_at, login.id))
        if len(self._ids) > self.limit:
            self._all_until = self._drop_first()

    def _drop_first(self) -> float:
        ends_at, gone = heapq.heappop(self._by_end)
        self._ids.remove(gone)
        return ends_at


@attrs.define(eq=False)
class Logins:
    """Which tokens are good now, and which connections came with each.

    Logouts are remembered in memory: a server that starts anew has forgotten them, and another
    with the same secret never heard of them.
    """

    tokens: Tokens
    revoked: Revoked
    _connections: dict[str, set[Connection]] = attrs.field(init=False, factory=dict[str, set[Connection]])
    """By the id of the login."""

    def __len__(self) -> int:
        """How many logins a connection is here by."""
        return len(self._connections)

    def verify(self, token: str) -> Login:
        """Give the login that the token stands for.

        Raises:
          BadToken: it is expired, revoked, or not ours.

        """
        login = self.tokens.verify(token)
        if login in self.revoked:
            raise BadToken("the token is revoked; log in again")
        return login

    @contextmanager
    def lasting(self, login: Login, connection: Connection) -> Generator[None]:
        """While inside, the connection is the login's: it closes, and the block ends, when that does.

        Enter it without a checkpoint after `verify`, or a logout in between would miss it.
        """
        connections = self._connections.setdefault(login.id, set())
        connections.add(connection)
        left = login.ends_at - self.tokens.clock()
        try:
            with trio.move_on_at(trio.current_time() + left) as scope:
                yield
            if scope.cancelled_caught:
                connection.close(CLOSE_LOG_IN_AGAIN, "log in again: the token has expired")
        finally:
            connections.remove(connection)
            if not connections:
                del self._connections[login.id]

    def log_out(self, login: Login) -> None:
        """Revoke the one token, and close the connections that came with it."""
        self.revoked.add(login, now=self.tokens.clock())
        for connection in tuple(self._connections.get(login.id, ())):
            connection.close(CLOSE_LOG_IN_AGAIN, "logged out")
