"""In Chromium: one's own sessions, the way out, and what is unread."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from .gate import Gate
from .pages import Tabs, enter, is_in, join, joined, room_button, stored, write
from .support import Serve, Server, peer, request, wait_until


def session_of(page: Page) -> str:
    return str(stored(page)["session"])


def test_a_session_ended_from_another_tab_stays_ended_until_it_is_started_again(
    site: Server, tabs: Tabs
) -> None:
    here, there = (enter(tabs, site, "nina", "hall") for _ in range(2))
    here.click("#sessions-toggle")
    own = here.locator(f'#sessions li[data-session="{session_of(here)}"]')
    other = here.locator(f'#sessions li[data-session="{session_of(there)}"]')
    expect(own.locator(".this-tab")).to_have_text("this tab")
    expect(other.locator(".this-tab")).to_have_count(0)
    other.get_by_role("button", name="End session").click()
    is_in(there, "ended")
    expect(other).to_have_count(0)
    expect(here.locator("#sessions-title")).to_be_focused()
    is_in(here, "online")
    there.click("#retry-now")
    is_in(there, "online")
    expect(other).to_have_count(1)


def test_one_may_end_the_session_of_this_very_tab(site: Server, tabs: Tabs) -> None:
    page = enter(tabs, site, "otto", "hall")
    page.click("#sessions-toggle")
    page.get_by_role("button", name="End this tab's session").click()
    is_in(page, "ended")
    expect(page.locator("#offline-text")).to_contain_text("ended on purpose")
    expect(page.locator("#sessions li[data-session]")).to_have_count(0)


def test_who_is_refused_ends_another_session_and_takes_its_place(serve: Serve, tabs: Tabs) -> None:
    server = serve(limit=1)
    first = tabs.open(server, "pia")
    is_in(first, "online")
    second = tabs.open(server, "pia")
    dialog = second.locator("#refused")
    expect(second.locator("#refused-title")).to_be_focused()
    second.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(second.locator("#offline-text")).to_contain_text("It tries again by itself.")
    second.click("#retry-now")
    expect(dialog).to_be_visible()
    dialog.get_by_role("button", name="and take its place").click()
    is_in(second, "online")
    expect(dialog).to_be_hidden()
    is_in(first, "ended")


def test_logging_out_ends_the_token_and_leaves_nothing_behind(site: Server, tabs: Tabs) -> None:
    page = enter(tabs, site, "quin", "hall")
    token = stored(page)["token"]
    assert request(site.http, "GET", "/sessions", token=token)[0] == 200
    page.click("#logout")
    expect(page.locator("#login")).to_be_visible()
    expect(page.locator("#login-error")).to_be_hidden()
    expect(page.locator("#login-name")).to_have_value("")
    assert page.evaluate("sessionStorage.length + localStorage.length") == 0
    wait_until(lambda: request(site.http, "GET", "/sessions", token=token)[0] == 401, "the token is revoked")
    page.reload()
    expect(page.locator("#login")).to_be_visible()


def test_who_logs_out_of_a_server_that_does_not_hear_it_is_told_so(
    site: Server, gate: Gate, tabs: Tabs
) -> None:
    page = enter(tabs, site, "rosa", "hall", gate=gate)
    page.route("**/logout", lambda route: route.abort())
    page.click("#logout")
    expect(page.locator("#login-error")).to_contain_text("logged out here, but the server was not told")
    assert page.evaluate("sessionStorage.length") == 0


def test_what_is_unread_is_counted_by_room_and_in_the_title_until_it_is_looked_at(
    site: Server, tabs: Tabs
) -> None:
    page = enter(tabs, site, "sara", "cellar")
    join(page, "roof")
    count = room_button(page, "cellar").locator(".unread")
    expect(count).to_be_hidden()
    with peer(site.ws, "tom") as tom:
        for room in ("cellar", "roof"):
            joined(tom, room)
        for number in range(3):
            tom.say("cellar", f"in the cellar {number}", f"c{number}")
        tom.say("roof", "on the roof", "r")
    expect(count).to_have_text("3 unread")
    expect(page).to_have_title(re.compile(r"^\(3\) roof"))
    page.reload()
    expect(count).to_have_text("3 unread")
    room_button(page, "cellar").click()
    expect(count).to_be_hidden()
    expect(page).to_have_title(re.compile("^cellar"))
    write(page, "I have read it")
    join(page, "roof")
    expect(page).to_have_title(re.compile("^roof"))
