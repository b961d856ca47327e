"""In Chromium: how the connection stands, why it ended, and whether and when the page comes back."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from .gate import Gate
from .pages import AN_HOUR, LONGEST_PAUSE, Tabs, enter, is_in, join, log_in, stored, write
from .support import Server, wait_until

# What the ear is told of, in order.
LISTEN = """() => {
  window.heard = [];
  const said = document.getElementById("connection-said");
  new MutationObserver(() => heard.push(said.textContent)).observe(said, {childList: true, subtree: true});
}"""


def end(gate: Gate, code: int, reason: str) -> None:
    if code == 1006:
        gate.cut()
    else:
        gate.close(code, reason)


@pytest.mark.parametrize(
    ("code", "reason", "says"),
    [
        (1001, "session ended: shutdown", "The server is shutting down."),
        (1006, "", "The connection was cut off."),
        (1011, "session ended: unresponsive", "This session hung, so the server ended it."),
        (1012, "The server restarts. Retry in 1 s.", "The server restarts."),
        (4008, "too slow", "This tab read too slowly, so the server let go of it."),
    ],
)
def test_it_comes_back_by_itself_and_why_it_had_gone_stays_readable(
    site: Server, gate: Gate, tabs: Tabs, code: int, reason: str, says: str
) -> None:
    page = enter(tabs, site, f"user of {code}", f"room of {code}", gate=gate, own_clock=True)
    page.evaluate(LISTEN)
    gate.shut = True
    end(gate, code, reason)
    is_in(page, "reconnecting")
    expect(page.locator("#connection")).to_have_text(re.compile(r"Reconnecting in \d+ s"))
    write(page, "written meanwhile")
    for attempts in (2, 3):
        page.clock.fast_forward(LONGEST_PAUSE)
        wait_until(lambda: gate.came >= attempts, "one more attempt")  # noqa: B023  # called at once
        is_in(page, "reconnecting")
    expect(page.locator("#offline-text")).to_have_text(
        f"{says} What you write waits here and goes out by itself."
    )
    gate.shut = False
    page.clock.fast_forward(LONGEST_PAUSE)
    is_in(page, "online")
    expect(page.locator("#offline")).to_be_hidden()
    expect(page.locator(".message:not(.pending) .text")).to_have_text(["written meanwhile"])
    page.click("#connection")
    expect(page.locator("#connection-events li span")).to_have_text(["Online again.", says, "Online."])
    # One sentence for the whole outage, however many attempts it took.
    assert page.evaluate("heard") == [f"{says} What you write waits here and goes out by itself.", "Online."]


def test_try_now_does_not_wait_for_the_countdown(site: Server, gate: Gate, tabs: Tabs) -> None:
    page = tabs.open(site, "iris", gate=gate, own_clock=True)
    is_in(page, "online")
    page.clock.pause_at(page.evaluate("Date.now() + 1000"))
    gate.cut()
    is_in(page, "reconnecting")
    before = gate.came
    page.click("#retry-now")
    is_in(page, "online")
    assert gate.came == before + 1


@pytest.mark.parametrize(
    ("code", "reason", "says"),
    [
        (
            1001,
            "session ended: stopped",
            "This session was ended on purpose, by you or by whoever runs the server.",
        ),
        (1008, "too many messages", "The server did not accept what this tab sent: too many messages."),
    ],
)
def test_what_was_meant_is_not_undone_until_somebody_starts_again(
    site: Server, gate: Gate, tabs: Tabs, code: int, reason: str, says: str
) -> None:
    page = enter(tabs, site, f"judy {code}", f"den {code}", gate=gate, own_clock=True)
    end(gate, code, reason)
    is_in(page, "ended")
    expect(page.locator("#connection")).to_have_text("Connection: Offline")
    expect(page.locator("#offline-text")).to_have_text(f"{says} This tab does not come back by itself.")
    stays_away(page, gate)
    write(page, "kept for later")
    page.click("#retry-now")
    is_in(page, "online")
    expect(page.locator(".message:not(.pending) .text")).to_have_text(["kept for later"])


@pytest.mark.parametrize(
    ("code", "reason", "says"),
    [
        (4001, "logged out", "You have been logged out. Please log in again."),
        (4001, "log in again: the token has expired", "Your login has expired. Please log in again."),
        (
            1008,
            "the token is invalid; log in again",
            "Your login is not valid here any more. Please log in again.",
        ),
    ],
)
def test_without_a_good_token_one_is_asked_to_log_in_and_nothing_is_tried(
    site: Server, gate: Gate, tabs: Tabs, code: int, reason: str, says: str
) -> None:
    name = f"ken {len(says)}"
    page = tabs.open(site, name, gate=gate, own_clock=True)
    is_in(page, "online")
    join(page, "attic")
    session = stored(page)["session"]
    end(gate, code, reason)
    expect(page.locator("#login-error")).to_have_text(says)
    expect(page.locator("#login-name")).to_be_focused()
    assert "token" not in stored(page)
    stays_away(page, gate)
    log_in(page, name)
    is_in(page, "online")
    assert stored(page)["session"] == session
    expect(page.locator("#room-title")).to_have_text("attic")


def stays_away(page: Page, gate: Gate) -> None:
    before = gate.came
    page.clock.fast_forward(AN_HOUR)
    page.wait_for_timeout(200)
    assert gate.came == before, "it came back by itself"


def test_the_pauses_between_attempts_double_up_to_a_ceiling_and_differ_from_tab_to_tab(
    site: Server, tabs: Tabs
) -> None:
    page = tabs.open(site, "liam")
    pauses: list[list[float]] = page.evaluate(
        """async () => {
          const { backoff } = await import("/link.js");
          const chances = [0, 0.5, 1];
          return [0, 1, 2, 3, 9].map((attempt) => chances.map((chance) => backoff(attempt, () => chance)));
        }"""
    )
    assert [longest for _, _, longest in pauses] == [1000, 2000, 4000, 8000, 15000]
    assert all(shortest == 500 and shortest < middle < longest for shortest, middle, longest in pauses)


def test_what_has_piled_up_goes_out_no_faster_than_the_server_allows(site: Server, tabs: Tabs) -> None:
    page = tabs.open(site, "mona")
    sent_at: list[float] = page.evaluate(
        """async () => {
          const { Pace } = await import("/pace.js");
          const pace = new Pace();
          const sent = [];
          for (let now = 0; sent.length < 150; now += 50)
            while (sent.length < 150 && pace.permits(now)) { pace.count(now); sent.push(now); }
          return sent;
        }"""
    )
    rate, burst = 5.0, 100
    for start, begun in enumerate(sent_at):
        for count, at in enumerate(sent_at[start:], 1):
            assert count <= burst + rate * (at - begun) / 1000
