"""Per-user supervision on Trio: a user is refused only with proof.

    import trio
    from actors import Actor
    from supervisor import ChildSpec, SpawnRefused, open_supervisor

    class Session(Actor[str]):
        async def handle(self, message: str) -> None:
            print(message)

    async def main() -> None:
        async with open_supervisor(limit=20) as supervisor:
            session = await supervisor.get_or_spawn("alice", "tab-1", ChildSpec(Session))
            await session.ref.tell("hello")

Every way to a manager is `Supervisor.get_or_spawn`. Nobody is locked out by ghosts: before it
refuses, it removes whom the runtime's own evidence speaks against. No healthy manager is ever
ended to make room.

*A manager* is an actor that one user has under one key, made as its `ChildSpec` says: the factory, how
long each phase may take (`HealthPolicy`), whether it begins anew (`RestartPolicy`), and with whom
(`RestartGroup`). It holds one of the user's slots from before it starts until all that it had is free.

*A verdict* says how it is: healthy, busy until then, unresponsive, and always why. `judge` makes it from
evidence, in microseconds, and asks nobody. `Supervisor.explain` shows those of a user.

*Making room* goes in stages, and stops as soon as there is some: garbage (nobody uses it), then liveness
(past its budget, or its probe fails), and eviction only where you gave a policy for that. Then comes
`SpawnRefused`, whose `refusal` has the verdict on each slot holder. A sweep in the background does the same
where nobody asks.

*Ending* is asked for (`stop`), then a cancellation after a grace. Trio cannot end what ignores that: it is
*condemned*, gives up its slot and key, and is told with the line where it hangs. `drain` and
`drain_on_signal` empty a whole process, and tell clients when to come back.

*Events* tell all that happens, in order (`Supervisor.events`); logs, metrics, alerts and the journal are made
of them. `SupervisorSpec` has the supervisor's own times and limits, each with its unit and its reason.

The subpackages need extras, and say which: `settings`, `metrics`, `alerts`, `journal`, `operations`,
`console`, `cli`, and `testing`, for your own tests. `examples/README.md` has the guides: which number to
choose, what you see when something goes wrong, and what differs from OTP, Akka, Orleans and plain Trio.
"""

from ._backend import Backend, Claim, LocalNode
from ._blockage import Blockage
from ._cluster_facts import ClusterStatistics, Node, Place
from ._conflict import refuse_supervisord as refuse_supervisord
from ._counts import Counts, StageCounts
from ._dead_man import dead_man_switch
from ._errors import (
    ClusterUnavailable,
    LivesElsewhere,
    SpawnFailed,
    SpawnRefused,
    SupervisorClosed,
    SupervisorError,
)
from ._events import (
    ActorEvent,
    ChoreFailed,
    CleanedUp,
    Condemned,
    ConnectionAttached,
    ConnectionDetached,
    Drained,
    DrainStarted,
    EngineChanged,
    Event,
    EventsLost,
    Evicted,
    EvictionFailed,
    Forced,
    ForceStep,
    Found,
    FoundElsewhere,
    GaveUp,
    HandlerFailed,
    LeaseLost,
    LimitChanged,
    LoopBlocked,
    MailDeadLettered,
    NodeJoined,
    NotAdmitted,
    OwnersAsked,
    ProbingFailed,
    ReapStarted,
    Reconciled,
    RecycleAdvised,
    Refused,
    Reserved,
    Restarting,
    SettingsChanged,
    ShutdownHeld,
    Stalled,
    Stamp,
    Started,
    StartFailed,
    StopOverdue,
    Suspected,
    SweeperFailed,
    SweeperStarted,
    SweepHeld,
    Swept,
    Terminal,
    Voided,
    Waited,
)
from ._eviction import Candidate, EvictionPolicy, LeastRecentlyActive, LowestPriority, Newcomer
from ._fitness import Fitness
from ._handlers import HandlerNursery
from ._health import Lag, judge
from ._histogram import BOUNDS, Histogram
from ._open import open_supervisor
from ._quota import LocalQuota, QuotaRefused
from ._report import (
    CleanupReport,
    DrainReport,
    Explanation,
    Finding,
    Health,
    Holder,
    Refusal,
    RefusalReason,
    Snapshot,
    Stage,
    StageReport,
    Standing,
    Trigger,
    UserSnapshot,
    Verdict,
)
from ._settings import PROFILES, Change, Settings, diff
from ._signals import drain_on_signal
from ._spawn import Obtained
from ._spec import (
    Beyond,
    ChildSpec,
    DrainSpec,
    HealthPolicy,
    Limit,
    Restart,
    RestartGroup,
    RestartPolicy,
    Strategy,
    SupervisorSpec,
)
from ._stream import Subscription
from ._supervisor import Supervisor
from ._survey import Survey
from .watchdog import open_watchdog

__all__ = [
    "BOUNDS",
    "PROFILES",
    "ActorEvent",
    "Backend",
    "Beyond",
    "Blockage",
    "Candidate",
    "Change",
    "ChildSpec",
    "ChoreFailed",
    "Claim",
    "CleanedUp",
    "CleanupReport",
    "ClusterStatistics",
    "ClusterUnavailable",
    "Condemned",
    "ConnectionAttached",
    "ConnectionDetached",
    "Counts",
    "DrainReport",
    "DrainSpec",
    "DrainStarted",
    "Drained",
    "EngineChanged",
    "Event",
    "EventsLost",
    "Evicted",
    "EvictionFailed",
    "EvictionPolicy",
    "Explanation",
    "Finding",
    "Fitness",
    "ForceStep",
    "Forced",
    "Found",
    "FoundElsewhere",
    "GaveUp",
    "HandlerFailed",
    "HandlerNursery",
    "Health",
    "HealthPolicy",
    "Histogram",
    "Holder",
    "Lag",
    "LeaseLost",
    "LeastRecentlyActive",
    "Limit",
    "LimitChanged",
    "LivesElsewhere",
    "LocalNode",
    "LocalQuota",
    "LoopBlocked",
    "LowestPriority",
    "MailDeadLettered",
    "Newcomer",
    "Node",
    "NodeJoined",
    "NotAdmitted",
    "Obtained",
    "OwnersAsked",
    "Place",
    "ProbingFailed",
    "QuotaRefused",
    "ReapStarted",
    "Reconciled",
    "RecycleAdvised",
    "Refusal",
    "RefusalReason",
    "Refused",
    "Reserved",
    "Restart",
    "RestartGroup",
    "RestartPolicy",
    "Restarting",
    "Settings",
    "SettingsChanged",
    "ShutdownHeld",
    "Snapshot",
    "SpawnFailed",
    "SpawnRefused",
    "Stage",
    "StageCounts",
    "StageReport",
    "Stalled",
    "Stamp",
    "Standing",
    "StartFailed",
    "Started",
    "StopOverdue",
    "Strategy",
    "Subscription",
    "Supervisor",
    "SupervisorClosed",
    "SupervisorError",
    "SupervisorSpec",
    "Survey",
    "Suspected",
    "SweepHeld",
    "SweeperFailed",
    "SweeperStarted",
    "Swept",
    "Terminal",
    "Trigger",
    "UserSnapshot",
    "Verdict",
    "Voided",
    "Waited",
    "dead_man_switch",
    "diff",
    "drain_on_signal",
    "judge",
    "open_supervisor",
    "open_watchdog",
]
