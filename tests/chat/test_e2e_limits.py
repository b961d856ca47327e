"""The limit of sessions: who is stuck makes room, who is well stays, and a refusal says why."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest
import websockets

from examples.chat.session import Wedge
from supervisor import Health

from .support import PATIENCE, TOKENS, Chat, Client, Serve, eventually, open_chat, peer, request, wait_until

BUDGET = 0.5


async def wedge(chat: Chat, *clients: Client) -> None:
    """Make them hang, and wait until each is past its budget and nobody else is."""
    for place, client in enumerate(clients):
        if place % 2:
            ref = chat.running.supervisor.lookup("alice", client.session)
            assert ref is not None
            ref.tell_nowait(Wedge())
        else:
            said = await chat.http("POST", "/wedge", token=client.token, session=client.session)
            assert said == (204, None)
    stuck = {client.session for client in clients}
    await eventually(lambda: chat.keys("alice", Health.UNRESPONSIVE) == stuck, f"only {stuck} unresponsive")


@pytest.mark.parametrize(("limit", "wedged"), [(1, 1), (2, 1), (3, 2), (5, 2), (5, 5), (20, 5)])
async def test_exactly_the_wedged_go_when_a_slot_is_needed(tmp_path: Path, limit: int, wedged: int) -> None:
    async with open_chat(tmp_path, limit=limit, budget=BUDGET) as chat:
        clients = [await chat.enter("alice", f"{n}") for n in range(limit)]
        bystander = await chat.enter("bob")
        stuck, well = clients[:wedged], clients[wedged:]
        await wedge(chat, *stuck)
        assert chat.ended() == set(), "nobody is ended before a slot is needed"
        newcomer = await chat.enter("alice", "new")
        for client in stuck:
            assert await client.closed() == (1011, "session ended: unresponsive")
        assert chat.ended() == {(client.session, "unresponsive") for client in stuck}
        sessions = {"new", *(client.session for client in well)}
        assert set(newcomer.heard[0]["sessions"]) == chat.keys("alice") == sessions
        for client in (*well, newcomer, bystander):
            assert await client.before_pong() == []


@pytest.mark.parametrize("limit", [0, 1, 2, 3, 5, 20])
async def test_when_all_are_well_the_next_is_refused_with_the_reason(tmp_path: Path, limit: int) -> None:
    async with open_chat(tmp_path, limit=limit, budget=BUDGET) as chat:
        clients = [await chat.enter("alice", f"{n}") for n in range(limit)]
        refused = await chat.greet("alice", "one too many")
        code, reason = await refused.closed()
        assert code == 1013
        assert len(reason.encode()) <= 123
        sentence = f"Limit reached: {limit} of {limit} sessions alive. Tried garbage, liveness. Retry in "
        assert reason.startswith(sentence)
        assert refused.heard == []
        status, stands = await chat.http("GET", "/sessions", token=refused.token)
        assert (status, stands["limit"], stands["refusal"]["sentence"]) == (200, limit, reason)
        assert stands["refusal"]["reason"] == "limit"
        keys = {client.session for client in clients}
        for listed in (stands["sessions"], stands["refusal"]["holders"]):
            assert {holder["session"] for holder in listed} == keys
        for holder in stands["refusal"]["holders"]:
            assert [kept.partition(":")[0] for kept in holder["kept"]] == ["garbage", "liveness"]
        assert chat.ended() == set()
        for client in clients:
            assert await client.before_pong() == []


async def test_who_hangs_within_his_budget_stays(tmp_path: Path) -> None:
    async with open_chat(tmp_path, limit=1, budget=PATIENCE) as chat:
        client = await chat.enter("alice")
        ref = chat.running.supervisor.lookup("alice", "tab")
        assert ref is not None
        ref.tell_nowait(Wedge())
        await eventually(lambda: chat.keys("alice", Health.BUSY), "it is busy")
        code, reason = await (await chat.greet("alice", "new")).closed()
        assert (code, "1 of 1 sessions alive" in reason) == (1013, True)
        assert chat.ended() == set()
        assert client.socket.closed is None


async def test_a_closed_tab_frees_its_slot_at_once_when_one_is_needed(tmp_path: Path) -> None:
    async with open_chat(tmp_path, limit=2) as chat:
        stays, goes = await chat.enter("alice", "stays"), await chat.enter("alice", "goes")
        await goes.close()
        await chat.enter("alice", "new")
        assert chat.ended() == {("goes", "disconnected")}
        assert await stays.before_pong() == []
        code, _ = await (await chat.greet("alice", "goes")).closed()
        assert code == 1013


async def test_a_wedged_manager_is_taken_over_when_its_session_reconnects(tmp_path: Path) -> None:
    async with open_chat(tmp_path, limit=2, budget=BUDGET) as chat:
        first, other = await chat.enter("alice", "tab"), await chat.enter("alice", "other")
        await first.join("r")
        await other.join("r")
        await wedge(chat, first)
        again = await chat.greet("alice", "tab")
        welcome = await again.next()
        assert (welcome["resumed"], set(welcome["sessions"])) == (False, {"tab", "other"})
        assert await first.closed() == (1011, "session ended: unresponsive")
        assert chat.ended() == {("tab", "unresponsive")}
        assert (await again.join("r"))["members"] == ["alice"]
        assert await again.say("r", "back", "1") == 1
        assert (await other.until("message"))["text"] == "back"


async def test_a_wedged_session_that_goes_leaves_its_rooms(tmp_path: Path) -> None:
    async with open_chat(tmp_path, limit=1, budget=BUDGET) as chat:
        stuck, bob = await chat.enter("alice", "stuck"), await chat.enter("bob")
        await stuck.join("r")
        await bob.join("r")
        await wedge(chat, stuck)
        await chat.enter("alice", "new")
        assert await bob.before("presence", user="alice", state="offline") == []
        assert (await bob.join("r"))["members"] == ["bob"]


async def test_only_who_is_logged_in_wedges_and_only_his_own(chat: Chat) -> None:
    await chat.enter("alice")
    token = TOKENS.issue("bob")
    assert (await chat.http("POST", "/wedge", session="tab"))[0] == 401
    assert (await chat.http("GET", "/sessions"))[0] == 401
    assert (await chat.http("GET", "/sessions", token=TOKENS.issue("alice")[:-1]))[0] == 401
    assert (await chat.http("POST", "/wedge", token=token, session="tab"))[0] == 404
    assert (await chat.http("POST", "/wedge", token=token, session=1))[0] == 400
    status, login = await chat.http("POST", "/login", name="carol")
    assert (status, login["user"]) == (200, "carol")
    assert (await chat.http("GET", "/sessions", token=login["token"]))[1]["sessions"] == []
    assert (await chat.http("POST", "/login", name="x" * 41))[0] == 400


def test_20_sessions_5_wedged_in_a_real_server_with_its_usual_budget(serve: Serve) -> None:
    server = serve(limit=20)
    token = TOKENS.issue("alice")

    def states() -> dict[str, str]:
        _, stands = request(server.http, "GET", "/sessions", token=token)
        return {session["session"]: session["state"] for session in stands["sessions"]}

    with ExitStack() as stack:
        peers = {f"{n}": stack.enter_context(peer(server.ws, "alice", f"{n}")) for n in range(20)}
        for client in peers.values():
            client.until("welcome")
        stuck, well = {f"{n}" for n in range(5)}, {f"{n}" for n in range(5, 20)}
        for session in stuck:
            assert request(server.http, "POST", "/wedge", token=token, session=session)[0] == 204
        expected = dict.fromkeys(stuck, "unresponsive") | dict.fromkeys(well, "healthy")
        wait_until(lambda: states() == expected, "5 are past their budget")
        newcomer = stack.enter_context(peer(server.ws, "alice", "new"))
        assert set(newcomer.until("welcome")["sessions"]) == well | {"new"}
        for session in stuck:
            assert peers[session].closed() == (1011, "session ended: unresponsive")
        for session in well:
            peers[session].send("ping")
            peers[session].until("pong")
        assert states() == dict.fromkeys(well | {"new"}, "healthy")
        for n in range(4):
            stack.enter_context(peer(server.ws, "alice", f"more {n}")).until("welcome")
        refused = stack.enter_context(peer(server.ws, "alice", "one too many"))
        code, reason = refused.closed()
        assert (code, reason.startswith("Limit reached: 20 of 20 sessions alive.")) == (1013, True)
    ended = [line for line in server.said.splitlines() if "alice/" in line and " ended: " in line]
    assert len([line for line in ended if "unresponsive" in line]) == 5


def test_the_package_websockets_hears_the_refusal_too(serve: Serve) -> None:
    server = serve(limit=0)
    with peer(server.ws, "alice") as client, pytest.raises(websockets.ConnectionClosed) as closed:
        client.until("welcome")
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1013
