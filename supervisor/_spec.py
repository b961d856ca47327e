"""How an actor is to be made and judged, and how a supervisor is to behave: frozen specs."""

from __future__ import annotations

import enum
import math
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

import attrs

from actors import (
    DEFAULT_CAPACITY,
    DEFAULT_CLEANUP_GRACE,
    DEFAULT_CONNECTION_LIMIT,
    DEFAULT_STOP_GRACE,
    DEFAULT_THREAD_LIMIT,
    Actor,
)

M = TypeVar("M")

# The product this one answers ran at most 20 sessions a user; nobody honest needed more.
DEFAULT_LIMIT = 20

Limit = int | Callable[[str], int] | Callable[[str], Awaitable[int]]
"""A number, or a function of the user, sync or async."""


def _number(attribute: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(f"{attribute.name} must be a number, not {value!r}")


def _seconds(_: Any, attribute: attrs.Attribute[Any], value: float) -> None:
    _number(attribute, value)
    if not 0 < value < math.inf:
        raise ValueError(f"{attribute.name} must be more than 0 seconds, and finite, not {value!r}")


def _seconds_or_none(instance: Any, attribute: attrs.Attribute[Any], value: float | None) -> None:
    if value is not None:
        _seconds(instance, attribute, value)


def _not_negative(_: Any, attribute: attrs.Attribute[Any], value: float) -> None:
    _number(attribute, value)
    if not 0 <= value < math.inf:
        raise ValueError(f"{attribute.name} must be 0 or more, and finite, not {value!r}")


def _positive(_: Any, attribute: attrs.Attribute[Any], value: float) -> None:
    _number(attribute, value)
    if not value > 0:
        raise ValueError(f"{attribute.name} must be more than 0, not {value!r}")


def _a_part(_: Any, attribute: attrs.Attribute[Any], value: float) -> None:
    _number(attribute, value)
    if not 0 <= value < 1:
        raise ValueError(f"{attribute.name} must be a part: 0 or more, and less than 1, not {value!r}")


def _at_least_one(_: Any, attribute: attrs.Attribute[Any], value: int) -> None:
    _number(attribute, value)
    if value < 1:
        raise ValueError(f"{attribute.name} must be 1 or more, not {value!r}")


def _a_factory(_: Any, __: attrs.Attribute[Any], value: object) -> None:
    if not callable(value):
        what = type(value).__name__
        raise TypeError(
            f"factory must make a fresh actor at each call: write ChildSpec({what}), not an instance"
        )


@attrs.frozen(kw_only=True)
class HealthPolicy:
    """How long each phase of an actor may take, in seconds. Every bound is finite."""

    budget: float = attrs.field(default=5.0, validator=_seconds)
    """One `handle`, or one `probe`. Past it the actor is unresponsive."""
    ceiling: float = attrs.field(default=60.0, validator=_seconds)
    """One `handle` that renews its budget with `progress()`: no longer than this in all."""
    start_grace: float = attrs.field(default=10.0, validator=_seconds)
    """`on_start`."""
    attach_grace: float = attrs.field(default=30.0, validator=_seconds)
    """From its start to the first connection, and from the last one to the next."""
    idle_limit: float | None = attrs.field(default=3600.0, validator=_seconds_or_none)
    """Without inbound traffic or work; None: it may be quiet for ever."""
    cancel_grace: float = attrs.field(default=0.05, validator=_seconds)
    """From cancellation to the end of its task; past it the actor is condemned."""


class Restart(enum.Enum):
    """After which ends an actor begins anew. What OTP calls it stands in brackets."""

    NEVER = "never"
    """After none (temporary)."""
    ON_FAILURE = "on failure"
    """It crashed, or was found unresponsive (transient)."""
    ALWAYS = "always"
    """Also when it stopped, or was asked to (permanent); not by `Supervisor.stop` and its like."""


class Strategy(enum.Enum):
    """Who begins anew when one of a group does. The words are OTP's."""

    ONE_FOR_ONE = "one for one"
    """It alone; but the restarts of all count together."""
    ONE_FOR_ALL = "one for all"
    """All of them."""
    REST_FOR_ONE = "rest for one"
    """It, and those that first began after it: they build on it."""


@attrs.frozen
class RestartGroup:
    """Actors of one user that belong together: those whose specs have an equal group.

    Whoever begins anew takes along those that its strategy says. They are stopped, the last that began
    first, each within its own graces; then they begin in their order, each when the one before has.
    Their restarts are counted together, by the policy of whoever failed; and if one is given up, all of
    the group end. Who is stopped, or removed because nobody used it, takes nobody along. Those with
    Restart.NEVER end with the others, and stay ended.
    """

    name: str = attrs.field(validator=attrs.validators.instance_of(str))
    strategy: Strategy = attrs.field(
        default=Strategy.ONE_FOR_ALL, validator=attrs.validators.instance_of(Strategy)
    )


class Beyond(enum.Enum):
    """What becomes of it when it fails more often than its policy allows."""

    GIVE_UP = "give up"
    """It stays ended, its group with it, and their slots are free."""
    END_USER = "end user"
    """All managers of the user are stopped: they are of no use without it."""


@attrs.frozen(kw_only=True)
class RestartPolicy:
    """Whether an actor that ended begins anew, under the same key and in the same slot; times in seconds.

    Only one that had begun: a spawn whose `on_start` raises is a SpawnFailed, and no more. What was
    removed because nobody used it (garbage, idle, evicted), or when all ended, is not begun anew; nor
    is an unresponsive one while somebody waits for its slot.
    """

    when: Restart = attrs.field(default=Restart.NEVER, validator=attrs.validators.instance_of(Restart))
    intensity: int = attrs.field(default=3, validator=_not_negative)
    """At most so many restarts in any `period`, each child for itself; time that it hung, or waited to
    begin anew, is not counted: OTP, which knows no such waits, restarts at once."""
    period: float = attrs.field(default=5.0, validator=_seconds)
    backoff: float = attrs.field(default=0.1, validator=_seconds)
    """The first restart waits up to so long, by chance; the bound doubles with each in a row."""
    backoff_limit: float = attrs.field(default=30.0, validator=_seconds)
    """And is never more than this."""
    healthy_after: float = attrs.field(default=10.0, validator=_seconds)
    """One that has run for so long starts from the first bound again."""
    beyond: Beyond = attrs.field(default=Beyond.GIVE_UP, validator=attrs.validators.instance_of(Beyond))


_NO_RESTART = RestartPolicy()


def _restart_policy(given: RestartPolicy | Restart) -> RestartPolicy:
    return RestartPolicy(when=given) if isinstance(given, Restart) else given


@attrs.frozen
class ChildSpec(Generic[M]):
    """How to make one actor, and what it is allowed."""

    factory: Callable[[], Actor[M]] = attrs.field(validator=_a_factory)
    """Makes a fresh actor; called in its own task and a fresh context, once per incarnation."""
    health: HealthPolicy = attrs.field(
        kw_only=True, factory=HealthPolicy, validator=attrs.validators.instance_of(HealthPolicy)
    )
    mailbox_capacity: int = attrs.field(kw_only=True, default=DEFAULT_CAPACITY, validator=_at_least_one)
    connection_limit: int = attrs.field(
        kw_only=True, default=DEFAULT_CONNECTION_LIMIT, validator=_not_negative
    )
    stop_grace: float = attrs.field(kw_only=True, default=DEFAULT_STOP_GRACE, validator=_seconds)
    """A stop: draining its mail and `on_stop`, in seconds. Then it is cancelled."""
    cleanup_grace: float = attrs.field(kw_only=True, default=DEFAULT_CLEANUP_GRACE, validator=_seconds)
    """`on_stop` after a cancellation, shielded, in seconds."""
    restart: RestartPolicy = attrs.field(
        kw_only=True,
        default=_NO_RESTART,
        converter=_restart_policy,
        validator=attrs.validators.instance_of(RestartPolicy),
    )
    """Whether it begins anew after its end; `Restart.ALWAYS` alone means that with the usual numbers."""
    group: RestartGroup | None = attrs.field(
        kw_only=True,
        default=None,
        validator=attrs.validators.optional(attrs.validators.instance_of(RestartGroup)),
    )
    """With which others of its user it begins anew; None: it stands alone."""
    priority: int = attrs.field(kw_only=True, default=0, validator=attrs.validators.instance_of(int))
    """For eviction policies, where there is one: the least goes first."""
    protected: bool = attrs.field(kw_only=True, default=False)
    """Whether it is never evicted, whatever a policy says."""
    force: bool = attrs.field(kw_only=True, default=False)
    """Whether one that ignores cancellation has its shields opened and then is thrown out of its wait.

    Each step has one more `cancel_grace`. It may break what a shield protects (a lock, half a
    write), and needs private parts of Trio: where they are missing, it is condemned as without.
    """


@attrs.frozen(kw_only=True)
class DrainSpec:
    """How a process empties before its end, phase by phase; durations in seconds.

    It takes `notice`, then `spread` at most, then `grace` at most, then the `cancel_grace` and
    `cleanup_grace` of who was cancelled. Have whoever ends the process wait that long.
    """

    notice: float = attrs.field(default=0.0, validator=_not_negative)
    """Not ready any more, but newcomers are let in: until load balancers have noticed."""
    spread: float = attrs.field(default=10.0, validator=_not_negative)
    """Then managers are stopped, a batch at a time, so that not all clients come back at once elsewhere:
    within so long,"""
    per_second: float = attrs.field(default=1000.0, validator=_positive)
    """and no more than so many a second if that is soon enough."""
    reconnect: float = attrs.field(default=5.0, validator=_not_negative)
    """Each client is told to come back in up to so long, by chance."""
    grace: float = attrs.field(default=10.0, validator=_not_negative)
    """After the last was asked to stop: who is still here then is cancelled."""


@attrs.frozen(kw_only=True)
class SupervisorSpec:
    """How a supervisor behaves; durations in seconds."""

    process_limit: int | None = attrs.field(default=None, validator=attrs.validators.optional(_not_negative))
    """Slots of all users together; None: no limit but theirs."""
    condemned_allowance: int | None = attrs.field(
        default=None, validator=attrs.validators.optional(_not_negative)
    )
    """How many condemned actors of a user hold no slot; None: as many as the limit."""
    admission_deadline: float = attrs.field(default=0.05, validator=_seconds)
    """How long a spawn waits for answers to probes, and for actors that stop gracefully."""
    slot_wait: float = attrs.field(default=0.0, validator=_not_negative)
    """How long a spawn may wait for a slot, after cleanup, before it is refused."""
    standing_wait: float | None = attrs.field(
        default=None, validator=attrs.validators.optional(_not_negative)
    )
    """And how long where a user's queue has stood for longer than `slot_wait`: then waiting longer helps
    nobody. None: as long as ever. After CoDel, as Ben Maurer has it in "Fail at Scale", ACM Queue 2015."""
    fair_from: float = attrs.field(default=1.0, validator=_positive)
    """From this part of the process limit on, a user gets no more than his share: the limit, divided by
    the users here. 1 or more: who comes first gets it."""
    concurrent_starts: int | None = attrs.field(
        default=None, validator=attrs.validators.optional(_at_least_one)
    )
    """How many actors of the process begin at once, users taking turns; None: any number."""
    start_wait: float = attrs.field(default=2.0, validator=_seconds)
    """How long a start may wait for its turn; then it is refused, as the process is overloaded."""
    sweep_period: float = attrs.field(default=300.0, validator=_seconds)
    sweep_jitter: float = attrs.field(default=0.1, validator=_a_part)
    """A part of the period, so that many processes do not sweep in step; 0: exactly the period."""
    high_water: float = attrs.field(default=0.7, validator=_positive)
    """A user that reaches this part of the limit is looked through early; above 1: nobody is."""
    mass_hold: float = attrs.field(default=60.0, validator=_not_negative)
    """When many users look dead at once, the sweep ends nobody for so long: it may be our fault."""
    threads_per_user: int = attrs.field(default=DEFAULT_THREAD_LIMIT, validator=_at_least_one)
    """Threads of `run_blocking` that one user may occupy, those abandoned included."""
    probing: bool = True
    """Whether cleanup asks: it runs probe hooks and pings quiet clients. Without, only what the runtime
    has seen by itself counts."""
    watchdog: float | None = attrs.field(default=None, validator=_seconds_or_none)
    """A step that blocks the event loop for so long is told, with its line; None: nobody watches."""
    watchdog_process: bool = False
    """Whether a small process watches beside the watchdog's thread: C code that lets no thread run is
    told on standard error at once. Nothing without `watchdog`."""
    dead_man: float | None = attrs.field(default=None, validator=_seconds_or_none)
    """So long after its end began, on a real clock, the process prints its stacks and exits; None: never."""
