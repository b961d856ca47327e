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

from tests.machine import network_changes


def _ip(*words: str) -> str:
    """Run `ip`; gives what it complains of."""
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stderr.strip() or f"ip ended with {done.returncode}"


def _do(*commands: str) -> None:
    """Raises OSError, at the first that the system does not allow."""
    for command in commands:
        complaint = _ip(*command.split())
        if complaint:
            raise OSError(f"ip {command}: {complaint}")


@attrs.frozen
class Namespace:
    """A network with two hosts: the processes inside, and us.

    Each host's address is its own, not its end of the link: it is reached from within when the link is down.
    """

    name: str
    net: str

    @property
    def here(self) -> str:
        """Our address."""
        return f"{self.net}.101"

    @property
    def there(self) -> str:
        """Theirs."""
        return f"{self.net}.102"

    @property
    def through(self) -> tuple[str, ...]:
        """The command that runs another one inside, as the same process."""
        return ("ip", "netns", "exec", self.name)

    def cut(self) -> None:
        """Nothing passes from now on, in either direction, and nobody is told."""
        _do(f"link set {self.name} down")

    def mend(self) -> None:
        _do(f"link set {self.name} up", f"route add {self.there} via {self.net}.2 src {self.here}")

    def open(self) -> None:
        """Raises OSError: the system does not allow it."""
        inside = f"{self.name}i"
        _do(
            f"netns add {self.name}",
            f"link add {self.name} type veth peer name {inside} netns {self.name}",
            f"address add {self.here}/32 dev lo",
            f"address add {self.net}.1/30 dev {self.name}",
            f"-n {self.name} link set lo up",
            f"-n {self.name} address add {self.there}/32 dev lo",
            f"-n {self.name} address add {self.net}.2/30 dev {inside}",
            f"-n {self.name} link set {inside} up",
            f"-n {self.name} route add {self.here} via {self.net}.1 src {self.there}",
        )
        self.mend()

    def close(self) -> None:
        """Whatever of it there is."""
        _ip("address", "delete", f"{self.here}/32", "dev", "lo")
        _ip("link", "delete", self.name)
        _ip("netns", "delete", self.name)


@contextmanager
def open_namespace() -> Generator[Namespace]:
    """Raises OSError: the system does not allow it."""
    number = random.randrange(2**16)  # noqa: S311  # no secret
    namespace = Namespace(f"trp{number:x}", f"10.{200 + number % 50}.{number // 256}")
    with network_changes():
        try:
            namespace.open()
            yield namespace
        finally:
            namespace.close()


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
