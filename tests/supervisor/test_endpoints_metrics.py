"""/metrics: in the format that is asked for, of a size that never grows, and without holding up the loop."""

from __future__ import annotations

import gzip
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import trio
from prometheus_client import Metric
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.parser import text_string_to_metric_families as as_text
from prometheus_client.registry import Collector

from supervisor.endpoints import endpoints

from .harness import Crowd, opened
from .test_endpoints import Answer, ask, registry_of

ROOT = Path(__file__).parents[2]

# prometheus_client leaves its type out.
_parse: Any = openmetrics_parser.text_string_to_metric_families  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
as_openmetrics: Callable[[str], Iterable[Metric]] = _parse


async def test_metrics_come_in_the_format_that_is_asked_for() -> None:
    async with opened() as (supervisor, _):
        await Crowd(supervisor).add("tab", 3)
        app = endpoints(supervisor, registry=registry_of(supervisor))
        plain = await ask(app, "/metrics")
        assert plain.headers["content-type"].startswith("text/plain; version=0.0.4")
        assert value(as_text(plain.text), "trouper_managers") == 3
        openmetrics = await ask(app, "/metrics", accept="application/openmetrics-text; version=1.0.0")
        assert openmetrics.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
        assert value(as_openmetrics(openmetrics.text), "trouper_managers") == 3
        packed = await ask(app, "/metrics", accept_encoding="gzip")
        assert packed.headers["content-encoding"] == "gzip"
        assert int(packed.headers["content-length"]) == len(packed.body)
        assert value(as_text(gzip.decompress(packed.body).decode()), "trouper_managers") == 3
        some = await ask(app, "/metrics", query="name[]=trouper_managers")
        assert [family.name for family in as_text(some.text)] == ["trouper_managers"]
        assert plain.headers["cache-control"] == openmetrics.headers["cache-control"] == "no-store"


def value(families: Iterable[Metric], name: str) -> float:
    (found,) = (sample.value for family in families for sample in family.samples if sample.name == name)
    return found


class SlowCollector(Collector):
    """Takes until it is released, by a loop that runs."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.release = threading.Event()

    def collect(self) -> Iterator[Metric]:
        self.begun.set()
        assert self.release.wait(10), "the loop was held up"
        yield from ()


async def test_a_slow_collector_of_others_holds_up_no_event_loop() -> None:
    async with opened() as (supervisor, _):
        registry, slow = registry_of(supervisor), SlowCollector()
        slow.release.set()
        registry.register(slow)
        slow.release.clear()
        slow.begun.clear()
        app = endpoints(supervisor, registry=registry)
        answers: list[Answer] = []

        async def scrape() -> None:
            answers.append(await ask(app, "/metrics"))

        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(scrape)
            with trio.fail_after(5):
                while not slow.begun.is_set():
                    await trio.sleep(0.001)
            assert (await ask(app, "/livez")).status == 200
            in_threads = trio.to_thread.current_default_thread_limiter().borrowed_tokens
            assert in_threads == 0, "that is for others"
            assert answers == []
            slow.release.set()
        assert [answer.status for answer in answers] == [200] * 3


async def test_a_scrape_does_not_grow_with_those_who_are_here() -> None:
    async with opened(1000) as (supervisor, _):
        app = endpoints(supervisor, registry=registry_of(supervisor))
        before = await ask(app, "/metrics")
        for number in range(20):
            await Crowd(supervisor, f"user {number}").add("tab", 50)
        after = await ask(app, "/metrics")
        assert len(after.text.splitlines()) == len(before.text.splitlines())
        assert "trouper_managers 1000.0\n" in after.text


def test_health_alone_needs_no_prometheus() -> None:
    program = (
        "import sys, supervisor.endpoints as here; here.endpoints(None)"
        "; sys.exit('prometheus_client' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False)
    assert done.returncode == 0
