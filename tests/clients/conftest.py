"""The clients, each started once, and the chat that they talk to."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Generator
from contextlib import ExitStack
from pathlib import Path
from typing import NoReturn

import attrs
import pytest

from tests.chat.conftest import running_server
from tests.chat.support import Server

from .driver import Driver, start
from .kinds import KINDS, Kind, MissingError

_numbers = itertools.count(1)


@attrs.define(eq=False)
class Drivers:
    """The clients that run; one that a test left in the middle of something is not used again."""

    _running: dict[Kind, Driver] = attrs.field(init=False, factory=dict[Kind, Driver])

    def take(self, kind: Kind) -> Driver:
        """The client, ready to connect. Raises MissingError."""
        if kind not in self._running:
            self._running[kind] = start(kind)
        return self._running[kind]

    def put_back(self, driver: Driver) -> None:
        if driver.connected or driver.process.poll() is not None or not driver.told.empty():
            self._running.pop(driver.kind).end()

    def end(self) -> None:
        statuses = {kind.name: driver.end() for kind, driver in self._running.items()}
        assert not any(statuses.values()), statuses


@pytest.fixture(scope="module")
def drivers() -> Generator[Drivers]:
    drivers = Drivers()
    yield drivers
    drivers.end()


def missing(error: MissingError) -> NoReturn:
    """Where CI runs a client must not be missing."""
    if os.environ.get("CI"):
        pytest.fail(str(error))
    pytest.skip(str(error))


Take = Callable[[Kind], Driver]


@pytest.fixture
def take(drivers: Drivers) -> Generator[Take]:
    """Take a client for this test."""
    with ExitStack() as taken:

        def take_one(kind: Kind) -> Driver:
            try:
                driver = drivers.take(kind)
            except MissingError as error:
                missing(error)
            taken.callback(drivers.put_back, driver)
            return driver

        yield take_one


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def client(take: Take, request: pytest.FixtureRequest) -> Driver:
    """Each client in turn."""
    return take(request.param)


@pytest.fixture
def everybody(take: Take) -> list[Driver]:
    """All clients at once."""
    return [take(kind) for kind in KINDS]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    """A chat with a limit of one session a user. Many tests share it: users and rooms are their own."""
    with running_server(tmp_path_factory.mktemp("chat"), limit=1, http=0, ws=0) as server:
        yield server


@pytest.fixture
def number() -> int:
    """For names of users and rooms that no other test has."""
    return next(_numbers)


@pytest.fixture
def own_server(tmp_path: Path) -> Generator[Server]:
    """A chat that a test may end."""
    with running_server(tmp_path, limit=20, http=0, ws=0) as server:
        yield server
