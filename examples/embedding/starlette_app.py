"""In a Starlette application that Hypercorn serves on Trio.

    python -m examples.embedding.starlette_app 8000
    curl -d hello http://127.0.0.1:8000/alice/laptop

The supervisor is opened *around* the server, and given to the application: its crash is the program's. In the
application's lifespan it would be in other hands. Where a framework lets a crash out of its lifespan (as
Quart-Trio does), Hypercorn notes it, goes on, and answers 500 for as long as nobody looks; Starlette, FastAPI
and Litestar report it, and Hypercorn ends with an error of its own. Either way nobody gets the real one,
not even SystemExit.
"""

import math
import sys
from typing import Any, cast

import attrs
import hypercorn.config
import hypercorn.trio
import trio
from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from actors import Actor, ActorError, Request
from supervisor import ChildSpec, HealthPolicy, SpawnRefused, Supervisor, SupervisorError, open_supervisor
from supervisor.endpoints import endpoints


@attrs.frozen
class Text(Request[int]):
    text: str


class Session(Actor[Text]):
    """Counts the letters that it was ever sent."""

    letters = 0

    async def handle(self, message: Text) -> int:
        self.letters += len(message.text)
        return self.letters


SESSION = ChildSpec(Session, health=HealthPolicy(idle_limit=600.0))


def make_app(supervisor: Supervisor) -> Starlette:
    async def tell(request: HttpRequest) -> Response:
        user, key = request.path_params["user"], request.path_params["key"]
        try:
            session = await supervisor.get_or_spawn(user, key, SESSION)
            letters = await session.ref.ask(Text((await request.body()).decode(errors="replace")))
        except SpawnRefused as refused:
            retry_after = {"Retry-After": str(math.ceil(refused.refusal.retry_after))}
            return JSONResponse({"refused": refused.close_reason}, 429, retry_after)
        except (ActorError, SupervisorError) as error:  # it crashed, ended, or did not come to begin
            return JSONResponse({"failed": str(error)}, 503)
        return JSONResponse({"letters": letters, "created": session.created})

    async def end(request: HttpRequest) -> Response:
        await supervisor.stop(request.path_params["user"], request.path_params["key"])
        return Response(status_code=204)

    return Starlette(
        routes=[
            Mount("/health", endpoints(supervisor)),
            Route("/{user}/{key}", tell, methods=["POST"]),
            Route("/{user}/{key}", end, methods=["DELETE"]),
        ]
    )


async def serve(  # noqa: ASYNC128  # Hypercorn does
    port: int, *, limit: int = 20, task_status: trio.TaskStatus[list[str]] = trio.TASK_STATUS_IGNORED
) -> None:
    """Until cancelled; the addresses are told, for a port that is 0."""
    config = hypercorn.config.Config()
    config.bind = [f"127.0.0.1:{port}"]
    async with open_supervisor(limit) as supervisor:
        server = cast("Any", hypercorn.trio).serve
        await server(make_app(supervisor), config, mode="asgi", task_status=task_status)


if __name__ == "__main__":
    trio.run(serve, int(sys.argv[1]))
