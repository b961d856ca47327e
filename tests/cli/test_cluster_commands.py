"""The commands about a cluster, by the socket of any one of its nodes."""

from __future__ import annotations

import re
from collections.abc import Generator

import pytest

from .conftest import Run, Said
from .kit import HARMLESS, HOSTILE, Server, open_server


@pytest.fixture(scope="module")
def clustered(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    with open_server(tmp_path_factory.mktemp("clustered"), users=1, nodes=3) as server:
        yield server


@pytest.fixture
def ask(run: Run, clustered: Server) -> Run:
    """A command to the first node."""
    return lambda *words: run("--socket", clustered.socket, *words)


def test_nodes_shows_each_node_and_the_engine(ask: Run) -> None:
    said = ask("nodes")
    assert said.status == 0
    assert said.out.startswith("chat-1   engine up (")
    assert [line.split()[0] for line in said.out.splitlines() if line.startswith("chat-")] == [
        "chat-1",
        "chat-1",
        "chat-2",
        "chat-3",
    ]
    assert "chat-1 (this one)" in said.out
    facts = ask("nodes", "--json").facts
    assert [(one["name"], one["is_me"]) for one in facts["nodes"]] == [
        ("chat-1", True),
        ("chat-2", False),
        ("chat-3", False),
    ]
    assert (facts["cluster"]["state"], facts["problem"]) == ("up", None)


def test_where_finds_a_user_on_all_nodes(ask: Run, clustered: Server) -> None:
    assert clustered.spawn("ann", "tab", node=0) is True
    assert clustered.spawn("ann", "phone", node=1) is True
    assert clustered.spawn("bob", "phone", node=2) is True
    said = ask("where", "ann")
    assert said.status == 0
    assert said.out.splitlines()[0] == "ann: 2 managers on 2 nodes"
    assert [line.split()[:3] for line in said.out.splitlines() if line.startswith("chat-")] == [
        ["chat-1", "tab#2", "healthy"],
        ["chat-2", "phone#1", "healthy"],
    ]
    [one] = ask("where", "bob", "--json").facts["managers"]
    assert (one["node"], one["here"], one["key"]) == ("chat-3", False, "phone")


def test_a_user_who_is_on_no_node_is_status_1_and_one_sentence(ask: Run) -> None:
    assert ask("where", "zoe") == Said(1, "", "trouper: nothing of zoe is on any node\n")


def test_one_is_stopped_on_whatever_node_it_lives(ask: Run, clustered: Server) -> None:
    assert clustered.spawn("kim", "tab", node=0) is True
    assert clustered.spawn("kim", "phone", node=1) is True
    assert clustered.spawn("kim", "tv", node=2) is True
    said = ask("stop", "kim", "phone")
    assert (said.status, said.err) == (0, "")
    assert re.fullmatch(r"phone#\d+ on chat-2: stopped\n1 manager stopped\n", said.out)
    assert ask("where", "kim").out.splitlines()[0] == "kim: 2 managers on 2 nodes"
    said = ask("stop", "kim")
    assert (said.status, said.out.splitlines()[-1]) == (0, "2 managers stopped")
    assert ask("where", "kim").status == 1
    assert (
        ask("stop", "kim", "tv").err
        == "trouper: 'kim' has no manager under 'tv'; it may have ended already\n"
    )


def test_what_is_of_one_node_says_so(ask: Run, clustered: Server) -> None:
    assert clustered.spawn("lou", "tab", node=2) is True
    sentence = "trouper: nothing of lou is on this node: where lou asks all of them\n"
    assert ask("explain", "lou") == Said(1, "", sentence)
    said = ask("limit", 3, "--user", "lou")
    assert said.out == "The limit of lou is now 3 on this node; each node goes by its own.\n"


def test_no_name_steers_a_terminal(ask: Run, clustered: Server) -> None:
    assert clustered.spawn(HOSTILE, HOSTILE, node=1) is True
    said = ask("where", HOSTILE)
    assert said.out.startswith(HARMLESS)
    assert [c for c in said.out if not c.isprintable() and c != "\n"] == []


def test_top_tells_how_the_node_stands(ask: Run) -> None:
    assert "chat-1   engine up (" in ask("top").out


def test_one_that_is_alone_is_status_1_and_says_so(run: Run, server: Server) -> None:
    for words in (["nodes"], ["where", "ann"]):
        sentence = "trouper: this process is no node of a cluster: all that it knows lives here\n"
        assert run("--socket", server.socket, *words) == Said(1, "", sentence)
