"""What can go wrong between a node and the engine; each error says whether anything may have happened."""

from __future__ import annotations

from actors import Exit, ExitReason, goodbye
from supervisor import SupervisorError


class ClusterError(SupervisorError):
    """Every error of this package."""


class EngineDown(ClusterError):
    """The engine could not be asked; nothing was done there."""

    def __init__(self, address: str, why: str) -> None:
        super().__init__(address, why)
        self.address = address
        self.why = why

    def __str__(self) -> str:
        return f"the engine at {self.address} cannot be asked: {self.why}"


class EngineUnknown(ClusterError):
    """The engine was asked, and no answer came: it may have been done, or not."""

    def __init__(self, address: str, why: str) -> None:
        super().__init__(address, why)
        self.address = address
        self.why = why

    def __str__(self) -> str:
        return f"the engine at {self.address} was asked and did not answer ({self.why}); ask again"


class EngineRefused(ClusterError):
    """The engine answered with an error of its own: an unknown command, no memory, no permission."""

    def __init__(self, address: str, why: str) -> None:
        super().__init__(address, why)
        self.address = address
        self.why = why

    def __str__(self) -> str:
        return f"the engine at {self.address} refuses: {self.why}"


class LeaseLost(ClusterError):
    """The node's lease is over: others may hold its slots by now, and nothing may be done in its name."""

    def __init__(self, node: str) -> None:
        super().__init__(node)
        self.node = node

    @property
    def farewell(self) -> tuple[int, str]:
        return goodbye(Exit(ExitReason.FENCED))

    def __str__(self) -> str:
        return f"{self.node} has lost its lease; what it was about to do must not be done in its name"
