"""A chat on three nodes that lose nothing, whoever is killed: `python -m tests.cluster.chat_run --help`.

Writers say each message again, under its id, until it is acked; readers come back with the place where they
were. Meanwhile nodes and the engine are killed. At the end every reader must have every acked message once,
in the order of the room.
"""

from __future__ import annotations

import argparse
import os
import secrets
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import attrs
import msgspec
import trio
import trio_websocket

from examples.chat.tokens import ENVIRON_NAME, Tokens

from .redis_server import RedisServer, free_port, open_server

ROOM = "the room"
LEASE = 3.0
# Seconds. After so long without what it waits for a client hangs up and comes again.
IMPATIENCE = 10.0
# Seconds. For the whole of a run, for each hundred messages of it; only a hang takes so long.
BOUND, BOUND_FOR_100 = 120.0, 30.0
# What a client meets when its node, or the engine behind it, has been killed.
TROUBLES = (OSError, trio_websocket.ConnectionClosed, trio_websocket.HandshakeError, trio.TooSlowError)


@attrs.frozen
class Heard:
    """A message, as a reader got it."""

    seq: int
    id: str


@attrs.define(eq=False)
class Node:
    """A process of the chat, at the same ports whenever it runs."""

    name: str
    command: tuple[str, ...]
    ws: int
    environ: dict[str, str] = attrs.field(repr=False)
    log: Path
    _process: subprocess.Popen[bytes] | None = attrs.field(init=False, default=None)

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=self.environ
            )

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    @property
    def has_ended(self) -> bool:
        """By itself: without its engine a node does not start."""
        return self._process is not None and self._process.poll() is not None


@attrs.define(eq=False)
class Run:
    """One run: who is killed when, and what was acked."""

    random: Random
    engine: RedisServer
    nodes: tuple[Node, ...]
    tokens: Tokens
    messages: int
    every: int
    """So many acks from one kill to the next."""
    acked: dict[str, int] = attrs.field(init=False, factory=dict[str, int])
    kills: dict[str, int] = attrs.field(init=False, factory=dict[str, int])
    said_again: int = attrs.field(init=False, default=0)
    came_again: int = attrs.field(init=False, default=0)
    _written: trio.Event = attrs.field(init=False, factory=trio.Event)
    _progress: trio.Event = attrs.field(init=False, factory=trio.Event)
    _killed: trio.Event = attrs.field(init=False, factory=trio.Event)
    _allowed: int = attrs.field(init=False, default=0)
    """So many acks, then nobody writes on before the next kill: else a quick run would see few of them."""

    async def perform(self, *, writers: int, readers: int) -> list[list[Heard]]:
        """What each reader has heard, and last of all what is in the history."""
        heard: list[list[Heard]] = [[] for _ in range(readers)]
        async with trio.open_nursery() as reading:
            for number, mine in enumerate(heard):
                reading.start_soon(self._read, f"reader {number}", mine)
            async with trio.open_nursery() as killing:
                killing.start_soon(self._kill_now_and_then)
                killing.start_soon(self._revive)
                async with trio.open_nursery() as writing:
                    for number in range(writers):
                        count = len(range(number, self.messages, writers))
                        writing.start_soon(self._write, f"writer {number}", count)
                killing.cancel_scope.cancel()
            for node in self.nodes:
                if node.has_ended:
                    node.start()
            self._written.set()
        history: list[Heard] = []
        await self._read("historian", history)
        return [*heard, history]

    # Writers and readers

    async def _write(self, user: str, count: int) -> None:
        ids = [f"{user}/{number}" for number in range(count)]

        async def say_what_is_left(client: trio_websocket.WebSocketConnection) -> None:
            while ids:
                while len(self.acked) >= self._allowed:
                    await self._killed.wait()
                await self._say(client, ids[0])
                del ids[0]

        while ids:
            await self._visit(user, say_what_is_left)

    async def _say(self, client: trio_websocket.WebSocketConnection, id: str) -> None:
        await _send(client, type="say", room=ROOM, text=f"I say {id}", id=id)
        with trio.fail_after(IMPATIENCE):
            while True:
                frame = await _next(client)
                if frame.get("id") == id and frame["type"] in ("ack", "error"):
                    break
        if frame["type"] == "error":
            self.said_again += 1
            raise trio.TooSlowError(frame["message"])
        self.acked[id] = frame["seq"]
        self._progress.set()
        self._progress = trio.Event()

    async def _read(self, user: str, heard: list[Heard]) -> None:
        """Until all that was acked is there, once nothing more is written."""

        async def listen(client: trio_websocket.WebSocketConnection) -> None:
            while not self._has_all(heard):
                with trio.fail_after(IMPATIENCE):
                    frame = await _next(client)
                if frame["type"] == "message":
                    heard.append(Heard(frame["seq"], frame["id"]))

        while not self._has_all(heard):
            await self._visit(user, listen, since=heard[-1].seq if heard else 0)

    def _has_all(self, heard: list[Heard]) -> bool:
        last = heard[-1].seq if heard else 0
        return self._written.is_set() and last >= max(self.acked.values(), default=0)

    async def _visit(
        self,
        user: str,
        act: Callable[[trio_websocket.WebSocketConnection], Awaitable[None]],
        *,
        since: int = 0,
    ) -> None:
        """Act in the room on some node, until something goes wrong there."""
        self.came_again += 1
        node = self.random.choice(self.nodes)
        try:
            with trio.fail_after(IMPATIENCE):
                stream = await trio.open_tcp_stream("127.0.0.1", node.ws)
            async with stream, trio.open_nursery() as nursery:
                with trio.fail_after(IMPATIENCE):
                    client = await trio_websocket.wrap_client_stream(nursery, stream, "127.0.0.1", "/ws")
                    token = self.tokens.issue(user)
                    await _send(client, type="hello", token=token, session=f"tab of {user}")
                    await _send(client, type="join", room=ROOM, since=since)
                    while (await _next(client))["type"] != "joined":
                        pass
                await act(client)
                nursery.cancel_scope.cancel()
        except* TROUBLES:
            await trio.sleep(self.random.uniform(0.1, 0.5))

    # Trouble

    async def _kill_now_and_then(self) -> None:
        victims: list[Node | RedisServer] = [*self.nodes, self.engine]
        due = self.every
        while True:
            self._allowed = due + self.every
            self._killed.set()
            self._killed = trio.Event()
            while len(self.acked) < due:
                await self._progress.wait()
            due += self.every
            victim = victims[sum(self.kills.values()) % len(victims)]
            await trio.sleep(self.random.uniform(0, 0.2))
            name = victim.name if isinstance(victim, Node) else "the engine"
            self.kills[name] = self.kills.get(name, 0) + 1
            if isinstance(victim, Node):
                victim.kill()
                await trio.sleep(self.random.uniform(0, 1))
                victim.start()
            else:
                await victim.kill9()
                await trio.sleep(self.random.uniform(0, 1))
                await victim.start()

    async def _revive(self) -> None:
        """A node that came while the engine was away has ended, and said so."""
        while True:
            await trio.sleep(0.5)
            for node in self.nodes:
                if node.has_ended:
                    node.start()


async def _send(client: trio_websocket.WebSocketConnection, **frame: object) -> None:
    await client.send_message(msgspec.json.encode(frame).decode())


async def _next(client: trio_websocket.WebSocketConnection) -> dict[str, Any]:
    return msgspec.json.decode(await client.get_message(), type=dict[str, Any])


def problems(run: Run, heard: list[list[Heard]]) -> list[str]:
    """What is wrong with what was heard; nothing, if the promise was kept."""
    *readers, history = heard
    found: list[str] = []
    if [each.seq for each in history] != sorted({each.seq for each in history}):
        found.append("the history is not in order")
    at = {each.id: each.seq for each in history}
    if len(at) != len(history):
        found.append(f"{len(history) - len(at)} messages are in the history twice")
    lost = [said for said, seq in run.acked.items() if at.get(said) != seq]
    if lost:
        found.append(f"{len(lost)} acked messages are not in the history, or elsewhere: {lost[:3]}")
    if len(run.acked) != run.messages:
        found.append(f"{len(run.acked)} of {run.messages} were acked")
    for number, reader in enumerate(readers):
        if reader != history:
            found.append(f"reader {number} has {len(reader)} messages, the history {len(history)}, or others")
    return found


@asynccontextmanager
async def open_run(folder: Path, *, messages: int, every: int, seed: int) -> AsyncGenerator[Run]:
    """An engine that keeps what it acks, three nodes, and nobody there yet."""
    secret = secrets.token_hex()
    environ = dict(os.environ) | {ENVIRON_NAME: secret}
    async with open_server("--appendonly", "yes", "--appendfsync", "always") as engine:
        nodes = tuple(_node(name, folder, engine, environ) for name in ("one", "two", "three"))
        random = Random(seed)  # noqa: S311  # no secret, but repeatable
        try:
            for node in nodes:
                node.start()
            yield Run(random, engine, nodes, Tokens(secret), messages, every)
        finally:
            for node in nodes:
                node.kill()


def _node(name: str, folder: Path, engine: RedisServer, environ: dict[str, str]) -> Node:
    http, ws = free_port(), free_port()
    options: dict[str, object] = {
        "--engine": engine.url,
        "--lease": LEASE,
        "--node-name": name,
        "--database": folder / "chat.sqlite3",
        "--control": folder / f"{name}.sock",
        "--http-port": http,
        "--ws-port": ws,
    }
    words = [word for option, value in options.items() for word in (option, str(value))]
    command = (sys.executable, "-m", "tests.chat.talkative", *words)
    return Node(name, command, ws, environ, folder / f"{name}.log")


async def perform(folder: Path, *, messages: int, every: int, seed: int) -> tuple[Run, list[str]]:
    """A run, and what is wrong with it."""
    with trio.fail_after(BOUND + BOUND_FOR_100 * messages / 100):
        async with open_run(folder, messages=messages, every=every, seed=seed) as run:
            heard = await run.perform(writers=3, readers=3)
            return run, problems(run, heard)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster.chat_run", description=__doc__)
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--every", type=int, default=250, help="acks from one kill to the next (default 250)")
    parser.add_argument("--seed", type=int, default=secrets.randbits(32))
    parser.add_argument("--folder", type=Path, default=Path(f"chat-run-{os.getpid()}"), help="for the logs")
    options = parser.parse_args()
    options.folder.mkdir()
    began = time.monotonic()
    run, wrong = trio.run(_perform, options)
    took = time.monotonic() - began
    sys.stdout.write(
        f"{len(run.acked)} messages acked in {took:.0f} s (seed {options.seed}); killed: {run.kills};"
        f" clients came {run.came_again} times, were told to say it again {run.said_again} times\n"
    )
    sys.stdout.write("\n".join(wrong or ["every reader has every acked message once, in order"]) + "\n")
    return 1 if wrong else 0


async def _perform(options: argparse.Namespace) -> tuple[Run, list[str]]:
    return await perform(options.folder, messages=options.messages, every=options.every, seed=options.seed)


if __name__ == "__main__":
    sys.exit(main())
