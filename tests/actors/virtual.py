"""Virtual time for properties: a fresh clock and one drawn schedule for every example."""

from hypothesis import Phase, settings
from hypothesis import strategies as st

from supervisor.testing import run

__all__ = ["FOREVER", "run", "seeds", "unhurried"]

# Longer than any script lasts: what is still waiting then waits for ever.
FOREVER = 1e6

# No wall clock judges a property, and the explain phase only repeats slow scripts.
unhurried = settings(deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink])

seeds = st.integers(0, 2**32 - 1)
