"""A frame of `top`: what is worst is seen first, and nothing is ever out of the screen."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from supervisor.cli._frame import Seen, frame, shares
from supervisor.cli._headline import headline

from .kit import HARMLESS, HOSTILE, drawn
from .specimens import AWAY, WHERE, alert, cluster, event, manager, overview, refusal, stuck, survey, user

NOON = datetime(2026, 1, 2, 12, 0, 0)
TROUBLE = overview(
    survey=survey(
        *(stuck(f"tab-{n}") for n in range(20)), manager("old", "condemned", user="bob", cause="in a thread")
    ),
    at_limit={"total": 1, "users": [user(held=20, waiting=2, condemned=1)]},
    alerts=[alert()],
)


def seen(facts: Any = TROUBLE, **others: Any) -> Seen:
    plain: dict[str, Any] = {"events": [], "refusals": [], "at": NOON, "address": "./trouper.sock"}
    return Seen(facts, **plain | others)


def lines(facts: Seen, width: int = 80, height: int = 24) -> list[str]:
    return drawn(frame(facts, width=width, height=height), width).splitlines()


def test_at_24_lines_all_that_matters_is_there() -> None:
    events = [event(f"event {n}") for n in range(100)]
    told = lines(seen(events=events, refusals=[refusal()]))
    assert told[0] == f"{'trouper 0.1.0  pid 4711  up 2 h 13 min  ./trouper.sock':72}12:00:00"
    assert told[1] == "live   ready"
    assert told[2].startswith("2,020 managers   2,001 users   1,980 connections   0 condemned   limit 20")
    assert told[3] == "loop lag 0.3 ms, worst 12 ms   spawn p50 0.5 ms, p99 -"
    assert told[4] == "a minute: 120 created, 3 cleaned up, 0 refused, 1 emergency cleanups"
    assert told[5] == "10 healthy   20 unresponsive   1 condemned"
    assert told[6] == "━" * 80
    assert [line for line in told if line.split(" ")[0].isupper()] == [
        "ALERTS 1",
        "STUCK 20",
        "CONDEMNED 1",
        "AT LIMIT 1",
        "REFUSED",
        "LAST EVENTS",
    ]
    assert "   ann  20 managers  3.0 s  session.py:41 in Session.flush" in told
    assert "   bob  old#7  3.0 s  in a thread" in told
    assert "   ann  20 of 20  1 condemned, 2 waiting" in told
    assert told[-1] == "   12:00:00 INFO    event 99"
    assert len(told) == 24


def test_what_is_only_for_programmers_is_no_news() -> None:
    told = lines(seen(events=[event("a slot is held", level="DEBUG"), event("it runs")]))
    assert told[-1].endswith("it runs")
    assert not any("a slot is held" in line for line in told)


def test_where_all_is_well_it_is_said_in_few_words() -> None:
    told = lines(seen(overview(limit=None)))
    assert len(told) == 7
    assert told[2].endswith("limit varies")
    assert told[5] == "10 healthy"


def test_what_is_not_well_is_said() -> None:
    unfit = {"ok": False, "problems": ["the sweeper is dead", "shutting down"]}
    told = lines(seen(overview(live=unfit, probing=False, survey=None)))
    assert told[1] == "not live: the sweeper is dead, shutting down   ready   probing is off"
    assert told[5] == "nobody has been looked at yet"


def test_of_a_node_it_is_told_how_it_stands_in_its_cluster() -> None:
    told = lines(seen(overview(cluster=cluster())))
    assert told[5] == "chat-1   engine up (0.4 ms)   lease 12 s left   3 nodes   2,020 slots counted"
    warning = "no lease in the cluster (its engine is down): limits may be exceeded"
    kept = cluster(**AWAY | {"kept": True, "limits_may_be_exceeded": True})
    told = lines(seen(overview(cluster=kept, warnings=[warning])), width=100)
    assert told[1] == f"live   ready   {warning}"
    assert told[5] == "chat-1   engine down for 21 s   no lease: limits may be exceeded"
    assert "engine" not in "".join(lines(seen(overview())))


def test_an_old_survey_says_so() -> None:
    assert lines(seen(overview(survey=survey(ago=12.0))))[5] == "10 healthy   as of 12 s ago"
    stalled = lines(seen(overview(survey=survey(health={"healthy": 8, "unknown": 2}))))[5]
    assert stalled == "8 healthy   2 unknown (the loop stood still: they are judged anew)"


def test_where_nobody_answers_any_more_that_is_what_one_reads_first() -> None:
    told = lines(seen(problem="no supervisor answers at ./trouper.sock"))
    assert told[1] == "no supervisor answers at ./trouper.sock"


@pytest.mark.parametrize(
    ("verdicts", "parts"),
    [
        ({"healthy": 100_000, "unresponsive": 1}, [39, 1]),
        ({"healthy": 1, "busy": 3}, [10, 30]),
        ({"healthy": 5, "busy": 0}, [40]),
    ],
)
def test_in_the_bar_whoever_is_there_has_a_part(verdicts: dict[str, int], parts: list[int]) -> None:
    facts = overview(survey=survey(health=verdicts))
    bar = headline(facts, at=NOON, address="", problem="", width=40)[-1]
    assert bar.plain == "━" * 40
    assert [span.end - span.start for span in bar.spans] == parts


def test_where_nobody_is_there_is_no_bar() -> None:
    assert lines(seen(overview(survey=survey(health={}))))[5:] == ["nobody is here"]


@pytest.mark.parametrize("height", [1, 5, 8, 10, 13, 24, 33, 34, 40, 100])
@pytest.mark.parametrize("width", [20, 60, 80, 120])
def test_nothing_is_out_of_the_screen(width: int, height: int) -> None:
    long = "long" * 50
    events = [event(f"{long} {n}") for n in range(100)]
    facts = overview(
        survey=survey(*(stuck(f"{long}{n}", user=f"user {n}", where=f"{WHERE}{n}") for n in range(30))),
        at_limit={"total": 2000, "users": [user(f"{long}{n}") for n in range(20)]},
        alerts=[alert(f"{long}{n}") for n in range(50)],
    )
    told = lines(seen(facts, events=events, refusals=[refusal()] * 100, address=long), width, height)
    assert len(told) <= height
    assert max(map(len, told)) <= width


def test_a_list_that_is_cut_says_how_much_more_there_is() -> None:
    facts = overview(alerts=[alert(f"Alert{n}") for n in range(50)])
    told = lines(seen(facts))
    assert told[7] == "ALERTS 50  34 lines more"
    assert len(told) == 24


def test_no_name_steers_the_screen() -> None:
    hostile = overview(
        survey=survey(stuck(HOSTILE, user=HOSTILE, where=HOSTILE)),
        at_limit={"total": 1, "users": [user(HOSTILE)]},
        alerts=[alert(HOSTILE, summary=HOSTILE)],
    )
    told = lines(seen(hostile, events=[event(HOSTILE)], refusals=[refusal(HOSTILE)], address=HOSTILE), 400)
    assert sum(HARMLESS in line for line in told) == 6
    assert [c for c in "".join(told) if not c.isprintable()] == []


@pytest.mark.parametrize(
    ("wanted", "room", "given"),
    [
        ([1, 100, 3], 10, [1, 6, 3]),
        ([1, 2], 10, [1, 2]),
        ([5, 5, 5], 2, [1, 1, 0]),
        ([5], -3, [0]),
        ([], 5, []),
    ],
)
def test_each_list_has_a_fair_share_of_the_lines(wanted: list[int], room: int, given: list[int]) -> None:
    assert shares(wanted, room) == given
