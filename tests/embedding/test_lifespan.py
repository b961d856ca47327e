"""Why the supervisor stands outside of the server: what a crash does in a lifespan, and out there."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, cast

import attrs
import httpx2
import hypercorn.config
import hypercorn.trio
import pytest
import trio
from hypercorn.utils import LifespanFailureError
from litestar import Litestar, get
from litestar import Request as LitestarRequest
from quart_trio import QuartTrio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from actors import Actor
from supervisor import ChildSpec, Supervisor, open_supervisor

from .kit import PATIENCE


class Session(Actor[str]):
    async def handle(self, message: str) -> None:
        if message == "crash":  # with what is meant for the whole process
            raise SystemExit("out of luck")


SESSION = ChildSpec(Session)


@attrs.define(eq=False)
class House:
    """A supervisor, wherever it stands, and what uses it."""

    supervisor: Supervisor | None = None

    @asynccontextmanager
    async def open(self, _: object = None) -> AsyncGenerator[None]:
        async with open_supervisor() as self.supervisor:
            yield

    async def visit(self, message: str) -> str:
        assert self.supervisor is not None
        session = await self.supervisor.get_or_spawn("alice", "laptop", SESSION)
        await session.ref.tell(message)
        return "told"

    async def stay_open(self, *, task_status: trio.TaskStatus[None]) -> None:
        async with self.open():
            task_status.started()
            await trio.sleep_forever()


# Each an application with the house in its lifespan


def bare(house: House) -> Any:
    async def live(receive: Any, send: Any) -> None:
        await receive()
        async with house.open():
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await live(receive, send)
            return
        body = await house.visit(scope["path"][1:])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body.encode()})

    return app


def in_quart(house: House) -> Any:
    app = QuartTrio("house")

    @app.before_serving
    async def begin() -> None:
        await app.nursery.start(house.stay_open)

    @app.get("/<message>")
    async def visit(message: str) -> str:
        return await house.visit(message)

    return app


def in_starlette(house: House) -> Any:
    return Starlette(routes=[route_to(house)], lifespan=house.open)


def without_lifespan(house: House) -> Any:
    return Starlette(routes=[route_to(house)])


def route_to(house: House) -> Route:
    async def visit(request: Request) -> PlainTextResponse:
        return PlainTextResponse(await house.visit(request.path_params["message"]))

    return Route("/{message}", visit)


def in_litestar(house: House) -> Any:
    @get("/{message:str}")
    async def visit(request: LitestarRequest[Any, Any, Any]) -> str:
        return await house.visit(request.path_params["message"])

    return Litestar([visit], lifespan=[house.open], logging_config=None, openapi_config=None)


@attrs.define(eq=False)
class Run:
    """Of a server."""

    address: str
    scope: trio.CancelScope
    ended: trio.Event
    errors: list[BaseExceptionGroup[BaseException]]

    async def ask(self, message: str) -> int:
        """The status; 0: nobody answers."""
        async with httpx2.AsyncClient(base_url=self.address, trust_env=False) as client:
            try:
                return (await client.get(f"/{message}")).status_code
            except httpx2.TransportError:
                return 0


async def serve(app: Any, *, task_status: trio.TaskStatus[list[str]]) -> None:  # noqa: ASYNC128
    config = hypercorn.config.Config()
    config.bind = ["127.0.0.1:0"]
    config.errorlog = None
    await cast("Any", hypercorn.trio).serve(app, config, mode="asgi", task_status=task_status)


@asynccontextmanager
async def running(serve: Callable[..., Awaitable[None]]) -> AsyncGenerator[Run]:
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            scope, ended, errors = trio.CancelScope(), trio.Event(), list[BaseExceptionGroup[BaseException]]()

            async def run(*, task_status: trio.TaskStatus[list[str]]) -> None:  # noqa: ASYNC128
                try:
                    with scope:
                        await serve(task_status=task_status)
                except BaseExceptionGroup as group:
                    theirs, others = group.split(trio.Cancelled)
                    if theirs is not None:
                        raise theirs from None
                    errors.append(group if others is None else others)
                finally:
                    ended.set()

            [address] = await nursery.start(run)
            yield Run(address, scope, ended, errors)
            scope.cancel()


@pytest.mark.parametrize("application", [bare, in_quart])
async def test_in_a_lifespan_whose_framework_lets_it_out_a_crash_leaves_hypercorn_answering_500(
    application: Callable[[House], Any],
) -> None:
    async with running(partial(serve, application(House()))) as run:
        assert await run.ask("hello") == 200
        await run.ask("crash")
        assert [await run.ask("hello") for _ in range(3)] == [500] * 3
        await trio.sleep(0.5)
        assert not run.ended.is_set()
        assert await run.ask("hello") == 500


@pytest.mark.parametrize("application", [in_starlette, in_litestar])
async def test_in_a_lifespan_whose_framework_reports_it_the_server_ends_with_an_error_of_its_own(
    application: Callable[[House], Any],
) -> None:
    async with running(partial(serve, application(House()))) as run:
        assert await run.ask("hello") == 200
        await run.ask("crash")
        await run.ended.wait()
        assert await run.ask("hello") == 0
    [error] = run.errors
    assert error.subgroup(LifespanFailureError) is not None
    assert error.subgroup(SystemExit) is None


async def test_outside_of_the_server_a_crash_ends_it_and_is_what_the_program_ends_with() -> None:
    house = House()

    async def serve_inside(*, task_status: trio.TaskStatus[list[str]]) -> None:  # noqa: ASYNC128
        async with house.open():
            await serve(without_lifespan(house), task_status=task_status)

    async with running(serve_inside) as run:
        assert await run.ask("hello") == 200
        await run.ask("crash")
        await run.ended.wait()
        assert await run.ask("hello") == 0
    [error] = run.errors
    assert error.subgroup(SystemExit) is not None
