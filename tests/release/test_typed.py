"""Whoever installs the wheel has its types: his program is checked by mypy and pyright at their strictest."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import attrs
import pytest

from .built import ROOT, Built, environment_with, only

PROGRAM = ROOT / "tests" / "release" / "consumer" / "program.py"

CONFIG = """\
[tool.mypy]
strict = true
cache_dir = "cache"

[tool.pyright]
include = ["program.py"]
typeCheckingMode = "strict"
enableTypeIgnoreComments = false
reportUnnecessaryTypeIgnoreComment = true
"""


@attrs.frozen
class Project:
    """Somebody's directory with one program, and the environment that it runs in."""

    folder: Path
    python: Path

    def check(self, checker: str) -> subprocess.CompletedProcess[str]:
        options = {
            "mypy": ["--python-executable", str(self.python), "program.py"],
            "pyright": ["--project", "pyproject.toml", "--pythonpath", str(self.python)],
        }
        command = [sys.executable, "-m", checker, *options[checker]]
        return subprocess.run(
            command, check=False, cwd=self.folder, capture_output=True, text=True, timeout=180
        )


@pytest.fixture(scope="module")
def project(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = tmp_path_factory.mktemp("consumer")
    (folder / "pyproject.toml").write_text(CONFIG)
    return Project(folder, environment_with(built.wheel, folder / ".venv"))


@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_right_uses_have_their_types_and_wrong_ones_are_errors(project: Project, checker: str) -> None:
    shutil.copy(PROGRAM, project.folder)
    done = project.check(checker)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_a_mistake_that_nobody_silences_is_seen(project: Project, checker: str) -> None:
    """So the one above is no success of a checker that looks at nothing."""
    wrong = (
        PROGRAM.read_text()
        .replace('tell("a")', "tell(b'a')")
        .replace("Words(Actor[str | HowMany | Find])", "Words(Actor[str])")
    )
    (project.folder / "program.py").write_text(wrong)
    assert project.check(checker).returncode == 1


def test_it_is_the_wheel_that_is_checked(project: Project) -> None:
    program = "import actors, supervisor; print(actors.__file__, supervisor.__file__)"
    said = subprocess.run(
        [project.python, "-c", program], check=True, cwd=project.folder, capture_output=True, text=True
    )
    assert all(
        Path(file).is_relative_to(only(project.folder, ".venv/lib/python*")) for file in said.stdout.split()
    )
