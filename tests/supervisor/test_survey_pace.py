"""A survey works in slices of a millisecond; the rest is for others, and whoever comes or goes is no harm."""

# pyright: reportPrivateUsage=false

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import attrs
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

import supervisor._survey
from supervisor import (
    Health,
    Settings,
    SpawnFailed,
    SpawnRefused,
    Supervisor,
    Survey,
)
from supervisor._survey import MOST_NAMED, SLICE, STEP
from supervisor.testing import (
    Healthy,
    Shielded,
    SwallowsCancelled,
    WedgedForever,
    Work,
    run,
)

from .harness import BUDGET, Crowd, dice, opened, spec_of
from .surveying import NEVER, Pace, each_look_takes, explained, recount


async def test_users_at_their_limit_are_looked_at_first(autojump_clock: MockClock) -> None:
    async with opened(5, sweep_period=NEVER) as (here, _):
        for user, tabs in (("one", 1), ("full", 5), ("two", 2), ("another full", 5)):
            await Crowd(here, user).add("tab", tabs)
        looked_at: list[str] = []
        look = supervisor._survey.Surveyor.look

        def spy(self: Any, users: Any) -> Iterator[None]:
            looked_at.extend(each.user for each in users)
            return look(self, users)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(supervisor._survey.Surveyor, "look", spy)
            found = await here.survey()
        assert looked_at == ["full", "another full", "one", "two"]
        assert found.users == 4, "nobody twice"


@pytest.mark.parametrize("share", [0, 0.0, -0.1, 1.001, 2, float("nan"), float("inf")])
async def test_a_share_that_is_none_is_an_error(share: float, autojump_clock: MockClock) -> None:
    async with opened() as (here, _):
        with pytest.raises(ValueError, match=r"^share must be a part of the event loop, more than 0 and at"):
            await here.survey(share=share)


@pytest.mark.parametrize("share", [0.01, 0.25, 1.0])
async def test_a_slice_is_a_millisecond_and_the_rest_is_for_others(
    share: float, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(1_000, sweep_period=NEVER) as (here, _):
        for user in ("alice", "bob", "carol"):
            await Crowd(here, user).add("tab", 30 * STEP)
        pace = Pace(look=SLICE / 9.5)
        with monkeypatch.context() as patch:
            patch.setattr(supervisor._survey, "time", pace)
            names = {"current_time": trio.current_time, "lowlevel": trio.lowlevel, "sleep": pace.sleep}
            patch.setattr(supervisor._survey, "trio", SimpleNamespace(**names))
            found = await here.survey(share=share)
        assert found.managers == 90 * STEP
        assert pace.slices[0] == 11, "the first one begins with a look"
        assert set(pace.slices[1:-1]) == {11}
        worked = SLICE / 9.5 * 10 * (len(pace.slices) - 1)
        assert worked / (worked + pace.rested) == pytest.approx(share)


async def test_a_step_looks_at_few_managers_whoever_they_belong_to(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many a user has, and also if he has none but spawns that wait."""
    async with opened(500, sweep_period=NEVER) as (here, _), trio.open_nursery() as nursery:
        await Crowd(here, "many").add("tab", 205)
        for number in range(20):
            await Crowd(here, f"few-{number}").add("tab", 2)
        here.set_limit(0, user="none")
        here.configure(Settings(limit=500, supervisor=attrs.evolve(here.spec, slot_wait=50.0)))
        nursery.start_soon(_is_refused, here, "none")
        await trio.sleep(1)
        surveyor = supervisor._survey.Surveyor()
        everybody = [here._users[user] for user in here.users]
        steps = [surveyor._health.total() for _ in surveyor.look(everybody)]
        sizes = [late - early for early, late in pairwise([0, *steps])]
        assert max(sizes) == STEP
        assert sizes == [STEP] * (205 // STEP) + [205 % STEP] + [2] * 20 + [0]


async def _is_refused(here: Supervisor, user: str) -> None:
    with pytest.raises(SpawnRefused):
        await here.get_or_spawn(user, "tab", spec_of(Healthy))


async def test_others_run_while_it_goes_on(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(1_000, sweep_period=NEVER) as (here, _):
        for user in ("alice", "bob"):
            await Crowd(here, user).add("tab", 50 * STEP)
        each_look_takes(monkeypatch, SLICE / 5)
        turns = 0

        async def turn() -> None:
            nonlocal turns
            while True:
                turns += 1
                await trio.sleep(0.001)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(turn)
            found = await here.survey(share=0.1)
            nursery.cancel_scope.cancel()
        assert found.took == pytest.approx(100 / 5 * SLICE * 9, rel=0.2)
        assert turns > 100


async def test_cancelled_it_ends(autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(1_000, sweep_period=NEVER) as (here, _):
        await Crowd(here).add("tab", 50 * STEP)
        each_look_takes(monkeypatch, SLICE)
        began = trio.current_time()
        with trio.move_on_after(0.5) as scope:
            await here.survey(share=0.001)
        assert scope.cancelled_caught
        assert trio.current_time() == began + 0.5


# Those who come and go meanwhile


@attrs.frozen
class Script:
    """What is done at random while surveys run."""

    here: Supervisor
    roll: random.Random
    surveys: list[Survey] = attrs.field(factory=list[Survey])

    async def act(self) -> None:
        user, key = f"user-{self.roll.randrange(6)}", f"key-{self.roll.randrange(12)}"
        match self.roll.randrange(8):
            case 0 | 1 | 2:
                kind = self.roll.choice([Healthy, WedgedForever, Shielded, SwallowsCancelled])
                with suppress(SpawnRefused, SpawnFailed):
                    got = await self.here.get_or_spawn(user, key, spec_of(partial(kind)))
                    if self.roll.random() < 0.7:
                        got.ref.tell_nowait(Work())
            case 3:
                ref = self.here.lookup(user, key)
                if ref is not None:
                    ref.stop()
            case 4:
                await self.here.stop_user(user)
            case 5:
                await self.here.cleanup(self.roll.choice([user, None]))
            case 6:
                self.here.set_limit(self.roll.randrange(1, 12), user=user)
            case _:
                await trio.sleep(self.roll.choice([0.01, 1.0, 3.0]))

    async def survey(self) -> None:
        while True:
            known = set(self.here.users)
            found = await self.here.survey(share=self.roll.choice([0.01, 0.5, 1.0]))
            self.check(found, known | set(self.here.users))
            self.surveys.append(found)
            await trio.sleep(self.roll.random())

    def check(self, found: Survey, known: set[str]) -> None:
        """It is sound in itself, whoever came or went."""
        health = found.health
        assert found.managers == sum(health.values()) - health.get(Health.CONDEMNED, 0)
        assert all(health.values())
        assert len(found.stuck) == min(MOST_NAMED, health.get(Health.UNRESPONSIVE, 0))
        assert len(found.condemned) == min(MOST_NAMED, health.get(Health.CONDEMNED, 0))
        assert sum(stuck for _, stuck in found.stuck_users) == health.get(Health.UNRESPONSIVE, 0)
        since = [holder.since for _, holder in found.stuck]
        assert since == sorted(since, key=lambda at: at or 0.0)
        held = [each.slots_held for each in found.fullest]
        assert held == sorted(held, reverse=True)
        assert len({each.user for each in found.fullest}) == len(held) == found.users
        named = [(user, holder.incarnation) for user, holder in (*found.stuck, *found.condemned)]
        assert len(set(named)) == len(named), "nobody is named twice"


async def perform(seed: int, steps: int) -> int:
    roll = dice(seed)
    with pytest.MonkeyPatch.context() as patch:
        each_look_takes(patch, SLICE / 2)
        async with opened(6, sweep_period=NEVER, condemned_allowance=20) as (here, _):
            script = Script(here, roll)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(script.survey)
                for _ in range(steps):
                    await script.act()
                await trio.sleep(20)
                nursery.cancel_scope.cancel()
            found = await here.survey()
            assert dict(found.health) == recount(explained(here)), "of those who stay it is exact"
            assert found.users == len(here.users)
            assert {user for user, _ in found.stuck} <= set(here.users)
            return len(script.surveys)


@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 60))
def test_those_who_come_and_go_meanwhile_do_no_harm(seed: int, steps: int) -> None:
    assert run(perform, seed, steps, seed=seed) > 0


async def test_one_that_is_condemned_between_two_slices_is_counted_once(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(60, sweep_period=NEVER) as (here, _):
        await Crowd(here).add("healthy", STEP)
        await Crowd(here).add("shielded", STEP, Shielded, at_work=True)
        await Crowd(here).add("leaves", STEP)
        await trio.sleep(BUDGET + 1)
        surveyor = supervisor._survey.Surveyor()
        steps = surveyor.look([here._users["alice"]])
        next(steps)
        await here.cleanup("alice")
        for number in range(STEP):
            ref = here.lookup("alice", f"leaves-{number}")
            assert ref is not None
            ref.stop()
        await trio.sleep(1)
        for _ in steps:
            pass
        found = surveyor.survey(0.0)
        assert found.health == {Health.HEALTHY: STEP, Health.CONDEMNED: STEP}
        assert [each.slots_held for each in found.fullest] == [STEP]


async def test_a_user_who_has_left_is_not_in_it(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(sweep_period=NEVER) as (here, _):
        for user in ("alice", "bob", "carol"):
            await Crowd(here, user).add("tab", 1)
        each_look_takes(monkeypatch, SLICE)
        async with trio.open_nursery() as nursery:
            found: list[Survey] = []

            async def survey() -> None:
                found.append(await here.survey(share=0.001))

            nursery.start_soon(survey)
            await trio.sleep(0.5)
            await here.stop_user("bob")
            await here.stop_user("carol")
            await Crowd(here, "dave").add("tab", 1)
        [result] = found
        assert [each.user for each in result.fullest] == ["alice"]
        assert (result.users, result.managers) == (1, 1)
