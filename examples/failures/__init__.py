"""Failures, one after another: what you see of each. `examples/README.md` says why, and what to do.

    python -m examples.failures shield      # one of them; without a name: all their names

Graces and budgets are much shorter here than their defaults, so that nobody waits.
"""
