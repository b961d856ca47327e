"""The clients that are tested, and what runs each of them."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import attrs

from tests.chat.pages import NO_CHROMIUM

DRIVERS = Path(__file__).parent / "drivers"

# Where npm's packages are: NODE_PATH, or beside Python's own packages.
NODE_MODULES = Path(os.environ.get("NODE_PATH") or Path(sys.prefix) / "node" / "node_modules")
NO_NODE = "There is no `node` on the PATH: install it, say with `apt-get install nodejs npm`."
NO_WS = f"Node's `ws` is not in {NODE_MODULES}: `npm install --prefix {NODE_MODULES.parent} ws`."


class MissingError(Exception):
    """The client is not on this machine; says how to get it."""


@attrs.frozen
class Kind:
    """One client, and what it can do. `tests/clients/drivers` has a program for each."""

    name: str
    pings: bool = True
    """Sends pings, and shows the pongs."""
    bad_text: bool = True
    """Can be made to send a text that is no UTF-8."""
    status: bool = True
    """Says with which status of HTTP it was refused."""
    pages: bool = False
    """Is made to connect by web pages."""

    def command(self) -> tuple[list[str], Mapping[str, str]]:
        """What to run, and with what in the environment. Raises MissingError."""
        if self.name == "node_ws":
            return [_found("node", NO_NODE), str(DRIVERS / "node_ws.js")], {"NODE_PATH": _node_modules()}
        python = [sys.executable, "-W", "error", "-m", f"tests.clients.drivers.{self.name}"]
        return [*python, _found("chromium", NO_CHROMIUM)] if self.name == "chromium" else python, {}


def _found(program: str, otherwise: str) -> str:
    path = shutil.which(program)
    if path is None:
        raise MissingError(otherwise)
    return path


def _node_modules() -> str:
    if not (NODE_MODULES / "ws").is_dir():
        raise MissingError(NO_WS)
    return str(NODE_MODULES)


KINDS = (
    Kind("websockets_sync"),
    Kind("websockets_asyncio"),
    Kind("websocket_client"),
    Kind("aiohttp_client"),
    Kind("node_ws"),
    Kind("chromium", pings=False, bad_text=False, status=False, pages=True),
)
