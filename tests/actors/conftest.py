"""For tests in virtual time: what waits for ever fails at once."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
import trio
from trio.testing import MockClock

from .virtual import FOREVER


@pytest.fixture
async def bounded(autojump_clock: MockClock) -> AsyncGenerator[None]:
    """The test has all the time in the world; a deadlock uses it up in an instant."""

    async def run_out() -> None:
        await trio.sleep(FOREVER)
        raise trio.TooSlowError("the test waits for something that never comes")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_out)
        yield
        nursery.cancel_scope.cancel()
