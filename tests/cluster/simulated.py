"""SimulatedEngine: one engine and its wires under virtual time; the scripts are real, the network is drawn.

The Lua runs on fakeredis, whose clock is Trio's plus whatever it was stepped by. What is drawn (delays,
whether a request that was cut had arrived) comes from one seed, and all that happens in the network is done
by one task in the order of its time: with Trio's scheduling made deterministic, a run is the same each time.
"""

from __future__ import annotations

import copy
import enum
import heapq
import importlib
import itertools
import math
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from random import Random
from types import SimpleNamespace
from typing import Any, cast

import attrs
import fakeredis
import redis
import trio

from supervisor.cluster._errors import EngineDown, EngineRefused, EngineUnknown
from supervisor.cluster._wire import GAP, Gap, Reply, Script, Standing, WireStatistics

# When a simulation begins, on the engine's clock: far from 0, as it is in the world.
BEGINNING = 1_800_000_000.0
PUBLISH = Script("publish", "return redis.call('PUBLISH', ARGV[1], ARGV[2])")


class _Time:
    """Stands in for the module `time` in fakeredis: the time of the engine that runs a command just now."""

    def __init__(self) -> None:
        self.now: float | None = None

    def time(self) -> float:
        return time.time() if self.now is None else self.now


_time = _Time()
# They ask `time.time()` for TIME, for what expires in an hour, and for what has expired.
for _module in ("_helpers", "commands_mixins.server_mixin", "_socket._base"):
    vars(importlib.import_module(f"fakeredis.{_module}"))["time"] = SimpleNamespace(time=_time.time)


class Path(enum.Enum):
    """What becomes of what a wire sends and is sent."""

    OPEN = "open"
    CUT = "cut"
    """Calls fail at once."""
    BLACK_HOLE = "black hole"
    """Requests vanish: calls fail when their time is up."""
    DEAF = "deaf"
    """Requests arrive, replies vanish: calls fail when their time is up."""


@attrs.define(eq=False)
class Network:
    """What is under way, done in the order of its time by one task."""

    _waiting: list[tuple[float, int, Callable[[], None]]] = attrs.field(
        init=False, factory=list[tuple[float, int, Callable[[], None]]]
    )
    _order: itertools.count[int] = attrs.field(init=False, factory=itertools.count)
    _changed: trio.Event = attrs.field(init=False, factory=trio.Event)

    def at(self, when: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._waiting, (when, next(self._order), action))
        self._changed.set()

    async def run(self) -> None:
        while True:
            self._changed = trio.Event()
            while self._waiting and self._waiting[0][0] <= trio.current_time():
                heapq.heappop(self._waiting)[2]()
            with trio.move_on_at(self._waiting[0][0] if self._waiting else math.inf):
                await self._changed.wait()


@attrs.frozen(eq=False)
class Snapshot:
    """All that the engine knew at one time."""

    items: Any
    """Key -> fakeredis's own item."""


def _no_wires() -> list[SimulatedWire]:
    return []


@attrs.define(eq=False)
class SimulatedEngine:
    """One server, with as many wires as there are nodes. See `open_simulated_engine`."""

    network: Network
    random: Random
    offset: float = attrs.field(default=0.0, init=False)
    """Seconds by which its clock was stepped so far."""
    is_running: bool = attrs.field(default=True, init=False)
    stops: int = attrs.field(default=0, init=False)
    executed: int = attrs.field(default=0, init=False)
    wires: list[SimulatedWire] = attrs.field(factory=_no_wires, init=False)
    _server: fakeredis.FakeServer = attrs.field(init=False)
    _client: fakeredis.FakeStrictRedis = attrs.field(init=False)
    _listener: Any = attrs.field(init=False)
    _frozen: list[Callable[[], None]] | None = attrs.field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self._server = fakeredis.FakeServer(version=(7, 0))
        self._client = fakeredis.FakeStrictRedis(server=self._server)
        self._listener = cast("Any", self._client).pubsub()  # redis does not say what it is
        self._listener.psubscribe("*")
        self._listener.get_message()

    def wire(
        self, name: str = "node", *, delays: tuple[float, float] = (0.0002, 0.002), call_timeout: float = 1.0
    ) -> SimulatedWire:
        """One more node's connection; `delays`: of one way, in seconds, least and most."""
        random = Random(self.random.getrandbits(64))  # noqa: S311 -- no secret, but repeatable
        wire = SimulatedWire(engine=self, name=name, random=random, delays=delays, call_timeout=call_timeout)
        self.wires.append(wire)
        return wire

    def now(self) -> float:
        """Its clock, in seconds."""
        return BEGINNING + trio.current_time() + self.offset

    def step_clock(self, seconds: float) -> None:
        """As by an operator, or a time service that does not slew."""
        self.offset += seconds

    def wipe(self) -> None:
        """All its data is gone."""
        with self._server.lock:
            self._server.dbs[0].clear()

    def snapshot(self) -> Snapshot:
        return Snapshot(copy.deepcopy(dict(cast("Any", self._server.dbs[0]))))

    def rewind(self, to: Snapshot) -> None:
        """As a failover that lost all writes since."""
        self.wipe()
        for key, item in copy.deepcopy(to.items).items():
            self._server.dbs[0][key] = item

    def stop(self) -> None:
        """What was under way is lost, every connection is cut."""
        self.is_running = False
        self.stops += 1
        for wire in self.wires:
            wire.lost("the engine has stopped")

    def start(self, *, with_data: bool = True) -> None:
        if not with_data:
            self.wipe()
        self.is_running = True
        for wire in self.wires:
            wire.regained()

    @property
    def is_frozen(self) -> bool:
        return self._frozen is not None

    def freeze(self) -> None:
        """It takes what comes, and does nothing with it."""
        self._frozen = []

    def thaw(self) -> None:
        """And does it all now."""
        assert self._frozen is not None
        late, self._frozen = self._frozen, None
        for action in late:
            action()

    def execute(
        self, script: Script, keys: Sequence[str], args: Sequence[str | int]
    ) -> Reply | EngineRefused:
        """Run it at once, whatever the network does; tell those who listen."""
        _time.now = self.now()
        self.executed += 1
        try:
            packed = [
                part.encode() if isinstance(part, str) else str(part).encode() for part in (*keys, *args)
            ]
            answer: Reply | EngineRefused = _decoded(self._client.eval(script.source, len(keys), *packed))
        except redis.ResponseError as error:
            answer = EngineRefused("simulated", str(error))
        finally:
            self._spread()
            _time.now = None
        return answer

    def at(self, when: float, action: Callable[[], None]) -> None:
        """Do what is asked when it arrives, unless the engine has stopped since; if it is frozen, later."""
        stops = self.stops

        def arrive() -> None:
            if self.stops == stops:
                action() if self._frozen is None else self._frozen.append(arrive)

        self.network.at(when, arrive)

    def _spread(self) -> None:
        while (message := self._listener.get_message()) is not None:
            channel, text = message["channel"].decode(), message["data"].decode()
            for wire in self.wires:
                wire.spread(channel, text)


def _decoded(value: Any) -> Reply:
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, list):
        return [_decoded(item) for item in cast("Sequence[Any]", value)]
    assert value is None or isinstance(value, int), value
    return value


@attrs.define(eq=False)
class _Call:
    """One request: sent, perhaps executed, perhaps answered."""

    answer: Reply | Exception = None
    done: trio.Event = attrs.field(factory=trio.Event)

    def settle(self, answer: Reply | Exception) -> None:
        if not self.done.is_set():
            self.answer = answer
            self.done.set()


@attrs.define(eq=False)
class SimulatedSubscription:
    channel: str
    capacity: int
    wire: SimulatedWire
    is_registered: bool = False
    _items: deque[str | Gap] = attrs.field(factory=deque[str | Gap])
    _some: trio.Event = attrs.field(factory=trio.Event)

    async def receive(self) -> str | Gap:
        await trio.lowlevel.checkpoint()
        while not self._items:
            await self._some.wait()
        item = self._items.popleft()
        if not self._items:
            self._some = trio.Event()
        return item

    def put(self, item: str | Gap) -> None:
        if item is not GAP and len(self._items) >= self.capacity:
            item = GAP
        if item is GAP:
            if self._items and self._items[-1] is GAP:
                return
            self.wire.gaps += 1
        self._items.append(item)
        self._some.set()


@attrs.define(eq=False)
class SimulatedWire:
    """One node's connection. Its troubles are its own; those of the engine are everybody's."""

    engine: SimulatedEngine
    name: str
    random: Random
    delays: tuple[float, float]
    call_timeout: float
    path: Path = attrs.field(default=Path.OPEN, init=False)
    address: str = attrs.field(default="simulated", init=False)
    replies_to_lose: int = attrs.field(default=0, init=False)
    """So many of the next calls are executed, and fail with EngineUnknown."""
    gaps: int = attrs.field(default=0, init=False)
    _calls: int = attrs.field(default=0, init=False)
    _failures: int = attrs.field(default=0, init=False)
    _connects: int = attrs.field(default=1, init=False)
    _round_trip: float | None = attrs.field(default=None, init=False)
    _standing: Standing = attrs.field(default=Standing.UNKNOWN, init=False)
    _since: float = attrs.field(factory=trio.current_time, init=False)
    _why: str = attrs.field(default="", init=False)
    _under_way: dict[_Call, None] = attrs.field(factory=dict[_Call, None], init=False)
    _sent_until: float = attrs.field(default=0.0, init=False)
    _answered_until: float = attrs.field(default=0.0, init=False)
    _told_until: float = attrs.field(default=0.0, init=False)
    _subscriptions: list[SimulatedSubscription] = attrs.field(factory=list[SimulatedSubscription], init=False)
    _mended: trio.Event = attrs.field(factory=trio.Event, init=False)

    # What is done to it.

    def cut(self) -> None:
        """Calls raise EngineDown at once; one that is under way EngineUnknown, and it may yet arrive."""
        self.path = Path.CUT
        self.lost("the connection was cut")

    def black_hole(self) -> None:
        self.path = Path.BLACK_HOLE

    def deafen(self) -> None:
        self.path = Path.DEAF

    def mend(self) -> None:
        """All is well again; whoever subscribed has a GAP."""
        if self.path is not Path.OPEN:
            self.path = Path.OPEN
            self.regained()

    def lost(self, why: str) -> None:
        for call in list(self._under_way):
            call.settle(EngineUnknown(self.address, why))
        self._stands(Standing.DOWN, why)

    def regained(self) -> None:
        if self._is_connected:
            self._connects += 1
            self._sent_until = self._answered_until = 0.0
            self._stands(Standing.UP, "")
            for subscription in self._subscriptions:
                if subscription.is_registered:
                    subscription.put(GAP)
            mended, self._mended = self._mended, trio.Event()
            mended.set()

    # What it does: the protocol Wire.

    async def run(self, script: Script, keys: Sequence[str], args: Sequence[str | int]) -> Reply:
        await trio.lowlevel.checkpoint()
        self._calls += 1
        if self.path is Path.CUT or not self.engine.is_running:
            self._failures += 1
            raise EngineDown(self.address, self._why)
        began = trio.current_time()
        call = self._send(script, tuple(keys), tuple(args))
        try:
            with trio.move_on_at(began + self.call_timeout):
                await call.done.wait()
        finally:
            del self._under_way[call]
        if not call.done.is_set():
            call.settle(EngineUnknown(self.address, f"no answer in {self.call_timeout:g} s"))
            self._stands(Standing.UNKNOWN, str(call.answer))
            # The connection is given up: what is sent on the next one may overtake what was sent on this one.
            self._sent_until = self._answered_until = 0.0
        if isinstance(call.answer, Exception):
            self._failures += 1
            raise call.answer
        self._round_trip = trio.current_time() - began
        self._stands(Standing.UP, self._why)
        return call.answer

    async def publish(self, channel: str, message: str) -> int:
        await self.run(PUBLISH, [], [channel, message])
        return sum(
            subscription.is_registered and subscription.channel == channel
            for wire in self.engine.wires
            for subscription in wire._subscriptions
        )

    @asynccontextmanager
    async def subscribe(self, channel: str, *, capacity: int = 1024) -> AsyncGenerator[SimulatedSubscription]:
        subscription = SimulatedSubscription(channel, capacity, self)
        self._subscriptions.append(subscription)
        try:
            await trio.sleep(self._delay())
            while not self._is_connected:
                await self._mended.wait()
            subscription.is_registered = True
            await trio.sleep(self._delay())
            yield subscription
        finally:
            self._subscriptions.remove(subscription)

    def statistics(self) -> WireStatistics:
        return WireStatistics(
            standing=self._standing,
            since=self._since,
            why=self._why,
            calls=self._calls,
            failures=self._failures,
            connects=self._connects,
            gaps=self.gaps,
            round_trip=self._round_trip,
        )

    # How.

    @property
    def _is_connected(self) -> bool:
        return self.path is Path.OPEN and self.engine.is_running

    def _delay(self) -> float:
        return self.random.uniform(*self.delays)

    def _after(self, latest: float) -> float:
        """When what is sent now arrives: not before the latest that was sent, and not at once with it.

        Who is woken at one time is woken in an order of Trio's own. Without delays nothing is late.
        """
        return max(latest + (1e-6 if self.delays[1] else 0.0), trio.current_time() + self._delay())

    def _stands(self, standing: Standing, why: str) -> None:
        if standing is not self._standing:
            self._since = trio.current_time()
        self._standing, self._why = standing, why

    def _send(self, script: Script, keys: Sequence[str], args: Sequence[str | int]) -> _Call:
        """On its way, whatever becomes of the caller."""
        call = _Call()
        self._under_way[call] = None
        connection = self._connects
        survives_a_cut = self.random.random() < 0.5  # drawn always, so that a cut shifts no other draw
        self._sent_until = self._after(self._sent_until)

        def arrive() -> None:
            is_cut = self.path is Path.CUT or connection != self._connects
            if self.path is not Path.BLACK_HOLE and (survives_a_cut or not is_cut):
                answer = self.engine.execute(script, keys, args)
                if not is_cut:
                    self._answer(call, answer)

        self.engine.at(self._sent_until, arrive)
        return call

    def _answer(self, call: _Call, answer: Reply | Exception) -> None:
        if self.path is Path.DEAF:
            return
        if self.replies_to_lose and not call.done.is_set():
            self.replies_to_lose -= 1
            answer = EngineUnknown(self.address, "the reply was cut")
        self._answered_until = self._after(self._answered_until)
        self.engine.network.at(self._answered_until, lambda: call.settle(answer))

    def spread(self, channel: str, text: str) -> None:
        """The engine tells it; what is under way when the connection breaks is lost: a GAP will say so."""
        self._told_until = self._after(self._told_until)
        connection = self._connects
        registered = [s for s in self._subscriptions if s.is_registered and s.channel == channel]

        def tell() -> None:
            if self._is_connected and connection == self._connects:
                for subscription in registered:
                    subscription.put(text)

        if self._is_connected and registered:
            self.engine.network.at(self._told_until, tell)


@asynccontextmanager
async def open_simulated_engine(*, seed: int = 0) -> AsyncGenerator[SimulatedEngine]:
    """An engine for as long as the block lasts; `seed` decides all that is drawn."""
    network = Network()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(network.run)
        yield SimulatedEngine(network, Random(seed))  # noqa: S311 -- no secret, but repeatable
        nursery.cancel_scope.cancel()
