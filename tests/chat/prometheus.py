"""A real Prometheus on loopback, with our rules, that scrapes one server; asked over its HTTP API."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import subprocess
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import attrs
import pytest

from supervisor.alerts import rules

from .support import PATIENCE, wait_until

Labels = frozenset[tuple[str, str]]

# As often as it can be asked, in a test that waits for it.
INTERVAL = "500ms"

# What Prometheus itself puts on each series.
ITS_OWN = {"__name__", "job", "instance"}


@pytest.fixture(scope="session")
def prometheus_binary() -> str:
    """Where CI runs it must not be missing."""
    found = shutil.which("prometheus")
    if found is None and os.environ.get("CI"):
        pytest.fail("prometheus is missing: apt-get install prometheus")
    if found is None:
        pytest.skip("no prometheus here: apt-get install prometheus")
    return found


@attrs.frozen
class Prometheus:
    """Answers what its HTTP API is asked. Each call waits for the answer: use a thread."""

    port: int
    log: Path

    def query(self, expression: str) -> dict[tuple[str, Labels], float]:
        """The newest value of each series that fits."""
        found = self._ask("query", query=expression)["result"]
        return {_series(each["metric"]): float(each["value"][1]) for each in found}

    def rules(self) -> list[dict[str, Any]]:
        return [rule for group in self._ask("rules")["groups"] for rule in group["rules"]]

    def targets(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._ask("targets")["activeTargets"]
        return found

    def is_ready(self) -> bool:
        try:
            return self._get("/-/ready")[0] == 200
        except OSError:
            return False

    def _ask(self, what: str, **parameters: str) -> dict[str, Any]:
        said = json.loads(self._get(f"/api/v1/{what}?{urlencode(parameters)}")[1])
        assert said["status"] == "success", said
        data: dict[str, Any] = said["data"]
        return data

    def _get(self, path: str) -> tuple[int, bytes]:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)) as connection:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()


def _series(metric: dict[str, str]) -> tuple[str, Labels]:
    return metric["__name__"], frozenset(item for item in metric.items() if item[0] not in ITS_OWN)


@contextmanager
def open_prometheus(binary: str, folder: Path, *, scraped: int) -> Generator[Prometheus]:
    """One that scrapes this port's /metrics, until the block is left."""
    folder.mkdir()
    port, log = _free_port(), folder / "log.txt"
    command = [binary, f"--config.file={_configured(folder, scraped)}", "--log.level=warn"]
    command += [f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address=127.0.0.1:{port}"]
    with log.open("w") as errors:
        process = subprocess.Popen(command, cwd=folder, stdout=errors, stderr=errors)
    try:
        prometheus = Prometheus(port, log)
        wait_until(lambda: process.poll() is not None or prometheus.is_ready(), "Prometheus is ready")
        assert process.poll() is None, log.read_text()
        yield prometheus
        process.terminate()
        assert process.wait(PATIENCE) == 0, log.read_text()
    finally:
        process.kill()
        process.wait(PATIENCE)


def _configured(folder: Path, scraped: int) -> Path:
    """The configuration; JSON is YAML too."""
    (folder / "rules.yml").write_text(rules())
    config = {
        "global": {"scrape_interval": INTERVAL, "scrape_timeout": INTERVAL, "evaluation_interval": INTERVAL},
        "rule_files": ["rules.yml"],
        "scrape_configs": [{"job_name": "chat", "static_configs": [{"targets": [f"127.0.0.1:{scraped}"]}]}],
    }
    path = folder / "prometheus.yml"
    path.write_text(json.dumps(config))
    return path


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port
