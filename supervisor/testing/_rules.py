"""Rules and scripts: what may be done to a supervisor, drawn by Hypothesis as plain data.

The names are those of `hypothesis.stateful`: a machine has rules and invariants. Unlike there, and
unlike in hypothesis-trio, the steps are drawn before anything runs: so an example is one `trio.run`,
shrinks well, and its script can be printed, kept and performed again.
"""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import attrs
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from supervisor import SupervisorSpec

Method = TypeVar("Method", bound=Callable[..., Awaitable[None]])
Check = TypeVar("Check", bound=Callable[[Any], None])

Argument = SearchStrategy[Any] | Callable[[Any], SearchStrategy[Any]]
"""A strategy, or a function that finds one in the class of the machine."""

_RULE = "trouper_rule"
_INVARIANT = "trouper_invariant"

# The most steps that are drawn in one go.
SCENE = 12

# Schedules to draw from: Trio shuffles each batch of tasks by dice that start from this number.
_SEEDS = st.integers(0, 2**16)

# A clock that stands still between two reads hides what a real one shows, and the other way round.
_TICKS = st.sampled_from([0.0, 0.0, 1e-7])


@attrs.frozen
class Marked:
    """How often a method is chosen, relative to the others, and what its arguments are drawn from."""

    weight: int
    arguments: dict[str, Argument]


def rule(*, weight: int = 1, **arguments: Argument) -> Callable[[Method], Method]:
    """Mark an async method of a machine as a step, with a strategy for each argument.

    A subclass that overrides the method keeps the strategies, unless it says `@rule` again. There
    are no preconditions, since nothing has run when a script is drawn: a step that makes no sense
    at its moment does nothing.
    """

    def mark(method: Method) -> Method:
        setattr(method, _RULE, Marked(weight, arguments))
        return method

    return mark


def invariant() -> Callable[[Check], Check]:
    """Mark a method of a machine that is called after each step, and raises if anything is wrong."""

    def mark(method: Check) -> Check:
        setattr(method, _INVARIANT, True)
        return method

    return mark


def rules_of(machine: type[object]) -> dict[str, Marked]:
    """By name, those of the base classes first."""
    found = {
        name: getattr(method, _RULE, None)
        for base in reversed(machine.__mro__)
        for name, method in vars(base).items()
        if hasattr(method, _RULE)
    }
    return {name: rule for name, rule in found.items() if rule is not None}


def invariants_of(machine: type[object]) -> list[str]:
    """Their names, each once, those of the base classes first."""
    found = (
        name
        for base in reversed(machine.__mro__)
        for name, method in vars(base).items()
        if hasattr(method, _INVARIANT)
    )
    return list(dict.fromkeys(found))


@attrs.frozen(init=False, repr=False)
class Step:
    """One rule with its arguments. Its repr is the program text that makes it again."""

    rule: str
    arguments: dict[str, Any]

    def __init__(self, rule: str, /, **arguments: Any) -> None:
        self.__attrs_init__(rule, arguments)  # pyright: ignore[reportUnknownMemberType, reportAttributeAccessIssue]  # made by attrs

    def __repr__(self) -> str:
        said = "".join(f", {name}={value!r}" for name, value in self.arguments.items())
        return f"Step({self.rule!r}{said})"


@attrs.frozen(kw_only=True, repr=False)
class Script:
    """Everything that decides a run. Its repr is the program text that makes it again."""

    limit: int
    steps: tuple[Step, ...]
    spec: SupervisorSpec = attrs.field(factory=SupervisorSpec)
    seed: int = 0
    """Of Trio's scheduler."""
    tick: float = 0.0
    """By how many seconds the clock advances whenever it is read."""

    def __repr__(self) -> str:
        usual = SupervisorSpec()
        fields = [field.name for field in attrs.fields(SupervisorSpec)]
        said = ((name, getattr(self.spec, name)) for name in fields)
        unusual = ", ".join(f"{name}={value!r}" for name, value in said if value != getattr(usual, name))
        steps = "".join(f"\n        {step!r}," for step in self.steps)
        facts = f"limit={self.limit}, spec=SupervisorSpec({unusual}), seed={self.seed}, tick={self.tick}"
        return f"Script(\n    {facts},\n    steps=({steps}\n    ),\n)"


def draw_scripts(
    machine: type[object],
    limits: SearchStrategy[int],
    specs: SearchStrategy[SupervisorSpec],
    *,
    max_steps: int,
) -> SearchStrategy[Script]:
    """Scripts of at most so many steps for that class of machines.

    Lists of lists: one list of Hypothesis' is short as a rule, and one that must be long can't shrink.
    """
    scene = st.lists(_draw_step(machine), min_size=1, max_size=min(SCENE, max_steps))
    scenes = st.lists(scene, min_size=1, max_size=max(1, 2 * max_steps // SCENE))
    steps = scenes.map(lambda scenes: tuple(itertools.chain(*scenes))[:max_steps])
    return st.builds(Script, limit=limits, spec=specs, steps=steps, seed=_SEEDS, tick=_TICKS)


def _draw_step(machine: type[object]) -> SearchStrategy[Step]:
    rules = rules_of(machine)
    steps = {name: _draw_one(machine, name, rule) for name, rule in rules.items()}
    weighted = [name for name, rule in rules.items() for _ in range(rule.weight)]
    return st.sampled_from(weighted).flatmap(steps.__getitem__)


def _draw_one(machine: type[object], name: str, rule: Marked) -> SearchStrategy[Step]:
    strategies = {
        name: argument(machine) if callable(argument) else argument
        for name, argument in rule.arguments.items()
    }
    return st.fixed_dictionaries(strategies).map(lambda arguments: Step(name, **arguments))
