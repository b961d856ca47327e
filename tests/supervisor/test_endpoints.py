"""/livez, /readyz and /metrics: what is answered to whom, also in the end, and what it does not hold up."""

from __future__ import annotations

import http.client
import socket
from contextlib import closing
from functools import partial
from typing import Any, cast

import attrs
import hypercorn.config
import hypercorn.trio
import pytest
import trio
from prometheus_client import CollectorRegistry
from trio.testing import MockClock

from supervisor import Supervisor, open_supervisor
from supervisor.endpoints import App, Message, Scope, endpoints
from supervisor.metrics.prometheus import SupervisorCollector
from supervisor.testing import Shielded
from supervisor.testing._machine import crash_next_sweep

from .harness import BUDGET, Crowd, opened


@attrs.frozen
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


async def ask(app: App, path: str, method: str = "GET", query: str = "", **headers: str) -> Answer:
    """One request, as a server puts it."""
    scope: Scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": query.encode(),
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
    }
    said: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        said.append(message)

    await app(scope, receive, send)
    start, body = said
    assert (start["type"], body["type"]) == ("http.response.start", "http.response.body")
    given = {name.decode(): value.decode() for name, value in start["headers"]}
    return Answer(start["status"], given, body["body"])


def registry_of(supervisor: Supervisor) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(SupervisorCollector(supervisor))
    return registry


# Health


@pytest.mark.parametrize("prefix", ["", "/health", "/a/b"])
async def test_one_that_is_well_says_so_wherever_it_is_mounted(
    prefix: str, autojump_clock: MockClock
) -> None:
    async with opened() as (supervisor, _):
        for name in ("livez", "readyz"):
            answer = await ask(endpoints(supervisor), f"{prefix}/{name}")
            assert (answer.status, answer.text) == (200, "ok\n")
            assert answer.headers == {
                "content-type": "text/plain; charset=utf-8",
                "content-length": "3",
                "cache-control": "no-store",
            }


async def test_one_that_only_a_restart_cures_is_neither_live_nor_ready_and_says_why(
    autojump_clock: MockClock,
) -> None:
    release = trio.Event()
    async with opened(2, condemned_allowance=0, sweep_period=10.0, sweep_jitter=0.0) as (supervisor, _):
        app = endpoints(supervisor)
        await Crowd(supervisor).add("stuck", 1, partial(Shielded, release), at_work=True)
        crash_next_sweep(supervisor)
        await trio.sleep(10.1)
        await supervisor.cleanup("alice")
        live, ready = await ask(app, "/livez"), await ask(app, "/readyz")
        assert (live.status, ready.status) == (503, 503)
        crashed, spent = live.text.splitlines()
        assert "crashed" in crashed
        assert "more condemned managers than allowed" in spent
        assert ready.text == f"not live: {crashed}\nnot live: {spent}\n"
        assert live.headers["cache-control"] == "no-store"
        release.set()
        await trio.sleep(2)
        assert [(await ask(app, path)).status for path in ("/livez", "/readyz")] == [200, 200]


async def test_from_the_end_of_the_block_on_it_answers_that_it_is_not_ready(
    autojump_clock: MockClock,
) -> None:
    release, answers = trio.Event(), list[Answer]()
    async with trio.open_nursery() as nursery:
        async with open_supervisor() as supervisor:
            app = endpoints(supervisor)

            async def look() -> None:
                await trio.sleep(1)
                answers.extend([await ask(app, "/readyz"), await ask(app, "/livez")])
                release.set()

            # One that takes its time to end.
            await Crowd(supervisor).add("tab", 1, partial(Shielded, release), at_work=True)
            nursery.start_soon(look)  # noqa: ASYNC111  # the app answers after the end too
        assert release.is_set()
    answers += [await ask(app, "/readyz"), await ask(app, "/livez")]
    assert [(answer.status, answer.text) for answer in answers] == [
        (503, "shutting down\n"),
        (200, "ok\n"),
    ] * 2


async def test_no_problem_names_a_user(autojump_clock: MockClock) -> None:
    release = trio.Event()
    async with opened(1, condemned_allowance=0) as (supervisor, _):
        await Crowd(supervisor, "alice").add("secret", 1, partial(Shielded, release), at_work=True)
        await trio.sleep(BUDGET + 0.1)
        await supervisor.cleanup()
        answer = await ask(endpoints(supervisor), "/readyz")
        assert answer.status == 503
        assert "alice" not in answer.text
        assert "secret" not in answer.text
        release.set()


# Other requests


async def test_head_is_get_without_the_body() -> None:
    async with opened() as (supervisor, _):
        app = endpoints(supervisor, registry=registry_of(supervisor))
        for path in ("/livez", "/metrics"):
            got, head = await ask(app, path), await ask(app, path, "HEAD")
            assert (head.status, head.body) == (200, b"")
            assert head.headers == got.headers | {"content-length": head.headers["content-length"]}
            assert int(got.headers["content-length"]) == len(got.body) > 0
            assert int(head.headers["content-length"]) == pytest.approx(len(got.body), abs=20)


@pytest.mark.parametrize("path", ["/", "/livez/", "/livez/more", "/xlivez", "/LIVEZ", "/metrics", ""])
async def test_everything_else_is_not_found(path: str, autojump_clock: MockClock) -> None:
    async with opened() as (supervisor, _):
        assert (await ask(endpoints(supervisor), path)).status == 404
        assert (await ask(endpoints(supervisor), path, "POST")).status == 404


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
@pytest.mark.parametrize("method", ["POST", "OPTIONS", "DELETE", "get"])
async def test_they_can_only_be_read(path: str, method: str, autojump_clock: MockClock) -> None:
    async with opened() as (supervisor, _):
        answer = await ask(endpoints(supervisor, registry=registry_of(supervisor)), path, method)
        assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")


async def test_a_websocket_is_turned_away_before_it_is_accepted(autojump_clock: MockClock) -> None:
    said = await conversation("websocket", ["websocket.connect"])
    assert said == [{"type": "websocket.close", "code": 1000}]


async def test_a_server_that_asks_for_a_lifespan_gets_one(autojump_clock: MockClock) -> None:
    said = await conversation("lifespan", ["lifespan.startup", "lifespan.shutdown"])
    assert said == [{"type": "lifespan.startup.complete"}, {"type": "lifespan.shutdown.complete"}]


async def test_a_protocol_that_nobody_knows_is_an_error(autojump_clock: MockClock) -> None:
    with pytest.raises(ValueError, match="not over 'carrier pigeon'"):
        await conversation("carrier pigeon", [])


async def conversation(kind: str, heard: list[str]) -> list[Message]:
    said: list[Message] = []
    coming = iter(heard)

    async def receive() -> Message:
        return {"type": next(coming)}

    async def send(message: Message) -> None:
        said.append(message)

    async with opened() as (supervisor, _):
        await endpoints(supervisor)({"type": kind}, receive, send)
    assert not list(coming), "it heard all"
    return said


# For real


async def test_alone_under_hypercorn_it_answers_and_ends() -> None:
    async with opened() as (supervisor, _):
        app = endpoints(supervisor, registry=registry_of(supervisor))
        with socket.create_server(("127.0.0.1", 0)) as listening:
            port: int = listening.getsockname()[1]
            config = hypercorn.config.Config()
            config.bind = [f"fd://{listening.detach()}"]
            config.graceful_timeout = 0.5
        async with trio.open_nursery() as nursery:
            serve = partial(cast("Any", hypercorn.trio).serve, app, config, mode="asgi")
            await nursery.start(serve)
            for path, status in (("/livez", 200), ("/readyz", 200), ("/metrics", 200), ("/", 404)):
                assert await trio.to_thread.run_sync(status_of, port, path) == status
            nursery.cancel_scope.cancel()


def status_of(port: int, path: str) -> int:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        assert answer.read()
        return answer.status
