"""The systemd unit and the Kubernetes manifest: sound for systemd's own judge and Kubernetes' own schemas,
and true of the server that they start."""

from __future__ import annotations

import configparser
import os
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, cast

import httpx2
import pytest
import trio
import yaml

from examples.deploy.server import DEAD_MAN, DRAIN, REQUEST_GRACE

from .lines import PATIENCE, ROOT, Program, started

DEPLOY = ROOT / "examples" / "deploy"
UNIT = (DEPLOY / "trouper.service").read_text()

# The first in which a pod may sleep before it stops without a feature gate, and a later one.
KUBERNETES = ("1.30", "1.34")

# Of 100; systemd calls it OK below 40.
EXPOSURE = "20"


def service() -> dict[str, str]:
    """What the unit says of its service; of an option that is there twice, the last."""
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(UNIT)
    return dict(parser["Service"])


def manifest(kind: str) -> dict[str, Any]:
    [found] = [
        one for one in yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text()) if one["kind"] == kind
    ]
    return cast("dict[str, Any]", found)


def pod() -> dict[str, Any]:
    spec = manifest("Deployment")["spec"]["template"]["spec"]
    return cast("dict[str, Any]", spec)


def container() -> dict[str, Any]:
    [only] = pod()["containers"]
    return cast("dict[str, Any]", only)


@pytest.fixture
def systemd_analyze() -> str:
    found = shutil.which("systemd-analyze")
    if found is None:
        if "CI" in os.environ:
            pytest.fail("CI must have it")
        pytest.skip("no systemd-analyze here: apt-get install systemd")
    return found


def machine(root: Path, unit: str) -> Path:
    """As the unit expects it; gives the unit's file."""
    program, *_ = shlex.split(service()["ExecStart"])
    executable = root / program.removeprefix("/")
    executable.parent.mkdir(parents=True)
    executable.touch(mode=0o755)
    units = root / "etc" / "systemd" / "system"
    units.mkdir(parents=True)
    (units / "trouper.service").write_text(unit)
    return units / "trouper.service"


def verify(systemd_analyze: str, root: Path, unit: Path) -> tuple[int, str]:
    """The status, and what systemd has against it."""
    options = ["--man=no", "--recursive-errors=no", f"--root={root}"]
    done = subprocess.run(
        [systemd_analyze, "verify", *options, str(unit)], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_systemd_has_nothing_against_the_unit(systemd_analyze: str, tmp_path: Path) -> None:
    unit = machine(tmp_path, UNIT)
    assert verify(systemd_analyze, tmp_path, unit) == (0, "")


def test_systemd_would_say_if_it_had(systemd_analyze: str, tmp_path: Path) -> None:
    unit = machine(tmp_path, UNIT.replace("WatchdogSec=", "WatchDogSecs="))
    status, complaint = verify(systemd_analyze, tmp_path, unit)
    assert status == 1
    assert "WatchDogSecs" in complaint


def test_the_unit_shuts_the_service_off_from_what_it_does_not_need(
    systemd_analyze: str, tmp_path: Path
) -> None:
    unit = machine(tmp_path, UNIT)
    options = ["--offline=yes", f"--threshold={EXPOSURE}", str(unit)]
    done = subprocess.run(
        [systemd_analyze, "security", *options], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("version", KUBERNETES)
def test_kubernetes_takes_the_manifest_and_knows_every_word(version: str, tmp_path: Path) -> None:
    sound, unsound = DEPLOY / "kubernetes.yaml", tmp_path / "unsound.yaml"
    unsound.write_text(sound.read_text().replace("periodSeconds", "periodInSeconds", 1))
    command = [sys.executable, "-m", "kubernetes_validate", "--strict", "-k", version]
    assert subprocess.run([*command, str(sound)], capture_output=True, check=False).returncode == 0
    assert subprocess.run([*command, str(unsound)], capture_output=True, check=False).returncode != 0


def test_the_service_finds_the_pods_and_their_port() -> None:
    service, template = manifest("Service")["spec"], manifest("Deployment")["spec"]["template"]
    assert service["selector"].items() <= template["metadata"]["labels"].items()
    assert manifest("Deployment")["spec"]["selector"]["matchLabels"] == template["metadata"]["labels"]
    ports = {port["name"]: port["containerPort"] for port in container()["ports"]}
    assert {port["targetPort"] for port in service["ports"]} == set(ports)
    assert container()["command"][-1].rpartition(":")[2] == str(ports["http"])


@asynccontextmanager
async def run(command: list[str]) -> AsyncGenerator[tuple[Program, httpx2.AsyncClient]]:
    """What is started there, on any free port, and a client of it."""
    _, option, module, bind = command
    assert option == "-m"
    host = bind.rpartition(":")[0]
    with started(module, f"{host}:0") as program:
        port = program.says.rpartition(":")[2]
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            yield program, client


async def probe(client: httpx2.AsyncClient, name: str) -> int:
    """As the kubelet does it: the status of one answer, in time."""
    said = container()[name]
    assert said["httpGet"]["port"] in {port["name"] for port in container()["ports"]}
    with trio.fail_after(said.get("timeoutSeconds", 1)):
        return (await client.get(said["httpGet"]["path"])).status_code


async def test_what_the_manifest_starts_answers_its_probes_and_ends_in_time_with_clients_connected() -> None:
    async with run(container()["command"]) as (program, client):
        for name in ("startupProbe", "livenessProbe", "readinessProbe"):
            assert await probe(client, name) == 200
        assert (await client.post("/alice/laptop", content="abc")).json()["letters"] == 3
        before_stop = container()["lifecycle"]["preStop"]["sleep"]["seconds"]
        with trio.fail_after(min(pod()["terminationGracePeriodSeconds"] - before_stop, PATIENCE)):
            status, log = await program.end()
        assert status == 0, log


@pytest.fixture
def notified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[socket.socket]:
    """What systemd listens at, and what it tells the server of it and of the watchdog."""
    path = str(tmp_path / "notify")
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as listening:
        listening.bind(path)
        listening.settimeout(PATIENCE)
        monkeypatch.setenv("NOTIFY_SOCKET", path)
        monkeypatch.setenv("WATCHDOG_USEC", f"{float(service()['WatchdogSec']) * 1e6:.0f}")
        yield listening


async def test_what_the_unit_starts_tells_systemd_when_it_serves_that_it_lives_and_that_it_ends(
    notified: socket.socket,
) -> None:
    assert service()["Type"] == "notify"
    async with run(shlex.split(service()["ExecStart"])) as (program, client):
        heard = await trio.to_thread.run_sync(notified.recv, 4096)
        assert heard.decode().splitlines() == ["READY=1", "STATUS=ready", "WATCHDOG=1"]
        assert (await client.post("/alice/laptop", content="abc")).status_code == 200
        with trio.fail_after(min(float(service()["TimeoutStopSec"]), PATIENCE)):
            status, log = await program.end()
        assert status == 0, log
        assert "STOPPING=1" in (await trio.to_thread.run_sync(notified.recv, 4096)).decode().splitlines()


def test_whoever_would_end_it_by_force_waits_until_it_has_said_where_it_hangs() -> None:
    before_stop = container()["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert REQUEST_GRACE < DEAD_MAN
    # The drain's own switch gives it so long beyond what it should take; then comes the rest.
    longest = DRAIN.notice + DRAIN.spread + DRAIN.grace + DEAD_MAN
    assert before_stop + longest < pod()["terminationGracePeriodSeconds"]
    assert float(service()["TimeoutStopSec"]) > longest
