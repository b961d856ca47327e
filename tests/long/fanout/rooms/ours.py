"""The whole example chat, as its own command runs it, but for two things: nobody speaks too often,
and it prints which connections were cut off, and why.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import trio

from actors import ConnectionSpec
from actors.websocket import WebSocketSpec
from examples.chat.__main__ import WATCHDOG, collect_less
from examples.chat.limits import Limits
from examples.chat.protocol import FRAME_LIMIT
from examples.chat.server import SWEEP_PERIOD, ChatSpec, Running, serve_chat
from examples.chat.tokens import ENVIRON_NAME
from supervisor import ConnectionDetached, SupervisorSpec

# Messages a second, and at once: more than any run sends.
_ANY_NUMBER = 1_000_000


def chat_spec(folder: Path) -> ChatSpec:
    connection = ConnectionSpec(rate=_ANY_NUMBER, burst=_ANY_NUMBER)
    return ChatSpec(
        database=folder / "chat.sqlite3",
        secret=os.environ[ENVIRON_NAME],
        http_port=0,
        ws_port=0,
        supervisor=SupervisorSpec(sweep_period=SWEEP_PERIOD, watchdog=WATCHDOG),
        websocket=WebSocketSpec(message_bytes=FRAME_LIMIT, connection=connection),
        limits=Limits(rate=_ANY_NUMBER, burst=_ANY_NUMBER),
    )


async def main(folder: Path) -> None:
    async with trio.open_nursery() as nursery:
        running: Running = await nursery.start(serve_chat, chat_spec(folder))
        with running.supervisor.events() as events:
            sys.stdout.write(f"{running.ws_port}\n")
            sys.stdout.flush()
            async for event in events:
                if isinstance(event, ConnectionDetached):
                    sys.stderr.write(
                        f"detached {time.perf_counter()} {event.user}/{event.key}: {event.why}\n"
                    )
                    sys.stderr.flush()


if __name__ == "__main__":
    collect_less()
    trio.run(main, Path(sys.argv[1]))
