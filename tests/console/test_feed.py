"""In Chromium: the events as they come, filtered, paused, and never too many."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from .site import Site
from .window import Windows, is_live

# Managers that come and go at once: more events than are told in a second, or kept in the page.
MANY = 500


def rows(page: Page) -> list[str]:
    return page.locator("#feed-rows .line-text").all_text_contents()


def test_what_was_before_the_page_and_what_comes_are_one_list(site: Site, windows: Windows) -> None:
    site.spawn("ann", "before")
    page = windows.look(site, "#/events")
    expect(page.locator("#feed-rows .line-text").first).to_contain_text("ann/before#1 runs")
    site.spawn("ann", "after")
    expect(page.locator("#feed-rows .line-text").first).to_contain_text("ann/after#2 runs")
    assert len(rows(page)) == len(set(rows(page))), "nothing is told twice"


def test_a_paused_feed_holds_still_and_says_how_much_has_come(site: Site, windows: Windows) -> None:
    page = windows.look(site, "#/events")
    site.spawn("ann", "first")
    expect(page.locator("#feed-rows .line-text").first).to_contain_text("first")
    before = rows(page)
    pause = page.get_by_role("button", name="Pause")
    pause.click()
    site.spawn("ann", "second", "third")
    expect(page.locator("#feed-said")).to_have_text("Paused, 4 new")
    assert rows(page) == before
    page.get_by_role("button", name="Go on").click()
    expect(page.locator("#feed-rows .line-text").first).to_contain_text("third")
    assert len(rows(page)) == len(before) + 2, "two lines each, one of them below INFO"


def test_the_feed_is_filtered_by_text_and_by_level(site: Site, windows: Windows) -> None:
    site.spawn("ann", "a")
    site.condemn("bob", "b")
    page = windows.look(site, "#/events")
    expect(page.locator("#feed-rows .line-text").first).to_be_visible()
    page.select_option("#feed-level", "ERROR")
    expect(page.locator("#feed-rows .line")).to_have_count(1)
    expect(page.locator("#feed-rows .line-text")).to_contain_text("bob/b#2 was cancelled and runs on")
    page.select_option("#feed-level", "DEBUG")
    page.fill("#feed-filter", "ANN/a")
    expect(page.locator("#feed-rows .line")).to_have_count(2)
    page.fill("#feed-filter", "spawn.started")
    expect(page.locator("#feed-rows .line")).to_have_count(2)
    page.fill("#feed-filter", "nothing like this")
    expect(page.locator("#feed-none")).to_be_visible()
    site.spawn("ann", "c")
    page.fill("#feed-filter", "ann/c")
    expect(page.locator("#feed-rows .line")).to_have_count(2)


def test_a_flood_leaves_three_hundred_rows_and_says_what_was_skipped(site: Site, windows: Windows) -> None:
    site.come_and_go("ann", MANY)
    page = windows.look(site, "#/events")
    page.select_option("#feed-level", "DEBUG")
    expect(page.locator("#feed-rows > li")).to_have_count(300)
    site.come_and_go("ann", MANY)
    expect(page.locator("#feed-rows .skipped").first).to_contain_text("skipped")
    expect(page.locator("#feed-rows .line-text").first).to_contain_text(f"ann/{MANY - 1}#{2 * MANY}")
    assert page.locator("#feed-rows > li").count() == 300


def test_events_go_on_without_gap_or_repetition_after_a_cut(site: Site, windows: Windows) -> None:
    page = windows.look(site, "#/events")
    site.spawn("ann", "one")
    expect(page.locator("#feed-rows .line-text").first).to_contain_text("one")
    site.go_down()
    site.spawn("ann", "two")
    site.come_up()
    is_live(page)
    site.spawn("ann", "three")
    expect(page.locator("#feed-rows .line-text").first).to_contain_text("three")
    keys = [text.partition("#")[0] for text in rows(page) if "runs" in text]
    assert keys == ["ann/three", "ann/two", "ann/one"]
