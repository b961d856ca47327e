"""Is the running task cancelled? Trio's own answer takes longer than to send a message.

The one file of the package that knows private names of Trio. Where one of them is missing, Trio is asked.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import trio

_run: Any = getattr(getattr(trio, "_core", None), "_run", None)

SEES_CANCELLATION: bool = (
    hasattr(_run, "GLOBAL_RUN_CONTEXT")
    and hasattr(trio.lowlevel.Task, "_cancel_status")
    and hasattr(getattr(_run, "CancelStatus", None), "effectively_cancelled")
)
"""Whether `RUNNING.task._cancel_status.effectively_cancelled` tells what `checkpoint_if_cancelled` asks."""

RUNNING: Any = _run.GLOBAL_RUN_CONTEXT if SEES_CANCELLATION else SimpleNamespace()
"""Has the running task as `task`."""
