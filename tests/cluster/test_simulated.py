"""The simulated engine is as treacherous as a real one, and the same each time."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import fakeredis
import pytest
import trio
from trio.testing import MockClock

from supervisor.cluster._engine import Admitted, Dead, Engine, Slot
from supervisor.cluster._errors import EngineDown, EngineRefused, EngineUnknown
from supervisor.cluster._wire import GAP, Script, Standing

from .simulated import BEGINNING, SimulatedEngine, SimulatedWire, open_simulated_engine

INCREMENT = Script("increment", "return redis.call('INCR', KEYS[1])")
VALUE = Script("value", "return tonumber(redis.call('GET', KEYS[1]) or 0)")
NOW = Script("now", "local t = redis.call('TIME') return t[1] * 1000000 + t[2]")


@pytest.fixture
async def engine() -> AsyncGenerator[SimulatedEngine]:
    async with open_simulated_engine(seed=1) as engine:
        yield engine


async def increment(wire: SimulatedWire) -> object:
    return await wire.run(INCREMENT, ["k"], [])


def value(engine: SimulatedEngine) -> object:
    return engine.execute(VALUE, ["k"], [])


async def test_a_call_takes_two_delays(autojump_clock: MockClock, engine: SimulatedEngine) -> None:
    wire = engine.wire(delays=(0.25, 0.25))
    assert wire.statistics().standing is Standing.UNKNOWN
    assert await increment(wire) == 1
    assert trio.current_time() == 0.5
    assert wire.statistics().round_trip == 0.5
    assert wire.statistics().standing is Standing.UP
    assert (wire.statistics().calls, wire.statistics().failures) == (1, 0)


async def test_one_connection_keeps_its_order(autojump_clock: MockClock, engine: SimulatedEngine) -> None:
    wire = engine.wire(delays=(0.0, 0.4))
    answers: list[object] = []

    async def ask() -> None:
        answers.append(await increment(wire))

    async with trio.open_nursery() as nursery:
        for _ in range(30):
            nursery.start_soon(ask)
            await trio.sleep(0.001)
    assert answers == list(range(1, 31))


async def test_its_clock_is_trios_and_goes_where_it_is_put(
    autojump_clock: MockClock, engine: SimulatedEngine
) -> None:
    assert engine.execute(NOW, [], []) == BEGINNING * 1_000_000
    await trio.sleep(1.5)
    assert engine.execute(NOW, [], []) == (BEGINNING + 1.5) * 1_000_000
    engine.step_clock(-100)
    assert engine.execute(NOW, [], []) == (BEGINNING - 98.5) * 1_000_000


async def test_what_expires_does_so_on_its_clock(autojump_clock: MockClock, engine: SimulatedEngine) -> None:
    engine.execute(Script("set", "return redis.call('SET', KEYS[1], 1, 'PX', 5000)"), ["k"], [])
    await trio.sleep(4.9)
    assert value(engine) == 1
    await trio.sleep(0.2)
    assert value(engine) == 0


async def test_a_cut_is_known_at_once_but_not_what_it_cut(
    autojump_clock: MockClock, engine: SimulatedEngine
) -> None:
    executed = 0
    for _ in range(40):
        wire = engine.wire(delays=(0.1, 0.1))
        before = value(engine)
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def ask(wire: SimulatedWire = wire) -> None:
                with pytest.raises(EngineUnknown, match="cut"):
                    await increment(wire)

            await trio.sleep(0.05)
            wire.cut()
        began = trio.current_time()
        with pytest.raises(EngineDown, match="cut"):
            await increment(wire)
        assert trio.current_time() == began
        assert wire.statistics().standing is Standing.DOWN
        await trio.sleep(0.2)
        executed += value(engine) != before
        wire.mend()
        assert isinstance(await increment(wire), int)
        assert wire.statistics().connects == 2
    assert 5 < executed < 35, "both happen"


@pytest.mark.parametrize(("trouble", "executed"), [("black_hole", 0), ("deafen", 1)])
async def test_what_vanishes_is_noticed_when_time_is_up(
    autojump_clock: MockClock, engine: SimulatedEngine, trouble: str, executed: int
) -> None:
    wire = engine.wire(call_timeout=2.0)
    getattr(wire, trouble)()
    with pytest.raises(EngineUnknown, match="no answer in 2 s"):
        await increment(wire)
    assert trio.current_time() == pytest.approx(2.0)
    assert value(engine) == executed
    assert wire.statistics().standing is Standing.UNKNOWN
    wire.mend()
    assert await increment(wire) == executed + 1


async def test_a_lost_reply_hides_what_was_done(autojump_clock: MockClock, engine: SimulatedEngine) -> None:
    wire = engine.wire()
    wire.replies_to_lose = 1
    with pytest.raises(EngineUnknown, match="reply was cut"):
        await increment(wire)
    assert value(engine) == 1
    assert await increment(wire) == 2


async def test_a_cancelled_call_is_executed_all_the_same(
    autojump_clock: MockClock, engine: SimulatedEngine
) -> None:
    wire = engine.wire(delays=(0.1, 0.1))
    with trio.move_on_after(0.05):
        await increment(wire)
    assert value(engine) == 0
    await trio.sleep(0.1)
    assert value(engine) == 1
    with trio.CancelScope() as scope:
        scope.cancel()
        await increment(wire)
    await trio.sleep(1)
    assert value(engine) == 1, "but not one that was cancelled before it was sent"


async def test_what_comes_too_late_may_yet_be_executed(
    autojump_clock: MockClock, engine: SimulatedEngine
) -> None:
    wire = engine.wire(delays=(3.0, 3.0), call_timeout=1.0)
    with pytest.raises(EngineUnknown):
        await increment(wire)
    wire.delays = (0.0, 0.0)
    assert await increment(wire) == 1, "on a new connection, which overtakes"
    await trio.sleep(3)
    assert value(engine) == 2


async def test_the_engines_own_errors_are_told(autojump_clock: MockClock, engine: SimulatedEngine) -> None:
    with pytest.raises(EngineRefused, match=r"the engine at simulated refuses: .*not an integer"):
        await engine.wire().run(
            Script("bad", "redis.call('SET', 'k', 'x') return redis.call('INCR', 'k')"), [], []
        )


async def test_stopped_it_is_down_for_all_and_keeps_its_data_or_not(
    autojump_clock: MockClock, engine: SimulatedEngine
) -> None:
    wires = [engine.wire(), engine.wire()]
    await increment(wires[0])
    engine.stop()
    for wire in wires:
        with pytest.raises(EngineDown, match="has stopped"):
            await increment(wire)
    engine.start()
    assert await increment(wires[1]) == 2
    engine.stop()
    engine.start(with_data=False)
    assert await increment(wires[0]) == 1


async def test_what_was_under_way_when_it_stopped_is_lost(
    autojump_clock: MockClock, engine: SimulatedEngine
) -> None:
    for _ in range(10):
        wire = engine.wire(delays=(0.1, 0.1))
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def ask(wire: SimulatedWire = wire) -> None:
                with pytest.raises(EngineUnknown, match="has stopped"):
                    await increment(wire)

            await trio.sleep(0.05)
            engine.stop()
            engine.start()
        await trio.sleep(1)
        assert value(engine) == 0


async def test_frozen_it_does_later_what_it_was_asked(
    autojump_clock: MockClock, engine: SimulatedEngine
) -> None:
    wire = engine.wire()
    engine.freeze()
    for _ in range(2):
        with pytest.raises(EngineUnknown):
            await increment(wire)
    assert value(engine) == 0
    engine.thaw()
    assert value(engine) == 2
    assert await increment(wire) == 3


async def test_a_rewind_loses_the_latest_writes_only(
    autojump_clock: MockClock, engine: SimulatedEngine
) -> None:
    wire = engine.wire()
    await increment(wire)
    snapshot = engine.snapshot()
    for _ in range(3):
        await increment(wire)
    for _ in range(2):
        engine.rewind(snapshot)
        assert await increment(wire) == 2


async def test_what_is_published_comes_in_order_and_to_all(
    autojump_clock: MockClock, engine: SimulatedEngine
) -> None:
    near, far = engine.wire(), engine.wire(delays=(0.0, 1.0))
    async with near.subscribe("c") as first, far.subscribe("c") as second, far.subscribe("d") as third:
        for number in range(20):
            assert await near.publish("c", str(number)) == 2
        for subscription in (first, second):
            assert [await subscription.receive() for _ in range(20)] == [str(number) for number in range(20)]
        assert await far.publish("d", "x") == 1
        assert await third.receive() == "x"
    assert await near.publish("c", "nobody") == 0


async def test_a_cut_leaves_a_gap_and_nothing_else(
    autojump_clock: MockClock, engine: SimulatedEngine
) -> None:
    near, far = engine.wire(), engine.wire()
    async with far.subscribe("c") as subscription:
        await near.publish("c", "1")
        assert await subscription.receive() == "1"
        far.cut()
        await near.publish("c", "lost")
        await trio.sleep(1)
        far.mend()
        await near.publish("c", "2")
        assert await subscription.receive() is GAP
        assert await subscription.receive() == "2"
        engine.stop()
        engine.start()
        assert await subscription.receive() is GAP
    assert far.statistics().gaps == 2


async def test_what_does_not_fit_is_one_gap(autojump_clock: MockClock, engine: SimulatedEngine) -> None:
    wire = engine.wire()
    async with wire.subscribe("c", capacity=2) as subscription:
        for number in range(5):
            await wire.publish("c", str(number))
        await trio.sleep(1)
        assert [await subscription.receive() for _ in range(3)] == ["0", "1", GAP]
        await wire.publish("c", "5")
        assert await subscription.receive() == "5"


async def test_a_cancelled_receive_loses_nothing(autojump_clock: MockClock, engine: SimulatedEngine) -> None:
    wire = engine.wire()
    async with wire.subscribe("c") as subscription:
        await wire.publish("c", "1")
        await trio.sleep(1)
        with trio.CancelScope() as scope:
            scope.cancel()
            await subscription.receive()
        assert scope.cancelled_caught
        assert await subscription.receive() == "1"


async def test_subscribing_waits_until_the_engine_is_back(
    autojump_clock: MockClock, engine: SimulatedEngine
) -> None:
    wire = engine.wire()
    engine.stop()
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def back() -> None:
            await trio.sleep(50)
            engine.start()

        async with wire.subscribe("c") as subscription:
            assert trio.current_time() >= 50
            await wire.publish("c", "1")
            assert await subscription.receive() == "1"


async def test_every_step_may_be_repeated_when_its_reply_was_lost(
    autojump_clock: MockClock, engine: SimulatedEngine
) -> None:
    wire = engine.wire()
    steps = Engine(wire, "p")

    async def twice(step: Callable[[], Awaitable[object]]) -> object:
        wire.replies_to_lose = 1
        with pytest.raises(EngineUnknown):
            await step()
        return await step()

    wanted = Slot("1", "k", "s", 0)
    await twice(lambda: steps.open("s", 10, ""))
    for _ in range(5):
        await trio.sleep(2.5)
        await twice(lambda: steps.beat("s", 10, ""))
    got = await twice(lambda: steps.admit("u", wanted, limit=1))
    assert isinstance(got, Admitted)
    assert await twice(lambda: steps.slots("u")) == (got.slot,)
    await twice(lambda: steps.reconcile("u", "s", [got.slot], limit=1, over_limit=False))
    await twice(lambda: steps.append("l", "s", [("a", "A")], length=5, memory=60))
    assert len((await steps.read("l")).entries) == 1
    assert await twice(lambda: steps.enter("p", "s", "bob")) is False, "it was told of the first time"
    assert await steps.present("p") == (("s", "bob"),)
    assert await twice(lambda: steps.leave("p", "s", "bob")) is False
    await twice(lambda: steps.release("u", ["1"]))
    assert await steps.slots("u") == ()
    await twice(lambda: steps.close("s"))
    assert await steps.open("s", 10, "") == Dead()


def history(seed: int) -> list[tuple[float, int, object]]:
    """What four nodes see that contend for one user, with cuts."""
    seen: list[tuple[float, int, object]] = []

    async def node(engine: SimulatedEngine, number: int) -> None:
        wire = engine.wire(delays=(0.0, 0.3))
        steps = Engine(wire, "p")
        session = f"s{number}"
        for turn in range(12):
            with trio.move_on_after(wire.random.uniform(0.1, 2)):
                try:
                    await steps.open(session, 4, "")
                    wanted = Slot(f"{number}.{turn}", str(turn % 3), session, 0)
                    seen.append((trio.current_time(), number, await steps.admit("u", wanted, limit=5)))
                except (EngineDown, EngineUnknown) as error:
                    seen.append((trio.current_time(), number, str(error)))
            await trio.sleep(wire.random.random())

    async def cut(engine: SimulatedEngine) -> None:
        for _ in range(30):
            await trio.sleep(engine.random.random())
            wire = engine.random.choice(engine.wires)
            wire.cut()
            await trio.sleep(engine.random.random() / 2)
            wire.mend()

    async def main() -> None:
        async with open_simulated_engine(seed=seed) as engine, trio.open_nursery() as nursery:
            for number in range(4):
                nursery.start_soon(node, engine, number)
                await trio.sleep(0.01)
            await cut(engine)

    trio.run(main, clock=MockClock(autojump_threshold=0))
    return seen


def test_a_seed_decides_all_that_happens() -> None:
    first = history(1)
    assert len(first) > 20
    assert any(isinstance(what, Admitted) for _, _, what in first)
    assert any("cut" in str(what) for _, _, what in first)
    assert history(1) == history(1) == first
    assert history(2) != first


def test_outside_a_simulation_time_is_the_worlds() -> None:
    history(1)
    client: Any = fakeredis.FakeStrictRedis()
    assert abs(client.time()[0] - time.time()) < 60
