"""The Starlette example as one deploys it: systemd or Kubernetes start it, look after it, and end it.

    python -m examples.deploy.server 127.0.0.1:8000

SIGTERM drains it, and a second one ends it at once: no new sessions, those that are here stop, a batch at a
time, and the requests under way are answered. Every step is bounded, and all of them together by the dead-man
switches. `trouper.service` and `kubernetes.yaml` beside this file wait longer than that.
"""

import logging
import os
import sys
from contextlib import ExitStack
from functools import partial
from typing import Any, cast

import hypercorn.config
import hypercorn.trio
import trio

from examples.embedding.starlette_app import make_app
from supervisor import DrainSpec, SupervisorSpec, dead_man_switch, drain_on_signal, open_supervisor
from supervisor.systemd import feed_systemd

# How the sessions end at SIGTERM, in seconds.
DRAIN = DrainSpec(spread=5.0, grace=5.0)

# And the rest: from then on, after so long, the process says where each thread hangs, and exits.
DEAD_MAN = 10.0

# What requests under way are given of that.
REQUEST_GRACE = 5.0

# A session that holds up all others for so long, in seconds, is in the log with its line.
WATCHDOG = 0.5


async def main(bind: str) -> None:
    ended = trio.Event()
    config = hypercorn.config.Config()
    config.bind, config.graceful_timeout = [bind], REQUEST_GRACE
    spec = SupervisorSpec(watchdog=WATCHDOG, dead_man=DEAD_MAN)
    with ExitStack() as until_over:
        async with open_supervisor(spec=spec) as supervisor, trio.open_nursery() as nursery:
            async with trio.open_nursery() as until_drained:
                # Before all else: as process 1 of a container, nobody else would hear the signal.
                await until_drained.start(drain_on_signal, supervisor, DRAIN)
                server = partial(cast("Any", hypercorn.trio).serve, mode="asgi", shutdown_trigger=ended.wait)
                [address] = await nursery.start(server, make_app(supervisor), config)
                # Only now: it says that we are ready.
                supervisor.background.start_soon(feed_systemd, supervisor, os.environ)
                print(address, flush=True)
            # The supervisor has one for its own end; this one counts the requests' too.
            until_over.enter_context(dead_man_switch(DEAD_MAN))
            ended.set()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    trio.run(main, sys.argv[1])
