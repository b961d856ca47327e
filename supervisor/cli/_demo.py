"""`demo`: the promise, kept before one's eyes in 15 seconds. No server is needed: it all happens here."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator

import attrs
import trio

from actors import ActorRef
from supervisor import (
    ChildSpec,
    CleanedUp,
    Condemned,
    Explanation,
    HealthPolicy,
    ReapStarted,
    SpawnRefused,
    Subscription,
    Supervisor,
    Terminal,
    Trigger,
    open_supervisor,
)

from ._demo_actors import Bug, Greet, Message, Session
from ._demo_view import Slot, Step, step_view
from ._failure import DONE
from ._screen import draw, show_json
from ._words import counted, duration, place

Tell = Callable[[Step], None]

USER, LIMIT = "ann", 3

# How long one message may take here, in seconds: short, as nobody waits long for a demo.
POLICY = HealthPolicy(budget=2.0)

# Seconds to read what was said; and, past the budget too, until a hanging one is proven to hang.
READING, PROVEN = 2.4, POLICY.budget + 0.4

# Until all is told that belongs to what has just happened, in seconds.
MOMENT = 0.1


def demo(options: argparse.Namespace) -> int:
    """Tell it as it happens; or, for programs, at its end."""
    steps: list[Step] = []
    trio.run(story, steps.append if options.json else _draw)
    if options.json:
        show_json({"steps": [attrs.asdict(step) for step in steps]})
    return DONE


def _draw(step: Step) -> None:
    draw(step_view(step))


async def story(tell: Tell) -> None:
    """All of it, on the clock of whoever runs it; each step is told as soon as it has happened."""
    async with open_supervisor(LIMIT) as supervisor:
        with supervisor.events() as events:
            teller = _Teller(supervisor, events, tell)
            try:
                for step in (
                    teller.spawn,
                    teller.wedge,
                    teller.escalate,
                    teller.refuse,
                    teller.wedge_for_good,
                    teller.recover,
                ):
                    await step()
            finally:
                teller.repaired.set()


@attrs.define(eq=False)
class _Teller:
    """Does each step, and tells what came of it."""

    supervisor: Supervisor
    events: Subscription
    tell: Tell
    repaired: trio.Event = attrs.field(init=False, factory=trio.Event)
    """Set, it ends the wait that no cancellation ends."""
    _began: float = attrs.field(init=False, factory=trio.current_time)
    _refs: dict[str, ActorRef[Message]] = attrs.field(init=False, factory=dict[str, ActorRef[Message]])

    async def spawn(self) -> None:
        for device in ("laptop", "phone", "tablet"):
            await self._open(device)
        self._say("Spawn", f"{USER} may have {LIMIT} sessions at once, and opens {LIMIT}.")
        await trio.sleep(READING)

    async def wedge(self) -> None:
        for device in ("phone", "tablet"):
            await self._refs[device].tell(Bug.HANGS)
        await trio.sleep(MOMENT)
        self._say(
            "Wedge",
            "Two of them hang: a bug waits for an answer that never comes. They hold their slots all the "
            "same. Elsewhere that locks their user out until somebody restarts the server.",
        )
        await trio.sleep(PROVEN)

    async def escalate(self) -> None:
        took = await self._open("tv")
        await trio.sleep(MOMENT)
        self._say(
            "Escalate",
            f"A fourth session, on the tv. All {LIMIT} slots are held, so before anybody is refused, those "
            f"go against whom there is proof: past their budget of {POLICY.budget:g} s. The tv is in after "
            f"{duration(took)}, and the laptop, which is well, was not touched.",
            facts=tuple(self._what_was_done()),
        )
        await trio.sleep(READING)
        await self._open("phone")

    async def refuse(self) -> None:
        sentence = await self._refused("watch")
        self._say(
            "Refuse, with proof",
            "The phone came back, so all three slots are held by sessions that are alive. A fourth is "
            "refused: no healthy session is ever ended to make room. The proof comes with it, slot by slot.",
            facts=(sentence,),
        )
        await trio.sleep(READING)

    async def wedge_for_good(self) -> None:
        await self._refs["laptop"].tell(Bug.IGNORES_CANCELLATION)
        await trio.sleep(PROVEN)
        took = await self._open("watch")
        await trio.sleep(MOMENT)
        self._say(
            "The worst bug",
            "Now the laptop hangs where no cancellation ends it. Even so it locks nobody out: it is "
            f"condemned, gives up its slot, and is watched. The watch is in after {duration(took)}.",
            facts=tuple(self._what_was_done()),
        )
        await trio.sleep(READING)

    async def recover(self) -> None:
        self.repaired.set()
        await trio.sleep(MOMENT)
        for device in ("tv", "phone", "watch"):
            assert await self._refs[device].ask(Greet()) == "hello"
        counts = self.supervisor.counts()
        refused = counts.resource_limit_hits
        self._say(
            "Recover",
            "The disk is repaired, the condemned one has ended after all, and nothing is left of it. All "
            "three sessions answer.",
            f"{counted(counts.managers_created, 'session')} began, {counts.managers_cleaned_up} hung and "
            f"were removed, none that was well; {counted(refused, 'spawn')} was refused, with proof.",
            "A user is refused only with proof. Nobody is locked out by ghosts.",
            facts=tuple(self._what_was_done()),
        )

    async def _open(self, device: str) -> float:
        """Obtain a session; gives how long it took."""
        began = trio.current_time()
        spec = ChildSpec(lambda: Session(self.repaired), health=POLICY)
        obtained = await self.supervisor.get_or_spawn(USER, device, spec)
        self._refs[device] = obtained.ref
        return trio.current_time() - began

    async def _refused(self, device: str) -> str:
        """Ask for a session more than there may be; gives why not."""
        try:
            await self._open(device)
        except SpawnRefused as refused:
            return refused.refusal.sentence
        raise AssertionError(f"{device} was let in beyond the limit")

    def _say(self, title: str, *said: str, facts: tuple[str, ...] = ()) -> None:
        self.events.drain()
        at = trio.current_time() - self._began
        self.tell(Step(at, title, said, facts, tuple(_slots(self.supervisor.explain(USER)))))

    def _what_was_done(self) -> Iterator[str]:
        for event in self.events.drain():
            match event:
                case ReapStarted(where=where) if where:
                    yield f"{event.key} is being removed: it hangs at {place(where)}"
                case CleanedUp(trigger=Trigger.ADMISSION):
                    for stage in event.report.stages:
                        yield f"{stage.stage.value}: {len(stage.reaped)} removed, {len(stage.kept)} kept"
                case Condemned():
                    yield f"{event.key} is condemned: {event.cause}"
                case Terminal(was_condemned=True):
                    yield f"{event.key}, condemned, has ended after all"
                case _:
                    pass


def _slots(stands: Explanation) -> Iterator[Slot]:
    for holder in (*stands.holders, *stands.condemned):
        yield Slot(holder.key, holder.verdict.health.value, holder.verdict.evidence)
