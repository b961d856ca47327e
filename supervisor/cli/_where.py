"""Which supervisor is meant: its socket, or its console's address. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

SOCKET_VARIABLE, TOKEN_VARIABLE = "TROUPER_SOCKET", "TROUPER_TOKEN"

DEFAULT_SOCKET = "trouper.sock"


@attrs.frozen
class Where:
    """One of the two is there."""

    socket: str | None
    url: str | None
    token: str | None = attrs.field(repr=False)

    def __str__(self) -> str:
        if self.url is not None:
            return self.url
        assert self.socket is not None
        return self.socket if "/" in self.socket else f"./{self.socket}"


def where(
    environ: Mapping[str, str], *, socket: str | None = None, url: str | None = None, token: str | None = None
) -> Where:
    """What was said on the command line comes before the environment, and an address before a socket."""
    token = token or environ.get(TOKEN_VARIABLE) or None
    if url is not None:
        return Where(None, url.rstrip("/"), token)
    return Where(socket or environ.get(SOCKET_VARIABLE) or DEFAULT_SOCKET, None, token)
