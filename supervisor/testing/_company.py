"""Specimens that get stuck with one another: full downstreams, and those that ask in a circle.

Each brings the others that it takes: they are actors in child tasks of its own, gone when it is.
"""

from __future__ import annotations

from collections.abc import Callable

import trio

from actors import DEFAULT_CAPACITY, ActorCell, ActorRef, Deadlock, run_actor

from ._specimens import Healthy, Message, WedgedForever, Work


class Hires(Healthy):
    """Runs other actors in its child tasks."""

    def __init__(self, *, sockets: bool = False) -> None:
        super().__init__(sockets=sockets)
        self.hired: list[ActorRef[Message]] = []

    def hire(self, make: Callable[[], Healthy], *, capacity: int = DEFAULT_CAPACITY) -> ActorRef[Message]:
        """Run one more. Its crash is its own, and is told to who asked it."""
        cell = ActorCell(f"{self.ref.name}/{len(self.hired) + 1}", capacity=capacity)
        self.start_soon(run_actor, make, cell)
        self.hired.append(ActorRef(cell))
        return self.hired[-1]


class FullDownstream(Hires):
    """Tells another for ever, which is wedged: when that mailbox is full it waits, and its own fills up."""

    async def work(self) -> None:
        downstream = self.hire(WedgedForever, capacity=1)
        while True:
            await downstream.tell(Work())


class AsksItself(Healthy):
    """Asks itself, which could never end; with `catches` it survives being told so."""

    def __init__(self, *, catches: bool = False, sockets: bool = False) -> None:
        super().__init__(sockets=sockets)
        self._catches = catches
        self.caught: list[Deadlock] = []

    async def work(self) -> None:
        try:
            await self.ref.ask(Work())
        except Deadlock as deadlock:
            self.caught.append(deadlock)
            if not self._catches:
                raise


class Asks(Healthy):
    """Has its work done by another, and waits for that.

    With `through_child` a child task asks while the actor itself waits for the child: no runtime
    can know of that wait, so a circle of such ones is no Deadlock to it; each is stuck at work.
    """

    def __init__(
        self, whom: Callable[[], ActorRef[Message]], *, through_child: bool = False, sockets: bool = False
    ) -> None:
        super().__init__(sockets=sockets)
        self._whom = whom
        self._through_child = through_child

    async def work(self) -> None:
        await _have_done(self, self._whom(), through_child=self._through_child)


class AsksInARing(Hires):
    """The first of `size` that ask each other in a circle; two: they ask each other."""

    def __init__(self, *, size: int = 2, through_child: bool = False, sockets: bool = False) -> None:
        super().__init__(sockets=sockets)
        self._size = size
        self._through_child = through_child

    async def work(self) -> None:
        following = self.ref
        for _ in range(self._size - 1):
            following = self.hire(self._asking(following))
        await _have_done(self, following, through_child=self._through_child)

    def _asking(self, whom: ActorRef[Message]) -> Callable[[], Asks]:
        return lambda: Asks(lambda: whom, through_child=self._through_child)


async def _have_done(asker: Healthy, whom: ActorRef[Message], *, through_child: bool) -> None:
    if not through_child:
        await whom.ask(Work())
        return
    done = trio.Event()

    async def ask() -> None:
        await whom.ask(Work())
        done.set()

    asker.start_soon(ask)
    await done.wait()
