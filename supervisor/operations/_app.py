"""The operations as an ASGI app: JSON in, JSON out; names are in the query or the body, never in the path."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

import attrs
import msgspec
import trio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ._access import Access, Authorize, Guard, on_loopback
from ._answers import answer, body_of, number_of, refused, seen_by
from ._operations import Operations
from ._stream import Stream
from ._unable import Unable

Handler = Callable[[Request], Awaitable[Response]]

# Lines, and users, on one page at most.
MOST_LINES = 1_000
MOST_USERS = 200


def operations_app(operations: Operations, authorize: Authorize | None = None) -> Starlette:
    """What an operator may ask and do, over HTTP; mount it where you like.

    `authorize` says who may; without it, only clients on this machine (`on_loopback`). A POST must
    come from a page of the same origin, or from a program, and be JSON.
    """
    guard = Guard(authorize or on_loopback)
    seen, done = _Seen(operations), _Done(operations)
    look: dict[str, Handler] = {
        "overview": seen.overview,
        "history": seen.history,
        "events": seen.events,
        "users": seen.users,
        "user": seen.user,
        "refusals": seen.refusals,
        "nodes": seen.nodes,
        "where": seen.where,
        "dump": seen.dump,
    }
    act: dict[str, Handler] = {
        "cleanup": done.cleanup,
        "stop": done.stop,
        "limit": done.limit,
        "probing": done.probing,
    }
    return Starlette(
        routes=[
            *(Route(f"/{name}", _guarded(guard.look, handler)) for name, handler in look.items()),
            *(
                Route(f"/{name}", _guarded(guard.act, handler), methods=["POST"])
                for name, handler in act.items()
            ),
            Route("/stream", Stream(operations, guard), methods=["GET"]),
        ],
        exception_handlers={404: _not_there, 405: _wrong_method},
    )


def _guarded(admit: Callable[[Request], Awaitable[Access]], handler: Handler) -> Handler:
    """That handler, for those who may."""

    async def handle(request: Request) -> Response:
        try:
            request.state.access = await admit(request)
            return await handler(request)
        except Unable as error:
            return refused(error)

    return handle


@attrs.frozen
class _Seen:
    """Each method answers one kind of question."""

    _operations: Operations

    async def overview(self, request: Request) -> Response:
        return answer(seen_by(request.state.access, await self._operations.overview()))

    async def history(self, _: Request) -> Response:
        return answer(self._operations.history())

    async def events(self, request: Request) -> Response:
        last = number_of(request, "last", 200, most=MOST_LINES)
        return answer(self._operations.events(last, acts=request.query_params.get("acts") == "1"))

    async def refusals(self, request: Request) -> Response:
        if "seq" in request.query_params:
            return answer(self._operations.refusal(number_of(request, "seq", 0)))
        since = number_of(request, "since", 0)
        brief = request.query_params.get("brief") == "1"
        return answer(self._operations.refusals(since=since, brief=brief))

    async def dump(self, _: Request) -> Response:
        return answer(await self._operations.dump())

    async def users(self, request: Request) -> Response:
        found = await self._operations.users(
            search=request.query_params.get("search", ""),
            at_limit=request.query_params.get("at_limit") == "1",
            start=number_of(request, "start", 0),
            count=number_of(request, "count", 50, most=MOST_USERS),
        )
        return answer(found)

    async def user(self, request: Request) -> Response:
        return answer(self._operations.user(_name(request)))

    async def nodes(self, _: Request) -> Response:
        return answer(await self._operations.nodes())

    async def where(self, request: Request) -> Response:
        return answer(await self._operations.where(_name(request)))


def _name(request: Request) -> str:
    name = request.query_params.get("name")
    if name is None:
        raise Unable(400, "whose? Say ?name=NAME")
    return name


class Cleanup(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    dry_run: bool
    user: str | None = None
    until: str = "liveness"


class Stop(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    user: str
    key: str | None = None
    incarnation: int | None = None


class Limit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    limit: Annotated[int, msgspec.Meta(le=1_000_000)]
    user: str | None = None


class Probing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    on: bool


@attrs.frozen
class _Done:
    """Each method does one kind of thing."""

    _operations: Operations

    async def cleanup(self, request: Request) -> Response:
        said = await body_of(request, Cleanup)
        return answer(await self._operations.cleanup(said.user, said.until, dry_run=said.dry_run))

    async def stop(self, request: Request) -> Response:
        said = await body_of(request, Stop)
        return answer(await self._operations.stop(said.user, said.key, said.incarnation))

    async def limit(self, request: Request) -> Response:
        said = await body_of(request, Limit)
        return answer(self._operations.set_limit(said.user, said.limit))

    async def probing(self, request: Request) -> Response:
        said = await body_of(request, Probing)
        return answer(self._operations.set_probing(on=said.on))


async def _not_there(_: Request, __: Exception) -> Response:
    await trio.lowlevel.checkpoint()
    return answer({"error": "there is nothing here"}, 404)


async def _wrong_method(_: Request, __: Exception) -> Response:
    await trio.lowlevel.checkpoint()
    return answer({"error": "GET shows, POST does: this is the other one"}, 405)
