"""What is tried out, in one clean environment each; a step that fails raises."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import attrs

from . import smoke
from .environment import Environment
from .listing import public_modules
from .workshop import PINNED, Workshop

# All but browsers, servers of the chat and measurements; and but for what takes minutes by its numbers.
TESTS = (
    "tests/actors",
    "tests/supervisor",
    "tests/operations",
    "tests/cli",
    "--ignore=tests/supervisor/test_restart_crowd.py",
    "--ignore=tests/supervisor/test_machine.py",
    "--ignore=tests/supervisor/test_metrics_recount.py",
    "--ignore=tests/supervisor/test_endurance.py",
)

# The core's own lowest versions are older than those that the journal allows: these do without it.
CORE_TESTS = (
    "tests/actors",
    "tests/supervisor/test_admission.py",
    "tests/supervisor/test_force.py",
    "tests/supervisor/test_health.py",
    "tests/supervisor/test_reaping.py",
    "tests/supervisor/test_spawn.py",
    "tests/supervisor/test_threads.py",
    "tests/supervisor/test_watchdog.py",
)
CORE_EXTRAS = ("websocket", "testing")
CORE_TOOLS = ("pytest", "pytest-trio", "trustme")

# For all tests in one environment, in seconds.
PATIENCE = 1800.0


@attrs.frozen
class Step:
    """One environment, and what must hold in it."""

    name: str
    perform: Callable[[], None]


def steps(workshop: Workshop, pythons: dict[str, Path], *, tests: bool) -> Iterator[Step]:
    """Each Python with the versions of CI, then the oldest Python with the lowest versions."""
    for version, python in pythons.items():
        yield Step(f"Python {version}", partial(_with_pins, workshop, version, python, tests=tests))
    oldest = next(iter(pythons.values()))
    yield Step("lowest of the core", partial(_with_the_cores_lowest, workshop, oldest, tests=tests))
    yield Step("lowest of all", partial(_with_the_lowest_of_all, workshop, oldest, tests=tests))


def _with_pins(workshop: Workshop, version: str, python: Path, *, tests: bool) -> None:
    environment = workshop.environment(version, python)
    _everything(environment, workshop, PINNED, PINNED, tests=tests)


def _with_the_lowest_of_all(workshop: Workshop, python: Path, *, tests: bool) -> None:
    environment = workshop.environment("all", python)
    of_all = workshop.lowest(python, *workshop.extras)
    _everything(environment, workshop, workshop.lowest(python), of_all, tests=tests)


def _everything(environment: Environment, workshop: Workshop, bare: Path, full: Path, *, tests: bool) -> None:
    environment.install(workshop.wheel(), constraints=bare)
    smoke.bare(environment)
    environment.install(workshop.wheel(*workshop.extras), constraints=full)
    smoke.full(environment, public_modules())
    if tests:
        environment.install("--group", "test", constraints=full)
        _test(environment, TESTS)


def _with_the_cores_lowest(workshop: Workshop, python: Path, *, tests: bool) -> None:
    environment = workshop.environment("core", python)
    environment.install(workshop.wheel(), constraints=workshop.lowest(python))
    smoke.bare(environment)
    if tests:
        lowest = workshop.lowest(python, *CORE_EXTRAS)
        environment.install(workshop.wheel(*CORE_EXTRAS), *CORE_TOOLS, constraints=lowest)
        _test(environment, CORE_TESTS)


def _test(environment: Environment, what: tuple[str, ...]) -> None:
    environment.run("-m", "pytest", "-q", "-p", "no:cacheprovider", *what, patience=PATIENCE)
