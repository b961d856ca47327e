"""Tests: each name is a sentence, time is virtual, misbehaviour is a specimen."""
