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
"""

from ._conflict import refuse_supervisord

refuse_supervisord()

from ._errors import SpawnFailed, SpawnRefused, SupervisorClosed, SupervisorError  # noqa: E402
from ._events import (  # noqa: E402
    ActorEvent,
    ChoreFailed,
    CleanedUp,
    Condemned,
    ConnectionAttached,
    ConnectionDetached,
    Event,
    EventsLost,
    Found,
    HandlerFailed,
    LimitChanged,
    MailDeadLettered,
    ReapStarted,
    Refused,
    Reserved,
    ShutdownHeld,
    Stalled,
    Stamp,
    Started,
    StartFailed,
    Subscription,
    Suspected,
    SweeperFailed,
    SweeperStarted,
    Swept,
    Terminal,
    Voided,
    Waited,
)
from ._handlers import HandlerNursery  # noqa: E402
from ._health import Lag, judge  # noqa: E402
from ._open import open_supervisor  # noqa: E402
from ._quota import LocalQuota, Quota, QuotaRefused  # noqa: E402
from ._report import (  # noqa: E402
    CleanupReport,
    Explanation,
    Finding,
    Health,
    Holder,
    Refusal,
    RefusalReason,
    Snapshot,
    Stage,
    StageReport,
    UserSnapshot,
    Verdict,
)
from ._spawn import Obtained  # noqa: E402
from ._spec import ChildSpec, HealthPolicy, Limit, SupervisorSpec  # noqa: E402
from ._supervisor import Supervisor  # noqa: E402

__all__ = [
    "ActorEvent",
    "ChildSpec",
    "ChoreFailed",
    "CleanedUp",
    "CleanupReport",
    "Condemned",
    "ConnectionAttached",
    "ConnectionDetached",
    "Event",
    "EventsLost",
    "Explanation",
    "Finding",
    "Found",
    "HandlerFailed",
    "HandlerNursery",
    "Health",
    "HealthPolicy",
    "Holder",
    "Lag",
    "Limit",
    "LimitChanged",
    "LocalQuota",
    "MailDeadLettered",
    "Obtained",
    "Quota",
    "QuotaRefused",
    "ReapStarted",
    "Refusal",
    "RefusalReason",
    "Refused",
    "Reserved",
    "ShutdownHeld",
    "Snapshot",
    "SpawnFailed",
    "SpawnRefused",
    "Stage",
    "StageReport",
    "Stalled",
    "Stamp",
    "StartFailed",
    "Started",
    "Subscription",
    "Supervisor",
    "SupervisorClosed",
    "SupervisorError",
    "SupervisorSpec",
    "Suspected",
    "SweeperFailed",
    "SweeperStarted",
    "Swept",
    "Terminal",
    "UserSnapshot",
    "Verdict",
    "Voided",
    "Waited",
    "judge",
    "open_supervisor",
]
