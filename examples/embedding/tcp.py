"""In a plain Trio server: a connection belongs to a session, and each line is a message to it.

    python -m examples.embedding.tcp 4000        # and elsewhere: nc 127.0.0.1 4000

The first line says who it is: a user, and one of the user's sessions. A session outlives its connection, so
who comes back finds it as it was.
"""

import sys
from functools import partial

import attrs
import trio

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
        self.number += 1
        return f"{self.number}: {message.text}"


SESSION = ChildSpec(Session, health=HealthPolicy(idle_limit=600.0))


@attrs.define(eq=False)
class Lines:
    """Of a stream."""

    stream: trio.SocketStream
    rest: bytearray = attrs.field(factory=bytearray)

    async def read(self) -> str | None:
        """The next one; None: there are no more, or it is too long."""
        while b"\n" not in self.rest:
            more = await self.stream.receive_some()
            if not more or len(self.rest) + len(more) > LONGEST_LINE:
                return None
            self.rest += more
        line, _, self.rest = self.rest.partition(b"\n")
        return line.decode(errors="replace").strip()

    async def write(self, line: str) -> None:
        await self.stream.send_all(f"{line}\n".encode())


async def serve_client(supervisor: Supervisor, stream: trio.SocketStream) -> None:
    async with stream:
        lines = Lines(stream)
        try:
            await talk(supervisor, lines)
        except (ActorError, SupervisorError) as error:  # refused, crashed, ended
            await lines.write(str(error))
        except trio.BrokenResourceError:
            return  # the client is gone


async def talk(supervisor: Supervisor, lines: Lines) -> None:
    user, _, key = (await lines.read() or "").partition(" ")
    if not user or not key:
        await lines.write("say who you are: USER SESSION")
        return
    session = await supervisor.get_or_spawn(user, key, SESSION)
    await lines.write("welcome" if session.created else "welcome back")
    while (line := await lines.read()) is not None:
        await lines.write(await session.ref.ask(Line(line)))


async def serve(
    port: int, *, limit: int = 20, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED
) -> None:
    """Until cancelled; the port is told, for one that is 0."""
    async with open_supervisor(limit) as supervisor:
        [listener] = await trio.open_tcp_listeners(port, host="127.0.0.1")
        task_status.started(listener.socket.getsockname()[1])
        # A crash of one handler ends no other, and is told by an event.
        handlers: trio.Nursery = supervisor.handler_nursery  # type: ignore[assignment]  # has what is used
        await trio.serve_listeners(partial(serve_client, supervisor), [listener], handler_nursery=handlers)


if __name__ == "__main__":
    trio.run(serve, int(sys.argv[1]))
