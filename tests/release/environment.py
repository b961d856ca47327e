"""A clean environment: one Python, what is installed in it, and programs run in it far from the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import attrs

# One installation, or one program; the tests have more. In seconds.
PATIENCE = 300.0

Word = str | os.PathLike[str]


class Failed(Exception):
    """A command ended otherwise than it should have."""

    def __init__(self, command: Sequence[Word], said: str, why: str) -> None:
        super().__init__(command, said, why)
        self.command, self.said, self.why = command, said, why

    def __str__(self) -> str:
        return f"$ {' '.join(map(str, self.command))}\n{self.said}\n{self.why}"


@attrs.frozen
class Environment:
    """Installed into by uv, which keeps what it has fetched: a second one of the same costs a second."""

    folder: Path
    tree: Path
    """Where programs run: what the sdist holds, without the two packages. So they find the wheel's."""

    @classmethod
    def made(cls, folder: Path, python: Path, tree: Path) -> Environment:
        uv("venv", "--quiet", "--python", python, folder)
        return cls(folder, tree)

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    def install(self, *what: Word, constraints: Path) -> None:
        """`what` is as pip has it, `--group test` included: that is the tree's."""
        uv("pip", "install", "--quiet", "--python", self.python, "-c", constraints, *what, cwd=self.tree)

    def run(self, *arguments: Word, status: int = 0, patience: float = PATIENCE) -> str:
        """What Python says to these arguments, with warnings as errors.

        Raises Failed: its exit status is another one.
        """
        return _perform([self.python, "-W", "error", *arguments], self.tree, status, patience)

    def command(self, name: str, *arguments: Word, status: int = 0) -> str:
        """What an installed command says."""
        return _perform([self.folder / "bin" / name, *arguments], self.tree, status, PATIENCE)


def uv(*arguments: Word, cwd: Path | None = None) -> None:
    _perform([sys.executable, "-m", "uv", *arguments], cwd, 0, PATIENCE)


def _perform(command: Sequence[Word], cwd: Path | None, status: int, patience: float) -> str:
    apart = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    try:
        done = subprocess.run(
            command,
            check=False,
            cwd=cwd,
            env=apart,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=patience,
        )
    except subprocess.TimeoutExpired as expired:
        raise Failed(command, str(expired.output), f"took more than {patience:g} s") from None
    if done.returncode != status:
        raise Failed(command, done.stdout, f"status {done.returncode}, not {status}")
    return done.stdout
