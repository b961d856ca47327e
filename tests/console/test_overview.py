"""In Chromium: the overview tells the truth, in numbers, in words, and as lines of code."""

from __future__ import annotations

import re

import pytest
import trio
from playwright.sync_api import expect

from supervisor import HealthPolicy, SpawnRefused

from .site import WEDGED_AT, WEDGED_FILE, Site, open_site
from .window import Windows, shows, stuck_row, tile


def test_an_empty_house_says_so_in_words(site: Site, windows: Windows) -> None:
    page = windows.look(site)
    expect(page.locator("#headline")).to_have_text("Nobody is here.")
    shows(page, "stuck", "0", "Nobody is stuck")
    shows(page, "limit", "0", "Nobody")
    shows(page, "condemned", "0", "Nobody")
    expect(page.locator("#stuck-none")).to_have_text("Nobody is stuck.")
    expect(page.locator("#alerts")).to_be_hidden()
    expect(page.locator("[data-level='act'], [data-level='watch']:not([data-tile='lag'])")).to_have_count(0)


def test_the_tiles_tell_the_truth(windows: Windows) -> None:
    with open_site(limit=3) as site:
        site.spawn("ann", "a", "b")
        site.spawn("bob", "a", "b", "c")
        with pytest.raises(SpawnRefused):
            site.obtain("bob", "d")
        site.wedge("cat", "x")
        site.condemn("dan", "z")
        page = windows.look(site)
        counts = site.supervisor.counts()
        # Who has nobody but a condemned manager holds no slot.
        assert (counts.users, counts.managers, counts.zombies) == (3, 6, 1)
        shows(page, "users", "3")
        shows(page, "managers", "6", "at most 7 so far")
        shows(page, "limit", "1", "of 3 users")
        shows(page, "stuck", "1", "of 1 user")
        shows(page, "condemned", "1", "cancelled, run on")
        expect(tile(page, "refusals").locator(".tile-note")).to_have_text("1 in all")
        expect(tile(page, "stuck")).to_have_attribute("data-level", "act")
        expect(page.locator("#headline")).to_have_text("1 manager is stuck, of cat. bob is at the limit. ")
        site.spawn("eve", "a")
        shows(page, "users", "4")
        shows(page, "managers", "7")


def test_a_stuck_manager_is_shown_with_its_line_and_its_stack(site: Site, windows: Windows) -> None:
    site.wedge("ann", "laptop", "phone")
    page = windows.look(site)
    row = stuck_row(page, "ann")
    expect(row.locator(".stuck-count")).to_have_text("2 stuck, 2 of 20 slots held")
    expect(row.locator(".many")).to_have_text("2 ×")  # noqa: RUF001  # as in "twice"
    expect(row.locator(".hang")).to_have_count(1)
    expect(row.locator(".place")).to_have_text(f"testing/{WEDGED_AT}")
    expect(row.locator(".hang > .evidence")).to_contain_text("in handle(Work) for")
    assert sorted(row.locator(".few .name").all_text_contents()) == ["laptop", "phone"]
    expect(row.locator(".stack")).to_be_hidden()
    row.locator(".where summary").click()
    expect(row.locator(".stack li").last).to_have_text(f"{WEDGED_FILE.rpartition('/')[0]}/{WEDGED_AT}")
    # It stays open while the figures go on.
    site.spawn("bob", "a")
    shows(page, "users", "2")
    expect(row.locator(".stack")).to_be_visible()


def test_a_stall_of_the_loop_does_not_make_the_stuck_look_well(site: Site, windows: Windows) -> None:
    slow = HealthPolicy(budget=3.0)  # and so long after a stall nobody is judged by it
    site.wedge("ann", "a", health=slow)
    page = windows.look(site)
    shows(page, "stuck", "1")
    site.block(1.5)
    said = "1 manager cannot be judged yet: the event loop stood still."
    expect(page.locator("#headline")).to_contain_text(said)
    expect(page.locator("#stuck-none")).to_have_text(said)
    expect(tile(page, "stuck").locator(".tile-note")).to_have_text("1 not judged yet")
    expect(tile(page, "stuck")).to_have_attribute("data-level", "act")
    shows(page, "stuck", "1", "of 1 user")


def test_a_condemned_manager_is_shown_with_what_it_waits_for(site: Site, windows: Windows) -> None:
    site.condemn("ann", "laptop")
    page = windows.look(site)
    row = page.locator("#condemned-list > li")
    expect(row.locator(".user")).to_have_text("ann")
    expect(row.locator(".cause")).to_contain_text("shielded at testing/_specimens.py:")
    expect(row.locator(".place")).to_contain_text("in Shielded.work")
    expect(page.locator("#done-list")).to_contain_text("ann/laptop")
    expect(page.locator("#done-list .line-text").first).to_contain_text("cleanup complete")


def test_the_charts_begin_with_what_was_before_the_page(site: Site, windows: Windows) -> None:
    site.spawn("ann", "a", "b", "c")
    site.run(trio.sleep, 2.5)  # so that it is sampled
    site.run(site.supervisor.stop_user, "ann")
    site.spawn("bob", "d")
    page = windows.look(site)
    expect(page.locator(".chart canvas")).to_have_count(4)
    drawn = page.locator(".chart canvas").first.evaluate(
        "node => node.getContext('2d').getImageData(0, 0, node.width, node.height).data.some((v) => v > 0)"
    )
    assert drawn
    people = page.locator('[data-chart="people"]')
    expect(people.locator(".value")).to_have_text(["1", "1"])
    # For whom the picture is none there are words, and a table.
    words = r"In the last ten minutes: managers 1, between [01] and 3 and users 1, between [01] and 1\."
    expect(people.locator("p")).to_have_text(re.compile(words))
    page.click("#charts-table summary")
    expect(page.locator("#charts-rows tr td:nth-of-type(1)").first).to_have_text("1")


def test_an_alert_is_told_once_with_a_link_and_can_be_put_away(windows: Windows) -> None:
    with open_site(limit=1) as site:
        site.spawn("ann", "a")
        for _ in range(6):
            with pytest.raises(SpawnRefused):
                site.obtain("ann", "b")
        page = windows.look(site)
        alert = page.locator(".alert", has_text="TrouperRepeatedRefusals")
        expect(alert).to_be_visible()
        alert.get_by_role("link", name="ann").click()
        expect(page.locator("#user-name")).to_have_text("ann")
        limit = page.locator(".alert", has_text="TrouperUsersAtLimit")
        limit.get_by_role("button").click()
        expect(limit).to_have_count(0)
        page.wait_for_timeout(2500)
        expect(limit).to_have_count(0)


def test_light_and_dark_follow_the_system_until_somebody_chooses(site: Site, windows: Windows) -> None:
    page = windows.look(site, scheme="dark")
    background = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(background)
    page.emulate_media(color_scheme="light")
    light = page.evaluate(background)
    assert light != dark
    page.get_by_role("button", name="Use dark colours").click()
    assert page.evaluate(background) == dark
    page.reload()
    assert page.evaluate(background) == dark
    expect(page.get_by_role("button", name="Use light colours")).to_be_visible()
