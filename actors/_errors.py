"""What can go wrong between you and an actor; each error knows its facts and says the way out."""

from __future__ import annotations

from ._goodbye import CLOSE_TRY_AGAIN, goodbye
from ._lifecycle import Exit


class ActorError(Exception):
    """Every error of this package. Also its repr says the way out: that is what a log shows of a crash."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self}>"

    @property
    def farewell(self) -> tuple[int, str] | None:
        """The WebSocket close code, and the reason, for a client whose handler let this error out.

        None: it is nobody's fault but the handler's own, and so 1011, "internal error".
        """
        return None


class MailboxFull(ActorError):
    """`tell_nowait` found no room; nothing was sent."""

    def __init__(self, actor: str, capacity: int) -> None:
        super().__init__(actor, capacity)
        self.actor = actor
        self.capacity = capacity

    def __str__(self) -> str:
        return (
            f"the mailbox of {self.actor!r} is full ({self.capacity} messages wait); "
            "use `await tell(...)` to wait for room, or drop the message"
        )


class ActorStopped(ActorError):
    """The actor is dead or dying, so the message was not, or will not be, handled."""

    def __init__(self, actor: str, exit: Exit) -> None:
        super().__init__(actor, exit)
        self.actor = actor
        self.exit = exit

    @property
    def farewell(self) -> tuple[int, str]:
        return goodbye(self.exit)

    def __str__(self) -> str:
        return f"{self.actor!r} takes no messages any more ({self.exit}); obtain it anew from its supervisor"


class ActorCrashed(ActorError):
    """`handle` raised while it worked on your request. `__cause__` is what it raised."""

    def __init__(self, actor: str, error: BaseException) -> None:
        super().__init__(actor, error)
        self.actor = actor
        self.error = error
        self.__cause__ = error

    def __str__(self) -> str:
        return f"{self.actor!r} crashed on your request: {self.error!r}"


class Deadlock(ActorError):
    """Waiting here could never end: the actor waits, through others or directly, for itself."""

    def __init__(self, chain: tuple[str, ...]) -> None:
        super().__init__(chain)
        self.chain = chain

    def __str__(self) -> str:
        circle = " -> ".join(self.chain)
        return f"{circle} would wait for itself; use `tell`, or ask from a child task (`start_soon`)"


class Fenced(ActorError):
    """A condemned actor tried to act. It was cancelled and did not stop; nobody hears it any more."""

    def __init__(self, actor: str) -> None:
        super().__init__(actor)
        self.actor = actor

    def __str__(self) -> str:
        return f"{self.actor!r} is condemned (cancelled, still running): it may not send, nor start threads"


class ConnectionClosed(ActorError):
    """The connection has ended, or is ending."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason

    def __str__(self) -> str:
        return f"the connection is closed ({self.code}: {self.reason or 'no reason given'})"


class TooManyConnections(ActorError):
    """The manager already holds as many connections as its limit allows."""

    def __init__(self, actor: str, limit: int) -> None:
        super().__init__(actor, limit)
        self.actor = actor
        self.limit = limit

    @property
    def farewell(self) -> tuple[int, str]:
        return CLOSE_TRY_AGAIN, f"This session has {self.limit} connections already."

    def __str__(self) -> str:
        return f"{self.actor!r} holds {self.limit} connections already, its limit; close one first"


class TooManyThreads(ActorError):
    """`run_blocking` found all threads of its owner occupied; nothing was started."""

    def __init__(self, owner: str, limit: int) -> None:
        super().__init__(owner, limit)
        self.owner = owner
        self.limit = limit

    def __str__(self) -> str:
        return (
            f"{self.owner!r} occupies {self.limit} threads already, the limit, and one whose caller was "
            "cancelled counts until it ends; give blocking calls a timeout of their own, or raise "
            "`threads_per_user` of the supervisor's spec"
        )
