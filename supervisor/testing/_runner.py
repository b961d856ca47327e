"""ScriptRunner: a class with rules; draws its scripts, performs them, and has them judged."""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Any, ClassVar, Self

from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from supervisor import SupervisorSpec

from ._clock import run
from ._judgement import judge_stage, situations
from ._rules import Script, Step, draw_scripts, invariants_of, rules_of
from ._stage import Stage

SETTINGS = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],  # explaining costs most
)

# So many steps are still performed after the supervisor was shut down.
AFTERMATH = 5


class ScriptRunner(Stage):
    """One run of one script; a subclass brings the rules."""

    limits: ClassVar[SearchStrategy[int]] = st.sampled_from([1, 2, 3, 5, 0])
    """What `open_supervisor` gets as `limit`, and what it is changed to later."""
    specs: ClassVar[SearchStrategy[SupervisorSpec]] = st.builds(
        SupervisorSpec,
        condemned_allowance=st.sampled_from([None, None, 0, 1]),
        slot_wait=st.sampled_from([0.0, 0.0, 3.0]),
        process_limit=st.sampled_from([None, None, 4, 2]),
        sweep_period=st.sampled_from([20.0, 60.0]),
    )
    """And what as `spec`."""

    def __init__(self, script: Script) -> None:
        super().__init__(script.limit, script.spec)
        self.script = script
        self.performed = 0
        """Steps, up to now."""
        self._rules = rules_of(type(self))

    @property
    def innocent(self) -> Container[str]:
        """The kinds that must never be found unresponsive."""
        return ()

    @classmethod
    def scripts(cls, *, max_steps: int = 30) -> SearchStrategy[Script]:
        """Scripts for this machine, drawn by Hypothesis."""
        return draw_scripts(cls, cls.limits, cls.specs, max_steps=max_steps)

    @classmethod
    def perform(cls, script: Script) -> Self:
        """Perform one script from its opening to its end, and judge it. The same script is the same run.

        Raises whatever went wrong; an AssertionError names each promise that did not hold.
        """
        machine = cls(script)
        try:
            run(machine.play, machine.take_steps, seed=script.seed, tick=script.tick)
            machine.seen += situations(machine.log)
            machine.raise_if_broken()
        except Exception as error:
            error.add_note(f"To see it again: {cls.__name__}.perform({script!r})")
            raise
        return machine

    @classmethod
    def as_test(cls, *, max_steps: int = 30, **options: Any) -> Callable[[], None]:
        """A test function that performs many scripts; `options` are those of `hypothesis.settings`."""

        @settings(SETTINGS, **options)
        @given(cls.scripts(max_steps=max_steps))
        def test(script: Script) -> None:
            for what in cls.perform(script).seen:
                event(what)

        # Hypothesis remembers the failures of each test by its name.
        test.__name__ = test.__qualname__ = f"test_{cls.__name__}"
        return test

    async def take_steps(self) -> None:
        """Perform the steps one by one, and check the invariants after each."""
        checks = [getattr(self, name) for name in invariants_of(type(self))]
        left = len(self.script.steps)
        for step in self.script.steps:
            await self._take(step)
            for check in checks:
                check()
            left = min(left - 1, AFTERMATH) if self.closing.is_set() else left - 1
            if not left:
                return

    async def _take(self, step: Step) -> None:
        assert step.rule in self._rules, f"no rule is called {step.rule!r}"
        self.performed += 1
        self.seen[f"rule: {step.rule}"] += 1
        await getattr(self, step.rule)(**step.arguments)

    def raise_if_broken(self) -> None:
        """Judge the run that is over."""
        if self.failures:
            raise self.failures[0]
        broken = [*self.broken, *self.mail.broken, *judge_stage(self, good=self.innocent)]
        assert not broken, "\n".join(["broken:", *broken])
