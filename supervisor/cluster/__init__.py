"""Many processes, one promise: limits, keys, rooms and history that hold over all nodes of a cluster.

    from supervisor import ChildSpec, open_supervisor
    from supervisor.cluster import ClusterSpec, open_cluster

    async with (
        open_cluster("redis://127.0.0.1:6379", ClusterSpec(name="chat-1")) as cluster,
        open_supervisor(20, cluster=cluster) as supervisor,
    ):
        session = await supervisor.get_or_spawn("alice", "tab-1", ChildSpec(Session))

Each process that does this is a *node*. What they share lies in an engine that you run anyway: Valkey or
Redis, 7 or later. A node holds a *lease* there and renews it; its users' slots are bound to that lease.
When it cannot renew, Trio cancels all that runs under it before the engine lets others have the slots.

A user at his limit is refused only after the owners of his slots, wherever they are, have judged them by
their own evidence, and reaped; the refusal has the verdicts, and on which node each lives. A key that lives
on another node is `LivesElsewhere`: redirect the client, or have the manager stopped there (`Cluster.stop`).
Where nobody can say, it is `ClusterUnavailable`.
"""

from ._extra import require_cluster as require_cluster

from supervisor import ClusterStatistics, Node, Place  # isort: skip  # the missing extra is told first

from ._bus import NotAnswered
from ._chain import Rewritten, Truncated
from ._cluster import Cluster, open_cluster
from ._engine import Appended, Engine, Entry, Page
from ._errors import ClusterError, EngineDown, EngineRefused, EngineUnknown, LeaseLost
from ._log import Follower, Log
from ._member import Member
from ._patience import until_answered
from ._presence import Presence
from ._spec import ClusterSpec, OnLeaseLost
from ._topic import Topic
from ._wire import GAP, Gap, Reply, Script, Standing, Wire, WireStatistics, WireSubscription

__all__ = [
    "GAP",
    "Appended",
    "Cluster",
    "ClusterError",
    "ClusterSpec",
    "ClusterStatistics",
    "Engine",
    "EngineDown",
    "EngineRefused",
    "EngineUnknown",
    "Entry",
    "Follower",
    "Gap",
    "LeaseLost",
    "Log",
    "Member",
    "Node",
    "NotAnswered",
    "OnLeaseLost",
    "Page",
    "Place",
    "Presence",
    "Reply",
    "Rewritten",
    "Script",
    "Standing",
    "Topic",
    "Truncated",
    "Wire",
    "WireStatistics",
    "WireSubscription",
    "open_cluster",
    "until_answered",
]
