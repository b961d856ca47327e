"""Operating the chat: health, metrics, the console and the control socket, of the real process."""

from __future__ import annotations

import json
import signal
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from .conftest import ports_of
from .support import PATIENCE, ROOT, TOKENS, Serve, Server, peer, request, wait_until


def get(server: Server, path: str, **headers: str) -> tuple[int, str, str]:
    """Status, kind and text of what is there."""
    url = f"http://127.0.0.1:{server.http}{path}"
    asked = urllib.request.Request(url, headers=headers)
    try:
        with urllib.request.urlopen(asked, timeout=PATIENCE) as answer:  # noqa: S310  # http, as above
            return answer.status, answer.headers.get_content_type(), answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers.get_content_type(), error.read().decode()


def trouper(server: Server, *arguments: str, status: int = 0) -> Any:
    """What the command line says of it, in another process; None: nothing."""
    command = [sys.executable, "-m", "supervisor", "--socket", str(server.control), *arguments, "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == status, done.stderr
    return json.loads(done.stdout or "null")


def test_it_is_live_ready_and_measured(site: Server) -> None:
    assert get(site, "/livez") == (200, "text/plain", "ok\n")
    assert get(site, "/readyz") == (200, "text/plain", "ok\n")
    status, kind, text = get(site, "/metrics")
    assert (status, kind) == (200, "text/plain")
    assert "trouper_background_cleanup_task_started_total 1.0" in text


def test_the_console_shows_a_session(site: Server) -> None:
    with peer(site.ws, "carol", "tab-1") as client:
        client.until("welcome")
        status, kind, page = get(site, "/console")
        assert (status, kind) == (200, "text/html")
        assert "<title>" in page
        status, _, said = get(site, "/console/api/user?name=carol")
        assert status == 200
        assert [manager["key"] for manager in json.loads(said)["managers"]] == ["tab-1"]


def test_a_page_that_calls_this_machine_by_another_name_sees_nothing(site: Server) -> None:
    status, kind, said = get(site, "/console/api/overview", Host="rebound.example")
    assert (status, kind) == (403, "application/json")
    assert "counts" not in said


def test_the_command_line_finds_a_wedged_session_and_stops_it(site: Server) -> None:
    token = TOKENS.issue("dave")
    with peer(site.ws, "dave", "tab-1") as client:
        client.until("welcome")
        assert request(site.http, "POST", "/wedge", token=token, session="tab-1")[0] == 204
        [manager] = trouper(site, "explain", "dave")["managers"]
        assert "session.py" in manager["where"]
        assert trouper(site, "stop", "dave", "tab-1")["stopped"] == 1
        assert client.closed()[0] == 1001
    trouper(site, "explain", "dave", status=1)


def test_only_its_owner_can_open_the_control_socket_and_it_is_gone_at_the_end(serve: Serve) -> None:
    server = serve()
    assert stat.S_IMODE(server.control.stat().st_mode) == 0o600
    server.end()
    assert not server.control.exists()


def test_the_control_socket_lies_beside_the_database_and_one_that_is_taken_is_a_clear_sentence(
    tmp_path: Path,
) -> None:
    database = tmp_path / "chat.sqlite3"
    command = [sys.executable, "-m", "examples.chat", "--database", str(database)]
    command += ["--http-port", "0", "--ws-port", "0"]
    first = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    with first:
        try:
            assert ports_of(first) is not None
            assert (tmp_path / "trouper.sock").is_socket()
            second = subprocess.run(
                command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False
            )
            first.send_signal(signal.SIGTERM)
            assert first.wait(PATIENCE) == 0
        finally:
            first.kill()
    assert second.returncode == 1
    *_, last = second.stderr.splitlines()
    assert last.startswith("chat: ")
    assert "trouper.sock" in last
    assert "another process serves there" in last


def test_a_signal_prints_where_everybody_is(serve: Serve) -> None:
    server = serve()
    with peer(server.ws, "erin", "tab-1") as client:
        client.until("welcome")
        server.process.send_signal(signal.SIGUSR1)
        wait_until(lambda: "1 x erin/tab-1#1" in server.said, "the session is told")
        assert "Current thread" in server.said
        client.send("ping")
        client.until("pong")


def test_an_end_that_takes_its_time_is_to_be_seen(serve: Serve) -> None:
    server = serve()
    token = TOKENS.issue("fred")
    with peer(server.ws, "fred", "tab-1") as client:
        client.until("welcome")
        assert request(server.http, "POST", "/wedge", token=token, session="tab-1")[0] == 204
        server.process.send_signal(signal.SIGTERM)
        wait_until(
            lambda: get(server, "/readyz") == (503, "text/plain", "shutting down\n"), "it is not ready"
        )
        assert get(server, "/livez")[0] == 200
        server.process.send_signal(signal.SIGUSR1)
        wait_until(lambda: "1 x fred/tab-1#1" in server.said, "who holds it up is told")
    assert server.process.wait(PATIENCE) == 0


@pytest.mark.parametrize("path", ["/console/", "/livez", "/metrics"])
def test_operators_pages_are_kept_by_nobody(site: Server, path: str) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{site.http}{path}", timeout=PATIENCE) as answer:
        assert answer.headers["Cache-Control"] == "no-store"
