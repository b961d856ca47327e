"""Kinds: the kit's own managers for a machine, by name: the good ones, and those that go bad."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import trio

from actors import Actor

from ._catalogue import SPECIMENS, Specimen
from ._runner import ScriptRunner
from ._specimens import Shielded, Spins, WedgedForever

Factory = Callable[[Any], Actor[Any]]
"""Makes a manager, given the machine."""

# How many rounds one that spins goes round: some times its cancel grace, and moments of a real clock.
TURNS = 1000


def _kind(make: Callable[[trio.Event], Actor[Any]]) -> Factory:
    def factory(machine: ScriptRunner) -> Actor[Any]:
        return make(machine.release)

    return factory


def _kinds(specimens: Mapping[str, Specimen]) -> dict[str, Factory]:
    return {name: _kind(specimen.make) for name, specimen in specimens.items()}


# Threads know no virtual time, and one that spins until it is released would take all there is.
_VIRTUAL = {name: found for name, found in SPECIMENS.items() if not (found.real_time or found.spins)}

GOOD: Mapping[str, Factory] = _kinds({name: found for name, found in _VIRTUAL.items() if found.innocent})
"""Alive, whatever they are told; some are slow, some crash, none is ever stuck."""

BAD: Mapping[str, Factory] = {
    **_kinds({name: found for name, found in _VIRTUAL.items() if not found.innocent}),
    "spins": _kind(partial(Spins, turns=TURNS)),
    "swallows everything": _kind(partial(Spins, turns=TURNS, everything=True)),
    "awaits for ever, with a client": _kind(lambda _: WedgedForever(sockets=True)),
    "shielded, with a client": _kind(partial(Shielded, sockets=True)),
}
"""Stuck in a hook, or on `Work`, for good or for too long."""
