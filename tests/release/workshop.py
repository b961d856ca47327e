"""What an environment is filled with: the wheel, what may be asked for beside it, and in which versions."""

from __future__ import annotations

import shutil
import tarfile
import tomllib
from pathlib import Path

import attrs

from .built import ROOT, Built, build
from .environment import Environment, uv

# The versions that CI runs with.
PINNED = ROOT / ".ci" / "constraints.txt"


@attrs.frozen
class Workshop:
    """One directory, in which one build is tried out in many environments."""

    folder: Path
    built: Built
    tree: Path
    """What the sdist holds, without the two packages: tests and examples find those of the wheel."""
    extras: tuple[str, ...]

    @classmethod
    def opened(cls, folder: Path) -> Workshop:
        built = build(folder / "dist")
        with tarfile.open(built.sdist) as sdist:
            sdist.extractall(folder, filter="data")
        tree = folder / built.sdist.name.removesuffix(".tar.gz")
        project = tomllib.loads((tree / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        for package in ("actors", "supervisor"):
            shutil.rmtree(tree / package)
        return cls(folder, built, tree, tuple(project["optional-dependencies"]))

    def environment(self, name: str, python: Path) -> Environment:
        """A new one, with nothing in it."""
        return Environment.made(self.folder / name, python, self.tree)

    def wheel(self, *extras: str) -> str:
        """It, as uv wants it named."""
        return f"trouper[{','.join(extras)}] @ {self.built.wheel.as_uri()}"

    def lowest(self, python: Path, *extras: str) -> Path:
        """Constraints: what we ask for ourselves as old as we allow it, what that brings as new as can be."""
        into = self.folder / f"lowest-{'-'.join(extras)}.txt"
        wanted = [word for extra in extras for word in ("--extra", extra)]
        how = [
            "--quiet",
            "--resolution",
            "lowest-direct",
            "--python",
            str(python),
            "--output-file",
            str(into),
        ]
        uv("pip", "compile", *how, *wanted, self.tree / "pyproject.toml")
        return into
