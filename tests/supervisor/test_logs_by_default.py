"""A supervisor logs by itself, from the start of its sweeper to the end of its last manager."""

from __future__ import annotations

import logging

import pytest
from trio.testing import MockClock

from supervisor.logs import LOGGER

from .harness import Crowd, opened


async def test_all_its_life_is_in_the_log(
    caplog: pytest.LogCaptureFixture, autojump_clock: MockClock
) -> None:  # R19
    caplog.set_level(logging.DEBUG, LOGGER.name)
    async with opened(1) as (supervisor, _):
        await Crowd(supervisor).add("tab", 1)
        await Crowd(supervisor).refused("one-more")
    ids = [vars(record)["event_id"].removeprefix("supervisor.") for record in caplog.records]
    assert ids == [
        "sweeper.started",
        "slot.reserved",
        "spawn.started",
        "spawn.waiting",
        "cleanup.in_vain",
        "spawn.refused",
        "actor.ended",
    ]
