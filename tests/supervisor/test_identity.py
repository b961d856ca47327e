"""A user and a key are exact strings: what differs at all is another identity."""

from __future__ import annotations

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from actors import ActorRef
from supervisor.testing import Message, run

from .harness import PLAIN, opened, settle


async def test_100_users_are_100_entries_and_none_after_they_stopped(
    autojump_clock: MockClock,
) -> None:  # R11, A11
    async with opened() as (supervisor, _):
        users = [f"user-{number}" for number in range(100)]
        for user in users:
            await supervisor.get_or_spawn(user, "tab", PLAIN)
        assert [snap.user for snap in supervisor.snapshot().users] == users
        assert supervisor.snapshot().slots_held == 100
        for user in users:
            await supervisor.stop_user(user)
        await settle()
        assert not supervisor.snapshot().users


@pytest.mark.parametrize("users", [10, 50])
async def test_many_users_with_5_sessions_each_are_all_let_in_at_once(
    users: int, autojump_clock: MockClock
) -> None:  # A16
    async with opened() as (supervisor, _):
        async with trio.open_nursery() as nursery:
            for user in range(users):
                for tab in range(5):
                    nursery.start_soon(supervisor.get_or_spawn, f"user-{user}", f"tab-{tab}", PLAIN)
        assert [snap.slots_held for snap in supervisor.snapshot().users] == [5] * users


LOOKALIKES = (
    "a<b",
    "a>b",
    "a_b",
    "A<B",
    "a<b ",
    " a<b",
    "a/b",
    "",
    "\u00e9",
    "e\u0301",
    "\u0000",
    "x" * 300,
    "x" * 301,
)


@pytest.mark.parametrize("swap", [False, True], ids=["as users", "as keys"])
async def test_lookalikes_are_as_many_identities(swap: bool, autojump_clock: MockClock) -> None:  # R11
    async with opened(len(LOOKALIKES)) as (supervisor, _):
        refs: list[ActorRef[Message]] = []
        for name in LOOKALIKES:
            user, key = ("same", name) if swap else (name, "same")
            obtained = await supervisor.get_or_spawn(user, key, PLAIN)
            assert obtained.created
            assert supervisor.lookup(user, key) == obtained.ref
            refs.append(obtained.ref)
        assert len({id(ref.cell) for ref in refs}) == len(LOOKALIKES)


@given(st.lists(st.text(max_size=5), unique=True, min_size=2, max_size=5), st.integers(0, 2**16))
def test_strings_that_differ_are_different_keys(keys: list[str], seed: int) -> None:  # R11
    async def spawn_all() -> int:
        async with opened(5) as (supervisor, _):
            obtained = [await supervisor.get_or_spawn(key, key, PLAIN) for key in keys]
            return len({one.ref.cell for one in obtained if one.created})

    assert run(spawn_all, seed=seed) == len(keys)


@pytest.mark.parametrize("identity", [(1, "tab"), ("alice", None), (b"alice", "tab")])
async def test_an_identity_that_is_no_string_is_an_error(
    identity: tuple[str, str], autojump_clock: MockClock
) -> None:
    async with opened() as (supervisor, log):
        with pytest.raises(TypeError, match="must be a str"):
            await supervisor.get_or_spawn(*identity, PLAIN)
        assert not log.all
