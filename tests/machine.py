"""What tests take turns at, though they run in several processes: this machine has one network."""

from __future__ import annotations

import fcntl
import getpass
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

# Of each user his own: a file of another's may not be opened.
_NETWORK = Path(tempfile.gettempdir()) / f"trouper-tests-network-{getpass.getuser()}.lock"


@contextmanager
def network_stays() -> Generator[None]:
    """Nobody changes this machine's interfaces meanwhile: a browser drops what it is loading then.

    Waits until they are as they were. A process that dies lets go.
    """
    with _held(fcntl.LOCK_SH):
        yield


@contextmanager
def network_changes() -> Generator[None]:
    """Waits until no browser is open."""
    with _held(fcntl.LOCK_EX):
        yield


@contextmanager
def _held(kind: int) -> Generator[None]:
    with _NETWORK.open("a") as lock:
        fcntl.flock(lock, kind)
        yield
