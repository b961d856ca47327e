"""Who does not get through the opening handshake holds nothing for long, in whatever way he fails. [W13]"""

from __future__ import annotations

import pytest
import trio

from actors.websocket import WebSocketSpec

from .edge import MANY, Edge, eventually, flood, open_edge, remembering_at_most, reset, upgrade

QUICK = WebSocketSpec(handshake=0.5)


async def hung_up(stream: trio.SocketStream) -> bytes:
    """What still came until the server hung up."""
    heard = b""
    try:
        while data := await stream.receive_some():
            heard += data
    except trio.BrokenResourceError:
        pass
    return heard


@pytest.mark.parametrize("tls", [False, True], ids=["TCP", "TLS"])
@pytest.mark.parametrize(
    "said", [b"", b"GET /ws HTTP/1.1\r\nHost: 127", b"\x16\x03\x01"], ids=["0", "half", "TLS"]
)
async def test_the_silent_are_dropped_at_the_deadline(said: bytes, tls: bool) -> None:
    began = trio.current_time()
    async with open_edge(spec=QUICK, tls=tls) as edge:
        streams = [await edge.knock() for _ in range(20)]
        for stream in streams:
            await stream.send_all(said)
        async with edge.bystander():
            for stream in streams:
                await hung_up(stream)
        assert trio.current_time() - began < 3
        assert await edge.failures() == []


async def drip(stream: trio.SocketStream) -> None:
    head = upgrade(X="x" * 1000)
    for place in range(len(head)):
        await flood(stream, head[place : place + 1], 1)
        await trio.sleep(0.05)


async def test_a_slow_loris_is_dropped_at_the_same_deadline() -> None:
    async with open_edge(spec=QUICK) as edge:
        began = trio.current_time()
        async with edge.bystander(), trio.open_nursery() as nursery:
            streams = [await edge.knock() for _ in range(20)]
            for stream in streams:
                nursery.start_soon(drip, stream)
            for stream in streams:
                assert await hung_up(stream) == b""
            nursery.cancel_scope.cancel()
        assert 0.4 < trio.current_time() - began < 3
        assert await edge.failures() == []


async def test_of_600_that_say_nothing_the_oldest_go_and_a_real_client_gets_in_at_once() -> None:
    async with open_edge() as edge:
        streams = [await edge.knock() for _ in range(600)]
        await eventually(lambda: edge.serving == 512, f"88 are dropped; {edge.serving} are here")
        peer = await edge.enter()
        await peer.say("hello")
        while peer.texts != ["hello"]:
            assert await peer.read_some()
        for stream in streams[:88]:
            assert await hung_up(stream) == b"", "the oldest"
        assert edge.serving == 512, "he took the place of one more, and gave it back"
        await streams[-1].send_all(upgrade())
        assert (await streams[-1].receive_some()).startswith(b"HTTP/1.1 101 "), "the youngest may still"
        assert await edge.failures() == []


HUGE = {
    "one header": [b"GET /ws HTTP/1.1\r\nX: ", b"x" * 1000],
    "many headers": [b"GET /ws HTTP/1.1\r\n", b"X: x\r\n" * 100],
    "the path": [b"GET /", b"x" * 1000],
    "no line at all": [b"", b"\0" * 1000],
    "line ends only": [b"", b"\r\n" * 500],
}


@pytest.mark.parametrize("kind", HUGE)
async def test_headers_without_end_are_cut_off_at_once(kind: str) -> None:
    first, more = HUGE[kind]
    began = trio.current_time()
    async with open_edge() as edge:
        with remembering_at_most(2_000_000):
            async with edge.bystander(), trio.open_nursery() as nursery:
                stream = await edge.knock()
                await stream.send_all(first)
                nursery.start_soon(flood, stream, more, MANY)
                assert (await hung_up(stream)).startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 431 "))
                await eventually(lambda: edge.serving == 1, "the server forgets him")
                assert trio.current_time() - began < 5, "nothing waited for the deadline"
                nursery.cancel_scope.cancel()
        assert await edge.failures() == []


def bad(**headers: str) -> bytes:
    """A request with these headers instead of the right ones, in bytes of latin-1."""
    lines = upgrade().decode().split("\r\n")
    for key, value in headers.items():
        name = key.replace("_", "-")
        lines = [line for line in lines if not line.startswith(f"{name}:")]
        lines.insert(1, f"{name}: {value}")
    return "\r\n".join(lines).encode("latin-1")


BAD = {
    "a Host that is no name": bad(Host="\xff\xfe"),
    "a Host with a label of 100": bad(Host="x" * 100 + ".example"),
    "a Host with an empty label": bad(Host="a..example"),
    "a Host of bad punycode": bad(Host="xn--\xff.example"),
    "a Host that is almost punycode": bad(Host="xn--a-ecp.ru.xn--"),
    "two Hosts": bad().replace(b"Host: 127.0.0.1", b"Host: a\r\nHost: b"),
    "no Host": bad().replace(b"Host: 127.0.0.1\r\n", b""),
    "a Connection of no ASCII": bad(Connection="upgrade, \xff"),
    "protocols of no ASCII": bad(Sec_WebSocket_Protocol="\xff"),
    "extensions of no ASCII": bad(Sec_WebSocket_Extensions="\xff; \xfe=1"),
    "a key of no ASCII": bad(Sec_WebSocket_Key="\xff" * 22 + "=="),
    "an Origin of no ASCII": bad(Origin="https://\xff"),
    "an upgrade to something else": bad(Upgrade="h2c"),
    "an old version": bad(Sec_WebSocket_Version="8"),
    "a POST": bad().replace(b"GET", b"POST"),
    "HTTP/1.0": bad().replace(b"HTTP/1.1", b"HTTP/1.0"),
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a body": bad(Content_Length="5") + b"hello",
    "two requests": bad(Upgrade="h2c") * 2,
    "bare newlines": bad().replace(b"\r\n", b"\n"),
    "a path of no ASCII": bad().replace(b"/ws", "/wß".encode()),
    "a NUL": bad().replace(b"/ws", b"/w\0s"),
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
    "a frame": b"\x81\x85\0\0\0\0hello",
}


@pytest.mark.parametrize("kind", BAD)
async def test_a_bad_request_is_answered_or_dropped_and_is_no_failure_of_ours(kind: str) -> None:
    async with open_edge(spec=QUICK) as edge:
        async with edge.bystander():
            stream = await edge.knock()
            await stream.send_all(BAD[kind])
            await stream.send_eof()
            heard = await hung_up(stream)
        assert heard == b"" or heard.startswith((b"HTTP/1.1 4", b"HTTP/1.1 101 ")), heard
        assert await edge.failures() == []


async def test_who_hangs_up_amid_the_handshake_holds_nothing_any_more() -> None:
    async def gone(edge: Edge, *, by_reset: bool) -> None:
        streams = [await edge.knock() for _ in range(20)]
        for place, stream in enumerate(streams):
            await stream.send_all(upgrade()[: place * 8])
        await eventually(lambda: edge.serving == 20, "all are being served")
        for stream in streams:
            reset(stream) if by_reset else stream.socket.close()
        await eventually(lambda: edge.serving == 0, f"{edge.serving} are still served")

    async with open_edge() as edge:
        began = trio.current_time()
        await gone(edge, by_reset=False)
        await gone(edge, by_reset=True)
        assert trio.current_time() - began < 5, "nothing waited for the deadline"
        assert await edge.failures() == []
