"""What the page for operators shows is run against a real engine, and its numbers are those that hold."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from functools import partial

import attrs
import pytest
import trio

from supervisor.cluster import ClusterSpec
from tests.test_documents import BLOCKS, CLUSTER, ROOT, programs

from .redis_server import open_server

# In the page's table, for what is no literal of Python's.
WORDS = {"empty": "", "STOP": "stop", "trouper": "trouper"}


async def output_of(program: str, port: int) -> str:
    code = re.sub(r"127\.0\.0\.1:\d+", f"127.0.0.1:{port}", program)
    done = await trio.to_thread.run_sync(
        partial(
            subprocess.run,
            [sys.executable, "-W", "error", "-c", code],
            check=False,
            cwd=ROOT,
            env=os.environ,
            capture_output=True,
            text=True,
            timeout=60,
        )
    )
    assert done.returncode == 0, done.stderr
    return str(done.stdout)


async def test_the_program_of_the_page_runs() -> None:
    [program] = programs(CLUSTER)
    async with open_server() as server:
        assert await output_of(program, server.port) == "hello\nlaptop lives on node-1\n"


async def test_the_program_of_the_readme_runs() -> None:
    [program] = [block for block in BLOCKS if "open_cluster" in block]
    program = program.replace("ClusterSpec(", "ClusterSpec(lease=1.0, ")  # a new engine warms up for one
    async with open_server() as server:
        await output_of(f"{program}\nimport trio\ntrio.run(serve)", server.port)


def test_each_default_that_the_page_tells_is_the_one_that_holds() -> None:
    [section] = re.findall(r"^## Numbers\n(.*?)^## ", CLUSTER, flags=re.DOTALL | re.MULTILINE)
    told = dict(re.findall(r"^\| `(\w+)` \| (\S+) \|", section, re.MULTILINE))
    del told["ClusterSpec"]
    spec = attrs.asdict(ClusterSpec())
    assert set(told) == set(spec)
    for name, default in spec.items():
        value = getattr(default, "value", default)
        assert WORDS.get(told[name], told[name]) == str(value), name


def test_a_spec_that_cannot_hold_is_refused_where_it_is_made() -> None:
    with pytest.raises(ValueError, match=r"lease of 0\.5 s is too short"):
        ClusterSpec(lease=0.5)
    with pytest.raises(ValueError, match="prefix must not be empty nor have braces"):
        ClusterSpec(prefix="a{b")
    with pytest.raises(TypeError, match="lease must be a number of seconds"):
        ClusterSpec(lease="15")  # type: ignore[arg-type]
