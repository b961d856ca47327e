"""The two ends of a driver: commands come in as JSON lines, what happens goes out as JSON lines.

A command names what to `do`, and its arguments: connect (url, page), send (text), send_bytes,
send_bad_text, ping (data), close (code, reason). What happens is an `event`: open, refused
(status), text (text), pong (data), closed (code, reason). What a client does not tell is null.
A driver has one connection at a time, and ends with its standard input.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any, TypeAlias

Command: TypeAlias = dict[str, Any]

# No UTF-8 begins so.
BAD_TEXT = b"\xff\xfe"

# Any bytes: the chat speaks text only.
SOME_BYTES = b"\x00\x01"

# What a connection that ended without a Close frame counts as.
ABNORMAL = 1006


def tell(event: str, **facts: object) -> None:
    """Something happened."""
    sys.stdout.write(json.dumps({"event": event, **facts}) + "\n")
    sys.stdout.flush()


def commands() -> Iterator[Command]:
    """What to do next, until there is nothing more to do. Blocks."""
    for line in sys.stdin:
        yield json.loads(line)
