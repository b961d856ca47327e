"""No message is lost, doubled or reordered, whatever happens to the actors: scripts, judged at every step."""

from __future__ import annotations

import enum
import math
from collections import Counter, defaultdict
from functools import partial

import attrs
import trio
from hypothesis import given
from hypothesis import strategies as st

from actors import (
    Actor,
    ActorCrashed,
    ActorRef,
    ActorStopped,
    DeadLettered,
    ExitReason,
    MailboxFull,
    Request,
    State,
)

from . import virtual
from .puppets import Stage, open_stage


class Kind(enum.Enum):
    """What handling a letter does."""

    QUICK = "quick"
    SLOW = "slow"
    CRASH = "crash"
    WEDGE = "wedge"
    """Runs on for a while after a cancellation."""
    WEDGE_AND_CRASH = "wedge and crash"


@attrs.frozen
class Letter(Request[int]):
    sender: int
    number: int
    kind: Kind


class Ledger(Actor[Letter]):
    """Writes down what it was given, and what it finished."""

    def __init__(self) -> None:
        self.begun: list[Letter] = []
        self.finished: list[Letter] = []

    async def handle(self, message: Letter) -> int:
        self.begun.append(message)
        if message.kind is Kind.SLOW:
            await trio.sleep(1)
        if message.kind in {Kind.WEDGE, Kind.WEDGE_AND_CRASH}:
            with trio.CancelScope(shield=True):
                await trio.sleep(3)
        if message.kind in {Kind.CRASH, Kind.WEDGE_AND_CRASH}:
            raise ValueError(message)
        self.finished.append(message)
        return message.number


def _same(ledger: Ledger) -> Ledger:
    return ledger


class Verb(enum.Enum):
    TELL = "tell"
    TELL_BRIEFLY = "tell, and give up soon"
    TELL_NOWAIT = "tell_nowait"
    ASK = "ask"
    ASK_BRIEFLY = "ask, and give up soon"
    PAUSE = "pause"
    STOP = "stop"
    CANCEL = "cancel"
    CONDEMN = "condemn"


BRIEF = (Verb.TELL_BRIEFLY, Verb.ASK_BRIEFLY)
TELLS = (Verb.TELL, Verb.TELL_BRIEFLY, Verb.TELL_NOWAIT)
ASKS = (Verb.ASK, Verb.ASK_BRIEFLY)


@attrs.frozen
class Step:
    sender: int
    verb: Verb
    target: int
    kind: Kind
    times: int


@attrs.frozen
class Script:
    """What the senders do, each its own steps in order and all at the same time."""

    capacity: int
    actors: int
    steps: list[Step]


mostly_sends = [*TELLS, *ASKS] * 3 + [Verb.PAUSE, Verb.PAUSE, Verb.STOP, Verb.CANCEL, Verb.CONDEMN]
mostly_quick = [Kind.QUICK, Kind.SLOW] * 3 + list(Kind)


@st.composite
def scripts(draw: st.DrawFn) -> Script:
    actors = draw(st.integers(1, 3))
    steps = st.builds(
        Step,
        st.integers(0, 2),
        st.sampled_from(mostly_sends),
        st.integers(0, actors - 1),
        st.sampled_from(mostly_quick),
        st.integers(1, 4),
    )
    return Script(draw(st.integers(1, 3)), actors, draw(st.lists(steps, max_size=20)))


@attrs.define(eq=False)
class Accountant(trio.abc.Instrument):
    """Recounts every actor after every step of every task."""

    refs: list[ActorRef[Letter]] = attrs.field(factory=list[ActorRef[Letter]])
    errors: list[str] = attrs.field(factory=list[str])

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        for ref in self.refs:
            s = ref.statistics()
            known = s.handled + s.failed + s.returned + s.dead_lettered + s.queued + s.in_hand
            if s.accepted != known:
                self.errors.append(f"{s} does not add up after a step of {task.name}")


@attrs.define(eq=False)
class Play:
    """One performance of a script, and what its senders saw."""

    script: Script
    stage: Stage
    ledgers: list[Ledger] = attrs.field(factory=list[Ledger])
    refs: list[ActorRef[Letter]] = attrs.field(factory=list[ActorRef[Letter]])
    seen: dict[int, Counter[str]] = attrs.field(factory=lambda: defaultdict[int, Counter[str]](Counter))
    """By actor: how its sends ended."""

    def cast(self) -> None:
        for i in range(self.script.actors):
            ledger = Ledger()
            self.ledgers.append(ledger)
            self.refs.append(
                self.stage.start_soon(partial(_same, ledger), f"ledger {i}", capacity=self.script.capacity)
            )

    async def perform(self, sender: int) -> None:
        mine = [step for step in self.script.steps if step.sender == sender for _ in range(step.times)]
        for number, step in enumerate(mine):
            with trio.move_on_after(0.5 if step.verb in BRIEF else math.inf):
                await self.do(step, Letter(sender, number, step.kind))

    async def do(self, step: Step, letter: Letter) -> None:
        ref, seen = self.refs[step.target], self.seen[step.target]
        if step.verb in ASKS:
            seen["asked"] += 1
        try:
            await self.send(step.verb, ref, letter)
        except MailboxFull:
            return
        except ActorStopped:
            return
        except ActorCrashed:
            seen["crashed"] += 1
        else:
            seen["told"] += step.verb in TELLS
            seen["answered"] += step.verb in ASKS

    async def send(self, verb: Verb, ref: ActorRef[Letter], letter: Letter) -> None:
        match verb:
            case Verb.TELL | Verb.TELL_BRIEFLY:
                await ref.tell(letter)
            case Verb.TELL_NOWAIT:
                ref.tell_nowait(letter)
            case Verb.ASK | Verb.ASK_BRIEFLY:
                assert await ref.ask(letter) == letter.number
            case Verb.PAUSE:
                await trio.sleep(1)
            case _:
                end(verb, ref)


def end(verb: Verb, ref: ActorRef[Letter]) -> None:
    match verb:
        case Verb.STOP:
            ref.stop()
        case Verb.CANCEL:
            ref.cell.cancel(ExitReason.EVICTED)
        case _:
            if ref.state is State.CANCELLING:
                ref.cell.condemn()


async def perform(script: Script) -> None:
    accountant = Accountant()
    trio.lowlevel.add_instrument(accountant)
    async with open_stage() as stage:
        play = Play(script, stage)
        play.cast()
        accountant.refs = play.refs
        async with trio.open_nursery() as nursery:
            for sender in range(3):
                nursery.start_soon(play.perform, sender)
    trio.lowlevel.remove_instrument(accountant)
    assert accountant.errors == []
    for i in range(script.actors):
        judge(play, i)
    lost = sum(notice.count for notice in stage.notices if isinstance(notice, DeadLettered))
    assert lost == sum(ref.statistics().dead_lettered for ref in play.refs)


def judge(play: Play, i: int) -> None:
    """What one actor did against what its senders saw."""
    ledger, statistics, seen = play.ledgers[i], play.refs[i].statistics(), play.seen[i]
    assert len(set(ledger.begun)) == len(ledger.begun), "each at most once"
    by_sender = sorted(ledger.begun, key=lambda letter: letter.sender)  # stable
    assert by_sender == sorted(by_sender, key=lambda letter: (letter.sender, letter.number)), "in order"
    assert (statistics.queued, statistics.in_hand) == (0, 0), "nothing stays with the dead"
    assert seen["told"] <= statistics.accepted <= seen["told"] + seen["asked"]
    assert seen["answered"] <= statistics.handled <= len(ledger.finished)
    assert seen["crashed"] <= statistics.failed <= 1
    assert statistics.dead_lettered <= seen["told"], "who asks is told"


@virtual.unhurried
@given(scripts(), virtual.seeds)
def test_every_accepted_message_is_accounted_for_at_every_step(script: Script, seed: int) -> None:
    virtual.run(perform, script, seed=seed)
