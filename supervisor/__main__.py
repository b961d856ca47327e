"""The command line: `python -m supervisor check FILE` says what, by a journal, was broken."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from typing import TypeAlias

from .journal import JournalError, read_journal
from .journal._summary import as_json, in_words, summed_up

# Exit statuses; argparse's own for a wrong use is 2 too.
KEPT, BROKEN, UNREADABLE = 0, 1, 2

Command: TypeAlias = Callable[[argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; gives the exit status."""
    options = _parser().parse_args(arguments)
    run: Command = options.run
    return run(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m supervisor", description="Look at what supervisors did.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")
    about = "replay a journal, and say what, if anything, was broken"
    _prepare_check(commands.add_parser("check", help=about, description=about.capitalize() + "."))
    return parser


def _prepare_check(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "Exit status: 0 nothing was broken, 1 something was, 2 the file cannot be read."
    parser.add_argument("file", metavar="FILE", help="written by supervisor.journal.open_journal")
    parser.add_argument("--json", action="store_true", help="one JSON object, for programs")
    parser.set_defaults(run=_check)


def _check(options: argparse.Namespace) -> int:
    try:
        journal = read_journal(options.file)
    except OSError as error:
        return _fail(f"cannot read {options.file}: {error.strerror}")
    except JournalError as error:
        return _fail(str(error))
    header = journal.header
    summary = summed_up(options.file, header, journal.events, ended=journal.ended, torn=journal.torn)
    if options.json:
        _print(json.dumps(as_json(summary, header)))
    else:
        for line in in_words(summary, header):
            _print(line)
    return BROKEN if summary.violations else KEPT


def _print(line: str) -> None:
    sys.stdout.write(_printable(line) + "\n")


def _fail(problem: str) -> int:
    sys.stderr.write(f"supervisor: {_printable(problem)}\n")
    return UNREADABLE


def _printable(text: str) -> str:
    """Names are whatever users called themselves: none of them may steer a terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


if __name__ == "__main__":
    sys.exit(main())
