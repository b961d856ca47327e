"""get_or_spawn is linearizable: whatever calls overlap, one sequence of instants explains all answers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import attrs
import pytest
import trio
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from actors import Actor, ActorRef
from supervisor import ChildSpec, Obtained, Supervisor, SupervisorSpec, open_supervisor
from supervisor._spawn import Spawn
from supervisor._table import Table
from supervisor._user import UserSupervisor
from supervisor.testing import CrashesInHandle, Healthy, SlowStart, SlowStop, StartRaises, run

from .harness import dice
from .history import Call, Did, Recorder, explained


class Leaves(Healthy):
    """On `Work` it stops by itself."""

    async def work(self) -> None:
        self.stop()


KINDS: dict[str, Callable[[], Actor[Any]]] = {
    "crashes": CrashesInHandle,
    "leaves": Leaves,
    "slow start": partial(SlowStart, 0.01),
    "start raises": StartRaises,
    "slow stop": partial(SlowStop, 0.02),
    "slower stop": partial(SlowStop, 0.2),  # than an admission waits for
}


@attrs.frozen
class Get:
    key: str
    kind: str
    patience: float


@attrs.frozen
class Lookup:
    key: str


@attrs.frozen
class To:
    """Do something with one that was given out: the latest is number 0."""

    do: str
    number: int


@attrs.frozen
class Pause:
    seconds: float


Step = Get | Lookup | To | Pause


@attrs.frozen
class Script:
    limit: int
    slot_wait: float
    tasks: tuple[tuple[Step, ...], ...]
    seed: int


async def take(step: Step, recorder: Recorder) -> None:
    match step:
        case Get(key, kind, patience):
            await recorder.get(key, ChildSpec(KINDS[kind]), patience=patience)
        case Lookup(key):
            recorder.lookup(key)
        case Pause(seconds):
            await trio.sleep(seconds)
        case To(do, number) if number < len(recorder.refs):
            await do_to(recorder.refs[-1 - number], do, recorder)
        case To():
            pass  # nobody was given out yet


async def do_to(ref: ActorRef[Any], do: str, recorder: Recorder) -> None:
    match do:
        case "stop":
            recorder.stop(ref)
        case "see":
            recorder.see(ref)
        case "upset":
            await recorder.upset(ref)
        case _:
            with trio.move_on_after(0.5):
                await recorder.wait_stopped(ref)


async def perform(script: Script) -> list[Call]:
    """The history of a script whose tasks run at once."""
    spec = SupervisorSpec(slot_wait=script.slot_wait)
    async with open_supervisor(script.limit, spec=spec) as supervisor:
        recorder = Recorder(supervisor)

        async def play(steps: tuple[Step, ...]) -> None:
            for step in steps:
                await take(step, recorder)

        async with trio.open_nursery() as nursery:
            for steps in script.tasks:
                nursery.start_soon(play, steps)
    return recorder.calls


KEYS = st.sampled_from(["a", "a", "b"])
GETS = st.builds(
    Get, KEYS, st.sampled_from(list(KINDS)), st.sampled_from([math.inf, math.inf, math.inf, 0.0, 0.01, 0.05])
)
DEEDS = st.sampled_from(["stop", "upset", "see", "see", "wait"])
STEPS = st.one_of(
    GETS,
    GETS,
    st.builds(To, DEEDS, st.integers(0, 1)),
    st.builds(To, DEEDS, st.just(0)),
    st.builds(Lookup, KEYS),
    st.builds(Pause, st.sampled_from([0.0, 0.01, 0.02, 0.05, 0.2])),
)
SCRIPTS = st.builds(
    Script,
    limit=st.sampled_from([1, 2]),
    slot_wait=st.sampled_from([0.0, 0.0, 0.1]),
    tasks=st.lists(st.lists(STEPS, min_size=1, max_size=7).map(tuple), min_size=2, max_size=4).map(tuple),
    seed=st.integers(0, 2**16),
)
SETTINGS = settings(
    max_examples=500, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink]
)


def is_explained(script: Script) -> bool:
    calls = run(perform, script, seed=script.seed)
    return explained(calls, limit=script.limit) is not None


@SETTINGS
@given(SCRIPTS)
def test_every_history_is_explained_by_one_order(script: Script) -> None:
    calls = run(perform, script, seed=script.seed)
    assert explained(calls, limit=script.limit) is not None, "\n".join(map(str, calls))


def test_the_histories_contain_every_answer_and_calls_that_overlap() -> None:
    answers: Counter[Did] = Counter()
    overlaps = 0

    @settings(SETTINGS, max_examples=150, database=None, derandomize=True, phases=[Phase.generate])
    @given(SCRIPTS)
    def look(script: Script) -> None:
        nonlocal overlaps
        calls = run(perform, script, seed=script.seed)
        answers.update(call.did for call in calls)
        overlaps += sum(
            one.key == other.key and one.invoked < other.invoked < one.returned
            for one in calls
            for other in calls
        )

    look()
    assert {did for did in Did if answers[did] < 10} == set()
    assert overlaps > 100


# What is wrong with a supervisor, the property finds: one mistake each, planted here.


def finds_the_dying(self: UserSupervisor, key: str) -> Obtained[Any] | None:
    child = self.table.under(key)
    return None if child is None else Obtained(child.ref, created=False)


def looks_up_the_dying(self: Supervisor, user: str, key: str) -> ActorRef[Any] | None:
    here = self._users.get(user)  # pyright: ignore[reportPrivateUsage]  # planted inside
    child = here.table.under(key) if here is not None else None
    return None if child is None else child.ref


def tells_everybody_to_have_created_it(self: Spawn) -> Obtained[Any]:
    obtained = honest_collect(self)
    return attrs.evolve(obtained, created=True)


def counts_only_the_running(self: Table) -> int:
    return sum(self.verdict(child).until is None for child in self.children)


def grants_only_the_first(self: UserSupervisor, heir: str | None = None) -> None:
    if not self.table.children:
        honest_grant(self, heir)


honest_collect = Spawn.collect
honest_grant = UserSupervisor._grant  # pyright: ignore[reportPrivateUsage]  # planted inside

MISTAKES: dict[str, tuple[type, str, object]] = {
    "hands out a dying one": (UserSupervisor, "find", finds_the_dying),
    "looks up a dying one": (Supervisor, "lookup", looks_up_the_dying),
    "tells two that they created it": (Spawn, "collect", tells_everybody_to_have_created_it),
    "forgets that one who starts holds a slot": (Table, "held", property(counts_only_the_running)),
    "refuses with room": (UserSupervisor, "_grant", grants_only_the_first),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_property_finds_a_supervisor_that(mistake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, name, wrong = MISTAKES[mistake]
    monkeypatch.setattr(owner, name, wrong)
    quick = settings(SETTINGS, database=None, phases=[Phase.generate])
    script = find(SCRIPTS, lambda script: not is_explained(script), settings=quick, random=dice(0))
    monkeypatch.undo()
    assert is_explained(script)
