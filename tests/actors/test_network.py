"""The simulated network behaves as TCP does, in virtual time: back-pressure, silence, resets, ends."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock, check_half_closeable_stream

from supervisor.testing import Network, NetworkStream

pytestmark = pytest.mark.usefixtures("bounded")

Pair = tuple[NetworkStream, NetworkStream]


async def linked(network: Network | None = None) -> Pair:
    """The client's end and the server's."""
    network = network or Network()
    listener = network.listener()
    return await network.connect(), await listener.accept()


async def clogged() -> Pair:
    """Both directions full."""
    ends = await linked(Network(capacity=1000))
    for end in ends:
        await end.send_all(bytes(1000))
    return ends


async def test_it_is_a_stream_by_trios_own_rules(autojump_clock: MockClock) -> None:
    await check_half_closeable_stream(linked, clogged)


async def nothing_comes(stream: NetworkStream, seconds: float = 1000) -> bool:
    with trio.move_on_after(seconds):
        await stream.receive_some()
        return False
    return True


async def read(stream: NetworkStream, count: int) -> bytes:
    data = b""
    while len(data) < count:
        data += await stream.receive_some(count - len(data))
    return data


# Time


async def test_what_is_sent_arrives_one_latency_later(autojump_clock: MockClock) -> None:
    client, server = await linked(Network(latency=0.25))
    assert trio.current_time() == 0.5, "to connect takes a round trip"
    await client.send_all(b"hello")
    assert trio.current_time() == 0.5
    assert await server.receive_some() == b"hello"
    assert trio.current_time() == 0.75
    await server.aclose()
    assert await client.receive_some() == b""
    assert trio.current_time() == 1.0


async def test_a_shorter_delay_overtakes_nothing(autojump_clock: MockClock) -> None:
    client, server = await linked()
    client.link.delay(5)
    await client.send_all(b"slow ")
    client.link.delay(1)
    await client.send_all(b"fast")
    assert await read(server, 9) == b"slow fast"
    assert trio.current_time() == 5
    await server.send_all(b"back")
    assert await client.receive_some() == b"back"
    assert trio.current_time() == 6


async def test_a_reset_overtakes_nothing(autojump_clock: MockClock) -> None:
    client, server = await linked()
    client.link.delay(5)
    await server.send_all(b"slow")
    client.link.delay(1)
    server.abort()
    assert await client.receive_some() == b"slow"
    assert trio.current_time() == 5


async def test_one_direction_can_be_slower(autojump_clock: MockClock) -> None:
    client, server = await linked()
    client.link.up.delay(5)
    await server.send_all(b"down")
    await client.send_all(b"up")
    assert await client.receive_some() == b"down"
    assert trio.current_time() == 0
    assert await server.receive_some() == b"up"
    assert trio.current_time() == 5


# Back-pressure


async def test_a_full_pipe_holds_up_the_sender_until_somebody_reads(autojump_clock: MockClock) -> None:
    client, server = await linked(Network(capacity=10))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.send_all, b"0123456789abcdef")
        await trio.sleep(100)
        assert len(nursery.child_tasks) == 1
        assert client.link.up.room == 0
        assert await server.receive_some(6) == b"012345"
        await trio.lowlevel.checkpoint()
    assert trio.current_time() == 100
    assert await read(server, 10) == b"6789abcdef"


async def test_a_reader_that_stalls_holds_up_the_sender_and_reads_on_later(autojump_clock: MockClock) -> None:
    client, server = await linked(Network(capacity=10))
    client.link.down.stall()
    with trio.move_on_after(100) as held_up:
        await server.send_all(b"0123456789abcdef")
    assert held_up.cancelled_caught
    await server.aclose()
    assert await nothing_comes(client), "neither the bytes nor the end"
    client.link.down.resume()
    assert await client.receive_some() == b"0123456789"


async def test_a_reader_that_stalls_is_reset_all_the_same(autojump_clock: MockClock) -> None:
    client, server = await linked()
    client.link.down.stall()
    await server.send_all(b"unread")
    server.abort()
    with pytest.raises(trio.BrokenResourceError):
        await client.receive_some()


# Half-open


async def test_in_silence_nothing_arrives_not_even_an_end(autojump_clock: MockClock) -> None:
    client, server = await linked()
    await client.send_all(b"before")
    client.link.silence()
    await client.send_all(b"after")
    await client.aclose()
    assert await server.receive_some() == b"before"
    assert await nothing_comes(server)


async def test_in_silence_no_reset_arrives(autojump_clock: MockClock) -> None:
    client, server = await linked(Network(latency=1))
    client.link.silence()
    server.abort()
    assert await nothing_comes(client)
    client.link.resume()
    await nothing_comes_but_a_reset(client)
    assert trio.current_time() == 2 + 1000 + 1


async def test_an_end_that_was_held_up_by_silence_takes_its_time_afterwards(
    autojump_clock: MockClock,
) -> None:
    client, server = await linked(Network(latency=1))
    client.link.silence()
    await server.aclose()
    assert await nothing_comes(client)
    client.link.resume()
    assert await client.receive_some() == b""
    assert trio.current_time() == 2 + 1000 + 1


async def test_what_was_sent_in_silence_arrives_in_order_once_it_is_over(autojump_clock: MockClock) -> None:
    client, server = await linked(Network(latency=1))
    began = trio.current_time()
    await client.send_all(b"on its way, ")
    client.link.silence()
    await trio.sleep(10)
    await client.send_all(b"said in silence, ")
    await trio.sleep(10)
    client.link.resume()
    await client.send_all(b"said later")
    await client.send_eof()
    said = await server.receive_some()
    assert trio.current_time() == began + 21
    said += b"".join([part async for part in server])
    assert said == b"on its way, said in silence, said later"
    assert trio.current_time() == began + 21


async def test_one_direction_can_be_silent(autojump_clock: MockClock) -> None:
    client, server = await linked()
    client.link.up.silence()
    await client.send_all(b"unheard")
    await server.send_all(b"heard")
    assert await client.receive_some() == b"heard"
    assert await nothing_comes(server)
    client.link.up.resume()
    assert await server.receive_some() == b"unheard"


async def test_silence_fills_the_pipe_and_then_holds_up_the_sender(autojump_clock: MockClock) -> None:
    client, server = await linked(Network(capacity=10))
    client.link.silence()
    with trio.move_on_after(1000) as held_up:
        while True:
            await server.send_all(b"x")
    assert held_up.cancelled_caught
    assert client.link.down.room == 0


# Cut


async def test_a_cut_breaks_whatever_either_end_is_doing(autojump_clock: MockClock) -> None:
    client, server = await linked(Network(capacity=10))

    async def is_broken(async_fn: Any, *args: Any) -> None:
        with pytest.raises(trio.BrokenResourceError):
            await async_fn(*args)

    async with trio.open_nursery() as nursery:
        for end in (client, server):
            nursery.start_soon(is_broken, end.send_all, bytes(11))
        await trio.sleep(10)
        client.link.cut()
    assert trio.current_time() == 10
    for end in (client, server):
        await is_broken(end.receive_some)
        await is_broken(end.send_all, b"x")
        await is_broken(end.send_eof)


async def test_a_cut_wakes_those_who_wait_to_receive_also_in_silence(autojump_clock: MockClock) -> None:
    client, server = await linked()
    client.link.silence()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(nothing_comes_but_a_reset, client)
        nursery.start_soon(nothing_comes_but_a_reset, server)
        await trio.sleep(10)
        client.link.cut()
    assert trio.current_time() == 10


async def nothing_comes_but_a_reset(stream: NetworkStream) -> None:
    with pytest.raises(trio.BrokenResourceError):
        await stream.receive_some()


async def test_an_abort_is_a_reset_that_arrives_after_what_was_sent(autojump_clock: MockClock) -> None:
    client, server = await linked(Network(latency=1))
    await server.send_all(b"last words")
    server.abort()
    with pytest.raises(trio.ClosedResourceError):
        await server.receive_some()
    await client.send_all(b"not known yet")
    assert await client.receive_some() == b"last words"
    await nothing_comes_but_a_reset(client)
    assert trio.current_time() == 3
    with pytest.raises(trio.BrokenResourceError):
        await client.send_all(b"x")


async def test_an_abort_reaches_one_who_waits_for_room(autojump_clock: MockClock) -> None:
    client, server = await linked(Network(latency=1, capacity=10))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.send_all, bytes(10))
        await trio.sleep(5)
        client.abort()
        with pytest.raises(trio.BrokenResourceError):
            await server.send_all(bytes(10))
    assert trio.current_time() == 8


# Ends


async def test_to_close_with_unread_data_is_a_reset(autojump_clock: MockClock) -> None:
    client, server = await linked()
    await client.send_all(b"unread")
    await server.aclose()
    await nothing_comes_but_a_reset(client)


async def test_what_is_on_its_way_to_one_who_closes_is_answered_with_a_reset(
    autojump_clock: MockClock,
) -> None:
    client, server = await linked(Network(latency=1))
    await client.send_all(b"on its way")
    await server.aclose()
    assert await client.receive_some() == b""
    assert trio.current_time() == 3
    await trio.sleep(1)
    await nothing_comes_but_a_reset(client)


async def test_whoever_sends_to_one_who_has_left_is_told_after_a_round_trip(
    autojump_clock: MockClock,
) -> None:
    client, server = await linked(Network(latency=1))
    await server.aclose()
    await client.send_all(b"are you there?")
    assert await client.receive_some() == b"", "his end comes first"
    await client.send_all(b"are you still there?")
    assert trio.current_time() == 3
    await trio.sleep(1)
    await nothing_comes_but_a_reset(client)
    with pytest.raises(trio.BrokenResourceError):
        await client.send_all(b"x")


async def test_after_an_end_the_other_direction_goes_on(autojump_clock: MockClock) -> None:
    client, server = await linked()
    await client.send_all(b"question")
    await client.send_eof()
    assert b"".join([part async for part in server]) == b"question"
    await server.send_all(b"answer")
    assert await client.receive_some() == b"answer"
    with pytest.raises(trio.ClosedResourceError):
        await client.send_all(b"more")
