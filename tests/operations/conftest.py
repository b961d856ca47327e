"""What these tests are given."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place for a socket, with a name that is short enough everywhere."""
    monkeypatch.chdir(tmp_path)
    return Path("trouper.sock")
