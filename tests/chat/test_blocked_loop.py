"""A session that holds up all others is named in the log of the chat."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path

import pytest

from examples.chat.server import ChatSpec, open_chat
from supervisor import ChildSpec, SupervisorSpec
from supervisor.testing import BlocksLoop, Echo, Work

from .support import SECRET


async def test_a_session_that_blocks_the_loop_is_in_the_log_with_its_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "supervisor")
    limit = 0.1
    spec = ChatSpec(
        database=tmp_path / "chat.sqlite3", secret=SECRET, supervisor=SupervisorSpec(watchdog=limit)
    )
    async with open_chat(spec) as chat:
        blocks = partial(BlocksLoop, seconds=4 * limit)
        eve = (await chat.supervisor.get_or_spawn("eve", "tab", ChildSpec(blocks))).ref
        await eve.tell(Work())
        await eve.ask(Echo())
    said = [r for r in caplog.records if "blocked" in r.message and "eve/tab#1" in r.message]
    assert [record.levelno for record in said] == [logging.WARNING]
    assert "_specimens.py:" in said[0].message
    assert said[0].message.endswith("in BlocksLoop.work")
