"""From a WebSocket to its session: who are you, is there room, and then every message to the manager."""

from __future__ import annotations

from collections import OrderedDict
from functools import partial
from typing import Any

import attrs
import trio

from actors import (
    ActorRef,
    ActorStopped,
    Connection,
    TokenBucket,
    TooManyConnections,
    attach,
)
from supervisor import (
    ChildSpec,
    ClusterUnavailable,
    Health,
    HealthPolicy,
    LivesElsewhere,
    Refusal,
    SpawnFailed,
    SpawnRefused,
    Supervisor,
    SupervisorClosed,
)

from .logins import Logins
from .protocol import (
    CLOSE_GOING_AWAY,
    CLOSE_POLICY,
    BadMessage,
    Error,
    Hello,
    Welcome,
    close_reason,
    decode_client,
    encode,
)
from .rates import UserRates
from .session import ChatServices, ChatSession, Said
from .sessions import Sessions
from .tokens import BadToken, Login

# Sessions in this state are not for long.
GOING = frozenset({Health.UNRESPONSIVE, Health.STOPPING})


@attrs.define(eq=False)
class Refusals:
    """The last refusal of each user, for the page to explain; of the latest so many users."""

    limit: int
    _last: OrderedDict[str, tuple[float, Refusal]] = attrs.field(
        init=False, factory=OrderedDict[str, tuple[float, Refusal]]
    )

    def remember(self, refusal: Refusal) -> None:
        self._last.pop(refusal.user, None)
        self._last[refusal.user] = (trio.current_time(), refusal)
        if len(self._last) > self.limit:
            self._last.popitem(last=False)

    def of(self, user: str, *, within: float) -> Refusal | None:
        """The user's last refusal, if it is not older than so many seconds."""
        at, refusal = self._last.get(user, (0.0, None))
        return refusal if refusal is not None and trio.current_time() - at <= within else None


@attrs.frozen
class Edge:
    """Where connections arrive."""

    supervisor: Supervisor
    sessions: Sessions
    logins: Logins
    rates: UserRates
    refusals: Refusals
    services: ChatServices
    health: HealthPolicy

    async def serve(self, connection: Connection) -> None:
        """Serve one connection, from its hello to its end. Raises ConnectionClosed at its end."""
        within = self.services.limits.hello_within
        try:
            with trio.fail_after(within):
                hello, login = await self._hello(connection)
        except trio.TooSlowError:
            connection.close(CLOSE_POLICY, f"no hello within {within:g} s")
            return
        except (BadMessage, BadToken) as error:
            connection.close(CLOSE_POLICY, close_reason(str(error)))
            return
        with self.logins.lasting(login, connection):
            await self._serve_session(connection, login.user, hello.session)

    async def _serve_session(self, connection: Connection, user: str, session: str) -> None:
        obtained = await self._obtain(connection, user, session)
        if obtained is None:
            return
        ref, created = obtained
        sessions = await self._sessions_of(user)
        try:
            with attach(ref, connection), self.rates.bucket_of(user) as bucket:
                limit = self.supervisor.explain(user).limit
                connection.send_nowait(encode(Welcome(user, session, not created, limit, sessions)))
                await self._relay(connection, ref, bucket)
        except (TooManyConnections, ActorStopped) as error:
            connection.close(*error.farewell)

    async def _hello(self, connection: Connection) -> tuple[Hello, Login]:
        message = decode_client(await connection.receive())
        if not isinstance(message, Hello):
            raise BadMessage("Say hello first, with a token.", id=None)
        return message, self.logins.verify(message.token)

    async def _obtain(
        self, connection: Connection, user: str, session: str
    ) -> tuple[ActorRef[Any], bool] | None:
        """The manager of that session, or None after closing the connection with the reason."""
        factory = partial(ChatSession, user, self.services)
        spec = ChildSpec(factory, health=self.health, stop_grace=self.services.limits.stop_grace)
        try:
            obtained = await self.sessions.obtain(user, session, spec)
        except SpawnRefused as refused:
            self.refusals.remember(refused.refusal)
            connection.close(refused.close_code, close_reason(refused.close_reason))
        except (LivesElsewhere, ClusterUnavailable) as error:
            code, reason = error.farewell
            connection.close(code, close_reason(reason))
        except (SpawnFailed, SupervisorClosed) as error:
            connection.close(CLOSE_GOING_AWAY, close_reason(type(error).__name__))
        else:
            return obtained.ref, obtained.created
        return None

    async def _sessions_of(self, user: str) -> list[str]:
        """Those that are not about to go. In one process it never yields, as `get_or_spawn` asks for."""
        holders = await self.sessions.holders(user)
        return [holder.key for holder in holders if holder.verdict.health not in GOING]

    async def _relay(self, connection: Connection, ref: ActorRef[Any], bucket: TokenBucket) -> None:
        """Everything goes through the manager's mailbox: a full one holds up only this client.

        Who does not read what he is sent is not listened to either.
        """
        while True:
            if not connection.keeps_up:
                await connection.wait_sendable()
            text = await connection.receive()
            if not bucket.take(trio.current_time()):
                connection.close(CLOSE_POLICY, _too_fast(self.rates))
                return
            try:
                message = decode_client(text)
            except BadMessage as error:
                connection.send_nowait(encode(Error("bad_message", error.sentence, error.id)))
            else:
                await ref.tell(Said(connection, message))


def _too_fast(rates: UserRates) -> str:
    return f"too many messages: all of your tabs together may send {rates.rate:g} a second"
