"""Logging out, ending a session, and how the wires stand: the page's requests, and what they do to others."""

from __future__ import annotations

import trio

from .support import TOKENS, Chat, eventually

LOG_IN_AGAIN = 4001


async def test_a_logout_closes_the_connections_of_that_token_and_no_others(chat: Chat) -> None:
    token, other = TOKENS.issue("alice"), TOKENS.issue("alice")
    gone = [await chat.enter("alice", name, token=token) for name in ("one", "two", "two")]
    stays, bob = await chat.enter("alice", "one", token=other), await chat.enter("bob")
    assert await chat.http("POST", "/logout", token=token) == (204, None)
    for client in gone:
        assert await client.closed() == (LOG_IN_AGAIN, "logged out")
    for client in (stays, bob):
        assert await client.before_pong() == []


async def test_a_revoked_token_is_good_for_nothing_any_more_and_another_of_the_user_still_is(
    chat: Chat,
) -> None:
    token, other = TOKENS.issue("alice"), TOKENS.issue("alice")
    assert await chat.http("POST", "/logout", token=token) == (204, None)
    late = await chat.greet("alice", "tab", token=token)
    assert await late.closed() == (1008, "the token is revoked; log in again")
    for method, path in (
        ("GET", "/sessions"),
        ("POST", "/logout"),
        ("POST", "/wedge"),
        ("POST", "/sessions/end"),
    ):
        assert (await chat.http(method, path, token=token))[0] == 401
    assert await (await chat.enter("alice", token=other)).before_pong() == []


async def test_who_logs_out_and_in_again_resumes_the_session(chat: Chat) -> None:
    alice, bob = await chat.enter("alice"), await chat.enter("bob")
    await alice.join("r")
    await bob.join("r")
    await chat.http("POST", "/logout", token=alice.token)
    await alice.closed()
    _, login = await chat.http("POST", "/login", name="alice")
    again = await chat.greet("alice", "tab", token=login["token"])
    assert (await again.next())["resumed"] is True
    assert await again.say("r", "back", "1") == 1
    assert [frame["type"] for frame in await bob.before_pong()] == ["message"], "nobody left meanwhile"
    assert chat.ended() == set()


async def test_a_token_in_a_url_is_not_looked_at(chat: Chat) -> None:
    token = TOKENS.issue("alice")
    await chat.enter("alice", token=token)
    for method, path in (("GET", "/sessions"), ("POST", "/logout"), ("POST", "/sessions/end")):
        assert (await chat.http(method, f"{path}?token={token}&access_token={token}"))[0] == 401
    client = await chat.connect(path=f"/ws?token={token}")
    await client.send("join", room="r")
    assert await client.closed() == (1008, "Say hello first, with a token.")
    assert (await chat.http("GET", "/sessions", token=token))[0] == 200, "and nobody was logged out"


async def test_a_session_that_is_ended_stops_and_its_connections_are_told(chat: Chat) -> None:
    first, second = await chat.enter("alice"), await chat.enter("alice")
    stays, bob = await chat.enter("alice", "other"), await chat.enter("bob")
    for client in (first, bob):
        await client.join("r")
    assert await chat.http("POST", "/sessions/end", token=first.token, session="tab") == (204, None)
    for client in (first, second):
        assert await client.closed() == (1001, "session ended: stopped")
    assert await bob.until("presence", user="alice", state="offline")
    assert await stays.before_pong() == []
    assert chat.ended() == {("tab", "stopped")}
    assert chat.keys("alice") == {"other"}


async def test_a_session_that_hangs_is_ended_all_the_same_after_its_grace(chat: Chat) -> None:
    alice = await chat.enter("alice")
    assert (await chat.http("POST", "/wedge", token=alice.token, session="tab"))[0] == 204
    assert (await chat.http("POST", "/sessions/end", token=alice.token, session="tab"))[0] == 204
    assert await alice.closed() == (1001, "session ended: stopped")
    assert chat.ended() == {("tab", "stopped")}


async def test_only_ones_own_session_can_be_ended_and_only_by_its_name(chat: Chat) -> None:
    alice = await chat.enter("alice")
    bobs = TOKENS.issue("bob")

    async def end(**said: object) -> int:
        return (await chat.http("POST", "/sessions/end", **said))[0]

    assert await end(session="tab") == 401
    assert await end(token=bobs, session="tab") == 404
    assert await end(token=alice.token, session="no such") == 404
    for bad in ({}, {"session": 1}, {"session": ""}, {"session": "x" * 65}, {"session": None}):
        assert await end(token=alice.token, **bad) == 400
    assert (await chat.http("GET", "/sessions/end", token=alice.token))[0] in {404, 405}
    assert await alice.before_pong() == []
    assert await end(token=alice.token, session="tab") == 204
    assert await end(token=alice.token, session="tab") == 404, "it is ending, or gone"


async def test_the_sessions_tell_how_each_of_their_wires_stands(chat: Chat) -> None:
    alice, _ = await chat.enter("alice"), await chat.enter("alice")
    await chat.enter("alice", "other")
    await chat.enter("bob", "tab")
    await trio.sleep(0.2)
    await alice.before_pong()
    _, stands = await chat.http("GET", "/sessions", token=alice.token)
    wires = {session["session"]: session["wires"] for session in stands["sessions"]}
    assert [len(wires["tab"]), len(wires["other"])] == [2, 1]
    for wire in (*wires["tab"], *wires["other"]):
        assert (wire["queued_bytes"], wire["round_trip"]) == (0, None), "none was pinged so far"
    assert wires["tab"][0]["last_inbound_ago"] < 0.2 <= wires["tab"][1]["last_inbound_ago"] < 30
    for session in stands["sessions"]:
        assert session["connections"] == len(session["wires"])


async def test_a_session_without_a_connection_has_no_wires(chat: Chat) -> None:
    alice = await chat.enter("alice")
    await alice.close()
    await eventually(lambda: not attached(chat), "the connection is gone")
    _, stands = await chat.http("GET", "/sessions", token=alice.token)
    [session] = stands["sessions"]
    assert (session["connections"], session["wires"]) == (0, [])


def attached(chat: Chat) -> int:
    [holder] = chat.running.supervisor.explain("alice").holders
    return holder.connections or 0
