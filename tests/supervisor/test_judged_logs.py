"""The judge of logs, on real ones: whatever happened to a supervisor, no promise was broken."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress

import attrs
import pytest
import trio

from actors import attach
from supervisor import (
    CleanedUp,
    Condemned,
    Event,
    EventsLost,
    LimitChanged,
    Refused,
    ShutdownHeld,
    SpawnFailed,
    SpawnRefused,
    Stalled,
    StartFailed,
    Supervisor,
    SupervisorClosed,
    SupervisorSpec,
    Suspected,
    Swept,
    Terminal,
    Voided,
    Waited,
    open_supervisor,
)
from supervisor.testing import (
    Healthy,
    Shielded,
    SlowStart,
    SlowStop,
    StartHangs,
    StartRaises,
    WedgedForever,
    check_events,
    connection,
    run,
)

from .harness import BUDGET, PLAIN, Crowd

LIMIT = 3

Scenario = Callable[[Supervisor, Crowd], Awaitable[None]]


async def refuses(supervisor: Supervisor, crowd: Crowd) -> None:
    await crowd.add("tab", 3, lambda: Healthy(sockets=True), sockets=1)
    await crowd.refused("late")


async def takes_over(supervisor: Supervisor, crowd: Crowd) -> None:
    await crowd.add("stuck", 3, WedgedForever, at_work=True)
    await trio.sleep(BUDGET + 1)
    for number in range(3):
        assert (await crowd.get(f"stuck-{number}")).created


async def condemns(supervisor: Supervisor, crowd: Crowd) -> None:
    release = trio.Event()
    for generation in range(2):
        await crowd.add(f"stuck-{generation}", 3, lambda: Shielded(release), at_work=True)
        await trio.sleep(BUDGET + 1)
    await crowd.refused("late")
    release.set()


async def lowers_the_limit(supervisor: Supervisor, crowd: Crowd) -> None:
    first, *_ = await crowd.add("tab", 3)
    supervisor.set_limit(1)
    first.stop()
    await trio.sleep(1)
    await crowd.refused("late")
    supervisor.set_limit(3, user=crowd.user)
    await crowd.add("new", 1)


async def stalls(supervisor: Supervisor, crowd: Crowd) -> None:
    await crowd.add("stuck", 3, WedgedForever, at_work=True)
    clock = trio.lowlevel.current_clock()
    assert isinstance(clock, trio.testing.MockClock)
    clock.jump(40.0)
    await crowd.refused("late")
    await trio.sleep(BUDGET + 1)
    await crowd.add("new", 1)


async def sweeps(supervisor: Supervisor, crowd: Crowd) -> None:
    await crowd.add("stuck", 1, WedgedForever, at_work=True)
    (ref,) = await crowd.add("left", 1, lambda: Healthy(sockets=True))
    with attach(ref, connection()):
        pass
    await trio.sleep(1000)
    assert not crowd.held


async def fails_to_start(supervisor: Supervisor, crowd: Crowd) -> None:
    for make in (StartRaises, StartHangs):
        with pytest.raises(SpawnFailed):
            await crowd.get("new", make)


async def gives_up(supervisor: Supervisor, crowd: Crowd) -> None:
    await crowd.add("tab", 3, lambda: SlowStop(3.0))
    async with trio.open_nursery() as nursery:
        for patience in (0.0, 0.5, 10.0):
            nursery.start_soon(ask, crowd, f"late-{patience}", patience)
        await trio.sleep(1)
        await supervisor.stop_user(crowd.user)


async def ask(crowd: Crowd, key: str, patience: float) -> None:
    with suppress(SpawnFailed, SupervisorClosed), trio.move_on_after(patience):
        await crowd.supervisor.get_or_spawn(crowd.user, key, PLAIN)


async def ends_while_somebody_waits(supervisor: Supervisor, crowd: Crowd) -> None:
    await crowd.add("tab", 3, WedgedForever, at_work=True)
    supervisor.handler_nursery.start_soon(ask, crowd, "late", 10.0)
    await trio.sleep(0.5)


async def serves_in_order(supervisor: Supervisor, crowd: Crowd) -> None:
    refs = await crowd.add("tab", 3)
    async with trio.open_nursery() as nursery:
        for number in range(3):
            nursery.start_soon(ask, crowd, f"late-{number}", 10.0)
            await trio.sleep(0.1)
        for ref in refs:
            ref.stop()
            await trio.sleep(0.1)


async def stops_one_that_starts(supervisor: Supervisor, crowd: Crowd) -> None:
    async with trio.open_nursery() as nursery:
        for key in ("one", "two"):
            nursery.start_soon(ask_for, crowd, key, lambda: SlowStart(3.0))
        await trio.sleep(1)
        await supervisor.stop_user(crowd.user)


async def ask_for(crowd: Crowd, key: str, make: Callable[[], Healthy]) -> None:
    with pytest.raises(SpawnFailed):
        await crowd.get(key, make)


async def looks_at_who_may_come_back(supervisor: Supervisor, crowd: Crowd) -> None:
    (ref,) = await crowd.add("left", 1, lambda: Healthy(sockets=True))
    with attach(ref, connection()):
        pass
    await supervisor.cleanup()
    assert await crowd.add("tab", 2)
    assert (await crowd.get("late")).created, "that needs its slot"


async def stops_one_that_does_not_care(supervisor: Supervisor, crowd: Crowd) -> None:
    (ref,) = await crowd.add("stuck", 1, lambda: Shielded(seconds=100.0), at_work=True)
    ref.stop()
    await trio.sleep(20)


async def gives_up_a_takeover(supervisor: Supervisor, crowd: Crowd) -> None:
    """Two in a row see out the same predecessor, and the second is refused."""
    (ref, *_) = await crowd.add("tab", 3, lambda: SlowStop(3.0))
    ref.stop()
    supervisor.set_limit(0)
    await trio.sleep(0.5)
    await ask(crowd, "tab-0", 0.5)
    with pytest.raises(SpawnRefused):
        await crowd.get("tab-0")


async def refuses_because_of_newborns(supervisor: Supervisor, crowd: Crowd) -> None:
    await crowd.add("new", 3, lambda: Healthy(sockets=True))
    await crowd.refused("late")


async def counts_the_condemned(supervisor: Supervisor, crowd: Crowd) -> None:
    release = trio.Event()
    await crowd.add("stuck", 2, lambda: Shielded(release), at_work=True)
    await trio.sleep(BUDGET + 1)
    await supervisor.cleanup()
    await crowd.add("tab", 1)
    release.set()


async def shuts_down_with_a_condemned_one(supervisor: Supervisor, crowd: Crowd) -> None:
    await crowd.add("stuck", 1, lambda: Shielded(seconds=100.0), at_work=True)
    await trio.sleep(BUDGET + 1)
    await supervisor.cleanup()


async def fills_the_process(supervisor: Supervisor, crowd: Crowd) -> None:
    other = Crowd(supervisor, "bob")
    await crowd.add("tab", 2)
    await other.add("tab", 2)
    with pytest.raises(SpawnRefused):
        await other.get("late")
    await supervisor.stop_user(crowd.user)
    await other.get("now")


SCENARIOS: list[tuple[Scenario, dict[str, object], set[type[Event]]]] = [
    (refuses, {}, {Waited, Refused}),
    (takes_over, {}, {Suspected}),
    (condemns, {}, {Condemned, Refused}),
    (condemns, {"condemned_allowance": 3}, {Condemned, Refused}),
    (lowers_the_limit, {}, {LimitChanged, Refused}),
    (stalls, {}, {Stalled, Voided, Refused}),
    (sweeps, {}, {Swept, Suspected}),
    (fails_to_start, {}, {StartFailed, Suspected}),
    (gives_up, {"slot_wait": 5.0}, {Waited}),
    (ends_while_somebody_waits, {"slot_wait": 5.0}, {Waited}),
    (serves_in_order, {"slot_wait": 5.0}, {Waited}),
    (stops_one_that_starts, {}, {Terminal}),
    (looks_at_who_may_come_back, {}, {Suspected}),
    (stops_one_that_does_not_care, {}, {Condemned}),
    (gives_up_a_takeover, {}, {Refused}),
    (refuses_because_of_newborns, {}, {Refused}),
    (counts_the_condemned, {"condemned_allowance": 1}, {Condemned}),
    (shuts_down_with_a_condemned_one, {}, {Condemned, ShutdownHeld}),
    (fills_the_process, {"process_limit": 4}, {Refused}),
]


async def log_of(scenario: Scenario, spec: SupervisorSpec) -> list[Event]:
    """All that was told, from the first manager to the end of the block."""
    async with open_supervisor(LIMIT, spec=spec) as supervisor:
        subscription = supervisor.events(capacity=1_000_000)
        crowd = Crowd(supervisor)
        with crowd.sockets:
            await scenario(supervisor, crowd)
    return [event for event in subscription.drain() if not isinstance(event, EventsLost)]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("scenario", "options", "kinds"), SCENARIOS)
def test_no_promise_is_broken(
    scenario: Scenario, options: dict[str, object], kinds: set[type[Event]], seed: int
) -> None:
    spec = SupervisorSpec(**options)  # type: ignore[arg-type]
    log = run(log_of, scenario, spec, seed=seed)
    assert check_events(log, spec=spec, limit=LIMIT) == ()
    assert kinds <= {type(event) for event in log}, "it shows what it is for"


UNMISSED = ("Waited", "Refused", "ShutdownHeld", "Found", "MailDeadLettered", "RecycleAdvised", "Swept")
"""Events that nothing else in a log depends on."""


def is_missed(event: Event, next_one: Event) -> bool:
    """Does anything else in the log depend on it? On a cleanup only the refusal that cites it."""
    if isinstance(event, CleanedUp):
        return isinstance(next_one, Refused)
    return type(event).__name__ not in UNMISSED


def test_an_event_that_was_never_told_is_missed() -> None:
    log = run(log_of, condemns, SupervisorSpec())
    missed = 0
    for left_out, event in enumerate(log[1:-1], 1):
        rest = [*log[:left_out], *log[left_out + 1 :]]
        assert check_events(rest, limit=LIMIT), f"a gap after {log[left_out - 1]}"
        renumbered = [
            attrs.evolve(other, stamp=attrs.evolve(other.stamp, seq=seq)) for seq, other in enumerate(rest)
        ]
        if is_missed(event, log[left_out + 1]):
            assert check_events(renumbered, limit=LIMIT), f"nobody missed {event}"
            missed += 1
    assert missed > len(log) // 2
