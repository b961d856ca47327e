"""The demo keeps the promise that it tells of: in virtual time, whatever the schedule."""

from __future__ import annotations

import json

import pytest

from supervisor import HealthPolicy
from supervisor.cli._demo import story
from supervisor.cli._demo_view import Step, step_view
from supervisor.testing import run as run_virtually

from .conftest import Run
from .kit import drawn


def told(seed: int = 0) -> list[Step]:
    steps: list[Step] = []
    run_virtually(story, steps.append, seed=seed)
    return steps


@pytest.mark.parametrize("seed", range(10))
def test_it_tells_its_six_steps_in_fifteen_seconds_and_what_it_says_is_so(seed: int) -> None:
    spawn, wedge, escalate, refuse, condemn, recover = told(seed)
    assert [slot.health for slot in spawn.slots] == ["healthy"] * 3
    assert {slot.key: slot.health for slot in wedge.slots} == {
        "laptop": "healthy",
        "phone": "busy",
        "tablet": "busy",
    }
    assert {slot.key: slot.health for slot in escalate.slots} == {"laptop": "healthy", "tv": "healthy"}
    assert escalate.facts[-1] == "liveness: 2 removed, 2 kept"
    assert "it hangs at _demo_actors.py:" in escalate.facts[0]
    assert refuse.facts[0].startswith("Limit reached: 3 of 3 sessions alive. Tried garbage, liveness.")
    assert [slot.health for slot in refuse.slots] == ["healthy"] * 3
    assert {slot.key: slot.health for slot in condemn.slots}["laptop"] == "condemned"
    assert any(fact.startswith("laptop is condemned: shielded at ") for fact in condemn.facts)
    assert recover.facts == ("laptop, condemned, has ended after all",)
    assert {slot.key for slot in recover.slots} == {"tv", "phone", "watch"}
    assert (
        "6 sessions began, 3 hung and were removed, none that was well; 1 spawn was refused"
        in recover.said[1]
    )
    assert 14 < recover.at < 15.5


@pytest.mark.parametrize("width", [40, 80])
def test_it_can_be_read_on_a_terminal_of_that_width(width: int) -> None:
    for step in told():
        lines = drawn(step_view(step), width).splitlines()
        assert step.title in lines[0]
        assert max(map(len, lines)) <= width
        for slot in step.slots:
            assert any(line.split()[:2] == [slot.key, slot.health] for line in lines)


def test_as_a_command_it_takes_the_clock_of_the_day_and_gives_programs_one_document(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("supervisor.cli._demo.PROVEN", 0.2)
    monkeypatch.setattr("supervisor.cli._demo.READING", 0.0)
    monkeypatch.setattr("supervisor.cli._demo.MOMENT", 0.05)
    monkeypatch.setattr("supervisor.cli._demo.POLICY", HealthPolicy(budget=0.1))
    said = run("demo", "--json")
    assert said.status == 0
    assert [step["title"] for step in said.facts["steps"]] == [step.title for step in told()]
    assert json.dumps(said.facts).isascii()
    assert run("demo").out.count("\n        ann may have 3 sessions at once, and opens 3.") == 1
