"""A small run of the chat on three nodes, each of which and the engine is killed."""

from __future__ import annotations

from pathlib import Path

from .chat_run import perform

MESSAGES = 600


async def test_every_reader_has_every_acked_message_once_whoever_is_killed(tmp_path: Path) -> None:
    run, wrong = await perform(tmp_path, messages=MESSAGES, every=100, seed=1)
    logs = {path.name: path.read_text()[-2000:] for path in tmp_path.glob("*.log")}
    assert wrong == [], logs
    assert set(run.kills) >= {"one", "two", "three", "the engine"}, "all of them were"
