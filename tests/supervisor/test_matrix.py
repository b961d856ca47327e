"""The matrix: every kind of misbehaviour, at every limit, idle or not, asked or not, ends as promised."""

from __future__ import annotations

import threading
from functools import partial

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors import ExitReason
from supervisor import Condemned, Suspected, Terminal
from supervisor.testing import SPECIMENS, StuckInThread, Work

from .harness import Crowd, answers, opened
from .matrix_table import PAGE, VIRTUAL, render, row_of
from .promises import PROMISES

# Of a real clock, in seconds: short enough for a test, long enough for a machine that is busy.
SHORT = 0.2
LONG = 10.0


def test_there_is_a_promise_for_every_specimen() -> None:
    assert set(PROMISES) == set(SPECIMENS)


@pytest.mark.parametrize("name", VIRTUAL)
def test_each_cell_is_as_promised(name: str) -> None:
    row = row_of(name)
    assert not row.broken, "\n".join(row.broken)
    assert row.cells >= 60


def test_the_table_that_is_committed_is_what_was_measured() -> None:
    measured = render()
    print(measured)  # with -s, or when this fails
    assert PAGE.read_text() == measured, "write it anew: python -m tests.supervisor.matrix_table"


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("asked", [False, True])
async def test_a_thread_is_condemned_on_a_real_clock_and_no_force_ends_it(asked: bool, force: bool) -> None:
    release = threading.Event()
    stuck = partial(StuckInThread, release, seconds=2 * LONG)
    async with opened(2, sweep_period=LONG if asked else SHORT) as (supervisor, log):
        crowd = Crowd(supervisor)
        [healthy] = await crowd.add("healthy", 1)
        [ref] = await crowd.add("stuck", 1, stuck, budget=SHORT, force=force)
        await ref.tell(Work())
        await wait_all_tasks_blocked()
        try:
            with trio.fail_after(LONG):
                if asked:
                    await trio.sleep(2 * SHORT)
                    assert (await crowd.get("newcomer")).created
                await ref.wait_stopped()
            assert [event.key for event in log.of(Suspected)] == ["stuck-0"]
            assert [event.key for event in log.of(Condemned)] == ["stuck-0"]
            assert ref.exit is not None
            assert ref.exit.reason is ExitReason.UNRESPONSIVE
            assert not log.of(Terminal)
            assert await answers(healthy)
        finally:
            release.set()
