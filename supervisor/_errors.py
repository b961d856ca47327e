"""What can go wrong when you ask a supervisor for an actor; each error carries its proof."""

from __future__ import annotations

import math

from actors import ActorError, Exit, ExitReason, goodbye

from ._report import Refusal

CLOSE_TRY_AGAIN_LATER = 1013


def come_back_in(seconds: float) -> str:
    """What a client of a process that ends is told."""
    return f"The server restarts. Retry in {math.ceil(seconds)} s."


class SupervisorError(ActorError):
    """Every error of this package."""


class SpawnRefused(SupervisorError):
    """There was no room, and making room was tried. Nothing was started.

    `refusal` holds, for each slot, who holds it, the verdict on it, and why each stage kept it.
    """

    close_code = CLOSE_TRY_AGAIN_LATER
    """The WebSocket close code that says the same."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal)
        self.refusal = refusal

    @property
    def user(self) -> str:
        return self.refusal.user

    @property
    def limit(self) -> int:
        return self.refusal.limit

    @property
    def live(self) -> int:
        return self.refusal.live

    @property
    def reason(self) -> str:
        """Machine-readable: "limit", "reap_pending" or "process_limit"."""
        return self.refusal.reason.value

    @property
    def retry_after(self) -> float:
        return self.refusal.retry_after

    @property
    def close_reason(self) -> str:
        """At most 123 bytes, for the Close frame."""
        return self.refusal.sentence

    @property
    def farewell(self) -> tuple[int, str]:
        return self.close_code, self.close_reason

    def __str__(self) -> str:
        return f"no session for {self.user!r}: {self.refusal}"


class SpawnFailed(SupervisorError):
    """The actor ended before it was running; its slot is free, or about to be. `__cause__` is its error."""

    def __init__(self, user: str, key: str, exit: Exit) -> None:
        super().__init__(user, key, exit)
        self.user = user
        self.key = key
        self.exit = exit
        self.__cause__ = exit.error

    def __str__(self) -> str:
        return f"{self.user!r}/{self.key!r} did not come to run: {self.exit}"


class LivesElsewhere(SupervisorError):
    """The key's manager lives on another node of the cluster. Nothing was started here.

    Send the client there (`address`), or have it stopped there first (`Cluster.stop`).
    """

    retry_after = 1.0
    """Seconds after which it may have ended."""

    def __init__(self, user: str, key: str, *, node: str, address: str) -> None:
        super().__init__(user, key, node, address)
        self.user = user
        self.key = key
        self.node = node
        """What people call that node."""
        self.address = address
        """Where clients reach it; empty: it did not say."""

    @property
    def farewell(self) -> tuple[int, str]:
        return CLOSE_TRY_AGAIN_LATER, "This session lives on another server."

    def __str__(self) -> str:
        where = f"{self.node} ({self.address})" if self.address else self.node
        return f"{self.user!r}/{self.key!r} lives on {where}: send its client there, or stop it there first"

    def __copy__(self) -> LivesElsewhere:
        return LivesElsewhere(self.user, self.key, node=self.node, address=self.address)


class ClusterUnavailable(SupervisorError):
    """Whether there is a slot cannot be asked now, so nobody is let in; nobody was refused one either."""

    def __init__(self, why: str, retry_after: float) -> None:
        super().__init__(why, retry_after)
        self.why = why
        self.retry_after = retry_after
        """Seconds after which it is worth another try."""

    @property
    def farewell(self) -> tuple[int, str]:
        wait = math.ceil(self.retry_after)
        return CLOSE_TRY_AGAIN_LATER, f"The servers cannot agree at the moment. Retry in {wait} s."

    def __str__(self) -> str:
        return f"the cluster admits nobody now: {self.why}; retry in {self.retry_after:.1f} s"

    def __copy__(self) -> ClusterUnavailable:
        return ClusterUnavailable(self.why, self.retry_after)


class SupervisorClosed(SupervisorError):
    """The supervisor's block is ending, or has ended; nothing new is started."""

    retry_after = 5.0
    """Seconds after which another process may be there."""

    @property
    def farewell(self) -> tuple[int, str]:
        return goodbye(Exit(ExitReason.DRAINED, come_back_in(self.retry_after)))

    def __str__(self) -> str:
        return "this supervisor is shutting down and starts nothing new"
