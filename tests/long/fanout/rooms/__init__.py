"""The servers that are compared; each file is one, and prints its port first."""
