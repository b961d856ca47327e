"""A cluster: its engine simulated under virtual time, or a real one, with whatever can happen to it."""
