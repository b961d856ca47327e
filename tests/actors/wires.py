"""A wire made of paper: a Transport whose peer is the test, and which can misbehave as real ones do."""

from __future__ import annotations

import math

import attrs
import trio

from actors import ConnectionClosed, Outbox

# Stands after each message.
END = "\0"


@attrs.define(eq=False)
class PaperWire:
    """What the Connection did to it stands in `log`, in order."""

    answers_pings: bool = False
    handshake: float = 0.0
    """How long the peer takes to answer a Close."""
    log: list[object] = attrs.field(init=False, factory=list[object])
    sent: list[str] = attrs.field(init=False, factory=list[str])
    pinged: list[float] = attrs.field(init=False, factory=list[float])
    cut: trio.Event = attrs.field(init=False, factory=trio.Event)
    last_inbound: float = attrs.field(init=False, factory=trio.current_time)
    _reads: trio.Event = attrs.field(init=False, factory=trio.Event)
    read_since: float | None = attrs.field(init=False, default=-math.inf)
    """Somebody always waits for what comes in, unless a test says otherwise."""
    taken: int = attrs.field(init=False, default=0)
    """Bytes, as a kernel would tell."""
    round_trip: float | None = attrs.field(init=False, default=None)
    has_left: bool | None = attrs.field(init=False, default=False)
    outbox: Outbox = attrs.field(init=False)
    _writing: bool = attrs.field(init=False, default=False)
    _inbound: tuple[trio.MemorySendChannel[str], trio.MemoryReceiveChannel[str]] = attrs.field(
        init=False, factory=lambda: trio.open_memory_channel[str](math.inf)
    )
    _goodbye: ConnectionClosed | None = attrs.field(init=False, default=None)

    def __attrs_post_init__(self) -> None:
        self._reads.set()
        self.outbox = Outbox(self)

    # The peer

    def stall(self) -> None:
        """The peer reads nothing from now on."""
        self._reads = trio.Event()

    def resume(self) -> None:
        self._reads.set()

    def say(self, text: str) -> None:
        self.last_inbound = trio.current_time()
        self._inbound[0].send_nowait(text)

    def pong(self) -> None:
        self.last_inbound = trio.current_time()

    def hang_up(self, code: int = 1000, reason: str = "bye") -> None:
        self._goodbye = ConnectionClosed(code, reason)
        self._inbound[0].close()

    # As the Outbox needs it

    def write_now(self, data: bytes) -> int:
        if self.cut.is_set():
            raise trio.BrokenResourceError("cut")
        if not self._reads.is_set():
            return 0
        texts = data.decode().split(END)[:-1]
        self.log.extend(texts)
        self.sent.extend(texts)
        return len(data)

    async def write_some(self, data: bytes) -> int:
        assert not self._writing, "two writers at once"
        self._writing = True
        try:
            await self._reads.wait()
        finally:
            self._writing = False
        return self.write_now(data)

    # As the Connection needs it

    @staticmethod
    def framing(text: str) -> bytes:
        return f"{text}{END}".encode()

    async def receive(self) -> str:
        try:
            return await self._inbound[1].receive()
        except (trio.EndOfChannel, trio.ClosedResourceError):
            raise self._goodbye or ConnectionClosed(1006, "cut") from None

    def ping_soon(self) -> None:
        self.pinged.append(trio.current_time())
        if self.answers_pings:
            self.pong()

    async def aclose(self, code: int, reason: str) -> None:
        if self.cut.is_set():
            raise ConnectionClosed(1006, "cut")
        self.log.append((code, reason))
        await trio.sleep(self.handshake)

    def abort(self) -> None:
        if not self.cut.is_set():
            self.log.append("cut")
            self.cut.set()
            self._reads.set()
            self._inbound[1].close()
