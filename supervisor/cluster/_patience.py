"""Patience: ask the engine until it answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import trio

from ._errors import EngineDown, EngineUnknown

T = TypeVar("T")


async def until_answered(ask: Callable[[], Awaitable[T]], *, pause: float) -> T:
    """Give what `ask` gives; while the engine is away ask again, so many seconds later.

    For what may be done twice. Whoever will not wait for ever has a cancel scope.

    Raises:
      EngineRefused: the engine answered with an error of its own.

    """
    while True:
        try:
            return await ask()
        except (EngineDown, EngineUnknown):
            await trio.sleep(pause)
