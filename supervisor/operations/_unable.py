"""Unable: why what an operator asked for cannot be done."""

from __future__ import annotations


class Unable(Exception):
    """What was asked for cannot be done; the text says why, `status` is HTTP's word for it."""

    def __init__(self, status: int, problem: str) -> None:
        super().__init__(problem)
        self.status = status
