"""The example in FastAPI: its WebSockets are ours, behind a real Hypercorn."""

from __future__ import annotations

from examples.embedding.fastapi_app import serve

from .kit import goodbye, served


async def test_the_tabs_of_a_session_hear_each_other_and_it_outlives_each() -> None:
    async with served(serve) as server, server.tab("/alice/laptop") as first:
        await first.send_message("one")
        assert await first.get_message() == "1: one"
        async with server.tab("/alice/laptop") as second:
            await second.send_message("two")
            assert [await tab.get_message() for tab in (first, second)] == ["2: two"] * 2
        await first.send_message("three")
        assert await first.get_message() == "3: three"


async def test_beyond_the_limit_a_tab_is_closed_with_the_reason_and_others_live_on() -> None:
    async with served(serve, limit=1) as server, server.tab("/alice/laptop") as first:
        await first.send_message("one")
        assert await first.get_message() == "1: one"
        async with server.tab("/alice/phone") as refused:
            code, reason = await goodbye(refused)
        assert code == 1013
        assert (reason or "").startswith("Limit reached: 1 of 1 sessions alive.")
        async with server.tab("/bob/phone") as other:
            await other.send_message("one")
            assert await other.get_message() == "1: one"
        await first.send_message("two")
        assert await first.get_message() == "2: two"


async def test_it_ends_with_its_tabs_open_and_tells_them() -> None:
    async with served(serve) as server, server.tab("/alice/laptop") as tab:
        await tab.send_message("one")
        assert await tab.get_message() == "1: one"
        server.stop.cancel()
        code, _ = await goodbye(tab)
        assert code == 1001
        await server.end()


async def test_its_health_is_asked_on_the_same_port() -> None:
    async with served(serve) as server:
        assert (await server.http.get("/health/readyz")).status_code == 200
