"""The command line: `trouper`, or `python -m supervisor`. A process of its own, beside the supervisor's.

It talks to a running supervisor over its Unix socket (or its console's HTTP), and shows what it
hears: as tables for a person, or, with `--json`, as the very facts of the API. It needs the extra
`trouper[cli]`; `check`, which reads a journal, does not.
"""

from ._main import main

__all__ = ["main"]
