"""How fast a user may speak over all of his connections, and how long that is remembered."""

from __future__ import annotations

from contextlib import ExitStack

import trio
from trio.testing import MockClock

from examples.chat.rates import UserRates


def taken(rates: UserRates, user: str, count: int) -> int:
    """How many of so many messages at once get through."""
    with rates.bucket_of(user) as bucket:
        return sum(bucket.take(trio.current_time()) for _ in range(count))


async def test_all_connections_of_a_user_share_one_bucket_and_users_share_none(
    autojump_clock: MockClock,
) -> None:
    rates = UserRates(rate=10, burst=40)
    with rates.bucket_of("alice") as first, rates.bucket_of("alice") as second:
        assert first is second
        assert taken(rates, "alice", 50) == 40
        assert taken(rates, "bob", 50) == 40
        await trio.sleep(1.05)
        assert [taken(rates, user, 50) for user in ("alice", "bob")] == [10, 10]


async def test_who_leaves_and_comes_back_finds_his_bucket_as_it_was(autojump_clock: MockClock) -> None:
    rates = UserRates(rate=10, burst=40)
    assert taken(rates, "alice", 50) == 40
    for _ in range(3):
        await trio.sleep(1.02)
        assert taken(rates, "alice", 50) == 10, "coming back brings nothing"


async def test_a_user_is_forgotten_when_his_bucket_is_full_again_and_not_while_he_is_here(
    autojump_clock: MockClock,
) -> None:
    rates = UserRates(rate=10, burst=40)
    with ExitStack() as stays:
        stays.enter_context(rates.bucket_of("alice"))
        assert taken(rates, "alice", 40) == 40
        for number in range(1_000):
            taken(rates, f"user {number}", 40)
            await trio.sleep(0.1)
            assert len(rates) <= 1 + 1 + 40, "alice, and who was here within four seconds"
        await trio.sleep(4)
        assert taken(rates, "bob", 1) == 1
        assert len(rates) == 2
    await trio.sleep(4)
    taken(rates, "bob", 1)
    assert len(rates) == 1
