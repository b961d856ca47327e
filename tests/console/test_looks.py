"""In Chromium: the page for every eye, ear and window; judged by axe-core, and by what can be measured."""

from __future__ import annotations

import os
from typing import Any

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from supervisor import SpawnRefused
from tests.clients.kinds import NODE_MODULES

from .site import Site, open_site
from .window import DESKTOP, PHONE, Scheme, Windows, shows

AXE = NODE_MODULES / "axe-core" / "axe.min.js"
NO_AXE = f"axe-core is not in {NODE_MODULES}: `npm install --prefix {NODE_MODULES.parent} axe-core`."
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

VIEWS = ["#/", "#/users", "#/user/ann", "#/user/bob", "#/refusals", "#/events"]


def populate(site: Site) -> None:
    """Something of everything: stuck, condemned, at the limit, refused, and names of all kinds."""
    site.wedge("ann", "laptop", "phone")
    site.spawn("bob", "a", "b", "c", "d")
    with pytest.raises(SpawnRefused):
        site.obtain("bob", "e")
    site.condemn("carla", "x")
    site.spawn("W" * 300, "M" * 300)
    site.spawn("مرحبا 👩‍👩‍👧‍👦", "k")
    site.wedge("Donaudampfschifffahrtsgesellschaft" * 9, "k")


def open_all(page: Page) -> None:
    """Everything that can be opened."""
    closed = page.locator("details:not([open]) > summary:visible")
    while closed.count() > 0:
        closed.first.click()
    dry = page.locator("button:visible", has_text="Dry run")
    if dry.count() > 0:
        dry.first.click()
        expect(page.locator(".cleanup-result:visible")).to_have_count(1)


def violations(page: Page) -> list[str]:
    found: dict[str, Any] = page.evaluate(
        "(rules) => axe.run(document, {runOnly: rules, resultTypes: ['violations']})", RULES
    )
    return [
        f"{one['impact']} {one['id']}: {one['help']}: {[node['html'][:150] for node in one['nodes'][:3]]}"
        for one in found["violations"]
    ]


@pytest.fixture
def axe() -> str:
    if not AXE.is_file() and os.environ.get("CI"):
        pytest.fail(NO_AXE)
    if not AXE.is_file():
        pytest.skip(NO_AXE)
    return AXE.read_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_axe_finds_nothing(windows: Windows, axe: str, size: ViewportSize, scheme: Scheme) -> None:
    with open_site(limit=4) as site:
        populate(site)
        page = windows.look(site, size=size, scheme=scheme, bypass_csp=True)
        page.evaluate(axe)
        for view in VIEWS:
            page.goto(site.url + view)
            shows(page, "users", "5")
            open_all(page)
            page.evaluate("scrollTo(0, 0)")  # what lies under the sticky head by chance is no fault
            assert violations(page) == [], view


def test_axe_finds_nothing_where_it_asks_or_has_nothing_to_show(
    site: Site, windows: Windows, axe: str
) -> None:
    page = windows.look(site, bypass_csp=True)
    page.evaluate(axe)
    assert violations(page) == []
    page.get_by_role("switch", name="Probing").click()
    assert violations(page) == []
    page.keyboard.press("Escape")
    site.go_down()
    expect(page.locator("#stale")).to_be_visible()
    assert violations(page) == []
    site.come_up()
    refused = windows.open(site.url.replace("127.0.0.1", "elsewhere.localhost"), bypass_csp=True)
    expect(refused.locator("#refused")).to_be_visible()
    refused.evaluate(axe)
    assert violations(refused) == []


@pytest.mark.parametrize("width", [1280, 768, 390, 320])
def test_nothing_is_wider_than_the_window(windows: Windows, width: int) -> None:
    with open_site(limit=4) as site:
        populate(site)
        page = windows.look(site, size={"width": width, "height": 800})
        for view in VIEWS:
            page.goto(site.url + view)
            shows(page, "users", "5")
            open_all(page)
            wider: list[str] = page.evaluate(
                """() => {
                  const seen = (node) => node.checkVisibility()
                    && !node.closest(".scroll, .visually-hidden, svg, .u-wrap, nav");
                  return [...document.querySelectorAll("body *")].filter(seen)
                    .filter((node) => node.getBoundingClientRect().right > innerWidth + 1)
                    .map((node) => node.outerHTML.slice(0, 120));
                }"""
            )
            assert wider == [], view
            assert page.evaluate("document.documentElement.scrollWidth") <= width, view


def test_whoever_wants_no_motion_gets_none(site: Site, windows: Windows) -> None:
    page = windows.look(site)
    moves = """() => [...document.querySelectorAll("*")].filter((node) => {
      const style = getComputedStyle(node);
      return parseFloat(style.transitionDuration) > 0 || style.animationName !== "none";
    }).length"""
    assert page.evaluate(moves) == 0
    page.emulate_media(reduced_motion="no-preference")
    assert page.evaluate(moves) > 0


def test_no_verdict_is_told_by_its_colour_alone(site: Site, windows: Windows) -> None:
    site.wedge("ann", "a")
    site.spawn("ann", "b")
    page = windows.look(site, "#/user/ann")
    expect(page.locator(".cell")).to_have_count(20)
    assert page.locator(".cell").all_text_contents()[:3] == ["!", "✓", ""]
    expect(page.locator(".slots")).to_have_attribute("aria-label", "20 slots: 1 stuck, 1 healthy, 18 free")
    expect(page.locator(".manager .chip")).to_have_text(["!stuck", "✓healthy"])
