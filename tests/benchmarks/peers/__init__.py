"""Who takes part: how to find out whether one is installed, how to get it, and where its functions are."""

from __future__ import annotations

import importlib
import importlib.util
import shutil
import subprocess
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import cast

import attrs

from ..line import ASYNCIO, ERLANG, OURS, PYKKA, THESPIAN, TRIO, XOSCAR

Values = Mapping[str, float]
"""What one sample gives: seconds, or bytes, by part; where there is but one, it has no name."""

Measure = Callable[[int], float | Values]
"""Does so many operations and says what one took; or several such things by name."""

ERLANG_RELEASE = "io:put_chars(erlang:system_info(otp_release)), halt()."


@attrs.frozen
class Peer:
    """One that is measured."""

    key: str
    title: str
    modules: tuple[str, ...]
    """In this package; the first that has a function of that name is it."""
    package: str = ""
    """The package that it needs; empty: nothing but Python."""
    command: str = ""
    """The program that it needs."""
    get: str = ""
    """How to get it."""
    note: str = ""
    """What one has to know to read its figures."""

    @property
    def is_installed(self) -> bool:
        if self.command:
            return shutil.which(self.command) is not None
        return not self.package or importlib.util.find_spec(self.package) is not None

    @property
    def version(self) -> str:
        """Of an installed one; empty where Python's own says all."""
        if self.command:
            command = [self.command, "-noshell", "-eval", ERLANG_RELEASE]
            return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
        return version(self.package) if self.package else ""

    def measure(self, function: str, n: int) -> Values:
        """Run its function of that name. Imports what it is measured with: for the sample's own process."""
        value = self._function(function)(n)
        return value if isinstance(value, Mapping) else {"": value}

    def _function(self, name: str) -> Measure:
        for module in self.modules:
            function = getattr(importlib.import_module(f"{__name__}.{module}"), name, None)
            if function is not None:
                return cast("Measure", function)
        raise LookupError(f"{self.title} has no function {name!r}: see tests/benchmarks/lines.py")


OURS_ALONE = ("ours_alone", "ours_floor", "ours_admission", "ours_crowd", "ours_growth", "ours_garbage")

PEERS: Mapping[str, Peer] = {
    peer.key: peer
    for peer in (
        Peer(OURS, "ours", ("ours", *OURS_ALONE)),
        Peer(TRIO, "raw Trio", ("raw_trio",), package="trio", get="pip install trio"),
        Peer(ASYNCIO, "asyncio + Queue", ("asyncio_queue",)),
        Peer(
            PYKKA,
            "pykka",
            ("pykka_threads",),
            package="pykka",
            get="pip install pykka",
            note="a thread for each actor; 1,000 of them where others have 10,000",
        ),
        Peer(
            XOSCAR,
            "xoscar",
            ("xoscar_pool",),
            package="xoscar",
            get="pip install xoscar",
            note="what `create_actor` gives; through `actor_ref`, within a pool, it is a method call under "
            "a lock, and an ask some 14 times as fast",
        ),
        Peer(
            THESPIAN,
            "thespian",
            ("thespian_simple",),
            package="thespian",
            get="pip install thespian",
            note="its simple system, without concurrency: a tell runs the handler in the caller",
        ),
        Peer(ERLANG, "Erlang gen_server", ("erlang",), command="erl", get="apt-get install erlang-base"),
    )
}
