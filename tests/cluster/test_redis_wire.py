"""The wire to a real engine: scripts, messages, refusals, and what cancellation leaves."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
import trustme

from supervisor.cluster._errors import EngineDown, EngineRefused
from supervisor.cluster._redis import open_redis
from supervisor.cluster._wire import Script, Standing

from .kit import COUNT, ECHO, all_tasks, eventually
from .redis_server import free_port, open_server


async def test_a_script_is_run_with_its_keys_and_arguments() -> None:
    every = Script(
        "every", "return {KEYS[1], KEYS[2], ARGV[1], 3, false, {'x', {}}, redis.status_reply('OK')}"
    )
    async with open_server() as server, open_redis(server.url) as wire:
        assert await wire.run(every, ["a", "ü"], [7]) == ["a", "ü", "7", 3, None, ["x", []], "OK"]
        assert await wire.run(Script("nothing", "return nil"), [], []) is None
        assert await wire.run(ECHO, ["k"], ["two words\r\n"]) == ["two words\r\n", "k"]
        statistics = wire.statistics()
    assert (statistics.calls, statistics.failures, statistics.connects) == (3, 0, 1)
    assert statistics.standing is Standing.UP
    assert statistics.why == ""
    assert statistics.round_trip is not None
    assert 0 < statistics.round_trip < 1


async def test_a_script_that_the_engine_forgot_is_run_once() -> None:
    async with open_server() as server, open_redis(server.url) as wire:
        assert await wire.run(COUNT, ["n"], [1]) == 1
        await server.command("SCRIPT", "FLUSH")
        assert await wire.run(COUNT, ["n"], [1]) == 2
        assert wire.statistics().failures == 0


async def test_what_the_engine_refuses_is_said_and_the_wire_stays() -> None:
    async with open_server() as server, open_redis(server.url) as wire:
        await server.command("SET", "text", "x")
        with pytest.raises(EngineRefused, match=r"refuses: .*not an integer"):
            await wire.run(COUNT, ["text"], [1])
        with pytest.raises(EngineRefused, match=r"refuses: .*compiling script"):
            await wire.run(Script("wrong", "this is no Lua"), [], [])
        with pytest.raises(EngineRefused, match="inner"):
            await wire.run(Script("inner", "return {1, redis.error_reply('MINE inner')}"), [], [])
        await server.command("CONFIG", "SET", "maxmemory", "1")
        with pytest.raises(EngineRefused, match="OOM"):
            await wire.run(COUNT, ["n"], [1])
        await server.command("CONFIG", "SET", "maxmemory", "0")
        await server.command("ACL", "SETUSER", "default", "-publish")
        with pytest.raises(EngineRefused, match="permission"):
            await wire.publish("c", "x")
        statistics = wire.statistics()
    assert (statistics.failures, statistics.connects, statistics.standing) == (5, 1, Standing.UP)


async def test_a_callers_mistake_is_the_callers_alone() -> None:
    async with open_server() as server, open_redis(server.url) as wire:
        with pytest.raises(TypeError):
            await wire.run(COUNT, ["n"], [1.5])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]  # so wrong
        with pytest.raises(UnicodeEncodeError):
            await wire.run(COUNT, ["\ud800"], [1])
        with pytest.raises(UnicodeEncodeError):
            await wire.publish("c", "\ud800")
        with pytest.raises(ValueError, match="capacity must be 1 or more"):
            async with wire.subscribe("c", capacity=0):
                pass
        assert await wire.run(COUNT, ["n"], [1]) == 1
        assert wire.statistics().connects == 1


async def test_who_publishes_learns_how_many_hear_it() -> None:
    async with open_server() as server, open_redis(server.url) as one, open_redis(server.url) as two:
        assert await one.publish("c", "nobody") == 0
        async with one.subscribe("c") as first, two.subscribe("c") as second:
            assert await two.publish("c", "ü") == 2
            assert await first.receive() == "ü"
            assert await second.receive() == "ü"


async def test_with_a_password_a_database_and_a_socket(tmp_path_factory: pytest.TempPathFactory) -> None:
    socket = tmp_path_factory.mktemp("s") / "redis.sock"
    options = ("--requirepass", "p/w", "--unixsocket", str(socket))
    async with open_server(*options) as server:
        async with open_redis(f"redis://:p%2Fw@127.0.0.1:{server.port}/3") as wire:
            assert await wire.run(COUNT, ["n"], [5]) == 5
            assert "p/w" not in repr(wire) + wire.address
        async with open_redis(f"unix://:p%2Fw@{socket}") as wire:
            assert await wire.run(COUNT, ["n"], [5]) == 5, "another database"


async def test_over_tls_with_a_certificate_that_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, port = trustme.CA(), free_port()
    certificate = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    files = {"--tls-cert-file": "cert.pem", "--tls-key-file": "key.pem", "--tls-ca-cert-file": "ca.pem"}
    options = [word for option, name in files.items() for word in (option, str(tmp_path / name))]
    async with open_server("--tls-port", str(port), "--tls-auth-clients", "no", *options):
        async with open_redis(f"rediss://127.0.0.1:{port}") as wire:
            with pytest.raises(EngineDown, match="certificate verify failed"):
                await wire.run(COUNT, ["n"], [1])
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        async with open_redis(f"rediss://127.0.0.1:{port}") as wire:
            assert await wire.run(COUNT, ["n"], [1]) == 1


async def test_without_the_password_the_block_is_not_entered() -> None:
    async with open_server("--requirepass", "secret") as server:
        for url in (server.url, server.url.replace("//", "//:wrong@")):
            with pytest.raises(EngineRefused, match=r"refuses: ") as caught:
                async with open_redis(url):
                    pytest.fail("entered")
            assert "wrong" not in str(caught.value) + repr(caught.value)


async def test_an_engine_that_is_away_is_no_error_and_is_found_when_it_comes() -> None:
    async with open_server() as server:
        await server.stop()
        async with open_redis(server.url) as wire:
            assert wire.statistics().standing is Standing.DOWN
            with pytest.raises(EngineDown, match=r"cannot be asked: .*refused"):
                await wire.run(COUNT, ["n"], [1])
            assert "refused" in wire.statistics().why
            await server.start()
            await eventually(lambda: wire.statistics().standing is Standing.UP)
            assert await wire.run(COUNT, ["n"], [1]) == 1
            assert wire.statistics().since <= trio.current_time()


async def test_a_host_that_does_not_exist_is_down() -> None:
    async with open_redis(f"redis://nowhere.invalid:{free_port()}") as wire:
        with pytest.raises(EngineDown):
            await wire.publish("c", "x")


async def test_cancelled_calls_leave_nothing_and_answers_stay_in_order() -> None:
    async with open_server() as server, open_redis(server.url) as wire:
        async with wire.subscribe("c"):  # so that both of its connections are there
            before = all_tasks()
        for number in range(300):
            with trio.CancelScope() as scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(wire.run, ECHO, ["cancelled"], [number])
                    nursery.start_soon(wire.publish, "c", "cancelled")
                    if number % 3:
                        await trio.lowlevel.checkpoint()
                    scope.cancel()
            assert await wire.run(ECHO, ["k"], [number]) == [str(number), "k"]
        assert all_tasks() == before
        assert wire.statistics().connects == 1
        assert wire.statistics().failures == 0


async def test_many_at_once_each_get_their_own_answer() -> None:
    wrong: list[int] = []

    async def ask(number: int) -> None:
        if await wire.run(ECHO, [f"k{number}"], [number]) != [str(number), f"k{number}"]:
            wrong.append(number)

    async with open_server() as server, open_redis(server.url, call_timeout=10) as wire:
        async with trio.open_nursery() as nursery:
            for number in range(1000):
                nursery.start_soon(ask, number)
        assert not wrong
        assert wire.statistics().connects == 1


async def test_the_block_ends_with_its_own_error_and_nothing_of_it_stays() -> None:
    async with open_server() as server:
        before = all_tasks()
        with pytest.raises(KeyError, match="mine"):
            async with open_redis(server.url):
                raise KeyError("mine")
        with trio.CancelScope() as scope:
            async with open_redis(server.url):
                scope.cancel()
                await trio.sleep_forever()
        assert scope.cancelled_caught
        assert all_tasks() == before
        async with open_redis(server.url) as wire:
            pass
        with pytest.raises(EngineDown, match="closed on this side"):
            await wire.publish("c", "x")
