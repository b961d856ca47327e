"""What the tests of the command line share: a supervisor's process, the command, and what it draws."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
from rich.console import Console, RenderableType

from .server import BUDGET

ROOT = Path(__file__).parents[2]

# Seconds. Never reached unless something is broken.
PATIENCE = 30.0

# What hangs is proven to hang after so many seconds.
PROVEN = BUDGET + 0.2

# Steers a terminal where it is printed as it is, breaks lines, and looks like markup.
HOSTILE = "[red]m\x1b[2J\x1b]0;o\x07\x9b31m\u202e\nw[/red] :smile:"
HARMLESS = r"[red]m\x1b[2J\x1b]0;o\x07\x9b31m\u202e\nw[/red] :smile:"


def drawn(view: RenderableType, width: int = 80) -> str:
    """As a terminal of that width shows it, without its colours."""
    file = io.StringIO()
    Console(file=file, width=width, force_terminal=False, markup=True, emoji=True).print(view)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines())


@attrs.frozen(eq=False)
class Server:
    """A supervisor in another process."""

    process: subprocess.Popen[str]
    socket: str
    console: str

    def spawn(self, user: str, key: str, kind: str = "healthy", *, node: int = 0) -> bool | str:
        """Obtain a manager; gives whether it was made, or why it was refused."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([user, key, kind, node]) + "\n")
        self.process.stdin.flush()
        answer: bool | str = json.loads(self.process.stdout.readline())
        return answer


@contextmanager
def open_server(folder: Path, *, users: int = 3, nodes: int = 0) -> Generator[Server]:
    """It listens once the block begins, and is gone when it has ended."""
    socket = str(folder / "trouper.sock")
    options = ["--users", str(users), "--nodes", str(nodes)]
    words = [sys.executable, "-W", "error", "-m", "tests.cli.server", socket, *options]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            console = process.stdout.readline().strip()
            assert console, "it did not come up"
            yield Server(process, socket, console)
            process.stdin.close()
            process.wait(PATIENCE)
        finally:
            process.kill()


def command(*arguments: object, **environ: str) -> subprocess.CompletedProcess[str]:
    """The real command, as one types it; its output goes into a pipe."""
    words = [sys.executable, "-W", "error", "-m", "supervisor", *map(str, arguments)]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TROUPER_")}
    return subprocess.run(
        words,
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=inherited | {"COLUMNS": "80"} | environ,
        timeout=PATIENCE,
    )


def facts(done: subprocess.CompletedProcess[str]) -> Any:
    """What it said with --json: one document, on one line, and nothing else."""
    assert done.stderr == ""
    [line] = done.stdout.splitlines()
    return json.loads(line)
