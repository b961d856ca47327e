"""What was acked is there after the server's end, however it ended; and it ends when asked to."""

from __future__ import annotations

import re
import signal
from contextlib import ExitStack

import pytest

from .support import TOKENS, Frame, Peer, Serve, peer, request, wait_until

TOTAL = 1_000
# The server for those tests whose clients flood it.
FLOODED = "tests.chat.talkative"
# Messages said and not acked yet when the server is killed.
ON_ITS_WAY = 64


def history(ws: int) -> list[Frame]:
    """All that was said in the room, as one who joins hears it."""
    with peer(ws, "reader") as reader:
        reader.send("join", room="r", since=0)
        last = reader.until("joined")["seq"]
        return [reader.until("message") for _ in range(last)]


def joined(client: Peer) -> Peer:
    client.send("join", room="r", since=TOTAL)
    client.until("joined")
    return client


def test_killed_in_the_middle_of_1000_every_acked_one_is_there_once_and_in_order(serve: Serve) -> None:
    names = [f"id {n}" for n in range(TOTAL)]
    acked: dict[str, int] = {}
    server = serve(module=FLOODED)
    with peer(server.ws, "alice") as alice:
        joined(alice)
        for place, name in enumerate(names[: TOTAL // 2 + ON_ITS_WAY]):
            alice.send("say", room="r", text=f"text of {name}", id=name)
            if place >= ON_ITS_WAY:
                ack = alice.until("ack")
                acked[ack["id"]] = ack["seq"]
        server.kill()
    assert len(acked) == TOTAL // 2
    server = serve(module=FLOODED)
    said = history(server.ws)
    assert [message["seq"] for message in said] == list(range(1, len(said) + 1))
    assert [message["id"] for message in said] == names[: len(said)]
    assert len(acked) <= len(said) < TOTAL
    assert {name: said[seq - 1]["id"] for name, seq in acked.items()} == {name: name for name in acked}
    with peer(server.ws, "alice") as alice:
        joined(alice)
        unacked = [name for name in names if name not in acked]
        for name in unacked:
            alice.send("say", room="r", text=f"text of {name}", id=name)
        seqs = [alice.until("ack", id=name)["seq"] for name in unacked]
    assert seqs == list(range(TOTAL // 2 + 1, TOTAL + 1))
    said = history(server.ws)
    assert [(message["seq"], message["id"], message["text"]) for message in said] == [
        (n, name, f"text of {name}") for n, name in enumerate(names, start=1)
    ]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_end_it_says_goodbye_to_all_and_keeps_what_was_acked(
    serve: Serve, how: signal.Signals
) -> None:
    server = serve()
    with ExitStack() as stack:
        clients = [joined(stack.enter_context(peer(server.ws, "alice", f"{n}"))) for n in range(10)]
        silent = stack.enter_context(peer(server.ws, "bob"))
        silent.until("welcome")
        acked = [clients[0].say("r", f"text {n}", f"{n}") for n in range(50)]
        server.end(how)
        for client in (*clients, silent):
            code, reason = client.closed()
            assert code == 1012
            assert re.fullmatch(r"The server restarts. Retry in [0-3] s.", reason)
    assert acked == [message["seq"] for message in history(serve().ws)] == list(range(1, 51))


def test_a_wedged_session_does_not_hold_up_the_end(serve: Serve) -> None:
    server = serve()
    token = TOKENS.issue("alice")
    with peer(server.ws, "alice") as alice, peer(server.ws, "bob") as bob:
        joined(alice)
        assert alice.say("r", "before", "1") == 1
        assert request(server.http, "POST", "/wedge", token=token, session="tab")[0] == 204

        def state() -> str:
            return str(request(server.http, "GET", "/sessions", token=token)[1]["sessions"][0]["state"])

        wait_until(lambda: state() == "busy", "it hangs in its handle")
        alice.send("say", room="r", text="never heard", id="2")
        server.end()
        assert alice.closed()[0] == 1012
        assert bob.closed()[0] == 1012
    (message,) = history(serve().ws)
    assert message["text"] == "before"


def test_a_server_that_nobody_has_come_to_ends_too(serve: Serve) -> None:
    serve().end()


def test_what_is_on_its_way_when_it_ends_is_either_acked_or_said_to_be_lost(serve: Serve) -> None:
    """An ack that came is true, however late it came."""
    server = serve(module=FLOODED)
    with peer(server.ws, "alice") as alice:
        joined(alice)
        for n in range(200):
            alice.send("say", room="r", text=f"text {n}", id=f"{n}")
        alice.until("ack", id="20")
        server.end()
        acks = [frame for frame in until_closed(alice) if frame["type"] == "ack"]
    said = {message["id"]: message["seq"] for message in history(serve().ws)}
    assert len(said) >= 21
    assert [ack for ack in acks if said.get(ack["id"]) != ack["seq"]] == []


def until_closed(client: Peer) -> list[Frame]:
    heard: list[Frame] = []
    assert client.closed(heard)[0] == 1012
    return heard
