"""`explain-settings`: each option, its value, where it came from, and what it overrode."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Mapping

from supervisor.settings import Loaded, Settings, SettingsError, as_table, load

from ._contract import Json
from ._failure import DONE, CommandFailed
from ._screen import console, draw, show_json
from ._tables import text


def explain_settings(options: argparse.Namespace) -> int:
    """Load them as a server here would, and tell where each came from."""
    try:
        loaded = load(
            Settings,
            profile=options.profile,
            file=options.file,
            environ=os.environ,
            overrides=overrides(options.set),
        )
    except SettingsError as error:
        raise CommandFailed(*str(error).splitlines()) from None
    if options.json:
        show_json(facts_of(loaded))
    else:
        for row in as_table(loaded.explain(), width=console().width):
            draw(text(row))
    return DONE


def overrides(assignments: Iterable[str]) -> Mapping[str, object]:
    """`supervisor.sweep_period=30` > its two halves.

    Raises:
      CommandFailed: it has no equals sign.
    """
    pairs = [assignment.partition("=") for assignment in assignments]
    for option, equals, _ in pairs:
        if not equals:
            raise CommandFailed(f"--set {option}: say what it is set to, as in --set {option}=30")
    return {option: value for option, _, value in pairs}


def facts_of(loaded: Loaded[Settings]) -> Json:
    """For programs; what JSON has no word for as a text."""
    return {
        "profile": loaded.profile,
        "options": [
            {
                "option": one.option,
                "value": _plain(one.value),
                "source": one.source,
                "overrode": [{"value": _plain(value), "source": source} for value, source in one.overrode],
            }
            for one in loaded.explain()
        ],
    }


def _plain(value: object) -> Json:
    return value if isinstance(value, str | int | float | bool | None) else repr(value)
