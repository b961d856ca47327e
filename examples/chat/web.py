"""The page and its few HTTP requests; everything live goes over the WebSocket."""

from __future__ import annotations

from contextlib import aclosing
from pathlib import Path
from typing import Any

import attrs
import msgspec
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from actors import ActorStopped, MailboxFull
from supervisor import Holder, Refusal, Supervisor

from .edge import Refusals
from .protocol import NAME_LIMIT, NAME_RULE, ROOM_LIMIT, TEXT_LIMIT, Name
from .protocol import Session as SessionId
from .session import Wedge
from .tokens import BadToken, Tokens

# A refusal older than this, in seconds, explains nothing any more.
REFUSAL_SHOWN = 60.0

# A name or a session, in JSON: more is not ours, in bytes.
BODY_LIMIT = 4 * 1024


class LogIn(msgspec.Struct, frozen=True):
    name: Name


class Which(msgspec.Struct, frozen=True):
    session: SessionId


@attrs.frozen
class Page:
    """The HTTP side of the chat."""

    supervisor: Supervisor
    tokens: Tokens
    refusals: Refusals
    ws_url: str

    def app(self) -> Starlette:
        routes = [
            Route("/config.json", self.config),
            Route("/login", self.log_in, methods=["POST"]),
            Route("/sessions", self.sessions),
            Route("/wedge", self.wedge, methods=["POST"]),
            Mount("/", StaticFiles(directory=Path(__file__).parent / "static", html=True)),
        ]
        origin = self.ws_url.removesuffix("/ws")
        return Starlette(routes=routes, middleware=[Middleware(_SafeHeaders, ws_origin=origin)])

    async def config(self, _: Request) -> Response:
        limits = {"name": NAME_LIMIT, "room": ROOM_LIMIT, "text": TEXT_LIMIT}
        return JSONResponse({"ws": self.ws_url, "limits": limits})

    async def log_in(self, request: Request) -> Response:
        """Give a token for a name. There is no password: this is an example on loopback."""
        try:
            name = msgspec.json.decode(await _body(request), type=LogIn).name
        except ValueError:
            return JSONResponse({"error": f"{NAME_RULE.capitalize()}."}, status_code=400)
        return JSONResponse({"token": self.tokens.issue(name), "user": name})

    async def sessions(self, request: Request) -> Response:
        """How the user's sessions stand, and why the last refusal was one."""
        user = self._user_of(request)
        if user is None:
            return _LOG_IN
        stands = self.supervisor.explain(user)
        refusal = self.refusals.of(user, within=REFUSAL_SHOWN)
        return JSONResponse(
            {
                "limit": stands.limit,
                "sessions": [_session(h) for h in (*stands.holders, *stands.condemned)],
                "refusal": None if refusal is None else _refusal(refusal),
            }
        )

    async def wedge(self, request: Request) -> Response:
        """A drill: make one of the user's own sessions hang."""
        user = self._user_of(request)
        if user is None:
            return _LOG_IN
        try:
            session = msgspec.json.decode(await _body(request), type=Which).session
        except ValueError:
            return JSONResponse({"error": "Name one of your sessions."}, status_code=400)
        ref = self.supervisor.lookup(user, session)
        try:
            if ref is not None:
                ref.tell_nowait(Wedge())
        except (ActorStopped, MailboxFull) as error:
            return JSONResponse({"error": str(error)}, status_code=409)
        return Response(status_code=204 if ref is not None else 404)

    def _user_of(self, request: Request) -> str | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        try:
            return self.tokens.verify(token) if scheme.lower() == "bearer" else None
        except BadToken:
            return None


async def _body(request: Request) -> bytes:
    """The body, if it is a short one. Raises ValueError."""
    body = b""
    async with aclosing(request.stream()) as chunks:
        async for chunk in chunks:
            body += chunk
            if len(body) > BODY_LIMIT:
                raise ValueError("the body is too large")
    return body


_LOG_IN = JSONResponse({"error": "Log in first."}, status_code=401)


def _session(holder: Holder) -> dict[str, Any]:
    return {
        "session": holder.key,
        "state": holder.verdict.health.value,
        "evidence": holder.verdict.evidence,
        "connections": holder.connections or 0,
        "age": round(holder.age, 1),
    }


def _refusal(refusal: Refusal) -> dict[str, Any]:
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
            }
            for holder in refusal.holders
        ],
    }


@attrs.frozen
class _SafeHeaders:
    """Nothing from elsewhere is loaded, and nobody frames the page."""

    app: ASGIApp
    ws_origin: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        policy = f"default-src 'self'; img-src 'self' data:; connect-src 'self' {self.ws_origin}"

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Content-Security-Policy"] = f"{policy}; frame-ancestors 'none'"
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Cache-Control"] = "no-cache"
            await send(message)

        await self.app(scope, receive, send_safely)
