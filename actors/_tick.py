"""Tick: whatever is to be written is written once per turn of the event loop, joined."""

from __future__ import annotations

from typing import Protocol

import attrs
import trio

# Wires written in one go; then everybody else gets a turn. 512 writes take some three milliseconds.
BATCH = 512


class Writer(Protocol):
    """Has something to write."""

    def write(self) -> None:
        """Write what the wire takes now. Must not raise: it is nobody's task that runs it."""
        ...


@attrs.define(eq=False, repr=False)
class Tick:
    """The writers of one event loop that have something to write.

    Trio runs it when all tasks that could run have run, so that what they say in one turn leaves
    in one write per wire. No task waits for it, and none is woken: waking a thousand tasks costs
    several times what writing to a thousand sockets does.
    """

    _token: trio.lowlevel.TrioToken = attrs.field(factory=trio.lowlevel.current_trio_token)
    _waiting: list[Writer] = attrs.field(init=False, factory=list[Writer])
    _armed: bool = attrs.field(init=False, default=False)

    def add(self, writer: Writer) -> None:
        """Have it write at the end of this turn. Called once until it has."""
        self._waiting.append(writer)
        if not self._armed:
            self._armed = True
            self._token.run_sync_soon(self._run)

    def _run(self) -> None:
        batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
        self._armed = bool(self._waiting)
        if self._armed:
            self._token.run_sync_soon(self._run)
        for writer in batch:
            writer.write()


_TICK = trio.lowlevel.RunVar[Tick]("actors.tick")


def current_tick() -> Tick:
    """The one of the running event loop."""
    try:
        return _TICK.get()
    except LookupError:
        tick = Tick()
        _TICK.set(tick)
        return tick
