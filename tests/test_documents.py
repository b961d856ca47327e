"""What the README and the package docstrings show is run here, word for word."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import trio
from trio_websocket import open_websocket_url

import actors
import supervisor

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
BLOCKS: list[str] = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


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
    listener = (await trio.open_tcp_listeners(0, host="127.0.0.1"))[0]
    port = listener.socket.getsockname()[1]
    await listener.aclose()
    module: dict[str, Any] = {"__name__": "example"}
    [program] = [block for block in BLOCKS if "import serve_websocket" in block]
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


def test_every_file_that_the_readme_links_to_is_there() -> None:
    links = re.findall(r"\]\(([\w./]+)\)", README)
    assert len(links) > 5
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_readme_names_two_commands_for_a_fresh_machine() -> None:
    commands = re.findall(r"<!-- (?:chat|tests) -->\n```sh\n(.*)\n```", README)
    assert len(commands) == 2
    assert all(command.startswith("python3 -m venv .venv && ") for command in commands)
