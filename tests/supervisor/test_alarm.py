"""The alarm by which a thread waits for what does not happen, without a turn of Python's."""

from __future__ import annotations

import sys
import threading
import time

import pytest

from supervisor._alarm import Alarm

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="it is Linux's; elsewhere one looks now and then"
)

# Seconds. Only what is broken takes so long.
LONG = 30.0
SHORT = 0.01


def waiting(alarm: Alarm) -> threading.Thread:
    thread = threading.Thread(target=alarm.wait, daemon=True)
    thread.start()
    return thread


def test_it_goes_off_by_itself_again_and_again() -> None:
    began = time.perf_counter()
    alarm = Alarm(SHORT)
    for _ in range(3):
        alarm.wait()
    assert time.perf_counter() - began >= 3 * SHORT
    alarm.close()


def test_who_waits_waits_on_while_it_is_put_off() -> None:
    after = 1.0
    alarm = Alarm(after)
    thread = waiting(alarm)
    late = time.perf_counter()
    ends, worst = late + 3 * after, 0.0
    while time.perf_counter() < ends and thread.is_alive():
        alarm.put_off()
        before, late = late, time.perf_counter()
        worst = max(worst, late - before)
        time.sleep(after / 100)
    assert thread.is_alive() or worst >= after * 0.9, "unless this machine stood still"
    alarm.end()
    thread.join(LONG)
    assert not thread.is_alive()
    alarm.close()


def test_its_end_lets_go_who_waits_and_whoever_comes_later() -> None:
    alarm = Alarm(LONG)
    thread = waiting(alarm)
    alarm.end()
    thread.join(LONG / 2)
    assert not thread.is_alive()
    alarm.put_off()
    later = waiting(alarm)
    later.join(LONG / 2)
    assert not later.is_alive()
    alarm.close()


def test_parts_of_a_second_count() -> None:
    began = time.perf_counter()
    alarm = Alarm(1.05)
    alarm.wait()
    assert time.perf_counter() - began >= 1.05
    alarm.close()
