"""One server as a process of its own: started, looked at from outside, and ended by its id."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import attrs

from examples.chat.tokens import ENVIRON_NAME, Tokens

from .dialects import Bare, Chat, Dialect

ROOT = Path(__file__).parents[3]
ROOMS = Path(__file__).parent / "rooms"

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "trouper-fanout"
"""Where what is compared with lies, if it is no dependency of ours."""

SECRET = "a secret for this benchmark only"  # noqa: S105  # it signs nothing else

PLAIN, WEBSOCKETS, PICOWS, WS, OURS = "trio-websocket", "websockets", "picows", "Node ws", "ours"

COMMANDS = {
    PLAIN: (sys.executable, "-m", "tests.long.fanout.rooms.plain"),
    WEBSOCKETS: (sys.executable, "-m", "tests.long.fanout.rooms.broadcast"),
    PICOWS: (sys.executable, "-m", "tests.long.fanout.rooms.cython"),
    WS: ("node", str(ROOMS / "node.cjs")),
    OURS: (sys.executable, "-m", "tests.long.fanout.rooms.ours"),
}
"""Each prints its port as its first line."""

# To its first line, and from SIGTERM to its end, in seconds.
_PATIENCE = 30.0

_TICK = 1 / os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@attrs.frozen
class Server:
    """A running server."""

    name: str
    pid: int
    port: int
    log: Path
    """What it printed after its port."""

    def cpu(self) -> float:
        """Seconds of CPU, its own and the kernel's on its behalf, in all its threads."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * _TICK

    def rss(self) -> int:
        """Bytes of memory."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * _PAGE

    def dialect(self, *, alone: bool = False) -> Dialect:
        """How to talk to it; `alone`: each user in a room of his own."""
        return Chat(Tokens(SECRET), alone) if self.name == OURS else Bare()


@contextmanager
def serving(name: str, folder: Path) -> Generator[Server]:
    """That server, with its files in a new folder inside this one."""
    place = folder / f"{name} {os.urandom(4).hex()}"
    place.mkdir()
    log = place / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*COMMANDS[name], str(place)],
            cwd=ROOT,
            env=_environment(),
            stdout=subprocess.PIPE,
            stderr=out,
        )
        try:
            yield Server(name, process.pid, _port_of(process, name, log), log)
        finally:
            _end(process)


def _environment() -> dict[str, str]:
    paths = f"{ROOT}{os.pathsep}{CACHE / 'python'}"
    return os.environ | {
        ENVIRON_NAME: SECRET,
        "PYTHONPATH": paths,
        "NODE_PATH": str(CACHE / "node" / "node_modules"),
    }


def _port_of(process: subprocess.Popen[bytes], name: str, log: Path) -> int:
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], _PATIENCE)
    line = process.stdout.readline() if ready else b""
    if not line:
        raise RuntimeError(f"{name} did not start: {log.read_text()[-2000:]}")
    return int(line)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(_PATIENCE)
    assert process.stdout is not None
    process.stdout.close()
