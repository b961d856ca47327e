"""A cluster: its nodes, how its engine stands, and on which node a user's managers live. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from ._contract import Cluster, Located, Node, Nodes, Whereabouts
from ._tables import BAD, FAINT, GOOD, HEAD, below, health, line, paragraphs, table, text
from ._words import counted, duration

WATCH = "yellow"

# Of the engine's state.
_STYLES: Mapping[str, str] = {"up": GOOD, "warming": WATCH, "unknown": BAD, "down": BAD}


def cluster_line(cluster: Cluster) -> Text:
    """How this node stands, in one line."""
    return line(
        (cluster["node"], HEAD),
        "   engine ",
        _state(cluster),
        "   ",
        _lease(cluster),
        _counted(cluster),
    )


def _counted(cluster: Cluster) -> str:
    """Nothing where nothing counts."""
    if cluster["lease_left"] is None:
        return ""
    return f"   {counted(cluster['nodes'], 'node')}   {counted(cluster['slots'], 'slot')} counted"


def _state(cluster: Cluster) -> Text:
    state = cluster["state"]
    word = text(state, _STYLES.get(state, ""))
    if state == "warming":
        return line(word, (f", nobody is let in for {duration(cluster['warming'])}", WATCH))
    if state == "up":
        return line(word, f" ({duration(cluster['round_trip'])})")
    return line(word, (f" for {duration(cluster['standing_for'])}", BAD))


def _lease(cluster: Cluster) -> Text:
    if cluster["lease_left"] is not None:
        return text(f"lease {duration(cluster['lease_left'])} left")
    kept = cluster["limits_may_be_exceeded"]
    return text(
        "no lease: limits may be exceeded" if kept else "no lease: nobody is let in", WATCH if kept else BAD
    )


def nodes_view(nodes: Nodes) -> RenderableType:
    """All nodes that are alive; above them how this one stands, beneath them what had to be put right."""
    cluster = nodes["cluster"]
    return paragraphs(
        None if cluster is None else below(cluster_line(cluster), *_engine(cluster)),
        None if nodes["problem"] is None else text(nodes["problem"], BAD),
        _nodes(nodes["nodes"]) if nodes["nodes"] else None,
        _put_right(nodes["counted"]),
    )


def _engine(cluster: Cluster) -> list[Text]:
    """Where it is, what it was asked; and why there is no lease, if there is none."""
    failures = cluster["failures"]
    told = [
        line(
            (f"engine at {cluster['engine']}", FAINT),
            f"   {cluster['calls']:,} calls, ",
            (f"{failures:,} failed", WATCH if failures else ""),
            f", {counted(cluster['connects'], 'connection')}, {counted(cluster['gaps'], 'gap')}",
        )
    ]
    if cluster["no_lease"]:
        told.append(text(f"no lease: {cluster['no_lease']}", BAD))
    return told


def _nodes(nodes: Sequence[Node]) -> Table:
    rows = table("node", ">lease left", ">managers", ">users", ">condemned", "address")
    for node in nodes:
        figures = node["figures"]
        condemned = figures["zombies"]
        rows.add_row(
            line((node["name"], HEAD if node["is_me"] else ""), " (this one)" if node["is_me"] else ""),
            text(f"{duration(node['expires_in'])} of {duration(node['lease'])}"),
            text(_number(figures["managers"])),
            text(_number(figures["users"])),
            text(_number(condemned), BAD if condemned else ""),
            text(node["address"] or "-"),
        )
    return rows


def _number(number: int | None) -> str:
    return "-" if number is None else f"{number:,}"


def _put_right(counted_here: Mapping[str, int]) -> Text:
    """What this node has found to be wrong in the cluster since it began, and what it asked of others."""
    lost, silent = counted_here["leases_lost"], counted_here["owners_silent"]
    return line(
        ("since it began: ", FAINT),
        (counted(lost, "lease") + " lost", BAD if lost else ""),
        f", {counted(counted_here['orphans_dropped'], 'orphan')} dropped",
        f", {counted(counted_here['slots_added'], 'slot')} added, {counted_here['slots_lost']:,} lost",
        f"; {counted(counted_here['owners_asked'], 'owner')} asked, ",
        (f"{silent:,} silent", WATCH if silent else ""),
    )


def where_view(found: Whereabouts) -> RenderableType:
    """One user's managers on all nodes."""
    managers, nodes = found["managers"], {one["node"] for one in found["managers"]}
    whole = f"{counted(found['total'], 'manager')} on {counted(len(nodes), 'node')}"
    more = found["total"] - len(managers)
    return paragraphs(
        below(
            line((found["user"], HEAD), f": {whole}"),
            None if found["problem"] is None else text(f"only those of this node: {found['problem']}", BAD),
        ),
        _located(managers) if managers else None,
        text(f"and {more:,} more", FAINT) if more > 0 else None,
    )


def _located(managers: Sequence[Located]) -> Table:
    rows = table("node", "key", "verdict", ">age", ">conn", "evidence")
    for one in sorted(managers, key=lambda one: (one["node"], one["key"])):
        # Of one whose node does not answer nothing is known but its key.
        known = one["incarnation"] > 0
        connections = "-" if one["connections"] is None else f"{one['connections']}"
        rows.add_row(
            line((one["node"], HEAD if one["here"] else "")),
            text(f"{one['key']}#{one['incarnation']}" if known else one["key"]),
            health(one["health"]),
            text(duration(one["age"]) if known else "-"),
            text(connections),
            text(one["evidence"]),
        )
    return rows
