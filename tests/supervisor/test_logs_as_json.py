"""The recipe of `supervisor.logs` for structlog is run here, word for word: one JSON object a line."""

from __future__ import annotations

import json
import logging
from collections.abc import Generator
from datetime import datetime
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from supervisor import ChoreFailed, Found, SweeperStarted, logs
from supervisor._stream import Events


def recipe() -> str:
    """The indented program in the docstring that begins with its imports."""
    assert logs.__doc__ is not None
    told = logs.__doc__.split("with structlog:")[1]
    return "\n".join(line[4:] for line in told.splitlines() if line.startswith("    ") or not line)


@pytest.fixture
def logger() -> Generator[logging.Logger]:
    """The library's, as it was before when the test is over."""
    logger = logs.LOGGER
    handlers, level = logger.handlers[:], logger.level
    yield logger
    logger.handlers[:] = handlers
    logger.setLevel(level)


async def say(name: str) -> None:
    events = Events()
    subscription = events.subscribe(10)
    events.emit(SweeperStarted(events.stamp(), 30.0))
    events.emit(Found(events.stamp(), name, "tab", 1))
    try:
        raise ValueError("no\ntable")
    except ValueError as error:
        events.emit(ChoreFailed(events.stamp(), name, error))
    events.close()
    with trio.fail_after(10):
        await logs.log_events(subscription)


@pytest.mark.parametrize(
    "name", ["ann", 'a"\n\x1b[2J', "\ud800 alone"], ids=["plain", "hostile", "surrogate"]
)
async def test_each_line_is_one_json_object_with_its_id_and_its_facts(
    name: str, logger: logging.Logger, capsys: pytest.CaptureFixture[str], autojump_clock: MockClock
) -> None:
    exec(recipe(), {})  # noqa: S102  # the docstring's own text
    await say(name)
    lines: list[dict[str, Any]] = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    started, failed = lines
    assert started["event"] == "cleanup task started, one sweep every 30 s"
    assert (started["event_id"], started["level"]) == ("supervisor.sweeper.started", "info")
    assert (started["seq"], started["period"], started["user"]) == (1, 30.0, None)
    assert (failed["event_id"], failed["level"]) == ("supervisor.chore.failed", "error")
    assert (failed["user"], failed["error"]) == (name, "ValueError('no\\ntable')")
    assert failed["exception"].startswith("Traceback")
    assert datetime.fromisoformat(started["timestamp"]).utcoffset() is not None
