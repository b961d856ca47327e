"""Whose page may connect is decided before anything of ours runs, and to the letter. [W14]"""

from __future__ import annotations

import pytest

from actors.websocket import WebSocketSpec

from .edge import Edge, open_edge, upgrade


async def answer_to(edge: Edge, *origins: str, host: str = "127.0.0.1") -> int:
    """The status that a handshake from there gets."""
    request = upgrade().replace(b"Host: 127.0.0.1", f"Host: {host}".encode())
    lines = "".join(f"Origin: {origin}\r\n" for origin in origins).encode()
    stream = await edge.knock()
    await stream.send_all(request[:-2] + lines + b"\r\n")
    answer = bytes(await stream.receive_some())
    assert answer.startswith(b"HTTP/1.1 "), answer
    return int(answer.split()[1])


ALLOWED = ("https://chat.example", "http://127.0.0.1:8000")

FOREIGN = [
    "https://evil.example",
    "https://chat.example.evil.example",
    "https://evil-chat.example",
    "https://evil.example/https://chat.example",
    "https://chat.example@evil.example",
    "https://chat.example:444",
    "https://chat.example/",
    "https://sub.chat.example",
    "http://chat.example",
    "chat.example",
    "https://CHAT.example",
    "http://127.0.0.1:80001",
    "http://127.0.0.1",
    "null",
    "",
    "*",
]


async def test_an_allowed_page_is_let_in_and_every_other_gets_403() -> None:
    async with open_edge(spec=WebSocketSpec(origins=ALLOWED)) as edge:
        for origin in FOREIGN:
            assert await answer_to(edge, origin) == 403, origin
        assert edge.connections == [], "no handler has run"
        for origin in ALLOWED:
            assert await answer_to(edge, origin) == 101, origin
        assert await answer_to(edge) == 101, "a program names no page"
        assert await edge.failures() == []


async def test_one_string_is_no_list_of_pages() -> None:
    """`x in "text"` is true of every part of it."""
    spec = WebSocketSpec(origins=frozenset({"https://chat.example"}))
    async with open_edge(spec=spec) as edge:
        for part in ("", "https://", "https://chat", "chat.example"):
            assert await answer_to(edge, part) == 403, part


@pytest.mark.parametrize("origins", [None, ALLOWED, ()], ids=["own", "some", "none"])
async def test_two_origins_at_once_are_none_of_ours(origins: tuple[str, ...] | None) -> None:
    own = "http://127.0.0.1:8000"
    async with open_edge(spec=WebSocketSpec(origins=origins)) as edge:
        assert await answer_to(edge, own, "https://evil.example", host="127.0.0.1:8000") in {400, 403}
        assert await answer_to(edge, "https://evil.example", own, host="127.0.0.1:8000") in {400, 403}
        assert edge.connections == []


OWN = {
    ("http://chat.example:8765", "chat.example:8765"): 101,
    ("https://chat.example:8765", "chat.example:8765"): 101,  # TLS may end before us
    ("https://chat.example", "chat.example"): 101,
    ("https://chat.example", "CHAT.example"): 101,
    ("http://[::1]:8765", "[::1]:8765"): 101,
    ("http://chat.example:8766", "chat.example:8765"): 403,
    ("http://chat.example", "chat.example:8765"): 403,
    ("http://chat.example.evil.example:8765", "chat.example:8765"): 403,
    ("http://evilchat.example:8765", "chat.example:8765"): 403,
    ("http://evil.example", "chat.example:8765"): 403,
    ("chat.example:8765", "chat.example:8765"): 403,
    ("null", "chat.example:8765"): 403,
    ("null", ""): 403,
    ("", ""): 403,
    ("file://", ""): 403,
    ("file://", "chat.example"): 403,
}


async def test_without_a_list_it_is_the_host_itself_that_may() -> None:
    async with open_edge() as edge:
        for (origin, host), status in OWN.items():
            assert await answer_to(edge, origin, host=host) == status, (origin, host)
        assert await edge.failures() == []
