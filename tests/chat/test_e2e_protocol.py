"""The wire protocol against a real server: what a client says, and what comes back to whom."""

from __future__ import annotations

from pathlib import Path

from .support import Chat, Frame, open_chat


def places(frames: list[Frame]) -> list[tuple[int, str, str, str]]:
    return [(frame["seq"], frame["user"], frame["text"], frame["id"]) for frame in frames]


async def test_a_hello_is_welcomed_with_how_things_stand(chat: Chat) -> None:
    first = await chat.greet("alice", "one")
    welcome = {"type": "welcome", "user": "alice", "session": "one", "resumed": False, "limit": 20}
    assert await first.next() == welcome | {"sessions": ["one"]}
    second = await chat.greet("alice", "two")
    assert await second.next() == welcome | {"session": "two", "sessions": ["one", "two"]}
    other = await chat.greet("bob", "one")
    assert await other.next() == welcome | {"user": "bob", "sessions": ["one"]}


async def test_a_reconnect_with_the_same_session_resumes_it(chat: Chat) -> None:
    first = await chat.enter("alice")
    await first.join("r")
    await first.close()
    again = await chat.greet("alice", "tab")
    assert (await again.next())["resumed"] is True
    assert await again.say("r", "still in the room", "1") == 1
    assert chat.ended() == set()


async def test_two_connections_of_one_session_share_it(chat: Chat) -> None:
    one = await chat.enter("alice")
    two = await chat.greet("alice", "tab")
    assert (await two.next())["resumed"] is True
    await one.join("r")
    assert await two.say("r", "who joined is the session", "1") == 1
    assert (await one.until("message"))["text"] == "who joined is the session"
    await two.join("r", since=0)
    assert places([await two.until("message")]) == [(1, "alice", "who joined is the session", "1")]
    await one.close()
    assert await two.say("r", "the other goes on", "2") == 2


async def test_a_message_reaches_all_members_and_its_sender_and_is_acked(chat: Chat) -> None:
    alice, bob, carol = [await chat.enter(name) for name in ("alice", "bob", "carol")]
    assert await alice.join("r") == {"type": "joined", "room": "r", "members": ["alice"], "seq": 0}
    assert (await bob.join("r"))["members"] == ["alice", "bob"]
    await carol.join("elsewhere")
    await alice.send("say", room="r", text="hi", id="1")
    message = await bob.until("message")
    assert isinstance(message["at"], float)
    said = {"type": "message", "room": "r", "seq": 1, "user": "alice", "text": "hi", "id": "1"}
    assert message == said | {"at": message["at"]}
    assert await alice.until("message") == message
    assert await alice.until("ack") == {"type": "ack", "id": "1", "room": "r", "seq": 1}
    assert await bob.say("r", "hello", "1") == 2
    assert places([await alice.until("message")]) == [(2, "bob", "hello", "1")]
    assert await carol.before_pong() == []


async def test_joining_brings_the_last_50_or_what_came_after_since(chat: Chat) -> None:
    alice, bob = await chat.enter("alice"), await chat.enter("bob")
    await alice.join("r")
    for n in range(1, 61):
        await alice.send("say", room="r", text=f"text {n}", id=f"{n}")
    await alice.until("ack", seq=60)

    async def seqs_after_joining(*, count: int, **since: int) -> list[int]:
        assert (await bob.join("r", **since))["seq"] == 60
        seqs = [message["seq"] for message in await bob.messages(count)]
        await bob.send("leave", room="r")
        assert [frame for frame in await bob.before_pong() if frame["type"] == "message"] == []
        return seqs

    assert await seqs_after_joining(count=50) == list(range(11, 61))
    assert await seqs_after_joining(count=60, since=0) == list(range(1, 61))
    assert await seqs_after_joining(count=3, since=57) == [58, 59, 60]
    assert await seqs_after_joining(count=0, since=60) == []
    assert await seqs_after_joining(count=0, since=1_000) == []


async def test_who_joins_with_a_since_from_the_future_hears_what_comes_after_it(chat: Chat) -> None:
    alice, bob = await chat.enter("alice"), await chat.enter("bob")
    await alice.join("r")
    await bob.join("r", since=2)
    for n in (1, 2, 3):
        assert await alice.say("r", f"text {n}", f"{n}") == n
    assert (await bob.until("message"))["seq"] == 3


async def test_an_id_said_again_by_the_same_user_is_acked_with_its_seq_and_stored_once(chat: Chat) -> None:
    alice, tab, bob = await chat.enter("alice"), await chat.enter("alice", "two"), await chat.enter("bob")
    for client in (alice, tab, bob):
        await client.join("r")
        await client.join("other")
    assert await alice.say("r", "first", "1") == 1
    assert await alice.say("r", "said again", "1") == 1
    assert await tab.say("r", "from another tab", "1") == 1
    await alice.send("say", room="other", text="in another room", id="1")
    assert await alice.until("ack", id="1") == {"type": "ack", "id": "1", "room": "r", "seq": 1}
    assert await bob.say("r", "another user's", "1") == 2
    assert await bob.say("other", "the first here", "2") == 1
    said = [(2, "bob", "another user's", "1"), (1, "bob", "the first here", "2")]
    assert places(await alice.messages(2)) == said


async def test_who_has_left_hears_nothing_more_of_the_room(chat: Chat) -> None:
    alice, bob = await chat.enter("alice"), await chat.enter("bob")
    await alice.join("r")
    await bob.join("r")
    await bob.send("leave", room="r")
    await bob.send("leave", room="r")
    await bob.send("leave", room="never joined")
    assert [frame["type"] for frame in await bob.before_pong() if frame["type"] != "presence"] == []
    await alice.until("presence", user="bob", state="offline")
    await alice.say("r", "alone again", "1")
    assert await bob.before_pong() == []


async def test_presence_is_told_per_user_not_per_session(chat: Chat) -> None:
    alice = await chat.enter("alice")
    await alice.join("r")
    one, two = await chat.enter("bob", "one"), await chat.enter("bob", "two")
    presence = {"type": "presence", "room": "r", "user": "bob"}
    await one.join("r")
    assert await alice.before_pong() == [presence | {"state": "online"}]
    assert (await two.join("r"))["members"] == ["alice", "bob"]
    await one.send("leave", room="r")
    await one.before_pong()
    assert await alice.before_pong() == []
    await two.send("leave", room="r")
    await two.before_pong()
    assert await alice.before_pong() == [presence | {"state": "offline"}]


async def test_typing_is_told_to_the_others_only(chat: Chat) -> None:
    alice, tab, bob = await chat.enter("alice"), await chat.enter("alice", "two"), await chat.enter("bob")
    for client in (alice, tab, bob):
        await client.join("r")
    for client in (alice, tab, bob):
        await client.before_pong()
    await alice.send("typing", room="r")
    assert await alice.before_pong() == []
    assert await tab.before_pong() == []
    assert await bob.before_pong() == [{"type": "typing", "room": "r", "user": "alice"}]


async def test_names_and_rooms_are_exactly_what_was_said(chat: Chat) -> None:
    names = ["A", "a", " x", "x", "a<b", "é", "e\u0301", "'\"\\"]
    clients = {name: await chat.enter(name) for name in names}
    for name, client in clients.items():
        assert await client.join(name) == {"type": "joined", "room": name, "members": [name], "seq": 0}
    for name, client in clients.items():
        assert await client.say(name, f"in {name}", "1") == 1
    for name, client in clients.items():
        await client.before_pong()
        heard = [frame for frame in client.heard if frame["type"] == "message"]
        assert places(heard) == [(1, name, f"in {name}", "1")]


async def test_the_assistant_answers_from_the_rooms_one_is_in_and_tells_each_step(chat: Chat) -> None:
    alice, bob = await chat.enter("alice"), await chat.enter("bob")
    for room in ("kitchen", "secret"):
        await bob.join(room)
        await bob.say(room, f"the cake is in the {room}", room)
    await alice.join("kitchen")
    await alice.send("ask", text="where is the cake?", id="q")
    await alice.until("agent_completed", id="q")
    steps = [frame for frame in alice.heard if frame.get("id") == "q"]
    started, thinking, executing, completed, answer = steps
    assert started["query"] == "where is the cake?"
    assert "kitchen" in thinking["thought"]
    assert (executing["tool"], executing["query"]) == ("search_history", "where is the cake?")
    assert (completed["tool"], completed["hits"]) == ("search_history", 1)
    assert [step["type"] for step in steps] == [
        "agent_started",
        "agent_thinking",
        "tool_executing",
        "tool_completed",
        "agent_completed",
    ]
    assert [step["timestamp"] for step in steps] == sorted(step["timestamp"] for step in steps)
    (source,) = answer["sources"]
    assert (source["room"], source["seq"], source["user"]) == ("kitchen", 1, "bob")
    assert "the cake is in the kitchen" in answer["answer"]
    # What he said himself comes after its ack, if he was still being told what was said before he came.
    heard = [frame["type"] for frame in await bob.before_pong() if frame["type"] != "message"]
    assert heard == ["presence"], "and nothing of her question"


async def test_a_restart_keeps_the_count_and_knows_the_ids(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        alice = await chat.enter("alice")
        await alice.join("r")
        assert await alice.say("r", "before", "1") == 1
    async with open_chat(tmp_path) as chat:
        alice = await chat.enter("alice")
        await alice.join("r")
        assert await alice.say("r", "before", "1") == 1
        assert await alice.say("r", "after", "2") == 2
