"""Waiting for yourself, directly or round a circle, is an error; any other wait is not."""

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from actors import ActorCrashed, Deadlock, Exit, ExitReason, State

from . import virtual
from .puppets import Do, Puppet, answer, ask, crash, nothing, open_stage, sleep, tell


async def test_asking_yourself_is_a_deadlock(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        ref = await stage.puppet("narcissus")
        with pytest.raises(ActorCrashed) as caught:
            await ref.ask(ask(ref, nothing()))
        assert isinstance(caught.value.error, Deadlock)
        assert caught.value.error.chain == ("narcissus", "narcissus")
        assert str(caught.value.error).startswith("narcissus -> narcissus would wait for itself; use `tell`")


async def test_a_self_tell_into_the_own_full_mailbox_is_a_deadlock(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        ref = await stage.puppet(capacity=1)

        async def tell_twice(puppet: Puppet) -> None:
            await puppet.ref.tell(nothing())
            with pytest.raises(Deadlock):
                await puppet.ref.tell(nothing())

        await ref.ask(Do(tell_twice))
        await wait_all_tasks_blocked()
        assert ref.statistics().handled == 2


async def ring(size: int) -> tuple[tuple[str, ...], list[Exit]]:
    """Each asks the next, and the last asks the first: the chain found, and how all ended."""
    async with open_stage() as stage:
        refs = [await stage.puppet(f"a{i}") for i in range(size)]
        request: Do[None] = ask(refs[0], nothing())
        for ref in reversed(refs[1:]):
            request = ask(ref, request)
        with pytest.raises(ActorCrashed) as caught:
            await refs[0].ask(request)
        root: BaseException = caught.value
        while isinstance(root, ActorCrashed):
            root = root.error
        assert isinstance(root, Deadlock)
        return root.chain, [await ref.wait_stopped() for ref in refs]


@virtual.unhurried
@given(st.integers(1, 7), virtual.seeds)
def test_a_ring_of_asks_is_a_deadlock_and_names_its_members(size: int, seed: int) -> None:
    chain, exits = virtual.run(ring, size, seed=seed)
    assert chain == (f"a{size - 1}", *(f"a{i}" for i in range(size)))
    assert [ended.reason for ended in exits] == [ExitReason.CRASHED] * size


async def all_at_once(size: int) -> list[Exit | None]:
    """Every member of a ring asks the next at the same moment: how each fares."""
    async with open_stage() as stage:
        refs = [await stage.puppet(f"a{i}") for i in range(size)]
        for i, ref in enumerate(refs):
            ref.tell_nowait(ask(refs[(i + 1) % size], nothing()))
        await trio.sleep(1)
        assert all(ref.state in {State.ENDED, State.RUNNING} for ref in refs)
        assert all(ref.cell.waiting is None for ref in refs)
        return [ref.exit for ref in refs]


@virtual.unhurried
@given(st.integers(2, 6), virtual.seeds)
def test_when_all_of_a_ring_ask_at_once_nobody_waits_for_ever(size: int, seed: int) -> None:
    exits = virtual.run(all_at_once, size, seed=seed)
    assert any(isinstance(ended.error, Deadlock) for ended in exits if ended is not None)


async def test_a_blocked_tell_is_a_link_of_the_circle(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        full = await stage.puppet("full", capacity=1)
        teller = await stage.puppet("teller")

        async def wait_then_ask(_: Puppet) -> None:
            await trio.sleep(1)
            await teller.ask(nothing())

        full.tell_nowait(Do(wait_then_ask))
        await wait_all_tasks_blocked()
        full.tell_nowait(nothing())
        teller.tell_nowait(tell(full, nothing()))
        ended = await full.wait_stopped()
        assert isinstance(ended.error, Deadlock)
        assert ended.error.chain == ("full", "teller", "full")


async def test_a_request_that_just_got_in_still_closes_the_circle(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        full = await stage.puppet("full", capacity=1)
        asker = await stage.puppet("asker")
        full.tell_nowait(sleep(1))
        await wait_all_tasks_blocked()
        full.tell_nowait(ask(asker, nothing()))
        asker.tell_nowait(ask(full, nothing()))
        ended = await full.wait_stopped()
        assert isinstance(ended.error, Deadlock)


async def test_an_asker_whose_answer_is_there_does_not_wait_any_more(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        busy, asker = await stage.puppet("busy"), await stage.puppet("asker")
        busy.tell_nowait(sleep(1))
        asker.tell_nowait(ask(busy, answer(1)))
        await wait_all_tasks_blocked()
        busy.tell_nowait(ask(asker, nothing()))  # handled before the asker has run on
        await trio.sleep(2)
        assert (busy.state, asker.state) == (State.RUNNING, State.RUNNING)


async def test_a_teller_that_just_got_in_does_not_wait_any_more(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        full, teller = await stage.puppet("full", capacity=1), await stage.puppet("teller")
        full.tell_nowait(sleep(1))
        await wait_all_tasks_blocked()
        full.tell_nowait(ask(teller, nothing()))
        teller.tell_nowait(tell(full, nothing()))
        await trio.sleep(2)
        assert (full.state, teller.state) == (State.RUNNING, State.RUNNING)


async def test_an_asker_that_gave_up_does_not_wait_any_more(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        busy, asker = await stage.puppet("busy"), await stage.puppet("asker")
        patience = trio.CancelScope()

        async def ask_impatiently(_: Puppet) -> None:
            with patience:
                await busy.ask(nothing())

        async def ask_back(_: Puppet) -> None:
            await trio.sleep(1)
            patience.cancel()
            await asker.ask(nothing())

        busy.tell_nowait(Do(ask_back))
        asker.tell_nowait(Do(ask_impatiently))
        await trio.sleep(2)
        assert (busy.state, asker.state) == (State.RUNNING, State.RUNNING)


async def test_asking_yourself_from_a_child_task_is_fine(autojump_clock: MockClock) -> None:
    answers: list[str] = []
    async with open_stage() as stage:
        ref = await stage.puppet()

        async def ask_later(puppet: Puppet) -> None:
            async def child() -> None:
                answers.append(await puppet.ref.ask(answer("me")))

            puppet.start_soon(child)

        await ref.ask(Do(ask_later))
        await wait_all_tasks_blocked()
    assert answers == ["me"]


async def test_a_wait_that_failed_is_forgotten(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        fragile, asker = await stage.puppet("fragile"), await stage.puppet("asker")

        async def ask_and_survive(_: Puppet) -> None:
            with pytest.raises(ActorCrashed):
                await fragile.ask(crash(ValueError("no")))

        await asker.ask(Do(ask_and_survive))
        assert asker.cell.waits_for is None
        other = await stage.puppet("other")
        await other.ask(ask(asker, nothing()))
