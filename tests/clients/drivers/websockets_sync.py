"""Drives the package `websockets`, by its client for threads."""

from __future__ import annotations

import threading
from contextlib import ExitStack

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from .lines import ABNORMAL, BAD_TEXT, SOME_BYTES, Command, commands, tell


def listen(socket: ClientConnection) -> None:
    """Tell what comes in, to the end."""
    try:
        while True:
            tell("text", text=socket.recv())
    except ConnectionClosed as closed:
        if closed.rcvd is None:
            tell("closed", code=ABNORMAL, reason="")
        else:
            tell("closed", code=closed.rcvd.code, reason=closed.rcvd.reason)


def opened(command: Command, connections: ExitStack) -> ClientConnection | None:
    try:
        socket = connections.enter_context(connect(command["url"], proxy=None))
    except InvalidStatus as refused:
        tell("refused", status=refused.response.status_code)
        return None
    tell("open")
    threading.Thread(target=listen, args=(socket,), daemon=True).start()
    return socket


def main() -> None:
    socket: ClientConnection | None = None
    with ExitStack() as connections:
        for command in commands():
            if command["do"] == "connect":
                socket = opened(command, connections)
            elif socket is not None:
                obey(socket, command)


def obey(socket: ClientConnection, command: Command) -> None:
    match command["do"]:
        case "send":
            socket.send(command["text"])
        case "send_bytes":
            socket.send(SOME_BYTES)
        case "send_bad_text":
            socket.send(BAD_TEXT, text=True)
        case "ping":
            socket.ping(command["data"]).wait()
            tell("pong", data=command["data"])
        case "close":
            socket.close(command["code"], command["reason"])
        case unknown:
            raise ValueError(unknown)


if __name__ == "__main__":
    main()
