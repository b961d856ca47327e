"""What the watchdog makes of its samples: every long step is named, and no short one is accused."""

from __future__ import annotations

import itertools

import attrs
from hypothesis import given
from hypothesis import strategies as st

from supervisor._blockage import (
    OVER,
    Sample,
    Scope,
    Sight,
    blockage,
    is_over,
    look_on,
    pause,
    seen_outside,
    too_long,
)

LIMIT = 1.0
# How far numbers that were added up in another order may be apart.
DUST = 1e-5


@attrs.frozen
class Step:
    turn: int
    number: int
    began: float
    ends: float
    turn_began: float

    @property
    def duration(self) -> float:
        return self.ends - self.began


@attrs.frozen
class Told:
    scope: Scope
    at: float
    turn: int
    step: int
    duration: float


def laid_out(turns: list[tuple[float, list[float]]]) -> list[Step]:
    """Turns of the loop, each after a rest, one step after the other."""
    steps: list[Step] = []
    now, numbers = 0.0, itertools.count()
    for turn, (rest, durations) in enumerate(turns):
        now += rest
        turn_began = now
        for duration in durations:
            steps.append(Step(turn, next(numbers), now, now + duration, turn_began))
            now += duration
    return steps


def watched(steps: list[Step], *, real_clock: bool = True) -> list[Told]:
    """What a watchdog that is never late tells of them."""
    told: list[Told] = []
    sight: Sight | None = None
    now, end = 0.0, steps[-1].ends + 2 * LIMIT
    while now < end:
        now += pause(sight, LIMIT, now)
        running = next((step for step in steps if step.began <= now < step.ends), None)
        sample = None
        if running is not None:
            began = running.turn_began if real_clock else None
            sample = Sample(now, running.turn, running.number, began)
        before, sight = sight, look_on(sight, sample, LIMIT)
        if (found := too_long(before, sight, LIMIT)) is not None:
            seen, scope = found
            told.append(Told(scope, now, seen.last.turn, seen.last.step, seen.duration(scope)))
            if seen is sight:
                sight = attrs.evolve(seen, told=scope)
    return told


def some_turns(longest: float) -> st.SearchStrategy[list[Step]]:
    durations = st.lists(st.floats(0.01, longest), min_size=1, max_size=12)
    return st.lists(st.tuples(st.floats(0.01, 2.0), durations), min_size=1, max_size=5).map(laid_out)


def turns_of(steps: list[Step]) -> dict[int, float]:
    """The duration of each turn."""
    ends = {step.turn: step.ends - step.turn_began for step in steps}
    return dict(ends)


@given(some_turns(3.0), st.booleans())
def test_a_long_step_is_named_once_and_soon(steps: list[Step], real_clock: bool) -> None:
    told = [t for t in watched(steps, real_clock=real_clock) if t.scope is Scope.STEP]
    assert len({t.step for t in told}) == len(told)
    for step in steps:
        if step.duration > 1.25 * LIMIT + DUST:
            (about_it,) = (t for t in told if t.step == step.number)
            seen_from_its_beginning = real_clock and step.began == step.turn_began
            late = 1 if seen_from_its_beginning else 1.25
            assert about_it.at <= step.began + late * LIMIT + DUST


@given(some_turns(3.0), st.booleans())
def test_no_short_step_is_named(steps: list[Step], real_clock: bool) -> None:
    for told in watched(steps, real_clock=real_clock):
        if told.scope is Scope.STEP:
            (step,) = (step for step in steps if step.number == told.step)
            assert step.began <= told.at < step.ends, "it was over"
            assert step.duration >= LIMIT * (0.5 if real_clock else 1) - DUST
            assert told.duration <= told.at - step.turn_began + DUST


@given(some_turns(0.5), st.booleans())
def test_a_long_turn_of_short_steps_is_told_as_one(steps: list[Step], real_clock: bool) -> None:
    told = watched(steps, real_clock=real_clock)
    about = [t.turn for t in told if t.scope is Scope.TURN]
    assert len(set(about)) == len(about)
    for turn, duration in turns_of(steps).items():
        assert turn not in about or duration >= LIMIT - DUST
        unseen = 0.25 if real_clock else 0.5  # before the first sample of it, and after the last
        assert duration <= (1 + unseen) * LIMIT + DUST or turn in {t.turn for t in told}


@given(some_turns(3.0))
def test_turns_within_the_limit_are_nothing_to_tell(steps: list[Step]) -> None:
    durations = turns_of(steps)
    assert all(durations[told.turn] >= LIMIT - DUST for told in watched(steps))


def test_a_step_that_was_seen_once_is_not_accused() -> None:
    """The watchdog itself was late: it cannot know which step it was."""
    sight = look_on(None, Sample(9.0, 1, 1, turn_began=0.0, actor="ann/tab#1", stack=("a:1 in f",)), LIMIT)
    found = too_long(None, sight, LIMIT)
    assert found is not None
    told = blockage(*found)
    assert told.actor is None
    assert told.where == "a whole turn of the loop, lately at a:1 in f"
    assert told.duration == 9.0


def test_a_late_sample_does_not_make_a_step_as_old_as_its_turn() -> None:
    first, second = (Sample(at, 1, 1, turn_began=0.0, actor="ann/tab#1") for at in (0.9, 1.1))
    sight = look_on(look_on(None, first, LIMIT), second, LIMIT)
    assert too_long(None, sight, LIMIT) is None


def test_a_blockage_says_itself_in_one_line() -> None:
    sight = look_on(None, Sample(0.0, 1, 1, actor="ann/tab#1", stack=("b:2 in g", "a:1 in f")), LIMIT)
    assert sight is not None
    again = look_on(sight, Sample(1.5, 1, 1, actor="ann/tab#1", stack=("b:2 in g", "a:1 in f")), LIMIT)
    assert again is not None
    said = str(blockage(again, Scope.STEP))
    assert said == "the event loop is blocked for 1.50 s by ann/tab#1, at a:1 in f"


def outside() -> Sample:
    """Somebody saw eve, who had let nobody in since 2.0; it is 5.0 now."""
    return Sample(5.0, OVER, OVER, actor="eve/tab#1", stack=("handle",))


def test_what_was_seen_outside_is_told_with_its_actor_and_so_far_as_it_lasted() -> None:
    told = blockage(seen_outside(outside(), since=2.0, limit=LIMIT, now=None), Scope.STEP)
    assert (told.actor, told.where, told.duration) == ("eve/tab#1", "handle", 3.0)


def test_it_goes_on_with_the_step_that_had_begun_then_and_not_with_a_later_one() -> None:
    def goes_on(now: Sight | None) -> bool:
        return not is_over(seen_outside(outside(), since=2.0, limit=LIMIT, now=now), Scope.STEP, now)

    began_before = look_on(None, Sample(5.0, turn=3, step=7, turn_began=1.5), LIMIT)
    began_after = look_on(None, Sample(5.0, turn=4, step=9, turn_began=4.9), LIMIT)
    assert goes_on(began_before)
    assert not goes_on(began_after)
    assert not goes_on(None)
