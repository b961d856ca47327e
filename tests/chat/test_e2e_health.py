"""The chat as systemd and Kubernetes see it: ready, fed, healthy, and on its way out."""

from __future__ import annotations

import signal
import socket
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import pytest

from .support import PATIENCE, Serve, request


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[socket.socket]:
    """What systemd would listen at; the servers of this test are told so."""
    path = str(tmp_path / "notify")
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as listening:
        listening.bind(path)
        listening.settimeout(PATIENCE)
        monkeypatch.setenv("NOTIFY_SOCKET", path)
        monkeypatch.setenv("WATCHDOG_USEC", "400000")
        yield listening


def until(systemd: socket.socket, line: str) -> list[str]:
    """What it says up to that line."""
    heard: list[str] = []
    while line not in heard:
        heard += systemd.recv(4096).decode().splitlines()
    return heard


def said_last(systemd: socket.socket) -> list[str]:
    """What it says until it has been silent for half a second."""
    heard: list[str] = []
    systemd.settimeout(0.5)
    try:
        while len(heard) < 1000:
            heard.append(systemd.recv(4096).decode())
    except TimeoutError:
        return heard
    finally:
        systemd.settimeout(PATIENCE)
    raise AssertionError(f"it is never silent: {heard[-5:]}")


def test_systemd_hears_that_it_is_ready_that_it_lives_and_that_it_ends(
    serve: Serve, systemd: socket.socket
) -> None:
    server = serve()
    assert until(systemd, "WATCHDOG=1") == ["READY=1", "STATUS=ready", "WATCHDOG=1"]
    assert until(systemd, "WATCHDOG=1") == ["WATCHDOG=1"]
    server.end()
    assert set(until(systemd, "STOPPING=1")) <= {"WATCHDOG=1", "STOPPING=1", "STATUS=shutting down"}


def test_a_loop_that_hangs_is_not_fed(serve: Serve, systemd: socket.socket) -> None:
    server = serve()
    until(systemd, "WATCHDOG=1")
    server.process.send_signal(signal.SIGSTOP)
    said_last(systemd)
    assert said_last(systemd) == [], "for half a second"
    server.process.send_signal(signal.SIGCONT)
    assert until(systemd, "WATCHDOG=1")
    server.end()


def test_its_probes_answer_on_the_pages_port(serve: Serve) -> None:
    server = serve()
    for path in ("/livez", "/readyz", "/metrics"):
        assert request(server.http, "GET", path)[0] == 200
        assert request(server.http, "HEAD", path)[0] == 200
        assert request(server.http, "POST", path)[0] == 405
