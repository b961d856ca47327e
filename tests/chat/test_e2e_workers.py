"""`--workers N`: several processes on one pair of ports, which are one chat."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
import websockets

from .conftest import running_server
from .pages import joined
from .real_nodes import UNCLOSED, Site, lets_in, open_site
from .support import ROOT, TOKENS, Peer, Server, peer, request, wait_until
from .test_e2e_commandline import run

WORKERS = 2


@pytest.fixture
def site(tmp_path: Path) -> Generator[Site]:
    with open_site(tmp_path) as site:
        yield site


@pytest.fixture
def workers(site: Site) -> Generator[Server]:
    more = (*site.options("chat"), "--workers", str(WORKERS))
    with running_server(site.folder, *more, warnings=("error", UNCLOSED)) as parent:
        wait_until(lambda: lets_in(parent), "somebody is let in")
        yield parent


def children(parent: Server) -> list[int]:
    """The processes that it has started."""
    found: list[int] = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            ppid = stat.read_text().rpartition(")")[2].split()[1]
            found += [int(stat.parent.name)] * (int(ppid) == parent.process.pid)
    return found


def runs(pid: int) -> bool:
    """Does it, still? One that has ended may wait for somebody to ask how."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def nodes_of(server: Server, token: str) -> dict[str, str]:
    """On which node each session is."""
    status, answer = request(server.http, "GET", "/sessions", token=token)
    assert status == 200
    return {session["session"]: session["node"] for session in answer["sessions"]}


def spread(stack: ExitStack, server: Server, token: str) -> list[Peer]:
    """Sessions until each worker has one: the kernel deals them out."""
    clients: list[Peer] = []
    for number in range(20):
        client = stack.enter_context(peer(server.ws, "alice", f"tab {number}", token=token))
        client.until("welcome")
        clients.append(client)
        if len(set(nodes_of(server, token).values())) == WORKERS:
            return clients
    raise AssertionError("all came to one worker")


def test_workers_are_one_chat_on_one_port(workers: Server) -> None:
    assert len(children(workers)) == WORKERS
    token = TOKENS.issue("alice")
    with ExitStack() as stack:
        clients = spread(stack, workers, token)
        for client in clients:
            joined(client, "r")
        clients[0].say("r", "hello", "1")
        assert [client.until("message")["text"] for client in clients[1:]] == ["hello"] * (len(clients) - 1)
        assert set(nodes_of(workers, token).values()) == {"chat-1", "chat-2"}
    sockets = {path.name for path in workers.control.parent.glob(f"{workers.control.stem}-*.sock")}
    assert sockets == {f"{workers.control.stem}-{number}.sock" for number in (1, 2)}


def test_what_it_says_at_the_start_leads_to_all_of_it(site: Site) -> None:
    """Each worker's socket, too: they are not called what one process calls its own."""
    command = [sys.executable, "-m", "examples.chat", *site.options("chat"), "--workers", str(WORKERS)]
    command += ["--http-port", "0", "--ws-port", "0", "--database", str(site.folder / "chat.sqlite3")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = [next(process.stdout) for _ in range(4)]
        process.terminate()
    assert [line.split()[0] for line in said] == ["Chat:", "Console:", "Sockets:", "2"]
    assert said[2].split()[1:] == [str(site.folder / f"trouper-{number}.sock") for number in (1, 2)]


def test_a_worker_that_dies_is_started_again_and_the_others_serve_on(workers: Server) -> None:
    token = TOKENS.issue("alice")
    with ExitStack() as stack:
        spread(stack, workers, token)
    victim = children(workers)[0]
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: len(children(workers)) == WORKERS and victim not in children(workers), "it is back")
    assert "has ended (-9); it starts again in 0.5 s" in workers.said
    wait_until(lambda: lets_in(workers), "somebody is let in")


def test_they_end_when_the_parent_is_asked_to(workers: Server) -> None:
    pids = children(workers)
    with peer(workers.ws, "alice", "tab") as client:
        client.until("welcome")
        workers.end(signal.SIGINT)
        with suppress(websockets.ConnectionClosed):
            client.until("never said")
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_they_end_when_the_parent_is_killed(workers: Server) -> None:
    """Else they would hold the ports, and nobody would start them again."""
    pids = children(workers)
    workers.kill()
    wait_until(lambda: not any(map(runs, pids)), "all have ended")
    assert "Traceback" not in workers.said


def test_workers_that_cannot_start_end_all_of_it_with_one_reason(site: Site) -> None:
    site.stop_engine()
    ports = ("--http-port", "0", "--ws-port", "0")
    status, out, said = run(*ports, *site.options("chat"), "--workers", "2", folder=site.folder)
    assert (status, out) == (1, "")
    assert "is it running" in said
    assert "and all others with it" in said
    assert "Traceback" not in said


def test_a_port_that_somebody_else_has_is_one_clear_sentence(site: Site) -> None:
    server = site.node("alone")
    ports = ("--http-port", "0", "--ws-port", str(server.ws))
    status, _, said = run(*ports, *site.options("chat"), "--workers", "2", folder=site.folder)
    assert (status, said.count("\n")) == (1, 1)
    assert "choose another port with --ws-port" in said


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--workers", "2"], "--workers needs --engine"),
        (["--node-name", "x"], "--node-name needs --engine"),
        (["--lease", "5"], "--lease needs --engine"),
        (["--on-lease-lost", "keep"], "--on-lease-lost needs --engine"),
        (["--engine", "http://x"], "must begin with one of redis://"),
        (["--engine", "redis://x", "--lease", "0.1"], "a number of seconds from 1 to 3600"),
        (["--engine", "redis://x", "--lease", "soon"], "a number of seconds from 1 to 3600"),
        (["--engine", "redis://x", "--workers", "0"], "must be 1 or more"),
        (["--engine", "redis://x", "--workers", "2", "--journal", "j"], "--journal is of one process"),
    ],
)
def test_what_does_not_go_together_is_said(options: list[str], sentence: str, tmp_path: Path) -> None:
    status, out, said = run(*options, folder=tmp_path)
    assert (status, out) == (2, "")
    assert sentence in said


def test_without_an_engine_nothing_of_a_cluster_is_imported() -> None:
    program = (
        "import sys, examples.chat.__main__; "
        "print([name for name in sys.modules if name == 'coredis' or name.startswith('supervisor.cluster')])"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "[]\n"
