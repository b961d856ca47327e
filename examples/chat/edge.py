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
    TooManyConnections,
    attach,
)
from supervisor import (
    ChildSpec,
    HealthPolicy,
    Refusal,
    SpawnFailed,
    SpawnRefused,
    Supervisor,
    SupervisorClosed,
)

from .protocol import (
    CLOSE_GOING_AWAY,
    CLOSE_POLICY,
    CLOSE_TRY_AGAIN,
    BadMessage,
    Error,
    Hello,
    Welcome,
    close_reason,
    decode_client,
    encode,
)
from .session import ChatServices, ChatSession, Said
from .tokens import BadToken, Tokens

# From the WebSocket's opening to the hello, in seconds: who says nothing holds nothing.
HELLO_WITHIN = 5.0

# What a stop of one session may take: its mail is short, and people wait for the server to end.
STOP_GRACE = 2.0

# Users whose last refusal is remembered, to be explained on the page.
REFUSALS_KEPT = 1_000


@attrs.define(eq=False)
class Refusals:
    """The last refusal of each user, for the page to explain."""

    _last: OrderedDict[str, tuple[float, Refusal]] = attrs.field(
        init=False, factory=OrderedDict[str, tuple[float, Refusal]]
    )

    def remember(self, refusal: Refusal) -> None:
        self._last.pop(refusal.user, None)
        self._last[refusal.user] = (trio.current_time(), refusal)
        if len(self._last) > REFUSALS_KEPT:
            self._last.popitem(last=False)

    def of(self, user: str, *, within: float) -> Refusal | None:
        """The user's last refusal, if it is not older than so many seconds."""
        at, refusal = self._last.get(user, (0.0, None))
        return refusal if refusal is not None and trio.current_time() - at <= within else None


@attrs.frozen
class Edge:
    """Where connections arrive."""

    supervisor: Supervisor
    tokens: Tokens
    services: ChatServices
    health: HealthPolicy
    refusals: Refusals = attrs.field(factory=Refusals)

    async def serve(self, connection: Connection) -> None:
        """Serve one connection, from its hello to its end. Raises ConnectionClosed at its end."""
        try:
            with trio.fail_after(HELLO_WITHIN):
                hello, user = await self._hello(connection)
        except trio.TooSlowError:
            connection.close(CLOSE_POLICY, f"no hello within {HELLO_WITHIN:g} s")
            return
        except (BadMessage, BadToken) as error:
            connection.close(CLOSE_POLICY, close_reason(str(error)))
            return
        obtained = await self._obtain(connection, user, hello.session)
        if obtained is None:
            return
        ref, created = obtained
        try:
            with attach(ref, connection):
                self._welcome(connection, user, hello.session, resumed=not created)
                await self._relay(connection, ref)
        except TooManyConnections as error:
            connection.close(CLOSE_TRY_AGAIN, f"This session has {error.limit} connections already.")
        except ActorStopped as error:
            connection.close(CLOSE_GOING_AWAY, f"session ended: {error.exit.reason.value}")

    async def _hello(self, connection: Connection) -> tuple[Hello, str]:
        message = decode_client(await connection.receive())
        if not isinstance(message, Hello):
            raise BadMessage("Say hello first, with a token.", id=None)
        return message, self.tokens.verify(message.token)

    async def _obtain(
        self, connection: Connection, user: str, session: str
    ) -> tuple[ActorRef[Any], bool] | None:
        """The manager of that session, or None after closing the connection with the reason."""
        factory = partial(ChatSession, user, self.services)
        spec = ChildSpec(factory, health=self.health, stop_grace=STOP_GRACE)
        try:
            obtained = await self.supervisor.get_or_spawn(user, session, spec)
        except SpawnRefused as refused:
            self.refusals.remember(refused.refusal)
            connection.close(refused.close_code, close_reason(refused.close_reason))
        except (SpawnFailed, SupervisorClosed) as error:
            connection.close(CLOSE_GOING_AWAY, close_reason(type(error).__name__))
        else:
            return obtained.ref, obtained.created
        return None

    def _welcome(self, connection: Connection, user: str, session: str, *, resumed: bool) -> None:
        stands = self.supervisor.explain(user)
        sessions = [holder.key for holder in stands.holders]
        connection.send_nowait(encode(Welcome(user, session, resumed, stands.limit, sessions)))

    async def _relay(self, connection: Connection, ref: ActorRef[Any]) -> None:
        """Everything goes through the manager's mailbox: a full one holds up only this client."""
        while True:
            try:
                message = decode_client(await connection.receive())
            except BadMessage as error:
                connection.send_nowait(encode(Error("bad_message", error.sentence, error.id)))
            else:
                await ref.tell(Said(connection, message))
