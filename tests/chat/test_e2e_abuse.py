"""Whatever one client does to the chat, the others talk on in it, and it ends with the right code."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from actors import ConnectionSpec
from supervisor import HandlerFailed
from tests.actors.edge import CONTINUATION, MANY, PING, TEXT, Peer, flood, frame, remembering_at_most

from .support import PATIENCE, TOKENS, Chat, Client, eventually, open_chat, within

# Seconds. What an ack may take on a machine that is busy with other things too.
UNDISTURBED = 3.0


@asynccontextmanager
async def two_who_talk(chat: Chat) -> AsyncGenerator[None]:
    """All the time, in a room of theirs; the block ends when each has heard everything, in time."""
    alice, bob = await chat.enter("alice"), await chat.enter("bob")
    for client in (alice, bob):
        await client.join("quiet corner")
    over = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(talk, alice, bob, over)
        yield
        over.set()


async def talk(alice: Client, bob: Client, over: trio.Event) -> None:
    number, last = 0, False
    while not last:
        last, began = over.is_set(), trio.current_time()
        await alice.send("say", room="quiet corner", text=f"hello {number}", id=f"{number}")
        await bob.until("message", text=f"hello {number}")
        await alice.until("ack", id=f"{number}")
        assert trio.current_time() - began < UNDISTURBED
        number += 1
        await trio.sleep(0.02)
    assert number > 1


@asynccontextmanager
async def abuser(chat: Chat, *, greeted: bool = True) -> AsyncGenerator[Peer]:
    """Somebody in the raw, who has perhaps said hello."""
    stream = await trio.open_tcp_stream("127.0.0.1", chat.running.ws_port)
    async with stream:
        peer = Peer(stream)
        with within(PATIENCE, "he is let in"):
            await peer.shake_hands()
            if greeted:
                await peer.say(f'{{"type":"hello","token":"{TOKENS.issue("mallory")}","session":"tab"}}')
                while not peer.texts:
                    assert await peer.read_some(), peer.goodbyes
        yield peer


ABUSE = {
    "100 MB": (frame(TEXT, b"x" * 100_000_000)[:14], b"x" * 65536, 1009),
    "empty fragments": (frame(TEXT, fin=False), frame(CONTINUATION, fin=False) * 500, 1009),
    "garbage": (b"", b"\xff" * 65536, 1002),
    "no UTF-8": (b"", frame(TEXT, b"\xff" * 1000), 1007),
    "bytes": (b"", frame(2, b"\0" * 1000), 1003),
}


@pytest.mark.parametrize("greeted", [False, True], ids=["a stranger", "a user"])
@pytest.mark.parametrize("kind", ABUSE)
async def test_it_ends_with_its_code_and_the_others_talk_on(kind: str, greeted: bool, chat: Chat) -> None:
    first, more, code = ABUSE[kind]
    with remembering_at_most(5_000_000):
        async with two_who_talk(chat), abuser(chat, greeted=greeted) as peer, trio.open_nursery() as nursery:
            await peer.stream.send_all(first)
            nursery.start_soon(flood, peer.stream, more, MANY)
            with within(PATIENCE, "he is closed"):
                assert [said for said, _ in await peer.hear_out()] == [code]
            nursery.cancel_scope.cancel()
    assert chat.happened(HandlerFailed) == []


async def test_who_pings_without_end_and_reads_nothing_is_gone_after_the_stall(tmp_path: Path) -> None:
    async with open_chat(tmp_path, connection=ConnectionSpec(stall=0.5, rate=1e6, burst=10**6)) as chat:
        async with two_who_talk(chat), abuser(chat) as peer:
            assert sessions_of(chat, "mallory") == 1
            with within(PATIENCE, "he is cut off"):
                await flood(peer.stream, frame(PING, b"x" * 125) * 100, MANY)
            await eventually(lambda: not sessions_of(chat, "mallory"), "his connection is gone")
        assert chat.happened(HandlerFailed) == []


def sessions_of(chat: Chat, user: str) -> int:
    """How many of his sessions have a connection."""
    holders = chat.running.supervisor.explain(user).holders
    return sum(holder.verdict.health.name != "DISCONNECTED" for holder in holders)


async def test_who_says_too_much_at_once_ends_with_1008_and_what_was_acked_is_there(tmp_path: Path) -> None:
    async with open_chat(tmp_path, connection=ConnectionSpec(rate=1.0, burst=30)) as chat:
        async with abuser(chat) as peer:
            said = [f'{{"type":"say","room":"r","text":"{n}","id":"{n}"}}' for n in range(200)]
            await peer.stream.send_all(frame(TEXT, b'{"type":"join","room":"r"}'))
            await peer.stream.send_all(b"".join(frame(TEXT, text.encode()) for text in said))
            with within(PATIENCE, "he is closed"):
                assert [code for code, _ in await peer.hear_out()] == [1008]
            acks = [text for text in peer.texts if '"type":"ack"' in text]
            assert len(acks) <= 30
        bob = await chat.enter("bob")
        assert len(acks) <= (await bob.join("r"))["seq"] <= 30
        assert chat.happened(HandlerFailed) == []
