"""Whose numbers are exported, and under which labels of the caller's. Pure; read from any thread."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from supervisor import Counts

from ._row import Counted, Labels
from ._table import DISTRIBUTIONS, METRICS

OWN = frozenset(
    {"le"}.union(*(metric.labels for metric in METRICS), *(each.labels for each in DISTRIBUTIONS))
)
"""Names that no label of the caller's may have."""


@attrs.define(eq=False)
class Sources:
    """Supervisors by the values of their labels; all have the same names of labels."""

    names: Labels
    # Replaced, never changed: somebody may be reading in another thread.
    _by_labels: Mapping[Labels, Counted] = attrs.field(init=False, factory=dict[Labels, Counted])

    @classmethod
    def of(cls, supervisor: Counted, labels: Mapping[str, str]) -> Sources:
        """The first one says which labels there are. Raises ValueError: one of them is ours."""
        taken = sorted(OWN & labels.keys())
        if taken:
            raise ValueError(f"{', '.join(taken)}: the metrics have labels of that name; choose another")
        sources = cls(tuple(labels))
        sources.add(supervisor, labels)
        return sources

    def add(self, supervisor: Counted, labels: Mapping[str, str]) -> None:
        """One more. Raises ValueError: other names than the first has, or the values of another."""
        if set(labels) != set(self.names):
            raise ValueError(f"labels {sorted(labels)}: every supervisor here has {sorted(self.names)}")
        values = tuple(labels[name] for name in self.names)
        if values in self._by_labels:
            raise ValueError(f"labels {dict(labels)}: another supervisor has them")
        self._by_labels = {**self._by_labels, values: supervisor}

    def remove(self, supervisor: Counted) -> None:
        self._by_labels = {v: source for v, source in self._by_labels.items() if source is not supervisor}

    def counts(self) -> dict[Labels, Counts]:
        """A snapshot of each, by the values of its labels."""
        return {values: source.counts() for values, source in self._by_labels.items()}
