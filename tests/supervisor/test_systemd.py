"""systemd is told when the process is ready, fed only while it is fit to live, and told when it ends."""

from __future__ import annotations

import math
import os
import secrets
import socket
from collections.abc import Generator
from contextlib import closing
from functools import partial
from pathlib import Path

import attrs
import pytest
import trio
from trio.testing import MockClock

from supervisor import HandlerFailed, Supervisor, open_supervisor
from supervisor.systemd import Manager, feed_systemd
from supervisor.testing import Shielded, SlowStop
from supervisor.testing._machine import crash_next_sweep

from .harness import BUDGET, Crowd, opened, settle

PID = 42


@attrs.define(eq=False)
class Systemd:
    """Its end of the socket, and what it has heard there."""

    socket: socket.socket
    environ: dict[str, str]

    def heard(self) -> list[str]:
        """One string for each datagram since the last look."""
        said: list[str] = []
        while True:
            try:
                said.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                return said

    def lines(self) -> list[str]:
        return [line for said in self.heard() for line in said.splitlines()]

    def feed(self, supervisor: Supervisor, *, watchdog: float | None = None) -> None:
        if watchdog is not None:
            self.environ |= {"WATCHDOG_USEC": f"{watchdog * 1e6:.0f}", "WATCHDOG_PID": str(os.getpid())}
        supervisor.background.start_soon(feed_systemd, supervisor, self.environ)


def listening_at(address: str | bytes) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listening.setblocking(False)
    listening.bind(address)
    return listening


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "notify")


@pytest.fixture
def systemd(path: str) -> Generator[Systemd]:
    with closing(listening_at(path)) as listening:
        yield Systemd(listening, {"NOTIFY_SOCKET": path})


async def test_elsewhere_it_does_nothing_and_returns(autojump_clock: MockClock) -> None:
    async with opened() as (supervisor, _):
        await feed_systemd(supervisor, {"PATH": "/bin", "WATCHDOG_USEC": "1000000"})


async def test_it_is_ready_at_once_and_fed_at_half_the_interval(
    systemd: Systemd, autojump_clock: MockClock
) -> None:
    async with opened() as (supervisor, _):
        systemd.feed(supervisor, watchdog=30.0)
        await settle(0.1)
        assert systemd.heard() == ["READY=1\nSTATUS=ready\nWATCHDOG=1"]
        for _ in range(4):
            await trio.sleep(14.8)
            assert systemd.heard() == []
            await trio.sleep(0.2)
            assert systemd.heard() == ["WATCHDOG=1"]


@pytest.mark.parametrize("watchdog", [0.1, 1.0, 2.5, 7.0])
async def test_no_interval_is_too_short_for_it(
    watchdog: float, systemd: Systemd, autojump_clock: MockClock
) -> None:
    async with opened() as (supervisor, _):
        systemd.feed(supervisor, watchdog=watchdog)
        await trio.sleep(watchdog / 4)
        systemd.heard()
        for _ in range(10):
            await trio.sleep(watchdog / 2)
            assert systemd.heard() == ["WATCHDOG=1"]


async def test_without_a_watchdog_only_changes_are_told(systemd: Systemd, autojump_clock: MockClock) -> None:
    async with opened() as (supervisor, _):
        systemd.feed(supervisor)
        await trio.sleep(1000)
        assert systemd.heard() == ["READY=1\nSTATUS=ready"]


async def test_one_that_is_not_fit_to_live_is_not_fed_until_it_is_again(
    systemd: Systemd, autojump_clock: MockClock
) -> None:
    release = trio.Event()
    async with opened(2, condemned_allowance=0) as (supervisor, _):
        systemd.feed(supervisor, watchdog=2.0)
        await Crowd(supervisor).add("stuck", 1, partial(Shielded, release), at_work=True)
        await trio.sleep(BUDGET + 0.1)
        await supervisor.cleanup()
        systemd.heard()
        await trio.sleep(20)
        assert systemd.heard() == [
            "STATUS=not live: 1 user has more condemned managers than allowed, and lost slots to them"
        ]
        release.set()
        await trio.sleep(1)
        assert systemd.heard() == ["STATUS=ready\nWATCHDOG=1"]


async def test_a_problem_is_told_within_a_second(systemd: Systemd, autojump_clock: MockClock) -> None:
    async with opened(sweep_period=30.0, sweep_jitter=0.0) as (supervisor, _):
        systemd.feed(supervisor, watchdog=600.0)
        crash_next_sweep(supervisor)
        crash_next_sweep(supervisor)  # the second one takes it two seconds
        await trio.sleep(60.9)
        systemd.heard()
        await trio.sleep(1.15)
        assert systemd.heard() == [
            "STATUS=not live: the background cleanup crashed, and does not run for 2 s"
        ]
        await trio.sleep(2)
        assert systemd.heard() == ["STATUS=ready"]


async def test_the_end_is_told_when_it_begins_and_it_is_fed_until_it_is_over(
    systemd: Systemd, autojump_clock: MockClock
) -> None:
    async with open_supervisor() as supervisor:
        systemd.feed(supervisor, watchdog=2.0)
        await Crowd(supervisor).add("tab", 1, partial(SlowStop, 4.5))
        await settle(0.5)
        systemd.heard()
    assert systemd.heard() == ["STOPPING=1\nSTATUS=shutting down\nWATCHDOG=1", *["WATCHDOG=1"] * 4]


async def test_an_end_of_no_time_is_told_too(systemd: Systemd, autojump_clock: MockClock) -> None:
    async with open_supervisor() as supervisor:
        systemd.feed(supervisor)
        await settle(0.5)
        assert systemd.lines() == ["READY=1", "STATUS=ready"]
    assert systemd.lines() == ["STOPPING=1", "STATUS=shutting down"]


async def test_one_that_is_ending_already_was_never_ready(
    systemd: Systemd, autojump_clock: MockClock
) -> None:
    async with open_supervisor() as supervisor:
        pass
    with trio.move_on_after(10):
        await feed_systemd(supervisor, systemd.environ)
    assert systemd.lines() == ["STOPPING=1", "STATUS=shutting down"]


async def test_who_only_stops_feeding_does_not_tell_of_an_end(
    systemd: Systemd, autojump_clock: MockClock
) -> None:
    async with opened() as (supervisor, _):
        with trio.move_on_after(10):
            await feed_systemd(supervisor, systemd.environ)
        assert systemd.lines() == ["READY=1", "STATUS=ready"]


async def test_a_socket_without_a_file_is_found(autojump_clock: MockClock) -> None:
    name = f"trouper-{secrets.token_hex(8)}"
    with closing(listening_at(b"\0" + name.encode())) as listening:
        systemd = Systemd(listening, {"NOTIFY_SOCKET": f"@{name}"})
        async with opened() as (supervisor, _):
            systemd.feed(supervisor)
            await settle()
            assert systemd.lines() == ["READY=1", "STATUS=ready"]


async def test_what_it_could_not_hear_it_hears_later(
    path: str, systemd: Systemd, autojump_clock: MockClock
) -> None:
    async with open_supervisor() as supervisor:
        systemd.feed(supervisor, watchdog=10.0)
        await settle(0.5)
        systemd.socket.close()
        await trio.sleep(60)
        Path(path).unlink()
        with closing(listening_at(path)) as systemd.socket:
            await trio.sleep(1)
            assert systemd.heard() == ["WATCHDOG=1"]
            await Crowd(supervisor).get("tab")


async def test_a_full_queue_holds_up_nobody_and_costs_no_news(
    systemd: Systemd, autojump_clock: MockClock
) -> None:
    release = trio.Event()
    async with opened(2, condemned_allowance=0) as (supervisor, _):
        systemd.feed(supervisor, watchdog=0.02)
        await settle(100)
        assert len(systemd.heard()) > 5
        await settle(100)
        await Crowd(supervisor).add("stuck", 1, partial(Shielded, release), at_work=True)
        await trio.sleep(BUDGET + 0.1)
        await supervisor.cleanup()
        await trio.sleep(100)
        assert not any("STATUS" in line for line in systemd.lines()), "its queue was full"
        await trio.sleep(1)
        assert [line[:16] for line in systemd.lines()] == ["STATUS=not live:"]
        release.set()


async def test_where_nobody_listens_it_says_so_at_once(path: str, autojump_clock: MockClock) -> None:
    async with opened() as (supervisor, log):
        supervisor.background.start_soon(feed_systemd, supervisor, {"NOTIFY_SOCKET": path})
        await settle()
        [failed] = log.of(HandlerFailed)
        assert isinstance(failed.error, FileNotFoundError)


# What systemd says


@pytest.mark.parametrize(
    ("environ", "manager"),
    [
        ({}, None),
        ({"NOTIFY_SOCKET": ""}, None),
        ({"WATCHDOG_USEC": "1000"}, None),
        ({"NOTIFY_SOCKET": "/run/n"}, Manager("/run/n", None)),
        ({"NOTIFY_SOCKET": "@n/m"}, Manager(b"\0n/m", None)),
        ({"NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "2500000"}, Manager("/n", 2.5)),
        ({"NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": ""}, Manager("/n", None)),
        ({"NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "2500000", "WATCHDOG_PID": "42"}, Manager("/n", 2.5)),
        ({"NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "2500000", "WATCHDOG_PID": "43"}, Manager("/n", None)),
    ],
)
def test_its_variables_are_understood(environ: dict[str, str], manager: Manager | None) -> None:
    assert Manager.named_in(environ, pid=PID) == manager


@pytest.mark.parametrize(
    ("environ", "problem"),
    [
        ({"NOTIFY_SOCKET": "run/n"}, "NOTIFY_SOCKET must be a path, or @ and a name, not 'run/n'"),
        ({"NOTIFY_SOCKET": "vsock:2:1"}, "NOTIFY_SOCKET must be a path"),
        ({"NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "soon"}, "WATCHDOG_USEC must be a number of microsec"),
        ({"NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "0"}, "WATCHDOG_USEC must be a number of microseconds"),
        ({"NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "-1"}, "WATCHDOG_USEC must be a number of microseconds"),
    ],
)
def test_variables_without_sense_are_refused(environ: dict[str, str], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Manager.named_in(environ, pid=PID)


def test_the_numbers_are_finite() -> None:
    manager = Manager.named_in({"NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": str(2**64 - 1)}, pid=PID)
    assert manager is not None
    assert manager.watchdog is not None
    assert math.isfinite(manager.watchdog)
