"""The mailbox is bounded, in order of arrival, and its control lane outranks user mail."""

from functools import partial

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import wait_all_tasks_blocked

from actors._mailbox import Closed, Mailbox, MailboxStatistics, Probe

from . import virtual


async def put(mailbox: Mailbox, message: object) -> None:
    if not mailbox.put_nowait(message):
        await mailbox.put_blocked(message)


def taken(mailbox: Mailbox) -> list[object]:
    messages: list[object] = []
    while len(mailbox):
        messages.append(mailbox.take())
    return messages


async def wait_mail(mailbox: Mailbox) -> None:
    await trio.lowlevel.wait_task_rescheduled(mailbox.park(trio.lowlevel.current_task()))


def full(capacity: int = 1) -> Mailbox:
    mailbox = Mailbox(capacity)
    for i in range(capacity):
        assert mailbox.put_nowait(i)
    return mailbox


@given(st.integers(1, 5), st.integers(0, 10))
def test_it_takes_as_many_as_its_capacity_and_no_more(capacity: int, offered: int) -> None:
    mailbox = Mailbox(capacity)
    took = [mailbox.put_nowait(i) for i in range(offered)]
    assert took == [i < capacity for i in range(offered)]
    assert mailbox.accepted == len(mailbox) == min(capacity, offered)


async def test_blocked_senders_get_in_by_order_of_arrival(autojump_clock: trio.testing.MockClock) -> None:
    mailbox = full(2)
    async with trio.open_nursery() as nursery:
        for name in "abc":
            nursery.start_soon(put, mailbox, name)
            await wait_all_tasks_blocked()
        assert mailbox.statistics() == MailboxStatistics(queued=2, capacity=2, senders_waiting=3)
        assert taken(mailbox) == [0, 1, "a", "b", "c"]


async def test_nobody_overtakes_a_sender_that_waits(autojump_clock: trio.testing.MockClock) -> None:
    mailbox = full(1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(put, mailbox, "waits")
        await wait_all_tasks_blocked()
        assert mailbox.take() == 0
        assert not mailbox.put_nowait("in a hurry")
        assert taken(mailbox) == ["waits"]


async def test_a_sender_cancelled_while_it_waits_has_sent_nothing(
    autojump_clock: trio.testing.MockClock,
) -> None:
    mailbox = full(1)
    with trio.move_on_after(1) as gave_up:
        await put(mailbox, "late")
    assert gave_up.cancelled_caught
    assert mailbox.statistics().senders_waiting == 0
    assert (taken(mailbox), mailbox.accepted) == ([0], 1)


async def test_a_sender_cancelled_just_after_it_got_in_has_sent(
    autojump_clock: trio.testing.MockClock,
) -> None:
    mailbox = full(1)
    got_in: list[bool] = []
    scope = trio.CancelScope()

    async def send() -> None:
        with scope:
            await put(mailbox, "just in time")
            got_in.append(True)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        await wait_all_tasks_blocked()
        mailbox.take()
        scope.cancel()
    assert got_in == [True]
    assert taken(mailbox) == ["just in time"]


async def arrive_and_take(arrivals: list[bool], capacity: int) -> tuple[list[object], list[object]]:
    """All senders arrive, some give up, then everything is taken: what was expected and what came."""
    mailbox = Mailbox(capacity)
    expected: list[object] = []
    async with trio.open_nursery() as nursery:
        scopes: list[trio.CancelScope] = []

        async def send(message: int, scope: trio.CancelScope) -> None:
            with scope:
                await put(mailbox, message)

        for message, gives_up in enumerate(arrivals):
            scope = trio.CancelScope()
            if gives_up and message >= capacity:
                scopes.append(scope)
            else:
                expected.append(message)
            nursery.start_soon(send, message, scope)
            await wait_all_tasks_blocked()
        for scope in scopes:
            scope.cancel()
        await wait_all_tasks_blocked()
        came = taken(mailbox)
    assert mailbox.accepted == len(came)
    return expected, came


@virtual.unhurried
@given(st.lists(st.booleans(), max_size=8), st.integers(1, 4), virtual.seeds)
def test_those_who_did_not_give_up_arrive_in_order(arrivals: list[bool], capacity: int, seed: int) -> None:
    expected, came = virtual.run(arrive_and_take, arrivals, capacity, seed=seed)
    assert came == expected


async def test_control_works_when_the_user_lane_is_full() -> None:
    mailbox = full(1)
    probe = mailbox.put_probe()
    assert mailbox.take_probe() is probe
    assert len(mailbox) == 1


async def test_a_probe_that_still_waits_is_shared_and_one_in_hand_is_not() -> None:
    mailbox = Mailbox(1)
    first = mailbox.put_probe()
    assert mailbox.put_probe() is first
    assert mailbox.take_probe() is first
    assert mailbox.probe is None
    assert mailbox.put_probe() is not first


@pytest.mark.parametrize("put_it", [Mailbox.put_probe, partial(Mailbox.put_nowait, item="a")])
async def test_either_lane_wakes_the_receiver(
    put_it: partial[object], autojump_clock: trio.testing.MockClock
) -> None:
    mailbox = Mailbox(1)
    with trio.fail_after(1):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait_mail, mailbox)
            await wait_all_tasks_blocked()
            put_it(mailbox)


async def test_closing_wakes_blocked_senders_and_keeps_what_is_queued(
    autojump_clock: trio.testing.MockClock,
) -> None:
    mailbox = full(1)
    refused: list[str] = []

    async def send(name: str) -> None:
        with pytest.raises(Closed):
            await put(mailbox, name)
        refused.append(name)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send, "a")
        nursery.start_soon(send, "b")
        await wait_all_tasks_blocked()
        mailbox.close()
    assert sorted(refused) == ["a", "b"]
    assert taken(mailbox) == [0]


async def test_a_closed_mailbox_takes_nothing() -> None:
    mailbox = Mailbox(1)
    mailbox.close()
    with pytest.raises(Closed):
        mailbox.put_nowait("late")
    assert mailbox.accepted == 0


async def test_clearing_gives_back_the_mail_and_ends_the_probe() -> None:
    mailbox = full(3)
    probe: Probe = mailbox.put_probe()
    assert mailbox.clear() == [0, 1, 2]
    assert probe.done.is_set()
    assert len(mailbox) == 0
    assert mailbox.probe is None
