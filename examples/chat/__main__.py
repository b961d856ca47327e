"""Run the chat, or print a token for a script: `python -m examples.chat --help`."""

from __future__ import annotations

import argparse
import gc
import json
import logging
import math
import os
import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import msgspec
import trio

from supervisor import DrainSpec, SupervisorSpec, dead_man_switch, drain_on_signal
from supervisor.journal import JournalError
from supervisor.operations import ControlError, dump_on_signal
from supervisor.systemd import feed_systemd

from .ground import EngineError, NodeSpec
from .history import StorageError
from .protocol import NAME_RULE, Name
from .server import HOST, SWEEP_PERIOD, ChatSpec, PortError, Running, first_error, serve_chat
from .tls import TlsError, load_tls
from .tokens import SecretError, Tokens, load_secret
from .workers import end_with_parent, run_workers

# Everything is bounded well within this. Should the process still be here then, in seconds, it
# prints where each thread hangs, and ends.
DEAD_MAN = 15.0

# Tabs are let go over so long, a thousand a second, and come back within so long; in seconds.
DRAIN = DrainSpec(spread=3.0, reconnect=3.0, grace=5.0)

# Seconds. A node that dies has its slots back within so long, and an outage of the engine shorter than
# that is nothing; see the cluster's own notes on timing.
LEASE = 15.0
SHORTEST_LEASE, LONGEST_LEASE = 1.0, 3600.0

ENGINES = ("redis://", "rediss://", "unix://", "sentinel://")

# More than a machine has processors for.
MOST_WORKERS = 64

# One session that holds up all others for so long, in seconds, is in the log with its line.
WATCHDOG = 0.2


def main(change: Callable[[ChatSpec], ChatSpec] = lambda spec: spec) -> int:
    """The command line; gives the exit status. `change` has the last word on what is served."""
    parser = _parser()
    options = parser.parse_args()
    if (options.certfile is None) != (options.keyfile is None):
        parser.error("--certfile and --keyfile go together: give both, or none")
    if options.engine is None and (option := _only_with_engine(options)) is not None:
        parser.error(f"{option} needs --engine: without one there is one process, and nothing to share")
    if options.workers > 1 and options.journal is not None:
        parser.error("--journal is of one process: start the nodes one by one, each with a file of its own")
    try:
        tls = load_tls(options.certfile, options.keyfile) if options.certfile is not None else None
        secret = load_secret(options.database, os.environ)
        if options.command == "token":
            sys.stdout.write(Tokens(secret).issue(options.name) + "\n")
            return 0
        if options.workers > 1:
            return run_workers(options, secret)
    except (SecretError, TlsError, PortError, OSError) as error:
        return _fail(str(error))
    spec = ChatSpec(
        database=options.database,
        secret=secret,
        http_port=options.http_port,
        ws_port=options.ws_port,
        limit=options.limit,
        tls=tls,
        journal=options.journal,
        control=options.control or options.database.with_name("trouper.sock"),
        node=_node_of(options),
        reuse_port=options.share_ports,
        supervisor=SupervisorSpec(sweep_period=SWEEP_PERIOD, watchdog=WATCHDOG, dead_man=DEAD_MAN),
    )
    return _serve(change(spec))


def _only_with_engine(options: argparse.Namespace) -> str | None:
    """An option that was given, and means something in a cluster only."""
    given = {
        "--workers": options.workers > 1,
        "--node-name": bool(options.node_name),
        "--lease": options.lease is not None,
        "--on-lease-lost": options.on_lease_lost is not None,
    }
    return next((option for option, is_given in given.items() if is_given), None)


def _node_of(options: argparse.Namespace) -> NodeSpec | None:
    if options.engine is None:
        return None
    scheme = "wss" if options.certfile is not None else "ws"
    return NodeSpec(
        engine=options.engine,
        name=options.node_name,
        address=f"{scheme}://{HOST}:{options.ws_port}/ws" if options.ws_port else "",
        lease=LEASE if options.lease is None else options.lease,
        keep=options.on_lease_lost == "keep",
    )


def _serve(spec: ChatSpec) -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    problem = ""
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # who asks too early, or too late, ends nothing
    collect_less()
    try:
        trio.run(_run, spec, restrict_keyboard_interrupt_to_checkpoints=True)
    except* (StorageError, PortError, JournalError, ControlError, EngineError) as errors:
        problem = str(first_error(errors))
    except* KeyboardInterrupt:
        problem = "interrupted twice: ended without waiting"
    return _fail(problem) if problem else 0


def collect_less() -> None:
    """Have Python look for cycles less often, and no more at what was imported.

    A full room makes thousands of objects at once, none of them a cycle; by itself Python looks
    after every 700 new ones, at all there are. The numbers are of a measurement; they only trade
    some memory for time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 50)


async def _run(spec: ChatSpec) -> None:
    """Serve until SIGINT or SIGTERM, then drain and end in order; a second one ends at once.

    SIGUSR1 prints where every task and thread is.
    """
    with ExitStack() as until_ended:
        async with trio.open_nursery() as watching:
            await watching.start(dump_on_signal)  # an end that hangs is when one wants to know
            if spec.reuse_port:
                watching.start_soon(end_with_parent)
            async with trio.open_nursery() as nursery:
                running: Running = await nursery.start(serve_chat, spec)
                running.supervisor.background.start_soon(feed_systemd, running.supervisor, os.environ)
                async with trio.open_nursery() as until_signalled:
                    await until_signalled.start(drain_on_signal, running.supervisor, DRAIN)
                    _announce(running)
                # The supervisor has one for its own end; this one counts the servers' and the history's too.
                until_ended.enter_context(dead_man_switch(DEAD_MAN))
                nursery.cancel_scope.cancel()
            watching.cancel_scope.cancel()


def _announce(running: Running) -> None:
    """Say where it is; the last line is for programs."""
    lines = (
        f"Chat:      {running.page_url}",
        f"WebSocket: {running.ws_url}",
        f"Console:   {running.page_url}console/",
        "Ctrl-C ends it.",
        json.dumps({"http": running.http_port, "ws": running.ws_port}),
    )
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def _fail(problem: str) -> int:
    sys.stderr.write(f"chat: {problem}\n")
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m examples.chat", description="A chat on trouper.")
    _add_database(parser, default=Path("chat.sqlite3"))
    parser.add_argument("--http-port", type=_port, default=8000, help="the page (0: any free; default 8000)")
    parser.add_argument("--ws-port", type=_port, default=8765, help="WebSockets (0: any free; default 8765)")
    parser.add_argument("--limit", type=_limit, default=20, help="sessions per user (default 20)")
    tls = "and its key, as files in PEM: then the page is https:// and the WebSocket wss://"
    parser.add_argument("--certfile", type=Path, metavar="FILE", help="a certificate (with its chain)")
    parser.add_argument("--keyfile", type=Path, metavar="FILE", help=tls)
    parser.add_argument("--journal", type=Path, metavar="FILE", help="write all that happens to a new file")
    control = "the socket for the command line `trouper` (default trouper.sock beside the database)"
    parser.add_argument("--control", type=Path, metavar="FILE", help=control)
    _add_cluster(parser)
    commands = parser.add_subparsers(dest="command", metavar="token NAME")
    token = commands.add_parser("token", help="print a token for a script, and exit")
    token.add_argument("name", type=_name)
    _add_database(token, default=argparse.SUPPRESS)
    return parser


def _add_cluster(parser: argparse.ArgumentParser) -> None:
    cluster = parser.add_argument_group(
        "several processes", "Rooms, history, limits and sessions are one over all processes with one engine."
    )
    engine = (
        "Valkey or Redis >= 7: redis://host:port, rediss://, unix://path or sentinel://host:port,.../name"
    )
    cluster.add_argument("--engine", type=_engine, metavar="URL", help=engine)
    cluster.add_argument("--node-name", default="", metavar="NAME", help="of this process, for people")
    lease = f"a node that is silent for so long counts as dead; the same on all (default {LEASE:g})"
    cluster.add_argument("--lease", type=_lease, metavar="SECONDS", help=lease)
    lost = "without a lease: end all sessions before others may have them (default), or go on, over the limit"
    cluster.add_argument("--on-lease-lost", choices=["stop", "keep"], help=lost)
    workers = "so many processes on one pair of ports; the kernel deals out who connects"
    cluster.add_argument("--workers", type=_workers, default=1, metavar="N", help=workers)
    # For the workers that we start ourselves.
    cluster.add_argument("--share-ports", action="store_true", help=argparse.SUPPRESS)


def _add_database(parser: argparse.ArgumentParser, *, default: object) -> None:
    text = "the SQLite file (default chat.sqlite3 here); the signing secret lies beside it"
    parser.add_argument("--database", type=Path, default=default, help=text)


def _name(text: str) -> str:
    try:
        return msgspec.convert(text, Name)
    except msgspec.ValidationError:
        raise argparse.ArgumentTypeError(NAME_RULE) from None


def _port(text: str) -> int:
    return _whole_number(text, most=65535)


def _limit(text: str) -> int:
    return _whole_number(text, most=1_000_000)


def _engine(text: str) -> str:
    if not text.startswith(ENGINES):
        raise argparse.ArgumentTypeError(f"must begin with one of {', '.join(ENGINES)}, not {text!r}")
    return text


def _lease(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not SHORTEST_LEASE <= seconds <= LONGEST_LEASE:
        limits = f"from {SHORTEST_LEASE:g} to {LONGEST_LEASE:g}"
        raise argparse.ArgumentTypeError(f"must be a number of seconds {limits}, not {text!r}")
    return seconds


def _workers(text: str) -> int:
    number = _whole_number(text, most=MOST_WORKERS)
    if not number:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def _whole_number(text: str, *, most: int) -> int:
    if not text.isdecimal() or int(text) > most:
        raise argparse.ArgumentTypeError(f"must be a whole number from 0 to {most}, not {text!r}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
