"""Who may look, and who may act: nobody from elsewhere, no page from elsewhere, nobody unasked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
from starlette.requests import HTTPConnection
from trio.testing import MockClock

from supervisor.operations import Access, Authorize, bearer, on_loopback, operations_app

from .kit import HERE, Client, Headers, Site, site

TOKEN = "a token that nobody guesses"  # noqa: S105  # of these tests

PROBING = {"on": False}


def connection(client: str | None, host: str | None, **headers: str) -> HTTPConnection:
    """A request's head."""
    given = headers if host is None else headers | {"host": host}
    raw = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in given.items()]
    address = None if client is None else (client, 1)
    return HTTPConnection({"type": "http", "client": address, "headers": raw})


@pytest.mark.parametrize(
    ("client", "host"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.1", "127.0.0.1:8000"),
        ("127.8.9.10", "localhost:8000"),
        ("127.0.0.1", "LocalHost"),
        ("::1", "[::1]:8000"),
        ("::1", "localhost"),
        ("::ffff:127.0.0.1", "127.0.0.1:8000"),
    ],
)
def test_a_neighbour_that_asks_for_this_machine_may_act(client: str, host: str) -> None:
    assert on_loopback(connection(client, host)) is Access.ACT


@pytest.mark.parametrize(
    ("client", "host"),
    [
        ("192.168.1.7", "localhost"),
        ("10.0.0.1", "127.0.0.1"),
        ("fe80::1", "[::1]"),
        ("::ffff:10.0.0.1", "127.0.0.1"),
        ("0.0.0.0", "127.0.0.1"),  # noqa: S104  # nobody binds here
        ("", "127.0.0.1"),
        ("not an address", "127.0.0.1"),
        (None, "127.0.0.1"),
    ],
)
def test_nobody_from_elsewhere_may_look_whatever_he_asks_for(client: str | None, host: str) -> None:
    assert on_loopback(connection(client, host)) is Access.NONE


@pytest.mark.parametrize(
    "host",
    [
        "attacker.example",
        "attacker.example:8000",
        "localhost.attacker.example",
        "127.0.0.1.attacker.example",
        "0.0.0.0:8000",
        "192.168.1.7",
        "",
        "[",
        "[::1",
        ":8000",
        "::1",
        None,
    ],
)
def test_a_name_that_somebody_points_here_makes_no_neighbour(host: str | None) -> None:
    assert on_loopback(connection("127.0.0.1", host)) is Access.NONE


@pytest.mark.parametrize("header", ["forwarded", "via", "x_forwarded_for", "x_forwarded_host", "x_real_ip"])
def test_whom_a_proxy_sends_on_is_no_neighbour(header: str) -> None:
    assert on_loopback(connection("127.0.0.1", "127.0.0.1", **{header: "127.0.0.1"})) is Access.NONE


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_who_bears_the_token_may_act_wherever_he_is(scheme: str) -> None:
    asked = connection("203.0.113.9", "ops.example", authorization=f"{scheme} {TOKEN}")
    assert bearer(TOKEN)(asked) is Access.ACT


@pytest.mark.parametrize(
    "given",
    [
        None,
        "",
        TOKEN,
        "Bearer",
        "Bearer ",
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN}x",
        f"Basic {TOKEN}",
        "Bearer \xff",
    ],
)
def test_who_does_not_bear_it_may_not_look_even_here(given: str | None) -> None:
    headers = {} if given is None else {"authorization": given}
    assert bearer(TOKEN)(connection("127.0.0.1", "127.0.0.1", **headers)) is Access.NONE


@pytest.mark.parametrize("token", ["", "secret", "x" * 15])
def test_a_token_that_could_be_guessed_is_refused(token: str) -> None:
    with pytest.raises(ValueError, match=r"secrets\.token_urlsafe"):
        bearer(token)


# Pages from elsewhere

OURS = "http://127.0.0.1:8000"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),  # a program
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "same-origin", "Origin": OURS}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": OURS}, 403),
        ({"Sec-Fetch-Site": "anything"}, 403),
        ({"Origin": OURS}, 200),  # a browser of old
        ({"Origin": "http://127.0.0.1:9000"}, 403),
        ({"Origin": "http://localhost:8000"}, 403),
        ({"Origin": "https://attacker.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": ""}, 403),
        ({"Origin": "http://["}, 403),
    ],
)
async def test_a_page_from_elsewhere_sees_and_does_nothing_here(
    headers: Headers, status: int, autojump_clock: MockClock
) -> None:
    async with site() as here:
        page = Client(operations_app(here.operations), headers={"Host": "127.0.0.1:8000", **headers})
        assert (await page.get("overview")).status == status
        answer = await here.client.post("probing", PROBING, headers=headers)
        assert answer.status == status
        assert here.supervisor.spec.probing is (status == 403)
        if status == 403:
            assert answer.error == "a page from elsewhere sent this; nothing was done"


async def test_an_origin_without_a_place_does_not_equal_an_empty_host(autojump_clock: MockClock) -> None:
    async with site() as here:
        client = Client(operations_app(here.operations, lambda _: Access.ACT), headers={"Host": ""})
        assert (await client.post("probing", PROBING, headers={"Origin": "null"})).status == 403


# What is asked of everybody

LOOKS = ("overview", "history", "events", "users", "user?name=alice", "refusals", "dump", "stream")
ACTS = ("cleanup", "stop", "limit", "probing")


async def try_all(here: Site, authorize: Authorize | None, address: tuple[str, int]) -> dict[str, int]:
    """How each is answered."""
    client = Client(operations_app(here.operations, authorize), address=address)
    bodies: dict[str, Any] = {
        "cleanup": {"dry_run": True},
        "stop": {"user": "nobody"},
        "limit": {"user": "alice", "limit": 7},
        "probing": PROBING,
    }
    looks = {name: (await client.get(name.split("?")[0], name="alice")).status for name in LOOKS[:-1]}
    return looks | {name: (await client.post(name, bodies[name])).status for name in ACTS}


def answering(access: Any) -> Authorize:
    def authorize(_: HTTPConnection) -> Access:
        answer: Access = access
        return answer

    return authorize


def in_time(access: Any) -> Authorize:
    async def authorize(_: HTTPConnection) -> Access:
        await trio.sleep(1)
        answer: Access = access
        return answer

    return authorize


HOW: list[Callable[[Any], Authorize]] = [answering, in_time]


@pytest.mark.parametrize("how", HOW)
async def test_whoever_may_act_may_look(how: Callable[[Any], Authorize], autojump_clock: MockClock) -> None:
    async with site() as here:
        answers = await try_all(here, how(Access.ACT), ("203.0.113.9", 1))
        assert {name for name, status in answers.items() if status != 200} == {"stop"}  # of nobody: 404


@pytest.mark.parametrize("how", HOW)
async def test_whoever_may_look_may_not_act(
    how: Callable[[Any], Authorize], autojump_clock: MockClock
) -> None:
    async with site() as here:
        answers = await try_all(here, how(Access.LOOK), HERE)
        assert answers == dict.fromkeys(LOOKS[:-1], 200) | dict.fromkeys(ACTS, 403)
        looker = Client(operations_app(here.operations, how(Access.LOOK)))
        assert (await looker.get("overview")).json["access"] == "look"
        assert (await here.client.get("overview")).json["access"] == "act", (
            "the overview is made once for both"
        )
        assert here.supervisor.spec.probing
        assert here.supervisor.own_limits == {}


@pytest.mark.parametrize("access", [Access.NONE, None, False, True, "act", 1])
@pytest.mark.parametrize("how", HOW)
async def test_without_a_clear_answer_nobody_may_even_look(
    how: Callable[[Any], Authorize], access: object, autojump_clock: MockClock
) -> None:
    async with site() as here:
        answers = await try_all(here, how(access), HERE)
        assert answers == dict.fromkeys((*LOOKS[:-1], *ACTS), 403)
        stream = await Client(operations_app(here.operations, how(access))).get("stream")
        assert stream.status == 403
        assert stream.error.startswith("not for you")


async def test_without_an_authorizer_only_neighbours_may(autojump_clock: MockClock) -> None:
    async with site() as here:
        assert set((await try_all(here, None, ("203.0.113.9", 1))).values()) == {403}
        assert (await try_all(here, None, HERE))["overview"] == 200


async def test_a_stream_is_asked_about_before_it_takes_a_place(autojump_clock: MockClock) -> None:
    asked: list[str] = []

    def authorize(request: HTTPConnection) -> Awaitable[Access]:
        asked.append(request.url.path)
        return no()

    async def no() -> Access:
        await trio.lowlevel.checkpoint()
        return Access.NONE

    async with site() as here:
        client = Client(operations_app(here.operations, authorize))
        for _ in range(25):
            assert (await client.get("stream")).status == 403
        assert asked == ["/stream"] * 25
