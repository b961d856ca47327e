"""Specimens that misbehave in a hook: in `on_start`, in `on_stop`, or in their `probe`."""

from __future__ import annotations

from contextlib import suppress

import trio

from actors import ActorStopped, MailboxFull

from ._specimens import PATIENCE, Healthy, WedgedForever, Work

# Starting


class StartHangs(Healthy):
    """Never comes to run; `shield` makes it ignore being given up, too, until it is released."""

    def __init__(self, until: trio.Event | None = None, *, shield: bool = False) -> None:
        super().__init__()
        self._until = trio.Event() if until is None else until
        self._shield = shield

    async def on_start(self) -> None:
        with trio.move_on_after(PATIENCE, shield=self._shield):
            await self._until.wait()


class SlowStart(Healthy):
    """Takes so many seconds to start."""

    def __init__(self, seconds: float, *, sockets: bool = False) -> None:
        super().__init__(sockets=sockets)
        self._seconds = seconds

    async def on_start(self) -> None:
        await trio.sleep(self._seconds)


class StartRaises(Healthy):
    """Raises while it starts, and so never was."""

    async def on_start(self) -> None:
        raise OSError("no database")


class StartCancelled(Healthy):
    """Its start is cancelled from within: a child task that it has started raises meanwhile."""

    async def on_start(self) -> None:
        self.start_soon(self._crash)
        await trio.sleep_forever()

    async def _crash(self) -> None:
        raise OSError("no database")


# Stopping


class StopHangs(Healthy):
    """Never finishes its last rites by itself."""

    async def on_stop(self) -> None:
        await trio.sleep_forever()


class StopShielded(Healthy):
    """Never finishes its last rites, and ignores that their time is over, until it is released."""

    def __init__(self, until: trio.Event | None = None, *, sockets: bool = False) -> None:
        super().__init__(sockets=sockets)
        self._until = trio.Event() if until is None else until

    async def on_stop(self) -> None:
        with trio.move_on_after(PATIENCE, shield=True):
            await self._until.wait()


class SlowStop(Healthy):
    """Takes so many seconds over its last rites."""

    def __init__(self, seconds: float, *, sockets: bool = False) -> None:
        super().__init__(sockets=sockets)
        self._seconds = seconds

    async def on_stop(self) -> None:
        await trio.sleep(self._seconds)


class StopRaises(Healthy):
    """Crashes in its last rites."""

    async def on_stop(self) -> None:
        raise OSError("could not flush")


class WedgedAndStopHangs(StopHangs, WedgedForever):
    """Wedged; and once it is cancelled, its last rites never end either."""


class WedgedAndStopShielded(StopShielded, WedgedForever):
    """Wedged; and once it is cancelled, its last rites ignore that their time is over."""


# Being probed


class ProbeRaises(Healthy):
    """Looks well and answers; its probe says that it cannot work."""

    async def probe(self) -> None:
        raise OSError("no backend")


class ProbeHangs(Healthy):
    """Is well until somebody asks: its probe never ends."""

    async def probe(self) -> None:
        await trio.sleep_forever()


class ProbeAnswers(Healthy):
    """Healthy, and has a probe that says so."""

    async def probe(self) -> None:
        await trio.lowlevel.checkpoint()


class MissesProbes(Healthy):
    """Its probe fails `missed` times in a row, then answers until `of` are full, and so on."""

    def __init__(self, *, missed: int = 1, of: int = 3, sockets: bool = False) -> None:
        super().__init__(sockets=sockets)
        self._missed = missed
        self._of = of
        self.probed = 0

    async def probe(self) -> None:
        number, self.probed = self.probed % self._of, self.probed + 1
        if number < self._missed:
            raise OSError(f"no backend, {number + 1} of {self._missed} times")


class WouldAnswerProbes(ProbeAnswers, WedgedForever):
    """Wedged at work. Its probe would answer, and never comes to it: it waits between two messages."""


class WedgesOnceJudged(Healthy):
    """Answers its first probe truly, and wedges right after: what was known is no longer so."""

    def __init__(self, *, sockets: bool = False) -> None:
        super().__init__(sockets=sockets)
        self._judged = False

    async def probe(self) -> None:
        self._judged = True
        with suppress(MailboxFull, ActorStopped):  # then it has enough to wedge on, or is over
            self.ref.tell_nowait(Work())

    async def work(self) -> None:
        if self._judged:
            await trio.sleep_forever()


class ParksWork(ProbeAnswers):
    """Takes every piece of work and finishes none: each stays in a child task for ever.

    No evidence of the runtime speaks against it: its own task handles its mail at once and answers
    probes, and long work in child tasks is as it should be. So it counts as healthy. Only a probe
    that looks at the work itself can tell: `ParksWorkAndTells` has one.
    """

    def __init__(self, *, sockets: bool = False) -> None:
        super().__init__(sockets=sockets)
        self.parked: list[float] = []
        """When each piece was taken."""

    async def work(self) -> None:
        self.parked.append(trio.current_time())
        self.start_soon(trio.sleep_forever)


class ParksWorkAndTells(ParksWork):
    """The same, with an honest probe: raises as soon as a piece is older than so many seconds."""

    def __init__(self, *, seconds: float = 5.0, sockets: bool = False) -> None:
        super().__init__(sockets=sockets)
        self._seconds = seconds

    async def probe(self) -> None:
        await super().probe()
        age = trio.current_time() - min(self.parked, default=trio.current_time())
        if age > self._seconds:
            raise OSError(f"a piece of work is {age:.3g} s old")
