"""One spawn under way: who asked for it, what it waits for, and what came of it."""

from __future__ import annotations

from copy import copy
from typing import Any, Generic, TypeVar

import attrs
import trio

from actors import ActorRef, Exit, State

from ._child import Child
from ._errors import SpawnFailed, SpawnRefused, SupervisorClosed, SupervisorError
from ._report import Refusal, StageReport
from ._spec import ChildSpec

M = TypeVar("M")


@attrs.frozen
class Obtained(Generic[M]):
    """The one manager under that key, and whether this call created it or found it."""

    ref: ActorRef[M]
    created: bool


@attrs.frozen
class Closed:
    """The outcome of a spawn that the supervisor's end overtook."""


@attrs.define(eq=False, repr=False)
class Spawn:
    """Shared by all that asked for the same key meanwhile; exactly one of them created it."""

    user: str
    key: str
    spec: ChildSpec[Any]
    asked_at: float = attrs.field(init=False, factory=trio.current_time)
    child: Child | None = attrs.field(init=False, default=None)
    """None while it waits for a slot."""
    joins: bool = attrs.field(init=False, default=False)
    """It waits for one that begins anew in any case, and creates nobody."""
    after_cleanup: bool = attrs.field(init=False, default=False)
    """There was no room for it at first."""
    stages: tuple[StageReport, ...] = attrs.field(init=False, default=())
    """What was tried on its behalf."""
    _callers: int = attrs.field(init=False, default=0)
    _parked: dict[trio.lowlevel.Task, None] = attrs.field(init=False, factory=dict[trio.lowlevel.Task, None])
    """Those of them that are to be woken."""
    _outcome: ActorRef[Any] | Exit | Refusal | Closed | SupervisorError | None = attrs.field(
        init=False, default=None
    )
    _claimed: bool = attrs.field(init=False, default=False)

    def finish(self, outcome: ActorRef[Any] | Exit | Refusal | Closed | SupervisorError) -> None:
        assert self._outcome is None, "a spawn ends once"
        self._outcome = outcome
        for caller in self._parked:
            trio.lowlevel.reschedule(caller)
        self._parked.clear()

    async def wait(self) -> None:
        """Wait for the outcome. Cancellation: see `unwanted`."""
        caller = trio.lowlevel.current_task()

        def abort(_: object) -> trio.lowlevel.Abort:
            del self._parked[caller]
            return trio.lowlevel.Abort.SUCCEEDED

        self._callers += 1
        try:
            if self._outcome is None:
                self._parked[caller] = None
                await trio.lowlevel.wait_task_rescheduled(abort)
            else:
                await trio.lowlevel.checkpoint()
        finally:
            self._callers -= 1

    @property
    def is_awaited(self) -> bool:
        """Is there a caller who waits, and has not been cancelled just now?"""
        return bool(self._parked)

    @property
    def is_over(self) -> bool:
        return self._outcome is not None

    @property
    def unwanted(self) -> bool:
        """Nobody waits for it any more, and it has not come to an end."""
        return not self._callers and self._outcome is None

    def collect(self) -> Obtained[Any]:
        """What the caller gets. Each gets an error of its own; the first gets `created`."""
        match self._outcome:
            case ActorRef() as ref if ref.state is not State.RUNNING:
                raise SpawnFailed(self.user, self.key, ref.cell.exit_due)  # nobody is given a dying one
            case ActorRef() as ref:
                created, self._claimed = not (self._claimed or self.joins), True
                return Obtained(ref, created)
            case Exit() as exit:
                raise SpawnFailed(self.user, self.key, exit)
            case Refusal() as refusal:
                raise SpawnRefused(refusal)
            case SupervisorError() as error:
                raise copy(error)
            case Closed():
                raise SupervisorClosed
            case None:
                raise AssertionError("collected before the end")
