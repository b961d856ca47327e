"""What is in the wheel and in the sdist, and what the index is told of them."""

from __future__ import annotations

import sys
import tarfile
from email.message import Message
from email.parser import Parser
from pathlib import Path
from zipfile import ZipFile

import pytest

from .built import ROOT, Built, build_wheel_of_the_checkout, perform

# Half of it is the console; nothing that weighs more than this gets in unseen. In bytes.
LARGEST_WHEEL = 1_000_000

PACKAGES = ("actors", "supervisor")
META = "trouper-0.1.0.dist-info"


@pytest.fixture(scope="module")
def names(built: Built) -> set[str]:
    with ZipFile(built.wheel) as wheel:
        return set(wheel.namelist())


@pytest.fixture(scope="module")
def metadata(built: Built) -> Message:
    with ZipFile(built.wheel) as wheel:
        return Parser().parsestr(wheel.read(f"{META}/METADATA").decode())


def sources() -> set[str]:
    """The files of both packages, as they lie here."""
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("*") if path.is_file()]
    return {str(path.relative_to(ROOT)) for path in files if "__pycache__" not in path.parts}


def test_the_wheel_has_both_packages_whole_and_nothing_else(names: set[str]) -> None:
    assert {name for name in names if not name.startswith(META)} == sources()


def test_what_is_not_python_is_in_it_too(names: set[str]) -> None:
    assert names >= {
        "actors/py.typed",
        "supervisor/py.typed",
        "supervisor/alerts/rules.yml",
        "supervisor/console/static/index.html",
    }


def test_our_licence_and_that_of_what_the_console_carries_are_told(
    names: set[str], metadata: Message
) -> None:
    told = metadata.get_all("License-File", [])
    assert told == ["LICENSE", "supervisor/console/static/vendor/uplot/LICENSE"]
    assert names >= {f"{META}/licenses/{file}" for file in told}
    assert metadata["License-Expression"] == "MIT"


def test_the_wheel_is_small_and_for_every_platform(built: Built) -> None:
    assert built.wheel.name.endswith("-py3-none-any.whl")
    assert built.wheel.stat().st_size < LARGEST_WHEEL


def test_the_sdist_makes_the_wheel_that_the_checkout_makes(built: Built, tmp_path: Path) -> None:
    assert build_wheel_of_the_checkout(tmp_path).read_bytes() == built.wheel.read_bytes()


def test_the_sdist_has_the_tests_and_what_they_read(built: Built) -> None:
    with tarfile.open(built.sdist) as sdist:
        found = {name.partition("/")[2] for name in sdist.getnames()}
    assert found >= sources() | {"README.md", "LICENSE", "pyproject.toml", ".ci/constraints.txt"}
    assert {str(path.relative_to(ROOT)) for path in (ROOT / "tests").rglob("*.py")} <= found
    assert not [name for name in found if "__pycache__" in name or name.startswith((".git/", ".venv/"))]


def test_an_index_can_show_the_readme(built: Built, metadata: Message) -> None:
    perform([sys.executable, "-m", "twine", "check", "--strict", built.wheel, built.sdist])
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata.get_payload() == (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_index_is_told_which_pythons_it_runs_on(metadata: Message) -> None:
    versions = [
        said.rpartition(" ")[2]
        for said in metadata.get_all("Classifier", [])
        if said.startswith("Programming Language :: Python :: 3.")
    ]
    assert metadata["Requires-Python"] == f">={versions[0]}"
    assert versions == ["3.11", "3.12", "3.13"], "those that `python -m tests.release` was run on"


def test_the_core_needs_trio_attrs_and_outcome_alone(metadata: Message) -> None:
    core = [need for need in metadata.get_all("Requires-Dist", []) if "extra ==" not in need]
    assert sorted(need.partition(">=")[0] for need in core) == ["attrs", "outcome", "trio"]
