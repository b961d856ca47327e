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


class SupervisorClosed(SupervisorError):
    """The supervisor's block is ending, or has ended; nothing new is started."""

    retry_after = 5.0
    """Seconds after which another process may be there."""

    @property
    def farewell(self) -> tuple[int, str]:
        return goodbye(Exit(ExitReason.DRAINED, come_back_in(self.retry_after)))

    def __str__(self) -> str:
        return "this supervisor is shutting down and starts nothing new"
