"""The site and the windows of these tests."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from playwright.sync_api import Browser

from tests.chat.pages import open_browser

from .site import Site, open_site
from .window import Windows


# Not for the whole run: Playwright's event loop must have ended before Trio's begins.
@pytest.fixture(scope="module")
def browser() -> Generator[Browser]:
    with open_browser() as browser:
        yield browser


@pytest.fixture
def windows(browser: Browser) -> Generator[Windows]:
    windows = Windows(browser)
    yield windows
    windows.close()
    assert windows.problems == [], "errors in the page"


@pytest.fixture
def site() -> Generator[Site]:
    with open_site() as site:
        yield site
