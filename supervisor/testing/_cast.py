"""Cast: who lives in a machine; the kit's specimens, unless you bring your own."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from actors import ActorRef, Request
from supervisor import ChildSpec

from ._kinds import BAD, GOOD, Factory
from ._runner import ScriptRunner
from ._specimens import Echo, Healthy, Work


class Cast(ScriptRunner):
    """A run with managers in it: which there are, how each is spawned, and what it is told."""

    kinds: ClassVar[Mapping[str, Factory]] = GOOD
    """The managers under test, by name, each made from the machine."""
    wedges: ClassVar[Mapping[str, Factory]] = BAD
    """Those that live beside them and go bad; empty: nobody does."""
    users: ClassVar[SearchStrategy[str]] = st.sampled_from(["ann", "ann", "bob"])
    keys: ClassVar[SearchStrategy[str]] = st.sampled_from(["1", "2", "3"])

    # What a subclass may say of its managers

    def spec_of(self, kind: str) -> ChildSpec[Any]:
        """How a manager of that kind is spawned."""
        factory = {**self.wedges, **self.kinds}[kind]
        return ChildSpec(lambda: factory(self), mailbox_capacity=4)

    def message(self, number: int) -> object:
        """A message that your `kinds` handle at once; each number is used for one message only."""
        return Echo(str(number))

    def request(self, number: int) -> Request[Any] | None:
        """A request that they answer at once; None: they are never asked."""
        message = self.message(number)
        return message if isinstance(message, Echo) else None

    @property
    def innocent(self) -> Container[str]:
        return self.kinds

    def give_work(self, ref: ActorRef[Any]) -> None:
        """What the kit's specimens misbehave on; to others, just a message."""
        _, actor = self.made[ref.name]
        self.tell_nowait(ref, Work() if isinstance(actor, Healthy) else self.next_message(ref))

    def next_message(self, ref: ActorRef[Any]) -> object:
        """One that it handles at once, if it is well."""
        kind, _ = self.made[ref.name]
        number = next(self.numbers)
        return self.message(number) if kind in self.kinds else Echo(str(number))
