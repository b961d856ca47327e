"""Other threads: back-pressure, cancellation, and ends while they wait; and a real WSGI server."""

from __future__ import annotations

import math
import signal
import threading
from collections.abc import Awaitable, Callable, Generator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from http.client import HTTPConnection
from typing import Any, TypeVar, TypeVarTuple

import attrs
import pytest
import trio
from anyio.from_thread import BlockingPortal, start_blocking_portal

from actors import Actor, ActorCrashed, ActorRef, ActorStopped, ExitReason, MailboxFull, Request
from examples.embedding import threads
from examples.embedding.threads import LONGEST_BODY, Session, serving
from supervisor import ChildSpec, Supervisor, SupervisorClosed, open_supervisor

from .lines import PATIENCE, started

R = TypeVar("R")
Ts = TypeVarTuple("Ts")


BOB = ChildSpec(Session)


class Ask(Request[int]):
    pass


@attrs.define(eq=False)
class Gated(Actor[Ask]):
    """It handles nothing before its gate is open, and then counts."""

    gate: trio.Event = attrs.field(factory=trio.Event)
    handled: int = 0

    async def handle(self, message: Ask) -> int:
        await self.gate.wait()
        self.handled += 1
        return self.handled


@attrs.define(eq=False)
class Scene:
    """Trio in one thread, with a supervisor; a gated actor with room for one message; and other threads."""

    portal: BlockingPortal
    supervisor: Supervisor
    threads: ThreadPoolExecutor
    gated: Gated
    ref: ActorRef[Ask]

    def call(self, function: Callable[[*Ts], Awaitable[R]], *args: *Ts) -> R:
        async def called() -> R:
            return await function(*args)

        return self.portal.call(called)

    def call_in_a_thread(self, function: Callable[[*Ts], Awaitable[R]], *args: *Ts) -> Future[R]:
        return self.threads.submit(lambda: self.call(function, *args))

    def wait_until(self, fact: Callable[[], bool]) -> None:
        """Look at it in Trio's thread."""

        async def look() -> None:
            with trio.fail_after(PATIENCE):
                while not fact():
                    await trio.sleep(0.001)

        self.portal.call(look)

    def wait_until_at_work(self) -> None:
        self.wait_until(lambda: self.ref.statistics().in_hand == 1)


@contextmanager
def staged() -> Generator[Scene]:
    """At its end whatever still waits has been told, or else this never ends."""
    gated: list[Gated] = []

    def make() -> Gated:
        gated.append(Gated())
        return gated[0]

    spec = ChildSpec(make, mailbox_capacity=1, stop_grace=0.05)
    with (
        ThreadPoolExecutor() as pool,
        start_blocking_portal("trio") as portal,
        portal.wrap_async_context_manager(open_supervisor()) as supervisor,
    ):
        ref = portal.call(supervisor.get_or_spawn, "alice", "it", spec).ref
        yield Scene(portal, supervisor, pool, gated[0], ref)


def test_a_thread_that_tells_waits_for_room_and_no_longer() -> None:
    with staged() as scene:
        told = [scene.call_in_a_thread(scene.ref.tell, Ask()) for _ in range(5)]
        scene.wait_until(lambda: scene.ref.statistics().queued == 1)
        scene.wait_until_at_work()
        assert sum(future.done() for future in told) <= 2
        with pytest.raises(MailboxFull):
            scene.portal.call(scene.ref.tell_nowait, Ask())
        scene.portal.call(scene.gated.gate.set)
        for future in told:
            future.result(PATIENCE)
        scene.wait_until(lambda: scene.gated.handled == 5)


def test_a_future_that_is_cancelled_sends_nothing_and_asks_no_more() -> None:
    with staged() as scene:
        asking = scene.portal.start_task_soon(scene.ref.ask, Ask())
        scene.wait_until_at_work()
        scene.portal.call(scene.ref.tell, Ask())
        telling = scene.portal.start_task_soon(scene.ref.tell, Ask())
        for future in (asking, telling):
            assert future.cancel()
            with pytest.raises(CancelledError):
                future.result(PATIENCE)
        scene.portal.call(trio.sleep, 0.01)
        scene.portal.call(scene.gated.gate.set)
        scene.wait_until(lambda: scene.gated.handled == 2)
        assert scene.portal.call(scene.ref.ask, Ask()) == 3, "what had been sent was handled, and no more"


def test_threads_that_wait_when_the_supervisor_ends_are_told_and_so_are_later_ones() -> None:
    with staged() as scene:
        asking = scene.call_in_a_thread(scene.ref.ask, Ask())
        scene.wait_until_at_work()
        scene.portal.call(scene.ref.tell, Ask())
        telling = scene.call_in_a_thread(scene.ref.tell, Ask())
        stopping = scene.portal.start_task_soon(scene.supervisor.shut_down)
        scene.wait_until(lambda: not scene.supervisor.accepting)
        with pytest.raises(SupervisorClosed):
            scene.call_in_a_thread(scene.supervisor.get_or_spawn, "bob", "it", BOB).result(PATIENCE)
        for future in (asking, telling):
            with pytest.raises(ActorStopped) as stopped:
                future.result(PATIENCE)
            assert stopped.value.exit.reason is ExitReason.SHUTDOWN
        stopping.result(PATIENCE)
    with pytest.raises(RuntimeError, match="portal is not running"):
        scene.call(trio.sleep, 0)


async def test_threads_that_wait_when_trio_itself_is_cancelled_are_told() -> None:
    asked = threading.Event()
    outcomes: list[str] = []

    def wait_in_a_thread(portal: BlockingPortal) -> None:
        asked.set()
        try:
            portal.call(trio.sleep_forever)
        except CancelledError:
            outcomes.append("cancelled")

    thread: threading.Thread | None = None
    with trio.fail_after(PATIENCE), trio.CancelScope() as scope:
        async with BlockingPortal() as portal, open_supervisor():
            thread = threading.Thread(target=wait_in_a_thread, args=[portal])
            thread.start()
            await trio.to_thread.run_sync(asked.wait)
            await trio.sleep(0.01)
            scope.cancel()
    assert thread is not None
    await trio.to_thread.run_sync(thread.join)
    assert outcomes == ["cancelled"]


@attrs.define(eq=False)
class Blocking(Actor[Request[int]]):
    """Asks another one, or itself, from a thread of its own."""

    other: ActorRef[Any] | None = None
    patience: float = math.inf

    async def handle(self, message: Request[int]) -> int:
        return await self.run_blocking(self.ask, message)

    def ask(self, message: Request[int]) -> int:
        async def ask_in_trio() -> int:
            with trio.fail_after(self.patience):
                return await (self.other or self.ref).ask(message)

        return trio.from_thread.run(ask_in_trio)


async def test_an_actors_own_thread_asks_others() -> None:
    with trio.fail_after(PATIENCE):
        async with open_supervisor() as supervisor:
            other = await supervisor.get_or_spawn("alice", "other", ChildSpec(Session))
            asking = await supervisor.get_or_spawn("alice", "it", ChildSpec(partial(Blocking, other.ref)))
            assert await asking.ref.ask(threads.Text("abc")) == 3


async def test_a_circle_through_a_thread_is_ended_by_a_deadline() -> None:
    with trio.fail_after(PATIENCE):
        async with open_supervisor() as supervisor:
            circle = await supervisor.get_or_spawn("alice", "it", ChildSpec(partial(Blocking, patience=0.05)))
            with pytest.raises(ActorCrashed) as crashed:
                await circle.ref.ask(Ask())
            assert isinstance(crashed.value.error, trio.TooSlowError)


async def test_an_actors_thread_that_was_abandoned_does_not_outlive_whom_it_asks() -> None:
    with trio.fail_after(PATIENCE):
        async with open_supervisor() as supervisor:
            other = await supervisor.get_or_spawn("alice", "other", ChildSpec(Gated, stop_grace=0.01))
            spec = ChildSpec(partial(Blocking, other.ref), stop_grace=0.01)
            asking = await supervisor.get_or_spawn("alice", "it", spec)
            await asking.ref.tell(Ask())
            while not other.ref.statistics().in_hand:
                await trio.sleep(0.001)
            await supervisor.stop("alice", "it")
            assert supervisor.explain("alice").threads == 1
            await supervisor.stop("alice", "other")
            while supervisor.explain("alice").threads:
                await trio.sleep(0.001)


def post(port: int, path: str, body: str) -> tuple[int, str, str | None]:
    """The status, the text, and when to come again."""
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("POST", path, body)
        answer = connection.getresponse()
        return answer.status, answer.read().decode().strip(), answer.getheader("Retry-After")
    finally:
        connection.close()


def test_over_wsgi_a_session_lasts_and_beyond_the_limit_one_is_refused() -> None:
    with serving(0, limit=1) as port:
        assert [post(port, "/alice/laptop", text)[1] for text in ("abc", "de")] == ["3", "5"]
        status, reason, retry_after = post(port, "/alice/phone", "abc")
        assert status == 429
        assert reason.startswith("Limit reached: 1 of 1 sessions alive.")
        assert retry_after is not None
        assert 1 <= int(retry_after) <= 8
        assert post(port, "/bob/laptop", "x")[:2] == (200, "1")
        assert post(port, "/alice", "x")[0] == 400
        assert post(port, "/alice/laptop", "x" * (LONGEST_BODY + 1))[0] == 400


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """From now on sessions hang; the event tells that one does."""
    at_work = threading.Event()

    class Hanging(Session):
        async def handle(self, message: threads.Text) -> int:
            at_work.set()
            await trio.sleep_forever()

    monkeypatch.setattr(threads, "SESSION", ChildSpec(Hanging, stop_grace=0.05))
    return at_work


def test_over_wsgi_one_who_waits_when_all_ends_is_told(hanging: threading.Event) -> None:
    with ThreadPoolExecutor() as pool:
        with serving(0) as port:
            waiting = pool.submit(post, port, "/alice/laptop", "abc")
            assert hanging.wait(PATIENCE)
        status, reason, _ = waiting.result(PATIENCE)
    assert status == 503
    assert "shutdown" in reason


def test_over_wsgi_nobody_waits_longer_than_the_deadline(
    hanging: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "DEADLINE", 0.1)
    with serving(0) as port:
        assert post(port, "/alice/laptop", "abc")[:2] == (504, "no answer within 0.1 s")
    assert hanging.is_set()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_it_with_sessions_alive(number: signal.Signals) -> None:
    with started("examples.embedding.threads", "0") as program:
        port = int(program.says.rpartition(":")[2])
        assert await trio.to_thread.run_sync(post, port, "/alice/laptop", "abc") == (200, "3", None)
        assert await program.end(number) == (0, "")
