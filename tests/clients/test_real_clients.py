"""The same conversations with the chat, by every client."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Generator

import pytest

from examples.chat.protocol import FRAME_LIMIT, TEXT_LIMIT
from tests.chat.support import Server, peer

from .conftest import Take
from .driver import Driver
from .kinds import KINDS, Kind

# A family of one sign, a letter with two accents, right to left, the end of lines, and what JSON escapes.
COLOURFUL = '👩‍👩‍👧‍👦 e\u0301\u0323 שלום\n\u2028"\\\x7f\x01'

# Characters of four bytes each; with its envelope not far below the limit of a frame.
LONG = "😀" * 3_750


def by(able: str) -> pytest.MarkDecorator:
    """For those clients that are able to."""
    kinds = [kind for kind in KINDS if getattr(kind, able)]
    return pytest.mark.parametrize("kind", kinds, ids=lambda kind: kind.name)


def test_a_conversation_of_two(client: Driver, server: Server, number: int) -> None:
    room, ann, bob = f"room {number}", f"ann {number}", f"bob {number}"
    welcome = client.enter(server, ann)
    assert (welcome["user"], welcome["resumed"], welcome["sessions"]) == (ann, False, ["tab"])
    client.says("join", room=room)
    assert client.hears("joined")["members"] == [ann]
    with peer(server.ws, bob) as other:
        other.send("join", room=room)
        other.until("joined", room=room)
        assert client.hears("presence", user=bob)["state"] == "online"
        client.says("say", room=room, text=COLOURFUL, id="1")
        assert client.hears("ack", id="1")["seq"] == 1
        heard = other.until("message")
        assert (heard["seq"], heard["user"], heard["text"]) == (1, ann, COLOURFUL)
        assert other.say(room, COLOURFUL, "2") == 2
        assert client.hears("message", user=bob)["text"] == COLOURFUL
        other.send("leave", room=room)
        assert client.hears("presence", user=bob)["state"] == "offline"
    client.do("close", code=1000, reason="")
    assert client.closed()[0] == 1000


def test_a_text_of_15_kilobytes_goes_and_comes_back_whole(
    client: Driver, server: Server, number: int
) -> None:
    assert len(LONG) <= TEXT_LIMIT
    assert 15_000 <= len(LONG.encode()) < FRAME_LIMIT
    client.enter(server, f"ann {number}")
    client.says("join", room=f"room {number}")
    client.says("say", room=f"room {number}", text=LONG, id="1")
    assert client.hears("message")["text"] == LONG
    client.do("close", code=1000, reason="")
    assert client.closed()[0] == 1000


def test_what_is_said_without_waiting_arrives_in_order(client: Driver, server: Server, number: int) -> None:
    room = f"room {number}"
    client.enter(server, f"ann {number}")
    client.says("join", room=room)
    for n in range(1, 51):
        client.says("say", room=room, text=f"text {n}", id=str(n))
    acks: list[tuple[str, int]] = []
    texts: list[tuple[str, int]] = []
    while len(acks) < 50 or len(texts) < 50:
        frame = client.frame()
        if frame["type"] == "ack":
            acks.append((frame["id"], frame["seq"]))
        elif frame["type"] == "message":
            texts.append((frame["text"], frame["seq"]))
    assert acks == [(str(n), n) for n in range(1, 51)]
    assert texts == [(f"text {n}", n) for n in range(1, 51)]
    client.do("close", code=1000, reason="")
    assert client.closed()[0] == 1000


@by("pings")
@pytest.mark.parametrize("data", ["", "p", "p" * 125])
def test_a_ping_is_answered_with_its_own_bytes(
    take: Take, kind: Kind, data: str, server: Server, number: int
) -> None:
    client = take(kind)
    client.enter(server, f"ann {number}")
    client.do("ping", data=data)
    assert client.next() == {"event": "pong", "data": data}
    client.says("ping")
    client.hears("pong")
    client.do("close", code=1000, reason="")
    assert client.closed()[0] == 1000


def test_a_clean_close_is_echoed_and_the_session_waits_for_the_next(
    client: Driver, server: Server, number: int
) -> None:
    room, user = f"room {number}", f"ann {number}"
    client.enter(server, user)
    client.says("join", room=room)
    client.says("say", room=room, text="before", id="1")
    client.hears("message", seq=1)
    client.do("close", code=4000, reason="bye 👋")
    code, reason = client.closed()
    assert (code, reason) in [(4000, "bye 👋"), (4000, None)]
    with peer(server.ws, f"bob {number}") as other:
        other.send("join", room=room)
        other.until("joined")
        assert other.say(room, "meanwhile", "1") == 2
    assert client.enter(server, user)["resumed"] is True
    client.says("join", room=room, since=1)
    missed = client.hears("message")
    assert (missed["seq"], missed["text"]) == (2, "meanwhile")
    client.do("close", code=1000, reason="")
    assert client.closed()[0] == 1000


def test_who_is_refused_is_told_so_with_1013_and_why(client: Driver, server: Server, number: int) -> None:
    user = f"ann {number}"
    with peer(server.ws, user, "her first") as first:
        first.until("welcome")
        client.greet(server, user, "her second")
        code, reason = client.closed()
        assert code == 1013
        assert reason is not None
        assert reason.startswith("Limit reached: 1 of 1 sessions alive.")


def test_a_message_that_is_none_is_an_error_and_the_talk_goes_on(
    client: Driver, server: Server, number: int
) -> None:
    client.enter(server, f"ann {number}")
    client.do("send", text="{ no JSON")
    assert client.hears("error")["code"] == "bad_message"
    client.do("send", text="")
    assert client.hears("error")["code"] == "bad_message"
    client.says("ping")
    client.hears("pong")
    client.do("close", code=1000, reason="")
    assert client.closed()[0] == 1000


def test_garbage_instead_of_a_hello_ends_with_1008(client: Driver, server: Server) -> None:
    assert client.connect(server) == {"event": "open"}
    client.do("send", text="garbage")
    assert client.closed() == (1008, "The frame is not valid JSON.")


def test_bytes_instead_of_text_end_with_1003(client: Driver, server: Server, number: int) -> None:
    client.enter(server, f"ann {number}")
    client.do("send_bytes")
    assert client.closed() == (1003, "only text is spoken here")


@by("bad_text")
def test_a_text_that_is_no_utf8_ends_with_1007(take: Take, kind: Kind, server: Server, number: int) -> None:
    client = take(kind)
    client.enter(server, f"ann {number}")
    client.do("send_bad_text")
    code, _ = client.closed()
    assert code == 1007


def test_more_than_the_limit_of_a_frame_ends_with_1009(client: Driver, server: Server, number: int) -> None:
    client.enter(server, f"ann {number}")
    client.says("say", room="r", text="x" * FRAME_LIMIT, id="1")
    code, _ = client.closed()
    assert code == 1009


def test_another_path_is_refused_in_the_handshake(client: Driver, server: Server) -> None:
    status = 404 if client.kind.status else None
    assert client.connect(server, "/elsewhere") == {"event": "refused", "status": status}


@pytest.fixture
def elsewhere() -> Generator[int]:
    """The port of a page that is not the chat's."""
    with http.server.HTTPServer(("127.0.0.1", 0), _Elsewhere) as pages:
        serving = threading.Thread(target=pages.serve_forever, args=(0.01,))
        serving.start()
        yield pages.server_port
        pages.shutdown()
        serving.join()


class _Elsewhere(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:  # as its base says
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: what a test writes is read as its failure."""


@by("pages")
def test_a_page_from_elsewhere_is_refused(take: Take, kind: Kind, server: Server, elsewhere: int) -> None:
    client = take(kind)
    assert client.connect(server, page=elsewhere) == {"event": "refused", "status": None}
    assert client.connect(server) == {"event": "open"}
    client.do("close", code=1000, reason="")
    assert client.closed()[0] == 1000
