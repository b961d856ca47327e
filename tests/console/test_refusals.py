"""In Chromium: a refusal opens to its whole proof."""

from __future__ import annotations

from functools import partial

import pytest
from playwright.sync_api import expect

from supervisor import SpawnRefused
from supervisor.testing import SlowButAlive

from .site import HEALTH, Site, open_site
from .window import Windows, shows


def refuse(site: Site, user: str, key: str) -> None:
    with pytest.raises(SpawnRefused):
        site.obtain(user, key)


def test_a_refusal_opens_to_what_was_tried_and_why_each_holder_was_kept(windows: Windows) -> None:
    with open_site(limit=2) as site:
        site.spawn("ann", "laptop")
        site.spawn("ann", "phone", make=partial(SlowButAlive, 0.5, budget=HEALTH.budget))
        refuse(site, "ann", "tablet")
        page = windows.look(site, "#/refusals")
        row = page.locator(".refusal")
        expect(row.locator(".who")).to_have_text("ann / tablet")
        expect(row.locator(".reason")).to_have_text("at the limit")
        expect(row.locator(".sentence")).to_contain_text(
            "Limit reached: 2 of 2 sessions alive. Tried garbage, liveness."
        )
        expect(page.locator("#nav-refusals")).to_have_text("1")
        row.locator("summary").first.click()
        facts = row.locator(".facts dd")
        expect(facts).to_have_count(5)
        expect(facts.nth(1)).to_have_text("2 of 2")
        stages = row.locator(".stages tbody tr")
        expect(stages.locator("th")).to_have_text(["garbage", "liveness"])
        expect(stages.locator("td:nth-of-type(1)")).to_have_text(["2 → 2", "2 → 2"])
        expect(stages.locator("td:nth-of-type(3)")).to_have_text(["2", "2"])
        holders = row.locator(".holder")
        expect(holders.locator(".row-head .name")).to_have_text(["laptop", "phone"])
        expect(holders.first.locator("dt")).to_have_text(["garbage", "liveness"])
        expect(holders.first.locator("dd").last).to_contain_text("healthy: parked on its empty mailbox")


def test_an_open_refusal_stays_open_when_others_come(windows: Windows) -> None:
    with open_site(limit=1) as site:
        site.spawn("ann", "a")
        refuse(site, "ann", "first")
        page = windows.look(site, "#/refusals")
        first = page.locator(".refusal", has_text="first")
        first.locator("summary").first.click()
        expect(first.locator(".holder")).to_be_visible()
        refuse(site, "ann", "second")
        expect(page.locator(".refusal .who")).to_have_text(["ann / second", "ann / first"])
        expect(first.locator(".holder")).to_be_visible()


def test_what_cleanup_did_before_it_refused_is_told(windows: Windows) -> None:
    with open_site(limit=2) as site:
        site.spawn("ann", "well")
        site.wedge("ann", "stuck")
        site.obtain("ann", "in its place")
        refuse(site, "ann", "too many")
        page = windows.look(site)
        shows(page, "stuck", "0")
        latest = page.locator("#latest-refusals li")
        expect(latest).to_have_count(1)
        expect(latest.get_by_role("link")).to_have_text("ann")
        expect(page.locator("#done-list")).to_contain_text("cleanup done, spawn proceeds: ann, 1 removed")
        expect(page.locator("#done-list")).not_to_contain_text("made no room")  # nothing was done to anybody
