"""What is no question, and no order: it does nothing, and says what is wrong."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from tests.supervisor.harness import Crowd, all_answer

from .kit import JSON, site

LOOKS = ("overview", "history", "events", "users", "user", "refusals", "dump", "stream")
ACTS = ("cleanup", "stop", "limit", "probing")


# What is no question


@pytest.mark.parametrize("path", ["", "nothing", "user/alice", "overview/x", "../overview"])
async def test_elsewhere_there_is_nothing(path: str, autojump_clock: MockClock) -> None:
    async with site() as here:
        for answer in (await here.client.get(path), await here.client.post(path, {})):
            assert (answer.status, answer.error) == (404, "there is nothing here")


@pytest.mark.parametrize("path", LOOKS)
async def test_what_is_shown_is_not_done(path: str, autojump_clock: MockClock) -> None:
    async with site() as here:
        answer = await here.client.post(path, {})
        assert answer.status == 405
        assert "GET shows" in answer.error


@pytest.mark.parametrize("path", ACTS)
async def test_what_is_done_is_not_shown(path: str, autojump_clock: MockClock) -> None:
    async with site() as here:
        assert (await here.client.get(path)).status == 405


@pytest.mark.parametrize(("path", "name"), [("users", "start"), ("users", "count"), ("events", "last")])
@pytest.mark.parametrize("value", ["-1", "1.5", "ten", "", "\u0661", "1" * 16, "0x1", " 1"])
async def test_a_number_that_is_none_is_an_error(
    path: str, name: str, value: str, autojump_clock: MockClock
) -> None:
    async with site() as here:
        answer = await here.client.get(path, **{name: value})
        assert answer.status == 400
        assert answer.error == f"{name} must be a whole number, 0 or more, not {value!r}"


# Wrong requests


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("probing", b""),
        ("probing", b"on=true"),
        ("probing", b'{"on": true'),
        ("probing", b'{"on": true}}'),
        ("probing", b"[]"),
        ("probing", b"null"),
        ("probing", b"{}"),
        ("probing", b'{"on": 1}'),
        ("probing", b'{"on": "true"}'),
        ("probing", b'{"on": null}'),
        ("probing", b'{"on": true, "off": false}'),
        ("probing", b'{"on": NaN}'),
        ("probing", b"\xff\xfe\xfd"),
        ("probing", b"[" * 90_000),
        ("limit", b'{"limit": 2.5}'),
        ("limit", b'{"limit": "2"}'),
        ("limit", b'{"limit": true}'),
        ("limit", b'{"limit": Infinity}'),
        ("limit", b'{"limit": ' + b"9" * 5_000 + b"}"),
        ("limit", b'{"user": 7, "limit": 2}'),
        ("stop", b'{"key": "tab-0"}'),
        ("stop", b'{"user": null}'),
        ("stop", b'{"user": "alice", "key": 0}'),
        ("stop", b'{"user": "alice", "key": "tab-0", "incarnation": "1"}'),
        ("cleanup", b'{"user": "alice"}'),
        ("cleanup", b'{"user": "alice", "dry_run": null}'),
    ],
)
async def test_a_wrong_body_does_nothing_and_says_what_is_wrong(
    path: str, body: bytes, autojump_clock: MockClock
) -> None:
    async with site(5) as here:
        refs = await Crowd(here.supervisor).add("tab", 1)
        happened = len(here.log.all)
        answer = await here.client.post(path, body=body)
        assert answer.status == 400
        assert answer.error.startswith("the body is wrong: ")
        assert len(here.log.all) == happened
        assert await all_answer(refs)


@pytest.mark.parametrize(
    "kind",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "application/jsonp"],
)
async def test_a_form_of_a_browser_does_nothing(kind: str, autojump_clock: MockClock) -> None:
    async with site() as here:
        answer = await here.client.post("probing", {"on": False}, headers={"Content-Type": kind})
        assert (answer.status, answer.error) == (415, "send JSON: Content-Type: application/json")
        assert here.supervisor.spec.probing


async def test_the_content_type_may_say_more(autojump_clock: MockClock) -> None:
    async with site() as here:
        headers = {"Content-Type": f"{JSON.title()}; charset=utf-8"}
        assert (await here.client.post("probing", {"on": False}, headers=headers)).status == 200


async def test_a_body_that_is_too_long_is_not_read(autojump_clock: MockClock) -> None:
    async with site() as here:
        chunks = [b'{"on": ', *[b" " * 1_000] * 200]
        read = 0

        async def receive() -> Any:
            nonlocal read
            await trio.lowlevel.checkpoint()
            read += 1
            return {"type": "http.request", "body": chunks[read - 1], "more_body": True}

        said: list[Any] = []

        async def send(message: Any) -> None:
            await trio.lowlevel.checkpoint()
            said.append(message)

        scope = here.client.scope("POST", "/probing", headers={"Content-Type": JSON})
        await here.client.app(scope, receive, send)
        assert said[0]["status"] == 413
        assert read == 101


async def test_a_body_that_comes_in_pieces_is_put_together(autojump_clock: MockClock) -> None:
    async with site() as here:
        scope = here.client.scope("POST", "/probing", headers={"Content-Type": JSON})
        assert (await here.client.send(scope, b'{"o', b"", b'n": fal', b"se}")).json["probing"] is False


async def test_a_client_that_goes_in_the_middle_of_its_body_does_no_harm(autojump_clock: MockClock) -> None:
    async with site() as here:
        said: list[Any] = []

        async def receive() -> Any:
            await trio.lowlevel.checkpoint()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            await trio.lowlevel.checkpoint()
            said.append(message)

        scope = here.client.scope("POST", "/probing", headers={"Content-Type": JSON})
        await here.client.app(scope, receive, send)
        assert said[0]["status"] == 400
        assert here.supervisor.spec.probing
