"""Used wrongly, or nobody there: status 2, one sentence that names the thing and the way out, and no more."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from .conftest import Run, Said
from .kit import ROOT, command

LOOKS = ["top", "ps", "alerts", "refusals", "dump", "events"]


@pytest.mark.parametrize(
    "words", [[name] for name in LOOKS] + [["explain", "ann"], ["limit", "3"], ["cleanup"]]
)
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_where_nobody_answers_one_is_told_where_it_was_tried(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], options: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    sentence = "no supervisor answers at ./trouper.sock: is it running? choose another with --socket"
    assert run(*words, *options) == Said(2, "", f"trouper: {sentence}\n")


def test_events_that_are_followed_need_somebody_too(run: Run) -> None:
    said = run("events", "--follow", "--socket", "/nowhere/trouper.sock")
    assert (said.status, said.out) == (2, "")
    assert said.err.startswith("trouper: no supervisor answers at /nowhere/trouper.sock")


@contextmanager
def answering(path: Path, answer: bytes) -> Generator[None]:
    """Somebody else sits there, and says that to the first who asks for anything."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()

        def serve() -> None:
            asked = b""
            while not asked:  # some only knock
                guest, _ = listening.accept()
                with guest:
                    asked = guest.recv(65536)
                    if asked:
                        guest.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield
        thread.join()


def http(status: str, body: bytes) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (b"", "went away: "),
        (b"220 mail.example ESMTP\r\n", "went away: "),
        (http("200 OK", b"hi"), "is no supervisor (200 OK): "),
        (http("500 Oh", b"{}"), "is no supervisor (500 Oh): "),
        (http("503 No", b'{"error": "\\u001b[2J"}'), r"trouper: \x1b[2J"),
    ],
)
def test_somebody_else_who_answers_is_not_taken_for_a_supervisor(
    run: Run, tmp_path: Path, answer: bytes, sentence: str
) -> None:
    with answering(tmp_path / "it", answer):
        said = run("ps", "--socket", tmp_path / "it")
    assert (said.status, said.out) == (2, "")
    assert sentence in said.err
    assert said.err.count("\n") == 1


def test_a_socket_of_somebody_else_is_told_so(run: Run, tmp_path: Path) -> None:
    # Root, whom no mode keeps out, gets further, and finds nobody.
    expected = "no supervisor answers" if os.geteuid() == 0 else "you may not open"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "it"))
        (tmp_path / "it").chmod(0)
        assert expected in run("ps", "--socket", tmp_path / "it").err


def test_one_that_does_not_answer_is_given_up(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("supervisor.cli._client.PATIENCE", 0.1)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "it"))
        listening.listen()
        began = time.monotonic()
        said = run("ps", "--socket", tmp_path / "it")
        assert time.monotonic() - began < 3.0
    assert said == Said(2, "", f"trouper: {tmp_path / 'it'} does not answer: its event loop may be blocked\n")


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ([], "required"),
        (["fly"], "invalid choice"),
        (["limit", "-1"], "a whole number from 0 to 1,000,000"),
        (["limit", "many"], "a whole number from 0 to 1,000,000, not 'many'"),
        (["events", "--last", "99999999"], "a whole number"),
        (["ps", "--socket", "a", "--url", "b"], "not allowed with"),
        (["cleanup", "--until", "ever"], "invalid choice"),
        (["stop", "ann", "--incarnation", "3"], "--incarnation goes with KEY"),
        (["explain-settings", "--set", "limit"], "say what it is set to"),
        (["ps", "--url", "console"], "is no address"),
        (["ps", "--url", "http://[::1"], "is no address"),
        (["ps", "--socket", "long" * 100], "(AF_UNIX path too long)"),
        (["check", "/nowhere"], "cannot read /nowhere: No such file or directory"),
    ],
)
def test_what_cannot_be_meant_is_told(run: Run, words: list[str], problem: str) -> None:
    said = run(*words)
    assert (said.status, said.out) == (2, "")
    assert problem in said.err


def test_where_it_is_can_be_said_before_the_command_or_after_it(run: Run) -> None:
    before = run("--socket", "/nowhere/a", "ps").err
    assert before.startswith("trouper: no supervisor answers at /nowhere/a:")
    assert run("--socket", "/nowhere/b", "ps", "--socket", "/nowhere/a").err == before


def test_a_missing_extra_is_one_sentence_and_check_needs_none(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:

    def find_spec(name: str) -> ModuleSpec | None:
        return None if name in {"rich", "httpx2"} else ModuleSpec(name, None)

    monkeypatch.setattr("supervisor.cli._main.find_spec", find_spec)
    missing = "trouper: this command needs httpx2 and rich: pip install 'trouper[cli]'\n"
    assert run("ps") == Said(2, "", missing)
    assert run("demo") == Said(2, "", missing.replace("httpx2 and ", ""))
    assert "cannot read" in run("check", tmp_path / "none").err


def test_a_command_loads_only_what_it_needs() -> None:
    program = (
        "import sys; from supervisor.cli import main; main(['check', 'none']); "
        "print(sorted({'rich', 'httpx2', 'typed_settings', 'starlette'} & {*sys.modules}))"
    )
    words = [sys.executable, "-c", program]
    done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "[]\n"


def test_help_tells_every_command_and_what_the_statuses_mean() -> None:
    said = command("--help").stdout
    for name in [
        *LOOKS,
        "explain",
        "cleanup",
        "stop",
        "limit",
        "probing",
        "explain-settings",
        "demo",
        "check",
    ]:
        assert f"\n    {name} " in said or f"\n    {name}\n" in said
    assert "Exit status: 0 done; 1 refused" in said
    assert "Exit status: 0 done; 1 refused" in command("cleanup", "--help").stdout


def test_whoever_stops_reading_hears_no_complaint() -> None:
    words = f"{sys.executable} -m supervisor explain-settings | true"
    done = subprocess.run(["/bin/sh", "-c", words], capture_output=True, text=True, check=False, cwd=ROOT)
    assert (done.stdout, done.stderr) == ("", "")
