"""What a person reads of plain facts: whoever matters is there, with the line, and the numbers agree."""

from __future__ import annotations

from datetime import datetime

import pytest
from rich.console import RenderableType

from supervisor.cli._contract import Dump, Ended, Holder, Users
from supervisor.cli._feed import alerts_view, events_view, refusals_view
from supervisor.cli._managers import explained_view, managers_view, stuck_groups, stuck_view, users_view
from supervisor.cli._nodes import nodes_view, where_view
from supervisor.cli._reports import report_view, stage_line, stopped_view, summed
from supervisor.cli._stacks import dump_view

from .kit import HARMLESS, HOSTILE, drawn
from .specimens import (
    AWAY,
    STACK,
    WHERE,
    alert,
    cluster,
    event,
    finding,
    located,
    manager,
    node,
    nodes,
    refusal,
    report,
    stage,
    standing,
    stuck,
    survey,
    user,
    whereabouts,
)

NOON = datetime(2026, 1, 2, 12, 0, 0)


def test_users_are_a_line_each_with_their_numbers() -> None:
    users: Users = {
        "users": [user("ann", held=20, condemned=2, waiting=1), user("bob")],
        "next": None,
        "total": 2,
        "clustered": False,
    }
    head, ann, bob = drawn(users_view(users)).splitlines()
    assert head.split() == ["user", "held", "limit", "condemned", "waiting"]
    assert ann.split() == ["ann", "20", "20", "2", "1"]
    assert bob.split() == ["bob", "1", "20", "0", "0"]


def test_users_who_are_not_shown_are_counted_and_the_way_to_them_is_named() -> None:
    users: Users = {"users": [user()], "next": 1, "total": 2001, "clustered": False}
    assert "and 2,000 more: see them with --count, or by name with --search" in drawn(users_view(users))
    nobody: Users = {"users": [], "next": None, "total": 0, "clustered": False}
    assert drawn(users_view(nobody)) == "Nobody is here."
    assert (
        drawn(users_view({**nobody, "clustered": True})) == "Nobody is on this node: nodes shows all of them."
    )


def test_a_manager_has_its_verdict_and_its_evidence() -> None:
    here = standing(stuck("tab-0"), manager("tab-1", connections=2), condemned=[manager("old", "condemned")])
    _, first, second, last = drawn(managers_view(here)).splitlines()
    assert first.split()[:5] == ["tab-0#7", "unresponsive", "12", "s", "-"]
    assert "in handle(Work) for 42.3 s, budget 5 s" in first
    assert second.split()[:5] == ["tab-1#7", "healthy", "12", "s", "2"]
    assert last.split()[:2] == ["old#7", "condemned"]


def test_of_those_who_hang_the_line_is_told_and_those_not_named_are_counted() -> None:
    known = {"unresponsive": 150, "condemned": 1, "healthy": 5}
    told = drawn(
        stuck_view(survey(stuck("tab-0"), manager("old", "condemned", cause="in a thread"), health=known))
    )
    assert "session.py:41 in Session.flush" in told
    assert "in a thread" in told
    assert told.endswith("and 149 more")
    assert "Nobody is stuck" in drawn(stuck_view(survey()))


def test_many_of_one_user_in_one_line_are_one_row() -> None:
    hanging = [stuck(f"tab-{n}", phase_for=float(n)) for n in range(20)]
    rows = [[str(cell) for cell in row] for row in stuck_groups([*hanging, stuck("tab", user="bob")])]
    assert rows == [
        ["ann", "20 managers", "19 s", "session.py:41 in Session.flush"],
        ["bob", "tab#7", "3.0 s", "session.py:41 in Session.flush"],
    ]


def test_explain_tells_slots_verdicts_the_stuck_line_once_and_what_a_cleanup_would_do() -> None:
    hanging = [stuck(f"tab-{n}") for n in range(20)]
    dry = report(stage("garbage", kept=20), stage("liveness", reaped=20), dry_run=True)
    told = drawn(explained_view(standing(*hanging, dry_run=dry)), width=100)
    assert told.startswith(
        "ann: 20 of 20 slots held\nOne more would be let in, after a cleanup that removes 20."
    )
    assert told.count("unresponsive") == 20
    assert f"20 managers at {WHERE}\n  tab-0, tab-1, tab-2, tab-3, tab-4 and 15 more" in told
    assert told.count(WHERE) == 2, "in its title, and at the end of its stack"
    assert "liveness  would remove 20, kept 0, failed 0   slots 20 > 0" in told


def test_explain_tells_why_one_more_would_be_refused_and_why_a_condemned_one_does_not_end() -> None:
    cause = f"shielded at {WHERE}"
    condemned = manager("old", "condemned", cause=cause, where=WHERE, stack=STACK)
    here = standing(
        manager("tab"),
        condemned=[condemned],
        limit=1,
        own_limit=True,
        would_admit=False,
        waiting=2,
        threads=3,
    )
    told = drawn(explained_view(here), width=100)
    headline = "ann: 1 of 1 slots held (a limit of their own), 1 condemned, 2 waiting, 3 in threads"
    assert told.startswith(f"{headline}\nOne more would be refused")
    assert f"cannot end: {cause}" in told
    assert "A cleanup" not in told, "it would do nothing"


def test_explain_of_a_node_leaves_it_to_all_nodes_whether_one_more_would_be_let_in() -> None:
    told = drawn(explained_view(standing(manager(), clustered=True)))
    assert told.startswith("ann: 1 of 20 slots held\nThat is this node's part of it: `where` has all nodes")
    assert "let in" not in told


def test_explain_with_room_says_so() -> None:
    assert "there is room" in drawn(explained_view(standing(manager())))
    assert "there is room" in drawn(explained_view(standing()))


def test_a_stage_is_one_line_with_its_numbers() -> None:
    line = drawn(stage_line(stage("liveness", reaped=19, kept=1)))
    assert line == "liveness  removed 19, kept 1, failed 0   slots 20 > 1   12 ms"
    line = drawn(stage_line(stage("garbage", kept=2000), dry_run=True))
    assert line == "garbage   would remove 0, kept 2,000, failed 0   slots 2,000 > 2,000"


def test_a_report_names_who_went_and_who_is_left() -> None:
    told = drawn(report_view(report(stage("garbage"), stage("liveness", reaped=2, kept=1, failed=1))))
    gone, left, conclusion = told.split("\n\n")
    assert gone.startswith("gone")
    assert "ann/gone-1#7" in gone
    assert left.startswith("to be removed, and still here")
    assert "ann/left-0#7" in left
    assert conclusion == "ann: 2 removed, 1 kept, 1 failed"


def test_a_dry_run_says_that_nothing_was_touched() -> None:
    told = drawn(report_view(report(stage("liveness", reaped=1), dry_run=True)))
    assert told.startswith("would go")
    assert told.endswith("ann: 1 would be removed, 0 kept, 0 failed. Nothing was touched.")


def test_a_long_report_is_cut_and_says_how_many_more_there_are() -> None:
    told = drawn(report_view(report(stage("liveness", reaped=5000), user=None)))
    assert told.count("ann/gone-") == 20
    assert "and 4,980 more" in told
    assert told.endswith("all users: 5,000 removed, 0 kept, 0 failed")


def test_stages_asked_for_one_by_one_add_up() -> None:
    whole = summed(
        [
            report(stage("garbage", reaped=3, kept=17)),
            report(stage("garbage", reaped=1, kept=16), stage("liveness", reaped=15, kept=1, failed=1)),
        ]
    )
    assert (whole["reaped"], whole["kept"], whole["failed"]) == (19, 1, 1)
    assert [one["stage"] for one in whole["stages"]] == ["garbage", "garbage", "liveness"]


def test_of_a_stop_each_end_is_told_and_who_runs_on() -> None:
    ended: Ended = {"key": "tab", "incarnation": 7, "node": "", "exit": "stopped"}
    told = drawn(stopped_view({"stopped": 1, "ended": [ended], "condemned": 0, "problem": ""}))
    assert told == "tab#7: stopped\n1 manager stopped"
    told = drawn(
        stopped_view({"stopped": 3, "ended": [ended], "condemned": 1, "problem": "'x' on chat-2: no answer"})
    )
    *_, summary, problem = told.splitlines()
    assert summary == "3 managers stopped, 2 still at it, 1 condemned: see explain"
    assert problem == "'x' on chat-2: no answer"
    elsewhere: Ended = {**ended, "node": "chat-2", "incarnation": 0}
    told = drawn(stopped_view({"stopped": 1, "ended": [elsewhere], "condemned": 0, "problem": ""}))
    assert told == "tab on chat-2: stopped\n1 manager stopped"


def test_an_event_has_the_time_of_day_at_which_it_happened() -> None:
    events = [event(ago=90.0), event("the loop stood still", level="WARNING"), {"skipped": 3}]
    assert drawn(events_view(events, NOON)).splitlines() == [  # type: ignore[arg-type]
        "11:58:30 INFO    ann/tab#7 runs",
        "12:00:00 WARNING the loop stood still",
        "         3 events left out",
    ]


def test_alerts_are_told_with_their_age() -> None:
    told = drawn(alerts_view([alert()]))
    assert told.splitlines()[1].split("  ") == ["1 min 1 s", "TrouperUsersAtLimit", "1 user is at the limit."]
    assert drawn(alerts_view([])) == "No alert."


def test_a_refusal_comes_with_its_proof_and_the_newest_is_last() -> None:
    told = drawn(refusals_view([refusal("new"), refusal("old")]), width=120)
    old, new = told.split("\n\n")
    assert old.startswith("ann/old 5.0 s ago, after 1 ms")
    assert new.startswith("ann/new ")
    assert "Limit reached: 1 of 1 sessions alive." in new
    assert "liveness  removed 0, kept 1, failed 0" in new
    assert "tab-0#7" in new
    assert "parked on its empty mailbox" in new
    assert drawn(refusals_view([])) == "Nobody was refused."


def test_of_a_dump_equal_stacks_are_told_once_and_what_is_below_stands_to_the_right() -> None:
    dump: Dump = {
        "tasks": 2003,
        "groups": [
            {"depth": 0, "count": 3, "names": ["run", "run", "run"], "stack": []},
            {"depth": 1, "count": 2000, "names": ["ann/a", "ann/b"], "stack": STACK},
        ],
        "threads": [{"name": "MainThread", "stack": ["main.py:1 in main"]}],
    }
    whole, runners, crowd, thread = drawn(dump_view(dump)).split("\n\n")
    assert whole == "2,003 tasks in 2 places, 1 thread"
    assert crowd.splitlines() == [
        "  2,000 tasks: ann/a, ann/b and 1,998 more",
        *(f"      {line}" for line in STACK),
    ]
    assert runners.splitlines() == ["3 tasks: run", "    (it runs, or has not begun)"]
    assert thread.splitlines() == ["thread MainThread", "    main.py:1 in main"]


def test_in_a_cluster_a_refusal_says_on_which_node_each_holder_lives() -> None:
    here: Holder = {**manager("tab-0"), "kept": []}
    told = drawn(refusals_view([refusal(holders=[here, {**here, "key": "tab-1", "node": "chat-2"}])]))
    head, first, second = told.splitlines()[-3:]
    assert head.split() == ["holder", "on", "verdict", "age", "evidence"]
    assert first.split()[:3] == ["tab-0#7", "here", "healthy"]
    assert second.split()[:3] == ["tab-1#7", "chat-2", "healthy"]


def test_nodes_are_a_line_each_with_lease_and_figures() -> None:
    unknown = node("chat-3", address="", figures=dict.fromkeys(("managers", "users", "zombies")))
    sick = node("chat-2", expires_in=3.2, figures={"managers": 5, "users": 2, "zombies": 1})
    told = drawn(nodes_view(nodes(node(is_me=True), sick, unknown)))
    stands, members, counted = told.split("\n\n")
    assert stands.splitlines() == [
        "chat-1   engine up (0.4 ms)   lease 12 s left   3 nodes   2,020 slots counted",
        "engine at redis://engine:6379   9,000 calls, 0 failed, 1 connection, 0 gaps",
    ]
    head, first, second, third = members.splitlines()
    assert head.split() == ["node", "lease", "left", "managers", "users", "condemned", "address"]
    assert first.split("  ")[0] == "chat-1 (this one)"
    assert first.split()[3:] == ["13", "s", "of", "15", "s", "2,020", "2,001", "0", "10.0.0.1:8000"]
    assert second.split() == ["chat-2", "3.2", "s", "of", "15", "s", "5", "2", "1", "10.0.0.1:8000"]
    assert third.split()[6:] == ["-", "-", "-", "-"]
    assert counted.replace("\n", " ") == (
        "since it began: 0 leases lost, 1 orphan dropped, 2 slots added, 0 lost; 6 owners asked, 0 silent"
    )


def test_an_engine_that_is_away_is_told_with_the_reason_and_what_follows_from_it() -> None:
    problem = "the engine at redis://engine:6379 cannot be asked: the connection was cut"
    told = drawn(nodes_view(nodes(cluster=cluster(**AWAY), problem=problem)))
    assert told.startswith("chat-1   engine down for 21 s   no lease: nobody is let in\n")
    assert "no lease: its last one is over: the connection was cut" in told
    assert problem in told
    kept = cluster(**AWAY | {"kept": True, "limits_may_be_exceeded": True})
    assert "no lease: limits may be exceeded" in drawn(nodes_view(nodes(cluster=kept)))
    warming = cluster(state="warming", warming=9.2)
    assert "engine warming, nobody is let in for 9.2 s" in drawn(nodes_view(nodes(cluster=warming)))


def test_where_a_user_lives_is_a_line_for_each_manager_with_its_node() -> None:
    silent = located("old", "chat-3", "unknown", incarnation=0, age=0.0, evidence="chat-3 does not answer")
    found = whereabouts(silent, located("phone", "chat-2", connections=2), located("tab"))
    head, _, columns, first, second, third = drawn(where_view(found)).splitlines()
    assert head == "ann: 3 managers on 3 nodes"
    assert columns.split() == ["node", "key", "verdict", "age", "conn", "evidence"]
    assert first.split()[:6] == ["chat-1", "tab#7", "healthy", "12", "s", "-"]
    assert second.split()[:6] == ["chat-2", "phone#7", "healthy", "12", "s", "2"]
    assert third.split()[:6] == ["chat-3", "old", "unknown", "-", "-", "chat-3"]


def test_where_not_all_nodes_could_be_asked_it_is_said() -> None:
    told = drawn(where_view(whereabouts(located(), problem="the engine is away", total=600)))
    assert told.startswith("ann: 600 managers on 1 node\nonly those of this node: the engine is away\n")
    assert told.endswith("and 599 more")


def everything(name: str) -> list[RenderableType]:
    """Every view, with that name wherever a user, or a program, may have chosen one."""
    one = stuck(name, user=name, evidence=name, where=name, stack=[name], cause=name)
    found = finding(name, user=name, evidence=name)
    done = {**stage("liveness", reaped=1), "reaped": [found], "failed": [found]}
    said = report(done, user=name)  # type: ignore[arg-type]
    users: Users = {"users": [user(name)], "next": None, "total": 1, "clustered": False}
    dump: Dump = {
        "tasks": 1,
        "groups": [{"depth": 0, "count": 1, "names": [name], "stack": [name]}],
        "threads": [{"name": name, "stack": [name]}],
    }
    return [
        users_view(users),
        managers_view(standing(one)),
        stuck_view(survey(one)),
        explained_view(standing(one, user=name, dry_run=said)),
        report_view(said),
        stopped_view(
            {
                "stopped": 1,
                "ended": [{"key": name, "incarnation": 1, "node": name, "exit": name}],
                "condemned": 0,
                "problem": name,
            }
        ),
        events_view([event(name, level=name)], NOON),
        alerts_view([alert(name, summary=name)]),
        refusals_view([refusal(name, user=name, sentence=name, holders=[{**one, "kept": [name]}])]),
        dump_view(dump),
        nodes_view(
            nodes(
                node(name, address=name),
                cluster=cluster(**AWAY | {"node": name, "engine": name, "no_lease": name}),
                problem=name,
            )
        ),
        where_view(whereabouts(located(name, name, name, evidence=name), user=name, problem=name)),
    ]


@pytest.mark.parametrize("number", range(12))
def test_no_name_steers_a_terminal_or_is_taken_for_markup(number: int) -> None:
    told = drawn(everything(HOSTILE)[number], width=1000)
    assert HARMLESS in told
    assert [c for c in told if not c.isprintable() and c != "\n"] == []


@pytest.mark.parametrize("number", range(12))
@pytest.mark.parametrize("width", [20, 80])
def test_however_long_a_name_no_line_is_wider_than_the_terminal(number: int, width: int) -> None:
    told = drawn(everything("long" * 100 + " 漢字")[number], width=width)
    assert max(map(len, told.splitlines())) <= width
