"""Several processes on one pair of ports: start them, pass signals on, and start one anew that dies."""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import attrs
import trio

from .server import HOST, PortError, first_error
from .tokens import ENVIRON_NAME

# A worker that dies is started again so many times within so many seconds; then all end: something is wrong.
RESTARTS, RESTARTS_WITHIN = 5, 60.0
# Seconds before the first of them; each one more doubles it.
PAUSE = 0.5
# Seconds for all to be ready: an engine that is away makes them wait.
READY_WITHIN = 60.0
# What is passed on to all of them.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


class WorkersError(Exception):
    """The workers cannot go on; the sentence says why."""


@attrs.frozen
class Worker:
    """One process to be, by its number from 1."""

    number: int
    command: tuple[str, ...]


@attrs.define(eq=False)
class Workers:
    """All of them, from the first start to the last end."""

    workers: tuple[Worker, ...]
    environ: dict[str, str] = attrs.field(repr=False)
    _ending: trio.Event = attrs.field(init=False, factory=trio.Event)
    """Set once all are asked to end."""
    _went_wrong: bool = attrs.field(init=False, default=False)
    _processes: dict[int, trio.Process] = attrs.field(init=False, factory=dict[int, trio.Process])
    _ready: set[int] = attrs.field(init=False, factory=set[int])
    _all_ready: trio.Event = attrs.field(init=False, factory=trio.Event)
    _restarts: deque[float] = attrs.field(init=False, factory=lambda: deque(maxlen=RESTARTS))

    async def run(self, announcement: str) -> int:
        """Until all have ended; gives the exit status of it all: 0 if each ended as it was asked to."""
        async with trio.open_nursery() as signals:
            await signals.start(self._pass_signals_on)
            async with trio.open_nursery() as nursery:
                for worker in self.workers:
                    nursery.start_soon(self._keep, worker)
                nursery.start_soon(self._announce, announcement)
            signals.cancel_scope.cancel()
        return int(self._went_wrong)

    async def _announce(self, announcement: str) -> None:
        with trio.move_on_after(READY_WITHIN):
            await self._all_ready.wait()
        if len(self._ready) == len(self.workers):
            _say(announcement)
        elif not self._ending.is_set():
            self._end()
            raise WorkersError(f"only {len(self._ready)} of {len(self.workers)} workers were ready in time")

    async def _keep(self, worker: Worker) -> None:
        """Run a worker, and again when it dies; what keeps one from starting keeps all."""
        while True:
            status = await self._run_once(worker)
            if self._ending.is_set():
                # In the middle of its start it knows no better way to end.
                self._went_wrong |= status not in (0, -signal.SIGTERM, -signal.SIGINT)
                return
            pause = self._pause_before_restart() if worker.number in self._ready else None
            if pause is None:
                _complain(f"worker {worker.number} has ended ({status}), and all others with it")
                self._went_wrong = True
                self._end()
                return
            _complain(f"worker {worker.number} has ended ({status}); it starts again in {pause:g} s")
            await trio.sleep(pause)

    def _pause_before_restart(self) -> float | None:
        now = trio.current_time()
        recent = [at for at in self._restarts if now - at < RESTARTS_WITHIN]
        if len(recent) >= RESTARTS:
            return None
        self._restarts.append(now)
        return float(PAUSE * 2 ** len(recent))

    async def _run_once(self, worker: Worker) -> int:
        if self._ending.is_set():
            return 0
        process = await trio.lowlevel.open_process(
            worker.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=self.environ,
            start_new_session=True,  # a Ctrl-C comes once: from here
        )
        self._processes[worker.number] = process
        if self._ending.is_set():  # it was asked to while this one was made
            process.terminate()
        try:
            await self._listen(worker, process)
            return await process.wait()
        finally:
            del self._processes[worker.number]
            if process.returncode is None:
                process.kill()
            assert process.stdin is not None
            await process.stdin.aclose()  # its half of `end_with_parent`

    async def _listen(self, worker: Worker, process: trio.Process) -> None:
        """Its last line says that it is ready; what it says is not passed on: all say the same."""
        assert process.stdout is not None
        rest = b""
        async for part in process.stdout:
            *lines, rest = (rest + part).split(b"\n")
            if any(line.startswith(b"{") for line in lines):
                self._ready.add(worker.number)
                if len(self._ready) == len(self.workers):
                    self._all_ready.set()

    async def _pass_signals_on(self, *, task_status: trio.TaskStatus[None]) -> None:
        with trio.open_signal_receiver(*SIGNALS) as received:
            task_status.started()
            async for number in received:
                if number != signal.SIGUSR1:
                    self._ending.set()
                    self._all_ready.set()
                self._signal(signal.Signals(number))

    def _end(self) -> None:
        if not self._ending.is_set():
            self._ending.set()
            self._all_ready.set()
            self._signal(signal.SIGTERM)

    def _signal(self, number: signal.Signals) -> None:
        for process in self._processes.values():
            if process.returncode is None:
                process.send_signal(number)


def run_workers(options: argparse.Namespace, secret: str) -> int:
    """Start `options.workers` processes of this very command line on one pair of ports, and keep them.

    Ends with SIGINT or SIGTERM, when all have; gives the exit status. Raises PortError.
    """
    with ExitStack() as held:
        http = held.enter_context(_held(options.http_port, option="--http-port"))
        ws = held.enter_context(_held(options.ws_port, option="--ws-port"))
        workers = tuple(_worker(number, options, http, ws) for number in range(1, options.workers + 1))
        # Not on the command line, where everybody reads it.
        all_of_them = Workers(workers, dict(os.environ) | {ENVIRON_NAME: secret})
        scheme = "https" if options.certfile is not None else "http"
        page = f"{scheme}://{HOST}:{http}/"
        sockets = (str(_numbered(_control(options), worker.number)) for worker in workers)
        announcement = (
            f"Chat:      {page}",
            f"Console:   {page}console/, of the worker that answers",
            f"Sockets:   {' '.join(sockets)}",
            f"{len(workers)} workers. Ctrl-C ends them.",
            json.dumps({"http": http, "ws": ws, "workers": len(workers)}),
        )
        try:
            return trio.run(all_of_them.run, "\n".join(announcement))
        except* WorkersError as errors:
            _complain(str(first_error(errors)))
        return 1


@contextmanager
def _held(port: int, *, option: str) -> Generator[int]:
    """Hold the port, without listening, for as long as there are workers: it is the same for all of them."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            holder.bind((HOST, port))
        except OSError as error:
            raise PortError(port, option=option, problem=error.strerror or str(error)) from None
        yield int(holder.getsockname()[1])


async def end_with_parent() -> None:
    """In a worker: when its parent is gone, however, end as if that had passed SIGTERM on.

    The parent holds the other end of its standard input open for as long as it lives.
    """
    async with trio.lowlevel.FdStream(os.dup(sys.stdin.fileno())) as held:
        while await held.receive_some(1):
            pass
    signal.raise_signal(signal.SIGTERM)


def _worker(number: int, options: argparse.Namespace, http: int, ws: int) -> Worker:
    said: dict[str, object] = {
        "--database": options.database,
        "--http-port": http,
        "--ws-port": ws,
        "--limit": options.limit,
        "--engine": options.engine,
        "--node-name": _numbered_name(options.node_name or f"{socket.gethostname()}-{os.getpid()}", number),
        "--control": _numbered(_control(options), number),
        "--certfile": options.certfile,
        "--keyfile": options.keyfile,
        "--lease": options.lease,
        "--on-lease-lost": options.on_lease_lost,
    }
    given = [word for name, value in said.items() if value is not None for word in (name, str(value))]
    return Worker(number, (sys.executable, "-m", "examples.chat", *given, "--share-ports"))


def _control(options: argparse.Namespace) -> Path:
    control: Path = options.control or options.database.with_name("trouper.sock")
    return control


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.stem}-{number}{path.suffix}")


def _numbered_name(name: str, number: int) -> str:
    return f"{name}-{number}"


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _complain(problem: str) -> None:
    sys.stderr.write(f"chat: {problem}\n")
