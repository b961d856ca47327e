"""The whole server: history outside, supervisor inside it, and the two listeners inside that."""

from __future__ import annotations

import logging
import socket
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, cast

import attrs
import hypercorn.config
import hypercorn.trio
import trio

from actors.websocket import WebSocketSpec, serve_websocket
from supervisor import (
    Condemned,
    Event,
    EventsLost,
    HandlerFailed,
    HealthPolicy,
    LoopBlocked,
    Refused,
    ShutdownHeld,
    Stalled,
    Subscription,
    Supervisor,
    SupervisorSpec,
    SweeperFailed,
    Terminal,
    open_supervisor,
)
from supervisor.journal import open_journal

from .blocking import RunBlocking
from .edge import Edge
from .history import open_history
from .protocol import FRAME_LIMIT
from .rooms import Rooms
from .session import ChatServices
from .tokens import Tokens
from .web import Page

HOST = "127.0.0.1"

# How soon a tab that was closed stops counting as present, after its attach grace, in seconds.
SWEEP_PERIOD = 10.0

# The kernel gives up on a client of the page that reads nothing for so long, in milliseconds:
# Hypercorn shields its sends, and would wait for such a client for ever when it is to end.
_TCP_USER_TIMEOUT = 2_000

logger = logging.getLogger("examples.chat")


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
    journal: Path | None = None
    """A new file, for all that happens to the sessions; None: it is not written down."""


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
    supervisor: Supervisor


@attrs.frozen
class Chat:
    """The chat behind its listeners: `edge.serve` takes connections from wherever they come."""

    supervisor: Supervisor
    edge: Edge


@asynccontextmanager
async def open_chat(spec: ChatSpec, *, run: RunBlocking = trio.to_thread.run_sync) -> AsyncGenerator[Chat]:
    """The chat without its listeners; at the end every session is stopped, and what was said committed.

    `run` is for the history's calls of SQLite. The supervisor stands outside of the servers: a
    crash in one of them ends them, in order, and not the other way round.
    """
    rooms = Rooms()
    async with (
        trio.open_nursery() as outside,
        open_history(spec.database, publish=rooms.publish, run=run) as history,
        _recording_to(spec.journal) as record,
        open_supervisor(spec.limit, spec=spec.supervisor) as supervisor,
    ):
        record(supervisor)
        outside.start_soon(_log, supervisor.events())  # noqa: ASYNC111  # ends with the supervisor
        yield Chat(
            supervisor, Edge(supervisor, Tokens(spec.secret), ChatServices(rooms, history), spec.health)
        )


@asynccontextmanager
async def _recording_to(path: Path | None) -> AsyncGenerator[Callable[[Supervisor], None]]:
    """What is to be called with the supervisor, before anybody comes."""
    if path is None:
        yield lambda _: None
        return
    async with open_journal(path) as journal:
        yield journal.record


async def serve_chat(
    spec: ChatSpec,
    *,
    task_status: trio.TaskStatus[Running] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until cancelled; then tell the clients, stop every session, and commit what was said."""
    async with open_chat(spec) as chat, trio.open_nursery() as nursery:
        serve = partial(
            serve_websocket,
            chat.edge.serve,
            spec.ws_port,
            host=HOST,
            spec=spec.websocket,
            handler_nursery=chat.supervisor.handler_nursery,
        )
        with _listening_on(spec.ws_port, option="--ws-port"):
            listeners = await nursery.start(serve)
        ws_port = listeners[0].socket.getsockname()[1]
        url = f"ws://{HOST}:{ws_port}{spec.websocket.path}"
        page = Page(chat.supervisor, chat.edge.tokens, chat.edge.refusals, url)
        with _listening_on(spec.http_port, option="--http-port"):
            http_port = await nursery.start(_serve_page, page, spec.http_port)
        task_status.started(Running(http_port, ws_port, chat.supervisor))


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


async def _serve_page(page: Page, port: int, *, task_status: trio.TaskStatus[int]) -> None:
    listening = socket.create_server((HOST, port))
    http_port: int = listening.getsockname()[1]
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _TCP_USER_TIMEOUT)
    config = hypercorn.config.Config()
    config.bind = [f"fd://{listening.detach()}"]  # it is Hypercorn's from here on
    config.graceful_timeout = 0.5
    config.loglevel = "WARNING"
    async with trio.open_nursery() as nursery:
        # Starlette's and Hypercorn's types of ASGI differ, though in words only.
        serve = partial(cast("Any", hypercorn.trio).serve, page.app(), config, mode="asgi")
        await nursery.start(serve)
        task_status.started(http_port)


async def _log(events: Subscription) -> None:
    """Say in the log what an operator of this example wants to know. No texts, no tokens."""
    # Shielded, so that the end is in the log too; it is over when the supervisor is.
    with events, trio.CancelScope(shield=True):
        async for event in events:
            line = _line_of_one(event) or _line_of_all(event)
            if line is not None:
                logger.log(*line)


def _line_of_one(event: Event | EventsLost) -> tuple[int, str] | None:
    """What concerns one session or connection."""
    match event:
        case Terminal(user=user, key=key, exit=how):
            line = logging.INFO, f"session {key!r} of {user!r} ended: {how}"
        case Refused(refusal=refusal):
            line = logging.WARNING, f"refused {refusal.user!r}: {refusal.sentence}"
        case Condemned(user=user, key=key, stack=stack):
            line = logging.ERROR, f"session {key!r} of {user!r} ignores cancellation: {stack}"
        case HandlerFailed(name=name, error=error):
            line = logging.ERROR, f"handler {name} failed: {error!r}"
        case _:
            return None
    return line


def _line_of_all(event: Event | EventsLost) -> tuple[int, str] | None:
    """What concerns everybody."""
    match event:
        case SweeperFailed(error=error, restart_in=delay):
            line = logging.ERROR, f"sweeper crashed ({error!r}), restarts in {delay:g} s"
        case Stalled(duration=duration):
            line = logging.WARNING, f"the event loop stood still for {duration:.2f} s"
        case LoopBlocked(duration=duration, actor=actor, where=where):
            whose = f"session {actor}" if actor else "no session"
            line = logging.WARNING, f"the event loop was blocked for {duration:.2f} s by {whose}: {where}"
        case ShutdownHeld(holders=holders):
            line = logging.ERROR, f"cannot end because of {holders}"
        case _:
            return None
    return line
