"""Which public modules want an extra, and what they say without it."""

from __future__ import annotations

import attrs


@attrs.frozen
class Optional:
    """A module that cannot be imported with the core alone."""

    module: str
    extra: str
    libraries: tuple[str, ...]
    """As they are imported."""
    needs: str
    """As they are called where they are installed from."""

    @property
    def complaint(self) -> str:
        """The last line of the traceback."""
        return f"ImportError: {self.module} needs {self.needs}: install trouper[{self.extra}]"

    def __str__(self) -> str:
        return self.module


_WEB = ("starlette", "hypercorn", "msgspec"), "starlette, hypercorn and msgspec"
_WEBSOCKET = ("trio_websocket",), "trio-websocket"

OPTIONAL = (
    Optional("actors.websocket", "websocket", *_WEBSOCKET),
    Optional("supervisor.cluster", "cluster", ("coredis",), "coredis"),
    Optional("supervisor.console", "console", *_WEB),
    Optional("supervisor.journal", "journal", ("cattrs",), "cattrs"),
    Optional("supervisor.metrics.opentelemetry", "opentelemetry", ("opentelemetry",), "opentelemetry-api"),
    Optional("supervisor.metrics.prometheus", "prometheus", ("prometheus_client",), "prometheus-client"),
    Optional("supervisor.operations", "console", *_WEB),
    Optional("supervisor.settings", "settings", ("typed_settings",), "typed-settings"),
    Optional("supervisor.testing", "testing", ("hypothesis",), "hypothesis"),
    Optional("supervisor.testing.websocket", "websocket", *_WEBSOCKET),
)
