"""A secret that equals another of the same value: so that settings with secrets can be compared."""

from __future__ import annotations

from typing import TypeVar

import typed_settings

T = TypeVar("T")


class Secret(typed_settings.Secret[T]):
    """typed-settings' `Secret`: hides itself from `repr`, `str` and logs; ask it `get_secret_value()`.

    Theirs equals nothing but itself, so that two settings loaded alike would differ.
    """

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash(self.get_secret_value())
