"""ClusterSpec: how a node is to behave in a cluster; every number with its unit and its reason."""

from __future__ import annotations

import enum
import math
from typing import Any

import attrs


class OnLeaseLost(enum.Enum):
    """What a node does when it cannot renew its lease in time."""

    STOP = "stop"
    """It ends its managers before others may take their slots: the limit holds, users reconnect."""
    KEEP = "keep"
    """It keeps and admits on: users stay, and the limit may be exceeded until they leave."""


def _seconds(_: Any, attribute: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(f"{attribute.name} must be a number of seconds, not {value!r}")
    if not 0 < value < math.inf:
        raise ValueError(f"{attribute.name} must be more than 0 seconds, and finite, not {value!r}")


def _words(_: Any, attribute: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{attribute.name} must be a str, not {value!r}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(
            f"{attribute.name} has half a character in it, as if decoded wrongly: {value!r}"
        ) from None


def without_braces(instance: Any, attribute: attrs.Attribute[Any], value: str) -> None:
    """A prefix with braces would end the hash tag elsewhere, and could make its keys those of another."""
    _words(instance, attribute, value)
    if not value or set(value) & set("{}"):
        raise ValueError(f"{attribute.name} must not be empty nor have braces in it, not {value!r}")


def _count(_: Any, attribute: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{attribute.name} must be a whole number, not {value!r}")
    if value < 1:
        raise ValueError(f"{attribute.name} must be 1 or more, not {value!r}")


@attrs.frozen(kw_only=True)
class ClusterSpec:
    """How a node is to behave. `lease`, `prefix` and `log_length` must be the same on all nodes."""

    lease: float = attrs.field(default=15.0, validator=_seconds)
    """For how long the engine counts a node as alive after its last beat, in seconds. The slots of a node
    that dies come back within so long; an engine that is away for longer ends what all nodes run."""
    margin: float | None = attrs.field(default=None, validator=attrs.validators.optional(_seconds))
    """A node ends what it runs so many seconds before the engine would: time for a last cleanup, and for
    clocks that run at different rates. None: a twentieth of the lease, and at least 0.3 s."""
    on_lease_lost: OnLeaseLost = attrs.field(
        default=OnLeaseLost.STOP, validator=attrs.validators.instance_of(OnLeaseLost)
    )
    call_timeout: float = attrs.field(default=1.0, validator=_seconds)
    """No single call of the engine takes longer, in seconds; past it the connection is given up."""
    admission_deadline: float = attrs.field(default=1.0, validator=_seconds)
    """How long an admission waits for an engine that is away, and for other nodes that are asked to judge and
    reap, in seconds each. On a network without trouble both take milliseconds."""
    reconcile_period: float = attrs.field(default=30.0, validator=_seconds)
    """How often what the engine counts is compared with who is here, in seconds; and after each reconnect."""
    prefix: str = attrs.field(default="trouper", validator=without_braces)
    """Of all keys and channels: two clusters on one engine have two prefixes."""
    name: str = attrs.field(default="", validator=_words)
    """What people call this node; empty: host and process id."""
    address: str = attrs.field(default="", validator=_words)
    """Where clients reach this node; others are told, to redirect or forward them. Empty: nowhere."""
    log_length: int = attrs.field(default=10_000, validator=_count)
    """So many entries of each log are kept, some more for the engine's ease."""
    log_memory: float = attrs.field(default=3600.0, validator=_seconds)
    """An entry that is appended twice within so many seconds is stored once."""

    def __attrs_post_init__(self) -> None:
        if self.safety >= self.lease / 2:
            raise ValueError(
                f"lease of {self.lease:g} s is too short: a node gives up {self.safety:g} s before its end"
                " (margin), which must be less than half of it"
            )

    @property
    def safety(self) -> float:
        """The margin as a number of seconds."""
        return max(0.05 * self.lease, 0.3) if self.margin is None else self.margin

    @property
    def beat(self) -> float:
        """Seconds from one renewal to the next."""
        return self.lease / 4

    @property
    def retry(self) -> float:
        """Seconds from a renewal that failed to the next try."""
        return self.lease / 40
