"""What it costs to be watched: the loop's lag and processor, with the console closed and open.

    python -m tests.long.watched --managers 100000

A process with so many managers at rest serves the console; Chromium looks at it. A task that wants to
run every 5 ms tells how late it was; the operating system, how long the process ran. Both cores are
shared with the browser, so it is the difference between the phases that counts, not the numbers.
"""

from __future__ import annotations

import argparse
import gc
import json
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, cast

import hypercorn.config
import hypercorn.trio
import trio
from starlette.applications import Starlette
from starlette.routing import Mount

from actors import Actor
from supervisor import ChildSpec, HealthPolicy, SupervisorSpec, open_supervisor
from supervisor.console import console
from supervisor.operations import Operations
from tests.chat.pages import open_browser

ROOT = Path(__file__).parents[2]
BEAT = 0.005

# A first page takes some seconds to be drawn, and a first survey to be made.
SETTLING = 5.0


class Resting(Actor[str]):
    """Does nothing, or hangs."""

    async def handle(self, message: str) -> None:
        await trio.sleep_forever()


class Lateness:
    """How late a beat was, since the last time it was asked."""

    def __init__(self) -> None:
        self._late: list[float] = []
        self._since = (time.perf_counter(), time.process_time())

    async def beat_for_ever(self) -> None:
        while True:
            due = trio.current_time() + BEAT
            await trio.sleep_until(due)
            self._late.append(trio.current_time() - due)

    def facts(self) -> dict[str, float]:
        late, self._late = sorted(self._late), []
        now = (time.perf_counter(), time.process_time())
        real, busy = (new - old for new, old in zip(now, self._since, strict=True))
        self._since = now
        if not late:
            return {}
        return {
            "p50 ms": late[len(late) // 2] * 1e3,
            "p99 ms": late[len(late) * 99 // 100] * 1e3,
            "worst ms": late[-1] * 1e3,
            "processor %": 100 * busy / real,
        }


async def serve(managers: int, stuck: int) -> None:
    """The watched process: it answers each line on its standard input with what was measured since."""
    spec = ChildSpec(Resting, health=HealthPolicy(attach_grace=1e6, budget=0.5))
    async with open_supervisor(20, spec=SupervisorSpec(sweep_period=1e6)) as supervisor:
        for number in range(managers):
            here = await supervisor.get_or_spawn(f"user {number // 20}", f"tab {number % 20}", spec)
            if number < stuck:
                await here.ref.tell("hang")
        gc.collect()
        gc.freeze()  # an old generation of a hundred thousand tasks takes a tenth of a second to look through
        listening = socket.create_server(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        config = hypercorn.config.Config()
        config.bind, config.loglevel = [f"fd://{listening.detach()}"], "WARNING"
        app = Starlette(routes=[Mount("/console", console(Operations(supervisor)))])
        lateness = Lateness()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lateness.beat_for_ever)
            await nursery.start(partial(cast("Any", hypercorn.trio).serve, app, config, mode="asgi"))
            _say({"port": port})
            async for _ in trio.wrap_file(sys.stdin):
                _say(lateness.facts())
            nursery.cancel_scope.cancel()


def _say(facts: object) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


@contextmanager
def running(managers: int, stuck: int) -> Generator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.long.watched", "--serve"]
    command += ["--managers", str(managers), "--stuck", str(stuck)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def hear(process: subprocess.Popen[str]) -> Any:
    assert process.stdout is not None
    return json.loads(process.stdout.readline())


def ask(process: subprocess.Popen[str]) -> Any:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()
    return hear(process)


def measure(options: argparse.Namespace) -> None:
    with running(options.managers, options.stuck) as process, open_browser() as browser:
        url = f"http://127.0.0.1:{hear(process)['port']}/console/"
        for phase, pages in (("closed", 0), ("one page", 1), ("three pages", 3), ("closed again", 0)):
            with ExitStack() as until_closed:
                for _ in range(pages):
                    page = browser.new_page()
                    until_closed.callback(page.close)
                    page.goto(url)
                # Of a page that was closed, surveys go on for ten seconds.
                time.sleep(SETTLING + (10 if phase == "closed again" else 0))
                ask(process)
                time.sleep(options.seconds)
                facts = ask(process)
            told = "   ".join(f"{name} {value:7.2f}" for name, value in facts.items())
            sys.stdout.write(f"{phase:14} {told}\n")
            sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--managers", type=int, default=100_000)
    parser.add_argument("--stuck", type=int, default=20, help="of the managers, so many hang (default 20)")
    parser.add_argument("--seconds", type=float, default=30.0, help="of each phase (default 30)")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        trio.run(serve, options.managers, options.stuck)
    else:
        measure(options)


if __name__ == "__main__":
    main()
