"""The whole server: history outside, supervisor inside it, and the two listeners inside that."""

from __future__ import annotations

import socket
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, closing, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, cast

import attrs
import hypercorn.config
import hypercorn.trio
import trio

from actors.websocket import WebSocketSpec, serve_websocket
from supervisor import HealthPolicy, Supervisor, SupervisorSpec, open_supervisor
from supervisor.journal import Sink, open_journal
from supervisor.operations import Operations, open_control

from .blocking import RunBlocking
from .edge import Edge, Refusals
from .ground import NodeSpec, open_ground
from .limits import Limits
from .logins import Logins, Revoked
from .protocol import FRAME_LIMIT
from .rates import UserRates
from .session import ChatServices
from .tls import Tls
from .tokens import Tokens
from .web import Page

HOST = "127.0.0.1"

# How soon a tab that was closed stops counting as present, after its attach grace, in seconds.
SWEEP_PERIOD = 10.0

# The kernel gives up on a client of the page that reads nothing for so long, in milliseconds:
# Hypercorn shields its sends, and would wait for such a client for ever when it is to end.
_TCP_USER_TIMEOUT = 2_000

# From a client's first byte to the end of its TLS handshake, in seconds; Hypercorn would wait a minute.
_TLS_HANDSHAKE = 5.0


@attrs.frozen(kw_only=True)
class ChatSpec:
    """What one server is told."""

    database: Path
    secret: str = attrs.field(repr=False)
    http_port: int = 8000
    ws_port: int = 8765
    limit: int = 20
    health: HealthPolicy = attrs.field(factory=HealthPolicy)
    supervisor: SupervisorSpec = attrs.field(factory=lambda: SupervisorSpec(sweep_period=SWEEP_PERIOD))
    websocket: WebSocketSpec = attrs.field(factory=lambda: WebSocketSpec(message_bytes=FRAME_LIMIT))
    limits: Limits = attrs.field(factory=Limits)
    tls: Tls | None = None
    """For the page and the WebSockets both; None: neither is encrypted."""
    journal: Path | Sink | None = None
    """A new file, or what takes bytes, for all that happens to the sessions; None: it is not written down."""
    control: Path | None = None
    """The socket for the command line `trouper`; None: it gets no answer."""
    node: NodeSpec | None = None
    """Of which cluster this is a node; None: of none, and what was said is in `database`."""
    reuse_port: bool = False
    """Other processes listen on the same ports, and the kernel deals out who comes."""
    alert_window: float = 60.0
    """How often it is looked for what an operator should look at, in seconds."""


class PortError(Exception):
    """We cannot listen on a port; says which, why, and which option chooses another."""

    def __init__(self, port: int, *, option: str, problem: str) -> None:
        super().__init__(f"cannot listen on {HOST}:{port}: {problem}; choose another port with {option}")
        self.port = port
        self.option = option


@attrs.frozen
class Running:
    """What is known once both listeners accept."""

    http_port: int
    ws_port: int
    page_url: str
    ws_url: str
    supervisor: Supervisor


@attrs.frozen
class Chat:
    """The chat behind its listeners: `edge.serve` takes connections from wherever they come."""

    supervisor: Supervisor
    edge: Edge


@asynccontextmanager
async def open_chat(
    spec: ChatSpec,
    *,
    run: RunBlocking = trio.to_thread.run_sync,
    clock: Callable[[], float] = time.time,
) -> AsyncGenerator[Chat]:
    """The chat without its listeners; at the end every session is stopped, and what was said committed.

    `run` is for the history's calls of SQLite, `clock` tells the epoch's seconds to the tokens. The
    supervisor stands outside of the servers: a crash in one of them ends them, in order, and not
    the other way round.
    """
    async with (
        open_ground(spec.database, spec.node, run=run) as ground,
        _recording_to(spec.journal) as record,
        open_supervisor(spec.limit, spec=spec.supervisor, cluster=ground.backend) as supervisor,
    ):
        record(supervisor)
        limits = spec.limits
        logins = Logins(Tokens(spec.secret, limits.token_age, clock), Revoked(limits.revoked))
        edge = Edge(
            supervisor,
            ground.sessions(supervisor, logins),
            logins,
            UserRates(limits.rate, limits.burst),
            Refusals(limits.refusals),
            ChatServices(ground.rooms, ground.history, limits),
            spec.health,
        )
        yield Chat(supervisor, edge)


@asynccontextmanager
async def _recording_to(journal: Path | Sink | None) -> AsyncGenerator[Callable[[Supervisor], None]]:
    """What is to be called with the supervisor, before anybody comes."""
    if journal is None:
        yield lambda _: None
        return
    async with open_journal(journal) as writer:
        yield writer.record


async def serve_chat(
    spec: ChatSpec,
    *,
    task_status: trio.TaskStatus[Running] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until cancelled; then tell the clients, stop every session, and commit what was said.

    The page, and with it the console and `/readyz`, answers until all that is over: an end that takes
    long is to be seen.
    """
    with _listening_on(spec.http_port, option="--http-port"):
        page_socket = _listen(spec.http_port, spec)
    http_port: int = page_socket.getsockname()[1]
    page_urls = _urls("http", http_port, spec.tls)
    with closing(page_socket):
        async with trio.open_nursery() as outer:
            until_over = trio.CancelScope(shield=True)
            try:
                async with (
                    open_chat(spec) as chat,
                    _operated(chat.supervisor, spec) as operations,
                    trio.open_nursery() as nursery,
                ):
                    with _listening_on(spec.ws_port, option="--ws-port"):
                        ws_port = await nursery.start(_serve_websocket, chat, spec, page_urls)
                    ws_url = f"{_urls('ws', ws_port, spec.tls)[0]}{spec.websocket.path}"
                    page = Page(operations, chat.edge, ws_url)
                    await outer.start(_serve_page, page, page_socket, spec.tls, until_over)
                    page_url = f"{page_urls[0]}/"
                    task_status.started(Running(http_port, ws_port, page_url, ws_url, chat.supervisor))
            finally:
                until_over.cancel()


@asynccontextmanager
async def _operated(supervisor: Supervisor, spec: ChatSpec) -> AsyncGenerator[Operations]:
    """What operators see and do: on the console, and with the command line `trouper`."""
    operations = Operations(supervisor, alert_window=spec.alert_window)
    async with open_control(operations, spec.control) if spec.control is not None else nullcontext():
        yield operations


def _urls(scheme: str, port: int, tls: Tls | None) -> tuple[str, ...]:
    """Where we are, as a browser writes it in an Origin header; the first is the one to tell people."""
    secure = "s" if tls is not None else ""
    usual = port == (443 if secure else 80)
    return tuple(f"{scheme}{secure}://{host}{'' if usual else f':{port}'}" for host in (HOST, "localhost"))


async def _serve_websocket(
    chat: Chat, spec: ChatSpec, origins: tuple[str, ...], *, task_status: trio.TaskStatus[int]
) -> None:
    """Serve the WebSockets of pages that come from `origins`, and of programs that are no browsers."""
    websocket = spec.websocket
    if websocket.origins is None:
        websocket = attrs.evolve(websocket, origins=origins)
    async with trio.open_nursery() as nursery:
        serve = partial(
            serve_websocket,
            chat.edge.serve,
            spec.ws_port,
            host=HOST,
            spec=websocket,
            ssl_context=spec.tls.context if spec.tls is not None else None,
            handler_nursery=chat.supervisor.handler_nursery,
            reuse_port=spec.reuse_port,
        )
        listeners = await nursery.start(serve)
        task_status.started(listeners[0].socket.getsockname()[1])


@contextmanager
def _listening_on(port: int, *, option: str) -> Generator[None]:
    try:
        yield
    except* OSError as errors:
        raise PortError(port, option=option, problem=str(first_error(errors))) from None


def first_error(error: BaseException) -> BaseException:
    """The first error in a group that is none itself."""
    inner: tuple[BaseException, ...] = getattr(error, "exceptions", ())
    return first_error(inner[0]) if inner else error


def _listen(port: int, spec: ChatSpec) -> socket.socket:
    listening = socket.create_server((HOST, port), reuse_port=spec.reuse_port)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _TCP_USER_TIMEOUT)
    return listening


async def _serve_page(
    page: Page,
    listening: socket.socket,
    tls: Tls | None,
    until_over: trio.CancelScope,
    *,
    task_status: trio.TaskStatus[None],
) -> None:
    config = hypercorn.config.Config()
    config.bind = [f"fd://{listening.detach()}"]  # it is Hypercorn's from here on
    config.graceful_timeout = 0.5
    config.loglevel = "WARNING"
    if tls is not None:
        config.certfile, config.keyfile = str(tls.certfile), str(tls.keyfile)
        config.ssl_handshake_timeout = _TLS_HANDSHAKE
    # Starlette's and Hypercorn's types of ASGI differ, though in words only.
    serve = partial(cast("Any", hypercorn.trio).serve, page.app(), config, mode="asgi")
    with until_over:
        async with trio.open_nursery() as nursery:
            await nursery.start(serve)
            task_status.started()
