"""All clients on one server: what it does to them of its own accord."""

from __future__ import annotations

from pathlib import Path

import attrs
import trio

from actors import ConnectionSpec
from tests.chat.support import Server, open_chat

from .driver import Driver

# Seconds. A client is pinged after so little, and must answer twice within as little; all three are
# long for a machine that does other things too, and short enough that a test sees several of them.
IMPATIENT = ConnectionSpec(quiet=0.5, ping_timeout=1.0, second_chance=1.0)


def test_everybody_hears_everybody_and_1012_when_the_server_ends(
    everybody: list[Driver], own_server: Server
) -> None:
    for client in everybody:
        client.enter(own_server, client.kind.name)
        client.says("join", room="r")
        client.hears("joined")
    for client in everybody:
        client.says("say", room="r", text=f"from {client.kind.name}", id="1")
    for client in everybody:
        heard = [client.hears("message") for _ in everybody]
        assert [message["seq"] for message in heard] == list(range(1, len(everybody) + 1))
        assert {message["user"] for message in heard} == {client.kind.name for client in everybody}
    own_server.end()
    assert {client.kind.name: client.closed()[0] for client in everybody} == {
        client.kind.name: 1012 for client in everybody
    }


def test_nobody_is_told_a_goodbye_by_a_server_that_dies(everybody: list[Driver], own_server: Server) -> None:
    for client in everybody:
        client.enter(own_server, client.kind.name)
    own_server.kill()
    assert {client.closed()[0] for client in everybody} == {1006}


@attrs.frozen
class _Ports:
    http: int
    ws: int


async def test_everybody_answers_our_pings_and_so_stays(everybody: list[Driver], tmp_path: Path) -> None:
    async with open_chat(tmp_path, connection=IMPATIENT) as chat:
        ports = _Ports(chat.running.http_port, chat.running.ws_port)
        for client in everybody:
            await trio.to_thread.run_sync(client.enter, ports, client.kind.name)
        # Whoever did not answer would be cut off two and a half seconds after its last word.
        await trio.sleep(6)
        for client in everybody:
            client.says("ping")
            await trio.to_thread.run_sync(client.hears, "pong")
            client.do("close", code=1000, reason="")
            assert (await trio.to_thread.run_sync(client.closed))[0] == 1000
