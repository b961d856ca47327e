"""Sessions over all nodes of a cluster: found, ended, and brought here when their client has come here."""

from __future__ import annotations

import json
import logging
from random import Random
from typing import Any

import attrs
import msgspec
import trio

from actors import ActorStopped, MailboxFull, attached_to
from supervisor import Holder, LivesElsewhere, Obtained, Supervisor
from supervisor.cluster import (
    Cluster,
    ClusterError,
    EngineDown,
    EngineUnknown,
    Entry,
    Log,
    Place,
)

from .logins import Logins
from .mending import Mending
from .protocol import CLOSE_MOVED
from .session import Said, Wedge
from .sessions import Sessions, SessionsError, SessionSpec
from .shared_history import UNREADABLE
from .tokens import Login

_log = logging.getLogger(__name__)

# What nodes ask each other.
LET_GO = "chat.let_go"
WEDGE = "chat.wedge"

MOVED = "this session goes on elsewhere"

# So often a session is asked to come here, before its client is told that it does not.
MOVES = 4
# Seconds between two such tries, and the same again at random: two tabs may fight for one session.
BETWEEN_MOVES = 0.1
# Seconds. For its old node to close its connections and to stop it, stop grace and all.
LET_GO_WITHIN = 1.0
STOP_WITHIN = 4.0
# Seconds. A newcomer waits no longer than this to hear of his sessions elsewhere.
HOLDERS_WITHIN = 1.0
# Seconds. For a logout to be written down for the others.
TELL_WITHIN = 3.0


class _LoggedOut(msgspec.Struct, frozen=True, array_like=True):
    """An entry of the log of logouts."""

    user: str
    id: str
    ends_at: float


_decoder = msgspec.json.Decoder(_LoggedOut)


@attrs.define(eq=False)
class SharedSessions(Sessions):
    """The sessions of a cluster. What other nodes ask is answered from `answer` on."""

    supervisor: Supervisor
    cluster: Cluster
    logins: Logins
    _random: Random = attrs.field(init=False, factory=Random)

    def answer(self) -> None:
        """Answer other nodes, for as long as the cluster does."""
        self.cluster.answer(LET_GO, self._let_go)
        self.cluster.answer(WEDGE, self._wedge)

    async def obtain(self, user: str, session: str, spec: SessionSpec) -> Obtained[Said | Wedge]:
        """As `Supervisor.get_or_spawn`; a session that lives elsewhere is ended there, and begins here.

        Raises LivesElsewhere, too: it did not let go, or somebody took it back each time.
        """
        for left in reversed(range(MOVES)):
            try:
                return await self.supervisor.get_or_spawn(user, session, spec)
            except LivesElsewhere:
                if not left:
                    raise
            await self._fetch(user, session)
            await trio.sleep(BETWEEN_MOVES * self._random.uniform(0, 2))
        raise AssertionError("the last try has returned or raised")

    async def holders(self, user: str) -> tuple[Holder, ...]:
        """Who holds the user's slots on all nodes; of this one only, where the others cannot be asked."""
        try:
            with trio.fail_after(HOLDERS_WITHIN):
                return await self.cluster.holders(user)
        except (ClusterError, trio.TooSlowError):
            return self.supervisor.explain(user).holders

    async def stop(self, user: str, session: str) -> bool:
        try:
            with trio.fail_after(STOP_WITHIN):
                return await self.cluster.stop(user, session)
        except (ClusterError, trio.TooSlowError) as error:
            raise SessionsError("The server where this session lives does not answer. Try again.") from error

    async def wedge(self, user: str, session: str) -> bool:
        try:
            with trio.fail_after(LET_GO_WITHIN):
                places = await self._places(user, session)
                answers = [await self._ask(place, WEDGE, user) for place in places]
        except (ClusterError, trio.TooSlowError) as error:
            raise SessionsError("The server where this session lives does not answer. Try again.") from error
        return any(answers)

    def node_of(self, holder: Holder) -> dict[str, Any]:
        return {"node": holder.node or self.cluster.name}

    # Bringing one here

    async def _fetch(self, user: str, session: str) -> None:
        """Have it end where it is. What goes wrong shows when it is looked for again."""
        try:
            with trio.move_on_after(LET_GO_WITHIN):
                for place in await self._places(user, session):
                    await self._ask(place, LET_GO, user)
            with trio.move_on_after(STOP_WITHIN):
                await self.cluster.stop(user, session, MOVED)
        except ClusterError as error:
            _log.info("%s/%s does not come here yet: %s", user, session, error)

    async def _places(self, user: str, session: str) -> list[Place]:
        places = await self.cluster.places(user)
        return [place for place in places if place.key == session and not place.node.is_me]

    async def _ask(self, place: Place, op: str, user: str) -> bool:
        answer = await self.cluster.ask(place.node.session, op, json.dumps([user, place.key]))
        return bool(json.loads(answer))

    # What other nodes ask

    async def _let_go(self, question: str) -> str:
        """Its client is elsewhere now: whoever is connected here is told so, and does not come back."""
        user, session = json.loads(question)
        ref = self.supervisor.lookup(user, session)
        for connection in attached_to(ref) if ref is not None else ():
            connection.close(CLOSE_MOVED, MOVED)
        return json.dumps(ref is not None)

    async def _wedge(self, question: str) -> str:
        user, session = json.loads(question)
        ref = self.supervisor.lookup(user, session)
        try:
            if ref is not None:
                ref.tell_nowait(Wedge())
        except (ActorStopped, MailboxFull):
            return json.dumps(obj=False)
        return json.dumps(ref is not None)

    # Logouts

    async def logged_out(self, login: Login) -> bool:
        """Write it down for all nodes, also for those that are away, or start later.

        False: the engine is away; the token is good on other nodes until it expires.
        """
        said = _LoggedOut(login.user, login.id, login.ends_at)
        entry = (login.id, msgspec.json.encode(said).decode())
        with trio.move_on_after(TELL_WITHIN):
            while True:
                try:
                    await self._logouts().append([entry])
                except (EngineDown, EngineUnknown):
                    await trio.sleep(self.cluster.spec.retry)
                except ClusterError:
                    return False
                else:
                    return True
        return False

    async def hear_logouts(self) -> None:
        """End here what was logged out anywhere: all that is kept of it, and what is to come."""
        await Mending().until_done(self._follow_logouts)

    async def _follow_logouts(self) -> None:
        async with self._logouts().follow(after=0) as follower:
            while True:
                match await follower.receive():
                    case Entry() as entry:
                        self._hear_logout(entry)
                    case _:
                        continue  # what was heard once is remembered here

    def _hear_logout(self, entry: Entry) -> None:
        try:
            said = _decoder.decode(entry.payload)
        except UNREADABLE:
            _log.warning("logouts: entry %d cannot be read, and is skipped", entry.position)
        else:
            self.logins.log_out(Login(said.user, said.id, said.ends_at))

    def _logouts(self) -> Log:
        return Log(self.cluster.engine, "chat:logouts", self.cluster, self.cluster.spec)
