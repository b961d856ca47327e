"""Specs: what makes no sense is refused when it is said, by its name."""

from __future__ import annotations

import math
from typing import Any

import attrs
import pytest

from actors import Actor
from supervisor import ChildSpec, HealthPolicy, SupervisorSpec

SECONDS = [
    *((HealthPolicy, field.name) for field in attrs.fields(HealthPolicy)),
    *((SupervisorSpec, name) for name in ("admission_deadline", "sweep_period", "watchdog", "dead_man")),
]


@pytest.mark.parametrize("value", [0, -1.0, math.inf, math.nan])
@pytest.mark.parametrize(("spec", "name"), SECONDS)
def test_a_duration_is_more_than_nothing_and_ends(spec: type[Any], name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"^{name} must be more than 0 seconds, and finite, not "):
        spec(**{name: value})
    assert getattr(spec(**{name: 3.0}), name) == 3.0


@pytest.mark.parametrize("value", [-1.0, math.inf, math.nan])
@pytest.mark.parametrize("name", ["slot_wait", "mass_hold"])
def test_a_wait_may_be_none_at_all_and_ends(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"^{name} must be 0 or more, and finite, not "):
        SupervisorSpec(**{name: value})  # type: ignore[arg-type]
    assert getattr(SupervisorSpec(**{name: 0.0}), name) == 0.0  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["stop_grace", "cleanup_grace"])
def test_the_graces_of_a_child_end_too(name: str) -> None:
    with pytest.raises(ValueError, match=f"^{name} must be more than 0 seconds, and finite, not inf"):
        ChildSpec(Actor[str], **{name: math.inf})  # type: ignore[arg-type]


def test_nobody_is_looked_through_early_where_the_high_water_is_never_reached() -> None:
    assert SupervisorSpec(high_water=math.inf).high_water == math.inf
    with pytest.raises(ValueError, match=r"^high_water must be more than 0, not 0"):
        SupervisorSpec(high_water=0)
