"""Runs one command, and turns whatever ends it into an exit status."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from pkgutil import resolve_name

from ._failure import INTERRUPTED, REFUSED, CommandFailed
from ._parser import parser
from ._where import where
from ._words import printable


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; gives the exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names are in any language, terminals are not
    options = parser(_name()).parse_args(arguments)
    try:
        return _run(options)
    except CommandFailed as failed:
        return _fail(failed)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read us has seen enough; what Python would still write at its end goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return REFUSED


def _run(options: argparse.Namespace) -> int:
    """Only now is the command's own file loaded: what it needs may be missing, and costs time."""
    missing = [needed for needed in options.needs if find_spec(needed) is None]
    if missing:
        names = " and ".join(name.replace("_", "-") for name in missing)
        raise CommandFailed(f"this command needs {names}: pip install 'trouper[cli]'")
    if hasattr(options, "socket"):
        options.where = where(os.environ, socket=options.socket, url=options.url, token=options.token)
    command: Callable[[argparse.Namespace], int] = resolve_name(options.run)
    return command(options)


def _fail(failed: CommandFailed) -> int:
    _complain(failed.sentences)
    return failed.status


def _complain(sentences: Iterable[str]) -> None:
    for sentence in sentences:
        sys.stderr.write(f"trouper: {printable(sentence)}\n")


def _name() -> str:
    """As it was called."""
    name = Path(sys.argv[0]).name
    return "python -m supervisor" if name == "__main__.py" else name
