"""A bare WebSocket server: a session hears from all its tabs, and speaks to all of them.

    python -m examples.embedding.websocket_server 8765      # Ctrl-C or SIGTERM ends it, in order
    python -m websockets ws://127.0.0.1:8765/ws             # elsewhere; pip install websockets

The first message says who it is: a user, and one of the user's sessions. Whoever is refused is told why in
the Close frame, and sees by its code, 1013, that it is worth coming again. At the end everybody gets 1012,
and when to come back; a second signal ends it at once.
"""

import sys
from functools import partial

import trio

from actors import ActorError, Connection, UserManager, attach
from actors.websocket import serve_websocket
from supervisor import ChildSpec, SpawnRefused, Supervisor, drain_on_signal, open_supervisor

CLOSE_POLICY = 1008
CLOSE_TRY_AGAIN = 1013


class Session(UserManager[str]):
    """Says everything to all its tabs, numbered."""

    number = 0

    async def handle(self, message: str) -> None:
        self.number += 1
        self.broadcast(f"{self.number}: {message}")


SESSION = ChildSpec(Session)


async def serve_client(supervisor: Supervisor, connection: Connection) -> None:
    user, _, key = (await connection.receive()).partition(" ")
    if not user or not key:
        connection.close(CLOSE_POLICY, "say who you are: USER SESSION")
        return
    try:
        session = await supervisor.get_or_spawn(user, key, SESSION)
        with attach(session.ref, connection):
            connection.send_nowait("welcome" if session.created else "welcome back")
            while True:
                await session.ref.tell(await connection.receive())
    except SpawnRefused as refused:
        connection.close(refused.close_code, refused.close_reason)
    except ActorError:  # the client has left; or its session failed to begin, has ended, has tabs enough
        connection.close(CLOSE_TRY_AGAIN, "not in this session, not now")


async def serve(
    supervisor: Supervisor, port: int, *, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED
) -> None:
    """Until cancelled; the port is told, for one that is 0."""
    handler, handlers = partial(serve_client, supervisor), supervisor.handler_nursery
    async with trio.open_nursery() as nursery:
        [listener] = await nursery.start(partial(serve_websocket, handler, port, handler_nursery=handlers))
        task_status.started(listener.socket.getsockname()[1])


async def main(port: int) -> None:
    async with open_supervisor() as supervisor, trio.open_nursery() as servers:
        async with trio.open_nursery() as until_drained:
            await until_drained.start(drain_on_signal, supervisor)
            print(f"ws://127.0.0.1:{await servers.start(serve, supervisor, port)}/ws", flush=True)
        servers.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main, int(sys.argv[1]))
