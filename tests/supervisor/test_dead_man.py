"""The dead-man switch ends a process that does not end, in time, and says where it hangs.

Each test has a process of its own, since that is what ends.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

# Seconds. Never reached unless something is broken.
PATIENCE = 30.0

# A supervisor whose end takes as long as its one actor likes. What happens is on stdout.
ENDING = """
import time
import trio
from actors import Actor
from supervisor import ChildSpec, ShutdownHeld, SupervisorSpec, open_supervisor
from supervisor.testing import Healthy, Shielded, Work

async def say(events):
    async for event in events:
        print(event if isinstance(event, ShutdownHeld) else type(event).__name__, flush=True)

async def end_with(kind, dead_man):
    async with trio.open_nursery() as outside:
        async with open_supervisor(spec=SupervisorSpec(dead_man=dead_man)) as supervisor:
            outside.start_soon(say, supervisor.events())
            obtained = await supervisor.get_or_spawn("alice", "tab", ChildSpec(kind, stop_grace=0.1))
            await obtained.ref.tell(Work())
"""

# Nothing but switches; `hold_the_lock` is C code that lets no other thread run Python.
SWITCHES = """
import time
from supervisor import _dead_man, dead_man_switch

_dead_man._LAST_RESORT = 0.1

def hold_the_lock(numbers=10**15):
    sum(range(numbers))
"""


def run(program: str) -> subprocess.CompletedProcess[str]:
    """Run it to its end; one that does not end fails the test."""
    command = [sys.executable, "-W", "error", "-c", program]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=PATIENCE)


def test_an_actor_that_ignores_cancellation_is_told_and_then_the_process_exits() -> None:
    ended = run(ENDING + "trio.run(end_with, Shielded, 2.0)")
    assert ended.returncode == 1, ended.stderr
    held = ended.stdout.splitlines()[-1]
    assert held.startswith("ShutdownHeld(")
    assert "alice/tab#1" in held
    assert "in Shielded.work" in held
    assert ended.stderr.startswith("dead-man switch: the end took longer than 2 s")
    assert ended.stderr.count("(most recent call first)") >= 2, "of all threads"
    assert 'trio/_core/_run.py"' in ended.stderr, "and so of the loop's"


def test_an_actor_that_blocks_the_loop_while_it_stops_is_in_the_stacks() -> None:
    blocks = """
class Blocks(Healthy):
    async def on_stop(self):
        time.sleep(3600)

trio.run(end_with, Blocks, 0.5)
"""
    ended = run(ENDING + blocks)
    assert ended.returncode == 1, ended.stderr
    assert " in on_stop\n" in ended.stderr
    assert "ShutdownHeld" not in ended.stdout


def test_an_actor_whose_c_code_holds_the_lock_cannot_hold_the_process() -> None:
    holds = """
class Holds(Healthy):
    async def on_stop(self):
        sum(range(10**15))

trio.run(end_with, Holds, 0.5)
"""
    ended = run(ENDING + holds)
    assert ended.returncode == 1, ended.stderr
    assert ended.stderr.startswith("Timeout (0:00:0"), "the interpreter's own timer"
    assert " in on_stop\n" in ended.stderr


def test_the_time_counts_from_the_end_of_the_block_and_an_end_in_time_is_one() -> None:
    lives = """
async def live():
    async with open_supervisor(spec=SupervisorSpec(dead_man=0.3)) as supervisor:
        await trio.sleep(1.0)

trio.run(live)
time.sleep(1.0)
"""
    ended = run(ENDING + lives)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_switch_that_is_let_go_leaves_the_earlier_one() -> None:
    ended = run(f"""{SWITCHES}
with dead_man_switch(0.5):
    with dead_man_switch(60):
        pass
    time.sleep(3600)
""")
    assert ended.returncode == 1
    assert ended.stderr.startswith("dead-man switch: the end took longer than 0.5 s")


def test_a_switch_that_is_let_go_leaves_the_earlier_timer() -> None:
    ended = run(f"""{SWITCHES}
with dead_man_switch(0.5):
    with dead_man_switch(60):
        pass
    hold_the_lock()
""")
    assert ended.returncode == 1
    assert ended.stderr.startswith("Timeout (")


def test_a_later_switch_does_not_put_the_timer_off() -> None:
    ended = run(f"""{SWITCHES}
with dead_man_switch(0.5), dead_man_switch(60):
    hold_the_lock()
""")
    assert ended.returncode == 1
    assert ended.stderr.startswith("Timeout (")


def test_the_earlier_switch_that_is_let_go_leaves_the_later_one() -> None:
    ended = run(f"""{SWITCHES}
with dead_man_switch(1.5):
    with dead_man_switch(0.3):
        pass
    time.sleep(0.8)
    print("past the first", flush=True)
    hold_the_lock()
""")
    assert ended.stdout == "past the first\n"
    assert ended.returncode == 1
    assert ended.stderr.startswith("Timeout (")


def test_switches_that_are_let_go_do_nothing() -> None:
    ended = run(f"""{SWITCHES}
with dead_man_switch(0.3), dead_man_switch(0.2), dead_man_switch(None):
    pass
time.sleep(0.8)
""")
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_process_without_standard_error_ends_too() -> None:
    ended = run(f"""{SWITCHES}
import os
os.close(2)
_dead_man._LAST_RESORT = 3600  # the thread has to do it
with dead_man_switch(0.3):
    time.sleep(3600)
""")
    assert ended.returncode == 1


def test_no_bound_is_no_switch() -> None:
    ended = run(f"""{SWITCHES}
import threading
with dead_man_switch(None):
    assert threading.active_count() == 1
""")
    assert (ended.returncode, ended.stderr) == (0, "")
