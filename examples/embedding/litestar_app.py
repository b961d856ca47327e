"""In a Litestar application that Hypercorn serves on Trio: a session takes requests, and tells its tabs.

python -m examples.embedding.litestar_app 8000
websocat ws://127.0.0.1:8000/alice/laptop           # hears what is posted:
curl -d hello http://127.0.0.1:8000/alice/laptop
"""

import math
import sys
from functools import partial
from typing import Any, cast

import attrs
import hypercorn.config
import hypercorn.trio
import trio
from litestar import Litestar, Response, WebSocket, delete, post, websocket
from litestar import Request as HttpRequest
from litestar.connection import ASGIConnection

from actors import ActorError, Connection, Request, UserManager, attach
from actors.asgi import serve_asgi
from supervisor import ChildSpec, HealthPolicy, SpawnRefused, Supervisor, open_supervisor


@attrs.frozen
class Text(Request[int]):
    text: str


class Session(UserManager[Text]):
    """Counts the letters that it was ever sent, and passes them on."""

    letters = 0

    async def handle(self, message: Text) -> int:
        self.letters += len(message.text)
        self.broadcast(message.text)
        return self.letters


SESSION = ChildSpec(Session, health=HealthPolicy(attach_grace=600.0))


def make_app(supervisor: Supervisor) -> Litestar:
    @post("/{user:str}/{key:str}", status_code=200)
    async def tell(request: HttpRequest[Any, Any, Any]) -> dict[str, Any]:
        text = (await request.body()).decode(errors="replace")
        session = await supervisor.get_or_spawn(*whose(request), SESSION)
        return {"letters": await session.ref.ask(Text(text)), "created": session.created}

    @delete("/{user:str}/{key:str}")
    async def end(request: HttpRequest[Any, Any, Any]) -> None:
        await supervisor.stop(*whose(request))

    @websocket("/{user:str}/{key:str}")
    async def show(socket: WebSocket[Any, Any, Any]) -> None:
        handler = partial(listen, supervisor, *whose(socket))
        await serve_asgi(handler, cast("Any", socket.scope), socket.receive, socket.send)

    handlers: Any = {SpawnRefused: refuse, ActorError: fail}
    return Litestar(
        [tell, end, show],
        exception_handlers=handlers,
        openapi_config=None,
        logging_config=None,  # it would take over the loggers of the whole process
    )


def whose(connection: ASGIConnection[Any, Any, Any, Any]) -> tuple[str, str]:
    return connection.path_params["user"], connection.path_params["key"]


async def listen(supervisor: Supervisor, user: str, key: str, connection: Connection) -> None:
    try:
        session = await supervisor.get_or_spawn(user, key, SESSION)
        with attach(session.ref, connection):
            while True:  # what a tab says is not heard, but for its leaving
                await connection.receive()
    except SpawnRefused as refused:
        connection.close(refused.close_code, refused.close_reason)
    except ActorError as error:
        connection.close(1011, str(error))


def refuse(_: HttpRequest[Any, Any, Any], refused: SpawnRefused) -> Response[dict[str, str]]:
    retry_after = {"Retry-After": str(math.ceil(refused.refusal.retry_after))}
    return Response({"refused": refused.close_reason}, status_code=429, headers=retry_after)


def fail(_: HttpRequest[Any, Any, Any], error: ActorError) -> Response[dict[str, str]]:
    """It crashed, ended, or did not come to begin."""
    return Response({"failed": str(error)}, status_code=503)


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
