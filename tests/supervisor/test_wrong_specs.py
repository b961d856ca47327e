"""What is no spec is refused where it is made, by the name of the option, and nothing has happened."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from trio.testing import MockClock

from actors import Actor
from supervisor import (
    ChildSpec,
    DrainSpec,
    HealthPolicy,
    RestartGroup,
    RestartPolicy,
    SpawnFailed,
    SupervisorSpec,
    open_supervisor,
)
from supervisor.testing import Echo, Healthy

from .harness import Crowd, opened

# As somebody writes it who does not check types.
Loose = Callable[..., Any]


def untyped(make: Loose) -> Loose:
    return make


@pytest.mark.parametrize(
    ("make", "wrong", "named"),
    [
        (ChildSpec, {"health": 5}, "health"),
        (ChildSpec, {"health": None}, "health"),
        (ChildSpec, {"restart": "always"}, "restart"),
        (ChildSpec, {"restart": None}, "restart"),
        (ChildSpec, {"group": "call"}, "group"),
        (ChildSpec, {"priority": "high"}, "priority"),
        (ChildSpec, {"stop_grace": "5"}, "stop_grace"),
        (ChildSpec, {"mailbox_capacity": "64"}, "mailbox_capacity"),
        (HealthPolicy, {"budget": "5"}, "budget"),
        (HealthPolicy, {"budget": True}, "budget"),
        (HealthPolicy, {"idle_limit": "never"}, "idle_limit"),
        (RestartPolicy, {"when": "always"}, "when"),
        (RestartPolicy, {"intensity": "3"}, "intensity"),
        (RestartPolicy, {"beyond": "give up"}, "beyond"),
        (RestartGroup, {"name": 5}, "name"),
        (RestartGroup, {"name": "call", "strategy": "one_for_all"}, "strategy"),
        (SupervisorSpec, {"dead_man": "15"}, "dead_man"),
        (SupervisorSpec, {"process_limit": "many"}, "process_limit"),
        (SupervisorSpec, {"sweep_jitter": "0.1"}, "sweep_jitter"),
        (SupervisorSpec, {"high_water": None}, "high_water"),
        (DrainSpec, {"spread": "10"}, "spread"),
    ],
)
def test_what_is_no_spec_is_refused_by_the_name_of_the_option(
    make: Loose, wrong: dict[str, object], named: str
) -> None:
    given = (Healthy,) if make is ChildSpec else ()
    with pytest.raises(TypeError, match=named):
        make(*given, **wrong)


def test_an_actor_is_no_factory_of_actors() -> None:
    spec = untyped(ChildSpec)
    with pytest.raises(TypeError, match=r"write ChildSpec\(Healthy\)"):
        spec(Healthy())


async def test_a_factory_that_makes_no_actor_fails_the_spawn_in_words(autojump_clock: MockClock) -> None:
    spec = untyped(ChildSpec)
    async with opened() as (supervisor, _):
        with pytest.raises(SpawnFailed, match="the factory must make an Actor, not 0"):
            await supervisor.get_or_spawn("alice", "tab", spec(int))
        assert not supervisor.users


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"spec": 5}, "spec"),
        ({"evict": "oldest"}, "evict"),
        ({"limit": True}, "limit"),
        ({"limit": -1}, "limit"),
    ],
)
async def test_what_is_no_supervisor_is_not_opened(wrong: dict[str, object], named: str) -> None:
    opens = untyped(open_supervisor)
    with pytest.raises((TypeError, ValueError), match=named):
        async with opens(**wrong):
            pytest.fail("it was opened")


class Fragile(Actor[object]):
    async def handle(self, message: object) -> None:
        raise AssertionError("it heard of it")


async def test_a_callers_mistake_does_not_end_the_actor(autojump_clock: MockClock) -> None:
    async with opened() as (supervisor, _):
        ref: Any = (await supervisor.get_or_spawn("alice", "tab", ChildSpec(Fragile))).ref
        with pytest.raises(TypeError, match="ask takes a Request"):
            await ref.ask("hello")
        assert supervisor.lookup("alice", "tab") == ref
        fine = (await Crowd(supervisor).get("other")).ref
        assert await fine.ask(Echo("x")) == "x"
