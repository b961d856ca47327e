"""A bare WebSocket server: a session hears from all its tabs, and speaks to all of them.

    python -m examples.embedding.websocket_server 8765      # Ctrl-C or SIGTERM ends it, in order
    python -m websockets ws://127.0.0.1:8765/ws             # elsewhere; pip install websockets

The first message says who it is: a user, and one of the user's sessions. Whoever is refused is told why in
the Close frame, and sees by its code, 1013, that it is worth coming again. At the end everybody gets 1001.
"""

import signal
import sys
from functools import partial

import trio

from actors import ActorError, Connection, UserManager, attach
from actors.websocket import serve_websocket
from supervisor import ChildSpec, SpawnRefused, Supervisor, open_supervisor

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
    port: int, *, limit: int = 20, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED
) -> None:
    """Until cancelled; the port is told, for one that is 0."""
    async with open_supervisor(limit) as supervisor, trio.open_nursery() as nursery:
        handler, handlers = partial(serve_client, supervisor), supervisor.handler_nursery
        [listener] = await nursery.start(partial(serve_websocket, handler, port, handler_nursery=handlers))
        task_status.started(listener.socket.getsockname()[1])


async def main(port: int) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            print(f"ws://127.0.0.1:{await nursery.start(serve, port)}/ws", flush=True)
            await anext(aiter(signals))
            nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main, int(sys.argv[1]))
