"""WebSockets in a FastAPI application that Hypercorn serves on Trio: the tabs of one session hear each other.

    python -m examples.embedding.fastapi_app 8000       # and elsewhere, twice:
    websocat ws://127.0.0.1:8000/alice/laptop           # who is quiet for 20 s answers {"type":"pong"}

FastAPI stands on AnyIO, and runs on Trio as it is. Its WebSocket is Starlette's: its `scope`, `receive` and
`send` are ASGI's own, and all that is needed. As everywhere the supervisor is opened *around* the server.
"""

import socket
import sys
from functools import partial
from typing import Any, cast

import hypercorn.config
import hypercorn.trio
import trio
from fastapi import FastAPI, WebSocket

from actors import ActorError, Connection, UserManager, attach
from actors.asgi import serve_asgi
from supervisor import ChildSpec, SpawnRefused, Supervisor, open_supervisor
from supervisor.endpoints import endpoints

# The kernel gives up on a client that reads nothing for so long, in milliseconds: Hypercorn shields its
# writes, and would wait for it for ever.
UNREAD = 10_000


class Session(UserManager[str]):
    """Numbers what its tabs say, and tells all of them."""

    number = 0

    async def handle(self, message: str) -> None:
        self.number += 1
        self.broadcast(f"{self.number}: {message}")


SESSION = ChildSpec(Session)


async def talk(supervisor: Supervisor, user: str, key: str, connection: Connection) -> None:
    try:
        session = await supervisor.get_or_spawn(user, key, SESSION)
        with attach(session.ref, connection):
            while True:
                await session.ref.tell(await connection.receive())
    except SpawnRefused as refused:
        connection.close(refused.close_code, refused.close_reason)
    except ActorError as error:  # it ended, or did not come to begin; or the client has left
        connection.close(1011, str(error))


def make_app(supervisor: Supervisor) -> FastAPI:
    app = FastAPI()
    app.mount("/health", endpoints(supervisor))

    @app.websocket("/{user}/{key}")
    async def serve_tab(websocket: WebSocket, user: str, key: str) -> None:
        handler = partial(talk, supervisor, user, key)
        await serve_asgi(handler, websocket.scope, websocket.receive, websocket.send)

    return app


def listen(port: int) -> socket.socket:
    listening = socket.create_server(("127.0.0.1", port))
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD)
    return listening


async def serve(  # noqa: ASYNC128  # Hypercorn does
    port: int, *, limit: int = 20, task_status: trio.TaskStatus[list[str]] = trio.TASK_STATUS_IGNORED
) -> None:
    """Until cancelled; the addresses are told, for a port that is 0."""
    config = hypercorn.config.Config()
    config.bind = [f"fd://{listen(port).detach()}"]
    config.websocket_max_message_size = 256 * 1024  # the session's own limit is less, in characters
    async with open_supervisor(limit) as supervisor:
        server = cast("Any", hypercorn.trio).serve
        await server(make_app(supervisor), config, mode="asgi", task_status=task_status)


if __name__ == "__main__":
    trio.run(serve, int(sys.argv[1]))
