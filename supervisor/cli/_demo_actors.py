"""The sessions of the demo: they greet, and on demand they hang, as a bug would have them."""

from __future__ import annotations

import enum

import trio

from actors import Actor, Request


class Greet(Request[str]):
    """Any session that lives answers."""


class Bug(enum.Enum):
    """What a message may set off."""

    HANGS = "hangs"
    IGNORES_CANCELLATION = "ignores cancellation"


Message = Greet | Bug


class Session(Actor[Message]):
    """One device of one user."""

    def __init__(self, repaired: trio.Event) -> None:
        self._repaired = repaired

    async def handle(self, message: Message) -> object:
        match message:
            case Greet():
                return "hello"
            case Bug.HANGS:
                await self.ask_a_dead_database()
            case Bug.IGNORES_CANCELLATION:
                await self.write_to_a_dead_disk()
        return None

    async def ask_a_dead_database(self) -> None:
        await trio.sleep_forever()

    async def write_to_a_dead_disk(self) -> None:
        with trio.CancelScope(shield=True):
            await self._repaired.wait()
