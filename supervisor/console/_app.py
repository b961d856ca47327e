"""The page, its files, and the operations beneath it, with headers that let nothing else in."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

import attrs
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from supervisor.operations import Access, Authorize, Operations, access_of, on_loopback, operations_app

STATIC = Path(__file__).parent / "static"

_HTML = (STATIC / "index.html").read_text(encoding="utf-8")


def _hash_of_inline(html: str) -> str:
    """The one script within the page: it must run though no file comes."""
    (script,) = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


# Everything comes from here; nobody frames the page; and no text ever becomes markup.
_POLICY = "; ".join(
    (
        "default-src 'none'",
        f"script-src 'self' {_hash_of_inline(_HTML)}",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    )
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def console(operations: Operations, authorize: Authorize | None = None) -> Starlette:
    """The console as an ASGI app: the page at "/", the operations at "/api". Mount it where you like.

    `authorize` says who may look, and who may act; without it only clients on this machine may
    (`on_loopback`). Whoever may not look gets a page, with status 403, that says so and holds nothing
    else; whom the operations give a token, say by `bearer`, can enter it there.
    """
    page = _Page(authorize or on_loopback)
    return Starlette(
        routes=[
            Route("/", page.show),
            Mount("/static", StaticFiles(directory=STATIC)),
            Mount("/api", operations_app(operations, authorize)),
        ],
        middleware=[Middleware(_SafeHeaders)],
    )


@attrs.frozen
class _Page:
    """The one document. All that it shows comes from the operations, which let in whom they will."""

    _authorize: Authorize

    async def show(self, request: Request) -> Response:
        access = await access_of(request, self._authorize)
        return HTMLResponse(_HTML, 403 if access is Access.NONE else 200)


@attrs.frozen
class _SafeHeaders:
    """The same headers for every answer, the operations' too."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        await self.app(scope, receive, send_safely)
