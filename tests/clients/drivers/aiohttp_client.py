"""Drives aiohttp's client."""

from __future__ import annotations

import asyncio
import sys

from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType, WSServerHandshakeError

from .lines import ABNORMAL, BAD_TEXT, SOME_BYTES, Command, tell
from .lines_asyncio import commands

# Without `autoping` the pongs are ours to see, and the server's pings ours to answer.
Socket = ClientWebSocketResponse[bool]


async def listen(socket: Socket) -> None:
    """Tell what comes in, to the end."""
    while True:
        message = await socket.receive()
        match message.type:
            case WSMsgType.TEXT:
                tell("text", text=message.data)
            case WSMsgType.PING:
                await socket.pong(message.data)
            case WSMsgType.PONG:
                tell("pong", data=bytes(message.data).decode())
            case WSMsgType.CLOSE:
                tell("closed", code=message.data, reason=message.extra)
                return
            case WSMsgType.CLOSING:  # by ourselves
                return
            case _:  # aiohttp counts the end of a stream as 1000, which nobody said
                tell("closed", code=ABNORMAL, reason="")
                return


async def opened(session: ClientSession, command: Command, listening: asyncio.TaskGroup) -> Socket | None:
    try:
        socket: Socket = await session.ws_connect(command["url"], autoping=False)
    except WSServerHandshakeError as refused:
        tell("refused", status=refused.status)
        return None
    tell("open")
    listening.create_task(listen(socket))
    return socket


async def main() -> None:
    socket: Socket | None = None
    async with ClientSession() as session, asyncio.TaskGroup() as group:
        async for command in commands():
            if command["do"] == "connect":
                socket = await opened(session, command, group)
            elif socket is not None:
                await obey(socket, command)
        sys.exit()  # whatever is still open ends with us


async def obey(socket: Socket, command: Command) -> None:
    match command["do"]:
        case "send":
            await socket.send_str(command["text"])
        case "send_bytes":
            await socket.send_bytes(SOME_BYTES)
        case "send_bad_text":
            await socket.send_frame(BAD_TEXT, WSMsgType.TEXT)
        case "ping":
            await socket.ping(command["data"].encode())
        case "close":
            await socket.close(code=command["code"], message=command["reason"].encode())
            tell("closed", code=socket.close_code, reason=None)
        case unknown:
            raise ValueError(unknown)


if __name__ == "__main__":
    asyncio.run(main())
