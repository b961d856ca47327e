"""Topic: what is worth telling all nodes now, and nothing later. Nobody keeps it."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

import attrs

from ._engine import Engine
from ._wire import WireSubscription


@attrs.frozen
class Topic:
    """A name under which nodes tell each other something: who is away misses it."""

    engine: Engine
    name: str

    async def publish(self, text: str) -> int:
        """Tell all that listen, this node included; gives how many those are.

        Cancellation: it may have been told. Raises EngineDown, EngineUnknown, EngineRefused.
        """
        return await self.engine.wire.publish(self._channel, text)

    def listen(self, *, capacity: int = 256) -> AbstractAsyncContextManager[WireSubscription]:
        """What is told while the block lasts; a GAP where something may be missing.

        It is entered once the engine has confirmed it, however long the engine is away.
        """
        return self.engine.wire.subscribe(self._channel, capacity=capacity)

    @property
    def _channel(self) -> str:
        return f"{{{self.engine.prefix}}}:topic:{self.name}"
