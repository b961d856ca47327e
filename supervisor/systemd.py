"""systemd hears when this process is ready, that it is fit to live, and that it ends (sd_notify).

    supervisor.background.start_soon(feed_systemd, supervisor, os.environ)

With `Type=notify` and `WatchdogSec=30` in its unit, systemd restarts a process whose event loop hangs,
and one that only a new process cures, and has its last words as the status. Elsewhere it does nothing.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress

import attrs
import trio

from ._fitness import Fitness
from ._supervisor import Supervisor

# How soon a change is told, in seconds; to look costs some microseconds.
LOOK = 1.0


@attrs.frozen
class Manager:
    """The service manager that started this process, and what it expects."""

    address: str | bytes
    """Of its datagram socket; bytes with a leading NUL for one without a file."""
    watchdog: float | None
    """It restarts the process after so many seconds without a sign of life; None: it does not."""

    @classmethod
    def named_in(cls, environ: Mapping[str, str], *, pid: int) -> Manager | None:
        """As systemd's variables say it to the process `pid`; None: there is none.

        Raises ValueError: a variable makes no sense.
        """
        where = environ.get("NOTIFY_SOCKET", "")
        if not where:
            return None
        if where[0] not in "/@":
            raise ValueError(f"NOTIFY_SOCKET must be a path, or @ and a name, not {where!r}")
        address = where if where[0] == "/" else b"\0" + os.fsencode(where[1:])
        return cls(address, _watchdog(environ, pid))


def _watchdog(environ: Mapping[str, str], pid: int) -> float | None:
    microseconds, whose = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    if not microseconds or (whose and whose != str(pid)):
        return None
    if not microseconds.isdecimal() or not int(microseconds):
        raise ValueError(f"WATCHDOG_USEC must be a number of microseconds, not {microseconds!r}")
    return int(microseconds) / 1e6


@attrs.frozen
class Told:
    """What the service manager knows."""

    ready: bool = False
    stopping: bool = False
    status: str = ""
    fed_at: float = float("-inf")
    """When it last heard that the process is fit to live."""

    def after(self, *, accepting: bool, fitness: Fitness, feed_every: float | None, now: float) -> Told:
        """What it should know by now; it is to be fed every so many seconds, or not at all."""
        hungry = feed_every is not None and now >= self.fed_at + feed_every and not fitness.live
        return Told(
            ready=self.ready or accepting,
            stopping=not accepting,
            status="; ".join(fitness.ready) or "ready",
            fed_at=now if hungry else self.fed_at,
        )

    def since(self, before: Told) -> Iterator[str]:
        """What is to be said to one who knows no more than `before`."""
        if self.ready and not before.ready:
            yield "READY=1"
        if self.stopping and not before.stopping:
            yield "STOPPING=1"
        if self.status != before.status:
            yield f"STATUS={self.status}"
        if self.fed_at > before.fed_at:
            yield "WATCHDOG=1"


async def feed_systemd(supervisor: Supervisor, environ: Mapping[str, str]) -> None:
    """Tell systemd how the supervisor stands, until cancelled; return at once where there is none.

    `READY=1` at once; `WATCHDOG=1` at half of the interval that it set, and only while the process is
    fit to live; `STATUS=` with the problems when they change; `STOPPING=1` when shutdown begins: within
    a second each. Run it in `supervisor.background`: there it lasts to the end of the shutdown.

    Raises ValueError or OSError, at once: `environ` names no socket that anybody listens at.
    """
    manager = Manager.named_in(environ, pid=os.getpid())
    if manager is None:
        return
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as to:
        to.settimeout(0.0)  # nobody waits for it
        feeder = _Feeder(supervisor, manager, to)
        feeder.tell()
        try:
            while True:
                await trio.sleep_until(feeder.next_look)
                feeder.tell_if_it_listens()
        finally:
            feeder.tell_if_it_listens()


@attrs.define(eq=False, repr=False)
class _Feeder:
    _supervisor: Supervisor
    _manager: Manager
    _to: socket.socket
    _told: Told = attrs.field(init=False, factory=Told)

    @property
    def _feed_every(self) -> float | None:
        """Half of what it waits for, as systemd advises: one late sign of life is none too few."""
        return None if self._manager.watchdog is None else self._manager.watchdog / 2

    @property
    def next_look(self) -> float:
        now = trio.current_time()
        hungry_at = self._told.fed_at + (self._feed_every or LOOK)
        return hungry_at if now < hungry_at < now + LOOK else now + LOOK

    def tell(self) -> None:
        """Say what is new. Raises OSError: nothing was said."""
        now = self._told.after(
            accepting=self._supervisor.accepting,
            fitness=self._supervisor.fitness(),
            feed_every=self._feed_every,
            now=trio.current_time(),
        )
        news = "\n".join(now.since(self._told))
        if news:
            self._to.sendto(news.encode(), self._manager.address)
            self._told = now

    def tell_if_it_listens(self) -> None:
        """Its queue may be full, or it may be starting anew: then it hears the same at the next look."""
        with suppress(OSError):
            self.tell()
