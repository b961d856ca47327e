"""What people say, and what proves who they are, is in no log and in no journal."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path

from examples.chat.protocol import Hello

from .support import TOKENS, Serve, Server, peer, request

SECRETS = ["my-pin-is-4711", "where-is-the-cake-4711", "bad-frame-4711", "query-4711"]


def a_conversation(server: Server, tokens: list[str]) -> None:
    """All that can go right and wrong with texts and tokens."""
    one, two, three = tokens
    with ExitStack() as stack:
        alice = stack.enter_context(peer(server.ws, "alice", "one", token=one))
        hangs = stack.enter_context(peer(server.ws, "alice", "two", token=two))
        for client in (alice, hangs):
            client.send("join", room="r")
            client.until("joined")
        assert alice.say("r", SECRETS[0], "1") == 1
        alice.send("ask", text=SECRETS[1], id="q")
        alice.until("agent_completed")
        alice.socket.send(f'{{"type": "say", "text": "{SECRETS[2]}"')
        alice.until("error", code="bad_message")
        alice.send("hello", token=two, session="again")
        alice.until("error", code="already_here")
        request(server.http, "POST", "/wedge", token=two, session="two")
        hangs.send("say", room="r", text=SECRETS[0], id="2")  # stays unheard, and dead-lettered
        with peer(server.ws, "alice", "three", token=three) as refused:
            assert refused.closed()[0] == 1013
        for path in (f"/sessions?token={three}", f"/{SECRETS[3]}?token={three}"):
            assert request(server.http, "GET", path)[0] in {401, 404}
        with peer(server.ws, "alice", token=f"{three}!") as stranger:
            assert stranger.closed()[0] == 1008
        assert request(server.http, "POST", "/sessions/end", token=two, session="two")[0] == 204
        assert hangs.closed()[0] == 1001
        assert request(server.http, "POST", "/logout", token=one)[0] == 204
        assert alice.closed()[0] == 4001


def test_neither_texts_nor_tokens_are_in_the_log_or_the_journal(serve: Serve, tmp_path: Path) -> None:
    journal = tmp_path / "chat.jsonl"
    server = serve(limit=2, journal=journal)
    tokens = [TOKENS.issue("alice") for _ in range(3)]
    a_conversation(server, tokens)
    server.end()
    written = {"the log": server.said, "the journal": journal.read_text()}
    for where, text in written.items():
        assert "alice" in text, f"{where} tells of it"
        for secret in (*tokens, *SECRETS):
            assert secret not in text, where
            assert json.dumps(secret)[1:-1] not in text, where
    ended = [json.loads(line) for line in written["the journal"].splitlines()]
    assert any("dead" in json.dumps(line).lower() for line in ended), "the one unheard is counted"


def test_a_hello_that_is_shown_shows_no_token() -> None:
    assert repr(Hello("a token", "tab")) == "Hello(session='tab')"
