"""A whole chat server in virtual time: the real one, on a simulated network; and clients that count."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar, cast

import attrs
import trio
import trio_websocket

from actors import ConnectionSpec
from actors.websocket import WebSocketSpec, serve_listeners
from examples.chat.blocking import run_inline
from examples.chat.ground import NodeSpec
from examples.chat.limits import Limits
from examples.chat.protocol import FRAME_LIMIT
from examples.chat.server import SWEEP_PERIOD, Chat, ChatSpec, open_chat
from examples.chat.tokens import TOKEN_MAX_AGE, Tokens
from supervisor import Event, EventsLost, HealthPolicy, Subscription, Supervisor, SupervisorSpec, Terminal
from supervisor.journal import Sink
from supervisor.testing import Link, Network, NetworkStream, check_events
from supervisor.testing.websocket import QUEUE, open_websocket

from .support import SECRET, Client, within

E = TypeVar("E", bound=Event)

CONNECTION = ConnectionSpec()
HEALTH = HealthPolicy()

# From a peer's last byte to the verdict on its silence, in seconds.
FOUND_DEAD = CONNECTION.quiet + CONNECTION.ping_timeout + CONNECTION.second_chance

# Longer than any test, in seconds: with a server there is no deadlock, it has always something to do.
A_DAY = 24 * 3600.0

# When every test begins, in seconds since the epoch.
EPOCH = 1_000_000_000.0

# No jitter: its dice are the supervisor's own, and no seed of ours reaches them.
SUPERVISION = SupervisorSpec(sweep_period=SWEEP_PERIOD, sweep_jitter=0)

# From a client's end to the slot's, if nobody wants it sooner: the grace, and then the next sweep.
SLOT_FREE = HEALTH.attach_grace + SWEEP_PERIOD


@attrs.define(eq=False)
class Guest(Client):
    """A client, and the link that it talks over."""

    stream: NetworkStream = attrs.field(kw_only=True)

    @property
    def link(self) -> Link:
        return self.stream.link


@attrs.define(eq=False)
class VirtualChat:
    """A chat on a network, its guests, and all that happened."""

    server: Chat
    network: Network
    limit: int
    _subscription: Subscription
    _guests: AsyncExitStack
    _log: list[Event | EventsLost] = attrs.field(init=False, factory=list[Event | EventsLost])

    @property
    def supervisor(self) -> Supervisor:
        return self.server.supervisor

    def issue(self, user: str, *, age: float = TOKEN_MAX_AGE) -> str:
        """A token that lasts for so many seconds from now."""
        return Tokens(SECRET, age, the_hour).issue(user)

    async def enter(self, user: str, session: str, *, queue: int = QUEUE, token: str = "") -> Guest:
        """A guest that stays until the end, and has been welcomed."""
        guest = await self._guests.enter_async_context(self.visit(user, session, queue=queue, token=token))
        assert (await guest.next())["type"] == "welcome"
        return guest

    @asynccontextmanager
    async def visit(
        self, user: str, session: str, *, queue: int = QUEUE, token: str = ""
    ) -> AsyncGenerator[Guest]:
        """A guest that has said hello, for as long as the block lasts."""
        stream = await self.network.connect()
        async with open_websocket(stream, queue=queue) as websocket:
            guest = Guest(websocket, token or self.issue(user), session, stream=stream)
            await guest.send("hello", token=guest.token, session=session)
            yield guest

    @property
    def log(self) -> list[Event | EventsLost]:
        """All events of the supervisor so far."""
        self._log += self._subscription.drain()
        return self._log

    def happened(self, kind: type[E], session: str | None = None) -> list[E]:
        """The events of that kind so far, perhaps of one session only."""
        return [
            event
            for event in self.log
            if isinstance(event, kind) and (session is None or getattr(event, "key", None) == session)
        ]

    async def until(self, kind: type[E], session: str) -> E:
        """The first event of that kind about a session, as soon as it is told."""
        with self.supervisor.events() as news:
            while not (told := self.happened(kind, session)):
                await news.receive()
        return told[0]

    def ended(self) -> dict[str, str]:
        """Why each session has ended that has."""
        return {event.key: event.exit.reason.value for event in self.happened(Terminal)}

    def keys(self, user: str) -> set[str]:
        """The sessions of the user that hold a slot."""
        return {holder.key for holder in self.supervisor.explain(user).holders}


@asynccontextmanager
async def open_virtual_chat(  # noqa: PLR0913  # what a server may differ in, by name
    folder: Path,
    *,
    limit: int = 20,
    latency: float = 0.01,
    capacity: int = 64 * 1024,
    limits: Limits | None = None,
    journal: Sink | None = None,
    node: NodeSpec | None = None,
    guests: AsyncExitStack | None = None,
) -> AsyncGenerator[VirtualChat]:
    """A server, with the usual durations; at the end its log is judged.

    `guests`: where its guests stay until the end, if that is another task's.
    """
    spec = ChatSpec(
        database=folder / "chat.sqlite3",
        secret=SECRET,
        limit=limit,
        supervisor=SUPERVISION,
        limits=limits or Limits(),
        journal=journal,
        node=node,
        websocket=WebSocketSpec(message_bytes=FRAME_LIMIT),
    )
    network = Network(latency=latency, capacity=capacity)
    with within(A_DAY, "the end of the test and of its server"):
        async with open_server(spec, network) as (server, subscription), AsyncExitStack() as own_guests:
            virtual = VirtualChat(server, network, limit, subscription, guests or own_guests)
            yield virtual
    assert [str(violation) for violation in check_events(virtual.log, spec=SUPERVISION, limit=limit)] == []


@asynccontextmanager
async def open_server(spec: ChatSpec, network: Network) -> AsyncGenerator[tuple[Chat, Subscription]]:
    """The chat on a listener of the network, and all of its events, those of its end included."""
    async with trio.open_nursery() as servers, open_chat(spec, run=run_inline, clock=the_hour) as chat:
        serve = partial(
            serve_listeners,
            chat.edge.serve,
            [network.listener()],
            spec=spec.websocket,
            handler_nursery=chat.supervisor.handler_nursery,
        )
        await servers.start(serve)
        yield chat, chat.supervisor.events(capacity=1_000_000)
        servers.cancel_scope.cancel()


def the_hour() -> float:
    """The virtual seconds since the epoch."""
    return EPOCH + trio.current_time()


async def is_welcome(guest: Guest) -> bool:
    """Was it let in? Refused, it has been closed with 1013."""
    try:
        return bool((await guest.next())["type"] == "welcome")
    except trio_websocket.ConnectionClosed:
        assert (await guest.closed())[0] == 1013
        return False


def facts_of(thing: object) -> object:
    """A record as plain data, comparable between runs; all but what is jittered."""
    kind = type(thing)
    if attrs.has(kind):
        fields = [name for name in attrs.fields_dict(kind) if name != "retry_after"]
        return (kind.__name__, *(facts_of(getattr(thing, name)) for name in fields))
    if isinstance(thing, tuple | list):
        return [facts_of(value) for value in cast("list[object]", thing)]
    return repr(thing)
