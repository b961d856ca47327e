"""A room as the documentation of trio-websocket suggests it: a loop that awaits each send."""

from __future__ import annotations

import sys
from contextlib import suppress

import trio
import trio_websocket


async def main() -> None:
    members: dict[trio_websocket.WebSocketConnection, None] = {}

    async def serve(request: trio_websocket.WebSocketRequest) -> None:
        socket = await request.accept()
        members[socket] = None
        try:
            while True:
                message = await socket.get_message()
                for member in list(members):
                    with suppress(trio_websocket.ConnectionClosed):
                        await member.send_message(message)
        except trio_websocket.ConnectionClosed:
            pass
        finally:
            del members[socket]

    async with trio.open_nursery() as nursery:
        server = await nursery.start(trio_websocket.serve_websocket, serve, "127.0.0.1", 0, None)
        sys.stdout.write(f"{server.port}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    trio.run(main)
