"""A room on picows, the fastest of Python's: written in Cython, callbacks instead of tasks."""

from __future__ import annotations

import asyncio
import importlib
import sys
from typing import Any

# No dependency of ours, and so unknown to the type checkers.
picows: Any = importlib.import_module("picows")

members: set[Any] = set()


def on_ws_connected(_: object, transport: Any) -> None:
    members.add(transport)


def on_ws_disconnected(_: object, transport: Any) -> None:
    members.discard(transport)


def on_ws_frame(_: object, __: object, frame: Any) -> None:
    if frame.msg_type == picows.WSMsgType.TEXT:
        message = frame.get_payload_as_bytes()
        for member in members:
            member.send(picows.WSMsgType.TEXT, message)


def listener(_: object) -> Any:
    return Listener()


Listener: Any = type(
    "Listener",
    (picows.WSListener,),
    {
        "on_ws_connected": on_ws_connected,
        "on_ws_disconnected": on_ws_disconnected,
        "on_ws_frame": on_ws_frame,
    },
)


async def main() -> None:
    server = await picows.ws_create_server(listener, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
