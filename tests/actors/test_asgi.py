"""Over ASGI a connection promises what it does over a wire of its own; a quiet client is asked by a text."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors import Connection, ConnectionClosed, ConnectionSpec
from actors._silence import PAST
from actors.asgi import AsgiSpec, Heartbeat, serve_asgi
from actors.websocket import Handler

from .papers import PaperClient, serving
from .test_connection import idle, listen

PING = '{"type":"ping"}'
PONG = '{"type":"pong"}'


async def echo(connection: Connection) -> None:
    while True:
        connection.send_nowait(await connection.receive())


def hearing(heard: list[str]) -> Handler:
    async def hear(connection: Connection) -> None:
        while True:
            heard.append(await connection.receive())

    return hear


async def test_what_is_said_comes_back_in_order_and_a_client_may_leave(autojump_clock: MockClock) -> None:
    client = PaperClient()
    texts = ["a", "", "ü" * 50_000, "\U0001f600" * 30_000, "e"]
    async with serving(client, echo) as served:
        for text in texts:
            client.say(text)
        await wait_all_tasks_blocked()
        assert client.log[0] == {"type": "websocket.accept"}
        assert client.texts == texts
        client.leave(1001, "closed the tab")
    assert served.crash is None
    assert served.connection is not None
    assert served.connection.closed is not None
    assert (served.connection.closed.code, served.connection.closed.reason) == (1001, "closed the tab")
    assert client.goodbyes == []
    assert repr(served.connection).startswith("<Connection 10.0.0.1:1234 closed 1001")


async def test_all_that_came_before_the_end_is_received(autojump_clock: MockClock) -> None:
    client, heard = PaperClient(), list[str]()
    for text in "abc":
        client.say(text)
    client.leave()
    async with serving(client, hearing(heard)):
        pass
    assert heard == ["a", "b", "c"]


async def test_a_refusal_is_said_after_accept_and_after_what_was_queued(autojump_clock: MockClock) -> None:
    async def refuse(connection: Connection) -> None:
        connection.send_nowait("sorry")
        connection.close(1013, "Limit reached: " + "ü" * 100)

    client = PaperClient()
    async with serving(client, refuse):
        pass
    assert [message["type"] for message in client.log] == [
        "websocket.accept",
        "websocket.send",
        "websocket.close",
    ]
    assert client.goodbyes == [(1013, "Limit reached: " + "ü" * 54)]


async def test_a_handler_that_returns_closes_and_one_that_crashes_says_so(autojump_clock: MockClock) -> None:
    async def greet(connection: Connection) -> None:
        connection.send_nowait("hello")

    async def crash(connection: Connection) -> None:
        raise ValueError("no")

    client = PaperClient()
    async with serving(client, greet) as served:
        pass
    assert (served.crash, client.texts, client.goodbyes) == (None, ["hello"], [(1000, "")])
    client = PaperClient()
    async with serving(client, crash) as served:
        pass
    assert repr(served.crash) == "ValueError('no')"
    assert client.goodbyes == [(1011, "internal error")]


async def test_a_goodbye_is_waited_for_no_longer_than_its_grace(autojump_clock: MockClock) -> None:
    client = PaperClient(answers_close=False)
    async with serving(client, listen) as served:
        assert served.connection is not None
        served.connection.close(1000)
    assert trio.current_time() == pytest.approx(ConnectionSpec().close_grace)


async def test_cancelled_it_says_all_that_was_queued_and_that_it_goes(autojump_clock: MockClock) -> None:
    """Also what is being sent just then: it would be a hole in what the client hears."""
    client = PaperClient()
    async with serving(client, idle) as served:
        assert served.connection is not None
        client.stall()
        for text in "abc":
            served.connection.send_nowait(text)
        await trio.sleep(0.1)
        served.connection.send_nowait("d")
        served.scope.cancel()
        await wait_all_tasks_blocked()
        client.resume()
    assert client.texts == ["a", "b", "c", "d"]
    assert client.goodbyes == [(1001, "going away")]
    assert trio.current_time() == pytest.approx(0.1)


async def test_cancelled_while_its_client_reads_nothing_it_ends_within_its_grace(
    autojump_clock: MockClock,
) -> None:
    client = PaperClient()
    async with serving(client, idle) as served:
        assert served.connection is not None
        client.stall()
        served.connection.send_nowait("a")
        await wait_all_tasks_blocked()
        served.scope.cancel()
    assert trio.current_time() == pytest.approx(ConnectionSpec().close_grace)
    assert client.texts == []


# Signs of life


async def test_a_silent_client_is_asked_twice_and_cut_off(autojump_clock: MockClock) -> None:
    client = PaperClient()
    async with serving(client, listen) as served:
        pass
    assert client.texts == [PING, PING]
    assert client.times[1:] == [20, 22]
    assert trio.current_time() == pytest.approx(26 + PAST)
    assert served.connection is not None
    assert str(served.connection.closed) == (
        "the connection is closed (1006: silent for 26 s, two pings unanswered)"
    )


@pytest.mark.parametrize("answer", [PONG, '{ "type": "pong" }\n'])
async def test_an_answer_is_a_sign_of_life_and_no_message(answer: str, autojump_clock: MockClock) -> None:
    client, heard = PaperClient(answers=answer), list[str]()
    async with serving(client, hearing(heard)) as served:
        await trio.sleep(99)
        assert client.times[1:] == [20, 40, 60, 80]
        client.say("hello")
        await wait_all_tasks_blocked()
        assert served.connection is not None
        assert served.connection.closed is None
        assert served.connection.statistics().round_trip == 0.0
        served.connection.close()
    assert heard == ["hello"]


async def test_any_message_is_an_answer(autojump_clock: MockClock) -> None:
    client, heard = PaperClient(answers="what?"), list[str]()
    async with serving(client, hearing(heard)):
        await trio.sleep(99)
        client.leave()
    assert heard == ["what?"] * 4
    assert client.times[1:] == [20, 40, 60, 80]


async def test_the_question_and_its_answer_are_the_servers_to_choose(autojump_clock: MockClock) -> None:
    client, heard = PaperClient(), list[str]()
    spec = AsgiSpec(heartbeat=Heartbeat(ping="?", is_pong=lambda text: text.startswith("!")))
    async with serving(client, hearing(heard), spec):
        await trio.sleep(21)
        assert client.texts == ["?"]
        for text in ("!7", PONG):
            client.say(text)
        await trio.sleep(18)
        assert client.texts == ["?"]
        client.leave()
    assert heard == [PONG]


async def test_answers_that_nobody_asked_for_are_not_for_free(autojump_clock: MockClock) -> None:
    spec = AsgiSpec(connection=ConnectionSpec(rate=0.001, burst=3))
    client, heard = PaperClient(answers=PONG), list[str]()
    async with serving(client, hearing(heard), spec):
        await trio.sleep(99)
        assert client.texts == [PING] * 4, "whose answers cost nothing"
        for _ in range(3):
            client.say(PONG)
        await wait_all_tasks_blocked()
        assert client.goodbyes == []
        client.say(PONG)
    assert heard == []
    assert client.goodbyes == [(1008, "too many answers that nobody asked for")]


async def test_while_nobody_receives_nobody_is_convicted_and_little_is_read(
    autojump_clock: MockClock,
) -> None:
    client = PaperClient()
    async with serving(client, idle) as served:
        for number in range(10):
            client.say(str(number))
        await trio.sleep(1000)
        assert served.connection is not None
        assert served.connection.closed is None
        assert client.read == 1 + 2, "one waits for the handler, and one for that one's place"
        served.connection.close()
    assert client.goodbyes == [(1000, "")]
    assert trio.current_time() == 1000, "what nobody wants any more is read away, up to its goodbye"


async def test_who_has_left_is_found_though_his_handler_hears_nobody(autojump_clock: MockClock) -> None:
    client = PaperClient()
    async with serving(client, idle):
        client.leave()
    assert trio.current_time() <= 30
    assert client.log == [{"type": "websocket.accept"}]


# Limits


@pytest.mark.parametrize(
    ("message", "goodbye"),
    [
        ({"text": "x" * 1001}, (1009, "more than 1000 characters")),
        ({"bytes": b"x", "text": None}, (1003, "only text is spoken here")),
        ({"bytes": b"x"}, (1003, "only text is spoken here")),
    ],
    ids=["large", "bytes", "only bytes"],
)
async def test_what_is_not_to_be_said_closes(
    message: dict[str, object], goodbye: tuple[int, str], autojump_clock: MockClock
) -> None:
    client, heard = PaperClient(), list[str]()
    async with serving(client, hearing(heard), AsgiSpec(message_bytes=1000)):
        client.say("x" * 1000)
        client.arrive({"type": "websocket.receive"} | message)
        client.say("after it")
    assert heard == ["x" * 1000]
    assert client.goodbyes == [goodbye]


async def test_also_at_fault_a_client_has_the_time_for_its_goodbye(autojump_clock: MockClock) -> None:
    client = PaperClient(answers_close=False)
    async with serving(client, listen):
        client.arrive({"type": "websocket.receive", "bytes": b"x"})
    assert trio.current_time() == pytest.approx(ConnectionSpec().close_grace)


async def test_a_fault_is_why_it_closed_though_the_client_left_before_it_was_heard_of(
    autojump_clock: MockClock,
) -> None:
    async def slow(connection: Connection) -> None:
        await trio.sleep(1)
        await connection.receive()

    client = PaperClient()
    async with serving(client, slow) as served:
        client.arrive({"type": "websocket.receive", "bytes": b"x"})
        client.leave()
    assert served.connection is not None
    assert served.connection.closed is not None
    assert served.connection.closed.code == 1003


async def test_too_many_messages_close(autojump_clock: MockClock) -> None:
    spec = AsgiSpec(connection=ConnectionSpec(burst=3))
    client, heard = PaperClient(), list[str]()
    async with serving(client, hearing(heard), spec):
        for text in "abcd":
            client.say(text)
    assert heard == ["a", "b", "c"]
    assert client.goodbyes == [(1008, "more than 5 messages a second")]


@pytest.mark.parametrize(
    ("every", "after", "why"),
    [(0.01, 2.5, "too slow: 261841 bytes wait unread"), (9, 19, "too slow: nothing was read for 10 s")],
)
async def test_who_reads_nothing_is_cut_off_when_too_much_waits_or_for_too_long(
    every: float, after: float, why: str, autojump_clock: MockClock
) -> None:
    async def talk(connection: Connection) -> None:
        while True:
            connection.send_nowait("x" * 1000)
            await trio.sleep(every)

    client = PaperClient()
    async with serving(client, talk) as served:
        client.stall()
    assert served.connection is not None
    assert served.connection.closed is not None
    assert (served.connection.closed.code, served.connection.closed.reason) == (4008, why)
    assert trio.current_time() == pytest.approx(after, abs=0.1)
    assert client.texts == ["x" * 1000]


async def test_a_slow_reader_holds_up_a_sender_that_waits(autojump_clock: MockClock) -> None:
    sent = list[int]()

    async def talk(connection: Connection) -> None:
        await trio.sleep(1)
        for number in range(1000):
            await connection.send(f"{number:0>1000}")
            sent.append(number)

    client = PaperClient()
    async with serving(client, talk):
        client.stall()
        await trio.sleep(5)
        assert 50 < len(sent) < 200
        client.resume()
    assert [int(text) for text in client.texts] == list(range(1000))


@pytest.mark.parametrize("error", [OSError("gone"), RuntimeError("a framework's own")], ids=repr)
async def test_a_server_that_cannot_send_ends_it(error: Exception, autojump_clock: MockClock) -> None:
    client = PaperClient()
    async with serving(client, idle) as served:
        client.broken = error
        assert served.connection is not None
        served.connection.send_nowait("hello")
    assert served.crash is None
    assert str(served.connection.closed) == (
        f"the connection is closed (1006: the wire is broken: {error!r})"
    )
    assert trio.current_time() == 0


async def test_what_is_said_to_one_who_has_left_goes_nowhere(autojump_clock: MockClock) -> None:
    client = PaperClient()

    async def slow(connection: Connection) -> None:
        await trio.sleep(1)
        connection.send_nowait("are you there?")
        await trio.sleep(1)
        await connection.receive()

    async with serving(client, slow) as served:
        client.leave(1001, "bye")
    assert client.texts == []
    assert str(served.connection and served.connection.closed) == "the connection is closed (1001: bye)"


# Handshakes


@pytest.mark.parametrize(
    ("origins", "said", "accepted"),
    [
        (None, None, True),
        (None, b"https://chat.example", True),
        (None, b"https://CHAT.example", True),
        (None, b"https://evil.example", False),
        (("https://a.example",), b"https://a.example", True),
        (("https://a.example",), b"https://chat.example", False),
    ],
)
async def test_only_known_pages_may_connect(
    origins: tuple[str, ...] | None, said: bytes | None, accepted: bool, autojump_clock: MockClock
) -> None:
    client, called = PaperClient(headers=[(b"host", b"Chat.example")]), list[Connection]()
    if said is not None:
        client.headers.append((b"origin", said))

    async def note(connection: Connection) -> None:
        called.append(connection)

    async with serving(client, note, AsgiSpec(origins=origins)):
        pass
    assert client.log[0] == {"type": "websocket.accept" if accepted else "websocket.close"}
    assert bool(called) == accepted


async def test_a_page_connects_to_no_host(autojump_clock: MockClock) -> None:
    client = PaperClient(headers=[(b"origin", b"null")])
    async with serving(client, listen):
        pass
    assert client.log == [{"type": "websocket.close"}]


async def test_a_handshake_ends_in_time(autojump_clock: MockClock) -> None:
    client = PaperClient()
    client.stall()
    async with serving(client, listen) as served:
        pass
    assert (served.connection, trio.current_time()) == (None, 10)


async def test_a_client_that_leaves_before_it_is_accepted_is_nobody(autojump_clock: MockClock) -> None:
    client = PaperClient(broken=OSError("gone"))
    async with serving(client, listen) as served:
        pass
    assert (served.connection, served.crash) == (None, None)


async def test_a_request_is_not_found_and_anything_else_is_a_mistake(autojump_clock: MockClock) -> None:
    client = PaperClient(type="http")
    async with serving(client, listen):
        pass
    assert client.log[0]["status"] == 404
    with pytest.raises(ValueError, match="'lifespan'"):
        await serve_asgi(listen, {"type": "lifespan"}, client.receive, client.send)


async def test_a_text_that_is_none_is_its_speakers_mistake(autojump_clock: MockClock) -> None:
    client = PaperClient()
    async with serving(client, idle) as served:
        assert served.connection is not None
        with pytest.raises(UnicodeEncodeError):
            served.connection.send_nowait("\ud800")
        served.connection.close()
        with pytest.raises(ConnectionClosed):
            served.connection.send_nowait("too late")
    assert client.texts == []
