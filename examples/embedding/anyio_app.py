"""In an AnyIO program that runs on Trio: its streams and its task groups, and our supervisor among them.

    python -m examples.embedding.anyio_app 4000        # and elsewhere: nc 127.0.0.1 4000

The first line says who it is: a user, and one of the user's sessions; then each line is a message. AnyIO on
Trio *is* Trio: its cancel scopes, its deadlines and ours are the same, so nothing has to be bridged. On
asyncio it does not run; for an asyncio host see `asyncio_host.py`.
"""

import signal
import sys
from functools import partial
from typing import cast

import anyio
import anyio.lowlevel
import attrs
from anyio.abc import SocketAttribute, SocketStream, TaskGroup, TaskStatus
from anyio.streams.buffered import BufferedByteReceiveStream

from actors import Actor, ActorError, Request
from supervisor import ChildSpec, HealthPolicy, Supervisor, SupervisorError, open_supervisor

# A line that is longer is nobody's who means well, in bytes.
LONGEST_LINE = 4096


@attrs.frozen
class Line(Request[str]):
    text: str


class Session(Actor[Line]):
    """Numbers the lines."""

    number = 0

    async def handle(self, message: Line) -> str:
        await anyio.lowlevel.checkpoint()  # an actor may use AnyIO, and whatever is built on it
        self.number += 1
        return f"{self.number}: {message.text}"


SESSION = ChildSpec(Session, health=HealthPolicy(idle_limit=600.0))


async def serve_client(supervisor: Supervisor, stream: SocketStream) -> None:
    async with stream:
        try:
            await talk(supervisor, stream)
        except (ActorError, SupervisorError) as error:  # refused, crashed, ended
            await stream.send(f"{error}\n".encode())
        except (anyio.IncompleteRead, anyio.DelimiterNotFound, anyio.BrokenResourceError):
            return  # the client is gone, or sends no lines


async def talk(supervisor: Supervisor, stream: SocketStream) -> None:
    lines = BufferedByteReceiveStream(stream)
    user, _, key = (await read(lines)).partition(" ")
    if not user or not key:
        await stream.send(b"say who you are: USER SESSION\n")
        return
    session = await supervisor.get_or_spawn(user, key, SESSION)
    await stream.send(b"welcome\n" if session.created else b"welcome back\n")
    while True:
        answer = await session.ref.ask(Line(await read(lines)))
        await stream.send(f"{answer}\n".encode())


async def read(lines: BufferedByteReceiveStream) -> str:
    return (await lines.receive_until(b"\n", LONGEST_LINE)).decode(errors="replace").strip()


async def serve(
    port: int, *, limit: int = 20, task_status: TaskStatus[int] = anyio.TASK_STATUS_IGNORED
) -> None:
    """Until cancelled; the port is told, for one that is 0."""
    async with (
        open_supervisor(limit) as supervisor,
        await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=port) as listener,
    ):
        task_status.started(listener.extra(SocketAttribute.local_port))  # noqa: S610  # it is no Django's
        # A crash of one handler ends no other, and is told by an event; it has what AnyIO uses.
        handlers = cast("TaskGroup", supervisor.handler_nursery)
        await listener.serve(partial(serve_client, supervisor), handlers)


async def main(port: int) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with anyio.create_task_group() as tasks:
            print(f"127.0.0.1 {await tasks.start(serve, port)}", flush=True)
            await anext(aiter(signals))
            tasks.cancel_scope.cancel()


if __name__ == "__main__":
    anyio.run(main, int(sys.argv[1]), backend="trio")
