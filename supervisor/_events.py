"""What can happen, as frozen records: logs, metrics, the journal and tests all read these. Pure."""

from __future__ import annotations

import enum

import attrs

from actors import DEFAULT_CLEANUP_GRACE, DEFAULT_STOP_GRACE, Exit, ExitReason, Phase

from ._report import CleanupReport, DrainReport, Refusal, Trigger, Verdict
from ._spec import HealthPolicy, SupervisorSpec


@attrs.frozen
class Stamp:
    """When, and the how-manieth: `seq` counts without gaps within one supervisor."""

    seq: int
    at: float
    """Trio's clock, in seconds."""


@attrs.frozen
class Event:
    """Base of all events."""

    stamp: Stamp

    def __init_subclass__(cls, **options: object) -> None:
        super().__init_subclass__(**options)
        # attrs would compile one for each class, which takes longer than all the rest of an event's import.
        if "__repr__" not in cls.__dict__:
            cls.__repr__ = Event.__repr__  # type: ignore[method-assign]

    def __repr__(self) -> str:
        """As attrs writes it."""
        fields = (field for field in attrs.fields(type(self)) if field.repr)
        told = (f"{field.name}={getattr(self, field.name)!r}" for field in fields)
        return f"{type(self).__qualname__.rpartition('>.')[2]}({', '.join(told)})"


@attrs.frozen
class ActorEvent(Event):
    """Base of the events about one incarnation."""

    user: str
    key: str
    incarnation: int


@attrs.frozen
class Reserved(ActorEvent):
    """A slot is held; nothing runs yet."""

    held: int
    """The user's slots held, this one included."""
    limit: int
    policy: HealthPolicy
    """The bounds that it is judged by."""
    stop_grace: float = DEFAULT_STOP_GRACE
    cleanup_grace: float = DEFAULT_CLEANUP_GRACE


@attrs.frozen
class Started(ActorEvent):
    """`on_start` has returned."""

    waited: float
    """Seconds from the request to here."""
    after_cleanup: bool = False
    """There was no room for it at first."""


@attrs.frozen
class Restarting(ActorEvent):
    """An incarnation ended; the next one has its slot and key, and begins after `delay` seconds."""

    next_incarnation: int
    attempt: int
    """How many in a row."""
    delay: float


@attrs.frozen
class GaveUp(ActorEvent):
    """It failed once more, and begins no more: more often than its policy allows, or its slot is not free."""

    exits: tuple[tuple[float, Exit], ...]
    """When its last incarnations ended, on Trio's clock, and how."""
    why: str


@attrs.frozen
class ConnectionAttached(ActorEvent):
    connections: int


@attrs.frozen
class ConnectionDetached(ActorEvent):
    connections: int
    why: str


@attrs.frozen
class Suspected(ActorEvent):
    """Judged bad; what is done about it follows."""

    verdict: Verdict
    phase: Phase | None = None
    """Where its task is."""
    since: float | None = None
    """When that phase began, on Trio's clock."""


@attrs.frozen
class Voided(ActorEvent):
    """It looked late, but the observer was late itself: nothing follows from it."""

    verdict: Verdict


@attrs.frozen
class ReapStarted(ActorEvent):
    reason: ExitReason
    where: str = ""
    """Where it hung, `file:line in function`; empty for one that was not stuck."""


class ForceStep(enum.Enum):
    """What is done to an actor that ignores cancellation, where its spec allows force."""

    OPEN_SHIELDS = "open shields"
    THROW = "throw"


@attrs.frozen
class Forced(ActorEvent):
    """It ignored its cancellation, and its spec allows more. Its connections are cut."""

    step: ForceStep
    touched: int
    """Shields opened, or tasks thrown into; 0: there was nothing to take hold of."""


@attrs.frozen
class Evicted(ActorEvent):
    """It was healthy, and is stopped to make room for a newcomer: the policy chose it."""

    newcomer: str
    """The newcomer's key."""
    quiet_for: float
    """Seconds since something came in, or was worked off."""


@attrs.frozen
class StopOverdue(ActorEvent):
    """Asked to stop, it had time enough for it: it is cancelled."""

    stack: tuple[str, ...]
    """Where it hangs, outermost first."""

    def __str__(self) -> str:
        return f"{self.user}/{self.key}#{self.incarnation}: {' > '.join(self.stack)}"


@attrs.frozen
class Condemned(ActorEvent):
    """Cancelled and still running; its slot is free within the user's condemned allowance."""

    cause: str
    """Why cancellation does not end it, in words: shielded, swallowing, in a thread; and where."""
    stack: tuple[str, ...]
    """Where it hangs, outermost first."""
    cancelled_at: float | None = None
    phase: Phase | None = None
    since: float | None = None
    """When that phase began, on Trio's clock, as `cancelled_at`."""
    held: int | None = None
    """The user's slots held from now on."""


@attrs.frozen
class Terminal(ActorEvent):
    """Its task is gone and all that it held is free. Exactly one per Reserved."""

    exit: Exit
    was_condemned: bool
    """It ended after all."""
    ending_since: float | None = None
    """When its end began, on Trio's clock: it was asked to stop, or cancelled; None: it just ended."""
    held: int | None = None
    """The user's slots held from now on."""


@attrs.frozen
class StartFailed(ActorEvent):
    """It ended before it was running; Terminal follows."""

    exit: Exit


@attrs.frozen
class MailDeadLettered(ActorEvent):
    count: int
    reason: ExitReason


@attrs.frozen
class Found(ActorEvent):
    """A request for an identity was served by the incarnation that lives, and that another one created."""

    waited: float = 0.0
    """Seconds from the request to here: 0, but for one who joined a start that was under way."""


@attrs.frozen
class Waited(Event):
    """A spawn did not find room at once and waits, behind `ahead` others of its user."""

    user: str
    key: str
    ahead: int


@attrs.frozen
class Refused(Event):
    user: str
    key: str
    refusal: Refusal
    waited: float = 0.0
    """Seconds from the request to here."""


@attrs.frozen
class LimitChanged(Event):
    """A limit was set at run time; `user` is None for the limit of all."""

    user: str | None
    limit: int


@attrs.frozen
class SettingsChanged(Event):
    """The supervisor took new settings at run time."""

    spec: SupervisorSpec
    """How it behaves from now on."""
    changes: tuple[str, ...]
    """What differs from before, `option: old > new`; the audit trail."""


@attrs.frozen
class ProbingFailed(Event):
    """To ask a user's managers failed by a fault of ours, and convicts nobody: what was seen counts."""

    user: str
    error: BaseException


@attrs.frozen
class EvictionFailed(Event):
    """The eviction policy raised, or chose nobody that it might: nobody is evicted."""

    user: str
    error: BaseException


@attrs.frozen
class CleanedUp(Event):
    """A cleanup of one user is complete."""

    report: CleanupReport
    trigger: Trigger = Trigger.ADMISSION
    made_room: bool = False
    """Of one for an admission: whoever waited got a slot."""
    all_alive: bool = False
    """Of one for an admission that made no room: every slot is held by one that is alive or newborn. There
    was nobody to remove, and to refuse is right."""


@attrs.frozen
class SweeperStarted(Event):
    period: float


@attrs.frozen
class Swept(Event):
    """The background sweep went once over everybody."""

    report: CleanupReport
    duration: float


@attrs.frozen
class SweeperFailed(Event):
    """The background sweep crashed, and starts anew after `restart_in` seconds."""

    error: BaseException
    restart_in: float


@attrs.frozen
class HandlerFailed(Event):
    """A task of the handler nursery raised; nobody else is touched."""

    name: str
    error: BaseException


@attrs.frozen
class ChoreFailed(Event):
    """A task of ours raised, on behalf of one user; nobody else is touched. Please report it."""

    user: str
    error: BaseException


@attrs.frozen
class Stalled(Event):
    """The event loop did not run for `duration` seconds more than it should have."""

    duration: float


@attrs.frozen
class LoopBlocked(Event):
    """The watchdog saw what blocked the event loop: one step of one task, or a turn of many steps."""

    duration: float
    """Seconds, as far as it was watched."""
    actor: str | None
    """Whose step it was; None for a task of no actor, and for a turn of many steps."""
    where: str
    """`file:line in function`; of a turn it says so."""
    stack: tuple[str, ...]
    """From the outside in."""


@attrs.frozen
class SweepHeld(Event):
    """So many users look dead at once that the fault may be ours: the sweep ends nobody until then."""

    suspects: int
    """Users with an actor that looks unresponsive."""
    users: int
    until: float


@attrs.frozen
class RecycleAdvised(Event):
    """Something here can only be cured by a new process: finish what you serve, and restart it."""

    why: str


@attrs.frozen
class DrainStarted(Event):
    """The process is to end, and empties: nobody new should be sent here."""

    notice: float
    """In so many seconds, nobody is let in any more."""


@attrs.frozen
class Drained(Event):
    """It is empty, but for who is condemned."""

    report: DrainReport


@attrs.frozen
class ShutdownHeld(Event):
    """The supervisor's block cannot end: these run on although they were cancelled."""

    holders: tuple[str, ...]


@attrs.frozen
class NodeJoined(Event):
    """The node holds a lease of the cluster from now on."""

    node: str
    session: str
    warming: float
    """Seconds for which nobody is admitted at first: the engine's data is new. 0: it is not."""


@attrs.frozen
class LeaseLost(Event):
    """The node's lease is over, and was not given back: others may take its slots."""

    node: str
    session: str
    why: str
    managers: int
    """So many lived here when it was last to be renewed; whether they end is the node's policy."""
    kept: bool
    """They live on, and the limits may be exceeded until they leave."""


@attrs.frozen
class EngineChanged(Event):
    """The cluster's engine went away, or came back."""

    standing: str
    """"up", "down" or "unknown"."""
    why: str


@attrs.frozen
class OwnersAsked(Event):
    """All slots of a user were held, some on other nodes: those were asked to judge, and to reap."""

    user: str
    asked: tuple[str, ...]
    """The nodes."""
    silent: tuple[str, ...]
    """Those of them that did not answer in time."""
    freed: int
    """So many slots fewer are held than before."""
    duration: float


@attrs.frozen
class Reconciled(Event):
    """What the cluster counted for a user was not what was here; told only where it differed."""

    user: str
    dropped: int
    """Slots that nobody here held: orphans."""
    added: int
    """Slots that had been forgotten there."""
    lost: tuple[str, ...]
    """Keys of managers here for which there is no slot any more: they end."""


@attrs.frozen
class FoundElsewhere(Event):
    """Somebody asked here for a manager that lives on another node."""

    user: str
    key: str
    node: str


@attrs.frozen
class NotAdmitted(Event):
    """The cluster could not be asked whether there is a slot."""

    user: str
    key: str
    why: str
    waited: float


@attrs.frozen
class EventsLost:
    """What a slow subscriber gets in place of the events it lost."""

    count: int
