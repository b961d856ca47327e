"""Does this Trio let us see whether a task is cancelled? Asking it takes longer than sending a message.

The one file of the package that knows private names of Trio; where they are missing, Trio is asked.
"""

from __future__ import annotations

import trio

_CancelStatus = getattr(getattr(getattr(trio, "_core", None), "_run", None), "CancelStatus", None)

SEES_CANCELLATION = hasattr(trio.lowlevel.Task, "_cancel_status") and hasattr(
    _CancelStatus, "effectively_cancelled"
)
"""`task._cancel_status.effectively_cancelled` is there: it says what `checkpoint_if_cancelled` looks at."""
