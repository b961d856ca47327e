"""The real page in Chromium, talking to the real server and to a client of the package `websockets`."""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator
from contextlib import closing

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from .support import TOKENS, Peer, Serve, Server, peer, request, wait_until

NO_CHROMIUM = "There is no `chromium` on the PATH: install it, say with `apt-get install chromium`."
ARGUMENTS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
STEPS = ["agent_started", "agent_thinking", "tool_executing", "tool_completed", "agent_completed"]

# Milliseconds. Longer than the page's longest back-off; only a broken page takes so long.
PAGE_PATIENCE = 30_000


@pytest.fixture(scope="module")
def browser() -> Generator[Browser]:
    executable = shutil.which("chromium")
    if executable is None and os.environ.get("CI"):
        pytest.fail(NO_CHROMIUM)
    if executable is None:
        pytest.skip(NO_CHROMIUM)
    expect.set_options(timeout=PAGE_PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        with closing(browser):
            yield browser


@pytest.fixture
def tabs(browser: Browser) -> Generator[Tabs]:
    tabs = Tabs(browser)
    yield tabs
    for page in tabs.pages:
        page.context.close()
    assert tabs.problems == [], "errors in the page"


class Tabs:
    """Opens pages, each in a context of its own, and collects what goes wrong in them."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser
        self.pages: list[Page] = []
        self.problems: list[str] = []

    def open(self, server: Server, name: str) -> Page:
        """A new page that has logged in."""
        page = self.browser.new_context().new_page()
        page.set_default_timeout(PAGE_PATIENCE)
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.pages.append(page)
        page.goto(f"http://127.0.0.1:{server.http}/")
        page.fill("#login-name", name)
        page.click("#login-submit")
        return page


def is_in(page: Page, state: str) -> None:
    expect(page.locator("#connection")).to_have_attribute("data-state", state)


def enter(tabs: Tabs, server: Server, name: str, room: str) -> Page:
    """A page that has logged in and joined a room."""
    page = tabs.open(server, name)
    is_in(page, "online")
    page.fill("#join-room", room)
    page.press("#join-room", "Enter")
    expect(page.locator(f'#rooms button[data-room="{room}"]')).to_be_visible()
    expect(page.locator(f'#members li[data-user="{name}"]')).to_be_visible()
    return page


def write(page: Page, text: str) -> None:
    page.fill("#composer-text", text)
    page.click("#composer-send")


def shows(page: Page, said: list[tuple[str, str]]) -> None:
    """The page shows exactly these messages, by user and text, with seq from 1, and none as pending."""
    messages = page.locator("#messages .message")
    expect(messages.locator(".text")).to_have_text([text for _, text in said])
    for place, (user, _) in enumerate(said):
        expect(messages.nth(place)).to_have_attribute("data-user", user)
        expect(messages.nth(place)).to_have_attribute("data-seq", f"{place + 1}")
    expect(page.locator("#messages .pending")).to_have_count(0)


def joined(client: Peer, room: str, **since: int) -> Peer:
    client.send("join", room=room, **since)
    client.until("joined", room=room)
    return client


def test_the_page_and_a_client_of_another_make_chat_with_each_other(serve: Serve, tabs: Tabs) -> None:
    server = serve()
    page = enter(tabs, server, "alice", "garden")
    with peer(server.ws, "bob") as bob:
        joined(bob, "garden")
        expect(page.locator('#members li[data-user="bob"]')).to_be_visible()
        write(page, "hello <b>bob</b> & all")
        assert bob.until("typing") == {"type": "typing", "room": "garden", "user": "alice"}
        message = bob.until("message")
        assert (message["seq"], message["user"], message["text"]) == (1, "alice", "hello <b>bob</b> & all")
        bob.send("typing", room="garden")
        expect(page.locator("#typing")).to_contain_text("bob")
        assert bob.say("garden", "hello alice", "1") == 2
        shows(page, [("alice", "hello <b>bob</b> & all"), ("bob", "hello alice")])
    other = enter(tabs, server, "carol", "garden")
    shows(other, [("alice", "hello <b>bob</b> & all"), ("bob", "hello alice")])


def test_the_assistants_five_steps_are_shown_as_they_come(serve: Serve, tabs: Tabs) -> None:
    server = serve()
    page = enter(tabs, server, "alice", "kitchen")
    with peer(server.ws, "bob") as bob:
        joined(bob, "kitchen").say("kitchen", "the cake is in the oven", "1")
    page.click("#ask-toggle")
    write(page, "where is the cake?")
    expect(page.locator(".agent .answer")).to_contain_text("the cake is in the oven")
    steps = page.locator(".agent .step")
    expect(steps).to_have_count(len(STEPS))
    assert [step.get_attribute("data-type") for step in steps.all()] == STEPS


def test_a_refused_tab_says_why_and_is_let_in_when_the_holder_is_stuck(serve: Serve, tabs: Tabs) -> None:
    server = serve(limit=1)
    first = tabs.open(server, "alice")
    is_in(first, "online")
    second = tabs.open(server, "alice")
    expect(second.locator("#refused")).to_be_visible()
    is_in(second, "refused")
    expect(second.locator("#refused-reason")).to_contain_text("Limit reached: 1 of 1 sessions alive.")
    expect(second.locator("#refused-holders li")).to_have_count(1)
    second.click("#refused-retry")
    is_in(second, "refused")
    first.click("#sessions-toggle")
    session = first.locator("#sessions li[data-session]")
    expect(session).to_have_attribute("data-state", "healthy")
    stuck = session.get_attribute("data-session")
    session.locator("button.wedge").click()
    expect(session).to_have_attribute("data-state", "busy")
    wait_until(lambda: stuck not in states(server, "busy", "healthy"), "it is past its budget")
    # Not `click`: it tries again by itself too, and may just have been let in.
    second.dispatch_event("#refused-retry", "click")
    is_in(second, "online")
    expect(second.locator("#refused")).to_be_hidden()
    write(second, "in at last")
    shows(second, [("alice", "in at last")])
    expect(first.locator("#refused")).to_be_visible()
    assert "ended: unresponsive" in server.said


def states(server: Server, *states: str) -> set[str]:
    """Alice's sessions in these states."""
    _, stands = request(server.http, "GET", "/sessions", token=TOKENS.issue("alice"))
    return {session["session"] for session in stands["sessions"] if session["state"] in states}


def test_the_page_survives_the_servers_death_without_gap_or_duplicate(serve: Serve, tabs: Tabs) -> None:
    server = serve()
    page = enter(tabs, server, "alice", "garden")
    write(page, "one")
    shows(page, [("alice", "one")])
    with peer(server.ws, "bob") as bob:
        assert joined(bob, "garden").say("garden", "two", "1") == 2
    shows(page, [("alice", "one"), ("bob", "two")])
    server.kill()
    is_in(page, "reconnecting")
    write(page, "written while nobody listened")
    expect(page.locator("#messages .message.pending .text")).to_have_text(["written while nobody listened"])
    server = serve(http=server.http, ws=server.ws)
    with peer(server.ws, "bob") as bob:
        joined(bob, "garden", since=2)
        is_in(page, "online")
        message = bob.until("message", user="alice")
        assert message["text"] == "written while nobody listened"
        assert bob.say("garden", "the last", "2") == message["seq"] + 1
    story = [
        ("alice", "one"),
        ("bob", "two"),
        ("alice", "written while nobody listened"),
        ("bob", "the last"),
    ]
    shows(page, story)
    page.reload()
    is_in(page, "online")
    shows(page, story)
