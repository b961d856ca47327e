"""A browser window on the console, and what an operator does and sees in it."""

from __future__ import annotations

from typing import Literal

import attrs
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, ViewportSize, expect

from .site import Site

# Milliseconds; only a broken page takes so long.
PATIENCE = 20_000

DESKTOP: ViewportSize = {"width": 1280, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}

Scheme = Literal["light", "dark"]

# What the browser says when a server is down, or says no: the page has to say so itself.
_EXPECTED = ("net::ERR_", "the server responded with a status of")


@attrs.define(eq=False)
class Windows:
    """Opens windows, and collects what goes wrong in them: errors, and whatever the policy forbids."""

    browser: Browser
    problems: list[str] = attrs.field(init=False, factory=list[str])
    _pages: list[Page] = attrs.field(init=False, factory=list[Page])

    def open(
        self, url: str, *, size: ViewportSize = DESKTOP, scheme: Scheme = "light", bypass_csp: bool = False
    ) -> Page:
        page = self.blank(size=size, scheme=scheme, bypass_csp=bypass_csp)
        page.goto(url)
        return page

    def blank(
        self, *, size: ViewportSize = DESKTOP, scheme: Scheme = "light", bypass_csp: bool = False
    ) -> Page:
        """One that has not gone anywhere."""
        context = self.browser.new_context(
            viewport=size, color_scheme=scheme, bypass_csp=bypass_csp, reduced_motion="reduce"
        )
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("console", lambda message: self._hear(message))  # noqa: PLW0108  # it marks the function
        self._pages.append(page)
        return page

    def look(
        self,
        site: Site,
        view: str = "",
        *,
        size: ViewportSize = DESKTOP,
        scheme: Scheme = "light",
        bypass_csp: bool = False,
    ) -> Page:
        """The console, with figures in it."""
        page = self.open(site.url + view, size=size, scheme=scheme, bypass_csp=bypass_csp)
        is_live(page)
        return page

    def close(self) -> None:
        for page in self._pages:
            page.context.close()

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not any(known in message.text for known in _EXPECTED):
            self.problems.append(message.text)


def is_live(page: Page) -> None:
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")


def tile(page: Page, name: str) -> Locator:
    return page.locator(f'[data-tile="{name}"]')


def shows(page: Page, name: str, value: str, note: str | None = None) -> None:
    """That tile shows that value, and beneath it that note."""
    expect(tile(page, name).locator(".tile-value")).to_have_text(value)
    if note is not None:
        expect(tile(page, name).locator(".tile-note")).to_have_text(note)


def stuck_row(page: Page, user: str) -> Locator:
    return page.locator("#stuck-list > li").filter(has=page.get_by_role("link", name=user, exact=True))


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def tab_to(page: Page, wanted: Locator) -> None:
    """Press Tab until that has the focus; it must be reachable."""
    for _ in range(120):
        if wanted.evaluate("node => node === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not reach {wanted}")
