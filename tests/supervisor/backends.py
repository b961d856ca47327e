"""Backends for tests of the seam: one that admits everybody, and those that do so badly."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import trio

from supervisor import Claim, ClusterStatistics, Holder, LocalNode, Node, Place


@attrs.define(eq=False)
class AdmitsAll:
    """Counts every slot, and has room for each."""

    ground: trio.Nursery | None = None
    patience: float = 1.0
    counted: set[str] = attrs.field(factory=set[str])

    async def serve(self, node: LocalNode, *, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()

    async def admit(self, claim: Claim) -> None:
        await trio.lowlevel.checkpoint()
        self.counted.add(claim.slot)

    def counts(self, claim: Claim) -> bool:
        return claim.slot in self.counted

    async def make_room(self, claim: Claim) -> tuple[Holder, ...]:
        await trio.lowlevel.checkpoint()
        return ()

    async def reclaim(self, claim: Claim, holders: Sequence[Holder]) -> bool:
        await trio.lowlevel.checkpoint()
        return False

    def release(self, user: str, slot: str) -> None:
        self.counted.discard(slot)

    def statistics(self) -> ClusterStatistics | None:
        return None

    async def nodes(self) -> tuple[Node, ...]:
        await trio.lowlevel.checkpoint()
        return ()

    async def places(self, user: str) -> tuple[Place, ...]:
        await trio.lowlevel.checkpoint()
        return ()

    async def holders(self, user: str) -> tuple[Holder, ...]:
        await trio.lowlevel.checkpoint()
        return ()

    async def stop(self, user: str, key: str, detail: str = "") -> bool:
        await trio.lowlevel.checkpoint()
        return False


class AdmitsSlowly(AdmitsAll):
    """Takes a second over it."""

    async def admit(self, claim: Claim) -> None:
        await trio.sleep(1.0)
        await super().admit(claim)


class Fails(AdmitsAll):
    """Fails for one user, while it is down."""

    down = True

    async def admit(self, claim: Claim) -> None:
        await trio.lowlevel.checkpoint()
        if claim.user == "bob" and self.down:
            raise OSError("no engine")
        await super().admit(claim)
