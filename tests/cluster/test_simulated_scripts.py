"""Whatever happens to the nodes, their connections and the engine: the promise over all of them."""

from __future__ import annotations

from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from supervisor.testing import run

from .scripts import NODES, USERS, Action, perform, scripts

__all__ = ["NODES"]


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(scripts, st.sampled_from([1, 2, 3]), st.integers(0, 2**32))
def test_never_more_than_the_limit_act_and_in_the_end_all_slots_are_there(
    script: list[Action], limit: int, seed: int
) -> None:
    told = run(perform, script, limit, seed, seed=seed)
    note(str(told))
    assert not told.too_many
    assert not told.refused_without_proof
    assert not told.unequal
    assert told.admitted_in_the_end == [limit] * len(USERS)
