"""Where it was measured: processor, load before the start, and the versions of all that took part."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from typing import Any

from .peers import PEERS

pyperf: Any = importlib.import_module("pyperf")

Facts = Mapping[str, str | int | float]

# Of what pyperf finds out; not whose machine it is, or where on it Python lies.
_TOLD = (
    "date",
    "cpu_model_name",
    "cpu_count",
    "cpu_freq",
    "load_avg_1min",
    "platform",
    "python_implementation",
    "python_version",
    "python_compiler",
    "perf_version",
)


def look(peers: Iterable[str]) -> Facts:
    """Look at this machine; before anything is measured, for the load."""
    found = pyperf.Run([1.0]).get_metadata()
    facts: dict[str, str | int | float] = {name: found[name] for name in _TOLD if name in found}
    versions = {f"{peer}_version": PEERS[peer].version for peer in peers}
    return facts | {name: version for name, version in versions.items() if version}


def header(facts: Facts) -> str:
    """In one paragraph."""
    versions = [
        f"{peer.title} {facts[f'{key}_version']}" for key, peer in PEERS.items() if f"{key}_version" in facts
    ]
    return (
        f"{facts.get('cpu_model_name', 'a processor')}, {facts.get('cpu_count', '?')} cores, "
        f"{facts.get('platform', '')}, load {facts.get('load_avg_1min', '?')} before the start; "
        f"{facts.get('python_implementation', '')} {facts.get('python_version', '')}"
        f"{''.join(f', {version}' for version in versions)}."
    )
