"""A room on the `websockets` package, with its `broadcast()`, and without compression."""

from __future__ import annotations

import asyncio
import sys

from websockets import ConnectionClosed
from websockets.asyncio.server import ServerConnection, broadcast, serve


async def main() -> None:
    members: set[ServerConnection] = set()

    async def talk(socket: ServerConnection) -> None:
        members.add(socket)
        try:
            async for message in socket:
                broadcast(members, message)
        except ConnectionClosed:
            pass
        finally:
            members.remove(socket)

    async with serve(talk, "127.0.0.1", 0, compression=None) as server:
        sys.stdout.write(f"{next(iter(server.sockets)).getsockname()[1]}\n")
        sys.stdout.flush()
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
