"""Drives Chromium: its own WebSocket, in a page that the chat has served."""

from __future__ import annotations

import asyncio
import sys

from playwright.async_api import Page, async_playwright

from tests.chat.pages import ARGUMENTS

from .lines import SOME_BYTES, Command, tell
from .lines_asyncio import commands

# A browser says neither why a handshake was refused nor anything of pings.
CONNECT = """
(url) => {
    const socket = new WebSocket(url);
    let opened = false;
    socket.onopen = () => { opened = true; tell("open", {}); };
    socket.onmessage = ({ data }) => tell("text", { text: data });
    socket.onclose = ({ code, reason }) =>
        opened ? tell("closed", { code, reason }) : tell("refused", { status: null });
    window.socket = socket;
}
"""
SEND = "(text) => window.socket.send(text)"
SEND_BYTES = "(bytes) => window.socket.send(new Uint8Array(bytes))"
CLOSE = "([code, reason]) => window.socket.close(code, reason)"


def told(event: str, facts: dict[str, object]) -> None:
    """What the page says happened."""
    tell(event, **facts)


async def obey(page: Page, command: Command) -> None:
    match command["do"]:
        case "connect":
            # From about:blank it would refuse an address of the loopback.
            await page.goto(command["page"])
            await page.evaluate(CONNECT, command["url"])
        case "send":
            await page.evaluate(SEND, command["text"])
        case "send_bytes":
            await page.evaluate(SEND_BYTES, list(SOME_BYTES))
        case "close":
            await page.evaluate(CLOSE, [command["code"], command["reason"]])
        case unknown:
            raise ValueError(unknown)


async def main(executable: str) -> None:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        page = await browser.new_page()
        await page.expose_function("tell", told)  # pyright: ignore[reportUnknownMemberType]
        async for command in commands():
            await obey(page, command)
        await browser.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
