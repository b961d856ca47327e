"""What the chat allows itself and others: every limit of its own, with the reason. Plain facts."""

from __future__ import annotations

import attrs

from .tokens import TOKEN_MAX_AGE


@attrs.frozen(kw_only=True)
class Limits:
    """The limits of one server (seconds, bytes, counts).

    Those of one message, name or room are part of the types of `protocol`; those of one connection
    are in the ConnectionSpec of `ChatSpec.websocket`.
    """

    hello_within: float = 5.0
    """From the WebSocket's opening to the hello: who says nothing holds nothing."""
    rate: float = 20.0
    """Messages a second of one user, over all of his connections: four busy tabs, not twenty."""
    burst: int = 400
    """And as many at once: what his tabs had to keep back during an outage goes out in one go."""
    token_age: float = TOKEN_MAX_AGE
    """How long one login lasts."""
    revoked: int = 10_000
    """Logouts remembered, a megabyte or two: one every four seconds for as long as a token lasts."""
    rooms: int = 50
    """Rooms one session may be in: more than anybody reads."""
    questions: int = 4
    """Questions one session may have open: each is a task."""
    stop_grace: float = 2.0
    """For one session to stop: its mail is short, and people wait for the server to end."""
    refusals: int = 1_000
    """Users whose last refusal is remembered, to be explained on the page."""
    refusal_shown: float = 60.0
    """A refusal older than this explains nothing any more."""
    body: int = 4 * 1024
    """The body of a request to the page: a name or a session, in JSON. More is not ours."""
