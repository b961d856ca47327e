"""What the API of a running supervisor answers: the facts that are shown here, by name. Pure.

Times are seconds: `ago` from now on backwards, `age` and `*_for` how long already, `*_in` how long still.
"""

from __future__ import annotations

from typing import Any, TypeAlias, TypedDict, final

Json: TypeAlias = Any
"""What came over the wire, before anybody has looked at it."""


class Fitness(TypedDict):
    """Is it fit to be left running, or to be given work? If not, why."""

    ok: bool
    problems: list[str]


class User(TypedDict):
    """One user in one line."""

    user: str
    held: int
    limit: int
    condemned: int
    waiting: int


class StuckUser(TypedDict):
    """One user with managers that hang."""

    user: str
    stuck: int
    held: int
    limit: int


class Manager(TypedDict):
    """One manager, its verdict, and, if it does not rest, where it is."""

    user: str
    key: str
    incarnation: int
    health: str
    evidence: str
    until_in: float | None
    age: float
    connections: int | None
    phase: str | None
    phase_for: float | None
    where: str
    stack: list[str]
    cause: str
    node: str


class Holder(Manager):
    """One who holds a slot that somebody was refused, and why each stage left him there."""

    kept: list[str]


class Finding(TypedDict):
    """One manager as a stage saw it."""

    user: str
    key: str
    incarnation: int
    health: str
    evidence: str


class Stage(TypedDict):
    """What one stage did; of long lists the first 200, and how many there are."""

    stage: str
    before: int
    after: int
    duration: float
    reaped: list[Finding]
    kept: list[Finding]
    failed: list[Finding]
    reaped_total: int
    kept_total: int
    failed_total: int


class Report(TypedDict):
    """What a cleanup did, or would do."""

    user: str | None
    dry_run: bool
    summary: str
    reaped: int
    kept: int
    failed: int
    stages: list[Stage]


class Standing(TypedDict):
    """One user, looked at closely."""

    user: str
    here: bool
    clustered: bool
    limit: int
    own_limit: bool
    held: int
    waiting: int
    threads: int
    would_admit: bool
    managers: list[Manager]
    condemned: list[Manager]
    dry_run: Report


class Users(TypedDict):
    """Some users; `next` is where the others begin."""

    users: list[User]
    next: int | None
    total: int | None
    clustered: bool


class BriefRefusal(TypedDict):
    """A refusal, without its proof."""

    seq: int
    ago: float
    user: str
    key: str
    waited: float
    reason: str
    sentence: str
    limit: int
    live: int
    condemned: int
    retry_after: float


class Refusal(BriefRefusal):
    """A refusal with its proof."""

    stages: list[Stage]
    holders: list[Holder]


class Alert(TypedDict):
    """What a person should look at."""

    name: str
    summary: str
    user: str | None
    ago: float


@final
class Line(TypedDict):
    """One event, as a line of a log."""

    seq: int
    ago: float
    event: str
    level: str
    text: str
    user: str | None
    key: str | None
    incarnation: int | None


@final
class Skipped(TypedDict):
    """Stands for so many events that were left out."""

    skipped: int


class Survey(TypedDict):
    """How everybody stood a moment ago."""

    ago: float
    took: float
    users: int
    managers: int
    health: dict[str, int]
    stuck: list[Manager]
    condemned: list[Manager]
    fullest: list[User]
    stuck_users: list[StuckUser]


class AtLimit(TypedDict):
    """The users who hold as many slots as they may."""

    total: int
    users: list[User]


class Lag(TypedDict):
    """How late the event loop came: last second, last minute."""

    now: float
    worst: float


class Spawn(TypedDict):
    """How long spawns took in the last minute."""

    p50: float | None
    p99: float | None


class Cluster(TypedDict):
    """How the node that was asked stands in its cluster."""

    node: str
    address: str
    engine: str
    state: str
    standing: str
    standing_for: float
    why: str
    lease: float
    lease_left: float | None
    no_lease: str
    kept: bool
    lets_in: bool
    limits_may_be_exceeded: bool
    warming: float
    nodes: int
    slots: int
    calls: int
    failures: int
    connects: int
    gaps: int
    round_trip: float | None


class Overview(TypedDict):
    """All that the top of a page, or of a terminal, tells."""

    at: float
    uptime: float
    pid: int
    version: str
    live: Fitness
    ready: Fitness
    warnings: list[str]
    cluster: Cluster | None
    probing: bool
    limit: int | None
    process_limit: int | None
    sweep_period: float
    lag: Lag
    counts: dict[str, Any]
    rates: dict[str, float]
    spawn: Spawn
    survey: Survey | None
    at_limit: AtLimit
    alerts: list[Alert]


class Located(Manager):
    """One manager, on whatever node it lives."""

    here: bool


class Whereabouts(TypedDict):
    """One user's managers on all nodes; with a problem, only those of the node that was asked."""

    user: str
    problem: str | None
    total: int
    managers: list[Located]


class Node(TypedDict):
    """One node that is alive, and how much lived there at its last beat."""

    session: str
    name: str
    address: str
    lease: float
    expires_in: float
    figures: dict[str, int | None]
    is_me: bool


class Nodes(TypedDict):
    """All nodes; with a problem, none."""

    cluster: Cluster | None
    problem: str | None
    nodes: list[Node]
    counted: dict[str, int]


class Ended(TypedDict):
    """One manager that was stopped, and how it ended."""

    key: str
    incarnation: int
    node: str
    """Empty: here."""
    exit: str


class Stopped(TypedDict):
    """What a stop did."""

    stopped: int
    ended: list[Ended]
    condemned: int
    problem: str
    """Which nodes of a cluster could not be asked; empty: none."""


class Group(TypedDict):
    """Tasks that wait in the same place, below tasks that do; those below it come after it."""

    depth: int
    count: int
    names: list[str]
    stack: list[str]


class Thread(TypedDict):
    """One thread, and where it is."""

    name: str
    stack: list[str]


class Dump(TypedDict):
    """Where every task and every thread is."""

    tasks: int
    groups: list[Group]
    threads: list[Thread]
