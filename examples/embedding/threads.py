"""From other threads: a threaded WSGI server in front, and the supervisor in Trio, in one thread behind it.

    python -m examples.embedding.threads 8000
    curl -d hello http://127.0.0.1:8000/alice/laptop

A ref and a supervisor belong to Trio's thread; whoever touches them from another one breaks them. AnyIO's
blocking portal is the bridge, and it is enough: `portal.call(ref.tell, message)` waits as long as `tell`
would, so back-pressure holds; `portal.start_task_soon(...)` gives a future: cancel it, and Trio's side is.

Open the supervisor *inside* of the portal. It ends first then: threads that wait for one of its managers
get `ActorStopped`, those that ask for a new one `SupervisorClosed`, and once the portal has ended as well, a
`RuntimeError`. Nobody hangs. In a program that is Trio's already, `async with BlockingPortal() as portal,
open_supervisor() as supervisor:` is the same, for the callbacks of a C library, say.

An actor needs none of it: in the thread of its `run_blocking`, `trio.from_thread.run(ref.ask, message)` will
do. But a circle of askers that leads through a thread is not seen as a `Deadlock`; only a deadline ends it.
"""

import math
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Generator, Iterable
from contextlib import ExitStack, contextmanager
from http import HTTPStatus
from socketserver import ThreadingMixIn
from typing import Any, TypeVar, TypeVarTuple
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import attrs
import trio
from anyio.from_thread import BlockingPortal, start_blocking_portal

from actors import Actor, ActorError, Request
from supervisor import ChildSpec, HealthPolicy, SpawnRefused, Supervisor, SupervisorError, open_supervisor

R = TypeVar("R")
Ts = TypeVarTuple("Ts")

# What each call of a request may take, in seconds: a thread can't be cancelled, what it waits for can.
DEADLINE = 5.0

# A body that is longer is nobody's who means well, in bytes.
LONGEST_BODY = 64 * 1024

ENDING = {signal.SIGINT, signal.SIGTERM}


@attrs.frozen
class Text(Request[int]):
    text: str


class Session(Actor[Text]):
    """Counts the letters that it was ever sent."""

    letters = 0

    async def handle(self, message: Text) -> int:
        self.letters += len(message.text)
        return self.letters


SESSION = ChildSpec(Session, health=HealthPolicy(idle_limit=600.0))


@attrs.frozen
class App:
    """As WSGI calls it, in one thread for each request."""

    portal: BlockingPortal
    supervisor: Supervisor

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
        status, headers, said = self.answer(environ)
        plain = [("Content-Type", "text/plain; charset=utf-8")]
        start_response(f"{status.value} {status.phrase}", [*plain, *headers])
        return [f"{said}\n".encode()]

    def call(self, function: Callable[[*Ts], Awaitable[R]], *args: *Ts) -> R:
        """Raises trio.TooSlowError: it took longer than the deadline, and was cancelled."""

        async def bounded() -> R:
            with trio.fail_after(DEADLINE):
                return await function(*args)

        return self.portal.call(bounded)

    def answer(self, environ: dict[str, Any]) -> tuple[HTTPStatus, list[tuple[str, str]], str]:
        user, _, key = environ["PATH_INFO"].strip("/").partition("/")
        length = int(environ.get("CONTENT_LENGTH") or 0)
        if not key or environ["REQUEST_METHOD"] != "POST" or not 0 <= length <= LONGEST_BODY:
            return HTTPStatus.BAD_REQUEST, [], "POST some text to /USER/SESSION"
        text = environ["wsgi.input"].read(length).decode(errors="replace")
        try:
            session = self.call(self.supervisor.get_or_spawn, user, key, SESSION)
            return HTTPStatus.OK, [], str(self.call(session.ref.ask, Text(text)))
        except SpawnRefused as refused:
            retry_after = [("Retry-After", str(math.ceil(refused.refusal.retry_after)))]
            return HTTPStatus.TOO_MANY_REQUESTS, retry_after, refused.close_reason
        except (ActorError, SupervisorError) as error:  # it crashed, has ended, or everything ends
            return HTTPStatus.SERVICE_UNAVAILABLE, [], str(error)
        except trio.TooSlowError:
            return HTTPStatus.GATEWAY_TIMEOUT, [], f"no answer within {DEADLINE:g} s"


class Threaded(ThreadingMixIn, WSGIServer):
    """Has a thread for each request, and waits for all of them at its end."""


class Handler(WSGIRequestHandler):
    timeout = 10.0  # for a client that says nothing

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


@contextmanager
def serving(port: int, *, limit: int = 20) -> Generator[int]:
    """Until the block ends; gives the port, for one that is 0.

    At its end nobody is accepted any more, then the managers stop and whoever waits for one is told, then
    the threads have nothing left to wait for, and then Trio ends.
    """
    with (
        start_blocking_portal("trio") as portal,
        ExitStack() as until_told,
        portal.wrap_async_context_manager(open_supervisor(limit)) as supervisor,
    ):
        made = make_server("127.0.0.1", port, App(portal, supervisor), Threaded, Handler)
        server = until_told.enter_context(made)
        accepting = threading.Thread(target=server.serve_forever, args=[0.05])
        accepting.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            accepting.join()


def main(port: int) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)  # for all threads; this one asks for them
    with serving(port) as at:
        print(f"http://127.0.0.1:{at}", flush=True)
        signal.sigwait(ENDING)


if __name__ == "__main__":
    main(int(sys.argv[1]))
