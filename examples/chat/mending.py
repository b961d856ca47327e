"""What the engine refuses: an operator will mend it, who is told of it once; until then we ask again."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

import attrs
import trio

from supervisor.cluster import EngineRefused

_log = logging.getLogger(__name__)

# Seconds from a refusal to the next try.
PAUSE = 1.0
# Seconds. What was not refused for so long has been mended; refused again, it is told again.
MENDED_AFTER = 30.0


@attrs.define(eq=False)
class Mending:
    """One for all that may be refused the same: one trouble of the engine is one line in the log."""

    _refused: dict[str, float] = attrs.field(init=False, factory=dict[str, float])
    """When each trouble was last met; those that are over go with the next refusal."""

    async def until_done(self, do: Callable[[], Awaitable[None]]) -> None:
        """Do it; as often as it raises EngineRefused, alone or in a group, do it again a moment later."""
        while True:
            try:
                return await do()
            except* EngineRefused as refusals:
                self._tell(refusals)
            await trio.sleep(PAUSE)

    def _tell(self, refusals: BaseExceptionGroup[EngineRefused]) -> None:
        refusal, now = str(_first(refusals)), trio.current_time()
        self._refused = {each: at for each, at in self._refused.items() if now - at < MENDED_AFTER}
        if refusal not in self._refused:
            _log.warning("%s; asked again every %g s", refusal, PAUSE)
        self._refused[refusal] = now


def _first(error: BaseException) -> BaseException:
    inner: tuple[BaseException, ...] = getattr(error, "exceptions", ())
    return _first(inner[0]) if inner else error
