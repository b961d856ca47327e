"""No gap and no duplicate: long histories, joins in a flood, readers that do not keep up."""

from __future__ import annotations

import trio

from supervisor import ConnectionDetached

from .support import Chat, Client, eventually

FLOOD = 2_000
TEXT = "x" * 500


async def flood(client: Client, room: str, count: int = FLOOD) -> None:
    """Say so many messages as fast as the server takes them."""
    for n in range(1, count + 1):
        await client.send("say", room=room, text=TEXT, id=f"{n}")
    await client.until("ack", id=f"{count}")


async def seqs_until(client: Client, last: int) -> list[int]:
    await client.until("message", seq=last)
    return [frame["seq"] for frame in client.heard if frame["type"] == "message"]


async def test_a_long_history_reaches_a_reader_completely_through_his_outbox(chat: Chat) -> None:
    alice, bob = await chat.enter("alice"), await chat.enter("bob")
    await alice.join("r")
    await flood(alice, "r")
    assert FLOOD * len(TEXT) > 2 * 256 * 1024, "more than an outbox holds"
    assert (await bob.join("r", since=0))["seq"] == FLOOD
    assert await seqs_until(bob, FLOOD) == list(range(1, FLOOD + 1))
    assert await bob.before_pong() == []


async def test_who_joins_in_the_middle_of_a_flood_misses_nothing_and_hears_nothing_twice(chat: Chat) -> None:
    alice, witness = await chat.enter("alice"), await chat.enter("witness")
    await alice.join("r")
    await witness.join("r")
    late: list[tuple[Client, int]] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(flood, alice, "r", 1_000)
        for n in range(1, 20):
            client = await chat.enter(f"late {n}")
            await witness.until("message", seq=45 * n)
            if n % 2:
                await client.join("r", since=n)
                late.append((client, n))
            else:
                joined = await client.join("r")
                late.append((client, max(0, joined["seq"] - 50)))
    for client, since in late:
        assert await seqs_until(client, 1_000) == list(range(since + 1, 1_001))
        assert [frame for frame in await client.before_pong() if frame["type"] == "message"] == []


async def test_joining_again_and_again_on_one_connection_leaves_one_view_of_the_room(chat: Chat) -> None:
    alice, bob = await chat.enter("alice"), await chat.enter("bob")
    await alice.join("r")
    await flood(alice, "r", 300)
    for _ in range(5):
        await bob.send("join", room="r", since=0)
    for _ in range(5):
        await bob.until("joined")
    await alice.say("r", "the end", "end")
    await bob.until("message", seq=301)
    mark = len(bob.heard)
    await alice.say("r", "once", "once")
    await bob.until("message", seq=302)
    assert [frame["seq"] for frame in bob.heard[mark:] if frame["type"] == "message"] == [302]


async def test_who_does_not_read_is_cut_off_alone_and_resumes_from_where_he_was(chat: Chat) -> None:
    alice, bob = await chat.enter("alice"), await chat.enter("bob")
    deaf = await chat.greet("carol", "tab", queue=1)
    await deaf.join("r")
    for client in (alice, bob):
        await client.join("r")
    await flood(alice, "r", 4_000)
    assert await seqs_until(bob, 4_000) == list(range(1, 4_001))
    await eventually(lambda: detached(chat), "the one that does not read is cut off")
    ((key, why),) = detached(chat)
    assert (key, "too slow" in why) == ("tab", True)
    await deaf.closed()
    last = max(frame["seq"] for frame in deaf.heard if frame["type"] == "message")
    again = await chat.greet("carol", "tab")
    assert (await again.next())["resumed"] is True
    await again.join("r", since=last)
    assert await seqs_until(again, 4_000) == list(range(last + 1, 4_001))


def detached(chat: Chat) -> list[tuple[str, str]]:
    return [(event.key, event.why) for event in chat.happened(ConnectionDetached)]
