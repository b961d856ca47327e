"""`python -m supervisor check`: whatever was broken is said, with its place; and nothing else is."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import attrs
import pytest
import trio

from supervisor import SpawnRefused, Supervisor, open_supervisor
from supervisor.__main__ import main
from supervisor.journal import open_journal
from supervisor.journal._lines import Header, header_line, header_of
from supervisor.testing import Shielded, run

from .harness import Crowd, settle

ROOT = Path(__file__).parents[2]
Record: TypeAlias = dict[str, Any]


async def evening(supervisor: Supervisor) -> None:
    """Two users; one manager hangs and is condemned, one caller is refused."""
    crowd, release = Crowd(supervisor, "ann"), trio.Event()
    await crowd.add("stuck", 1, lambda: Shielded(release), at_work=True)
    await crowd.add("tab", 1)
    await settle(5.5)
    await crowd.add("late", 1)
    with pytest.raises(SpawnRefused):
        await crowd.add("more", 1)
    await Crowd(supervisor, "b\x1b[31mob").add("tab", 1)
    release.set()


def written() -> tuple[Header, list[Record]]:
    file = io.BytesIO()

    async def perform() -> None:
        async with open_journal(file) as journal, open_supervisor(2) as supervisor:
            journal.record(supervisor)
            await evening(supervisor)

    run(perform)
    header, *lines = file.getvalue().splitlines()
    return header_of(header), [json.loads(line) for line in lines]


HEADER, RECORDS = written()
Check: TypeAlias = Callable[..., tuple[int, str]]


def content(records: list[Record], header: Header = HEADER) -> bytes:
    return header_line(header) + b"".join(json.dumps(record).encode() + b"\n" for record in records)


def numbered(records: list[Record]) -> list[Record]:
    """Whoever tampers counts anew, or the gap alone would betray him."""
    fresh: list[Record] = json.loads(json.dumps(records))
    stamped = [record for record in fresh if "stamp" in record]
    for seq, record in enumerate(stamped, start=2):
        record["stamp"]["seq"] = seq
    return fresh


def places(kind: str, records: list[Record] = RECORDS) -> list[int]:
    return [place for place, record in enumerate(records) if record["type"] == kind]


@pytest.fixture
def check(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Check:
    """The command on a journal of these records; its status, and what it printed."""
    monkeypatch.chdir(tmp_path)

    def check(records: list[Record], *options: str, tail: bytes = b"") -> tuple[int, str]:
        Path("run.jsonl").write_bytes(content(records) + tail)
        status = main(["check", "run.jsonl", *options])
        said = capsys.readouterr()
        assert said.err == ""
        return status, said.out

    return check


def test_of_a_good_journal_it_says_what_happened_and_that_nothing_was_broken(check: Check) -> None:
    status, said = check(RECORDS)
    lines = said.splitlines()
    assert lines[0] == "run.jsonl"
    began = HEADER.wall.strftime("%Y-%m-%d %H:%M:%S")
    assert lines[1].startswith(f"  covers     {began}.")
    assert lines[1].endswith(" UTC (5.55 s)")
    assert lines[2:] == [
        f"  events     {len(RECORDS) - 1}, and 0 lost",
        "  users      2",
        "  managers   4 created, 4 ended",
        "  refused    1 (1 limit)",
        "  reaped     1 (1 unresponsive)",
        "  condemned  1",
        "Nothing was broken.",
    ]
    assert status == 0


def test_programs_get_the_same_as_json(check: Check) -> None:
    status, said = check(RECORDS, "--json")
    told = json.loads(said)
    assert status == 0
    assert told["violations"] == []
    assert (told["name"], told["ended"], told["torn"], told["lost"]) == ("run.jsonl", True, False, 0)
    assert (told["users"], told["created"], told["over"], told["condemned"]) == (2, 4, 4, 1)
    assert (told["refused"], told["reaped"]) == ({"limit": 1}, {"unresponsive": 1})
    assert told["began"] == HEADER.wall.isoformat() < told["until"]


def test_a_journal_without_an_end_is_judged_up_to_there(check: Check) -> None:
    for place in (*places("Started"), *places("Terminal"), len(RECORDS) - 1):
        status, said = check(RECORDS[:place])
        assert "It has no end: the process was ended by force, or runs on. Judged up to there." in said
        assert said.endswith("\nNothing was broken.\n"), said
        assert status == 0


def test_a_line_that_was_cut_off_is_told(check: Check) -> None:
    status, said = check(RECORDS[:-1], tail=b'{"type":"Term')
    assert "Its last line was cut off in the middle, and is left out." in said
    assert status == 0


def test_an_end_that_is_missing_is_found(check: Check) -> None:
    place = places("Terminal")[-1]
    status, said = check(numbered(RECORDS[:place] + RECORDS[place + 1 :]))
    assert status == 1
    assert "broken:\n  at the end: everybody has ended when the supervisor has: " in said


def test_a_birth_that_is_there_twice_is_found_with_its_place(check: Check) -> None:
    place = places("Reserved")[1]
    records = numbered(RECORDS[: place + 1] + RECORDS[place:])
    status, said = check(records)
    assert status == 1
    seq = records[place + 1]["stamp"]["seq"]
    moment = HEADER.wall_time(records[place + 1]["stamp"]["at"]).strftime("%Y-%m-%d %H:%M:%S")
    assert f"\n  event {seq}, {moment}." in said
    assert "there is one live incarnation under a key" in said


def test_a_count_that_was_lifted_is_found(check: Check) -> None:
    records = numbered(RECORDS)
    changed = records[places("Reserved")[1]]
    changed["held"] += 1
    status, said = check(records, "--json")
    assert status == 1
    broken, *_ = json.loads(said)["violations"]
    assert broken["rule"] == "the slots held are those that the log counts"
    assert broken["seq"] == changed["stamp"]["seq"]
    assert broken["at"] == HEADER.wall_time(changed["stamp"]["at"]).isoformat()


@pytest.mark.parametrize(
    ("header", "rule"),
    [
        (attrs.evolve(HEADER, limit=3), "the limit is the one that was set"),
        (
            attrs.evolve(HEADER, spec=attrs.evolve(HEADER.spec, process_limit=1)),
            "no more actors run than the process allows",
        ),
    ],
)
def test_it_is_judged_by_the_limit_and_the_spec_of_its_header(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], header: Header, rule: str
) -> None:
    path = tmp_path / "run.jsonl"
    path.write_bytes(content(RECORDS, header))
    assert main(["check", str(path)]) == 1
    assert rule in capsys.readouterr().out


def test_a_gap_is_found(check: Check) -> None:
    status, said = check(RECORDS[:3] + RECORDS[4:])
    assert (status, "the log is complete" in said) == (1, True)


def test_events_that_were_lost_are_counted_and_it_is_not_called_whole(check: Check) -> None:
    place = places("Terminal")[0]
    lost: Record = {"type": "EventsLost", "count": 1}
    status, said = check([*RECORDS[:place], lost, *RECORDS[place + 1 :]])
    assert f"  events     {len(RECORDS) - 2}, and 1 lost\n" in said
    assert (status, "the log is complete" in said) == (1, True)


def test_no_name_steers_the_terminal(check: Check) -> None:
    place = next(p for p in places("Terminal") if RECORDS[p]["user"].startswith("b\x1b"))
    status, said = check(numbered(RECORDS[:place] + RECORDS[place + 1 :]))
    assert status == 1
    assert "\x1b" not in said


@pytest.mark.parametrize(
    ("made", "problem"),
    [
        (None, "cannot read run.jsonl: No such file or directory"),
        (b"", "run.jsonl: it is empty"),
        (b"hello\n", "run.jsonl, line 1: this is not a journal (not JSON: Expecting value at character 1)"),
        (content(RECORDS[:3]) + b"oh\n", "run.jsonl, line 5: not JSON: Expecting value at character 1"),
    ],
)
def test_what_cannot_be_read_is_one_sentence_and_status_2(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    made: bytes | None,
    problem: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    if made is not None:
        Path("run.jsonl").write_bytes(made)
    assert main(["check", "run.jsonl"]) == 2
    assert capsys.readouterr() == ("", f"trouper: {problem}\n")


def test_as_a_command_it_says_the_same_and_explains_itself(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    path.write_bytes(content(RECORDS))

    def command(*arguments: object) -> subprocess.CompletedProcess[str]:
        words = [sys.executable, "-W", "error", "-m", "supervisor", *map(str, arguments)]
        return subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT)

    done = command("check", path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("\nNothing was broken.\n")
    assert command().returncode == 2
    assert "check" in command("--help").stdout
    assert "Exit status: 0 nothing was broken, 1 something was" in command("check", "--help").stdout


def test_the_example_of_the_guides_writes_a_journal_that_passes(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "examples/README.md").read_text(), flags=re.DOTALL)
    [program] = [block for block in blocks if "open_journal" in block]
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    for words in (["-c", program], ["-m", "supervisor", "check", "run.jsonl"]):
        command = [sys.executable, "-W", "error", *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environ)
        assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("\nNothing was broken.\n")
