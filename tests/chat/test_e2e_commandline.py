"""The command line: tokens, the secret, and one clear sentence when something is in the way."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from examples.chat.__main__ import main
from examples.chat.tokens import Tokens

from .support import PATIENCE, ROOT, SECRET, Serve, peer

ENVIRON = {name: value for name, value in os.environ.items() if name != "TROUPER_CHAT_SECRET"}


def run(*arguments: str | Path, secret: str | None = None, folder: Path = ROOT) -> tuple[int, str, str]:
    """Run the command; gives its status, and what it printed to stdout and stderr."""
    command = [sys.executable, "-m", "examples.chat", *map(str, arguments)]
    environ = ENVIRON | {"PYTHONPATH": str(ROOT)}
    if secret is not None:
        environ["TROUPER_CHAT_SECRET"] = secret
    done = subprocess.run(
        command, cwd=folder, env=environ, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    return done.returncode, done.stdout, done.stderr


def is_one_sentence(text: str) -> bool:
    return text.startswith("chat: ") and text.endswith("\n") and text.count("\n") == 1


def test_a_token_is_printed_alone_and_signed_with_the_secret_beside_the_database(tmp_path: Path) -> None:
    database = tmp_path / "chat.db"
    status, token, said = run("token", "alice", "--database", database)
    assert (status, said) == (0, "")
    secret = tmp_path / "chat.db.secret"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert Tokens(secret.read_text().strip()).verify(token.strip()).user == "alice"
    assert not database.exists()
    again = run("--database", database, "token", "a b<é")[1]
    assert Tokens(secret.read_text().strip()).verify(again.strip()).user == "a b<é"


def test_the_secret_of_the_environment_goes_first_and_leaves_no_file(tmp_path: Path) -> None:
    status, token, _ = run("token", "alice", secret=SECRET, folder=tmp_path)
    assert (status, Tokens(SECRET).verify(token.strip()).user) == (0, "alice")
    assert list(tmp_path.iterdir()) == []


def test_a_printed_token_is_good_for_a_server_with_the_same_secret(serve: Serve, tmp_path: Path) -> None:
    server = serve()
    token = run("token", "alice", secret=SECRET, folder=tmp_path)[1].strip()
    with peer(server.ws, "bob") as client:
        client.until("welcome")
    with peer(server.ws, "", token=token) as client:
        assert client.until("welcome")["user"] == "alice"


def test_a_secret_that_others_can_read_is_refused(tmp_path: Path) -> None:
    run("token", "alice", folder=tmp_path)
    secret = tmp_path / "chat.sqlite3.secret"
    secret.chmod(0o644)
    for arguments in (("token", "alice"), ("--http-port", "0", "--ws-port", "0")):
        status, out, said = run(*arguments, folder=tmp_path)
        assert (status, out, is_one_sentence(said)) == (1, "", True), said
        assert "0644" in said
        assert "0600" in said
        assert secret.read_text().strip() not in said


@pytest.mark.parametrize("option", ["--http-port", "--ws-port"])
def test_a_port_in_use_is_one_clear_sentence_and_status_1(tmp_path: Path, option: str) -> None:
    other = {"--http-port": "--ws-port", "--ws-port": "--http-port"}[option]
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        status, out, said = run(option, str(port), other, "0", folder=tmp_path)
    *log, last = said.splitlines(keepends=True)
    assert (status, out, is_one_sentence(last)) == (1, "", True), said
    assert all(" INFO " in line for line in log)
    assert "in use" in last
    assert option in last
    assert str(port) in last


@pytest.mark.parametrize(
    "arguments",
    [
        ["--limit", "-1"],
        ["--limit", "many"],
        ["--limit", "1.5"],
        ["--http-port", "65536"],
        ["--ws-port", "-1"],
        ["--ws-port", ""],
        ["--unheard-of"],
        ["token"],
        ["token", ""],
        ["token", "x" * 41],
        ["token", "a\nb"],
        ["unheard-of"],
    ],
    ids=" ".join,
)
def test_bad_options_are_told_with_the_usage(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["chat", *arguments])
    with pytest.raises(SystemExit, match="2"):
        main()
    out, said = capsys.readouterr()
    assert out == ""
    assert said.startswith("usage: ")
    assert "error: " in said.splitlines()[-1]


def test_a_bad_option_ends_the_process_with_status_2_and_leaves_nothing(tmp_path: Path) -> None:
    status, out, said = run("--limit", "-1", folder=tmp_path)
    assert (status, out) == (2, "")
    assert "must be a whole number from 0 to 1000000, not '-1'" in said
    assert list(tmp_path.iterdir()) == []


def test_a_database_that_cannot_be_is_one_clear_sentence(tmp_path: Path) -> None:
    ports = ["--http-port", "0", "--ws-port", "0"]
    status, out, said = run("--database", tmp_path / "no folder" / "chat.db", *ports, secret=SECRET)
    assert (status, out, is_one_sentence(said)) == (1, "", True), said
    assert "no folder" in said
    (tmp_path / "text.txt").write_text("this is no database, " * 100)
    status, out, said = run("--database", tmp_path / "text.txt", *ports, secret=SECRET)
    assert (status, out, is_one_sentence(said)) == (1, "", True), said
    assert "text.txt" in said
