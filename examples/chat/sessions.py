"""Where a user's sessions are: all in this process, or, over a cluster, anywhere."""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias

import attrs

from supervisor import ChildSpec, Holder, Obtained, Supervisor

from .session import Said, Wedge
from .tokens import Login

SessionSpec: TypeAlias = ChildSpec[Said | Wedge]


class Sessions(Protocol):
    """The sessions of all users."""

    async def obtain(self, user: str, session: str, spec: SessionSpec) -> Obtained[Said | Wedge]:
        """The manager of that session, here: the one that lives, or a new one.

        Raises what `Supervisor.get_or_spawn` does.
        """
        ...

    async def holders(self, user: str) -> tuple[Holder, ...]:
        """Who holds the user's slots."""
        ...

    async def stop(self, user: str, session: str) -> bool:
        """Have a session end that is not here; False: there is none. Raises SessionsError."""
        ...

    async def wedge(self, user: str, session: str) -> bool:
        """A drill: have a session hang that is not here; False: there is none. Raises SessionsError."""
        ...

    async def logged_out(self, login: Login) -> bool:
        """Have it end everywhere; False: not everybody could be told."""
        ...

    def node_of(self, holder: Holder) -> dict[str, Any]:
        """On which node it is, as one field for the page; where there is but one: none."""
        ...


class SessionsError(Exception):
    """It cannot be said or done now; the sentence is for people."""


@attrs.frozen
class SessionsHere(Sessions):
    """One process has them all."""

    supervisor: Supervisor

    async def obtain(self, user: str, session: str, spec: SessionSpec) -> Obtained[Said | Wedge]:
        return await self.supervisor.get_or_spawn(user, session, spec)

    async def holders(self, user: str) -> tuple[Holder, ...]:
        return self.supervisor.explain(user).holders

    async def stop(self, user: str, session: str) -> bool:  # noqa: ARG002  # nothing is elsewhere
        return False

    async def wedge(self, user: str, session: str) -> bool:  # noqa: ARG002  # nothing is elsewhere
        return False

    async def logged_out(self, login: Login) -> bool:  # noqa: ARG002  # nothing is elsewhere
        return True

    def node_of(self, holder: Holder) -> dict[str, Any]:  # noqa: ARG002  # nothing is elsewhere
        return {}
