"""Which pages may connect: the chat's own, and no other; programs, which name no page, may."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from examples.chat.edge import Edge

from .support import PATIENCE, Chat, open_chat, within


async def answer_to(chat: Chat, *origins: str) -> bytes:
    """How the server answers a handshake with these Origin headers."""
    lines = ["GET /ws HTTP/1.1", "Host: 127.0.0.1", "Connection: upgrade", "Upgrade: websocket"]
    lines += ["Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {'x' * 22}=="]
    lines += [*(f"Origin: {origin}" for origin in origins), "", ""]
    with within(PATIENCE, f"an answer to {origins}"):
        async with await trio.open_tcp_stream("127.0.0.1", chat.running.ws_port) as stream:
            await stream.send_all("\r\n".join(lines).encode())
            return bytes(await stream.receive_some())


async def test_the_chats_own_page_may_connect_and_a_foreign_one_may_not(
    chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[object] = []
    serve = Edge.serve

    async def noting(edge: Edge, connection: object) -> None:
        seen.append(connection)
        await serve(edge, connection)  # type: ignore[arg-type]  # it is one

    monkeypatch.setattr(Edge, "serve", noting)
    http, ws = chat.running.http_port, chat.running.ws_port
    foreign = [
        "http://evil.example",
        "null",
        f"https://127.0.0.1:{http}",
        f"http://127.0.0.1:{http + 1}",
        f"http://127.0.0.1:{ws}",
        "http://127.0.0.1",
        f"http://127.0.0.1:{http}.evil.example",
        f"http://localhost:{http}/",
        "",
    ]
    for origin in foreign:
        assert (await answer_to(chat, origin)).startswith(b"HTTP/1.1 403 "), origin
    assert (await answer_to(chat, f"http://127.0.0.1:{http}", "http://evil.example")).startswith(
        b"HTTP/1.1 4"
    )
    assert seen == [], "nothing of the chat has run"
    for host in ("127.0.0.1", "localhost"):
        assert (await answer_to(chat, f"http://{host}:{http}")).startswith(b"HTTP/1.1 101 ")
    assert (await answer_to(chat)).startswith(b"HTTP/1.1 101 ")


async def test_who_says_which_pages_may_connect_is_heard(tmp_path: Path) -> None:
    async with open_chat(tmp_path, origins=("https://chat.example",)) as chat:
        assert (await answer_to(chat, "https://chat.example")).startswith(b"HTTP/1.1 101 ")
        own = f"http://127.0.0.1:{chat.running.http_port}"
        assert (await answer_to(chat, own)).startswith(b"HTTP/1.1 403 ")
