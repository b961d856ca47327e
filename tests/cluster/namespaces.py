"""A network of a node's own, whose only link can be taken down: a real partition, where there may be one."""

from __future__ import annotations

import functools
import os
import random
import shutil
import subprocess
from collections.abc import Generator
from contextlib import contextmanager

import attrs


def _ip(*words: str) -> str:
    """Run `ip`; gives what it complains of."""
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stderr.strip() or f"ip ended with {done.returncode}"


@attrs.frozen
class Namespace:
    """A network with two hosts: the processes inside, and us."""

    name: str
    here: str
    """Our address, as seen from inside."""

    @property
    def through(self) -> tuple[str, ...]:
        """The command that runs another one inside, as the same process."""
        return ("ip", "netns", "exec", self.name)

    def cut(self) -> None:
        """Nothing passes from now on, in either direction, and nobody is told."""
        complaint = _ip("link", "set", self.name, "down")
        assert not complaint, complaint

    def mend(self) -> None:
        complaint = _ip("link", "set", self.name, "up")
        assert not complaint, complaint


@contextmanager
def open_namespace() -> Generator[Namespace]:
    """Raises OSError: the system does not allow it."""
    number = random.randrange(2**16)  # noqa: S311  # no secret
    name, net = f"trp{number:x}", f"10.{200 + number % 50}.{number // 256}"
    namespace, inside = Namespace(name, f"{net}.1"), f"{name}i"
    try:
        for words in (
            f"netns add {name}",
            f"link add {name} type veth peer name {inside} netns {name}",
            f"address add {namespace.here}/24 dev {name}",
            f"link set {name} up",
            f"-n {name} address add {net}.2/24 dev {inside}",
            f"-n {name} link set {inside} up",
            f"-n {name} link set lo up",
        ):
            complaint = _ip(*words.split())
            if complaint:
                raise OSError(f"ip {words}: {complaint}")
        yield namespace
    finally:
        _ip("link", "delete", name)
        _ip("netns", "delete", name)


@functools.cache
def why_not() -> str:
    """Why there can be no namespaces here; empty: there can."""
    if shutil.which("ip") is None:
        return "needs the program ip"
    if os.geteuid() != 0:
        return "needs to be root"
    try:
        with open_namespace():
            return ""
    except OSError as error:
        return f"needs network namespaces: {error}"
