"""The example in Starlette, behind a real Hypercorn: a session, a refusal, health, a clean end."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial

import httpx2
import trio

from examples.embedding.starlette_app import serve


@asynccontextmanager
async def served(limit: int = 20) -> AsyncGenerator[httpx2.AsyncClient]:
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            [address] = await nursery.start(partial(serve, 0, limit=limit))
            async with httpx2.AsyncClient(base_url=address, trust_env=False) as client:
                yield client
            nursery.cancel_scope.cancel()


async def test_a_session_lasts_from_request_to_request_and_can_be_ended() -> None:
    async with served() as client:
        said = [(await client.post("/alice/laptop", content=text)).json() for text in ("abc", "de")]
        assert said == [{"letters": 3, "created": True}, {"letters": 5, "created": False}]
        assert (await client.delete("/alice/laptop")).status_code == 204
        said = [(await client.post("/alice/laptop", content="x")).json()]
        assert said == [{"letters": 1, "created": True}]


async def test_beyond_the_limit_one_is_refused_with_the_reason_and_when_to_come_again() -> None:
    async with served(limit=1) as client:
        await client.post("/alice/laptop", content="abc")
        refused = await client.post("/alice/phone", content="abc")
        assert refused.status_code == 429
        assert refused.json()["refused"].startswith("Limit reached: 1 of 1 sessions alive.")
        assert 1 <= int(refused.headers["Retry-After"]) <= 8
        assert (await client.post("/bob/phone", content="abc")).json()["created"]


async def test_its_health_is_asked_on_the_same_port() -> None:
    async with served() as client:
        assert (await client.get("/health/livez")).status_code == 200
        assert (await client.get("/health/readyz")).status_code == 200
