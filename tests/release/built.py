"""The wheel and the sdist, built as they would be for an index, and an environment that has the wheel."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import attrs

ROOT = Path(__file__).parent.parent.parent

# Far more than a build or an installation takes, in seconds.
PATIENCE = 120.0


@attrs.frozen
class Built:
    """What a release is made of."""

    sdist: Path
    wheel: Path


def build(to: Path) -> Built:
    """The sdist of this checkout, and the wheel that is made of that sdist."""
    perform([sys.executable, "-m", "build", "--no-isolation", "--outdir", to, ROOT])
    return Built(only(to, "*.tar.gz"), only(to, "*.whl"))


def build_wheel_of_the_checkout(to: Path) -> Path:
    """The wheel without the detour over an sdist."""
    perform([sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", to, ROOT])
    return only(to, "*.whl")


def environment_with(wheel: Path, at: Path) -> Path:
    """A new environment's Python: it has this wheel, and borrows from ours what that depends on.

    Nothing is fetched. What is installed in ours in editable form is not seen there.
    """
    perform([sys.executable, "-m", "venv", "--without-pip", at])
    python = at / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python)]
    perform([*pip, "install", "--quiet", "--no-deps", "--no-index", str(wheel)])
    ours = [path for path in sys.path if path.endswith("site-packages")]
    only(at / "lib", "python3*/site-packages").joinpath("borrowed.pth").write_text("\n".join(ours))
    return python


def only(folder: Path, pattern: str) -> Path:
    [found] = folder.glob(pattern)
    return found


def perform(command: Sequence[str | os.PathLike[str]], *, cwd: Path | None = None) -> str:
    """Run it, and give what it said; where it fails, that is in the error."""
    done = subprocess.run(
        command,
        check=False,
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}"
    return done.stdout
