"""What a client hears when its manager has ended: a WebSocket close code and a reason. Pure."""

from __future__ import annotations

from ._lifecycle import Exit, ExitReason

CLOSE_RESTARTS = 1012
CLOSE_TRY_AGAIN = 1013

CLOSE_EVICTED = 4009
"""Close code for whose session had to make room: from the range for private use."""

CLOSE_CODES = {
    ExitReason.CRASHED: 1011,
    ExitReason.START_FAILED: 1011,
    ExitReason.UNRESPONSIVE: 1011,
    ExitReason.EVICTED: CLOSE_EVICTED,
    ExitReason.DRAINED: CLOSE_RESTARTS,
    ExitReason.FENCED: CLOSE_RESTARTS,
}
"""The WebSocket close code by why the manager ended; 1001 (going away) for all others."""


def goodbye(exit: Exit) -> tuple[int, str]:
    """What to close a connection with whose manager ended so: the WebSocket close code, and the reason.

    Of what was done by policy the client hears the details: who was evicted why, and when to come back.
    """
    code = CLOSE_CODES.get(exit.reason, 1001)
    if exit.detail and exit.reason in (ExitReason.EVICTED, ExitReason.DRAINED):
        return code, exit.detail
    return code, f"session ended: {exit.reason.value}"
