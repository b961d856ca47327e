"""Three in the morning: 20 of 20 are stuck for one user, among 2,000 others. What one types, and sees."""

from __future__ import annotations

import time
from collections.abc import Generator
from pathlib import Path

import pytest

from .kit import PATIENCE, PROVEN, Server, command, facts, open_server

PLACE = "in WedgedForever.work"


@pytest.fixture
def crowded(tmp_path: Path) -> Generator[Server]:
    with open_server(tmp_path, users=2000) as server:
        for number in range(20):
            assert server.spawn("alice", f"tab-{number}", "wedged") is True
        time.sleep(PROVEN)
        yield server


def test_from_the_alert_over_the_stuck_line_to_the_user_who_is_in(crowded: Server) -> None:
    where = {"TROUPER_SOCKET": crowded.socket}

    deadline = time.monotonic() + PATIENCE
    while "TrouperUsersAtLimit" not in (alerts := command("alerts", **where)).stdout:
        assert time.monotonic() < deadline, alerts
    frame = command("top", **where).stdout.splitlines()
    assert frame[2].startswith("2,020 managers   2,001 users")
    assert frame[5] == "2,000 healthy   20 unresponsive"
    assert any(line.startswith("   alice  20 managers") and line.endswith(PLACE) for line in frame)
    assert "   alice  20 of 20" in frame

    explained = command("explain", "alice", **where).stdout
    assert explained.startswith("alice: 20 of 20 slots held\n")
    assert explained.count("  unresponsive  ") == 20
    assert "\n20 managers at" in explained  # the line may be too long for the same row
    assert PLACE in explained

    before = command("cleanup", "--user", "alice", "--dry-run", **where)
    assert before.stdout.endswith("alice: 20 would be removed, 0 kept, 0 failed. Nothing was touched.\n")
    assert facts(command("explain", "alice", "--json", **where))["held"] == 20

    done = command("cleanup", "--user", "alice", **where)
    garbage, liveness, *_ = done.stdout.splitlines()
    assert garbage.startswith("garbage   removed 0, kept 20, failed 0   slots 20 > 20")
    assert liveness.startswith("liveness  removed 20, kept 0, failed 0   slots 20 > 0")
    assert done.stdout.endswith("alice: 20 removed, 0 kept, 0 failed\n")
    assert (before.returncode, done.returncode, done.stderr) == (0, 0, "")

    assert crowded.spawn("alice", "tab-0") is True
    after = facts(command("explain", "alice", "--json", **where))
    assert [(one["key"], one["health"]) for one in after["managers"]] == [("tab-0", "healthy")]
    assert facts(command("ps", "--search", "user-", "--count", "1", "--json", **where))["total"] == 2000
