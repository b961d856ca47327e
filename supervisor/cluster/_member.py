"""Member: what the log and presence need to know of the node they serve."""

from __future__ import annotations

from typing import Protocol


class Member(Protocol):
    """A node of a cluster, as `open_cluster` gives it."""

    @property
    def session(self) -> str:
        """Of this node now. Raises LeaseLost while it has none."""
        ...

    @property
    def live(self) -> frozenset[str]:
        """The sessions that were alive at the last beat."""
        ...

    async def live_changed(self) -> None:
        """Wait until `live` is another one."""
        ...
