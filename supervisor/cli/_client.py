"""Talks to a running supervisor, over its Unix socket or its console's HTTP; failures become sentences."""

from __future__ import annotations

import json
import socket
import ssl
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager

import attrs
import httpx2

from ._contract import Json, Line, Overview, Skipped
from ._failure import REFUSED, UNREACHABLE, CommandFailed
from ._where import TOKEN_VARIABLE, Where

# A supervisor answers in milliseconds, and its stream says something each second: one that is silent
# for so many seconds has a blocked loop.
PATIENCE = 10.0

# A stop, or a cleanup of all users, may take as long as the graces of the managers, in seconds.
LONG_PATIENCE = 120.0

# A survey of a hundred thousand managers takes some ten seconds; looks at it are so many seconds apart.
SURVEY_PATIENCE, BETWEEN_LOOKS = 20.0, 0.25

# An overview names hundreds, and a name may be long; in bytes.
LONGEST_EVENT = 64 * 2**20

# These say no to what was asked; other errors mean that it was asked wrongly.
SAYS_NO = frozenset({404, 409})

FORBIDDEN = frozenset({401, 403})


@attrs.frozen(eq=False)
class Client:
    """One running supervisor. Every method raises CommandFailed where there is no good answer."""

    where: Where
    _http: httpx2.Client

    def get(self, path: str, **query: str | int | None) -> Json:
        """What it says; parameters that are None are left out."""
        said = {name: value for name, value in query.items() if value is not None}
        with self._failures():
            return self._answer(self._http.get(f"api/{path}", params=said))

    def post(self, path: str, body: Mapping[str, Json]) -> Json:
        """Have something done, and wait until it is."""
        timeout = httpx2.Timeout(PATIENCE, read=LONG_PATIENCE)
        with self._failures():
            return self._answer(self._http.post(f"api/{path}", json=body, timeout=timeout))

    @contextmanager
    def stream(self) -> Generator[Iterator[Line | Skipped]]:
        """Events from now on, as they come. From the beginning of the block on, nothing is missed."""
        with self._failures(), self._http.stream("GET", "api/stream") as response:
            if not response.is_success:
                response.read()
                self._answer(response)
            told = iter(httpx2.EventSource(response, LONGEST_EVENT))
            next(told)  # the overview: from here on it has noted where we began
            yield self._events(told)

    def _events(self, told: Iterator[httpx2.ServerSentEvent]) -> Iterator[Line | Skipped]:
        with self._failures():
            for sent in told:
                if sent.event == "events":
                    events: list[Line | Skipped] = json.loads(sent.data)
                    yield from events
        raise CommandFailed(f"{self.where} went away: the supervisor has ended")

    @contextmanager
    def _failures(self) -> Generator[None]:
        try:
            yield
        except httpx2.ConnectError as error:
            way_out = (
                "choose another with --socket" if self.where.url is None else "choose another with --url"
            )
            sentence = f"no supervisor answers at {self.where} ({error}): is it running? {way_out}"
            raise CommandFailed(sentence) from error
        except httpx2.TimeoutException as error:
            sentence = f"{self.where} does not answer: its event loop may be blocked"
            raise CommandFailed(sentence) from error
        except (httpx2.UnsupportedProtocol, httpx2.InvalidURL) as error:
            raise CommandFailed(_no_address(self.where, error)) from error
        except UnicodeEncodeError as error:
            strange = error.object[error.start : error.end]
            raise CommandFailed(f"{strange} is no text (UTF-8), and cannot be sent") from error
        except httpx2.TransportError as error:
            raise CommandFailed(f"{self.where} went away: {error}") from error

    def _answer(self, response: httpx2.Response) -> Json:
        try:
            facts: Json = response.json()
        except ValueError:
            raise CommandFailed(self._stranger(response)) from None
        if response.is_success:
            return facts
        problem = _problem(facts)
        if problem is None:
            raise CommandFailed(self._stranger(response))
        if response.status_code in FORBIDDEN:
            problem = f"{problem}: give its token with --token or {TOKEN_VARIABLE}"
        raise CommandFailed(problem, status=REFUSED if response.status_code in SAYS_NO else UNREACHABLE)

    def _stranger(self, response: httpx2.Response) -> str:
        status = f"{response.status_code} {response.reason_phrase}".strip()
        return (
            f"what answers at {self.where} is no supervisor ({status}): "
            "--url is the address that its console has, such as http://127.0.0.1:8000/console"
        )


@contextmanager
def connected(where: Where) -> Generator[Client]:
    """A client; it connects with the first request.

    No proxy is asked, whatever the environment says: the token is for the console alone.
    """
    headers = {} if where.token is None else {"Authorization": f"Bearer {where.token}"}
    try:
        http = httpx2.Client(
            base_url=f"{where.url or 'http://localhost'}/",
            headers=headers,
            timeout=PATIENCE,
            trust_env=False,
            transport=httpx2.HTTPTransport(uds=where.socket, verify=ssl.create_default_context()),
        )
    except httpx2.InvalidURL as error:
        raise CommandFailed(_no_address(where, error)) from error
    with http:
        reach(where)
        yield Client(where, http)


def reach(where: Where) -> None:
    """Knock at a socket: the sentence is better than that of a request, and nothing is left open.

    (httpcore2 leaves its socket to the garbage collector where it cannot connect.)
    """
    if where.socket is None:
        return
    try:
        with closing(socket.socket(socket.AF_UNIX)) as knocking:
            knocking.connect(where.socket)
    except PermissionError:
        sentence = f"you may not open {where}: only the user that the supervisor runs as may"
        raise CommandFailed(sentence) from None
    except OSError as error:
        why = "" if error.errno is not None else f" ({error})"
        sentence = f"no supervisor answers at {where}{why}: is it running? choose another with --socket"
        raise CommandFailed(sentence) from None


def surveyed(client: Client) -> Overview:
    """The overview, with a survey if there is one in time: they are made only while somebody looks."""
    deadline = time.monotonic() + SURVEY_PATIENCE
    overview: Overview = client.get("overview")
    while overview["survey"] is None and time.monotonic() < deadline:
        time.sleep(BETWEEN_LOOKS)
        overview = client.get("overview")
    return overview


def _problem(facts: Json) -> str | None:
    """What an answer says is wrong, if it is one of a supervisor."""
    match facts:
        case {"error": str(problem)}:
            return problem
        case _:
            return None


def _no_address(where: Where, error: Exception) -> str:
    return f"{where} is no address ({error}): --url wants one such as http://127.0.0.1:8000/console"
