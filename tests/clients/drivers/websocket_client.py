"""Drives the package `websocket-client`. One thread has the connection, as it wants it."""

from __future__ import annotations

import queue
import struct
import threading
from typing import Any, cast

from websocket import (
    ABNF,
    WebSocket,
    WebSocketBadStatusException,
    WebSocketConnectionClosedException,
    WebSocketTimeoutException,
    create_connection,
)

from .lines import ABNORMAL, BAD_TEXT, SOME_BYTES, Command, commands, tell

# Seconds. How long it listens before it looks for a command.
TURN = 0.01


def tell_close(frame: ABNF | None) -> None:
    """The code and reason of a Close frame, which may be empty."""
    data = content_of(frame) if frame is not None else b""
    code = struct.unpack("!H", data[:2])[0] if data else 1005
    tell("closed", code=code, reason=data[2:].decode())


def content_of(frame: ABNF) -> bytes:
    assert isinstance(frame.data, bytes)
    return frame.data


def listen(socket: WebSocket) -> bool:
    """Tell what comes in, if anything does soon; False: it was the end."""
    try:
        received = cast("Any", socket).recv_data_frame(control_frame=True)
    except WebSocketTimeoutException:
        return True
    except (WebSocketConnectionClosedException, ConnectionError):
        tell("closed", code=ABNORMAL, reason="")
        return False
    opcode, frame = cast("tuple[int, ABNF]", received)
    if opcode == ABNF.OPCODE_TEXT:
        tell("text", text=content_of(frame).decode())
    elif opcode == ABNF.OPCODE_PONG:
        tell("pong", data=content_of(frame).decode())
    elif opcode == ABNF.OPCODE_CLOSE:
        tell_close(frame)
        socket.shutdown()  # type: ignore[no-untyped-call]  # in the package
        return False
    return True


def opened(command: Command) -> WebSocket | None:
    try:
        # By itself it names the server as its origin, as if a page from there had made it connect.
        socket = create_connection(command["url"], suppress_origin=True, http_no_proxy=["*"])
    except WebSocketBadStatusException as refused:
        tell("refused", status=refused.status_code)
        return None
    socket.settimeout(TURN)
    tell("open")
    return socket


def obey(socket: WebSocket, command: Command) -> bool:
    """Do that; False: it was the end."""
    match command["do"]:
        case "send":
            socket.send(command["text"])
        case "send_bytes":
            socket.send_binary(SOME_BYTES)
        case "send_bad_text":
            socket.send_frame(ABNF.create_frame(BAD_TEXT, ABNF.OPCODE_TEXT))
        case "ping":
            socket.ping(command["data"])
        case "close":
            socket.close(command["code"], command["reason"].encode())
            tell_close(socket.close_frame)
            return False
        case unknown:
            raise ValueError(unknown)
    return True


def collect(todo: queue.SimpleQueue[Command | None]) -> None:
    for command in commands():
        todo.put(command)
    todo.put(None)


def main() -> None:
    todo: queue.SimpleQueue[Command | None] = queue.SimpleQueue()
    threading.Thread(target=collect, args=(todo,), daemon=True).start()
    socket: WebSocket | None = None
    while True:
        if socket is not None and (not listen(socket)):
            socket = None
        if socket is not None and todo.empty():
            continue
        command = todo.get()
        if command is None:
            return
        if command["do"] == "connect":
            socket = opened(command)
        elif socket is not None and not obey(socket, command):
            socket = None


if __name__ == "__main__":
    main()
