"""Every CPython to be had on this machine that the wheel says it runs on, the newest of each version."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

OLDEST = (3, 11)


class Parts(TypedDict):
    major: int
    minor: int
    patch: int


class Found(TypedDict):
    """What uv tells of one Python."""

    version_parts: Parts
    path: str
    implementation: str
    variant: str


def pythons() -> dict[str, Path]:
    """By their version ("3.12"): those on the path, and those that pyenv has, switched on or not."""
    folders = [*os.environ.get("PATH", "").split(os.pathsep), *_of_pyenv()]
    listed = subprocess.run(
        [sys.executable, "-m", "uv", "python", "list", "--only-installed", "--output-format", "json"],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": os.pathsep.join(folders)},
    )
    return newest_of_each(json.loads(listed.stdout))


def newest_of_each(found: Sequence[Found]) -> dict[str, Path]:
    """CPython with its usual build only; what has the same version twice is taken where it comes first."""
    best: dict[tuple[int, int], tuple[int, str]] = {}
    for one in found:
        version = one["version_parts"]["major"], one["version_parts"]["minor"]
        if one["implementation"] == "cpython" and one["variant"] == "default" and version >= OLDEST:
            patch = one["version_parts"]["patch"]
            if version not in best or patch > best[version][0]:
                best[version] = patch, one["path"]
    return {f"{major}.{minor}": Path(path) for (major, minor), (_, path) in sorted(best.items())}


def _of_pyenv() -> list[str]:
    """Where pyenv keeps its own; its shims alone hide those that are not switched on."""
    pyenv = shutil.which("pyenv")
    if pyenv is None:
        return []
    root = subprocess.run([pyenv, "root"], check=True, capture_output=True, text=True).stdout.strip()
    return [str(folder) for folder in sorted(Path(root).glob("versions/*/bin"))]
