"""Which Pythons the wheel is tried on."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from .built import ROOT
from .pythons import OLDEST, Found, newest_of_each, pythons
from .steps import CORE_TESTS, TESTS


def found(
    major: int, minor: int, patch: int, *, implementation: str = "cpython", variant: str = "default"
) -> Found:
    return {
        "version_parts": {"major": major, "minor": minor, "patch": patch},
        "path": f"/{implementation}-{variant}-{major}.{minor}.{patch}",
        "implementation": implementation,
        "variant": variant,
    }


def test_of_each_version_the_newest_is_taken_in_order_of_versions() -> None:
    here = [
        found(3, 13, 0),
        found(3, 9, 18),
        found(3, 12, 1),
        found(3, 12, 10),
        found(3, 12, 9),
        found(2, 7, 18),
    ]
    assert newest_of_each(here) == {
        "3.12": Path("/cpython-default-3.12.10"),
        "3.13": Path("/cpython-default-3.13.0"),
    }


@pytest.mark.parametrize(
    "other", [found(3, 12, 9, implementation="pypy"), found(3, 12, 9, variant="freethreaded")]
)
def test_other_implementations_and_builds_are_not_those_that_it_is_promised_for(other: Found) -> None:
    assert newest_of_each([other]) == {}


def test_the_one_that_runs_the_tests_is_among_those_found() -> None:
    assert f"{sys.version_info.major}.{sys.version_info.minor}" in pythons()


def test_the_oldest_is_the_one_that_the_project_names() -> None:
    oldest = ".".join(map(str, OLDEST))
    assert f'requires-python = ">={oldest}"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_every_test_that_is_to_be_run_or_left_out_is_there() -> None:
    assert [
        name for name in (*TESTS, *CORE_TESTS) if not (ROOT / name.removeprefix("--ignore=")).exists()
    ] == []
