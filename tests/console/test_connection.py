"""In Chromium: figures that are old are marked as old, and the page comes back by itself."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from .site import Site
from .window import Windows, is_live, shows, tile


def test_the_page_says_that_its_figures_are_stale_and_recovers(site: Site, windows: Windows) -> None:
    site.spawn("ann", "a")
    page = windows.look(site)
    shows(page, "users", "1")
    expect(page.locator("#stale")).to_be_hidden()
    site.go_down()
    expect(page.locator("#connection")).to_have_attribute("data-state", "stale")
    expect(page.locator("#stale-text")).to_have_text(
        re.compile(r"These figures are of [\d:]+, .* ago\. The server cannot be reached\. Trying again .*")
    )
    expect(page.locator("body")).to_have_attribute("data-stale", "true")
    expect(page.locator("#said")).to_contain_text("The figures are stale.")
    shows(page, "users", "1")
    site.spawn("bob", "b")
    site.come_up()
    is_live(page)
    expect(page.locator("#stale")).to_be_hidden()
    expect(page.locator("#said")).to_have_text("Live again.")
    shows(page, "users", "2")


@pytest.mark.parametrize(
    ("missing", "told"),
    [
        ("app.js", "app.js"),
        ("feed.js", "app.js"),
        ("vendor/uplot/uPlot.iife.min.js", "vendor/uplot/uPlot.iife.min.js"),
        ("frame.css", "frame.css"),
    ],
)
def test_a_page_that_was_not_loaded_whole_says_so_and_loads_itself_again(
    site: Site, windows: Windows, missing: str, told: str
) -> None:
    """As when the network changes meanwhile: the browser drops what it is loading."""
    page = windows.blank()
    page.route(f"**/static/{missing}", lambda route: route.abort("connectionreset"))
    page.goto(site.url)
    expect(page.locator("#torn")).to_have_text(
        f"Not all of this page could be loaded ({site.url}static/{told}). "
        "It is loaded again in 3 s.Load it now"
    )
    if told == "app.js":
        expect(page.locator("#stuck-none")).to_be_hidden()  # nobody knows whether somebody is stuck
    page.unroute_all()
    expect(page.locator("#torn")).to_be_hidden()
    is_live(page)
    windows.problems[:] = [
        one for one in windows.problems if "uPlot" not in one
    ]  # a chart without its library


def test_a_page_that_lacks_a_file_for_good_is_loaded_again_only_when_somebody_says_so(
    site: Site, windows: Windows
) -> None:
    page = windows.blank()
    tried = "'trouper.console.torn'"
    page.add_init_script(f"sessionStorage.getItem({tried}) ?? sessionStorage.setItem({tried}, 3)")
    page.route("**/static/frame.css", lambda route: route.abort("connectionreset"))
    page.goto(site.url)
    is_live(page)
    expect(page.locator("#torn")).to_contain_text("frame.css). Load it now")
    page.unroute_all()
    page.get_by_role("button", name="Load it now").click()
    expect(page.locator("#torn")).to_be_hidden()
    is_live(page)
    assert page.evaluate(f"sessionStorage.getItem({tried})") == "0"


def test_a_page_that_is_loaded_again_waits_until_somebody_answers(site: Site, windows: Windows) -> None:
    page = windows.blank()
    page.route("**/static/app.js", lambda route: route.abort("connectionreset"))
    page.goto(site.url)
    site.go_down()
    expect(page.locator("#torn")).to_be_visible()
    page.unroute_all()
    page.wait_for_timeout(4000)  # the first attempt finds nobody
    expect(page.locator("#torn")).to_be_visible()
    site.come_up()
    expect(page.locator("#torn")).to_be_hidden()
    is_live(page)


def test_an_open_view_of_a_user_says_so_too(site: Site, windows: Windows) -> None:
    site.spawn("ann", "a")
    page = windows.look(site, "#/user/ann")
    expect(page.locator(".manager")).to_have_count(1)
    site.go_down()
    expect(page.locator("#user-summary")).to_have_text("The server cannot be reached.")
    site.come_up()
    expect(page.locator("#user-summary")).to_contain_text("1 of 20 slots held")


def test_try_now_does_not_wait(site: Site, windows: Windows) -> None:
    page = windows.look(site)
    site.go_down()
    expect(page.locator("#stale-text")).to_contain_text("Trying again in 8 s")
    site.come_up()
    page.get_by_role("button", name="Try now").click()
    expect(page.locator("#connection")).to_have_attribute("data-state", "live", timeout=5000)


def test_a_server_whose_loop_stands_still_is_noticed(site: Site, windows: Windows) -> None:
    page = windows.look(site)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    site.block(9.0)
    expect(page.locator("#stale-text")).to_contain_text("No word has come since.")
    expect(page.locator("#stale-text")).to_contain_text("The server has fallen silent.")
    is_live(page)
    assert f"{site.url}api/stream" in asked, "it has called again"
    expect(tile(page, "lag")).not_to_have_attribute("data-level", "calm")
    expect(tile(page, "lag").locator(".tile-note")).to_have_text(re.compile(r"at worst [7-9]\.\d s"))


def test_a_page_that_nobody_looks_at_rests_and_comes_back(site: Site, windows: Windows) -> None:
    page = windows.look(site)
    page.clock.install()
    hide = """(hidden) => {
      Object.defineProperty(document, "hidden", {value: hidden, configurable: true});
      document.dispatchEvent(new Event("visibilitychange"));
    }"""
    page.evaluate(hide, True)
    page.clock.fast_forward(61_000)
    expect(page.locator("#connection")).to_have_attribute("data-state", "resting")
    page.evaluate(hide, False)
    is_live(page)
