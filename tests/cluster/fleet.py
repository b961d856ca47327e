"""Fleet: the node processes of one run, each of which can be killed, frozen, and replaced by a new one."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import trio

from .checker import Life, counts, read
from .marks import Count

ROOT = Path(__file__).parents[2]

# How long a node may take to begin or to end, on however busy a machine.
PATIENCE = 60.0


@attrs.define(eq=False)
class NodeProcess:
    """One node."""

    number: int
    folder: Path
    process: subprocess.Popen[bytes]
    way: int
    """By which of the ways to the engine it goes."""
    was_killed: bool = False

    @property
    def marks(self) -> Path:
        return self.folder / f"node-{self.number}.marks"

    @property
    def is_ready(self) -> bool:
        return self.counts[Count.READY] > 0

    @property
    def counts(self) -> dict[Count, int]:
        return counts(self.marks)

    def lives(self) -> list[Life]:
        return read(self.marks, self.number)

    def kill9(self) -> None:
        self.was_killed = True
        self.process.kill()
        self.process.wait()

    def sigstop(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def sigcont(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def ask_to_end(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()

    def complaint(self) -> str:
        """What it said on standard error, if it ended by itself, or not as it should."""
        code = self.process.poll()
        if self.was_killed or code == 0:
            return ""
        return f"node {self.number} ended with {code}: {(self.folder / f'log-{self.number}').read_text()}"


@attrs.define(eq=False)
class Fleet:
    """All nodes of a run, those that are gone included."""

    folder: Path
    lease: float
    seed: int
    naive: bool
    nodes: list[NodeProcess] = attrs.field(init=False, factory=list[NodeProcess])

    @property
    def running(self) -> list[NodeProcess]:
        return [node for node in self.nodes if node.process.poll() is None]

    def launch(self, url: str, *, way: int, through: Sequence[str] = ()) -> None:
        """Begin to start one more; see `wait_ready`. `through`: a program that runs it."""
        number = len(self.nodes)
        seed = 1000 * self.seed + number
        command = [*through, sys.executable, "-m", "tests.cluster.node_process"]
        command += ["--engine", url, "--marks", str(self.folder / f"node-{number}.marks")]
        command += ["--number", str(number), "--lease", str(self.lease), "--seed", str(seed)]
        command += ["--naive"] * self.naive
        with (self.folder / f"log-{number}").open("wb") as log:
            process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=log, stderr=log)
        self.nodes.append(NodeProcess(number, self.folder, process, way))

    async def wait_ready(self) -> None:
        with trio.fail_after(PATIENCE):
            while not all(node.is_ready for node in self.running):
                self.check()
                await trio.sleep(0.02)
        self.check()

    def check(self) -> None:
        """Nobody ended by himself."""
        complaints = [node.complaint() for node in self.nodes if node.process.poll() is not None]
        assert not any(complaints), "\n".join(filter(None, complaints))

    async def end(self) -> None:
        """Have all end in order."""
        for node in self.running:
            node.ask_to_end()
        with trio.fail_after(PATIENCE):
            while self.running:
                await trio.sleep(0.02)
        self.check()

    def lives(self) -> list[Life]:
        return [life for node in self.nodes for life in node.lives()]

    def counts(self) -> dict[Count, int]:
        """Of all nodes together."""
        all_counts = [node.counts for node in self.nodes]
        return {count: sum(each[count] for each in all_counts) for count in Count}


@asynccontextmanager
async def open_fleet(*, lease: float, seed: int = 0, naive: bool = False) -> AsyncGenerator[Fleet]:
    """No process stays, whatever was done to it."""
    memory = Path("/dev/shm")  # noqa: S108  # a folder of its own is made there
    with tempfile.TemporaryDirectory(prefix="fleet-", dir=memory if memory.is_dir() else None) as folder:
        fleet = Fleet(Path(folder), lease, seed, naive)
        try:
            yield fleet
        finally:
            for node in fleet.nodes:
                node.process.kill()
                node.process.wait()
                if node.process.stdin is not None:
                    node.process.stdin.close()


def now() -> int:
    """As marks are stamped."""
    return time.monotonic_ns()
