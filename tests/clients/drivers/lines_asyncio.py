"""The commands, for drivers on asyncio."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator

from .lines import Command


async def commands() -> AsyncIterator[Command]:
    """What to do next, until there is nothing more to do."""
    while line := await asyncio.to_thread(sys.stdin.readline):
        yield json.loads(line)
