"""Clients of a Unix socket: real connections, with requests written by hand."""

from __future__ import annotations

import json
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import trio


async def connect(path: Path, head: str, body: bytes = b"") -> trio.SocketStream:
    """Send a request; the answer is yet to be read."""
    stream = await trio.open_unix_socket(str(path))
    lines = [f"{head} HTTP/1.1", "Host: localhost", "Connection: close", f"Content-Length: {len(body)}"]
    lines += ["Content-Type: application/json"] if body else []
    await stream.send_all("\r\n".join([*lines, "", ""]).encode() + body)
    return stream


async def read_all(stream: trio.SocketStream) -> tuple[int, Any]:
    """The answer, to its end."""
    async with stream:
        text = b"".join([chunk async for chunk in stream])
    head, _, body = text.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body) if body.startswith(b"{") else body.decode()


async def ask(path: Path, head: str = "GET /api/overview", facts: object = None) -> tuple[int, Any]:
    with trio.fail_after(10):
        body = b"" if facts is None else json.dumps(facts).encode()
        return await read_all(await connect(path, head, body))


@contextmanager
def within(seconds: float) -> Generator[None]:
    """It takes no longer."""
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds
