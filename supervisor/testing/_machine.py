"""SupervisorMachine: everything that may happen to a supervisor, in any order, judged by its promises."""

from __future__ import annotations

from typing import Any

import attrs
import trio
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from trio.testing import MockClock

from supervisor import ChildSpec, Obtained, Settings, Supervisor
from supervisor._sweep import Hold

from ._cast import Cast
from ._rules import invariant, rule
from ._specimens import Echo
from ._tree import check_tree

# Around every grace of the usual policies: just before it, at it, and just after it, in seconds.
INSTANTS = (0.0, 0.01, 0.05, 0.06, 0.25, 1.0, 4.9, 5.0, 5.01, 5.01, 10.01, 30.01)

# Well past what the wall clock may be off by after a machine slept, or its battery was flat, in seconds.
WALL_JUMPS = (-1e9, -3600.0, 3600.0, 1e9)

# How many senders wait behind a mailbox that is full.
FLOOD = 3


def _users(machine: type[SupervisorMachine]) -> SearchStrategy[str]:
    return machine.users


def _user_or_all(machine: type[SupervisorMachine]) -> SearchStrategy[str | None]:
    return st.none() | machine.users


def _keys(machine: type[SupervisorMachine]) -> SearchStrategy[str]:
    return machine.keys


def _limits(machine: type[SupervisorMachine]) -> SearchStrategy[int]:
    return machine.limits


def _all_kinds(machine: type[SupervisorMachine]) -> SearchStrategy[str]:
    return st.sampled_from([*machine.kinds, *machine.wedges])


def _wedges(machine: type[SupervisorMachine]) -> SearchStrategy[str]:
    return st.sampled_from([*machine.wedges] or [*machine.kinds])


_FORCE = st.sampled_from([False, False, True])


class SupervisorMachine(Cast):
    """A state machine over a supervisor and its managers. Subclass it to have your own among them.

        class Sessions(SupervisorMachine):
            kinds = {"session": lambda machine: Session()}

            def message(self, number: int) -> object:
                return f"message {number}"

        test_my_sessions = Sessions.as_test(max_examples=200)

    Each example is a script of steps, performed on a fresh supervisor, a fresh virtual clock and a
    drawn schedule. After each step the tables are walked, after each turn of a task the slots are
    counted, and at the end the event log, the mail and all answers are judged. Your kinds live
    among the kit's wedged managers, and must never be found unresponsive.

    What you may say of your own: `kinds`, `message`, `request`, `spec_of`; `limits`, `specs`,
    `users`, `keys`; further methods with `@rule(...)` and `@invariant()`, which are as in
    `hypothesis.stateful`.
    """

    @invariant()
    def tables_tell_the_truth(self) -> None:
        """What the supervisor knows is what really runs, in Trio's own task tree."""
        wrong = check_tree(self.supervisor)
        assert not wrong, "\n".join(wrong)

    # Spawning

    @rule(weight=12, user=_users, key=_keys, kind=_all_kinds, force=_FORCE, work=st.booleans())
    async def spawn(self, user: str, key: str, kind: str, *, force: bool, work: bool) -> None:
        """Somebody asks for a manager, and perhaps gives it work."""
        await self._soon(user, key, kind, force=force, work=work)

    @rule(weight=12, user=_users, key=_keys, kind=_wedges, force=_FORCE)
    async def spawn_and_wedge(self, user: str, key: str, kind: str, *, force: bool) -> None:
        """Somebody asks for a manager that is stuck from then on."""
        await self._soon(user, key, kind, force=force, work=True)

    @rule(weight=6, user=_users, key=_keys, kind=_all_kinds, callers=st.integers(2, 4))
    async def get_or_spawn_at_once(self, user: str, key: str, kind: str, callers: int) -> None:
        """Several ask for the same manager at once."""
        for _ in range(callers):
            self.start_soon(self._spawn, user, key, kind, self.spec_of(kind))
        await trio.lowlevel.checkpoint()

    @rule(
        weight=6,
        user=_users,
        key=_keys,
        kind=_all_kinds,
        checkpoint=st.integers(1, 3),
        later=st.sampled_from([0, 0, 1, 2, 3, 5, 8, 13, 100]),
    )
    async def spawn_and_cancel(self, user: str, key: str, kind: str, checkpoint: int, later: int) -> None:
        """Somebody asks for a manager, and is cancelled at a checkpoint of his, or some steps later."""
        self.start_soon(self._spawn_cancelled, user, key, kind, (checkpoint, later))
        await trio.lowlevel.checkpoint()

    @rule(weight=5, user=_users, kind=_wedges, generations=st.integers(1, 3))
    async def wedge_generations(self, user: str, kind: str, generations: int) -> None:
        """As many as can be are spawned, all get stuck, and their budgets pass; and again."""
        for _ in range(generations):
            for number in range(self.supervisor.explain(user).limit + 1):
                await self._soon(user, f"generation {number}", kind, force=False, work=True)
            await trio.sleep(5.01)

    async def _soon(self, user: str, key: str, kind: str, *, force: bool, work: bool) -> None:
        spec = attrs.evolve(self.spec_of(kind), force=force)
        self.start_soon(self._spawn_and_work if work else self._spawn, user, key, kind, spec)
        await trio.lowlevel.checkpoint()

    async def _spawn(self, user: str, key: str, kind: str, spec: ChildSpec[Any]) -> None:
        await self.call(user, key, kind, spec)

    async def _spawn_and_work(self, user: str, key: str, kind: str, spec: ChildSpec[Any]) -> None:
        call = await self.call(user, key, kind, spec)
        if isinstance(call.answer, Obtained):
            self.give_work(call.answer.ref)

    async def _spawn_cancelled(self, user: str, key: str, kind: str, at: tuple[int, int]) -> None:
        await self.call(user, key, kind, self.spec_of(kind), cancel_at=at)

    # Mail

    @rule(weight=3, user=_users, key=_keys)
    async def tell(self, user: str, key: str) -> None:
        """Somebody sends one message."""
        if (ref := self.lookup(user, key)) is not None:
            self.tell_nowait(ref, self.next_message(ref))

    @rule(weight=2, place=st.integers(0, 9))
    async def tell_by_an_old_ref(self, place: int) -> None:
        """It reaches that incarnation, or nobody."""
        if self.refs:
            ref = list(self.refs.values())[place % len(self.refs)]
            self.tell_nowait(ref, self.next_message(ref))

    @rule(weight=3, user=_users, key=_keys)
    async def ask(self, user: str, key: str) -> None:
        """Somebody asks, and waits for the answer, but not for ever."""
        if (ref := self.lookup(user, key)) is None:
            return
        kind, _ = self.made[ref.name]
        number = next(self.numbers)
        request = self.request(number) if kind in self.kinds else Echo(str(number))
        if request is not None:
            self.start_soon(self.ask_bounded, ref, request)
            await trio.lowlevel.checkpoint()

    @rule(weight=4, user=_users, key=_keys)
    async def wedge(self, user: str, key: str) -> None:
        """One that has been well until now gets the work on which it misbehaves."""
        if (ref := self.lookup(user, key)) is not None:
            self.give_work(ref)

    @rule(weight=2, user=_users, key=_keys)
    async def flood(self, user: str, key: str) -> None:
        """Its mailbox is filled up, and more senders wait for room."""
        if (ref := self.lookup(user, key)) is None:
            return
        while self.tell_nowait(ref, self.next_message(ref), sender="flood"):
            pass
        for number in range(FLOOD):
            sender = f"flood {next(self.numbers)}.{number}"
            self.start_soon(self.tell_patiently, ref, self.next_message(ref), sender)
        await trio.lowlevel.checkpoint()

    # Connections

    @rule(weight=4, user=_users, key=_keys, mute=st.booleans())
    async def attach(self, user: str, key: str, *, mute: bool) -> None:
        """A client connects; a mute one will answer no ping."""
        if (ref := self.lookup(user, key)) is not None:
            self.connect(ref, mute=mute)

    @rule(weight=2)
    async def detach(self) -> None:
        """The client that connected first is cut off."""
        if self.wires:
            self.wires.pop(0).abort()

    # Time

    @rule(weight=12, seconds=st.sampled_from(INSTANTS))
    async def advance(self, seconds: float) -> None:
        """Time goes by."""
        await trio.sleep(seconds)

    @rule(weight=2, seconds=st.sampled_from([2.0, 7.0, 40.0]))
    async def stall(self, seconds: float) -> None:
        """The loop does not run for so long; then all is due at once, and a cleanup looks first."""
        clock = trio.lowlevel.current_clock()
        assert isinstance(clock, MockClock)
        clock.jump(seconds)
        self.start_soon(self.supervisor.cleanup)
        await trio.lowlevel.checkpoint()

    @rule(seconds=st.sampled_from(WALL_JUMPS))
    async def set_wall_clock(self, seconds: float) -> None:
        """`time.time` jumps. Nothing may depend on it."""
        self.wall_clock_offset += seconds

    # What an operator does

    @rule(weight=2, user=_users, key=_keys)
    async def stop(self, user: str, key: str) -> None:
        """Twice, which is as good as once: it takes no mail from now on."""
        if (ref := self.lookup(user, key)) is not None:
            ref.stop()
            ref.stop()
            assert self.lookup(user, key) is None, "a stopping manager is handed out"

    @rule(user=_users)
    async def stop_user(self, user: str) -> None:
        """All of one user, at once."""
        self.start_soon(self.supervisor.stop_user, user)
        await trio.lowlevel.checkpoint()

    @rule(weight=3, limit=_limits, user=_user_or_all)
    async def set_limit(self, limit: int, user: str | None) -> None:
        """Of one user, or of all. Lowering it ends nobody."""
        self.supervisor.set_limit(limit, user=user)
        for stands in self.supervisor.snapshot().users:
            if stands.slots_held > stands.limit:
                self.seen["limit lowered below what is held"] += 1
        await trio.lowlevel.checkpoint()  # or what two changes do at once looks like what the last did

    @rule(limit=_limits, period=st.sampled_from([20.0, 60.0]), wait=st.sampled_from([0.0, 3.0]))
    async def configure(self, limit: int, period: float, wait: float) -> None:
        """New settings for all."""
        spec = attrs.evolve(self.supervisor.spec, sweep_period=period, slot_wait=wait)
        self.supervisor.configure(Settings(limit=limit, supervisor=spec))
        await trio.lowlevel.checkpoint()

    @rule(weight=3, user=_user_or_all, dry_run=st.booleans())
    async def cleanup(self, user: str | None, *, dry_run: bool) -> None:
        """Of one user, or of all; a dry run touches nobody."""
        self.start_soon(self._clean_up, user, dry_run)
        await trio.lowlevel.checkpoint()

    async def _clean_up(self, user: str | None, dry_run: bool) -> None:  # noqa: FBT001  # a task's argument
        report = await self.supervisor.cleanup(user, dry_run=dry_run)
        assert report.dry_run is dry_run

    @rule()
    async def sweep(self) -> None:
        """Time goes by until the background has swept."""
        await trio.sleep(self.supervisor.spec.sweep_period * (1 + self.spec.sweep_jitter))

    @rule()
    async def crash_the_sweeper(self) -> None:
        """The next sweep raises, and the one after it does not."""
        crash_next_sweep(self.supervisor)
        await trio.sleep(self.supervisor.spec.sweep_period * (1 + self.spec.sweep_jitter))

    @rule()
    async def shut_down(self) -> None:
        """The block ends in the middle; who asks from now on is told that it has."""
        self.closing.set()
        await trio.lowlevel.checkpoint()


def crash_next_sweep(supervisor: Supervisor) -> None:
    """The one hack: what only a background sweep asks raises, once."""
    sweep = supervisor._sweep  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    hold = sweep._hold  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]

    class Crash(Hold):
        def until(self, *, suspects: int, users: int, now: float) -> float | None:  # noqa: ARG002
            sweep._hold = hold  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
            raise OSError("the sweeper crashes")

    sweep._hold = Crash(hold.longest)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
