"""What can be wrong with settings: sentences that name the option, its source, and the way out. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

import attrs

from supervisor import SupervisorError

# A sentence with more names than this is not read.
MOST_NAMES = 12


@attrs.frozen
class Problem:
    """One thing that is wrong."""

    source: str
    """Where it stands: `trouper.toml [supervisor]`, `TROUPER_LIMIT`, `overrides`; empty: nowhere yet."""
    option: str
    """Dotted; empty: not about one option."""
    text: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.source, self.option, self.text) if part)


class SettingsError(SupervisorError):
    """Settings that cannot be loaded. Tells all that is wrong at once; no value of a secret is in it."""

    def __init__(self, *problems: Problem) -> None:
        assert problems
        super().__init__(*problems)
        self.problems = problems

    def __str__(self) -> str:
        if len(self.problems) == 1:
            return str(self.problems[0])
        return f"{len(self.problems)} problems:" + "".join(f"\n- {problem}" for problem in self.problems)


def nearest(name: str, known: Iterable[str], *, beside: str = "") -> str:
    """The way out of a misspelt name: those that may have been meant, or else those that there are.

    `beside` is how the names begin that stand next to it: they all share it, so it tells nothing.
    """
    names = list(known)
    next_to_it = {one.removeprefix(beside): one for one in names if one.startswith(beside)}
    # One of the same name in another table is meant more surely than one that is spelt alike.
    last = name.rpartition(".")[2]
    elsewhere = [one for one in names if one.rpartition(".")[2] == last]
    alike = get_close_matches(name.removeprefix(beside), next_to_it)
    if meant := elsewhere or [next_to_it[one] for one in alike]:
        return "did you mean " + " or ".join(meant) + "?"
    return "there are " + listed(one for short, one in next_to_it.items() if "." not in short)


def listed(names: Iterable[str]) -> str:
    """In words, and not too many of them."""
    first, more = (every := list(names))[:MOST_NAMES], len(every) - MOST_NAMES
    return ", ".join(first) + (f" and {more} more" if more > 0 else "")
