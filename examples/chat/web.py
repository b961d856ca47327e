"""The page and its few HTTP requests; everything live goes over the WebSocket."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import attrs
import msgspec
import trio
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from actors import ActorRef, ActorStopped, ConnectionStatistics, MailboxFull, attached_to
from supervisor import Holder, Refusal, Supervisor
from supervisor.console import console
from supervisor.endpoints import endpoints
from supervisor.metrics.prometheus import SupervisorCollector
from supervisor.operations import Operations

from .edge import Edge
from .limits import Limits
from .logins import Logins
from .protocol import NAME_LIMIT, NAME_RULE, ROOM_LIMIT, TEXT_LIMIT, Name
from .protocol import Session as SessionId
from .rooms import BACKLOG
from .session import Wedge
from .sessions import Sessions, SessionsError
from .tokens import BadToken, Login


class LogIn(msgspec.Struct, frozen=True):
    name: Name


class Which(msgspec.Struct, frozen=True):
    session: SessionId


@attrs.frozen
class Page:
    """The HTTP side of the chat."""

    operations: Operations
    edge: Edge
    ws_url: str

    @property
    def supervisor(self) -> Supervisor:
        return self.operations.supervisor

    @property
    def logins(self) -> Logins:
        return self.edge.logins

    @property
    def everywhere(self) -> Sessions:
        return self.edge.sessions

    @property
    def limits(self) -> Limits:
        return self.edge.services.limits

    def app(self) -> Starlette:
        routes = [
            *self._for_operators(),
            Route("/config.json", self.config),
            Route("/login", self.log_in, methods=["POST"]),
            Route("/logout", self.log_out, methods=["POST"]),
            Route("/sessions", self.sessions),
            Route("/sessions/end", self.end, methods=["POST"]),
            Route("/wedge", self.wedge, methods=["POST"]),
            Mount("/", StaticFiles(directory=Path(__file__).parent / "static", html=True)),
        ]
        origin = self.ws_url.removesuffix("/ws")
        return Starlette(routes=routes, middleware=[Middleware(_SafeHeaders, ws_origin=origin)])

    def _for_operators(self) -> list[BaseRoute]:
        """Only on loopback: the console shows whose sessions there are, and can end them."""
        registry = CollectorRegistry()
        registry.register(SupervisorCollector(self.supervisor))
        health = endpoints(self.supervisor, registry=registry)
        return [
            Route("/console", RedirectResponse("console/")),
            Mount("/console", console(self.operations)),
            *(Route(f"/{name}", health) for name in ("livez", "readyz", "metrics")),
        ]

    async def config(self, _: Request) -> Response:
        limits = {"name": NAME_LIMIT, "room": ROOM_LIMIT, "text": TEXT_LIMIT, "backlog": BACKLOG}
        return JSONResponse({"ws": self.ws_url, "limits": limits})

    async def log_in(self, request: Request) -> Response:
        """Give a token for a name. There is no password: this is an example on loopback."""
        try:
            name = msgspec.json.decode(await self._body(request), type=LogIn).name
        except ValueError:
            return JSONResponse({"error": f"{NAME_RULE.capitalize()}."}, status_code=400)
        return JSONResponse({"token": self.logins.tokens.issue(name), "user": name})

    async def log_out(self, request: Request) -> Response:
        """Revoke the token, and close the connections that came with it. Sessions keep their grace."""
        login = self._login_of(request)
        if login is None:
            return _LOG_IN
        self.logins.log_out(login)
        if not await self.everywhere.logged_out(login):
            sentence = "You are logged out here, but not all servers could be told."
            return JSONResponse({"error": sentence}, status_code=503)
        return Response(status_code=204)

    async def sessions(self, request: Request) -> Response:
        """How the user's sessions stand, and why the last refusal was one."""
        login = self._login_of(request)
        if login is None:
            return _LOG_IN
        stands = self.supervisor.explain(login.user)
        refusal = self.edge.refusals.of(login.user, within=self.limits.refusal_shown)
        holders = (*await self.everywhere.holders(login.user), *stands.condemned)
        return JSONResponse(
            {
                "limit": stands.limit,
                "sessions": [self._session(login.user, holder) for holder in holders],
                "refusal": None if refusal is None else self._refusal(refusal),
            }
        )

    def _session(self, user: str, holder: Holder) -> dict[str, Any]:
        ref = self.supervisor.lookup(user, holder.key) if not holder.node else None
        # Under the key of a condemned one there may live a new one, whose wires are not its.
        wires = attached_to(ref) if ref is not None and holder.connections else ()
        return {
            "session": holder.key,
            "state": holder.verdict.health.value,
            "evidence": holder.verdict.evidence,
            "connections": holder.connections or 0,
            "wires": [_wire(connection.statistics()) for connection in wires],
            "age": round(holder.age, 1),
            **self.everywhere.node_of(holder),
        }

    def _refusal(self, refusal: Refusal) -> dict[str, Any]:
        return {
            "sentence": refusal.sentence,
            "reason": refusal.reason.value,
            "retry_after": round(refusal.retry_after, 1),
            "limit": refusal.limit,
            "holders": [
                {
                    "session": holder.key,
                    "verdict": holder.verdict.health.value,
                    "evidence": holder.verdict.evidence,
                    "kept": list(holder.kept),
                    **self.everywhere.node_of(holder),
                }
                for holder in refusal.holders
            ],
        }

    async def end(self, request: Request) -> Response:
        """Stop one of the user's own sessions: it works off its mail, and its connections close."""
        return await self._do(request, lambda ref: ref.stop(), self.everywhere.stop)

    async def wedge(self, request: Request) -> Response:
        """A drill: make one of the user's own sessions hang."""
        return await self._do(request, lambda ref: ref.tell_nowait(Wedge()), self.everywhere.wedge)

    async def _do(
        self,
        request: Request,
        here: Callable[[ActorRef[Any]], None],
        elsewhere: Callable[[str, str], Awaitable[bool]],
    ) -> Response:
        """Do something to the user's own session that the body names, wherever it is."""
        login = self._login_of(request)
        if login is None:
            return _LOG_IN
        try:
            session = msgspec.json.decode(await self._body(request), type=Which).session
        except ValueError:
            return JSONResponse({"error": "Name one of your sessions."}, status_code=400)
        ref = self.supervisor.lookup(login.user, session)
        try:
            if ref is not None:
                here(ref)
            elif not await elsewhere(login.user, session):
                return JSONResponse({"error": "You have no such session, or it is ending."}, status_code=404)
        except (ActorStopped, MailboxFull) as error:
            return JSONResponse({"error": str(error)}, status_code=409)
        except SessionsError as error:
            return JSONResponse({"error": str(error)}, status_code=503)
        return Response(status_code=204)

    def _login_of(self, request: Request) -> Login | None:
        """Who asks. Only the header counts: a URL is logged, remembered and passed on."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        try:
            return self.logins.verify(token) if scheme.lower() == "bearer" else None
        except BadToken:
            return None

    async def _body(self, request: Request) -> bytes:
        """The body, if it is a short one. Raises ValueError."""
        body = b""
        async with aclosing(request.stream()) as chunks:
            async for chunk in chunks:
                body += chunk
                if len(body) > self.limits.body:
                    raise ValueError("the body is too large")
        return body


_LOG_IN = JSONResponse({"error": "Log in first."}, status_code=401)


def _wire(statistics: ConnectionStatistics) -> dict[str, Any]:
    """One connection of a session; what was not measured so far is null."""
    trip = statistics.round_trip
    return {
        "queued_bytes": statistics.queued_bytes,
        "last_inbound_ago": round(trio.current_time() - statistics.last_inbound, 1),
        "round_trip": None if trip is None else round(trip, 4),
    }


@attrs.frozen
class _SafeHeaders:
    """Nothing from elsewhere is loaded, and nobody frames the page. The console has stricter ones."""

    app: ASGIApp
    ws_origin: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        policy = f"default-src 'self'; img-src 'self' data:; connect-src 'self' {self.ws_origin}"

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("Content-Security-Policy", f"{policy}; frame-ancestors 'none'")
                headers.setdefault("X-Content-Type-Options", "nosniff")
                headers.setdefault("Cache-Control", "no-cache")
            await send(message)

        await self.app(scope, receive, send_safely)
