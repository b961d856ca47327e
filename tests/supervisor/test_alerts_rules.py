"""The shipped alert rules, judged by Prometheus' own promtool: each fires, and each stays silent."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest
from prometheus_client import CollectorRegistry

from supervisor import Counts
from supervisor._counts import Tally
from supervisor.alerts import AlertName, dashboard, rules
from supervisor.metrics.prometheus import SupervisorCollector
from tests.cluster.facts import cluster_statistics

STARTS = "trouper_background_cleanup_task_started_total"
CRASHES = "trouper_background_cleanup_failures_total"
TRIGGERS = "trouper_emergency_cleanup_triggers_total"
SUCCESSES = "trouper_successful_emergency_cleanups_total"
ALL_ALIVE = "trouper_emergency_cleanups_all_alive_total"
REFUSALS = "trouper_resource_limit_hits_total"
SPAWNS = "trouper_spawn_seconds_bucket"
FAILED = "trouper_manager_starts_failed_total"
ENGINE_UP = "trouper_cluster_engine_up"
LEASES_LOST = "trouper_cluster_leases_lost_total"
WARMINGS = "trouper_cluster_warmings_total"
ORPHANS = "trouper_cluster_orphans_dropped_total"
ADDED = "trouper_cluster_slots_added_total"
LOST = "trouper_cluster_slots_lost_total"
SILENT = "trouper_cluster_owners_silent_total"
CRASHED = 'trouper_manager_ends_total{reason="crashed"}'

# Loads of a minute each, in promtool's notation: a beginning, and what is added so many times.
Loads = Mapping[str, str]


@attrs.frozen
class Case:
    """Series under which an alert fires after two hours, and others under which it does not."""

    fires: Loads
    silent: Loads


def spawns(fast: int, slow: int, outcome: str = "spawned") -> Loads:
    """So many a minute, within half a second and within one."""
    return {
        f'{SPAWNS}{{outcome="{outcome}",le="{le}"}}': f"0+{number}x120"
        for le, number in (("0.25", fast), ("0.5", fast), ("1.0", fast + slow), ("+Inf", fast + slow))
    }


CASES: dict[AlertName, Case] = {
    AlertName.SWEEPER_NOT_RUNNING: Case(
        {STARTS: "1x115 2x4", CRASHES: "0x110 1x4 2x4"}, {STARTS: "1x110 2x9", CRASHES: "0x110 1x9"}
    ),
    AlertName.SWEEPER_CRASHED: Case({CRASHES: "0x115 1x4"}, {CRASHES: "0x60 1x59"}),
    AlertName.EMERGENCY_CLEANUP_FAILING: Case(
        # Of a thousand that had to do with somebody who is stuck, 94 of a hundred made room.
        {TRIGGERS: "0+1000x120", SUCCESSES: "0+94x120", ALL_ALIVE: "0+900x120"},
        {TRIGGERS: "0+1000x120", SUCCESSES: "0+96x120", ALL_ALIVE: "0+900x120"},
    ),
    AlertName.SPAWN_SLOW: Case(
        {**spawns(fast=98, slow=2), **spawns(1000, 0, outcome="found")},
        {**spawns(fast=995, slow=5), **spawns(0, 100, outcome="refused")},
    ),
    AlertName.REPEATED_REFUSALS: Case(
        {
            f'{REFUSALS}{{reason="limit"}}': "0+1x120",
            f'{REFUSALS}{{reason="reap_pending"}}': "0+1x120",
        },
        {f'{REFUSALS}{{reason="limit"}}': "0x110 1+1x9"},
    ),
    AlertName.REPEATED_FAILURES: Case(
        {FAILED: "0+1x120", CRASHED: "0+1x120"}, {FAILED: "0x120", CRASHED: "0x110 1+1x9"}
    ),
    AlertName.GROWTH_WITHOUT_BOUND: Case(
        {"trouper_managers": "100+5x120", "trouper_zombies": "0x120"},
        # It has doubled, and then stayed as it is.
        {"trouper_managers": "100+10x80 900x40", "trouper_zombies": "0x120"},
    ),
    AlertName.ZOMBIES: Case({"trouper_zombies": "0x110 1x9"}, {"trouper_zombies": "0x100 5x10 0x9"}),
    AlertName.USERS_AT_LIMIT: Case(
        {"trouper_users_at_manager_limit": "0x100 1x19"}, {"trouper_users_at_manager_limit": "0x115 1x4"}
    ),
    AlertName.LOOP_STALLED: Case(
        {"trouper_stalled_seconds_total": "0x116 2x3"}, {"trouper_stalled_seconds_total": "0x100 9x19"}
    ),
    # It is away for less than a minute at a time.
    AlertName.ENGINE_AWAY: Case({ENGINE_UP: "1x110 0x9"}, {ENGINE_UP: "1x110 0 1 1 0 1 1 1 1 1"}),
    AlertName.LEASE_LOST: Case({LEASES_LOST: "0x115 1x4"}, {LEASES_LOST: "0x60 1x59"}),
    # The first scrape of a process that found new data is no growth.
    AlertName.CLUSTER_WARMING: Case({WARMINGS: "1x115 2x4"}, {WARMINGS: "1x119"}),
    AlertName.ORPHANS: Case(
        {ORPHANS: "0+1x120", ADDED: "0+1x120", LOST: "0x120"},
        {ORPHANS: "0x110 0+1x9", ADDED: "0x120", LOST: "0x120"},
    ),
    AlertName.OWNERS_SILENT: Case({SILENT: "0+1x120"}, {SILENT: "0x110 1+0x5 2x4"}),
}


@pytest.fixture(scope="session")
def promtool() -> str:
    """Where CI runs it must not be missing."""
    found = shutil.which("promtool")
    if found is None and os.environ.get("CI"):
        pytest.fail("promtool is missing: apt-get install prometheus")
    if found is None:
        pytest.skip("no promtool here: apt-get install prometheus")
    return found


def run(promtool: str, *arguments: str | Path) -> None:
    done = subprocess.run([promtool, *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def written(folder: Path, text: str) -> Path:
    path = folder / "rules.yml"
    path.write_text(text)
    return path


def test_promtool_takes_the_rules(promtool: str, tmp_path: Path) -> None:
    run(promtool, "check", "rules", written(tmp_path, rules()))


def test_the_rules_and_the_process_have_the_same_alerts() -> None:
    assert re.findall(r"- alert: (\w+)", rules()) == [name.value for name in AlertName]
    assert list(CASES) == list(AlertName)


def _test_file(loads: Loads, alert: AlertName, *, fires: bool) -> dict[str, Any]:
    """A unit test of promtool's; JSON is YAML too."""
    expected = [{"labels": "{}", "value": 1}] if fires else []
    query = f'count(ALERTS{{alertname="{alert.value}", alertstate="firing"}})'
    return {
        "rule_files": ["rules.yml"],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": name, "values": values} for name, values in loads.items()],
                "promql_expr_test": [{"expr": query, "eval_time": "118m", "exp_samples": expected}],
            }
        ],
    }


@pytest.mark.parametrize("alert", AlertName)
def test_an_alert_fires(alert: AlertName, promtool: str, tmp_path: Path) -> None:
    written(tmp_path, rules())
    path = tmp_path / "fires.json"
    path.write_text(json.dumps(_test_file(CASES[alert].fires, alert, fires=True)))
    run(promtool, "test", "rules", path)


@pytest.mark.parametrize("alert", AlertName)
def test_an_alert_stays_silent(alert: AlertName, promtool: str, tmp_path: Path) -> None:
    written(tmp_path, rules())
    path = tmp_path / "silent.json"
    path.write_text(json.dumps(_test_file(CASES[alert].silent, alert, fires=False)))
    run(promtool, "test", "rules", path)


@pytest.mark.parametrize(
    ("triggers", "successes", "all_alive"),
    [
        pytest.param("0+100x120", "0x120", "0+100x120", id="all who are full are well"),
        pytest.param("0+100x120", "0+1x120", "0+99x120", id="whoever was stuck made room"),
        pytest.param("0x110 0+1x4 4x6", "0x120", "0x120", id="few failed"),
        pytest.param("0x120", "0x120", "0x120", id="nobody was full"),
    ],
)
def test_other_cleanups_are_silent(
    triggers: str, successes: str, all_alive: str, promtool: str, tmp_path: Path
) -> None:
    written(tmp_path, rules())
    loads = {TRIGGERS: triggers, SUCCESSES: successes, ALL_ALIVE: all_alive}
    path = tmp_path / "silent.json"
    path.write_text(json.dumps(_test_file(loads, AlertName.EMERGENCY_CLEANUP_FAILING, fires=False)))
    run(promtool, "test", "rules", path)


@pytest.mark.parametrize(
    "managers",
    [
        pytest.param("200x85 200+20x40", id="only in the last third"),
        pytest.param("200+10x72 920x30 920+30x30", id="not in the second third"),
        pytest.param("200+10x90 1100x40", id="not in the last third"),
        pytest.param("200+1x130", id="by little"),
        pytest.param("0x50 1+3x80", id="from next to nothing"),
    ],
)
def test_other_growth_is_silent(managers: str, promtool: str, tmp_path: Path) -> None:
    written(tmp_path, rules())
    loads = {"trouper_managers": managers, "trouper_zombies": "0x130"}
    path = tmp_path / "silent.json"
    path.write_text(json.dumps(_test_file(loads, AlertName.GROWTH_WITHOUT_BOUND, fires=False)))
    run(promtool, "test", "rules", path)


class InCluster:
    """Nothing has happened there."""

    def counts(self) -> Counts:
        return attrs.evolve(Tally().counts(), cluster=cluster_statistics())


def exported() -> set[str]:
    registry = CollectorRegistry()
    registry.register(SupervisorCollector(InCluster()))
    return {sample.name for family in registry.collect() for sample in family.samples}


def named(text: str) -> set[str]:
    """The metrics that a text asks for."""
    return set(re.findall(r"\btrouper_[a-z_]+", text))


def queries() -> Iterator[str]:
    for panel in json.loads(dashboard())["panels"]:
        for target in panel.get("targets", ()):
            yield target["expr"]


def test_rules_ask_only_for_what_is_exported() -> None:
    assert named(rules())
    assert named(rules()) <= exported()
    for case in CASES.values():
        assert named(" ".join((*case.fires, *case.silent))) <= exported()


def test_the_dashboard_asks_only_for_what_is_exported() -> None:
    asked = named(dashboard())
    assert asked <= exported()
    # And for nearly all of it: one that is exported and not shown is a decision.
    shown = {name.removesuffix("_bucket").removesuffix("_total") for name in asked}
    families = {re.sub(r"(_bucket|_count|_sum)?(_total)?$", "", name) for name in exported()}
    assert families - shown == {
        "trouper_cluster_engine_changes",
        "trouper_cluster_engine_connects",
        "trouper_cluster_leases_begun",
        "trouper_cluster_slots_freed",
        "trouper_cleanup_stage_runs",
        "trouper_cleanup_stage_seconds",
        "trouper_dead_letters",
        "trouper_handler_failures",
        "trouper_stalls",
        "trouper_sweeps",
        "trouper_sweeps_held",
    }


def test_promtool_takes_every_query_of_the_dashboard(promtool: str, tmp_path: Path) -> None:
    asked = [query.replace("$__rate_interval", "5m") for query in queries()]
    assert len(asked) > 20
    records = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(asked)]
    text = json.dumps({"groups": [{"name": "dashboard", "rules": records}]})
    run(promtool, "check", "rules", written(tmp_path, text))


def test_panels_of_the_dashboard_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(dashboard())["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not taken & cells
        assert all(0 <= x < 24 for x, _ in cells)
        taken |= cells
