"""Tests of `supervisor.operations`."""
