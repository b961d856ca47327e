"""What the guides say: each failure looks as it is told, and each default is the one that holds."""

from __future__ import annotations

import ast
import re
import subprocess
import sys

import attrs
import pytest

from examples.failures.__main__ import FAILURES
from supervisor import ChildSpec, DrainSpec, HealthPolicy, RestartPolicy, SupervisorSpec

from .test_documents import GUIDES, ROOT

STORIES: dict[str, str] = dict(
    re.findall(r"```console\n\$ python -m examples\.failures (\S+)\n(.*?)```", GUIDES, flags=re.DOTALL)
)
SPECS: tuple[type[attrs.AttrsInstance], ...] = (
    HealthPolicy,
    ChildSpec,
    RestartPolicy,
    SupervisorSpec,
    DrainSpec,
)


def without_numbers(text: str) -> list[str]:
    """Its lines in any order, since a log and its program write as they come."""
    return sorted(re.sub(r"\d+(\.\d+)?(e-\d+)?", "N", text).splitlines())


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_looks_as_it_is_told(name: str) -> None:
    command = [sys.executable, "-W", "error", "-m", "examples.failures", name]
    done = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert without_numbers(done.stdout.replace(f"{ROOT}/", "")) == without_numbers(STORIES[name])


def test_every_failure_has_a_story_with_its_why_and_what_to_do() -> None:
    assert set(STORIES) == set(FAILURES)
    assert GUIDES.count("\n*Why*: ") == GUIDES.count("\n*Do*: ") == len(FAILURES)


def test_an_unknown_failure_is_answered_with_all_names() -> None:
    command = [sys.executable, "-m", "examples.failures", "unknown"]
    done = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (1, f"one of: {' '.join(FAILURES)}\n")


@pytest.mark.parametrize("spec", SPECS)
def test_each_default_that_the_guide_tells_is_the_one_that_holds(spec: type[attrs.AttrsInstance]) -> None:
    [section] = re.findall(rf"^### `{spec.__name__}`: .*?\n(?=##)", GUIDES, flags=re.DOTALL | re.MULTILINE)
    told = {
        name: ast.literal_eval(default)
        for name, default in re.findall(r"^\| `(\w+)` \| (\S+) \|", section, re.MULTILINE)
    }
    fields = attrs.fields_dict(spec)
    assert len(told) >= 5
    assert {name: fields[name].default for name in told} == told
