"""The example in Litestar, behind a real Hypercorn: requests and WebSockets, a refusal, an end."""

from __future__ import annotations

from examples.embedding.litestar_app import serve

from .kit import goodbye, served


async def test_what_is_posted_to_a_session_its_tabs_hear() -> None:
    async with served(serve) as server, server.tab("/alice/laptop") as tab:
        answers = [await server.http.post("/alice/laptop", content=text) for text in ("abc", "dé")]
        assert [answer.json()["letters"] for answer in answers] == [3, 5]
        assert [await tab.get_message() for _ in answers] == ["abc", "dé"]
        assert (await server.http.delete("/alice/laptop")).status_code == 204
        assert await goodbye(tab) == (1001, "session ended: stopped")
        answer = await server.http.post("/alice/laptop", content="x")
        assert answer.json() == {"letters": 1, "created": True}


async def test_beyond_the_limit_requests_and_tabs_are_refused_with_the_reason() -> None:
    async with served(serve, limit=1) as server:
        await server.http.post("/alice/laptop", content="abc")
        refused = await server.http.post("/alice/phone", content="abc")
        assert refused.status_code == 429
        assert refused.json()["refused"].startswith("Limit reached: 1 of 1 sessions alive.")
        assert 1 <= int(refused.headers["Retry-After"]) <= 8
        async with server.tab("/alice/phone") as tab:
            code, reason = await goodbye(tab)
        assert code == 1013
        assert (reason or "").startswith("Limit reached: 1 of 1 sessions alive.")


async def test_it_ends_with_its_tabs_open_and_tells_them() -> None:
    async with served(serve) as server, server.tab("/alice/laptop") as tab:
        await server.http.post("/alice/laptop", content="abc")
        assert await tab.get_message() == "abc"
        server.stop.cancel()
        assert (await goodbye(tab))[0] == 1001
        await server.end()
