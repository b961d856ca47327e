"""In Chromium: two pages on two nodes are in one room; a session moves, and the page says so."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from playwright.sync_api import Page, expect

from .pages import Tabs, enter, is_in, stored, write
from .real_nodes import Site, open_site
from .support import Server, peer


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Generator[Site]:
    with open_site(tmp_path_factory.mktemp("nodes")) as site:
        yield site


@pytest.fixture(scope="module")
def nodes(engine: Site) -> tuple[Server, Server]:
    return engine.node("one", limit=2), engine.node("two", limit=2)


def reads(page: Page, *texts: str) -> None:
    """The page shows exactly these messages, none as pending."""
    expect(page.locator("#messages .message .text")).to_have_text(list(texts))
    expect(page.locator("#messages .pending")).to_have_count(0)


def test_two_pages_on_two_nodes_talk_in_one_room(nodes: tuple[Server, Server], tabs: Tabs) -> None:
    one, two = nodes
    alice, bob = enter(tabs, one, "alice", "garden"), enter(tabs, two, "bob", "garden")
    for page in (alice, bob):
        expect(page.locator("#room-facts")).to_have_text("2 members online")
        expect(page.locator("#history-text")).to_have_text("Nobody has said anything here yet. Be the first.")
    write(alice, "hello from one")
    reads(bob, "hello from one")
    write(bob, "hello from two")
    for page in (alice, bob):
        reads(page, "hello from one", "hello from two")
        expect(page.locator("#history-text")).to_have_text("This is where the room began.")
    # The page tells of it every other second at the most, and has done so for what was sent.
    bob.locator("#composer-text").press_sequentially("I am typing", delay=300)
    expect(alice.locator("#typing-text")).to_contain_text("bob")
    alice.reload()
    is_in(alice, "online")
    reads(alice, "hello from one", "hello from two")


def test_a_room_with_more_than_a_newcomer_is_sent_says_so(nodes: tuple[Server, Server], tabs: Tabs) -> None:
    one, two = nodes
    with peer(two.ws, "carol") as carol:
        carol.send("join", room="long")
        for number in range(60):
            carol.say("long", f"{number}", f"{number}")
    page = enter(tabs, one, "dan", "long")
    reads(page, *(f"{number}" for number in range(10, 60)))
    expect(page.locator("#history-text")).to_contain_text("What was said before is not shown here.")


def test_a_session_that_goes_on_elsewhere_is_left_and_taken_back_by_a_button(
    nodes: tuple[Server, Server], tabs: Tabs
) -> None:
    one, two = nodes
    page = enter(tabs, one, "erin", "hall")
    session, token = (str(stored(page)[name]) for name in ("session", "token"))
    with peer(two.ws, "erin", session, token=token) as elsewhere:
        elsewhere.until("welcome")
        is_in(page, "ended")
        expect(page.locator("#offline-text")).to_contain_text("This session goes on elsewhere")
        expect(page.locator("#offline-text")).to_contain_text("This tab does not come back by itself.")
        page.click("#retry-now")
        is_in(page, "online")
        assert elsewhere.closed()[0] == 4010


def test_who_is_refused_sees_on_which_nodes_the_slots_are_held(
    nodes: tuple[Server, Server], tabs: Tabs
) -> None:
    one, two = nodes
    first, second = enter(tabs, one, "finn", "hall"), enter(tabs, two, "finn", "hall")
    third = tabs.open(two, "finn")
    is_in(third, "refused")
    holders = third.locator("#refused-holders .holder")
    expect(holders).to_have_count(2)
    for page, node in ((first, "one"), (second, "two")):
        mine = third.locator(f'#refused-holders .holder[data-session="{stored(page)["session"]}"]')
        expect(mine.locator(".holder-node")).to_have_text(f"on {node}")
    # And one of another node is ended from here.
    other = third.locator(f'#refused-holders .holder[data-session="{stored(first)["session"]}"]')
    other.get_by_role("button", name="and take its place").click()
    is_in(third, "online")
    is_in(first, "ended")


def test_an_engine_that_is_away_is_told_in_words_and_the_page_comes_back_by_itself(
    engine: Site, nodes: tuple[Server, Server], tabs: Tabs
) -> None:
    one, _ = nodes
    page = enter(tabs, one, "gina", "hall")
    write(page, "before")
    engine.stop_engine()
    expect(page.locator("#offline-text")).to_contain_text("The servers cannot agree at the moment.")
    write(page, "written meanwhile")
    engine.start_engine()
    is_in(page, "online")
    reads(page, "before", "written meanwhile")
