"""The table of all metrics, one row each, whoever exports them. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from actors import ExitReason
from supervisor import Counts, Histogram, RefusalReason, Stage, Trigger

from ._row import (
    NO_STAGE,
    Distribution,
    Kind,
    Labels,
    Metric,
    Numbers,
    cluster_total,
    each,
    gauge,
    label,
    of_cluster,
    total,
    totals,
)


def _managers_by_stage(counts: Counts) -> Numbers:
    numbers: dict[Labels, float] = {}
    for stage in Stage:
        done = counts.stages.get(stage, NO_STAGE)
        for outcome, number in (("reaped", done.reaped), ("kept", done.kept), ("failed", done.failed)):
            numbers[label(stage), outcome] = number
    return numbers


def _spawns(counts: Counts) -> Mapping[Labels, Histogram]:
    return {
        ("found",): counts.found,
        ("spawned",): counts.spawned,
        ("after_cleanup",): counts.spawned_after_cleanup,
        ("refused",): counts.refused,
    }


METRICS: tuple[Metric, ...] = (
    total("trouper_events", "Events, of any kind.", lambda c: c.events),
    # The background cleanup
    total(
        "trouper_background_cleanup_task_started",
        "Starts of the background cleanup: the first one, and one after each crash.",
        lambda c: c.background_cleanup_task_started,
    ),
    total(
        "trouper_background_cleanup_failures",
        "Crashes of the background cleanup. As many as starts: it does not run now.",
        lambda c: c.background_cleanup_failures,
    ),
    total("trouper_sweeps", "Rounds of the background cleanup over all users.", lambda c: c.sweeps),
    total(
        "trouper_sweeps_held",
        "Rounds that ended nobody, since so many users looked dead at once.",
        lambda c: c.sweeps_held,
    ),
    # Making room
    total(
        "trouper_emergency_cleanup_triggers",
        "Cleanups since somebody waited for a slot.",
        lambda c: c.emergency_cleanup_triggers,
    ),
    total(
        "trouper_successful_emergency_cleanups",
        "Cleanups after which whoever waited had a slot.",
        lambda c: c.successful_emergency_cleanups,
    ),
    total(
        "trouper_emergency_cleanups_all_alive",
        "Cleanups that had nobody to remove: all who held a slot were alive, so to refuse was right.",
        lambda c: c.emergency_cleanups_all_alive,
    ),
    totals(
        "trouper_resource_limit_hits",
        "Refusals, by reason.",
        ("reason",),
        each(RefusalReason, lambda c, reason: c.refusals.get(reason, 0)),
    ),
    totals(
        "trouper_cleanups",
        "Cleanups of one user, by what they were for.",
        ("trigger",),
        each(Trigger, lambda c, trigger: c.cleanups.get(trigger, 0)),
    ),
    totals(
        "trouper_cleanup_stage_runs",
        "How often each stage of a cleanup ran.",
        ("stage",),
        each(Stage, lambda c, stage: c.stages.get(stage, NO_STAGE).runs),
    ),
    totals(
        "trouper_cleanup_stage_managers",
        "Managers that each stage looked at, by what became of them.",
        ("stage", "outcome"),
        _managers_by_stage,
    ),
    totals(
        "trouper_cleanup_stage_seconds",
        "Time that each stage took.",
        ("stage",),
        each(Stage, lambda c, stage: c.stages.get(stage, NO_STAGE).seconds),
        unit="s",
    ),
    # The lives of managers
    total("trouper_managers_created", "Managers that came to run.", lambda c: c.managers_created),
    total(
        "trouper_managers_found",
        "Requests that were served by a manager that somebody else created, before or just then.",
        lambda c: c.managers_found,
    ),
    total("trouper_managers_cleaned_up", "Managers that a cleanup removed.", lambda c: c.managers_cleaned_up),
    total("trouper_managers_condemned", "Managers that ignored their cancellation.", lambda c: c.condemned),
    total("trouper_manager_starts_failed", "Managers that ended before they ran.", lambda c: c.starts_failed),
    totals(
        "trouper_manager_ends",
        "Ends of managers, by reason.",
        ("reason",),
        each(ExitReason, lambda c, reason: c.ends.get(reason, 0)),
    ),
    totals(
        "trouper_reaps",
        "Managers that were reaped, by reason.",
        ("reason",),
        each(ExitReason, lambda c, reason: c.reaps.get(reason, 0)),
    ),
    total("trouper_dead_letters", "Messages that nobody will handle.", lambda c: c.dead_letters),
    total("trouper_handler_failures", "Connection handlers that raised.", lambda c: c.handler_failures),
    # The event loop
    total("trouper_stalls", "Times that the event loop came back late.", lambda c: c.stalls),
    total(
        "trouper_stalled_seconds",
        "By how much the event loop came back late.",
        lambda c: c.stalled_seconds,
        unit="s",
    ),
    total("trouper_loop_blocks", "Steps that the watchdog saw block the loop.", lambda c: c.loop_blocks),
    # Who is here
    gauge("trouper_managers", "Managers here that hold a slot, or are just ending.", lambda c: c.managers),
    gauge("trouper_zombies", "Condemned managers that run on.", lambda c: c.zombies),
    gauge("trouper_users", "Users who hold a slot.", lambda c: c.users),
    gauge("trouper_connections", "Connections that are attached.", lambda c: c.connections),
    gauge(
        "trouper_users_at_manager_limit",
        "Users who hold as many slots as they may.",
        lambda c: c.users_at_manager_limit,
    ),
    gauge(
        "trouper_average_managers_per_user",
        "Managers by users, of those users who hold a slot.",
        lambda c: c.average_managers_per_user,
    ),
    gauge(
        "trouper_max_concurrent_managers",
        "The most managers that were here at once.",
        lambda c: c.max_concurrent_managers,
    ),
    # A cluster, where there is one
    Metric(
        Kind.GAUGE,
        "trouper_cluster_engine_up",
        "1 where the engine answers this node, else 0.",
        of_cluster(lambda cluster: float(cluster.is_up)),
    ),
    Metric(
        Kind.GAUGE,
        "trouper_cluster_lease_left_seconds",
        "How long this node may act still unless it renews its lease; 0 without one.",
        of_cluster(lambda cluster: cluster.lease_left or 0.0),
        unit="s",
    ),
    Metric(
        Kind.GAUGE,
        "trouper_cluster_warming_seconds",
        "Nobody is admitted for so long, since the engine's data is new.",
        of_cluster(lambda cluster: cluster.warming),
        unit="s",
    ),
    Metric(
        Kind.GAUGE,
        "trouper_cluster_nodes",
        "Nodes alive at this node's last beat; 0 without a lease.",
        of_cluster(lambda cluster: cluster.nodes),
    ),
    Metric(
        Kind.GAUGE,
        "trouper_cluster_slots",
        "Slots of this node that count in the cluster, or are about to.",
        of_cluster(lambda cluster: cluster.slots),
    ),
    Metric(
        Kind.GAUGE,
        "trouper_cluster_round_trip_seconds",
        "How long the last good call of the engine took.",
        of_cluster(lambda cluster: cluster.round_trip),
        unit="s",
    ),
    Metric(
        Kind.COUNTER,
        "trouper_cluster_engine_calls",
        "Calls of the engine.",
        of_cluster(lambda cluster: cluster.calls),
    ),
    Metric(
        Kind.COUNTER,
        "trouper_cluster_engine_failures",
        "Calls of the engine that failed.",
        of_cluster(lambda cluster: cluster.failures),
    ),
    Metric(
        Kind.COUNTER,
        "trouper_cluster_engine_connects",
        "Connections to the engine, one after the other.",
        of_cluster(lambda cluster: cluster.connects),
    ),
    Metric(
        Kind.COUNTER,
        "trouper_cluster_gaps",
        "Times that published messages may have been missed.",
        of_cluster(lambda cluster: cluster.gaps),
    ),
    cluster_total("trouper_cluster_leases_begun", "Leases that this node has had.", lambda c: c.leases_begun),
    cluster_total("trouper_cluster_leases_lost", "Leases that this node has lost.", lambda c: c.leases_lost),
    cluster_total(
        "trouper_cluster_warmings",
        "Leases that began with the engine's data being new.",
        lambda c: c.warmings,
    ),
    cluster_total(
        "trouper_cluster_engine_changes",
        "Times that the engine went away, or came back.",
        lambda c: c.engine_changes,
    ),
    cluster_total(
        "trouper_cluster_owners_asked",
        "Other nodes that were asked to judge and reap for a user who held all slots.",
        lambda c: c.owners_asked,
    ),
    cluster_total(
        "trouper_cluster_owners_silent",
        "Other nodes that were asked so, and did not answer in time.",
        lambda c: c.owners_silent,
    ),
    cluster_total(
        "trouper_cluster_slots_freed",
        "Slots of other nodes that came free since they were asked to judge and reap.",
        lambda c: c.slots_freed_elsewhere,
    ),
    cluster_total(
        "trouper_cluster_orphans_dropped",
        "Slots that the cluster counted for this node, and that nobody here held.",
        lambda c: c.orphans_dropped,
    ),
    cluster_total(
        "trouper_cluster_slots_added",
        "Slots held here that the cluster had forgotten.",
        lambda c: c.slots_added,
    ),
    cluster_total(
        "trouper_cluster_slots_lost",
        "Slots that the cluster had forgotten, and had no room for any more: their managers ended.",
        lambda c: c.slots_lost,
    ),
    cluster_total(
        "trouper_cluster_found_elsewhere",
        "Requests for a manager that lives on another node.",
        lambda c: c.found_elsewhere,
    ),
    cluster_total(
        "trouper_cluster_not_admitted",
        "Requests that came while the cluster could not be asked.",
        lambda c: c.not_admitted,
    ),
)

DISTRIBUTIONS: tuple[Distribution, ...] = (
    Distribution(
        "trouper_spawn_seconds",
        "From a request to the running manager, found or spawned, or to its refusal.",
        _spawns,
        ("outcome",),
    ),
    Distribution(
        "trouper_reap_seconds",
        "From the beginning of an end to the end, or to the condemnation.",
        lambda c: {(): c.reaped},
    ),
)
