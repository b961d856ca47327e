"""The public names are those that stand in `api.txt`: whoever changes one sees it, and says so."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

import pytest

from .listing import STORED, listing, main

WAY_OUT = (
    "The public names have changed. If that is meant: `python -m tests.release.listing`, look at the "
    'difference of tests/release/api.txt, and note the change under "Changes" in README.md.'
)


@pytest.fixture(scope="module")
def now() -> str:
    return listing()


def test_the_public_names_are_those_that_are_listed(now: str) -> None:
    stored = STORED.read_text(encoding="utf-8")
    difference = difflib.unified_diff(stored.splitlines(), now.splitlines(), "listed", "now", lineterm="")
    assert stored == now, "\n".join([WAY_OUT, *difference])


@pytest.mark.parametrize(
    "line",
    [
        "        async def get_or_spawn(user: str, key: str, spec: ChildSpec[M]) -> Obtained[M]",
        "        async def ask(request: Request[R]) -> R",
        "        @property state: State",
        "        connections: int",
        "        stall: float = 10.0",
        "        STOPPED = 'stopped'",
        "        @classmethod def perform(script: Script) -> Self",
        "    @attrs.frozen class ChildSpec(Generic[M])",
        "    @asynccontextmanager async def open_supervisor(limit: Limit = DEFAULT_LIMIT, *, spec: ",
        "    DEFAULT_STOP_GRACE = 5.0",
        "    Settings = supervisor.Settings",
    ],
)
def test_it_has_functions_methods_properties_fields_and_constants(now: str, line: str) -> None:
    assert f"\n{line}" in now


def test_nothing_private_is_listed(now: str) -> None:
    names = re.findall(
        r"^ +(?:@[\w.]+(?:\(.*?\))? )*(?:async def|def|class)? ?(\w+)", now, flags=re.MULTILINE
    )
    assert len(names) > 1000
    assert {name for name in names if name.startswith("_") and not name.endswith("__")} == set()


def test_the_command_writes_what_the_test_reads(
    now: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    written = tmp_path / "api.txt"
    monkeypatch.setattr("tests.release.listing.STORED", written)
    assert main() == 0
    assert written.read_text(encoding="utf-8") == now
    assert str(written) in capsys.readouterr().out
