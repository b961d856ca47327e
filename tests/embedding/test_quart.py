"""The example in Quart-Trio, which runs its own Hypercorn: a session, a refusal, a clean end."""

from __future__ import annotations

from examples.embedding.quart_app import serve

from .kit import served


async def test_a_session_lasts_from_request_to_request_and_can_be_ended() -> None:
    async with served(serve) as server:
        answers = [await server.http.post("/alice/laptop", content=text) for text in ("abc", "dé")]
        assert [answer.json() for answer in answers] == [
            {"letters": 3, "created": True},
            {"letters": 5, "created": False},
        ]
        assert (await server.http.delete("/alice/laptop")).status_code == 204
        answer = await server.http.post("/alice/laptop", content="x")
        assert answer.json() == {"letters": 1, "created": True}
        await server.end()


async def test_beyond_the_limit_one_is_refused_with_the_reason_and_when_to_come_again() -> None:
    async with served(serve, limit=1) as server:
        await server.http.post("/alice/laptop", content="abc")
        refused = await server.http.post("/alice/phone", content="abc")
        assert refused.status_code == 429
        assert refused.json()["refused"].startswith("Limit reached: 1 of 1 sessions alive.")
        assert 1 <= int(refused.headers["Retry-After"]) <= 8
        assert (await server.http.post("/bob/phone", content="abc")).json()["created"]
