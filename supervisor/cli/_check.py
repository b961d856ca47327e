"""`check`: what, by a journal, was broken. It needs none of what the other commands do."""

from __future__ import annotations

import argparse
import json
import sys

from supervisor.journal import JournalError, read_journal
from supervisor.journal._summary import as_json, in_words, summed_up

from ._failure import CommandFailed
from ._words import printable

KEPT, BROKEN = 0, 1


def check(options: argparse.Namespace) -> int:
    """Replay a journal through the independent checker, and say what it found."""
    try:
        journal = read_journal(options.file)
    except OSError as error:
        raise CommandFailed(f"cannot read {options.file}: {error.strerror}") from None
    except JournalError as error:
        raise CommandFailed(str(error)) from None
    header = journal.header
    summary = summed_up(options.file, header, journal.events, ended=journal.ended, torn=journal.torn)
    lines = [json.dumps(as_json(summary, header))] if options.json else in_words(summary, header)
    for line in lines:
        sys.stdout.write(printable(line) + "\n")
    return BROKEN if summary.violations else KEPT
