"""The chat over TLS: the page, the WebSocket, what it tells of both, and who is not let in."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import subprocess
import sys
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import attrs
import pytest
import trustme
import websockets
import websockets.sync.client

from .conftest import running_server
from .support import PATIENCE, ROOT, TOKENS, Peer, Server
from .test_e2e_commandline import is_one_sentence, run


@attrs.frozen
class Answer:
    """What the page's server said."""

    status: int
    policy: str
    content: bytes


@attrs.frozen
class Secure:
    """A server with a certificate, and who trusts it."""

    server: Server
    trust: ssl.SSLContext

    def request(self, method: str, path: str, **said: object) -> Answer:
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self.server.http, timeout=PATIENCE, context=self.trust
        )
        with closing(connection):
            connection.request(method, path, json.dumps(said) if said else None)
            answer = connection.getresponse()
            policy = answer.headers["Content-Security-Policy"]
            return Answer(answer.status, policy, answer.read())

    def connect(self, origin: str | None = None) -> websockets.sync.client.ClientConnection:
        url, page = f"wss://127.0.0.1:{self.server.ws}/ws", websockets.Origin(origin) if origin else None
        return websockets.sync.client.connect(url, ssl=self.trust, origin=page, proxy=None, close_timeout=2)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path, trustme.CA]:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1", "localhost")
    certfile, keyfile = tmp_path / "chat.crt", tmp_path / "chat.key"
    for blob in certificate.cert_chain_pems:
        blob.write_to_path(certfile, append=True)
    certificate.private_key_pem.write_to_path(keyfile)
    return certfile, keyfile, authority


@pytest.fixture
def secure(tmp_path: Path, files: tuple[Path, Path, trustme.CA]) -> Generator[Secure]:
    certfile, keyfile, authority = files
    trust = ssl.create_default_context()
    trust.load_verify_locations(cadata=authority.cert_pem.bytes().decode())
    more = ["--certfile", str(certfile), "--keyfile", str(keyfile)]
    with running_server(tmp_path, *more) as server:
        yield Secure(server, trust)


def test_the_page_and_its_websocket_are_of_tls_and_each_names_the_other(secure: Secure) -> None:
    page, config = secure.request("GET", "/"), secure.request("GET", "/config.json")
    ws = f"wss://127.0.0.1:{secure.server.ws}"
    assert (page.status, config.status) == (200, 200)
    assert f"connect-src 'self' {ws};" in page.policy
    assert json.loads(config.content)["ws"] == f"{ws}/ws"
    token = json.loads(secure.request("POST", "/login", name="alice").content)["token"]
    with secure.connect(origin=f"https://127.0.0.1:{secure.server.http}") as connection:
        alice = Peer(connection)
        alice.send("hello", token=token, session="tab")
        alice.until("welcome", user="alice")
        alice.send("join", room="r")
        alice.until("joined")
        assert alice.say("r", "nobody listens in", "1") == 1


def test_the_page_of_a_server_without_tls_may_not_connect(secure: Secure) -> None:
    for origin in (f"http://127.0.0.1:{secure.server.http}", "https://127.0.0.1"):
        with pytest.raises(websockets.InvalidStatus, match="403"), secure.connect(origin=origin):
            pass


def test_who_does_not_speak_tls_is_shut_out_and_hurts_nobody(secure: Secure) -> None:
    for port in (secure.server.ws, secure.server.http):
        for said in (b"GET /ws HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01" + bytes(100), b""):
            with closing(socket.create_connection(("127.0.0.1", port), PATIENCE)) as plain:
                plain.sendall(said)
                plain.shutdown(socket.SHUT_WR)
                assert b"HTTP/1.1 1" not in plain.recv(1000)
    with secure.connect() as connection:
        alice = Peer(connection)
        alice.send("hello", token=TOKENS.issue("alice"), session="tab")
        alice.until("welcome")
    assert "Traceback" not in secure.server.said
    assert "failed" not in secure.server.said


def test_who_does_not_trust_the_certificate_does_not_talk_to_it(secure: Secure) -> None:
    stranger = attrs.evolve(secure, trust=ssl.create_default_context())
    with pytest.raises(ssl.SSLCertVerificationError):
        stranger.request("GET", "/")
    with pytest.raises(ssl.SSLCertVerificationError), stranger.connect():
        pass


def test_what_it_prints_has_the_s(tmp_path: Path, files: tuple[Path, Path, trustme.CA]) -> None:
    certfile, keyfile, _ = files
    more = ["--certfile", str(certfile), "--keyfile", str(keyfile)]
    command = [sys.executable, "-m", "examples.chat", "--database", str(tmp_path / "chat.db"), *more]
    command += ["--http-port", "0", "--ws-port", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = [next(process.stdout) for _ in range(5)]
        process.terminate()
    ports = json.loads(said[-1])
    assert f"https://127.0.0.1:{ports['http']}/" in said[0]
    assert f"wss://127.0.0.1:{ports['ws']}/ws" in said[1]
    assert f"https://127.0.0.1:{ports['http']}/console/" in said[2]


@pytest.mark.parametrize("alone", ["--certfile", "--keyfile"])
def test_a_certificate_without_its_key_is_told_with_the_usage_and_nothing_starts(
    tmp_path: Path, alone: str
) -> None:
    status, out, said = run(alone, tmp_path / "chat.pem", folder=tmp_path)
    assert (status, out) == (2, "")
    assert "error: --certfile and --keyfile go together: give both, or none" in said
    assert list(tmp_path.iterdir()) == []


def test_a_certificate_that_cannot_be_used_is_one_sentence_and_nothing_starts(
    tmp_path: Path, files: tuple[Path, Path, trustme.CA]
) -> None:
    certfile, _, _ = files
    before = set(tmp_path.iterdir())
    for keyfile in (tmp_path / "no such key", certfile):
        status, out, said = run("--certfile", certfile, "--keyfile", keyfile, folder=tmp_path)
        assert (status, out, is_one_sentence(said)) == (1, "", True), said
        assert str(keyfile) in said
    assert set(tmp_path.iterdir()) == before
