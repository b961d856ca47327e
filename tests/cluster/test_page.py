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

from supervisor import ChildSpec, SpawnRefused, open_supervisor
from supervisor.cluster import ClusterSpec, Entry, Log, Presence, Topic, open_cluster
from supervisor.testing import Healthy
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


async def test_the_user_of_the_page_may_do_all_that_a_node_does() -> None:
    """And with a database and a service in the URL: what Sentinel's and `/1` ask for is allowed as well."""
    [section] = re.findall(r"A user of its own: (.*?)\.\n", CLUSTER, flags=re.DOTALL)
    rules = [word for part in re.findall(r"`([^`]+)`", section) for word in part.split()]
    async with open_server() as server:
        await server.command("ACL", "SETUSER", "trouper", "on", ">secret", *rules)
        url = f"redis://trouper:secret@127.0.0.1:{server.port}"
        async with (
            open_cluster(url, ClusterSpec(lease=1.0)) as cluster,
            open_supervisor(1, cluster=cluster) as supervisor,
            trio.open_nursery() as nursery,
        ):
            await trio.sleep(1.1)  # a new engine warms up for one lease
            assert (await supervisor.get_or_spawn("ann", "tab", ChildSpec(Healthy))).created
            with pytest.raises(SpawnRefused):
                await supervisor.get_or_spawn("ann", "phone", ChildSpec(Healthy))
            log = Log(cluster.engine, "room", cluster, cluster.spec)
            async with log.follow() as follower:
                await log.append([("1", "hello")])
                assert isinstance(await follower.receive(), Entry)
            presence = Presence(cluster.engine, "room", cluster, cluster.spec)
            nursery.start_soon(presence.run)
            presence.enter("ann")
            topic = Topic(cluster.engine, "news")
            for _ in range(2):  # the second time, it has left the channel
                async with topic.listen() as heard:
                    await topic.publish("new")
                    assert await heard.receive() == "new"
            while "ann" not in presence.who:
                await trio.sleep(0.01)
            assert await cluster.stop("ann", "tab")
            nursery.cancel_scope.cancel()
        async with open_cluster(f"{url}/1", ClusterSpec(lease=1.0)) as cluster:
            assert await cluster.nodes() == ()
        for words in (("ROLE",), ("SELECT", "1"), ("UNSUBSCRIBE", "x"), ("TIME",)):
            assert await server.command("ACL", "DRYRUN", "trouper", *words) == "OK"
        assert "NOPERM" not in str(await server.command("INFO", "errorstats"))


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
