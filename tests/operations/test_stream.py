"""The stream: the overview each second and what happened since; a slow page loses lines, and is told."""

# pyright: reportPrivateUsage=false

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
import trio
from trio.testing import MockClock

from supervisor.operations import operations_app
from tests.supervisor.harness import Crowd

from . import contract
from .kit import Client, Json, Message, site, strictly

MOST = 20
"""Pages at once."""


@attrs.define(eq=False)
class Page:
    """One that listens, until it goes away; it reads at its own pace."""

    client: Client
    pause: float = 0.0
    """Seconds that it takes over each piece."""
    start: Message | None = attrs.field(init=False, default=None)
    told: list[tuple[float, str, Any]] = attrs.field(init=False, factory=list[Any])
    """When, what, and the facts."""
    gone: trio.Event = attrs.field(init=False, factory=trio.Event)
    over: trio.Event = attrs.field(init=False, factory=trio.Event)

    async def listen(self) -> None:
        await self.client.app(self.client.scope("GET", "/stream"), self._receive, self._send)
        self.over.set()

    async def _receive(self) -> Message:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        await trio.sleep(self.pause)
        if message["type"] == "http.response.start":
            self.start = message
        else:
            self._read(message["body"])

    def _read(self, body: bytes) -> None:
        """As the standard has it: each event in lines, and then an empty one."""
        if not body:
            return
        name, data, *rest = body.decode("ascii").split("\n")
        assert rest == ["", ""]
        assert (name[:7], data[:6]) == ("event: ", "data: ")
        self.told.append((trio.current_time(), name[7:], strictly(data[6:])))

    def of(self, name: str) -> list[Any]:
        return [facts for _, what, facts in self.told if what == name]

    @property
    def lines(self) -> list[Json]:
        return [line for batch in self.of("events") for line in batch]


@asynccontextmanager
async def listening(*pages: Page) -> AsyncGenerator[None]:
    """All of them listen, until the block ends."""
    async with trio.open_nursery() as nursery:
        for page in pages:
            nursery.start_soon(page.listen)
        await trio.testing.wait_all_tasks_blocked()
        yield
        nursery.cancel_scope.cancel()


async def test_a_page_is_told_the_overview_at_once_and_each_second(autojump_clock: MockClock) -> None:
    async with site() as here:
        page = Page(here.client)
        await trio.sleep(5.5)
        async with listening(page):
            await trio.sleep(4.2)
        assert page.start is not None
        headers = dict(page.start["headers"])
        assert (page.start["status"], headers[b"content-type"]) == (200, b"text/event-stream")
        assert headers[b"cache-control"] == b"no-store"
        assert [at for at, what, _ in page.told if what == "overview"] == pytest.approx([5.5, 6, 7, 8, 9])
        for overview in page.of("overview"):
            assert contract.mistakes(overview, contract.OVERVIEW) == []
        assert page.of("events") == []


async def test_a_page_is_told_what_happens_and_nothing_of_before(autojump_clock: MockClock) -> None:
    async with site() as here:
        await Crowd(here.supervisor, "before").add("tab", 3)
        await trio.sleep(2.1)
        page = Page(here.client)
        async with listening(page):
            await trio.sleep(1)
            await Crowd(here.supervisor, "alice").add("tab", 1)
            await trio.sleep(2)
            await Crowd(here.supervisor, "bob").add("tab", 1)
            await trio.sleep(2)
        assert [(line["event"], line["user"]) for line in page.lines] == [
            ("supervisor.slot.reserved", "alice"),
            ("supervisor.spawn.started", "alice"),
            ("supervisor.slot.reserved", "bob"),
            ("supervisor.spawn.started", "bob"),
        ]
        assert [len(batch) for batch in page.of("events")] == [2, 2]
        for line in page.lines:
            assert contract.mistakes(line, contract.LINE) == []
            assert 0 <= line["ago"] <= 1.25


async def test_of_many_events_a_page_is_told_the_last_and_how_many_more(autojump_clock: MockClock) -> None:
    async with site(1_000) as here:
        page = Page(here.client)
        await trio.sleep(1.5)
        before = here.supervisor.counts().events
        async with listening(page):
            await Crowd(here.supervisor).add("tab", 130)
            await trio.sleep(2)
        skipped, *lines = page.lines
        assert skipped == {"skipped": 160}
        assert [line["seq"] for line in lines] == list(range(before + 161, before + 261))


async def test_a_page_that_reads_slowly_misses_some_and_is_told_how_many(autojump_clock: MockClock) -> None:
    async with site(10_000) as here:
        slow, quick = Page(here.client, pause=7.0), Page(here.client)
        await trio.sleep(1.5)
        before = here.supervisor.counts().events
        async with listening(slow, quick):
            for number in range(60):
                await Crowd(here.supervisor, f"user-{number}").add("tab", 20)
                await trio.sleep(0.5)
            happened = here.supervisor.counts().events - before
            await trio.sleep(60)
        for page in (slow, quick):
            told = sum(line.get("skipped", 1) for line in page.lines)
            assert told == happened == 60 * 40
        assert len(slow.of("overview")) < 10
        assert len(quick.of("overview")) > 80
        assert [line["seq"] for line in quick.lines] == [before + number for number in range(1, happened + 1)]


async def test_there_are_twenty_places_and_one_more_is_refused(autojump_clock: MockClock) -> None:
    async with site() as here:
        pages = [Page(here.client) for _ in range(MOST)]
        async with listening(*pages):
            await trio.sleep(1)
            answer = await here.client.get("stream")
            assert answer.status == 503
            assert answer.error == "20 pages are open already, the limit; close one"
            assert (await here.client.get("overview")).status == 200, "who only asks needs no place"
            await trio.sleep(2)
            assert all(len(page.of("overview")) >= 3 for page in pages)


async def test_a_page_that_goes_frees_its_place_at_once(autojump_clock: MockClock) -> None:
    async with site() as here:
        pages = [Page(here.client) for _ in range(MOST)]
        async with listening(*pages):
            await trio.sleep(1)
            pages[7].gone.set()
            await pages[7].over.wait()
            one_more = Page(here.client)
            async with listening(one_more):
                await trio.sleep(2)
                assert len(one_more.of("overview")) >= 2
                assert (await here.client.get("stream")).status == 503


async def test_a_page_that_was_cut_off_while_it_was_told_frees_its_place(autojump_clock: MockClock) -> None:
    async with site() as here:
        for _ in range(MOST + 5):
            page = Page(here.client, pause=1_000.0)  # it does not read
            async with listening(page):
                await trio.sleep(3)
        page = Page(here.client)
        async with listening(page):
            await trio.sleep(2)
        assert page.of("overview")


async def test_a_page_that_breaks_while_it_is_told_frees_its_place(autojump_clock: MockClock) -> None:
    async with site() as here:
        for _ in range(MOST + 1):

            async def receive() -> Message:
                await trio.sleep_forever()
                raise AssertionError

            async def send(_: Message) -> None:
                await trio.lowlevel.checkpoint()
                raise OSError("broken pipe")

            with pytest.raises(ExceptionGroup):
                await here.client.app(here.client.scope("GET", "/stream"), receive, send)


async def test_each_app_has_its_own_places(autojump_clock: MockClock) -> None:
    async with site() as here:
        other = Client(operations_app(here.operations))
        pages = [Page(here.client) for _ in range(MOST)]
        async with listening(*pages):
            await trio.sleep(1)
            page = Page(other)
            async with listening(page):
                await trio.sleep(2)
            assert page.of("overview")


async def test_while_a_page_listens_surveys_go_on_and_then_end(autojump_clock: MockClock) -> None:
    async with site() as here:
        page = Page(here.client)
        async with listening(page):
            await trio.sleep(60)
        assert all(overview["survey"]["ago"] <= 4 for overview in page.of("overview")[1:])
        await trio.sleep(30)
        assert here.operations._monitor.survey is None
