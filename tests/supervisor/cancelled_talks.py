"""Every other call that may wait (mail, ends, cleanups, events, wires), as cases for a cancellation."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import attrs
import trio

from actors import Actor, ActorRef, Connection, ConnectionSpec, Request
from supervisor import ChildSpec, EventsLost, LimitChanged, Subscription
from supervisor.testing import MemoryTransport, Shielded, SlowStop, WedgedForever

from .cancelling import Call, Case, Left, World, outcome_of
from .harness import BUDGET, Crowd


@attrs.frozen
class Note(Request[str]):
    """To be written down, which takes so many seconds."""

    text: str
    seconds: float = 0.0


class Scribe(Actor[Note]):
    """Writes down what it is told, in that order."""

    def __init__(self) -> None:
        self.written: list[str] = []

    async def handle(self, message: Note) -> str:
        await trio.sleep(message.seconds)
        self.written.append(message.text)
        return message.text


async def mail(
    world: World, how: Callable[[ActorRef[Note]], Awaitable[object]], *, before: int, ends: bool = False
) -> Call:
    """A mailbox of one place, with so many notes before ours, and a rival's after it."""
    scribe = Scribe()
    spec = ChildSpec(lambda: scribe, mailbox_capacity=1)
    ref = (await world.supervisor.get_or_spawn("alice", "scribe", spec)).ref
    for number in range(before):
        await ref.tell(Note(f"before {number}", 1.0))
        await trio.testing.wait_all_tasks_blocked()
    if before > 1:
        world.beside("rival", 0.25, lambda: ref.tell(Note("rival")))
    if ends:
        world.after(0.5, ref.stop)

    async def look() -> object:
        after = await outcome_of(lambda: ref.ask(Note("after")))
        return scribe.written, ref.statistics(), after

    return Call(lambda: how(ref), look)


async def tell(ref: ActorRef[Note]) -> None:
    await ref.tell(Note("ours"))


async def ask(ref: ActorRef[Note]) -> str:
    return await ref.ask(Note("ours", 1.0))


async def wait_stopped(world: World) -> Call:
    ref = (await Crowd(world.supervisor).get("old", partial(SlowStop, 1.0))).ref
    world.after(0.5, ref.stop)

    async def wait() -> object:
        return (await ref.wait_stopped()).reason, trio.current_time()

    async def look() -> object:
        return ref.state, ref.exit

    world.beside("somebody else", 0.0, wait)

    return Call(wait, look)


async def _nothing() -> None:
    """The tables say it all."""


async def cleanup(world: World, user: str | None) -> Call:
    """One of each: stuck, stuck for good, and well; for two users."""
    for name in ("alice", "bob"):
        crowd = Crowd(world.supervisor, name)
        await crowd.add("stuck", 1, WedgedForever, at_work=True)
        await crowd.add("shielded", 1, partial(Shielded, world.release), at_work=True)
        await crowd.add("well", 1, at_work=True)
    await trio.sleep(BUDGET + 0.01)

    async def clean() -> object:
        return str(await world.supervisor.cleanup(user))

    return Call(clean, _nothing)


async def stop_user(world: World) -> Call:
    crowd = Crowd(world.supervisor)
    await crowd.add("slow", 1, partial(SlowStop, 1.0))
    await crowd.add("quick", 1)
    return Call(partial(world.supervisor.stop_user, "alice"), _nothing)


async def receive_event(world: World, *, capacity: int, there: int) -> Call:
    """So many events are there; one more comes."""
    subscription = world.supervisor.events(capacity=capacity)
    world.nursery.start_soon(_close_at_the_end, subscription)
    for number in range(there):
        world.supervisor.set_limit(number, user="nobody")
    world.after(0.5, lambda: world.supervisor.set_limit(99, user="nobody"))

    async def receive() -> object:
        return _shown(await subscription.receive())

    async def look() -> object:
        return [_shown(event) for event in subscription.drain()]

    return Call(receive, look)


async def _close_at_the_end(subscription: Subscription) -> None:
    with subscription:
        await trio.sleep_forever()


def _shown(event: object) -> object:
    match event:
        case LimitChanged(limit=limit):
            return limit
        case EventsLost(count):
            return f"{count} lost"
        case _:
            return type(event).__name__


class SlowReader(MemoryTransport):
    """A wire whose peer reads one message in so many seconds."""

    def write_now(self, data: bytes) -> int:  # it takes nothing at once
        return 0

    async def write_some(self, data: bytes) -> int:
        await trio.sleep(0.5)
        return super().write_now(data[: data.index(b"\0") + 1])


async def wired(
    world: World, how: Callable[[Connection], Awaitable[object]], *, arrived: tuple[str, ...] = ()
) -> Call:
    """A wire with more than half of its outbox unsent, and one on which a message is yet to come."""
    transport = SlowReader()
    wire = Connection("peer", transport, ConnectionSpec(outbox_bytes=1000))

    async def idle(_: Connection) -> None:
        await trio.sleep_forever()

    world.nursery.start_soon(wire.run, idle)
    for text in ("first", "x" * 300, "y" * 300):
        wire.send_nowait(text)
    for text in arrived:
        transport.arrive(text)
    world.after(0.75, lambda: transport.arrive("late"))
    await trio.testing.wait_all_tasks_blocked()

    async def look() -> object:
        wire.send_nowait("after")
        await trio.sleep(1.0)
        heard: list[str] = []
        with trio.move_on_after(1.0):
            while True:
                heard.append(await wire.receive())
        return transport.sent, heard, wire.statistics().queued_bytes, wire.closed

    return Call(lambda: how(wire), look)


_EITHER = (Left.NEVER, Left.MADE)

TALKS: dict[str, Case] = {
    "tell": Case(partial(mail, how=tell, before=0)),
    "tell, mailbox full": Case(partial(mail, how=tell, before=2)),
    "tell, mailbox full, then it ends": Case(partial(mail, how=tell, before=2, ends=True)),
    "ask, in hand": Case(partial(mail, how=ask, before=0), _EITHER),
    "ask, queued": Case(partial(mail, how=ask, before=1), _EITHER),
    "ask, mailbox full": Case(partial(mail, how=ask, before=2), _EITHER),
    "ask, mailbox full, then it ends": Case(partial(mail, how=ask, before=2, ends=True), _EITHER),
    "wait_stopped": Case(wait_stopped),
    "cleanup of one": Case(partial(cleanup, user="alice"), _EITHER, limit=3),
    "cleanup of all": Case(partial(cleanup, user=None), _EITHER, limit=3),
    "stop_user": Case(stop_user, _EITHER),
    "an event, there": Case(partial(receive_event, capacity=9, there=2)),
    "an event, to come": Case(partial(receive_event, capacity=9, there=0)),
    "an event, some lost": Case(partial(receive_event, capacity=1, there=3)),
    "receive, there": Case(partial(wired, how=Connection.receive, arrived=("early", "next"))),
    "receive, to come": Case(partial(wired, how=Connection.receive)),
    "send": Case(partial(wired, how=lambda wire: wire.send("ours"))),
    "wait_sendable": Case(partial(wired, how=Connection.wait_sendable)),
}
