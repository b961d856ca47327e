"""Bugs to plant in a node's share of a cluster, and in the supervisor's side of it."""

from __future__ import annotations

from .planted import Mutant

C = "tests/cluster/test_simulated_"


def _mutant(name: str, file: str, old: str, new: str) -> Mutant:
    return Mutant(name, file, old, new, (f"{C}cluster.py", f"{C}scripts.py"))


def _slots(name: str, old: str, new: str) -> Mutant:
    return _mutant(name, "supervisor/cluster/_slots.py", old, new)


def _session(name: str, old: str, new: str) -> Mutant:
    return _mutant(name, "supervisor/cluster/_session.py", old, new)


def _cluster(name: str, old: str, new: str) -> Mutant:
    return _mutant(name, "supervisor/cluster/_cluster.py", old, new)


CLUSTER_MUTANTS = (
    _session(
        "a lease is judged from the answer",
        "session.until = lease.deadline = sent + good_for\n            session.boot_until = sent_boot + good_for",
        "session.until = lease.deadline = trio.current_time() + spec.lease\n"
        "            session.boot_until = self._boottime() + spec.lease",
    ),
    _session(
        "no margin",
        'why, good_for = "", spec.lease - spec.safety',
        'why, good_for = "", spec.lease + spec.safety',
    ),
    _session(
        "the lease has no deadline",
        "with trio.CancelScope(deadline=session.until) as lease:",
        "with trio.CancelScope() as lease:",
    ),
    _session(
        "a dead session goes on",
        "            if isinstance(beat, Dead):\n                return why or",
        "            if isinstance(beat, Dead) and False:\n                return why or",
    ),
    _session("a slept-through lease goes on", "if self._boottime() >= session.boot_until:", "if False:"),
    _session(
        "the check looks at one clock",
        "trio.current_time() < now.until and self._boottime() < now.boot_until",
        "trio.current_time() < now.until",
    ),
    _session("who is kept runs under the lease", "tenancies if self.keeps else ground)", "ground)"),
    _session("no lease is begun anew", "                    over.set()\n", "                    pass\n"),
    _session(
        "a lost lease is not given back",
        "tenancies.start_soon(self._close_when_over, session, ended)",
        "pass",
    ),
    _session(
        "a node that leaves keeps its lease",
        "                await self._close(session)  # noqa: ASYNC102  # it bounds itself",
        "                pass",
    ),
    _slots(
        "a cancelled admission is an orphan",
        "            if not settled:\n                self._give_back(claim.user, claim.slot)\n",
        "",
    ),
    _slots("what is given back is not told", "        self._leaving.setdefault(user, set()).add(slot)\n", ""),
    _slots(
        "what is given back is not told before the next is asked for",
        "limit=claim.limit, gone=gone)",
        "limit=claim.limit, gone=())",
    ),
    _slots(
        "a key that lives elsewhere is just refused",
        'raise LivesElsewhere(claim.user, claim.key, node=by.session, address="")',
        "raise QuotaRefused(claim.limit, reason=RefusalReason.CLUSTER_LIMIT, live=0)",
    ),
    _slots(
        "an engine that warms up is asked at once",
        "        if session.warm_at > now:\n",
        "        if False:\n",
    ),
    _slots(
        "trouble is not waited out",
        "            if left <= 0 or isinstance(error, EngineRefused):",
        "            if True:",
    ),
    _slots(
        "who lost his slot stays",
        'keys = node.give_up(user, found.lost, "its slot in the cluster was lost, and is another\'s now")',
        "keys = ()",
    ),
    _slots(
        "a slot that nobody holds is not given back",
        "                await self._engine.release(user, gone)\n                self._left(user, gone)",
        "                pass",
    ),
    _slots("late comparisons drop what came since", "as_of=session.fence,", "as_of=None,"),
    _slots(
        "nobody is compared who has left",
        "        self._recent[user] = trio.current_time() + 2 * self._spec.reconcile_period\n",
        "",
    ),
    _cluster(
        "owners answer before it is told that they freed a slot",
        "await self._slots.clear(user)  # before they are told: they will look at once",
        "pass",
    ),
    _cluster(
        "owners that are silent are left out of the refusal",
        "return (*heard, *unknown), before, silent",
        "return (*heard,), before, silent",
    ),
    _cluster(
        "owners are only asked",
        "await self._ask_owners(claim.user, CLEAN_UP)",
        "await self._ask_owners(claim.user, HOLDERS)",
    ),
    _mutant(
        "others are not asked",
        "supervisor/_beyond.py",
        "        holders = await backend.make_room(claim)\n",
        "        holders = ()\n",
    ),
    _mutant(
        "what one has here is not cleaned up first",
        "supervisor/_beyond.py",
        "    report = await clean_up(Stage.LIVENESS, Trigger.FULL_CLUSTER, bound=bound)\n",
        "    report = CleanupReport(claim.user, ())\n",
    ),
    _mutant(
        "nobody waits for a slot elsewhere",
        "supervisor/_beyond.py",
        "        if left <= 0:\n            refused",
        "        if True:\n            refused",
    ),
    _mutant(
        "nothing is given back to the cluster",
        "supervisor/_beyond.py",
        "            services.backend.release(child.user, child.slot)\n",
        "            pass\n",
    ),
    _mutant(
        "an actor runs outside of the lease",
        "supervisor/_beginnings.py",
        "return backend.ground if backend is not None and child.state is State.STARTING else None",
        "return None",
    ),
    _mutant(
        "a lease that is over while one waits is not seen",
        "supervisor/_beginnings.py",
        "while backend is not None and not backend.counts(self._claim(child)):",
        "while False:",
    ),
    _mutant(
        "who begins anew gives up without a lease",
        "supervisor/_beginnings.py",
        "                if spawn is not None and not spawn.joins:\n",
        "                if True:\n",
    ),
    _mutant(
        "whoever is fenced is not ended by us",
        "supervisor/_here.py",
        "            child.cancel(ExitReason.FENCED, why)\n",
        "            pass\n",
    ),
    _mutant(
        "who is fenced never begins anew",
        "supervisor/_restart.py",
        "ExitReason.UNRESPONSIVE, ExitReason.FENCED}",
        "ExitReason.UNRESPONSIVE}",
    ),
)
