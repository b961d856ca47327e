"""What may be typed: the commands, their options, and which file carries each out. Pure."""

from __future__ import annotations

import argparse
from typing import Protocol

from ._failure import STATUSES
from ._where import DEFAULT_SOCKET, SOCKET_VARIABLE, TOKEN_VARIABLE

# What commands need beside the library itself; all of it is in the extra `cli`.
TALKS = ("httpx2", "rich")
SHOWS = ("rich",)
LOADS = ("rich", "typed_settings")
READS = ("cattrs",)

# Durations and counts are bounded, so that no slip of the finger asks for everything.
MOST = 1_000_000

PROFILES = ("test", "development", "staging", "production")


class Commands(Protocol):
    """What argparse's subparsers are, which have no public name."""

    def add_parser(self, name: str, *, help: str, description: str, epilog: str) -> argparse.ArgumentParser:
        """One more command."""
        ...


def parser(prog: str) -> argparse.ArgumentParser:
    """Its namespace has `run`, where the command is, and `needs`, what has to be installed for it."""
    whole = argparse.ArgumentParser(
        prog=prog,
        description="Look at a running supervisor, and act on it.",
        epilog=f"{STATUSES} NO_COLOR and COLUMNS are heeded.",
    )
    _add_where(whole, first=True)
    commands = whole.add_subparsers(required=True, metavar="COMMAND", title="commands")
    for add in (_looking, _standing, _clustered, _acting, _switching, _happening, _alone, _check):
        add(commands)
    return whole


def _add_where(parser: argparse.ArgumentParser, *, first: bool = False) -> None:
    """Before the command or after it; the one after it counts."""
    default = None if first else argparse.SUPPRESS
    group = parser.add_argument_group("which supervisor")
    which = group.add_mutually_exclusive_group()
    socket = f"its Unix socket (default: {SOCKET_VARIABLE}, else {DEFAULT_SOCKET} here)"
    which.add_argument("--socket", metavar="PATH", default=default, help=socket)
    address = "instead: its console, as http://127.0.0.1:8000/console"
    which.add_argument("--url", metavar="URL", default=default, help=address)
    token = f"for a console that wants one (better in {TOKEN_VARIABLE}: others see what you type)"
    group.add_argument("--token", metavar="TOKEN", default=default, help=token)


def _add(
    commands: Commands, name: str, about: str, run: str, needs: tuple[str, ...] = TALKS
) -> argparse.ArgumentParser:
    description = about[0].upper() + about[1:] + "."
    one = commands.add_parser(name, help=about, description=description, epilog=STATUSES)
    one.add_argument("--json", action="store_true", help="one JSON document, for programs")
    one.set_defaults(run=f"{__package__}.{run}", needs=needs)
    if needs == TALKS:
        _add_where(one)
    return one


def _looking(commands: Commands) -> None:
    about = "all at a glance, drawn each second until q (once, where no terminal shows it)"
    _add(commands, "top", about, "_top:top")
    ps = _add(commands, "ps", "who holds how many slots, in the order in which they came", "_looking:ps")
    ps.add_argument("--user", metavar="USER", help="the managers of one user")
    ps.add_argument("--stuck", action="store_true", help="those who hang, and the line in which they do")
    ps.add_argument("--search", metavar="TEXT", help="only users with this in their names")
    ps.add_argument("--at-limit", action="store_true", help="only users who hold all they may")
    _count(ps, "--count", 50, "so many users at most (default 50)")


def _standing(commands: Commands) -> None:
    about = "one user: slots, verdicts, stuck lines, and what a cleanup would do"
    explain = _add(commands, "explain", about, "_looking:explain")
    explain.add_argument("user", metavar="USER")
    about = "who was refused last, with the whole proof"
    _count(_add(commands, "refusals", about, "_looking:refusals"), "--last", 10, "so many (default 10)")
    _add(commands, "alerts", "what a person should look at", "_looking:alerts")
    _add(commands, "dump", "where every task and thread is, equal stacks together", "_looking:dump")


def _clustered(commands: Commands) -> None:
    about = "the nodes of the cluster, their leases, and how its engine stands; by any one of them"
    _add(commands, "nodes", about, "_looking:nodes")
    about = "on which nodes a user's managers live, with the verdict on each"
    _add(commands, "where", about, "_looking:where").add_argument("user", metavar="USER")


def _acting(commands: Commands) -> None:
    about = "remove whom the evidence speaks against; a line for each stage"
    cleanup = _add(commands, "cleanup", about, "_acting:cleanup")
    cleanup.add_argument("--user", metavar="USER", help="of one user (default: of all)")
    until = "the last stage (default liveness)"
    cleanup.add_argument("--until", choices=("garbage", "liveness", "evict"), default="liveness", help=until)
    cleanup.add_argument("--dry-run", action="store_true", help="say what would go, and touch nobody")
    stop = _add(commands, "stop", "stop one manager, or all of a user", "_acting:stop")
    stop.add_argument("user", metavar="USER")
    stop.add_argument("key", metavar="KEY", nargs="?", help="(default: all of them)")
    only = "only if it is this one (the number after # everywhere)"
    stop.add_argument("--incarnation", metavar="N", type=_number, help=only)


def _switching(commands: Commands) -> None:
    about = "change the limit of one user, or of all that have none of their own"
    limit = _add(commands, "limit", about, "_acting:limit")
    limit.add_argument("limit", metavar="N", type=_number)
    limit.add_argument("--user", metavar="USER", help="of one user (default: of all)")
    about = "whether cleanup asks, by probes and pings, or goes by what the runtime sees alone"
    _add(commands, "probing", about, "_acting:probing").add_argument("state", choices=("on", "off"))


def _happening(commands: Commands) -> None:
    events = _add(commands, "events", "what happened, oldest first", "_events:events")
    _count(events, "--last", 50, "so many (default 50)")
    events.add_argument("--follow", action="store_true", help="and what comes, until Ctrl-C")


def _alone(commands: Commands) -> None:
    """Those that need no supervisor."""
    about = "each setting, its value, where it came from, what it overrode"
    settings = _add(commands, "explain-settings", about, "_settings:explain_settings", LOADS)
    profile = "(default production)"
    settings.add_argument("--profile", choices=PROFILES, default="production", help=profile)
    settings.add_argument("--file", metavar="FILE", help="a TOML file")
    one = "an override, as supervisor.sweep_period=30; may be given again"
    settings.add_argument("--set", metavar="OPTION=VALUE", action="append", default=[], help=one)
    _add(commands, "demo", "the promise, shown in 15 seconds", "_demo:demo", SHOWS)


def _check(commands: Commands) -> None:
    about = "replay a journal, and say what, if anything, was broken"
    check = _add(commands, "check", about, "_check:check", READS)
    check.epilog = "Exit status: 0 nothing was broken, 1 something was, 2 the file cannot be read."
    check.add_argument("file", metavar="FILE", help="written by supervisor.journal.open_journal")


def _count(parser: argparse.ArgumentParser, name: str, default: int, about: str) -> None:
    parser.add_argument(name, metavar="N", type=_number, default=default, help=about)


def _number(text: str) -> int:
    if not text.isdecimal() or int(text) > MOST:
        raise argparse.ArgumentTypeError(f"a whole number from 0 to {MOST:,}, not {text!r}")
    return int(text)
