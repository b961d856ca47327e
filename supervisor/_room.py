"""A full process: before it refuses a newcomer, it cleans up after everybody, once for all that wait."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

import attrs
import trio

from ._cleanup import anything_to_remove, resumable_until
from ._report import Stage, Trigger
from ._sweep import Sweep, clean_up_all
from ._table import Services
from ._user import UserSupervisor

# A full process that was swept less than this ago, in seconds, is not swept again for each newcomer.
SWEEPS_APART = 0.1

# Starts a task that outlives whoever asked for it, by its name.
StartSoon = Callable[[Callable[[], Awaitable[None]], str], None]


@attrs.define(eq=False, repr=False)
class Room:
    """Makes room in a full process."""

    _services: Services
    _sweep: Sweep
    _users: Callable[[], Iterable[UserSupervisor]]
    _start_soon: StartSoon
    _making: _Making | None = attrs.field(init=False, default=None)

    async def make(self) -> None:
        """Clean up after everybody; whoever asks meanwhile, or right after, waits for the same cleanup.

        Cancellation: the cleanup goes on.
        """
        if self._making is None or self._making.is_stale():
            making = self._making = _Making()

            async def make() -> None:
                try:
                    await self._sweep.clean(bound=self._services.spec.admission_deadline)
                finally:
                    making.finish()

            self._start_soon(make, "making room in a full process")
        await self._making.done.wait()

    async def reclaim(self) -> bool:
        """Take back the slots of all that turned out dead since, or else the one of the client gone longest.

        False: there are none.
        """
        bound = self._services.spec.admission_deadline
        convicted = [here for here in self._users() if anything_to_remove(here.table)]
        if convicted:  # by evidence that came in since the last cleanup
            await clean_up_all(convicted, Trigger.FULL_PROCESS, until=Stage.LIVENESS, bound=bound, ask=False)
            return True
        gone = [(at, here) for here in self._users() if (at := resumable_until(here.table)) is not None]
        if not gone:
            return False
        _, here = min(gone, key=lambda found: found[0])
        await here.clean_up(Stage.GARBAGE, Trigger.FULL_PROCESS, needed=lambda: 1, bound=bound)
        return True


@attrs.define(eq=False, repr=False)
class _Making:
    """One cleanup of a full process, shared by all that wait for it."""

    done: trio.Event = attrs.field(init=False, factory=trio.Event)
    _finished_at: float | None = attrs.field(init=False, default=None)

    def finish(self) -> None:
        self._finished_at = trio.current_time()
        self.done.set()

    def is_stale(self) -> bool:
        return self._finished_at is not None and trio.current_time() - self._finished_at > SWEEPS_APART
