"""Health and metrics over HTTP: /livez, /readyz and /metrics as one ASGI application without a framework.

    Mount("/health", endpoints(supervisor, registry=registry))     # in Starlette, say
    await hypercorn.trio.serve(endpoints(supervisor), config)      # or alone, on a port of its own

It goes by the end of the path, so it can be mounted anywhere. Run it in the supervisor's event loop.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from pkgutil import resolve_name
from typing import Any, Protocol, TypeAlias

import attrs
import trio

from ._supervisor import Supervisor

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

Headers: TypeAlias = tuple[tuple[str, str], ...]

Wsgi: TypeAlias = Callable[
    [Mapping[str, str], Callable[[str, Iterable[tuple[str, str]]], object]], list[bytes]
]

METHODS = ("GET", "HEAD")


class Registry(Protocol):
    """A `prometheus_client.CollectorRegistry`."""

    def collect(self) -> Iterable[Any]: ...
    def restricted_registry(self, names: Iterable[str]) -> Any: ...


@attrs.frozen
class Answer:
    """What is said to one request, whether or not its body is wanted."""

    status: int
    body: bytes
    headers: Headers = (("Content-Type", "text/plain; charset=utf-8"),)

    @property
    def encoded(self) -> list[tuple[bytes, bytes]]:
        """As ASGI has them. Nobody may keep an answer that was true only when it was given."""
        more = (("Content-Length", str(len(self.body))), ("Cache-Control", "no-store"))
        return [(name.lower().encode(), value.encode()) for name, value in (*self.headers, *more)]


def endpoints(supervisor: Supervisor, *, registry: Registry | None = None) -> App:
    """An ASGI application that answers GET and HEAD of paths that end in these names.

    `livez`: 200, or 503 when only a new process cures it. `readyz`: 200, or 503 when newcomers should
    go elsewhere, from the moment on that the supervisor's block is left or cancelled; so it is on a node
    that has lost its lease of a cluster, unless it keeps on, which its text says. Their text
    names the problems, and no user: whoever reaches the port may read it. `metrics`: what
    `registry` collects, in the format that the client asks for, made in a thread. Without a registry it is
    404, as everything else.
    """
    return _Endpoints(supervisor, _Metrics.of(registry) if registry is not None else None)


@attrs.frozen(eq=False)
class _Metrics:
    """Prometheus' own exposition of a registry."""

    _app: Wsgi
    # One at a time: else some scrapers with no patience would hold all the threads there are.
    _limiter: trio.CapacityLimiter = attrs.field(init=False, factory=lambda: trio.CapacityLimiter(1))

    @classmethod
    def of(cls, registry: Registry) -> _Metrics:
        # By its name: who only asks for health does not need it installed.
        return cls(resolve_name("prometheus_client:make_wsgi_app")(registry))

    async def answer(self, scope: Scope) -> Answer:
        """Other collectors of the registry may be slow: they hold up a thread, and not the loop."""
        return await trio.to_thread.run_sync(self._render, _environ(scope), limiter=self._limiter)

    def _render(self, environ: Mapping[str, str]) -> Answer:
        said: list[tuple[str, Headers]] = []
        body = self._app(environ, lambda status, headers: said.append((status, tuple(headers))))
        [(status, headers)] = said
        return Answer(int(status.split()[0]), b"".join(body), headers)


def _environ(scope: Scope) -> dict[str, str]:
    """What decides about the format. A HEAD is a GET whose body is left out."""
    asked: dict[str, list[str]] = {"accept": [], "accept-encoding": []}
    for name, value in scope["headers"]:
        if (found := asked.get(name.decode("latin-1").lower())) is not None:
            found.append(value.decode("latin-1"))
    return {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/metrics",
        "QUERY_STRING": scope.get("query_string", b"").decode("latin-1"),
        "HTTP_ACCEPT": ",".join(asked["accept"]),
        "HTTP_ACCEPT_ENCODING": ",".join(asked["accept-encoding"]),
    }


@attrs.frozen(eq=False)
class _Endpoints:
    """The application."""

    _supervisor: Supervisor
    _metrics: _Metrics | None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        match scope["type"]:
            case "http":
                await self._serve(scope, send)
            case "lifespan":
                await _live(receive, send)
            case "websocket":
                await receive()
                await send({"type": "websocket.close", "code": 1000})  # before it is accepted: a 403
            case other:
                raise ValueError(f"health and metrics are served over HTTP, not over {other!r}")

    async def _serve(self, scope: Scope, send: Send) -> None:
        answer = await self._answer(scope)
        body = b"" if scope["method"] == "HEAD" else answer.body
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.encoded})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Scope) -> Answer:
        name = scope["path"].rpartition("/")[2]
        if name not in {"livez", "readyz"} and (name != "metrics" or self._metrics is None):
            return Answer(404, b"Not found.\n")
        if scope["method"] not in METHODS:
            plain = Answer(405, b"Only to be read.\n")
            return attrs.evolve(plain, headers=(*plain.headers, ("Allow", ", ".join(METHODS))))
        if name == "metrics":
            assert self._metrics is not None
            return await self._metrics.answer(scope)
        fitness = self._supervisor.fitness()
        problems = fitness.live if name == "livez" else fitness.ready
        warnings = () if name == "livez" else fitness.warnings
        said = (*(problems or ("ok",)), *warnings)
        return Answer(503 if problems else 200, "".join(f"{line}\n" for line in said).encode())


async def _live(receive: Receive, send: Send) -> None:
    """There is nothing to start, and nothing to end."""
    for phase in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{phase}.complete"})
