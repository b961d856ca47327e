"""The judge of single incarnations: birth, start, who is handed out, connections. Pure."""

from __future__ import annotations

from actors import ExitReason
from supervisor import (
    ActorEvent,
    ConnectionAttached,
    ConnectionDetached,
    Forced,
    Found,
    Health,
    ReapStarted,
    Reserved,
    Restarting,
    Started,
    StartFailed,
    Terminal,
)

from ._leases import started_under_a_lease
from ._promises import Rule, Violation
from ._recount import EPSILON, Books, Ledger, Life

REAPED_FOR = {
    Health.UNRESPONSIVE: ExitReason.UNRESPONSIVE,
    Health.DISCONNECTED: ExitReason.DISCONNECTED,
    Health.IDLE: ExitReason.IDLE,
}

_MAY_FOLLOW_CONDEMNATION = (Forced, StartFailed, Terminal)


def life_of(books: Books, event: ActorEvent) -> Life | None:
    """Whom the event is about; None where that cannot be, or cannot be known."""
    life = books.lives.get(event.incarnation)
    if life is None:
        if not books.is_before_the_log(event.incarnation):
            books.blame(Rule.BORN_FIRST, f"{type(event).__name__} of {_name(event)}", event)
            return None
        life = _adopt(books, event)
    if life.key != event.key or life.user != event.user:
        books.blame(Rule.SAME_NAME, f"{life} is called {_name(event)}", event)
        return None
    if life.condemned is not None and not isinstance(event, _MAY_FOLLOW_CONDEMNATION):
        books.blame(Rule.QUIET_WHEN_CONDEMNED, f"{type(event).__name__} of {life}", event)
    if life.suspicion is not None:
        _reaped_at_once(books, life, event)
    return life


def _name(event: ActorEvent) -> str:
    return f"{event.user}/{event.key}#{event.incarnation}"


def _adopt(books: Books, event: ActorEvent) -> Life:
    """It was here before the log, condemned perhaps."""
    life = Life(event.user, event.key, event.incarnation)
    books.lives[event.incarnation] = life
    ledger = books.ledger(event.user)
    if isinstance(event, Terminal) and event.was_condemned:
        life.condemned = books.at
        books.condemned[event.incarnation] = ledger.condemned[event.incarnation] = life
    else:
        ledger.live.setdefault(event.key, life)
    return life


def _reaped_at_once(books: Books, life: Life, event: ActorEvent) -> None:
    """The next that is told of one who was found bad is its reaping."""
    suspicion, life.suspicion = life.suspicion, None
    assert suspicion is not None
    verdict = suspicion.verdict
    if not isinstance(event, ReapStarted):
        news = f"then came {type(event).__name__}"
        books.blame(Rule.SUSPECT_IS_REAPED, f"{life} was found bad, {news}", suspicion)
    elif event.reason is not REAPED_FOR.get(verdict.health, event.reason):
        books.blame(Rule.SUSPECT_IS_REAPED, f"{life} was {verdict}, reaped as {event.reason.value}", event)
    else:
        late = Violation(Rule.SUSPECT_IS_REAPED, f"{life} was reaped late", event)
        books.expect_by(suspicion.stamp.at, 0.0, late)


# Birth


def reserved(books: Books, event: Reserved) -> None:
    """A slot was taken: count it, whoever it is for."""
    _number(books, event)
    ledger = books.ledger(event.user)
    other = ledger.live.get(event.key)
    if other is not None and other.birth is not None:
        books.blame(Rule.ONE_PER_KEY, f"{other} and {_name(event)}", event)
    life = Life(event.user, event.key, event.incarnation, event, connections=0)
    books.lives[event.incarnation] = ledger.live[event.key] = life
    books.unstarted += 1
    ledger.unstarted += 1
    grace = event.cleanup_grace + 2 * event.policy.cancel_grace
    books.longest_grace = max(books.longest_grace, grace)
    _count(books, ledger, event)
    _serve(ledger, life, event)


def _number(books: Books, event: Reserved) -> None:
    if books.first_born is None:
        books.first_born = event.incarnation
        # Incarnations count from 1: there was nobody before.
        books.blind = books.blind and not (event.incarnation == 1 and not books.lives)
    elif event.incarnation <= books.last_born:
        books.blame(Rule.BORN_ONCE, f"{_name(event)} after incarnation {books.last_born} of another", event)
    books.last_born = max(books.last_born, event.incarnation)


def _count(books: Books, ledger: Ledger, event: Reserved) -> None:
    if books.knows_limit_of(ledger) and event.limit != ledger.limit:
        books.blame(Rule.LIMIT_AS_SET, f"{event.limit} is said, {ledger.limit} was set", event)
    ledger.limit = event.limit
    held = ledger.held
    if held != event.held if not books.blind else held > event.held:
        books.blame(Rule.COUNTED, f"{event.held} are said to be held, {held} are", event)
    if max(held, event.held) > event.limit:
        books.blame(Rule.WITHIN_LIMIT, f"{max(held, event.held)} of {event.limit}", event)


def _serve(ledger: Ledger, life: Life, event: Reserved) -> None:
    """In order of arrival, but the key that became free with the slot goes first."""
    waited = ledger.waiting.pop(event.key, None)
    is_heir = ledger.freed == event.key or (waited is None and event.key in ledger.heirs)
    ledger.heirs.discard(event.key)
    ledger.freed = None
    if waited is not None:
        life.asked = waited[1]
    if not is_heir:
        arrived = event.stamp.seq if waited is None else waited[0]
        life.overtaken = waited is not None and ledger.served > arrived
        ledger.served = max(ledger.served, arrived)


def restarting(books: Books, event: Restarting) -> None:
    """Its successor has the slot already, and begins later."""
    successor = books.lives.get(event.next_incarnation)
    if successor is not None:
        successor.begins = event.stamp.at + event.delay


# Life


def started(books: Books, event: Started) -> None:
    life = life_of(books, event)
    if life is None:
        return
    if life.started is not None or life.dying is not None or life.failed is not None or life.refused:
        books.blame(Rule.STARTS_ONCE, f"{life} starts again, dying, failed or refused", event)
        return
    life.started = event.stamp.at
    started_under_a_lease(books, life, event)
    ledger = books.ledger(event.user)
    ledger.takeovers.pop(event.key, None)
    if life.birth is not None:
        books.unstarted -= 1
        ledger.unstarted -= 1
    books.running += 1
    limit = books.spec.process_limit
    if limit is not None and (running := books.process_runs()) > limit:
        books.blame(Rule.WITHIN_PROCESS_LIMIT, f"{running} of {limit}", event)
    _served_in_order(books, life, event)


def _served_in_order(books: Books, life: Life, event: Started) -> None:
    """Only the one that was told to wait was overtaken; not one who gave up, and came again."""
    if not life.overtaken or life.asked is None or life.birth is None:
        return
    asked = event.stamp.at - event.waited
    if abs(asked - life.asked) <= EPSILON and life.birth.stamp.at > life.asked + EPSILON:
        books.blame(Rule.IN_ORDER, f"{life} waited since {asked:.6g} s, who came later was served", event)


def found(books: Books, event: Found) -> None:
    life = life_of(books, event)
    if life is None:
        return
    life.found = event.stamp.at
    if life.birth is not None and (life.started is None or life.dying is not None):
        books.blame(Rule.NEVER_HANDED_OUT_DYING, f"{life} was", event)


def attached(books: Books, event: ConnectionAttached) -> None:
    life = life_of(books, event)
    if life is None:
        return
    if life.connections is not None and event.connections != life.connections + 1:
        books.blame(Rule.CONNECTIONS_COUNTED, _miscounted(life, event.connections), event)
    if life.dying is not None:
        books.blame(Rule.NEVER_HANDED_OUT_DYING, f"{life} got a connection", event)
    life.connections, life.attached, life.unconnected = event.connections, event.stamp.at, None


def detached(books: Books, event: ConnectionDetached) -> None:
    life = life_of(books, event)
    if life is None:
        return
    if event.connections < 0 or (life.connections is not None and event.connections != life.connections - 1):
        books.blame(Rule.CONNECTIONS_COUNTED, _miscounted(life, event.connections), event)
    life.connections = event.connections
    if not event.connections:
        life.unconnected = event.stamp.at


def _miscounted(life: Life, said: int) -> str:
    return f"{life} had {life.connections}, and then {said}"


def told(books: Books, event: ActorEvent) -> None:
    """Anything else about one incarnation: only that it is there."""
    life_of(books, event)
