"""What is to be done at an actor's end is done, all of it, whatever part of it raises or takes back."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors import (
    Actor,
    ActorRef,
    Connection,
    ConnectionClosed,
    ConnectionSpec,
    Detached,
    Exit,
    ExitReason,
    State,
    UserManager,
    attach,
)

from .puppets import Puppet, crash, open_stage
from .test_connection import listen
from .wires import PaperWire

End = Callable[[ActorRef[object]], None]

ENDS: dict[str, End] = {
    "stop": lambda ref: ref.stop(),
    "cancel": lambda ref: ref.cell.cancel(ExitReason.EVICTED),
    "crash": lambda ref: ref.tell_nowait(ValueError("handle")),
}


class Holder(UserManager[object]):
    """Raises what it is told, and hands its clients the rest."""

    async def handle(self, message: object) -> None:
        if isinstance(message, Exception):
            raise message
        self.broadcast(str(message))


class Restless(Actor[int]):
    """Tells itself one more each time; far past every fair share it gives up."""

    async def handle(self, message: int) -> None:
        assert message < 100_000, "nobody else had a turn"
        await self.ref.tell(message + 1)


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
async def test_one_that_raises_does_not_keep_the_others_from_it(end: End, autojump_clock: MockClock) -> None:
    error, called = OSError("mine"), list[Exit]()

    def fail(_: Exit) -> None:
        raise error

    async with open_stage() as stage:
        ref = await stage.start(Holder)
        ref.cell.call_at_end("before", called.append)
        ref.cell.call_at_end("fails", fail)
        ref.cell.call_at_end("after", called.append)
        end(ref)
        how = await ref.wait_stopped()
        await wait_all_tasks_blocked()
        assert len(called) == 2
        assert ref.cell.held == ()
        assert ref.state is State.ENDED
        if how.reason is ExitReason.CRASHED:
            assert str(how.error) == "handle", "the first error is the one that is told"
        else:
            assert how.error is error


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("what", ["close", "abort", "push"])
async def test_it_may_end_connections_of_the_same_manager(
    what: str, end: End, autojump_clock: MockClock
) -> None:
    async with open_stage() as stage:
        ref = await stage.start(Holder)
        connections = [Connection("it", PaperWire(), ConnectionSpec(outbox_bytes=100)) for _ in range(3)]

        async def hold(connection: Connection) -> None:
            with attach(ref, connection):
                await listen(connection)

        def end_them(_: Exit) -> None:
            for connection in connections[:2]:
                if what == "push":
                    with pytest.raises(ConnectionClosed):
                        connection.send_nowait("x" * 101)
                else:
                    getattr(connection, what)()

        for connection in connections[:1]:
            stage.nursery.start_soon(connection.run, hold)
        await wait_all_tasks_blocked()
        ref.cell.call_at_end("mine", end_them)
        for connection in connections[1:]:
            stage.nursery.start_soon(connection.run, hold)
        await wait_all_tasks_blocked()
        assert ref.pulse.connections == 3
        end(ref)
        how = await ref.wait_stopped()
        assert str(how.error) in {"None", "handle"}
        assert all(connection.closed for connection in connections)
        assert ref.pulse.connections == 0
        left = [notice.connections for notice in stage.notices if isinstance(notice, Detached)]
        assert left == [2, 1, 0]


async def test_it_is_done_also_where_nothing_ever_ran(autojump_clock: MockClock) -> None:
    called = list[Exit]()
    async with open_stage() as stage:
        ref = stage.start_soon(Puppet)
        ref.cell.call_at_end("mine", called.append)
        ref.cell.cancel(ExitReason.SHUTDOWN)
        assert called == [Exit(ExitReason.SHUTDOWN)]
        await ref.wait_stopped()
        await wait_all_tasks_blocked()
    assert len(called) == 1


async def test_what_was_taken_back_is_not_done(autojump_clock: MockClock) -> None:
    called = list[Exit]()
    async with open_stage() as stage:
        ref = await stage.puppet()
        ref.cell.call_at_end("second", called.append)
        ref.cell.call_at_end("first", lambda _: None)
        assert ref.cell.forget_at_end("second")
        assert not ref.cell.forget_at_end("second")
        ref.tell_nowait(crash(ValueError("no")))
        await ref.wait_stopped()
    assert called == []


async def test_one_that_is_never_done_leaves_the_others_their_turns(autojump_clock: MockClock) -> None:
    async def tick() -> None:
        """Where somebody is never idle, a clock that jumps stands still."""
        while True:
            await trio.lowlevel.checkpoint()
            autojump_clock.jump(0.1)

    async with open_stage() as stage:
        ref = await stage.start(Restless)
        ref.tell_nowait(0)
        stage.nursery.start_soon(tick)
        with pytest.raises(trio.TooSlowError), trio.fail_after(2):
            await trio.sleep_forever()
        assert ref.state is State.RUNNING
        stage.nursery.cancel_scope.cancel()
