"""Nodes: what they say of themselves, and of who lives there, in JSON and back. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import attrs

from supervisor import Health, Holder, Node, Stage, Verdict

from ._engine import NodeRecord, Slot


def name_of(session: str) -> str:
    """The name of the node, out of its session's id."""
    return session.rpartition("-")[0]


def about(name: str, address: str, lease: float) -> str:
    """What a node says of itself when it joins."""
    return json.dumps({"name": name, "address": address, "lease": lease})


def node_of(record: NodeRecord, me: str | None) -> Node:
    """The node behind a record of the engine's."""
    said: dict[str, Any] = json.loads(record.about)
    figures: dict[str, int] = json.loads(record.figures or "{}")
    return Node(
        record.session,
        said["name"],
        said["address"],
        said["lease"],
        record.expires_in,
        figures,
        is_me=record.session == me,
    )


def written(holders: Sequence[Holder], now: float) -> str:
    """Who holds slots, for another node. Clocks are each process's own: moments go as distances from now."""
    return json.dumps([_holder(holder, now) for holder in holders])


def read(text: str, node: str, now: float) -> tuple[Holder, ...]:
    """Who holds slots on that node, as it says."""
    return tuple(
        Holder(
            said["key"],
            said["incarnation"],
            _verdict_of(said["verdict"], now),
            said["age"],
            said["connections"],
            tuple((Stage(stage), _verdict_of(verdict, now)) for stage, verdict in said["kept"]),
            where=said["where"],
            node=node,
        )
        for said in json.loads(text)
    )


def silent_holder(slot: Slot, node: str, expires_in: float) -> Holder:
    """Who holds a slot on a node that does not answer."""
    evidence = f"{node} does not answer; unless it renews its lease, that ends in {expires_in:.1f} s"
    return Holder(slot.key, 0, Verdict(Health.UNKNOWN, evidence), 0.0, None, node=node)


def _holder(holder: Holder, now: float) -> dict[str, Any]:
    kept: tuple[tuple[Stage, Verdict], ...] = attrs.astuple(holder, recurse=False)[5]
    return {
        "key": holder.key,
        "incarnation": holder.incarnation,
        "verdict": _verdict(holder.verdict, now),
        "age": holder.age,
        "connections": holder.connections,
        "kept": [(stage.value, _verdict(verdict, now)) for stage, verdict in kept],
        "where": holder.where,
    }


def _verdict(verdict: Verdict, now: float) -> tuple[str, str, float | None]:
    left = None if verdict.until is None else verdict.until - now
    return verdict.health.value, verdict.evidence, left


def _verdict_of(said: tuple[str, str, float | None], now: float) -> Verdict:
    health, evidence, left = said
    return Verdict(Health(health), evidence, None if left is None else now + left)
