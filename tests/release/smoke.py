"""Does it run at all where only the wheel is? Once with nothing else, and once with every extra."""

from __future__ import annotations

from collections.abc import Sequence

from .environment import Environment
from .optional import OPTIONAL


class Unexpected(Exception):
    """A program ran, and said something else."""


def bare(environment: Environment) -> None:
    """With the core's dependencies only: the examples run, and the rest says what it is missing."""
    _says(environment.run("-c", "import actors; print(actors.__file__)"), str(environment.folder))
    _says(environment.run("-c", "import supervisor; print(supervisor.__file__)"), str(environment.folder))
    _says(environment.run("-m", "examples.hello_actor"), "Hello, Trio!\n2 greetings")
    _says(environment.run("-m", "examples.unresponsive_actor"), "let in: ")
    _says(environment.run("-m", "examples.user_quota"), "Limit reached: 2 of 2 sessions alive")
    _says(environment.run("-m", "supervisor", "--help"), "explain-settings")
    _says(environment.command("trouper", "--help"), "explain-settings")
    _says(environment.command("trouper", "ps", status=2), "pip install 'trouper[cli]'")
    for optional in OPTIONAL:
        # What stands beneath another one complains only when that one has what it needs.
        inner = optional.module == "supervisor.testing.websocket"
        said = environment.run("-c", f"import {optional.module}", status=1)
        _says(said, "install trouper[testing]" if inner else optional.complaint)


def full(environment: Environment, modules: Sequence[str]) -> None:
    """With every extra: each public module is imported, and the commands that need no server run."""
    for module in modules:
        environment.run("-c", f"import {module}")
    _says(environment.command("trouper", "explain-settings"), "supervisor.sweep_period")
    _says(environment.command("trouper", "demo"), "A user is refused only with proof.")
    _says(environment.run("-m", "examples.chat", "--help"), "--http-port")


def _says(said: str, words: str) -> None:
    if words not in said:
        raise Unexpected(f"not a word of {words!r} in:\n{said}")
