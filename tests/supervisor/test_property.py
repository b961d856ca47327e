"""Whatever happens, in whatever order: the promises hold, by the judgement of an independent checker."""

from __future__ import annotations

import attrs
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from actors import ExitReason
from supervisor import Condemned, Refused
from supervisor.testing import run

from .checker import Checker
from .script import Performance, perform
from .steps import GOOD, SCRIPTS, Advance, Script, Spawn, Step

SETTINGS = settings(
    max_examples=600,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],  # explaining costs most
)


def incarnation_of(name: str) -> int:
    return int(name.rpartition("#")[2])


def check(play: Performance) -> Checker:
    good = {incarnation_of(name) for name, kind in play.kinds().items() if kind in GOOD}
    stuck = {
        incarnation_of(actor.name): actor.hung_since
        for _, actor in play.made
        if actor.name is not None and actor.hung_since is not None
    }
    checker = Checker(play.script.limit, play.script.allowance, good, stuck)
    for happened in play.log:
        checker.feed(happened)
    checker.finish()
    assert not play.left_over
    told_of = [happened.refusal for happened in play.log if isinstance(happened, Refused)]
    assert all(refusal in told_of for refusal in play.refused), "refused and nobody was told"
    assert all(failed.exit.reason is not ExitReason.CANCELLED for failed in play.failed), "by another's leave"
    created = [got.ref.name for got in play.obtained if got.created]
    assert len(created) == len(set(created)), "two callers created the same one"
    return checker


@SETTINGS
@given(SCRIPTS)
def test_the_promises_hold_in_every_script(script: Script) -> None:
    play = run(perform, script, seed=script.seed)
    checker = check(play)
    event(f"refusals: {min(checker.refusals, 3)}")
    event(f"condemned: {any(isinstance(e, Condemned) for e in play.log)}")


def generations(limit: int, allowance: int | None, kind: str, rounds: int, seed: int) -> Script:
    steps: list[Step] = []
    for number in range(rounds):
        steps += [Spawn("ann", f"{number}-{slot}", kind, work=True) for slot in range(limit + 1)]
        steps += [Advance(5.01)]
    return Script(limit, allowance, 0.0, tuple(steps), seed)


GENERATIONS = st.builds(
    generations,
    limit=st.sampled_from([1, 2, 3, 5]),
    allowance=st.sampled_from([None, 0, 1]),
    kind=st.sampled_from(["shielded", "swallows", "wedged", "start hangs shielded", "ends late"]),
    rounds=st.integers(2, 4),
    seed=st.integers(0, 2**16),
)
"""A user whose every manager gets stuck, again and again."""


@settings(SETTINGS, max_examples=40)
@given(GENERATIONS)
def test_the_promises_hold_over_generations_of_stuck_managers(script: Script) -> None:
    check(run(perform, script, seed=script.seed))


@settings(SETTINGS, max_examples=10)
@given(SCRIPTS)
def test_the_same_script_and_seed_are_the_same_run(script: Script) -> None:
    first, second = (run(perform, script, seed=script.seed) for _ in range(2))
    assert [told(happened) for happened in first.log] == [told(happened) for happened in second.log]


def told(happened: object) -> tuple[str, object]:
    """What must be equal: not the jitter of a retry hint, and not the identity of an error."""
    assert attrs.has(type(happened))
    stamp = getattr(happened, "stamp", None)
    if isinstance(happened, Refused):
        return happened.key, (stamp, happened.refusal.holders)
    return type(happened).__name__, (stamp, getattr(happened, "incarnation", None))
