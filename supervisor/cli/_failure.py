"""What ends a command early: sentences that name the thing and the way out, and an exit status."""

from __future__ import annotations

DONE, REFUSED, UNREACHABLE = 0, 1, 2
"""Exit statuses: done; refused, or the answer is no; used wrongly, or nobody answers."""

INTERRUPTED = 130
"""As of any program that Ctrl-C ended."""

STATUSES = (
    "Exit status: 0 done; 1 refused, or the answer is no (nobody of that name, a cleanup that left "
    "somebody behind); 2 used wrongly, or no supervisor answers."
)


class CommandFailed(Exception):
    """A command cannot go on."""

    def __init__(self, *sentences: str, status: int = UNREACHABLE) -> None:
        super().__init__(*sentences)
        self.sentences = sentences
        """A line each."""
        self.status = status
