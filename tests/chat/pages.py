"""What the tests in a real Chromium share: one browser, pages in it, and what people do and see there."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Generator
from contextlib import closing, contextmanager

import attrs
import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect, sync_playwright

from tests.machine import network_stays

from .gate import Gate
from .support import Peer, Server

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

# Milliseconds. Longer than the page's longest back-off; only a broken page takes so long.
PAGE_PATIENCE = 30_000

# Milliseconds of a page's own clock: the page waits no longer before its next attempt, and whoever
# comes back by himself at all has come back within an hour.
LONGEST_PAUSE = 15_000
AN_HOUR = 3_600_000


@contextmanager
def open_browser() -> Generator[Browser]:
    executable = shutil.which("chromium")
    if executable is None and os.environ.get("CI"):
        pytest.fail(NO_CHROMIUM)
    if executable is None:
        pytest.skip(NO_CHROMIUM)
    expect.set_options(timeout=PAGE_PATIENCE)
    with network_stays(), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        with closing(browser):
            yield browser


@attrs.define(eq=False)
class Tabs:
    """Opens pages, each in a context of its own, and collects what goes wrong in them."""

    browser: Browser
    pages: list[Page] = attrs.field(init=False, factory=list[Page])
    problems: list[str] = attrs.field(init=False, factory=list[str])

    def open(self, server: Server, name: str, *, gate: Gate | None = None, own_clock: bool = False) -> Page:
        """A new page that has logged in; with `own_clock`, its time can be wound forward."""
        # Through a gate it talks to another port than its policy allows.
        page = self.browser.new_context(bypass_csp=gate is not None).new_page()
        page.set_default_timeout(PAGE_PATIENCE)
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.pages.append(page)
        if gate is not None:
            _lead_through(page, gate)
        if own_clock:
            page.clock.install()
        page.goto(f"http://127.0.0.1:{server.http}/")
        log_in(page, name)
        return page

    def close(self) -> None:
        for page in self.pages:
            page.context.close()


def _lead_through(page: Page, gate: Gate) -> None:
    def config(route: Route) -> None:
        answer = route.fetch()
        said = json.dumps({**answer.json(), "ws": f"ws://127.0.0.1:{gate.port}/ws"})
        route.fulfill(response=answer, body=said)

    page.route("**/config.json", config)


def log_in(page: Page, name: str) -> None:
    page.fill("#login-name", name)
    page.click("#login-submit")


def is_in(page: Page, state: str) -> None:
    expect(page.locator("#connection")).to_have_attribute("data-state", state)


def join(page: Page, room: str) -> None:
    page.fill("#join-room", room)
    page.press("#join-room", "Enter")
    expect(room_button(page, room)).to_have_attribute("aria-current", "true")


def room_button(page: Page, room: str) -> Locator:
    return page.locator(f'#rooms button[data-room="{room}"]')


def enter(
    tabs: Tabs, server: Server, name: str, room: str, *, gate: Gate | None = None, own_clock: bool = False
) -> Page:
    """A page that has logged in and joined a room."""
    page = tabs.open(server, name, gate=gate, own_clock=own_clock)
    is_in(page, "online")
    join(page, room)
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


def stored(page: Page) -> dict[str, object]:
    """What this tab has put by."""
    text: str | None = page.evaluate("sessionStorage.getItem('trouper.chat')")
    facts: dict[str, object] = json.loads(text or "{}")
    return facts


def joined(client: Peer, room: str, **since: int) -> Peer:
    client.send("join", room=room, **since)
    client.until("joined", room=room)
    return client
