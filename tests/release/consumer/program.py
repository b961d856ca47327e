"""What a consumer writes, and which types he gets; and his mistakes, each of which must be an error.

Checked in a directory of its own against the installed wheel, by mypy and pyright at their strictest.
There a comment that silences nothing is an error too: so each mistake is seen, under this very name.
"""

from __future__ import annotations

from typing import Any, assert_type

import attrs
import trio

from actors import Actor, ActorRef, Connection, Down, Exit, Group, Request, Timer, UserManager, attach
from supervisor import (
    ChildSpec,
    Event,
    EventsLost,
    Obtained,
    Refusal,
    Restart,
    RestartPolicy,
    SpawnRefused,
    Supervisor,
    SupervisorSpec,
    open_supervisor,
)


class HowMany(Request[int]): ...


@attrs.frozen
class Find(Request[str | None]):
    word: str


class Words(Actor[str | HowMany | Find]):
    def __init__(self, start: tuple[str, ...] = ()) -> None:
        self.words = list(start)

    async def handle(self, message: str | HowMany | Find) -> object:
        match message:
            case HowMany():
                return len(self.words)
            case Find(word):
                return word if word in self.words else None
            case _:
                self.words.append(assert_type(message, str))
                return assert_type(self.tell_later("again", 1.0), Timer)


class Session(UserManager[str | Down]):
    async def handle(self, message: str | Down) -> None:
        if isinstance(message, Down):
            assert_type(message.exit, Exit)
        else:
            self.broadcast(message)
        assert_type(self.ref, ActorRef[str | Down])
        assert_type(await self.run_blocking(len, "four"), int)


async def right(supervisor: Supervisor) -> None:
    spec = ChildSpec(Words, restart=RestartPolicy(when=Restart.ON_FAILURE), stop_grace=1.0)
    assert_type(spec, ChildSpec[str | HowMany | Find])
    obtained = await supervisor.get_or_spawn("ann", "laptop", spec)
    assert_type(obtained, Obtained[str | HowMany | Find])
    assert_type(obtained.created, bool)
    assert_type(obtained.ref, ActorRef[str | HowMany | Find])
    assert_type(await obtained.ref.ask(HowMany()), int)
    assert_type(await obtained.ref.ask(Find("a")), str | None)
    assert_type(await obtained.ref.wait_stopped(), Exit)
    only_words: ActorRef[str] = obtained.ref  # who takes more, may be told less
    await only_words.tell("a")
    assert_type(supervisor.lookup("ann", "laptop"), ActorRef[Any] | None)


async def served(supervisor: Supervisor, connection: Connection, room: Group[str]) -> None:
    try:
        session = await supervisor.get_or_spawn("ann", "phone", ChildSpec(Session))
    except SpawnRefused as refused:
        assert_type(refused.refusal, Refusal)
        connection.close(refused.close_code, refused.close_reason)
        return
    room.add(connection, "ann")
    room.broadcast("here", to=lambda _, who: who != "ann")
    with attach(session.ref, connection), supervisor.events() as events:
        await session.ref.tell(assert_type(await connection.receive(), str))
        async for event in events:
            assert_type(event, Event | EventsLost)


async def wrong(supervisor: Supervisor, words: ActorRef[str], room: Group[str]) -> None:
    await words.tell(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    words.tell_nowait(b"")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await words.ask("not a request")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    more: ActorRef[str | int] = words  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    await supervisor.get_or_spawn("ann", "a", Words)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await supervisor.get_or_spawn("ann", 1, ChildSpec(Words))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    ChildSpec(Words, budget=1.0)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    ChildSpec(Words()).factory()  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    SupervisorSpec(None)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    words.name = "b"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    room.add("ann", "ann")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    more.tell_nowait(None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


class Deaf(Actor[str]):
    async def handle(self, message: int) -> None: ...  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]


async def main() -> None:
    async with open_supervisor(limit=20, spec=SupervisorSpec(sweep_period=30.0)) as supervisor:
        assert_type(supervisor, Supervisor)
        await right(supervisor)


if __name__ == "__main__":
    trio.run(main)
