"""One supervisor in a process of its own, for all tests here that only need one; each has its own users."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from typing import Any, TypeAlias

import attrs
import pytest

from supervisor.cli import main

from .kit import Server, open_server


@attrs.frozen
class Said:
    """What a command said, and its status."""

    status: int
    out: str
    err: str

    @property
    def facts(self) -> Any:
        """With --json: one document, on one line, and nothing else."""
        [line] = self.out.splitlines()
        return json.loads(line)


Run: TypeAlias = Callable[..., Said]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    with open_server(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """A command, in this process; nothing of this environment says where a supervisor is."""
    monkeypatch.delenv("TROUPER_SOCKET", raising=False)
    monkeypatch.delenv("TROUPER_TOKEN", raising=False)
    monkeypatch.setenv("COLUMNS", "80")

    def run(*words: object) -> Said:
        try:
            status = main([str(word) for word in words])
        except SystemExit as left:  # argparse's way to say that it was used wrongly
            status = left.code if isinstance(left.code, int) else -1
        said = capsys.readouterr()
        return Said(status, said.out, said.err)

    return run


@pytest.fixture
def ask(run: Run, server: Server) -> Run:
    """A command to the supervisor that runs."""
    return lambda *words: run("--socket", server.socket, *words)
