"""The servers of the end-to-end tests: in this process, and as processes of their own."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec
import pytest
from playwright.sync_api import Browser

from .gate import Gate, open_gate
from .pages import Tabs, open_browser
from .support import PATIENCE, ROOT, SECRET, Chat, Serve, Server, open_chat


@pytest.fixture
async def chat(tmp_path: Path) -> AsyncGenerator[Chat]:
    """A server in this process with the usual limits and durations."""
    async with open_chat(tmp_path) as chat:
        yield chat


@pytest.fixture
def serve(tmp_path: Path) -> Generator[Serve]:
    """Start server processes on one database; each must end within a bounded time, with status 0."""
    with ExitStack() as servers:

        def start(
            *,
            limit: int = 20,
            http: int = 0,
            ws: int = 0,
            journal: Path | None = None,
            module: str = "examples.chat",
        ) -> Server:
            more = ["--journal", str(journal)] if journal is not None else []
            server = running_server(tmp_path, *more, limit=limit, http=http, ws=ws, module=module)
            return servers.enter_context(server)

        yield start


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    """A server process that all tests of a file share; each has users and rooms of its own."""
    with running_server(tmp_path_factory.mktemp("site"), limit=20, http=0, ws=0) as server:
        yield server


@pytest.fixture
def gate(site: Server) -> Generator[Gate]:
    """A gate in front of the shared server."""
    with open_gate(site.ws) as gate:
        yield gate


# Not for the whole run: Playwright's event loop must have ended before Trio's begins.
@pytest.fixture(scope="module")
def browser() -> Generator[Browser]:
    with open_browser() as browser:
        yield browser


@pytest.fixture
def tabs(browser: Browser) -> Generator[Tabs]:
    tabs = Tabs(browser)
    yield tabs
    tabs.close()
    assert tabs.problems == [], "errors in the page"


@contextmanager
def running_server(
    folder: Path,
    *more: str,
    limit: int = 20,
    http: int = 0,
    ws: int = 0,
    module: str = "examples.chat",
    warnings: tuple[str, ...] = ("error",),
) -> Generator[Server]:
    filters = [word for warning in warnings for word in ("-W", warning)]
    command = [sys.executable, *filters, "-m", module, "--limit", str(limit)]
    command += ["--database", str(folder / "chat.sqlite3"), "--http-port", str(http), "--ws-port", str(ws)]
    mark = secrets.token_hex(4)
    log, control = folder / f"log-{mark}.txt", folder / f"{mark}.sock"
    command += ["--control", str(control), *more]
    environ = os.environ | {"TROUPER_CHAT_SECRET": SECRET}
    with log.open("w") as errors:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=errors, text=True
        )
    with process:  # closes its pipe
        try:
            ports = ports_of(process)
            assert ports is not None, f"it did not start: {log.read_text()}"
            server = Server(process, log, control, http=ports["http"], ws=ports["ws"])
            yield server
            if process.poll() is None:
                server.end()
        finally:
            process.kill()


def ports_of(process: subprocess.Popen[str]) -> dict[str, int] | None:
    """The last line of the start-up; None if it ended before."""
    impatience = threading.Timer(PATIENCE, process.kill)
    impatience.start()
    try:
        assert process.stdout is not None
        lines = (line for line in process.stdout if line.startswith("{"))
        return msgspec.json.decode(next(lines, "null"), type=dict[str, int] | None)
    finally:
        impatience.cancel()
