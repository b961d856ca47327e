"""What these tests share: a supervisor with its operations, and a client that needs no server."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, MutableMapping
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from typing import Any, TypeAlias
from urllib.parse import urlencode

import attrs
import trio

from supervisor import Limit, Supervisor
from supervisor.operations import Operations, operations_app
from supervisor.testing import Healthy, Shielded, WedgedForever
from tests.supervisor.harness import BUDGET, Crowd, Log, opened

Json: TypeAlias = dict[str, Any]
Headers: TypeAlias = dict[str, str]
Message: TypeAlias = MutableMapping[str, Any]
App: TypeAlias = Callable[
    [Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]
]

HERE = ("127.0.0.1", 50_000)
"""The address of a client on this machine."""

JSON = "application/json"

# Longer than any of these tests lasts, in seconds.
NEVER = 1e6

# The same, so that a deadlock ends soon: the operations look at a clock four times a second.
LONG = 5_000

# Names that a user may choose, and that a page or a terminal may not be broken by.
HOSTILE = (
    "</script><img src=x>",
    "\ud800 half of a pair",
    "\x1b[31m\n\r\t\0",
    'quote " \\ quote',
    "\u202eright to left",
    "日本語 🐍",
    "",
    "x" * 5_000,
)


@attrs.frozen
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """As a browser reads it: strict JSON, and ASCII whatever the names."""
        assert self.headers["content-type"] == JSON
        assert self.headers["cache-control"] == "no-store"
        return strictly(self.body.decode("ascii"))

    @property
    def error(self) -> str:
        """The sentence of a refusal, which has nothing else."""
        assert set(self.json) == {"error"}
        sentence: str = self.json["error"]
        return sentence


def strictly(text: str) -> Any:
    """JSON as it is defined: without NaN and infinity."""

    def fail(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=fail)


@attrs.frozen
class Client:
    """Asks an ASGI app, as a program on this machine would."""

    app: App
    address: tuple[str, int] | None = HERE
    headers: dict[str, str] = attrs.field(factory=lambda: {"Host": "127.0.0.1:8000"})

    def scope(
        self, method: str, path: str, query: str = "", headers: dict[str, str] | None = None
    ) -> Message:
        given = self.headers | (headers or {})
        return {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "scheme": "http",
            "query_string": query.encode(),
            "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in given.items()],
            "client": self.address,
            "server": ("127.0.0.1", 8000),
        }

    async def get(self, path: str, **query: object) -> Answer:
        return await self.send(self.scope("GET", f"/{path}", urlencode(query)))

    async def post(
        self,
        path: str,
        facts: object = None,
        *,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Send facts as JSON; or a body as it is."""
        sent = json.dumps(facts).encode() if body is None else body
        given = {"Content-Type": JSON} | (headers or {})
        return await self.send(self.scope("POST", f"/{path}", headers=given), sent)

    async def send(self, scope: Message, *chunks: bytes) -> Answer:
        """One request; the client stays until it has the answer."""
        said: list[Message] = []
        waiting = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
        waiting.append({"type": "http.request", "body": b"", "more_body": False})

        async def receive() -> Message:
            await trio.lowlevel.checkpoint()
            return waiting.pop(0)

        async def send(message: Message) -> None:
            await trio.lowlevel.checkpoint()
            said.append(message)

        await self.app(scope, receive, send)
        start, *rest = said
        headers = {name.decode(): value.decode() for name, value in start["headers"]}
        return Answer(start["status"], headers, b"".join(part["body"] for part in rest))


@attrs.frozen
class Site:
    """A supervisor, what happened in it, its operations, and somebody who uses them."""

    supervisor: Supervisor
    log: Log
    operations: Operations
    client: Client
    sockets: ExitStack
    """Of managers that have some."""


@asynccontextmanager
async def site(limit: Limit = 20, *, alert_window: float = 60.0, **spec: Any) -> AsyncGenerator[Site]:
    """All of it, bounded against deadlocks. The background sweeps only if asked to."""
    spec = {"sweep_period": NEVER, "sweep_jitter": 0.0} | spec
    async with opened(limit, **spec) as (supervisor, log):
        operations = Operations(supervisor, alert_window=alert_window)
        with ExitStack() as sockets, trio.fail_after(LONG):
            yield Site(supervisor, log, operations, Client(operations_app(operations)), sockets)


async def trouble(here: Site, user: str = "alice") -> None:
    """Something of everything: healthy, working, stuck, and condemned managers, and a refusal.

    The user has a limit of 4, all held: by a healthy one with a connection, a busy one, two stuck.
    """
    crowd = Crowd(here.supervisor, user, here.sockets)
    here.supervisor.set_limit(4, user=user)
    await crowd.add("shielded", 1, Shielded, at_work=True)
    await trio.sleep(BUDGET + 1)
    await here.supervisor.cleanup(user)
    await crowd.add("stuck", 2, WedgedForever, at_work=True)
    await trio.sleep(BUDGET - 1)
    await crowd.add("healthy", 1, partial(Healthy, sockets=True), sockets=1)
    await crowd.add("busy", 1, WedgedForever, at_work=True)
    await crowd.refused("one more")
    await trio.sleep(1.5)
