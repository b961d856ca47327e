"""What fan-out costs: the whole chat beside a plain trio-websocket room, websockets, picows and Node's ws.

    python -m tests.long.fanout [--quick] [--only fanout|openloop|idle|stuck] [--folder DIR]

Server CPU per delivered message in shuffled repetitions, latency at rising rates, ten thousand idle
connections, and one reader that is stuck. Every server is a process of its own; this one is the crowd.
Exits with 1 when a bar is not held, with 2 when something to compare with is missing.

What is no dependency of ours lies outside of the repository:

    pip install --target ~/.cache/trouper-fanout/python picows
    npm install --prefix ~/.cache/trouper-fanout/node ws
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import os
import platform
import resource
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from . import closed_loop, idle, open_loop, stuck
from .plan import Plan, quick
from .process import CACHE, COMMANDS, PICOWS, WEBSOCKETS, WS
from .tables import Bar, say

PARTS = ("fanout", "openloop", "idle", "stuck")


def main() -> int:
    options = _parser().parse_args()
    servers = [name for name in COMMANDS if name not in options.without]
    parts = [part for part in PARTS if options.only in {None, part}]
    problems = missing(servers if "fanout" in parts else [name for name in servers if name == WEBSOCKETS])
    if problems:
        say("\n".join(problems))
        return 2
    _make_room()
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="fanout-") as folder:
        plan = quick(Path(folder)) if options.quick else Plan(folder=Path(folder))
        say(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}")
        runs: dict[str, Callable[[], list[Bar]]] = {
            "fanout": lambda: closed_loop.run(plan, servers),
            "openloop": lambda: open_loop.run(plan, [name for name in open_loop.SERVERS if name in servers]),
            "idle": lambda: idle.run(plan, [name for name in idle.SERVERS if name in servers]),
            "stuck": lambda: stuck.run(plan),
        }
        bars = [bar for part in parts for bar in runs[part]()]
    say("\n".join(map(str, bars)))
    return 0 if all(bar.held for bar in bars) else 1


def missing(servers: list[str]) -> list[str]:
    """What has to be installed first, and how."""
    python, node = CACHE / "python", CACHE / "node"
    here = {
        WEBSOCKETS: importlib.util.find_spec("websockets") is not None,
        PICOWS: (python / "picows").is_dir() or importlib.util.find_spec("picows") is not None,
        WS: shutil.which("node") is not None and (node / "node_modules" / "ws").is_dir(),
    }
    how = {
        WEBSOCKETS: "pip install websockets",
        PICOWS: f"pip install --target {python} picows",
        WS: f"Node itself, then: npm install --prefix {node} ws",
    }
    return [
        f"{name} is missing: {how[name]}; or leave it out: --without {name!r}"
        for name in servers
        if not here.get(name, True)
    ]


def _make_room() -> None:
    """As many open files as we may have, here and in the servers; and no pauses of our own."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    gc.disable()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.long.fanout",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--quick", action="store_true", help="a short run: fewer members, repetitions, seconds"
    )
    parser.add_argument("--only", choices=PARTS, help="one part instead of all four")
    parser.add_argument(
        "--without", action="append", choices=list(COMMANDS), default=[], help="leave one out"
    )
    parser.add_argument("--folder", type=Path, help="where the chat's databases lie: on a real disk")
    return parser


if __name__ == "__main__":
    sys.exit(main())
