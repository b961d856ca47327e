"""The real page in Chromium, talking to the real server and to a client of the package `websockets`."""

from __future__ import annotations

from playwright.sync_api import expect

from .pages import Tabs, enter, is_in, joined, shows, write
from .support import TOKENS, Serve, Server, peer, request, wait_until

STEPS = ["agent_started", "agent_thinking", "tool_executing", "tool_completed", "agent_completed"]


def test_the_page_and_a_client_of_another_make_chat_with_each_other(site: Server, tabs: Tabs) -> None:
    page = enter(tabs, site, "alice", "garden")
    with peer(site.ws, "bob") as bob:
        joined(bob, "garden")
        expect(page.locator('#members li[data-user="bob"]')).to_be_visible()
        write(page, "hello <b>bob</b> & all")
        assert bob.until("typing") == {"type": "typing", "room": "garden", "user": "alice"}
        message = bob.until("message")
        assert (message["seq"], message["user"], message["text"]) == (1, "alice", "hello <b>bob</b> & all")
        bob.send("typing", room="garden")
        expect(page.locator("#typing")).to_contain_text("bob")
        assert bob.say("garden", "hello alice", "1") == 2
        shows(page, [("alice", "hello <b>bob</b> & all"), ("bob", "hello alice")])
    other = enter(tabs, site, "carol", "garden")
    shows(other, [("alice", "hello <b>bob</b> & all"), ("bob", "hello alice")])


def test_the_assistants_five_steps_are_shown_as_they_come(site: Server, tabs: Tabs) -> None:
    page = enter(tabs, site, "alice", "kitchen")
    with peer(site.ws, "bob") as bob:
        joined(bob, "kitchen").say("kitchen", "the cake is in the oven", "cake")
    page.click("#ask-toggle")
    write(page, "where is the cake?")
    expect(page.locator(".agent .answer")).to_contain_text("the cake is in the oven")
    steps = page.locator(".agent .step")
    expect(steps).to_have_count(len(STEPS))
    assert [step.get_attribute("data-type") for step in steps.all()] == STEPS


def test_a_refused_tab_says_why_and_is_let_in_when_the_holder_is_stuck(serve: Serve, tabs: Tabs) -> None:
    server = serve(limit=1)
    first = tabs.open(server, "alice")
    is_in(first, "online")
    second = tabs.open(server, "alice")
    expect(second.locator("#refused")).to_be_visible()
    is_in(second, "refused")
    expect(second.locator("#refused-reason")).to_contain_text("Limit reached: 1 of 1 sessions alive.")
    expect(second.locator("#refused-holders li")).to_have_count(1)
    second.click("#refused-retry")
    is_in(second, "refused")
    first.click("#sessions-toggle")
    session = first.locator("#sessions li[data-session]")
    expect(session).to_have_attribute("data-state", "healthy")
    stuck = session.get_attribute("data-session")
    session.locator("button.wedge").click()
    expect(session).to_have_attribute("data-state", "busy")
    wait_until(lambda: stuck not in states(server, "busy", "healthy"), "it is past its budget")
    # Not `click`: it tries again by itself too, and may just have been let in.
    second.dispatch_event("#refused-retry", "click")
    is_in(second, "online")
    expect(second.locator("#refused")).to_be_hidden()
    write(second, "in at last")
    shows(second, [("alice", "in at last")])
    expect(first.locator("#refused")).to_be_visible()
    assert "ended: unresponsive" in server.said


def states(server: Server, *states: str) -> set[str]:
    """Alice's sessions in these states."""
    _, stands = request(server.http, "GET", "/sessions", token=TOKENS.issue("alice"))
    return {session["session"] for session in stands["sessions"] if session["state"] in states}


def test_the_page_survives_the_servers_death_without_gap_or_duplicate(serve: Serve, tabs: Tabs) -> None:
    server = serve()
    page = enter(tabs, server, "alice", "garden")
    write(page, "one")
    shows(page, [("alice", "one")])
    with peer(server.ws, "bob") as bob:
        assert joined(bob, "garden").say("garden", "two", "1") == 2
    shows(page, [("alice", "one"), ("bob", "two")])
    server.kill()
    is_in(page, "reconnecting")
    write(page, "written while nobody listened")
    expect(page.locator("#messages .message.pending .text")).to_have_text(["written while nobody listened"])
    server = serve(http=server.http, ws=server.ws)
    with peer(server.ws, "bob") as bob:
        joined(bob, "garden", since=2)
        is_in(page, "online")
        message = bob.until("message", user="alice")
        assert message["text"] == "written while nobody listened"
        assert bob.say("garden", "the last", "2") == message["seq"] + 1
    story = [
        ("alice", "one"),
        ("bob", "two"),
        ("alice", "written while nobody listened"),
        ("bob", "the last"),
    ]
    shows(page, story)
    page.reload()
    is_in(page, "online")
    shows(page, story)
