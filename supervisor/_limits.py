"""How many slots each user may hold: a number or a function for all, and numbers of some users' own."""

from __future__ import annotations

import inspect

import attrs

from ._spec import Limit


@attrs.define(eq=False)
class Limits:
    """The limits as they stand now."""

    usual: Limit
    """Of every user that has none of his own."""
    own: dict[str, int] = attrs.field(init=False, factory=dict[str, int])

    def number_of(self, user: str) -> int | None:
        """The limit as it stands now; None: a function has to be asked."""
        limit = self._said_of(user)
        return None if callable(limit) else limit

    async def of(self, user: str) -> int:
        """The limit as it stands now, also if it was changed while a function thought about it.

        Raises ValueError: the function gave something else. And whatever it raises.
        """
        while True:
            asked = self._said_of(user)
            answer = asked(user) if callable(asked) else asked
            limit = await answer if inspect.isawaitable(answer) else answer
            check_limit(limit, user)
            if self._said_of(user) is asked:
                return limit

    def known_of(self, user: str) -> int:
        """The limit, as far as it is known without asking: 0 where only a function knows it."""
        return self.number_of(user) or 0

    def _said_of(self, user: str) -> Limit:
        return self.own.get(user, self.usual)


def check_limit(limit: object, user: str | None) -> None:
    """Raise ValueError unless it is a number of slots; of one user, or of all."""
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 0:
        whose = "the limit" if user is None else f"the limit of {user!r}"
        raise ValueError(f"{whose} must be a whole number of slots, 0 or more, not {limit!r}")
