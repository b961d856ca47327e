"""What an operator of this example wants to know, in the log: no texts, no tokens."""

from __future__ import annotations

import logging

import trio

from supervisor import (
    Condemned,
    Event,
    EventsLost,
    HandlerFailed,
    LoopBlocked,
    Refused,
    ShutdownHeld,
    Stalled,
    Subscription,
    SweeperFailed,
    Terminal,
)

logger = logging.getLogger("examples.chat")


async def log_events(events: Subscription) -> None:
    """Write one line for each event that matters, until the supervisor ends."""
    # Shielded, so that the end is in the log too; it is over when the supervisor is.
    with events, trio.CancelScope(shield=True):
        async for event in events:
            line = _line_of_one(event) or _line_of_all(event)
            if line is not None:
                logger.log(*line)


def _line_of_one(event: Event | EventsLost) -> tuple[int, str] | None:
    """What concerns one session or connection."""
    match event:
        case Terminal(user=user, key=key, exit=how):
            line = logging.INFO, f"session {key!r} of {user!r} ended: {how}"
        case Refused(refusal=refusal):
            line = logging.WARNING, f"refused {refusal.user!r}: {refusal.sentence}"
        case Condemned(user=user, key=key, stack=stack):
            line = logging.ERROR, f"session {key!r} of {user!r} ignores cancellation: {stack}"
        case HandlerFailed(name=name, error=error):
            line = logging.ERROR, f"handler {name} failed: {error!r}"
        case _:
            return None
    return line


def _line_of_all(event: Event | EventsLost) -> tuple[int, str] | None:
    """What concerns everybody."""
    match event:
        case SweeperFailed(error=error, restart_in=delay):
            line = logging.ERROR, f"sweeper crashed ({error!r}), restarts in {delay:g} s"
        case Stalled(duration=duration):
            line = logging.WARNING, f"the event loop stood still for {duration:.2f} s"
        case LoopBlocked(duration=duration, actor=actor, where=where):
            whose = f"session {actor}" if actor else "no session"
            line = logging.WARNING, f"the event loop was blocked for {duration:.2f} s by {whose}: {where}"
        case ShutdownHeld(holders=holders):
            line = logging.ERROR, f"cannot end because of {holders}"
        case _:
            return None
    return line
