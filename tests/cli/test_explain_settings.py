"""`explain-settings`: the layers of this process, and each value with its source."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Run


def row(table: str, option: str) -> list[str]:
    [line] = [line for line in table.splitlines() if line.startswith(f"{option} ")]
    return line.split()


def test_each_value_comes_with_its_source_and_what_it_overrode(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("trouper.toml").write_text("limit = 5\n[supervisor]\nslot_wait = 1.5\n")
    monkeypatch.setenv("TROUPER_LIMIT", "7")
    monkeypatch.setenv("TROUPER_SOCKET", "/run/trouper.sock")
    said = run("explain-settings", "--file", "trouper.toml", "--profile", "test", "--set", "health.budget=9")
    assert (said.status, said.err) == (0, "")
    assert row(said.out, "limit")[1:3] == ["7", "TROUPER_LIMIT"]
    assert "5 (trouper.toml)" in said.out
    assert row(said.out, "supervisor.slot_wait")[1:3] == ["1.5", "trouper.toml"]
    assert row(said.out, "supervisor.sweep_period")[1:4] == ["30.0", "profile", "test"]
    assert row(said.out, "health.budget")[1:3] == ["9.0", "overrides"]
    assert max(map(len, said.out.splitlines())) <= 80


def test_programs_get_one_document(run: Run) -> None:
    facts = run("explain-settings", "--set", "limit=3", "--json").facts
    assert facts["profile"] == "production"
    options = {one["option"]: one for one in facts["options"]}
    overrode = [{"value": 20, "source": "default"}]
    assert options["limit"] == {"option": "limit", "value": 3, "source": "overrides", "overrode": overrode}


def test_all_that_is_wrong_is_told_a_line_each(run: Run) -> None:
    said = run("explain-settings", "--set", "limti=3", "--set", "supervisor.sweep_period=soon")
    assert (said.status, said.out) == (2, "")
    assert len(said.err.splitlines()) >= 1
    assert "limti" in said.err
    assert "\\n" not in said.err
