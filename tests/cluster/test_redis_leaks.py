"""A thousand cancelled calls and some restarts leave nothing; `tests.cluster.repeat` does more of them."""

from __future__ import annotations

from .repeat import measure


async def test_cancelled_calls_and_engine_restarts_leave_no_task_and_no_connection() -> None:
    left = await measure(cancels=1000, restarts=10)
    assert left.is_nothing, str(left)
    assert len(left.back) == 10
