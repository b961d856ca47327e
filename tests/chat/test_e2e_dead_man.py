"""SIGTERM ends the chat within a bound, also when a session ignores everything."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from .conftest import ports_of
from .support import PATIENCE, ROOT, SECRET

# The chat, with one session that ignores its cancellation, and little patience.
STUCK_CHAT = """
import sys
import trio
from examples.chat import __main__ as chat
from supervisor import ChildSpec
from supervisor.testing import Shielded, Work

serve_chat = chat.serve_chat

async def serve_chat_and_eve(spec, *, task_status):
    async with trio.open_nursery() as nursery:
        running = await nursery.start(serve_chat, spec)
        eve = ChildSpec(Shielded, stop_grace=0.1)
        await (await running.supervisor.get_or_spawn("eve", "tab", eve)).ref.tell(Work())
        task_status.started(running)

chat.serve_chat = serve_chat_and_eve
chat.DEAD_MAN = 2.0
sys.exit(chat.main())
"""


def test_a_session_that_ignores_cancellation_cannot_hold_up_the_process(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    command = [sys.executable, "-c", STUCK_CHAT, "--database", str(tmp_path / "chat.sqlite3")]
    with log.open("w") as errors:
        process = subprocess.Popen(
            [*command, "--http-port", "0", "--ws-port", "0"],
            cwd=ROOT,
            env=os.environ | {"TROUPER_CHAT_SECRET": SECRET},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    with process:
        try:
            assert ports_of(process) is not None, log.read_text()
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == 1
        finally:
            process.kill()
    said = log.read_text()
    assert "the end is held up by eve/tab#1" in said
    assert "dead-man switch: the end took longer than 2 s" in said
    assert "most recent call first" in said
