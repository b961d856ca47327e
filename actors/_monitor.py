"""Monitors: an actor is told in its mailbox how another one ended. After Erlang's `monitor` and its DOWN."""

from __future__ import annotations

from typing import Any

import attrs
import trio

from ._errors import ActorStopped
from ._lifecycle import Exit
from ._ref import ActorRef


@attrs.frozen
class Down:
    """That actor has ended, or is condemned: its last word, for who monitors it."""

    ref: ActorRef[Any]
    exit: Exit


@attrs.define(eq=False, repr=False)
class Monitor:
    """Made by `Actor.monitor`. It ends with the actor that made it."""

    _who: ActorRef[Any]
    _by: ActorRef[Any]
    _scope: trio.CancelScope = attrs.field(init=False, factory=trio.CancelScope)

    def cancel(self) -> None:
        """Have no Down sent. One that is in the mailbox already stays there."""
        self._scope.cancel()

    async def run(self) -> None:
        """For the actor's child task."""
        with self._scope:
            how = await self._who.wait_stopped()
            try:
                await self._by.tell(Down(self._who, how))
            except ActorStopped:
                return  # it is ending itself

    def __repr__(self) -> str:
        return f"<Monitor of {self._who.name} by {self._by.name}>"
