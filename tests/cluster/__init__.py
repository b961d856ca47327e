"""A cluster: its engine simulated under virtual time, or a real one on a port of its own."""
