"""Stopping: managers are asked to end, here and on other nodes, and each is waited for; not for ever."""

from __future__ import annotations

from typing import Any

import attrs
import trio

from actors import ActorRef, Phase
from supervisor import Backend, Explanation, Holder, Supervisor, SupervisorError

from ._shapes import Json
from ._unable import Unable

# So long, in seconds, an operator waits for managers to end; they do so all the same.
ENDING = 15.0


@attrs.define(eq=False)
class Stopping:
    """Of one user, from who is meant to what became of each."""

    supervisor: Supervisor
    user: str
    _here: list[tuple[Holder, ActorRef[Any]]] = attrs.field(
        init=False, factory=list[tuple[Holder, ActorRef[Any]]]
    )
    _there: list[tuple[Holder, Backend]] = attrs.field(init=False, factory=list[tuple[Holder, Backend]])
    _ended: list[Json] = attrs.field(init=False, factory=list[Json])
    _problems: list[str] = attrs.field(init=False, factory=list[str])

    async def choose(self, key: str | None, incarnation: int | None) -> None:
        """Find out who is meant. Raises Unable: nobody, or nobody who can be stopped."""
        if key is None and incarnation is not None:
            raise Unable(400, "an incarnation of which key? Say both, or neither")
        await self._choose_there(key, incarnation)
        try:
            self._choose_here(key, incarnation)
        except Unable as error:
            if self._problems:
                raise Unable(error.status, f"{error}; {self._problems[0]}") from error
            if not self._there:
                raise

    async def _choose_there(self, key: str | None, incarnation: int | None) -> None:
        cluster = self.supervisor.cluster
        if cluster is None:
            return
        try:
            holders = await cluster.holders(self.user)
        except SupervisorError as error:
            self._problems.append(f"only this node's: {error}")
            return
        for each in holders:
            if each.node and key in (None, each.key) and incarnation in (None, each.incarnation):
                self._there.append((each, cluster))

    def _choose_here(self, key: str | None, incarnation: int | None) -> None:
        stands = self.supervisor.explain(self.user)
        chosen = [holder for holder in stands.holders if key in (None, holder.key)]
        if not chosen:
            raise _nobody(stands, key)
        if incarnation not in (None, chosen[0].incarnation):
            raise Unable(409, f"under {key!r} lives another incarnation, {chosen[0].incarnation}")
        for each in chosen:
            ref = self.supervisor.lookup(self.user, each.key)
            if ref is not None:
                self._here.append((each, ref))
        if key is not None and not self._here:
            raise Unable(409, _why_not(chosen[0]))

    async def run(self) -> Json:
        """Have them all stop. Cancellation: they stop all the same."""
        for _, ref in self._here:
            ref.stop()
        with trio.move_on_after(ENDING):
            async with trio.open_nursery() as nursery:
                for holder, ref in self._here:
                    nursery.start_soon(self._see_out, holder, ref)
                for holder, cluster in self._there:
                    nursery.start_soon(self._see_out_there, holder, cluster)
        condemned = {holder.incarnation for holder in self.supervisor.explain(self.user).condemned}
        return {
            "stopped": len(self._here) + len(self._there),
            "ended": self._ended,
            "condemned": sum(not one["node"] and one["incarnation"] in condemned for one in self._ended),
            "problem": "; ".join(self._problems),
        }

    async def _see_out(self, holder: Holder, ref: ActorRef[Any]) -> None:
        self._has_ended(holder, str(await ref.wait_stopped()))

    async def _see_out_there(self, holder: Holder, cluster: Backend) -> None:
        try:
            found = await cluster.stop(self.user, holder.key, "an operator on another node stopped it")
        except SupervisorError as error:
            self._problems.append(f"{holder.key!r} on {holder.node}: {error}")
        else:
            self._has_ended(holder, "stopped" if found else "had left already")

    def _has_ended(self, holder: Holder, how: str) -> None:
        end = {"key": holder.key, "incarnation": holder.incarnation, "node": holder.node, "exit": how}
        self._ended.append(end)


def _nobody(stands: Explanation, key: str | None) -> Unable:
    """Nobody is there to be stopped, or only one whom nothing stops."""
    if any(key in (None, holder.key) for holder in stands.condemned):
        return Unable(409, "it is condemned: cancelled already, and it ignores that; no slot waits for it")
    what = "no manager" if key is None else f"no manager under {key!r}"
    return Unable(404, f"{stands.user!r} has {what}; it may have ended already")


def _why_not(holder: Holder) -> str:
    """Why one that holds a slot cannot be asked to stop."""
    if holder.phase in (Phase.WAITING_TO_RUN, Phase.ON_START):
        return f"the manager under {holder.key!r} is starting: stop it once it runs; its start is bounded"
    return f"the manager under {holder.key!r} is stopping already; it is seen to that it ends"
