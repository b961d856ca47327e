"""Answers as JSON, and requests that must be JSON."""

from __future__ import annotations

import json
from contextlib import aclosing
from typing import TypeVar

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from ._access import Access
from ._shapes import Json
from ._unable import Unable

T = TypeVar("T")

# Longer bodies are not read, in bytes: they hold a name, which may be long, and little else.
LONGEST_BODY = 100_000

# Numbers of a query have fewer digits.
_DIGITS = 16


def as_json(facts: object) -> str:
    """ASCII, whatever the names: also of one that no encoding knows."""
    return json.dumps(facts, separators=(",", ":"), allow_nan=False)


def answer(facts: object, status: int = 200) -> Response:
    """It is of this moment: nobody keeps it."""
    return Response(as_json(facts), status, {"Cache-Control": "no-store"}, media_type="application/json")


def seen_by(access: Access, overview: Json) -> Json:
    """The overview is made once for all who look; what each may do stands beside it."""
    return {**overview, "access": access.value}


def refused(error: Unable) -> Response:
    return answer({"error": str(error)}, error.status)


async def body_of(request: Request, kind: type[T]) -> T:
    """The body; no form of a browser can send one. Raises Unable."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Unable(415, "send JSON: Content-Type: application/json")
    body = await _body(request)
    try:
        # Not by msgspec's own decoder: it knows no name with half of a surrogate pair in it.
        return msgspec.convert(json.loads(body), type=kind)
    except (ValueError, RecursionError) as error:
        raise Unable(400, f"the body is wrong: {error}") from None


async def _body(request: Request) -> bytes:
    body = b""
    try:
        async with aclosing(request.stream()) as chunks:
            async for chunk in chunks:
                body += chunk
                if len(body) > LONGEST_BODY:
                    raise Unable(413, f"the body is longer than {LONGEST_BODY} bytes")
    except ClientDisconnect:
        raise Unable(400, "the body broke off") from None
    return body


def number_of(request: Request, name: str, usual: int, *, most: int | None = None) -> int:
    """A number from the query, `most` at most. Raises Unable."""
    text = request.query_params.get(name)
    if text is None:
        return usual
    if not (text.isascii() and text.isdecimal() and len(text) < _DIGITS):
        raise Unable(400, f"{name} must be a whole number, 0 or more, not {text!r}")
    return int(text) if most is None else min(int(text), most)
