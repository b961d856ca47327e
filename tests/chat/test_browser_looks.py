"""In Chromium: the page for every eye, ear, hand and window, whatever people write into it."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from .gate import Gate
from .pages import Tabs, enter, is_in, join, joined, room_button, write
from .support import Server, peer

HOSTILE = '<img src=x onerror="window.hit=1"><script>window.hit=2</script>'
HOSTILE_NAME = "<img src=x onerror=hit=3>"
WIDE = [
    "Donaudampfschifffahrtsgesellschaft" * 6,
    "https://example.org/" + "x" * 300,
    "👩‍👩‍👧‍👦🏳️‍🌈🎉" * 60,
    "سلام " * 50,
]

# CSS pixels. The second is the first at 200 % zoom; the last is 1280 at 400 %, as WCAG 1.4.10 asks for.
WINDOWS = [(1280, 800), (640, 400), (360, 740), (320, 640)]

# The contrast of each text that is seen, against what lies under it; the colours as the browser mixed them.
CONTRASTS = """() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
  const over = (colors) => {
    canvas.fillStyle = "white";
    canvas.fillRect(0, 0, 1, 1);
    for (const color of colors) { canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1); }
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const luminance = (rgb) => {
    const linear = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = rgb.map((value) => linear(value / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const seen = (node) => node.checkVisibility({visibilityProperty: true, opacityProperty: true})
    && !node.closest(".visually-hidden, .skip, [inert], .author, button:disabled");
  const style = (node) => getComputedStyle(node);
  const under = (node) => (node ? [...under(node.parentElement), style(node).backgroundColor] : []);
  const found = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const node = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !seen(node)) continue;
    const colors = under(node);
    const [light, dark] = [over([...colors, style(node).color]), over(colors)].map(luminance)
      .sort((a, b) => b - a);
    found.push([(light + 0.05) / (dark + 0.05), `${node.className || node.id}: ${node.textContent}`]);
  }
  return found;
}"""


def test_what_people_write_is_text_and_nothing_else(site: Server, tabs: Tabs) -> None:
    page = enter(tabs, site, HOSTILE_NAME, HOSTILE_NAME)
    write(page, HOSTILE)
    with peer(site.ws, HOSTILE_NAME, session=HOSTILE[:64]) as script:
        joined(script, HOSTILE_NAME).say(HOSTILE_NAME, f"again {HOSTILE}", "1")
        page.click("#sessions-toggle")
        expect(page.locator("#sessions li[data-session]")).to_have_count(2)
        page.click("#ask-toggle")
        write(page, f"img onerror {HOSTILE}")
        expect(page.locator(".agent .source").first).to_be_visible()
    expect(page.locator(".message .text")).to_have_text([HOSTILE, f"again {HOSTILE}"])
    expect(page.locator("#me-name")).to_have_text(HOSTILE_NAME)
    assert page.locator("#app :is(img, script), [onerror]").count() == 0
    assert page.evaluate("window.hit") is None


def test_nothing_is_wider_than_the_window(site: Server, tabs: Tabs) -> None:
    page = enter(tabs, site, "W" * 40, "wide")
    join(page, "M" * 40)
    for text in WIDE:
        write(page, text)
    expect(page.locator("#messages .message")).to_have_count(len(WIDE))
    for width, height in WINDOWS:
        page.set_viewport_size({"width": width, "height": height})
        fits(page)
        expect(page.locator("#composer-send")).to_be_in_viewport(ratio=1)
        expect(page.locator("#connection")).to_be_in_viewport(ratio=1)
        page.click("#sessions-toggle")
        expect(page.locator("#sessions li[data-session]")).to_be_visible()
        fits(page)
        page.keyboard.press("Escape")
        expect(page.locator("#sessions")).to_be_hidden()


def fits(page: Page) -> None:
    parts = ["html", "#scroller", "#sidebar", "#side", "#conversation"]
    wider: list[str] = page.evaluate(
        "(parts) => parts.filter((part) => {"
        "  const node = document.querySelector(part); return node.scrollWidth > node.clientWidth; })",
        parts,
    )
    assert wider == [], page.viewport_size


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_enough_contrast(site: Server, gate: Gate, tabs: Tabs, scheme: str) -> None:
    page = enter(tabs, site, f"una {scheme}", f"look {scheme}", gate=gate)
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce")
    with peer(site.ws, "vic") as vic:
        joined(vic, f"look {scheme}").say(f"look {scheme}", "hello una", scheme)
    write(page, "hello vic")
    page.click("#ask-toggle")
    write(page, "who said hello?")
    expect(page.locator(".agent .source").first).to_be_visible()
    join(page, f"other {scheme}")
    room_button(page, f"look {scheme}").click()
    page.click("#sessions-toggle")
    expect(page.locator("#sessions li[data-session]")).to_be_visible()
    assert too_faint(page) == []
    gate.close(1001, "session ended: stopped")
    is_in(page, "ended")
    assert too_faint(page) == []
    page.click("#logout")
    expect(page.locator("#login")).to_be_visible()
    assert too_faint(page) == []


def too_faint(page: Page) -> list[str]:
    contrasts: list[tuple[float, str]] = page.evaluate(CONTRASTS)
    assert contrasts, "no text is seen at all"
    return [f"{contrast:.2f} {what}" for contrast, what in contrasts if contrast < 4.5]


def test_whoever_wants_no_motion_gets_none(site: Server, tabs: Tabs) -> None:
    page = enter(tabs, site, "will", "still")
    moving = "document.getAnimations().filter((a) => a.effect.getComputedTiming().activeDuration).length"
    with peer(site.ws, "xena") as xena:
        joined(xena, "still").send("typing", room="still")
        expect(page.locator("#typing")).to_contain_text("xena")
        assert page.evaluate(moving) > 0
        page.emulate_media(reduced_motion="reduce")
        assert page.evaluate(moving) == 0


def test_everything_can_be_done_with_the_keyboard_alone(site: Server, tabs: Tabs) -> None:
    page = tabs.open(site, "yves")
    is_in(page, "online")
    page.locator("body").press("Tab")
    page.locator("#rooms-title").evaluate("node => { node.tabIndex = -1; node.focus(); }")
    page.keyboard.press("Shift+Tab")
    expect(page.locator("#to-composer")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#composer-text")).to_be_focused()
    join(page, "upper")
    expect(page.locator("#composer-text")).to_be_focused()
    page.keyboard.press("Alt+ArrowUp")
    expect(page.locator("#room-title")).to_have_text("lobby")
    page.keyboard.press("Alt+ArrowDown")
    expect(page.locator("#room-title")).to_have_text("upper")
    page.keyboard.type("by hand")
    page.keyboard.press("Enter")
    expect(page.locator(".message .text")).to_have_text(["by hand"])
    page.focus("#rooms li:nth-child(2) .room-leave")
    page.keyboard.press("Enter")
    expect(room_button(page, "lobby")).to_be_focused()


def test_escape_closes_what_is_open_and_focus_goes_back_to_where_it_was(site: Server, tabs: Tabs) -> None:
    page = enter(tabs, site, "zoe", "hall")
    for opener, opened in [("#connection", "#connection-log"), ("#sessions-toggle", "#sessions")]:
        closes_on_escape(page, opener, opened)
    page.set_viewport_size({"width": 360, "height": 740})
    for opener, opened in [
        ("#connection", "#connection-log"),
        ("#rooms-toggle", "#rooms"),
        ("#members-toggle", "#members"),
        ("#sessions-toggle", "#sessions"),
    ]:
        closes_on_escape(page, opener, opened)


def closes_on_escape(page: Page, opener: str, opened: str) -> None:
    page.focus(opener)
    outline = page.locator(opener).evaluate("node => getComputedStyle(node).outlineStyle")
    page.keyboard.press("Enter")
    expect(page.locator(opened)).to_be_visible()
    if opened == "#sessions":
        page.focus("#sessions-close")
    page.keyboard.press("Escape")
    expect(page.locator(opened)).to_be_hidden()
    expect(page.locator(opener)).to_be_focused()
    assert outline == "solid", "the focus can be seen"


def test_a_room_is_read_out_from_when_it_has_come_in(site: Server, gate: Gate, tabs: Tabs) -> None:
    with peer(site.ws, "adam") as adam:
        joined(adam, "archive")
        for number in range(30):
            adam.say("archive", f"line {number}", f"{number}")
        page = tabs.open(site, "beth", gate=gate)
        is_in(page, "online")
        page.evaluate(
            """() => {
              window.readOut = 0;
              const log = document.getElementById("messages");
              new MutationObserver((changes) => {
                const count = changes.reduce((sum, change) => sum + change.addedNodes.length, 0);
                setTimeout(() => { if (log.ariaBusy === "false") readOut += count; }, 50);
              }).observe(log, {childList: true});
            }"""
        )
        gate.delay = 0.02
        join(page, "archive")
        expect(page.locator("#messages .message")).to_have_count(30)
        expect(page.locator("#messages")).to_have_attribute("aria-busy", "false")
        adam.say("archive", "news", "new")
        expect(page.locator("#messages .message")).to_have_count(31)
        page.wait_for_function("readOut > 0")
    assert page.evaluate("readOut") == 1, "nothing but the news"
