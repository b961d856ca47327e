"""In Chromium: what an operator does, by mouse and by keyboard alone."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from supervisor import SpawnRefused
from tests.chat.support import wait_until

from .site import WEDGED_AT, Site, open_site
from .window import Windows, is_live, press, shows, stuck_row, tab_to, tile

TABS = [f"tab {number:02}" for number in range(20)]


def test_an_operator_frees_a_user_whose_twenty_slots_are_stuck(site: Site, windows: Windows) -> None:
    site.crowd(2000)
    site.wedge("alice", *TABS)
    page = windows.look(site)
    shows(page, "users", "2,001")
    expect(page.locator("#headline")).to_have_text(
        "20 managers are stuck, all of alice. alice is at the limit. "
    )
    expect(page.locator(".alert", has_text="TrouperUsersAtLimit")).to_be_visible()
    row = stuck_row(page, "alice")
    expect(row.locator(".stuck-count")).to_have_text("20 stuck, 20 of 20 slots held")
    expect(row.locator(".place")).to_have_text(f"testing/{WEDGED_AT}")
    expect(row.get_by_role("button", name="Clean of alice")).to_be_disabled()

    page.locator("#headline").get_by_role("link", name="alice").first.click()
    expect(page.locator("#user-name")).to_have_text("alice")
    expect(page.locator("h1:focus")).to_contain_text("alice")
    expect(page.locator('.cell[data-health="unresponsive"]')).to_have_count(20)
    expect(page.locator(".manager .chip")).to_have_text(["!stuck"] * 20)
    expect(page.locator(".manager .place").first).to_have_text(f"testing/{WEDGED_AT}")

    clean = page.locator("#user-cleanup .act")
    expect(clean).to_be_disabled()
    page.get_by_role("button", name="Dry run for alice").click()
    expect(page.locator(".cleanup-result h3")).to_have_text("Dry run: 20 would go, 0 would be kept")
    expect(page.locator(".cleanup-result h3")).to_be_focused()
    expect(page.locator(".findings .name")).to_have_text(TABS)
    assert site.held("alice") == 20, "a dry run touches nobody"
    clean.click()
    expect(page.locator(".cleanup-result h3")).to_have_text("Done: 20 managers removed, 0 kept")
    expect(page.locator("#user-managers-none")).to_be_visible()

    assert site.obtain("alice", "the twenty-first").ref is not None
    expect(page.locator(".manager .name")).to_have_text(["the twenty-first"])
    page.get_by_role("link", name="Overview", exact=True).first.click()
    shows(page, "stuck", "0", "Nobody is stuck")
    expect(page.locator("#done-list .line-text").first).to_contain_text("20 removed")


def test_a_row_that_somebody_reads_stays_when_its_user_is_stuck_no_more(site: Site, windows: Windows) -> None:
    site.wedge("ann", "a")
    site.spawn("ann", "b")
    page = windows.look(site)
    row = stuck_row(page, "ann")
    row.get_by_role("button", name="Dry run for ann").click()
    expect(row.locator("h3").last).to_have_text("Dry run: 1 would go, 1 would be kept")
    expect(row.locator(".findings").nth(1)).to_contain_text("Would be kept, and why: 1")
    expect(row.locator(".findings").nth(1)).to_contain_text("parked on its empty mailbox")
    row.get_by_role("button", name="Clean 1 of ann").click()
    expect(row.locator("h3").last).to_have_text("Done: 1 manager removed, 1 kept")
    shows(page, "stuck", "0")
    expect(row.locator(".stuck-count")).to_have_text("not stuck any more")
    row.get_by_role("button", name="Put away").click()
    expect(row).to_have_count(0)


def test_the_whole_path_can_be_gone_with_the_keyboard_alone(site: Site, windows: Windows) -> None:
    site.wedge("ann", "laptop")
    page = windows.look(site)
    press(page, "Tab")
    expect(page.locator("#skip")).to_be_focused()
    outline = page.locator("#skip").evaluate("node => getComputedStyle(node).outlineStyle")
    assert outline == "solid", "the focus can be seen"
    press(page, "Enter")
    expect(page.locator("#headline")).to_be_focused()
    expect(stuck_row(page, "ann")).to_be_visible()
    tab_to(page, stuck_row(page, "ann").get_by_role("link", name="Look at ann"))
    press(page, "Enter")
    expect(page.locator("h1:focus")).to_contain_text("ann")
    expect(page.locator(".manager")).to_have_count(1)
    tab_to(page, page.get_by_role("button", name="Dry run for ann"))
    press(page, "Enter")
    expect(page.locator(".cleanup-result h3")).to_be_focused()
    tab_to(page, page.get_by_role("button", name="Clean 1 of ann"))
    press(page, "Enter")
    expect(page.locator(".cleanup-result h3")).to_have_text("Done: 1 manager removed, 0 kept")
    expect(page.locator(".cleanup-result h3")).to_be_focused()
    tab_to(page, page.get_by_role("button", name="Put away"))
    press(page, "Enter")
    expect(page.get_by_role("button", name="Dry run for ann")).to_be_focused()


def test_a_dry_run_of_another_stage_is_a_dry_run_of_its_own(site: Site, windows: Windows) -> None:
    site.wedge("ann", "a")
    page = windows.look(site, "#/user/ann")
    page.get_by_role("button", name="Dry run for ann").click()
    expect(page.locator("#user-cleanup .act")).to_be_enabled()
    page.select_option("#cleanup-until", "garbage")
    expect(page.locator("#user-cleanup .act")).to_be_disabled()
    page.get_by_role("button", name="Dry run for ann").click()
    expect(page.locator(".cleanup-result h3")).to_have_text("Dry run: 0 would go, 1 would be kept")
    expect(page.locator("#user-cleanup .act")).to_be_disabled()


def test_a_manager_is_stopped_only_once_that_is_confirmed(site: Site, windows: Windows) -> None:
    site.spawn("ann", "a", "b")
    page = windows.look(site, "#/user/ann")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    stop = page.get_by_role("button", name="Stop a", exact=True)
    stop.click()
    expect(page.locator("#confirm-title")).to_have_text("Stop a?")
    expect(page.locator("#confirm-no")).to_be_focused()
    press(page, "Escape")
    expect(page.locator("#confirm")).to_be_hidden()
    expect(stop).to_be_focused()
    stop.click()
    page.click("#confirm-act")
    expect(page.locator("#user-said")).to_have_text("1 manager stopped: stopped.")
    expect(page.locator(".manager .name")).to_have_text(["b"])
    assert site.supervisor.lookup("ann", "a") is None
    assert [url for url in asked if url.endswith("/stop")] == [f"{site.url}api/stop"], "once, not twice"


def test_a_limit_that_is_changed_holds_at_once(windows: Windows) -> None:
    with open_site(limit=1) as site:
        site.spawn("ann", "a")
        page = windows.look(site, "#/user/ann")
        expect(page.locator("#user-summary")).to_contain_text("One more would be refused now.")
        expect(page.locator("#limit-note")).to_have_text("As everybody's")
        page.fill("#limit-value", "2")
        page.get_by_role("button", name="Change the limit").click()
        expect(page.locator("#user-said")).to_have_text("The limit is 2 now.")
        expect(page.locator("#limit-note")).to_have_text("A limit of this user's own")
        expect(page.locator(".cell")).to_have_count(2)
        assert site.obtain("ann", "b").ref is not None
        with pytest.raises(SpawnRefused):
            site.obtain("ann", "c")


def test_probing_is_switched_off_only_once_that_is_confirmed(site: Site, windows: Windows) -> None:
    page = windows.look(site)
    switch = page.get_by_role("switch", name="Probing")
    expect(switch).to_be_checked()
    switch.click()
    press(page, "Enter")
    expect(page.locator("#confirm")).to_be_hidden()
    assert site.probing, "the button that does nothing comes first"
    switch.click()
    page.click("#confirm-act")
    expect(switch).not_to_be_checked()
    wait_until(lambda: not site.probing, "probing is off")
    switch.click()
    expect(switch).to_be_checked()
    wait_until(lambda: site.probing, "probing is on")


def test_users_are_found_by_text_and_never_more_than_fifty_are_in_the_page(
    site: Site, windows: Windows
) -> None:
    site.crowd(120)
    page = windows.look(site, "#/users")
    rows = page.locator("#users-rows tr")
    expect(page.locator("#users-said")).to_have_text("1 to 50 of 120 users")
    expect(rows).to_have_count(50)
    page.get_by_role("button", name="Next").click()
    page.get_by_role("button", name="Next").click()
    expect(page.locator("#users-said")).to_have_text("101 to 120 of 120 users")
    expect(rows).to_have_count(20)
    page.get_by_role("button", name="Previous").click()
    expect(page.locator("#users-said")).to_have_text("51 to 100 of 120 users")
    page.fill("#users-search", "user 007")
    expect(page.locator("#users-said")).to_have_text("1 to 10 of 10 users")
    expect(rows.locator(".user")).to_have_text([f"user 007{digit}" for digit in range(10)])
    page.fill("#users-search", "nobody like this")
    expect(page.locator("#users-said")).to_have_text("Nobody's name contains “nobody like this”.")
    page.fill("#users-search", "0042")
    rows.get_by_role("link").click()
    expect(page.locator("#user-name")).to_have_text("user 0042")


def test_an_act_that_is_refused_says_why(site: Site, windows: Windows) -> None:
    site.spawn("ann", "a")
    page = windows.look(site, "#/user/ann")
    expect(page.locator(".manager")).to_have_count(1)
    page.get_by_role("button", name="Stop a").click()
    site.run(site.supervisor.stop_user, "ann")
    page.click("#confirm-act")
    expect(page.locator("#user-said .problem")).to_contain_text("'ann' has no manager under 'a'")


def test_the_page_says_how_the_process_stands(site: Site, windows: Windows) -> None:
    page = windows.look(site)
    is_live(page)
    expect(page.locator("#live")).to_have_text("Live")
    expect(page.locator("#ready")).to_have_text("Ready")
    expect(page.locator("#problems")).to_be_hidden()
    expect(tile(page, "lag").locator(".tile-value")).to_contain_text("ms")
    page.goto(f"{site.url}#/user/nobody%20here")
    expect(page.locator("#user-summary")).to_have_text("Nothing of this user is here now.")
