"""In Chromium: names are any strings at all, and are shown as text and nothing else."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from .site import Site
from .window import PHONE, Windows, is_live, stuck_row

HOSTILE = '<img src=x onerror="window.hit=1"><script>window.hit=2</script>'

# Each name, and how it is read.
NAMES = {
    HOSTILE: HOSTILE,
    "مرحبا بالعالم": "مرحبا بالعالم",
    "family 👩‍👩‍👧‍👦": "family 👩‍👩‍👧‍👦",
    "one\ntwo\u202ethree": "one\\ntwo\\u{202e}three",
    "a/b?c#d%20&e=f": "a/b?c#d%20&e=f",
    " two  spaces ": " two  spaces ",
    "x" * 10_000: "x" * 80 + "… 10,000 characters",
}


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_a_name_is_text_wherever_it_stands_and_its_view_can_be_linked_to(
    site: Site, windows: Windows, name: str
) -> None:
    site.wedge(name, name)
    site.spawn(name, "well")
    page = windows.look(site, size=PHONE)
    link = page.locator("#stuck-list h3 .user")
    assert (link.text_content() or "") == NAMES[name]
    link.click()
    expect(page.locator("#user-summary")).to_contain_text("2 of 20 slots held · 1 stuck, 1 healthy.")
    page.reload()
    is_live(page)
    expect(page.locator(".manager")).to_have_count(2)
    assert page.locator("#user-name").text_content() == NAMES[name]
    page.locator("#user-cleanup").get_by_role("button").first.click()
    page.locator("#user-cleanup .act").click()
    expect(page.locator(".cleanup-result h3")).to_have_text("Done: 1 manager removed, 1 kept")
    assert site.supervisor.lookup(name, name) is None
    assert page.evaluate("window.hit") is None
    assert page.locator("body :is(img, script), [onerror]").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    page.goto(f"{site.url}#/events")
    expect(page.locator("#feed-rows .line-user").first).to_be_visible()
    assert page.locator("#feed-rows .line-user").first.text_content() == NAMES[name]


def test_the_whole_of_a_long_name_can_be_read(site: Site, windows: Windows) -> None:
    name = "long " * 1000 + "end"
    site.spawn(name, "a")
    page = windows.look(site)
    page.goto(f"{site.url}#/users")
    page.locator("#users-rows .user").click()
    page.get_by_text("The whole name").click()
    assert page.locator("#user-whole pre").text_content() == name


def test_two_that_look_alike_are_two(site: Site, windows: Windows) -> None:
    site.wedge("ann", "a")
    site.wedge("ann\u200b", "a")
    page = windows.look(site)
    expect(stuck_row(page, "ann")).to_have_count(1)
    expect(stuck_row(page, "ann\\u{200b}")).to_have_count(1)
