"""The chat keeps a journal, and the journal shows every promise kept; also when it was ended by force."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack, suppress
from pathlib import Path

import websockets

from .support import PATIENCE, ROOT, TOKENS, Serve, Server, peer, request, wait_until


def check(journal: Path) -> tuple[int, str]:
    command = [sys.executable, "-m", "supervisor", "check", str(journal)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.stderr == ""
    return done.returncode, done.stdout


def a_busy_minute(server: Server, journal: Path) -> None:
    """Two sessions talk, a third is refused, one hangs and makes room for a fourth."""
    token = TOKENS.issue("alice")
    with ExitStack() as stack:
        first, second = (stack.enter_context(peer(server.ws, "alice", name)) for name in ("one", "two"))
        for client in (first, second):
            client.send("join", room="r", since=0)
            client.until("joined")
        assert first.say("r", "hello", "1") == 1
        assert second.until("message")["text"] == "hello"
        with peer(server.ws, "alice", "three") as refused:
            assert refused.closed()[0] == 1013
        assert request(server.http, "POST", "/wedge", token=token, session="one")[0] == 204
        wait_until(lambda: room_for_one_more(server), "the wedged one made room")
        with peer(server.ws, "bob") as bob:
            bob.until("welcome")
            wait_until(lambda: b'"user":"bob"' in journal.read_bytes(), "bob is in the journal")


def room_for_one_more(server: Server) -> bool:
    with peer(server.ws, "alice", "four") as client, suppress(websockets.ConnectionClosed):
        return str(next(client.frames())["type"]) == "welcome"
    return False


def test_ended_in_order_the_journal_is_whole_and_nothing_was_broken(serve: Serve, tmp_path: Path) -> None:
    journal = tmp_path / "chat.jsonl"
    server = serve(limit=2, journal=journal)
    a_busy_minute(server, journal)
    server.end()
    status, said = check(journal)
    assert said.endswith("\nNothing was broken.\n"), said
    assert "It has no end" not in said
    assert "  users      2\n" in said
    assert "1 unresponsive" in said
    assert status == 0


def test_ended_by_force_it_is_judged_up_to_there(serve: Serve, tmp_path: Path) -> None:
    journal = tmp_path / "chat.jsonl"
    server = serve(limit=2, journal=journal)
    a_busy_minute(server, journal)
    server.kill()
    status, said = check(journal)
    assert "It has no end: the process was ended by force, or runs on. Judged up to there." in said
    assert said.endswith("\nNothing was broken.\n"), said
    assert "  users      2\n" in said
    assert status == 0


def test_a_journal_that_is_there_already_is_one_clear_sentence(tmp_path: Path) -> None:
    journal = tmp_path / "chat.jsonl"
    journal.write_text("precious")
    command = [sys.executable, "-m", "examples.chat", "--http-port", "0", "--ws-port", "0"]
    command += ["--database", str(tmp_path / "chat.db"), "--journal", str(journal)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"chat: {journal}: there already, and a journal is never overwritten\n"
    assert journal.read_text() == "precious"
