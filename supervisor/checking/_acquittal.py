"""The judge of those who may stay: does the evidence on a slot holder agree with the log? Pure."""

from __future__ import annotations

import math
from collections.abc import Callable

import attrs

from actors import Phase
from supervisor import Health, Holder, Refused, Reserved

from ._conviction import longest_bound
from ._promises import Rule
from ._recount import EPSILON, Books, Ledger, Life

_AT_WORK = (Phase.HANDLE, Phase.PROBE)
_OVER = (Phase.ON_STOP, Phase.GONE)


@attrs.frozen
class Claim:
    """What a refusal says of one slot holder, and what the log knows of it."""

    holder: Holder
    life: Life
    birth: Reserved
    at: float
    slack: float
    begins: float
    """No phase of its begins later, as far as the log knows."""

    def within(self, value: float | None, low: float, high: float) -> bool:
        """Is a time there, and between these two?"""
        margin = self.slack + EPSILON
        return value is not None and low - margin <= value <= high + margin


def judge_holder(books: Books, ledger: Ledger, holder: Holder, event: Refused) -> None:
    """It lives, it is newborn, or it is on its way out; and the log says nothing else."""
    health = holder.verdict.health
    if health is Health.CONDEMNED:
        return  # those are counted, one by one
    if health not in _AGREES:
        books.blame(Rule.NO_GHOSTS, f"{holder.key}#{holder.incarnation}: {holder.verdict}", event)
        return
    life = ledger.live.get(holder.key)
    if life is None or life.incarnation != holder.incarnation or life.birth is None:
        return  # told already, or unknown
    # In a cluster one that is to begin waits for others, for as long as those may take.
    waits = books.leases.clustered and life.started is None
    begins = math.inf if waits else max(event.stamp.at, life.begins)
    claim = Claim(holder, life, life.birth, event.stamp.at, books.slack, begins)
    wrong = _always(claim) or _AGREES[health](claim)
    if health is Health.UNKNOWN and claim.at - books.last_stall > longest_bound(life) + books.slack + EPSILON:
        books.blame(Rule.UNKNOWN_AFTER_STALL, f"{life}: {holder.verdict}", event)
    if wrong:
        books.blame(Rule.EVIDENCE_AGREES, f"{life} ({holder.verdict}): {wrong}", event)
    if holder.since is not None:
        life.phase_since = min(holder.since, event.stamp.at)  # one that is to begin later may do so earlier
    if health is Health.STOPPING and life.dying is None and holder.phase is not Phase.GONE:
        life.dying = event.stamp.at


def _always(claim: Claim) -> str:
    holder, life = claim.holder, claim.life
    if abs(claim.at - claim.birth.stamp.at - holder.age) > claim.slack + EPSILON:
        return f"it is {claim.at - claim.birth.stamp.at:.6g} s old, not {holder.age:.6g}"
    if (holder.connections or 0) != life.connections:
        return f"it has {life.connections} connections, not {holder.connections}"
    low = max(claim.birth.stamp.at, life.phase_since)
    if holder.since is not None and not claim.within(holder.since, low, claim.begins):
        return f"its phase cannot have begun at {holder.since:.6g} s"
    until = holder.verdict.until
    if until is not None and until < claim.at - claim.slack - EPSILON:
        return f"its time was over at {until:.6g} s"
    return ""


def _healthy(claim: Claim) -> str:
    if claim.holder.phase in (*_AT_WORK, *_OVER):
        return f"it is {claim.holder.phase.value}"
    if claim.holder.connections == 0:
        return "it has no connection"
    return _runs(claim)


def _runs(claim: Claim) -> str:
    if claim.life.started is None:
        return "it never started"
    return "its end had begun" if claim.life.dying is not None else ""


def _busy(claim: Claim) -> str:
    """In a hook, within its budget, or with progress within its ceiling."""
    holder, policy = claim.holder, claim.birth.policy
    if holder.phase is not None and holder.phase not in _AT_WORK:
        return f"it is {holder.phase.value}"
    since = holder.since
    if since is None or claim.life.started is None:
        return _runs(claim)
    if since < claim.life.started - EPSILON:
        return "it worked before it started"
    least = since + min(policy.budget, policy.ceiling)
    most = min(claim.at + policy.budget, since + policy.ceiling)
    if not claim.within(holder.verdict.until, least, most):
        return f"its time ends between {least:.6g} and {most:.6g} s, not at {holder.verdict.until}"
    return _runs(claim)


def _starting(claim: Claim) -> str:
    """In its start, within the start grace; or without a first connection, within the attach grace."""
    holder, life, policy = claim.holder, claim.life, claim.birth.policy
    if life.dying is not None:
        return "its end had begun"
    until, born = holder.verdict.until, claim.birth.stamp.at
    if life.started is None:
        since = born if holder.since is None else holder.since
        if not claim.within(until, since + policy.start_grace, since + policy.start_grace):
            return f"its start grace ends at {since + policy.start_grace:.6g} s, not at {until}"
        return ""
    if life.attached is not None:
        return "it had a connection"
    if not claim.within(until, born + policy.attach_grace, life.started + policy.attach_grace):
        return f"its attach grace does not end at {until}"
    return ""


def _stopping(claim: Claim) -> str:
    """Asked to stop, or cancelled; each with its grace."""
    if claim.holder.phase is Phase.GONE:
        return ""
    birth = claim.birth
    longest = max(birth.stop_grace, birth.cleanup_grace) + birth.policy.cancel_grace
    if not claim.within(claim.holder.verdict.until, claim.at, claim.at + longest):
        return f"its graces end within {longest:.3g} s, not at {claim.holder.verdict.until}"
    return ""


def _unknown(claim: Claim) -> str:
    longest = longest_bound(claim.life)
    if not claim.within(claim.holder.verdict.until, claim.at, claim.at + longest):
        return f"its time ends within {longest:.3g} s, not at {claim.holder.verdict.until}"
    return ""


_AGREES: dict[Health, Callable[[Claim], str]] = {
    Health.HEALTHY: _healthy,
    Health.BUSY: _busy,
    Health.STARTING: _starting,
    Health.STOPPING: _stopping,
    Health.UNKNOWN: _unknown,
}
"""What may hold a slot against somebody, and what contradicts it; nothing else may."""
