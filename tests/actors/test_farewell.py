"""What a client is told whose handler let an error out: its own words, where the error has some."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from actors import ActorStopped, Connection, Exit, ExitReason, TooManyConnections
from actors._edge import noting
from supervisor import SupervisorClosed
from supervisor.testing import connection


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        (TooManyConnections("ann/tab#1", 8), 1013, "This session has 8 connections already."),
        (ActorStopped("ann/tab#1", Exit(ExitReason.DRAINED, "Retry in 2 s.")), 1012, "Retry in 2 s."),
        (ActorStopped("ann/tab#1", Exit(ExitReason.IDLE)), 1001, "session ended: idle"),
        (SupervisorClosed(), 1012, "The server restarts. Retry in 5 s."),
        (ValueError("secret"), 1011, "internal error"),
    ],
)
@pytest.mark.parametrize("in_nursery", [False, True])
async def test_an_error_that_has_words_for_the_client_is_no_crash(
    error: Exception, code: int, reason: str, in_nursery: bool, autojump_clock: MockClock
) -> None:
    crash: list[Exception] = []

    async def fail() -> None:
        raise error

    async def handler(_: Connection) -> None:
        if not in_nursery:
            await fail()
        async with trio.open_nursery() as nursery:  # noqa: ASYNC112  # an error out of one is wanted
            nursery.start_soon(fail)

    wire = connection()
    await noting(handler, crash)(wire)
    assert wire.closed is not None
    assert (wire.closed.code, wire.closed.reason) == (code, reason)
    assert bool(crash) == (code == 1011)


async def test_of_two_errors_at_once_neither_is_told(autojump_clock: MockClock) -> None:
    crash: list[Exception] = []

    async def handler(_: Connection) -> None:
        raise ExceptionGroup("", [SupervisorClosed(), ValueError("secret")])

    wire = connection()
    await noting(handler, crash)(wire)
    assert wire.closed is not None
    assert wire.closed.code == 1011
    assert len(crash) == 1
