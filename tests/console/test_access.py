"""Who may look, and who may act; and what nobody may, whatever the page is told."""

from __future__ import annotations

import http.client
import json
import re
import socket
import subprocess
import sys
from contextlib import closing

import pytest
from playwright.sync_api import expect

from supervisor.operations import Access, bearer
from tests.chat.support import ROOT, wait_until

from .site import HOST, Site, open_site
from .window import Windows, is_live

TOKEN = "a-token-that-is-long-enough"  # noqa: S105  # it opens nothing else


def ask(
    site: Site, path: str, body: object = None, **headers: str
) -> tuple[int, http.client.HTTPMessage, str]:
    """One request, by a program."""
    connection = http.client.HTTPConnection(HOST, site.port, timeout=10)
    try:
        method = "GET" if body is None else "POST"
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, f"/console/{path}", None if body is None else json.dumps(body), fields)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read().decode()
    finally:
        connection.close()


def test_whoever_comes_under_another_name_gets_a_page_that_says_why(site: Site, windows: Windows) -> None:
    site.spawn("secret name", "a")
    url = site.url.replace(HOST, "elsewhere.localhost")
    page = windows.open(url)
    expect(page.get_by_role("heading", name="You may not look at this console")).to_be_visible()
    expect(page.locator("#refused-why")).to_contain_text("not for you")
    expect(page.locator("#refused-tunnel")).to_have_text(
        f"ssh -L {site.port}:127.0.0.1:{site.port} elsewhere.localhost"
    )
    expect(page.locator("#main")).to_be_hidden()
    expect(page.locator("#connection")).to_have_attribute("data-state", "refused")
    status, _, html = ask(site, "", Host="elsewhere.localhost")
    assert status == 403
    assert "You may not look at this console" in html
    assert "secret name" not in html
    assert ask(site, "api/overview", Host="elsewhere.localhost")[0] == 403
    assert ask(site, "")[0] == 200


def test_a_token_that_is_asked_for_lets_in(windows: Windows) -> None:
    with open_site(authorize=bearer(TOKEN)) as site:
        page = windows.open(site.url)
        expect(page.locator("#refused")).to_be_visible()
        page.fill("#token", "a wrong one, long enough")
        page.get_by_role("button", name="Look").click()
        expect(page.locator("#refused-why")).to_contain_text("not for you")
        page.fill("#token", TOKEN)
        page.get_by_role("button", name="Look").click()
        is_live(page)
        expect(page.locator("#headline")).to_have_text("Nobody is here.")
        expect(page.locator("#refused")).to_be_hidden()
        page.reload()
        is_live(page)


def test_who_may_look_is_told_so_and_offered_no_acts(windows: Windows) -> None:
    with open_site(authorize=lambda _: Access.LOOK) as site:
        site.wedge("ann", "a")
        page = windows.look(site, "#/user/ann")
        expect(page.locator("#version")).to_contain_text("you may look, not act")
        expect(page.locator("#user-managers")).to_contain_text("stuck")
        for act in ("Dry run for ann", "Clean", "Stop a", "Change the limit"):
            expect(page.get_by_role("button", name=act)).to_have_count(0)
        expect(page.get_by_role("switch", name="Probing")).to_be_disabled()


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site", "Origin": "http://127.0.0.1"},
    ],
)
def test_a_page_from_elsewhere_cannot_act(site: Site, headers: dict[str, str]) -> None:
    act = {"user": "ann", "limit": 0}
    status, _, said = ask(site, "api/limit", act, Content_Type="application/json", **headers)
    assert (status, site.limit_of("ann")) == (403, 20)
    assert "nothing was done" in json.loads(said)["error"]
    status, _, _ = ask(site, "api/limit", act, Content_Type="application/json")
    assert (status, site.limit_of("ann")) == (200, 0)


def test_in_a_browser_too_a_page_from_elsewhere_cannot_act(site: Site, windows: Windows) -> None:
    page = windows.open(site.url.replace(HOST, "elsewhere.localhost"), bypass_csp=True)
    for kind in ("text/plain", "application/json"):
        page.evaluate(
            """async ([url, kind]) => {
              const options = {method: "POST", mode: "no-cors", headers: {"Content-Type": kind},
                body: JSON.stringify({user: "ann", limit: 0})};
              await fetch(url, options).catch(() => null);
            }""",
            [f"{site.url}api/limit", kind],
        )
    assert site.limit_of("ann") == 20


@pytest.mark.parametrize("path", ["", "static/app.js", "static/theme.css", "api/overview", "static/nothing"])
def test_every_answer_lets_nothing_else_in(site: Site, path: str) -> None:
    _, headers, _ = ask(site, path)
    policy = headers["content-security-policy"].split("; ")
    assert {"default-src 'none'", "frame-ancestors 'none'"} <= set(policy)
    (scripts,) = (rule for rule in policy if rule.startswith("script-src"))
    assert re.fullmatch(r"script-src 'self' 'sha256-[\w+/]{43}='", scripts), "one inline script, and no other"
    assert not [rule for rule in policy if "unsafe" in rule or "*" in rule or "http" in rule]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"


def test_no_text_can_become_markup_even_by_mistake(site: Site, windows: Windows) -> None:
    page = windows.look(site)
    trick = "document.body.insertAdjacentHTML('beforeend', '<b id=tricked></b>')"
    with pytest.raises(Exception, match="TrustedHTML"):
        page.evaluate(trick)
    assert page.locator("#tricked").count() == 0
    windows.problems.clear()  # the browser complains of what was tried here


def test_it_works_wherever_it_is_mounted(site: Site, windows: Windows) -> None:
    page = windows.open(site.url.removesuffix("/"))
    is_live(page)
    assert page.url.rstrip("#/") == site.url.rstrip("/")
    resources: list[str] = page.evaluate(
        "performance.getEntriesByType('resource').map((entry) => entry.name)"
    )
    assert all(name.startswith(site.url) for name in resources)


def test_the_program_in_the_guides_serves_the_console() -> None:
    blocks: list[str] = re.findall(
        r"```python\n(.*?)```", (ROOT / "examples/README.md").read_text(), flags=re.DOTALL
    )
    [program] = [block for block in blocks if "supervisor.console" in block]
    with closing(socket.create_server((HOST, 0))) as listening:
        port = listening.getsockname()[1]
    bound = program.replace("Config()", f'Config.from_mapping(bind=["{HOST}:{port}"])')
    with subprocess.Popen([sys.executable, "-c", bound], cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        try:
            wait_until(lambda: serves_the_console(port), "the console is served")
        finally:
            process.terminate()


def serves_the_console(port: int) -> bool:
    with closing(http.client.HTTPConnection(HOST, port, timeout=10)) as connection:
        try:
            connection.request("GET", "/console/")
            return b"trouper console" in connection.getresponse().read()
        except ConnectionRefusedError:
            return False
