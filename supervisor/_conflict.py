"""Two distributions install a package `supervisor`: supervisord's and ours. Only one can be right."""

from __future__ import annotations

import sys
from pathlib import Path


def refuse_supervisord() -> None:
    """Raise ImportError when supervisord's package is installed too: pip overwrites silently."""
    for entry in sys.path:
        if (Path(entry) / "supervisor" / "supervisord.py").is_file():
            raise ImportError(
                "trouper and supervisord both install a package named 'supervisor', and both are installed "
                f"here (supervisord's is in {entry or '.'!r}): keep them in separate virtual environments, "
                "then reinstall trouper"
            )


refuse_supervisord()
