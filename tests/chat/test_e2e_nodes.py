"""The chat as processes on a real engine: two commands make one chat, and one of them may die."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
import websockets

from examples.chat.protocol import CLOSE_MOVED

from .pages import joined
from .real_nodes import LEASE, Site, open_site
from .support import SECRET, TOKENS, Frame, Peer, Server, peer, request, wait_until
from .test_e2e_commandline import is_one_sentence, run


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Generator[Site]:
    with open_site(tmp_path_factory.mktemp("nodes")) as site:
        yield site


@pytest.fixture(scope="module")
def nodes(site: Site) -> tuple[Server, Server]:
    """Two that all tests share; each has users and rooms of its own."""
    return site.node("one", limit=3), site.node("two", limit=3)


def test_two_nodes_are_one_chat(nodes: tuple[Server, Server]) -> None:
    one, two = nodes
    with peer(one.ws, "alice") as alice, peer(two.ws, "bob") as bob:
        joined(alice, "garden")
        bob.send("join", room="garden")
        assert bob.until("joined")["members"] == ["alice", "bob"]
        assert alice.until("presence")["user"] == "bob"
        seq = alice.say("garden", "hello", "1")
        assert bob.until("message") == alice_said(seq, bob)
        assert bob.say("garden", "hello yourself", "1") > seq
        alice.send("typing", room="garden")
        assert bob.until("typing")["user"] == "alice"
        bob.send("ask", text="who said hello?", id="q")
        assert "alice" in bob.until("agent_completed")["answer"]


def alice_said(seq: int, bob: Peer) -> Frame:
    """What is in the history, by asking for it again."""
    bob.send("join", room="garden", since=seq - 1)
    return bob.until("message")


def test_a_tab_that_comes_back_on_another_node_goes_on_there(nodes: tuple[Server, Server]) -> None:
    one, two = nodes
    with peer(one.ws, "carol", "tab") as here:
        joined(here, "move")
        seq = here.say("move", "before", "1")
        with peer(two.ws, "carol", "tab") as there:
            assert there.until("welcome")["sessions"] == ["tab"]
            assert here.closed() == (CLOSE_MOVED, "this session goes on elsewhere")
            there.send("join", room="move", since=seq)
            assert there.until("joined")["seq"] == seq


def test_the_list_of_sessions_covers_all_nodes_and_ends_them(nodes: tuple[Server, Server]) -> None:
    one, two = nodes
    token = TOKENS.issue("dora")
    with peer(one.ws, "", "here", token=token) as here, peer(two.ws, "", "there", token=token) as there:
        here.until("welcome")
        there.until("welcome")
        status, answer = request(two.http, "GET", "/sessions", token=token)
        assert status == 200
        assert {(s["session"], s["node"]) for s in answer["sessions"]} == {("here", "one"), ("there", "two")}
        assert request(two.http, "POST", "/sessions/end", token=token, session="here")[0] == 204
        assert here.closed() == (1001, "session ended: stopped")
        assert request(two.http, "POST", "/sessions/end", token=token, session="here")[0] == 404


def test_a_refusal_names_the_holders_and_their_nodes(nodes: tuple[Server, Server]) -> None:
    one, two = nodes
    token = TOKENS.issue("erin")
    with peer(one.ws, "erin", "a", token=token) as a, peer(one.ws, "erin", "b", token=token) as b:
        a.until("welcome")
        b.until("welcome")
        with peer(two.ws, "erin", "c", token=token) as c:
            c.until("welcome")
            with peer(two.ws, "erin", "d", token=token) as d:
                code, reason = d.closed()
            assert code == 1013
            assert reason.startswith("Limit reached: 3 of 3 slots held on all servers.")
            refusal = request(two.http, "GET", "/sessions", token=token)[1]["refusal"]
            named = {(holder["session"], holder["node"]) for holder in refusal["holders"]}
            assert named == {("a", "one"), ("b", "one"), ("c", "two")}


def test_a_logout_on_one_node_is_one_on_all(nodes: tuple[Server, Server]) -> None:
    one, two = nodes
    token = TOKENS.issue("finn")
    with peer(one.ws, "finn", "tab", token=token) as client:
        client.until("welcome")
        assert request(two.http, "POST", "/logout", token=token)[0] == 204
        assert client.closed() == (4001, "logged out")
    assert request(one.http, "GET", "/sessions", token=token)[0] == 401


def test_a_node_that_is_killed_is_missed_for_a_lease_and_no_longer(
    site: Site, nodes: tuple[Server, Server]
) -> None:
    one, _ = nodes
    three = site.node("three", limit=3)
    with peer(one.ws, "gina") as gina:
        joined(gina, "cellar")
        with peer(three.ws, "hugo", "tab") as hugo:
            joined(hugo, "cellar")
            seq = hugo.say("cellar", "I am here", "1")
            assert gina.until("presence")["user"] == "hugo"
            three.kill()
            killed = time.monotonic()
        assert gina.until("presence", user="hugo")["state"] == "offline"
        # The lease, the beat with which the others learn of it, and what a busy machine takes.
        assert time.monotonic() - killed < 3 * LEASE
        with as_soon_as_let_in(one, "hugo", "tab") as again:
            again.send("join", room="cellar", since=seq - 1)
            assert again.until("message")["text"] == "I am here"


@contextmanager
def as_soon_as_let_in(server: Server, user: str, session: str) -> Generator[Peer]:
    """A client that comes again until it is welcome, as a page does."""
    with ExitStack() as here:

        def is_in() -> bool:
            with ExitStack() as attempt, suppress(websockets.ConnectionClosed):
                client = attempt.enter_context(peer(server.ws, user, session))
                client.until("welcome")
                here.push(attempt.pop_all())
                clients.append(client)
            return bool(clients)

        clients: list[Peer] = []
        wait_until(is_in, f"{user} is let in")
        yield clients[0]


def test_an_engine_that_is_killed_delays_what_is_said_and_loses_nothing(tmp_path: Path) -> None:
    with open_site(tmp_path) as site:
        one, two = site.node("one"), site.node("two")
        with peer(one.ws, "alice") as alice, peer(two.ws, "bob") as bob:
            joined(alice, "r")
            joined(bob, "r")
            alice.say("r", "before", "1")
            site.stop_engine()
            alice.send("say", room="r", text="meanwhile", id="2")
            site.start_engine()
            alice.until("ack", id="2")
            assert [bob.until("message")["text"] for _ in range(2)] == ["before", "meanwhile"]
            assert bob.say("r", "after", "1") > alice.say("r", "meanwhile", "2")


def test_without_its_engine_a_node_does_not_start_and_says_why(tmp_path: Path) -> None:
    with open_site(tmp_path) as site:
        site.stop_engine()
        status, _, said = run("--http-port", "0", "--ws-port", "0", *site.options("alone"), folder=tmp_path)
    assert (status, is_one_sentence(said)) == (1, True), said
    assert "is it running" in said


def test_nodes_that_do_not_agree_on_the_lease_are_told_so(site: Site, nodes: tuple[Server, Server]) -> None:
    assert len(nodes) == 2, "they run"
    options = ("--http-port", "0", "--ws-port", "0", *site.options("other", lease=7))
    status, _, said = run(*options, secret=SECRET, folder=site.folder)
    assert (status, is_one_sentence(said)) == (1, True), said
    assert "lease must be the same on all nodes" in said
