"""The judge of waits and refusals: is a refusal true, complete, and proof enough? Pure."""

from __future__ import annotations

from supervisor import Health, RefusalReason, Refused, Stage, Waited

from ._acquittal import judge_holder
from ._promises import Rule, Violation
from ._recount import EPSILON, Books, Ledger


def waited(books: Books, event: Waited) -> None:
    ledger = books.ledger(event.user)
    ledger.freed = None
    ledger.waiting.pop(event.key, None)
    if books.knows_limit_of(ledger):
        if ledger.held < (ledger.limit or 0):
            room = f"{ledger.held} of {ledger.limit}"
            books.blame(Rule.NO_WAIT_WITH_ROOM, f"{event.key} waits at {room}", event)
        before = len(ledger.waiting) + len(ledger.heirs - {event.key})
        if event.ahead > before:
            books.blame(Rule.WAITS_BEHIND, f"{event.key} behind {event.ahead}, at most {before} came", event)
    ledger.waiting[event.key] = event.stamp.seq, event.stamp.at


def refused(books: Books, event: Refused) -> None:
    """Judge the proof, of a user that is full, or of a process that is."""
    ledger = books.ledger(event.user)
    ledger.freed = None
    asked = ledger.waiting.pop(event.key, None)
    ledger.heirs.discard(event.key)
    if event.refusal.reason.is_beyond_the_user:
        _refused_beyond(books, ledger, event)
    else:
        _user_is_full(books, ledger, event)
        if asked is not None:
            _in_its_time(books, ledger, event, asked[1])
    _cites_what_was_told(books, ledger, event)
    _names_the_holders(books, ledger, event)
    _asked_the_owners(books, ledger, event)
    for holder in event.refusal.holders:
        if not holder.node:  # what is said of others is theirs to prove
            judge_holder(books, ledger, holder, event)


def _user_is_full(books: Books, ledger: Ledger, event: Refused) -> None:
    report = event.refusal
    if books.knows_limit_of(ledger) and report.limit != ledger.limit:
        books.blame(Rule.LIMIT_AS_SET, f"{report.limit} is said, {ledger.limit} was set", event)
    ledger.limit = report.limit
    if not books.blind and report.live != ledger.held:
        books.blame(Rule.COUNTED, f"{report.live} are said to be held, {ledger.held} are", event)
    if report.live < report.limit:
        books.blame(Rule.NO_REFUSAL_WITH_ROOM, f"{report.live} of {report.limit}", event)
    if event.key in ledger.live:
        books.blame(Rule.NO_REFUSAL_OF_THE_LIVING, f"{ledger.live[event.key]} holds it", event)
    leaving = any(h.verdict.health in (Health.STOPPING, Health.CONDEMNED) for h in report.holders)
    if leaving != (report.reason is RefusalReason.REAP_PENDING):
        some = "some holders are" if leaving else "no holder is"
        books.blame(Rule.REASON_AGREES, f"{report.reason.value}, and {some} leaving", event)


def _refused_beyond(books: Books, ledger: Ledger, event: Refused) -> None:
    """The one that is refused has a slot of its user already, and gives it back."""
    life = ledger.live.get(event.key)
    if life is not None and life.started is None:
        life.refused = True
    elif not books.blind:
        books.blame(Rule.NO_REFUSAL_OF_THE_LIVING, f"{event.key} was not starting", event)
    if event.refusal.reason is RefusalReason.PROCESS_LIMIT:
        _process_is_full(books, event)
    elif event.refusal.live < event.refusal.limit:
        detail = f"{event.refusal.live} of {event.refusal.limit}"
        books.blame(Rule.NO_REFUSAL_WITH_ROOM, detail, event)


def _process_is_full(books: Books, event: Refused) -> None:
    report, limit = event.refusal, books.spec.process_limit
    if limit is None:
        return  # somebody else's quota counts
    if report.limit != limit or report.live != limit:
        books.blame(Rule.COUNTED, f"{report.live} of {report.limit}, the process allows {limit}", event)
    if not books.blind and (held := books.process_holds_at_most() - 1) < limit:
        books.blame(Rule.NO_REFUSAL_WITH_ROOM, f"the process holds {held} of {limit}", event)


def _in_its_time(books: Books, ledger: Ledger, event: Refused, asked_at: float) -> None:
    """After a cleanup that was for it too; when its wait is over, and within the documented bound."""
    spec = books.spec
    if ledger.cleaned_at < asked_at:
        books.blame(Rule.CLEANED_FIRST, f"asked at {asked_at:.6g} s, the last was before", event)
    if event.stamp.at < asked_at + books.shortest_wait - EPSILON:
        books.blame(Rule.WAITS_ITS_TIME, f"it may wait until {asked_at + books.shortest_wait:.6g} s", event)
    # Whoever turns out to be stuck only meanwhile is seen out as well, each time.
    rounds = 1 + ledger.rounds_since(asked_at)
    allowed = spec.slot_wait + 2 * spec.admission_deadline + rounds * books.longest_grace
    detail = f"asked at {asked_at:.6g} s, refused more than {allowed:.3g} s later"
    books.expect_by(asked_at, allowed, Violation(Rule.WAITS_ITS_TIME, detail, event))


def _cites_what_was_told(books: Books, ledger: Ledger, event: Refused) -> None:
    """Both stages at least, each as an event told it: the last cleanup, or those of its own start."""
    cited = event.refusal.stages
    missing = {Stage.GARBAGE, Stage.LIVENESS} - {report.stage for report in cited}
    if missing:
        names = ", ".join(sorted(stage.value for stage in missing))
        books.blame(Rule.CLEANED_FIRST, f"not tried: {names}", event)
    full = event.refusal.reason.is_beyond_the_user
    known = [*(ledger.told if full else ledger.cleaned), *ledger.takeovers.pop(event.key, ())]
    if books.blind:
        return
    for report in cited:
        if not any(report is told or report == told for told in known):
            books.blame(Rule.CLEANED_FIRST, f"{report.stage.value} is cited, and was not told", event)


def _names_the_holders(books: Books, ledger: Ledger, event: Refused) -> None:
    """Each once: those of the user but the refused one itself, and the condemned that hold a slot."""
    report = event.refusal
    here = [holder for holder in report.holders if not holder.node]
    out = [h.incarnation for h in here if h.verdict.health is Health.CONDEMNED]
    named = [h.incarnation for h in here if h.verdict.health is not Health.CONDEMNED]
    holding = sorted(life.incarnation for life in ledger.live.values() if life.key != event.key)
    if books.blind:
        if not set(holding) <= set(named):
            books.blame(Rule.HOLDERS_COMPLETE, f"named are {named}, {holding} hold slots", event)
        return
    beyond = sorted(life.incarnation for life in ledger.beyond)
    if sorted(named) != holding or sorted(out) != beyond:
        books.blame(Rule.HOLDERS_COMPLETE, f"named are {[*named, *out]}, not {[*holding, *beyond]}", event)
    if report.condemned != len(ledger.condemned):
        said = f"{report.condemned} condemned are said, {len(ledger.condemned)} are"
        books.blame(Rule.HOLDERS_COMPLETE, said, event)


def _asked_the_owners(books: Books, ledger: Ledger, event: Refused) -> None:
    """Where slots of other nodes stand in the way, those had a chance to reap."""
    elsewhere = {holder.node for holder in event.refusal.holders if holder.node}
    unasked = sorted(elsewhere - ledger.owners_asked)
    if unasked and not books.blind:
        books.blame(Rule.OWNERS_ASKED, f"not asked: {', '.join(unasked)}", event)
