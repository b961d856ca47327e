"""What the README, the guides and the docstrings show is run, word for word; links lead somewhere."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from trio_websocket import open_websocket_url

import actors
import supervisor
from supervisor.checking import Rule

from .embedding.test_websocket import closed, opened, say

ROOT = Path(__file__).parent.parent
DOCUMENTS = ("README.md", "examples/README.md", "examples/cluster/README.md")
README, GUIDES, CLUSTER = ((ROOT / name).read_text() for name in DOCUMENTS)


def programs(text: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)


BLOCKS = programs(README)


def run(code: str) -> str:
    """Run a program as a user would, and give what it printed."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def docstring_example(package: Any) -> str:
    """The indented program of a package's docstring, with a line that runs it."""
    indented = [line[4:] for line in package.__doc__.splitlines() if line.startswith("    ") or not line]
    return "\n".join([*indented, "trio.run(main)"])


def test_the_first_example_of_the_readme_runs_and_is_as_short_as_promised() -> None:
    program = BLOCKS[0]
    assert len([line for line in program.splitlines() if line.strip()]) <= 12
    assert run(program) == "alice says hello\n"


def test_the_example_of_restarts_of_the_readme_runs() -> None:
    [program] = [block for block in BLOCKS if "RestartPolicy(" in block]
    crash, created = run(program).splitlines()
    assert crash.startswith("crashed: ValueError(")
    assert created == "False"


async def test_the_websocket_example_of_the_readme_serves() -> None:
    port = await free_port()
    module: dict[str, Any] = {"__name__": "example"}
    [program] = [block for block in BLOCKS if "message.upper()" in block and "trio.run" in block]
    exec(program.replace("8765", str(port)), module)  # noqa: S102  # the README's own text
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(module["main"])
            await wait_for_port(port)
            async with open_websocket_url(f"ws://127.0.0.1:{port}/ws") as websocket:
                await websocket.send_message("alice")
                await websocket.send_message("hello")
                assert await websocket.get_message() == "HELLO"
            nursery.cancel_scope.cancel()


def test_the_tests_that_the_readme_shows_are_run_are_short_and_pass(tmp_path: Path) -> None:
    [tests] = [block for block in BLOCKS if "def test_" in block]
    assert len([line for line in tests.splitlines() if line.strip()]) <= 20
    (tmp_path / "test_sessions.py").write_text(tests)
    outcome = run(f"import pytest, sys; sys.exit(pytest.main(['-v', {str(tmp_path)!r}]))")
    names = re.findall(r"^(?:def )?(test_\w+)(?: = |\()", tests, flags=re.MULTILINE)
    assert len(names) == 2
    for name in names:
        assert re.search(rf"::{name} PASSED", outcome)


@pytest.mark.parametrize("program", [*BLOCKS, *programs(GUIDES)], ids=lambda program: program.split()[-1])
def test_every_program_runs_as_it_stands(program: str, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(program)
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-W", "error", "-c", "import program"]  # one that serves for ever is only made
    done = subprocess.run(
        command, check=False, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


async def test_the_program_that_drains_tells_its_clients_when_to_come_back_and_ends() -> None:
    port, [program] = await free_port(), [block for block in BLOCKS if "drain_on_signal" in block]
    with trio.fail_after(30), started(program.replace("8765", str(port))) as process:
        await wait_for_port(port)
        async with opened(f"ws://127.0.0.1:{port}/ws") as websocket:
            assert await say(websocket, "hello") == "hello"
            process.send_signal(signal.SIGTERM)
            code, reason = await closed(websocket)
        said, _ = await trio.to_thread.run_sync(process.communicate, abandon_on_cancel=True)
    assert code == 1012
    assert re.fullmatch(r"The server restarts\. Retry in [0-5] s\.", reason)
    assert process.returncode == 0
    assert re.fullmatch(r"drained 1 managers in [\d.]+ s, 0 cancelled, 0 condemned\n", said)


@contextmanager
def started(program: str) -> Generator[subprocess.Popen[str]]:
    """Gone at the end of the block, however that ends."""
    command = [sys.executable, "-W", "error", "-c", program]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


async def free_port() -> int:
    listener = (await trio.open_tcp_listeners(0, host="127.0.0.1"))[0]
    port: int = listener.socket.getsockname()[1]
    await listener.aclose()
    return port


async def wait_for_port(port: int) -> None:
    while True:
        try:
            stream = await trio.open_tcp_stream("127.0.0.1", port)
        except OSError:
            await trio.sleep(0.01)
        else:
            await stream.aclose()
            return


def test_the_example_in_the_docstring_of_actors_runs() -> None:
    assert run(docstring_example(actors)) == "5\n"


def test_the_example_in_the_docstring_of_supervisor_runs() -> None:
    assert run(docstring_example(supervisor)) == "hello\n"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("hello_actor", ["Hello, world!", "Hello, Trio!", "2 greetings"]),
        ("unresponsive_actor", ["let in: ", "gone:   unresponsive: in handle(str) for", "still:  "]),
        ("user_quota", ["Limit reached: 2 of 2 sessions alive. Tried garbage, liveness.", "now let in:"]),
    ],
)
def test_the_small_examples_run_and_say_what_they_promise(name: str, said: list[str]) -> None:
    printed = run(f"import runpy; runpy.run_module('examples.{name}', run_name='__main__')")
    for words in said:
        assert words in printed


def links() -> Iterator[tuple[Path, str, str]]:
    """Where a link stands, what it shows, and where it leads; those into the world are left out."""
    for name in DOCUMENTS:
        for shown, target in re.findall(r"\[([^][]*)\]\(([^)\s]+)\)", (ROOT / name).read_text()):
            if not target.startswith("https://"):
                yield ROOT / name, shown, target


def anchors(document: Path) -> set[str]:
    """Those that its headings make, as GitHub does."""
    headings = re.findall(r"^#+ (.*)$", document.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_link_leads_to_a_file_and_to_a_heading_that_are_there() -> None:
    found = list(links())
    assert len(found) > 100
    for document, _, target in found:
        path, _, anchor = target.partition("#")
        there = (document.parent / path).resolve() if path else document
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), target


def test_every_test_that_is_named_is_in_the_file_that_its_link_leads_to() -> None:
    named = [(d.parent / target, shown) for d, shown, target in links() if shown.startswith("`test_")]
    assert len(named) > 50
    for path, shown in named:
        start = shown.strip("`").removesuffix("...")
        end = "" if shown.endswith("...`") else r"\("
        assert re.search(rf"def {start}{end}", path.read_text()), shown


def test_the_promises_that_are_judged_are_as_many_as_the_readme_says() -> None:
    assert f"[{len(Rule)} sentences]" in README


def test_the_readme_names_two_commands_for_a_fresh_machine() -> None:
    commands = re.findall(r"<!-- (?:chat|tests) -->\n```sh\n(.*)\n```", README)
    assert len(commands) == 2
    assert all(command.startswith("python3 -m venv .venv && ") for command in commands)
