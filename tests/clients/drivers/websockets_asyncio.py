"""Drives the package `websockets`, by its client for asyncio."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from .lines import ABNORMAL, BAD_TEXT, SOME_BYTES, Command, tell
from .lines_asyncio import commands


async def listen(socket: ClientConnection) -> None:
    """Tell what comes in, to the end."""
    try:
        while True:
            tell("text", text=await socket.recv())
    except ConnectionClosed as closed:
        if closed.rcvd is None:
            tell("closed", code=ABNORMAL, reason="")
        else:
            tell("closed", code=closed.rcvd.code, reason=closed.rcvd.reason)


async def opened(command: Command, connections: AsyncExitStack) -> ClientConnection | None:
    try:
        socket = await connections.enter_async_context(connect(command["url"], proxy=None))
    except InvalidStatus as refused:
        tell("refused", status=refused.response.status_code)
        return None
    tell("open")
    listening = asyncio.create_task(listen(socket))
    connections.callback(listening.cancel)
    return socket


async def main() -> None:
    socket: ClientConnection | None = None
    async with AsyncExitStack() as connections:
        async for command in commands():
            if command["do"] == "connect":
                socket = await opened(command, connections)
            elif socket is not None:
                await obey(socket, command)


async def obey(socket: ClientConnection, command: Command) -> None:
    match command["do"]:
        case "send":
            await socket.send(command["text"])
        case "send_bytes":
            await socket.send(SOME_BYTES)
        case "send_bad_text":
            await socket.send(BAD_TEXT, text=True)
        case "ping":
            await (await socket.ping(command["data"]))
            tell("pong", data=command["data"])
        case "close":
            await socket.close(command["code"], command["reason"])
        case unknown:
            raise ValueError(unknown)


if __name__ == "__main__":
    asyncio.run(main())
