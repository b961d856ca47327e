"""What the end-to-end tests share: servers to talk to, and clients that say what they waited for."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import time
from collections.abc import AsyncGenerator, Callable, Collection, Generator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol, TypeAlias, TypeVar

import attrs
import msgspec
import trio
import trio_websocket
import websockets
import websockets.sync.client

from actors import ConnectionSpec
from actors.websocket import WebSocketSpec
from examples.chat.limits import Limits
from examples.chat.protocol import FRAME_LIMIT
from examples.chat.server import ChatSpec, Running, serve_chat
from examples.chat.tokens import Tokens
from supervisor import Event, EventsLost, Health, HealthPolicy, Subscription, Terminal

Frame: TypeAlias = dict[str, Any]
E = TypeVar("E", bound=Event)

ROOT = Path(__file__).parents[2]
SECRET = "a secret for tests only"  # noqa: S105  # it signs nothing else
TOKENS = Tokens(SECRET)

# Seconds. Never reached unless something is broken; then a test says what it waited for.
PATIENCE = 30.0
# Seconds. A whole test in process, its server's end included.
WHOLE_TEST = 90.0
# Clients here say goodbye at once; who does not is not worth a second of each test. And most of them
# say a day's worth in a second, on one connection or on many.
SPEC = ConnectionSpec(close_grace=0.3, rate=1e6, burst=10**6)
TALKATIVE = Limits(rate=1e6, burst=10**6)
# Frames. Enough that a client's own queue never keeps it from answering pings.
CLIENT_QUEUE = 100_000


@contextmanager
def within(seconds: float, what: str) -> Generator[None]:
    """Fail, saying `what` did not happen, rather than hang."""
    try:
        with trio.fail_after(seconds):
            yield
    except trio.TooSlowError:
        raise AssertionError(f"not within {seconds:g} s: {what}") from None


async def eventually(check: Callable[[], object], what: str) -> None:
    """Wait for a fact that can only be looked at."""
    with within(PATIENCE, what):
        while not check():
            await trio.sleep(0.005)


def wait_until(check: Callable[[], object], what: str) -> None:
    """As `eventually`, for tests without an event loop."""
    deadline = time.monotonic() + PATIENCE
    while not check():
        assert time.monotonic() < deadline, f"not within {PATIENCE:g} s: {what}"
        time.sleep(0.02)


def frame_of(text: str | bytes) -> Frame:
    assert isinstance(text, str), "the server speaks text only"
    return msgspec.json.decode(text, type=Frame)


def fits(frame: Frame, type: str, facts: Frame) -> bool:
    """Is it of that type, and does it say all of these facts?"""
    return frame["type"] == type and all(frame.get(name) == value for name, value in facts.items())


@attrs.define(eq=False)
class Client:
    """A client in Trio, on trio-websocket."""

    socket: trio_websocket.WebSocketConnection
    token: str = ""
    session: str = ""
    heard: list[Frame] = attrs.field(factory=list[Frame])

    async def send(self, type: str, **fields: object) -> None:
        await self.send_raw(json.dumps({"type": type, **fields}))

    async def send_raw(self, data: str | bytes) -> None:
        await self.socket.send_message(data)

    async def next(self) -> Frame:
        """The next frame."""
        with within(PATIENCE, f"one more frame after {self.heard[-5:]}"):
            self.heard.append(frame_of(await self.socket.get_message()))
        return self.heard[-1]

    async def until(self, type: str, **facts: object) -> Frame:
        """The next frame of that type that says these facts; others are passed over."""
        while not fits(await self.next(), type, facts):
            pass
        return self.heard[-1]

    async def before(self, type: str, **facts: object) -> list[Frame]:
        """The frames that come before that one."""
        mark = len(self.heard)
        await self.until(type, **facts)
        return self.heard[mark:-1]

    async def before_pong(self) -> list[Frame]:
        """The frames that come before the answer to a ping."""
        await self.send("ping")
        return await self.before("pong")

    async def messages(self, count: int) -> list[Frame]:
        """The next so many messages."""
        return [await self.until("message") for _ in range(count)]

    async def say(self, room: str, text: str, id: str) -> int:
        """Say something and wait for the ack; gives the seq."""
        await self.send("say", room=room, text=text, id=id)
        ack = await self.until("ack", id=id)
        assert ack["room"] == room
        return int(ack["seq"])

    async def join(self, room: str, **since: int) -> Frame:
        await self.send("join", room=room, **since)
        return await self.until("joined", room=room)

    async def closed(self) -> tuple[int, str]:
        """Read to the end; gives the close code and reason."""
        with within(PATIENCE, f"the end of the connection after {self.heard[-5:]}"):
            try:
                while True:
                    self.heard.append(frame_of(await self.socket.get_message()))
            except trio_websocket.ConnectionClosed as closed:
                return (closed.reason.code, closed.reason.reason or "") if closed.reason else (1006, "")

    async def close(self) -> None:
        """Close the tab."""
        with within(PATIENCE, "the closing handshake"):
            await self.socket.aclose()


@attrs.define(eq=False)
class Chat:
    """A chat server in this process, and the clients of it."""

    running: Running
    subscription: Subscription
    clients: trio.Nursery
    streams: AsyncExitStack
    _log: list[Event | EventsLost] = attrs.field(factory=list[Event | EventsLost])

    async def connect(
        self, *, path: str = "/ws", port: int | None = None, queue: int = CLIENT_QUEUE
    ) -> Client:
        """A WebSocket on which nothing has been said yet."""
        with within(PATIENCE, "the opening handshake"):
            stream = await trio.open_tcp_stream("127.0.0.1", port or self.running.ws_port)
            self.streams.push_async_callback(trio.aclose_forcefully, stream)
            socket = await trio_websocket.wrap_client_stream(
                self.clients, stream, "127.0.0.1", path, message_queue_size=queue
            )
        return Client(socket)

    async def greet(
        self, user: str, session: str, *, port: int | None = None, queue: int = CLIENT_QUEUE, token: str = ""
    ) -> Client:
        """A client that has said hello, and not listened yet."""
        client = await self.connect(port=port, queue=queue)
        client.token, client.session = token or TOKENS.issue(user), session
        await client.send("hello", token=client.token, session=session)
        return client

    async def enter(
        self, user: str, session: str = "tab", *, port: int | None = None, token: str = ""
    ) -> Client:
        """A client that has been welcomed."""
        client = await self.greet(user, session, port=port, token=token)
        assert (await client.next())["type"] == "welcome"
        return client

    async def http(self, method: str, path: str, **said: object) -> tuple[int, Any]:
        """One request to the page; `token` and the fields of a JSON body."""
        return await trio.to_thread.run_sync(lambda: request(self.running.http_port, method, path, **said))

    def happened(self, kind: type[E]) -> list[E]:
        """The supervisor's events of that kind so far."""
        self._log += self.subscription.drain()
        return [event for event in self._log if isinstance(event, kind)]

    def ended(self) -> set[tuple[str, str]]:
        """The sessions that have ended so far, each with the reason."""
        return {(event.key, event.exit.reason.value) for event in self.happened(Terminal)}

    def keys(self, user: str, *healths: Health) -> set[str]:
        """The sessions of the user that hold a slot and are judged so."""
        holders = self.running.supervisor.explain(user).holders
        return {holder.key for holder in holders if not healths or holder.verdict.health in healths}


@asynccontextmanager
async def open_chat(
    folder: Path,
    *,
    limit: int = 20,
    budget: float = 5.0,
    handshake: float = 2.0,
    connection: ConnectionSpec = SPEC,
    origins: Collection[str] | None = None,
    **more: Any,
) -> AsyncGenerator[Chat]:
    """A server in this process, and a nursery for its clients; `more` are fields of its spec."""
    more = {"limits": TALKATIVE} | more
    spec = ChatSpec(
        database=folder / "chat.sqlite3",
        secret=SECRET,
        http_port=0,
        ws_port=0,
        limit=limit,
        health=HealthPolicy(budget=budget),
        websocket=WebSocketSpec(
            message_bytes=FRAME_LIMIT, handshake=handshake, origins=origins, connection=connection
        ),
        **more,
    )
    with within(WHOLE_TEST, "the end of the test and of its server"):
        async with AsyncExitStack() as streams, trio.open_nursery() as clients:
            async with trio.open_nursery() as server:
                running: Running = await server.start(serve_chat, spec)
                with running.supervisor.events() as subscription:
                    yield Chat(running, subscription, clients, streams)
                server.cancel_scope.cancel()
            clients.cancel_scope.cancel()


def request(port: int, method: str, path: str, **said: object) -> tuple[int, Any]:
    """One HTTP request; gives the status and the JSON of the answer."""
    token = said.pop("token", None)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)) as connection:
        connection.request(method, path, json.dumps(said) if said else None, headers)
        answer = connection.getresponse()
        content = answer.read()
    is_json = answer.headers.get_content_type() == "application/json"
    return answer.status, msgspec.json.decode(content) if is_json else None


class Serve(Protocol):
    """Start one more server process on the test's database."""

    def __call__(
        self,
        *,
        limit: int = 20,
        http: int = 0,
        ws: int = 0,
        journal: Path | None = None,
        module: str = "examples.chat",
    ) -> Server: ...


@attrs.define(eq=False)
class Server:
    """`python -m examples.chat` as a process of its own."""

    process: subprocess.Popen[str]
    log: Path
    control: Path
    """Of its control socket."""
    http: int
    ws: int

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Ask it to end, and see that it does, by itself and well."""
        self.process.send_signal(how)
        try:
            status = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"not ended {PATIENCE:g} s after {how.name}: {self.said}") from None
        assert status == 0, f"status {status} after {how.name}: {self.said}"
        assert "Traceback" not in self.said, self.said

    def kill(self) -> None:
        """End it in the middle of whatever it does."""
        self.process.kill()
        self.process.wait(PATIENCE)

    @property
    def said(self) -> str:
        return self.log.read_text()


@attrs.define(eq=False)
class Peer:
    """A client on the `websockets` package, for tests without an event loop."""

    socket: websockets.sync.client.ClientConnection

    def send(self, type: str, **fields: object) -> None:
        self.socket.send(json.dumps({"type": type, **fields}))

    def until(self, type: str, **facts: object) -> Frame:
        """The next frame of that type that says these facts; others are passed over."""
        return next(frame for frame in self.frames() if fits(frame, type, facts))

    def frames(self) -> Iterator[Frame]:
        while True:
            yield frame_of(self.socket.recv(timeout=PATIENCE))

    def say(self, room: str, text: str, id: str) -> int:
        self.send("say", room=room, text=text, id=id)
        return int(self.until("ack", id=id)["seq"])

    def closed(self, heard: list[Frame] | None = None) -> tuple[int, str]:
        """Read to the end, into `heard`; gives the close code and reason."""
        try:
            for frame in self.frames():
                if heard is not None:
                    heard.append(frame)
        except websockets.ConnectionClosed as closed:
            if closed.rcvd is not None:
                return closed.rcvd.code, closed.rcvd.reason
        return 1006, ""


@contextmanager
def peer(ws: int, user: str, session: str = "tab", *, token: str = "") -> Generator[Peer]:
    """A client that has said hello."""
    url = f"ws://127.0.0.1:{ws}/ws"
    with websockets.sync.client.connect(url, proxy=None, close_timeout=2) as socket:
        client = Peer(socket)
        with suppress(websockets.ConnectionClosed):
            client.send("hello", token=token or TOKENS.issue(user), session=session)
        yield client
