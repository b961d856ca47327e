"""Every command against a real supervisor, over its real socket; each has an exit status that tells."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from .conftest import Run, Said
from .kit import HARMLESS, HOSTILE, PATIENCE, PROVEN, Server, command


def until(look: Callable[[], Said], words: str) -> Said:
    """Look again until it says so: a supervisor looks around at its own pace."""
    deadline = time.monotonic() + PATIENCE
    while words not in (said := look()).out:
        assert time.monotonic() < deadline, f"{words!r} was never said, but {said}"
        time.sleep(0.1)
    return said


def test_ps_shows_users_page_by_page(ask: Run) -> None:
    said = ask("ps", "--search", "user-", "--count", 2)
    assert said.status == 0
    assert [line.split()[:3] for line in said.out.splitlines()[1:3]] == [
        ["user-0", "1", "20"],
        ["user-1", "1", "20"],
    ]
    assert "and 1 more" in said.out


def test_ps_asks_for_further_pages_until_it_has_what_is_wanted(
    ask: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("supervisor.cli._looking.PAGE", 2)
    facts = ask("ps", "--search", "user-", "--json").facts
    assert [user["user"] for user in facts["users"]] == ["user-0", "user-1", "user-2"]
    assert (facts["next"], facts["total"]) == (None, 3)


def test_ps_of_one_user_shows_the_managers(ask: Run, server: Server) -> None:
    server.spawn("ann", "phone")
    said = ask("ps", "--user", "ann")
    assert said.out.splitlines()[1].split()[1] == "healthy"
    [manager] = ask("ps", "--user", "ann", "--json").facts["managers"]
    assert (manager["key"], manager["health"]) == ("phone", "healthy")


def test_who_hangs_is_found_among_all_and_by_name(ask: Run, server: Server) -> None:
    server.spawn("wanda", "phone", "wedged")
    server.spawn("wanda", "tablet")
    time.sleep(PROVEN)
    said = until(lambda: ask("ps", "--stuck"), "wanda")
    [line] = [line for line in said.out.splitlines() if line.startswith("wanda")]
    assert line.endswith(" in WedgedForever.work")
    both = ask("ps", "--user", "wanda").out.splitlines()
    assert len(both) >= 3
    assert [line for line in both if line != line.rstrip()] == [], (
        "blanks at the end break lines that are pasted"
    )
    said = ask("ps", "--stuck", "--user", "wanda")
    assert "phone" in said.out
    assert "tablet" not in said.out
    assert [one["key"] for one in ask("ps", "--stuck", "--user", "wanda", "--json").facts["managers"]] == [
        "phone"
    ]
    assert "wanda" in {one["user"] for one in ask("ps", "--stuck", "--json").facts["stuck"]}


def test_a_user_who_is_not_here_is_status_1_and_one_sentence(ask: Run) -> None:
    for words in (["explain", "zoe"], ["ps", "--user", "zoe"], ["cleanup", "--user", "zoe"]):
        assert ask(*words) == Said(1, "", "trouper: nothing of zoe is here: ps shows who is\n")
    said = ask("stop", "zoe")
    assert (said.status, said.out) == (1, "")
    assert "no manager" in said.err


def test_stop_ends_one_or_all_of_a_user(ask: Run, server: Server) -> None:
    for key in ("phone", "tablet", "watch"):
        server.spawn("sam", key)
    numbers = {
        one["key"]: one["incarnation"] for one in ask("ps", "--user", "sam", "--json").facts["managers"]
    }
    said = ask("stop", "sam", "phone", "--incarnation", 0)
    assert (said.status, said.out) == (1, "")
    assert "another incarnation" in said.err
    said = ask("stop", "sam", "phone", "--incarnation", numbers["phone"])
    assert (said.status, said.out) == (0, f"phone#{numbers['phone']}: stopped\n1 manager stopped\n")
    facts = ask("stop", "sam", "--json").facts
    assert (facts["stopped"], facts["condemned"]) == (2, 0)
    assert ask("explain", "sam").status == 1


def test_a_stop_that_somebody_survives_is_status_1(ask: Run, server: Server) -> None:
    server.spawn("stan", "phone", "shielded")
    said = ask("stop", "stan")
    assert said.status == 1
    assert "1 condemned: see explain" in said.out
    said = ask("explain", "stan")
    assert "cannot end: shielded at" in said.out


def test_a_limit_is_changed_and_a_refusal_is_told_with_its_proof(ask: Run, server: Server) -> None:
    server.spawn("lea", "phone")
    assert ask("limit", 1, "--user", "lea").out == "The limit of lea is now 1.\n"
    sentence = server.spawn("lea", "tablet")
    assert isinstance(sentence, str)
    said = until(lambda: ask("refusals"), "lea/tablet")
    assert sentence.split(".")[0] in said.out
    assert "phone" in said.out
    assert len(ask("refusals", "--last", 1, "--json").facts["refusals"]) == 1
    assert "1 of 1 slots held (a limit of their own)" in ask("explain", "lea").out
    assert ask("limit", 20, "--json").facts == {"user": None, "limit": 20, "clustered": False}


def test_probing_is_switched_off_and_on(ask: Run) -> None:
    assert ask("probing", "off").out == "Probing is off (supervisor.probing: True > False).\n"
    assert ask("probing", "off").out == "Probing is off; it was so before.\n"
    assert "probing is off" in ask("top").out
    assert ask("probing", "on", "--json").facts["probing"] is True


def test_cleanup_says_stage_by_stage_what_it_did_and_fails_if_somebody_is_left(
    ask: Run, server: Server
) -> None:
    server.spawn("carl", "phone", "shielded")
    server.spawn("carl", "tablet", "wedged")
    time.sleep(PROVEN)
    dry = ask("cleanup", "--user", "carl", "--dry-run")
    assert dry.status == 0
    assert dry.out.endswith("carl: 2 would be removed, 0 kept, 0 failed. Nothing was touched.\n")
    done = ask("cleanup", "--user", "carl")
    assert done.status == 1
    garbage, liveness, empty, title, *_ = done.out.splitlines()
    assert (empty, title) == ("", "gone")
    assert garbage.startswith("garbage   removed 0, kept 2, failed 0   slots 2 > 2")
    assert liveness.startswith("liveness  removed 1, kept 0, failed 1   slots 2 > 0")
    assert done.out.endswith("carl: 1 removed, 0 kept, 1 failed\n")


def test_cleanup_as_json_is_one_report(ask: Run, server: Server) -> None:
    server.spawn("cora", "phone", "wedged")
    time.sleep(PROVEN)
    said = ask("cleanup", "--user", "cora", "--json")
    assert said.status == 0
    assert (said.facts["user"], said.facts["reaped"]) == ("cora", 1)
    assert [stage["stage"] for stage in said.facts["stages"]] == ["garbage", "liveness"]


def test_a_cleanup_that_is_refused_touches_nobody(ask: Run, server: Server) -> None:
    server.spawn("eve", "phone", "wedged")
    time.sleep(PROVEN)
    said = ask("cleanup", "--user", "eve", "--until", "evict")
    assert said.status == 1
    assert said.out == ""
    assert said.err.startswith("trouper: the healthy make room for newcomers only")
    [manager] = ask("explain", "eve", "--json").facts["managers"]
    assert manager["health"] == "unresponsive"


def test_events_are_told_oldest_first_each_once(ask: Run, server: Server) -> None:
    server.spawn("otto", "phone")
    said = until(lambda: ask("events", "--last", 1000), "otto/phone")
    started, ran = [line for line in said.out.splitlines() if "otto/phone" in line]
    assert "DEBUG" in started
    assert "INFO" in ran
    assert len(ask("events", "--last", 2, "--json").facts["events"]) == 2


def test_a_dump_tells_where_each_manager_waits(ask: Run) -> None:
    said = ask("dump")
    assert said.out.splitlines()[0].endswith("threads")
    assert "_work" in said.out
    assert ask("dump", "--json").facts["tasks"] > 3


def test_alerts_and_top_tell_the_same_and_a_pipe_gets_one_frame(ask: Run, server: Server) -> None:
    server.spawn("al", "phone")
    ask("limit", 1, "--user", "al")
    assert "TrouperUsersAtLimit" in until(lambda: ask("alerts"), "TrouperUsersAtLimit").out
    assert [one["name"] for one in ask("alerts", "--json").facts["alerts"]]
    frame = ask("top").out
    assert "TrouperUsersAtLimit" in frame
    assert "   al  " in frame
    assert ask("top", "--json").facts["survey"] is not None


def test_a_hostile_name_is_told_as_it_is_and_steers_nothing(
    ask: Run, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    server.spawn(HOSTILE, HOSTILE, "wedged")
    time.sleep(PROVEN)
    for words in (
        ["ps", "--search", "red"],
        ["ps", "--user", HOSTILE],
        ["explain", HOSTILE],
        ["cleanup", "--user", HOSTILE, "--dry-run"],
        ["limit", 3, "--user", HOSTILE],
        ["stop", HOSTILE],
        ["explain", HOSTILE],
    ):
        said = ask(*words)
        assert HARMLESS in said.out + said.err
        assert [c for c in said.out + said.err if not c.isprintable() and c != "\n"] == []


@pytest.mark.parametrize("words", [["explain"], ["cleanup", "--user"], ["stop"]])
def test_a_name_that_is_no_text_is_told_so(ask: Run, words: list[str]) -> None:
    said = ask(*words, "\udcff")
    assert said == Said(2, "", "trouper: \\udcff is no text (UTF-8), and cannot be sent\n")


def test_a_terminal_that_has_no_such_letters_is_no_obstacle(server: Server) -> None:
    server.spawn("Zoë", "téléphone")
    where = {"TROUPER_SOCKET": server.socket, "PYTHONIOENCODING": "ascii"}
    for words in (["top"], ["explain", "Zoë"]):
        done = command(*words, **where)
        assert (done.returncode, done.stderr) == (0, "")
    assert "Zo\\xeb: 1 of" in done.stdout


def test_over_the_consoles_http_it_is_the_same_with_a_token(
    run: Run, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = run("ps", "--url", server.console)
    assert (said.status, said.out) == (2, "")
    assert said.err.endswith(": give its token with --token or TROUPER_TOKEN\n")
    monkeypatch.setenv("TROUPER_TOKEN", "a token for tests only")
    assert run("ps", "--url", f"{server.console}/", "--search", "user-0").status == 0
    assert run("probing", "on", "--url", server.console).status == 0


def test_what_is_no_supervisor_is_told_so(run: Run, server: Server) -> None:
    url = server.console.removesuffix("/console")
    said = run("ps", "--url", url)
    assert (said.status, said.out) == (2, "")
    assert said.err.startswith(f"trouper: what answers at {url} is no supervisor (404)")
