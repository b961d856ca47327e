"""A ref is all that others may do with an actor: tell, ask, stop, and know how it ended."""

from typing import Any, assert_type

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors import (
    ActorCrashed,
    ActorRef,
    ActorStopped,
    DeadLettered,
    Exit,
    ExitReason,
    Fenced,
    MailboxFull,
    State,
)

from .puppets import Do, Puppet, Recorder, answer, crash, nothing, open_stage, sleep, wedge


async def test_told_messages_are_handled_in_order(autojump_clock: MockClock) -> None:
    recorder = Recorder()
    async with open_stage() as stage:
        ref = await stage.start(lambda: recorder)
        await ref.tell("a")
        ref.tell_nowait("b")
        await ref.tell("c")
        await wait_all_tasks_blocked()
    assert recorder.handled == ["a", "b", "c"]


async def test_the_answer_has_the_type_of_the_request(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        ref = await stage.puppet()
        number = await ref.ask(answer(7))
        assert_type(number, int)
        assert number == 7
        word = await ref.ask(answer("seven"))
        assert_type(word, str)
        assert word == "seven"


async def test_a_full_mailbox_says_whose_how_large_and_what_to_do(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        ref = await stage.puppet("clerk", capacity=2)
        ref.tell_nowait(sleep(60))
        await wait_all_tasks_blocked()
        ref.tell_nowait(nothing())
        ref.tell_nowait(nothing())
        with pytest.raises(MailboxFull) as caught:
            ref.tell_nowait(nothing())
        assert (caught.value.actor, caught.value.capacity) == ("clerk", 2)
        assert str(caught.value) == (
            "the mailbox of 'clerk' is full (2 messages wait); "
            "use `await tell(...)` to wait for room, or drop the message"
        )
        assert ref.statistics().accepted == 3


async def test_tell_waits_for_room(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        ref = await stage.puppet(capacity=1)
        for _ in range(3):  # one in hand, one queued, one that has to wait for the first to end
            await ref.tell(sleep(10))
        assert trio.current_time() == 10


async def test_a_cancelled_tell_has_sent_nothing(autojump_clock: MockClock) -> None:
    recorder = Recorder()
    async with open_stage() as stage:
        ref = await stage.start(lambda: recorder)
        with trio.CancelScope() as scope:
            scope.cancel()
            await ref.tell("too late")
        await wait_all_tasks_blocked()
        assert ref.statistics().accepted == 0


@pytest.mark.parametrize("reason", [ExitReason.STOPPED, ExitReason.IDLE])
async def test_the_dead_refuse_mail_at_once_with_their_exit(
    reason: ExitReason, autojump_clock: MockClock
) -> None:
    async with open_stage() as stage:
        ref = await stage.puppet("gone")
        ref.cell.stop(reason, "for a test")
        assert await ref.wait_stopped() == Exit(reason, "for a test")
        await refuses_everything(ref, Exit(reason, "for a test"))


async def test_the_dying_refuse_mail_at_once_with_their_exit(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        ref = await stage.puppet()
        ref.tell_nowait(sleep(3))
        ref.stop()
        assert ref.state is State.STOPPING
        await refuses_everything(ref, Exit(ExitReason.STOPPED))
        assert trio.current_time() == 0


async def refuses_everything(ref: ActorRef[Do[Any]], how: Exit) -> None:
    for send in (ref.tell, ref.ask):
        with pytest.raises(ActorStopped) as caught:
            await send(answer(1))
        assert caught.value.exit == how
        assert str(how) in str(caught.value)
    with pytest.raises(ActorStopped):
        ref.tell_nowait(nothing())


async def test_a_blocked_tell_hears_of_the_end(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        ref = await stage.puppet(capacity=1)
        ref.tell_nowait(sleep(60))
        await wait_all_tasks_blocked()
        ref.tell_nowait(nothing())

        async def blocked() -> None:
            with pytest.raises(ActorStopped) as caught:
                await ref.tell(nothing())
            assert caught.value.exit.reason is ExitReason.STOPPED

        async with trio.open_nursery() as nursery:
            nursery.start_soon(blocked)
            await wait_all_tasks_blocked()
            assert ref.cell.mailbox.statistics().senders_waiting == 1
            ref.stop()
        assert trio.current_time() == 0


async def test_a_crash_goes_to_the_asker_and_ends_the_actor(autojump_clock: MockClock) -> None:
    error = ValueError("no")
    async with open_stage() as stage:
        ref = await stage.puppet("fragile")
        with pytest.raises(ActorCrashed, match="'fragile' crashed on your request: ValueError") as caught:
            await ref.ask(crash(error))
        assert caught.value.error is error
        assert caught.value.__cause__ is error
        ended = await ref.wait_stopped()
        assert (ended.reason, ended.error) == (ExitReason.CRASHED, error)
        statistics = ref.statistics()
        assert (statistics.failed, statistics.returned, statistics.dead_lettered) == (1, 0, 0)


async def test_a_crash_on_a_told_message_dead_letters_it(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        ref = await stage.puppet()
        await ref.tell(crash(ValueError("no")))
        assert (await ref.wait_stopped()).reason is ExitReason.CRASHED
        assert DeadLettered(1, ExitReason.CRASHED) in stage.notices


async def test_the_late_answer_to_a_cancelled_asker_vanishes(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        ref = await stage.puppet()
        with trio.move_on_after(1) as gave_up:
            await ref.ask(sleep(5))
        assert gave_up.cancelled_caught
        assert await ref.ask(answer("next")) == "next"
        assert trio.current_time() == 5
        assert ref.statistics().handled == 2


async def test_stop_is_synchronous_and_drains(autojump_clock: MockClock) -> None:
    recorder = Recorder()
    async with open_stage() as stage:
        ref = stage.start_soon(lambda: recorder)
        for message in "abc":
            ref.tell_nowait(message)
        ref.stop()
        assert ref.state is State.STOPPING
        assert ref.exit is None
        assert await ref.wait_stopped() == Exit(ExitReason.STOPPED)
    assert recorder.handled == ["a", "b", "c"]


async def test_a_second_stop_changes_nothing(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        ref = await stage.puppet(stop_grace=10)
        ref.tell_nowait(sleep(60))
        await wait_all_tasks_blocked()
        ref.cell.stop(ExitReason.IDLE)
        await trio.sleep(5)
        ref.stop()
        assert (await ref.wait_stopped()).reason is ExitReason.IDLE
        assert trio.current_time() == 10
        ref.stop()
        assert ref.state is State.ENDED


async def test_what_is_left_after_the_stop_grace_is_cancelled(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        ref = await stage.puppet(stop_grace=2)
        ref.tell_nowait(sleep(60))
        ref.tell_nowait(nothing())
        ref.stop()
        assert (await ref.wait_stopped()).reason is ExitReason.STOPPED
        assert trio.current_time() == 2
        assert DeadLettered(2, ExitReason.STOPPED) in stage.notices


async def test_cancel_dead_letters_tells_and_returns_asks(autojump_clock: MockClock) -> None:
    returned: list[ExitReason] = []
    async with open_stage() as stage:
        ref = await stage.puppet()

        async def asker() -> None:
            with pytest.raises(ActorStopped) as caught:
                await ref.ask(answer(1))
            returned.append(caught.value.exit.reason)

        ref.tell_nowait(sleep(60))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(asker)
            nursery.start_soon(asker)
            await wait_all_tasks_blocked()
            ref.tell_nowait(nothing())
            ref.cell.cancel(ExitReason.UNRESPONSIVE)
        assert returned == [ExitReason.UNRESPONSIVE] * 2
        assert DeadLettered(2, ExitReason.UNRESPONSIVE) in stage.notices
        statistics = ref.statistics()
        assert (statistics.returned, statistics.dead_lettered) == (2, 2)


async def test_a_condemned_actor_has_ended_for_all_but_its_task(autojump_clock: MockClock) -> None:
    release = trio.Event()
    async with open_stage() as stage:
        ref = await stage.puppet()
        ref.tell_nowait(wedge(release))
        await wait_all_tasks_blocked()
        ref.cell.cancel(ExitReason.UNRESPONSIVE)
        before = ref.exit
        ref.cell.condemn()
        assert (await ref.wait_stopped()).reason is ExitReason.UNRESPONSIVE
        assert (before, ref.exit) == (None, Exit(ExitReason.UNRESPONSIVE))
        states = [ref.state]
        release.set()
        await wait_all_tasks_blocked()
        states.append(ref.state)
        assert states == [State.CONDEMNED, State.ENDED]


async def test_the_sends_of_a_condemned_actor_are_fenced(autojump_clock: MockClock) -> None:
    release = trio.Event()
    refused: list[Fenced] = []
    async with open_stage() as stage:
        recorder = Recorder()
        other = await stage.start(lambda: recorder, "other")
        ref = await stage.puppet("ghost")

        async def haunt(_: Puppet) -> None:
            with trio.CancelScope(shield=True):
                await release.wait()
                for send in (other.tell, other.ask):
                    with pytest.raises(Fenced, match="'ghost' is condemned") as caught:
                        await send(answer("boo"))
                    refused.append(caught.value)
                with pytest.raises(Fenced) as caught:
                    other.tell_nowait("boo")
                refused.append(caught.value)

        ref.tell_nowait(Do(haunt))
        await wait_all_tasks_blocked()
        ref.cell.cancel(ExitReason.UNRESPONSIVE)
        ref.cell.condemn()
        release.set()
        await wait_all_tasks_blocked()
        assert recorder.handled == []
    assert [fenced.actor for fenced in refused] == ["ghost"] * 3


async def test_refs_to_one_incarnation_are_equal_and_to_the_next_are_not(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        one, other = await stage.puppet("same name"), await stage.puppet("same name")
        assert one == ActorRef[Do[Any]](one.cell)
        assert len({one, ActorRef[Do[Any]](one.cell), other}) == 2
        assert repr(one) == "<ActorRef same name running, 0/64 queued>"
