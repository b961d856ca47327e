"""Behind Sentinels: the primary is found, and found again when another has become it."""

from __future__ import annotations

import pytest
import trio

from supervisor.cluster._errors import EngineDown
from supervisor.cluster._redis import open_redis
from supervisor.cluster._wire import GAP, Standing

from .kit import COUNT, persist
from .redis_server import open_server
from .sentinels import SERVICE, open_company


async def test_when_the_primary_dies_and_a_sentinel_hangs_the_next_primary_is_found() -> None:
    async with open_company() as company, open_redis(company.url) as wire:
        assert await wire.run(COUNT, ["n"], [1]) == 1
        assert wire.address == company.url
        async with wire.subscribe("c") as subscription:
            await company.primary.command("WAIT", 1, 1000)
            company.sentinels[0].sigstop()
            await company.primary.kill9()
            assert await persist(wire.run, COUNT, ["n"], [1]) in {1, 2}
            assert await company.replica.command("ROLE") != []
            with trio.fail_after(30):
                assert await subscription.receive() is GAP
            await persist(wire.publish, "c", "x")
            with trio.fail_after(30):
                assert await subscription.receive() == "x"


async def test_a_frozen_sentinel_does_not_keep_one_out() -> None:
    async with open_company() as company:
        for sentinel in company.sentinels[:2]:
            sentinel.sigstop()
        async with open_redis(company.url, call_timeout=0.3) as wire:
            assert await persist(wire.run, COUNT, ["n"], [1]) == 1


async def test_a_primary_that_is_none_any_more_is_not_used() -> None:
    async with open_server() as primary, open_server("--replicaof", f"127.0.0.1 {primary.port}") as replica:
        wrong = f"sentinel monitor {SERVICE} 127.0.0.1 {replica.port} 1\n"
        async with (
            open_server(sentinel=wrong) as sentinel,
            open_redis(f"sentinel://127.0.0.1:{sentinel.port}/{SERVICE}") as wire,
        ):
            with pytest.raises(EngineDown, match="is none any more"):
                await wire.publish("c", "x")
            assert wire.statistics().connects == 0


async def test_a_service_that_no_sentinel_knows_is_down() -> None:
    async with open_company() as company, open_redis(company.url.replace(SERVICE, "other")) as wire:
        with pytest.raises(EngineDown, match="does not know the service"):
            await wire.run(COUNT, ["n"], [1])
        assert wire.statistics().standing is Standing.DOWN
