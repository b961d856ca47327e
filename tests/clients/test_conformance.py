"""The command that runs the Autobahn testsuite: its echoes, and what it makes of what the suite says."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TypeAlias

import pytest
import trio
import websockets.sync.client

from tests.chat.support import PATIENCE, within
from tests.long import autobahn
from tests.long.autobahn import ECHOES, GROUPS, Case, SuiteError, failures, find_python2, run_suite, table
from tests.long.autobahn_echo import Ports, serve_echoes


def all_well() -> list[Case]:
    return [
        Case(echo, f"{number}.1.{n}", "OK", "OK", 1000)
        for echo in ECHOES
        for number, group in GROUPS.items()
        for n in range(getattr(group, echo))
    ]


def test_a_suite_in_which_all_is_well_has_no_failures() -> None:
    fine = [
        Case("text", "3.2", "NON-STRICT", "OK", 1002),
        Case("text", "7.1.6", "INFORMATIONAL", "INFORMATIONAL", 1000),
        Case("text", "7.3.1", "OK", "OK", None),
    ]
    assert failures(all_well(), whole=True) == []
    assert failures(fine, whole=False) == []


@pytest.mark.parametrize(
    ("case", "column", "sentence"),
    [
        (("FAILED", "OK", 1000), "FAILED", "text 6.4.1: FAILED, end OK, closed with 1000"),
        (("UNIMPLEMENTED", "OK", 1000), "FAILED", "text 6.4.1: UNIMPLEMENTED, end OK, closed with 1000"),
        (("OK", "UNCLEAN", 1000), "UNCLEAN", "text 6.4.1: OK, end UNCLEAN, closed with 1000"),
        (("OK", "WRONG CODE", 1002), "UNCLEAN", "text 6.4.1: OK, end WRONG CODE, closed with 1002"),
        (("OK", "OK", None), "NO CLOSE", "text 6.4.1: OK, end OK, closed with no code"),
    ],
)
def test_a_case_that_did_not_pass_is_a_failure_and_counted(
    case: tuple[str, str, int | None], column: str, sentence: str
) -> None:
    cases = [Case("text", "6.1.1", "OK", "OK", 1000), Case("text", "6.4.1", *case)]
    assert failures(cases, whole=False) == [sentence]
    head, *rows = table(cases, "text").splitlines()
    place = head.index(column) + len(column)
    assert [row[:place].split()[-1] for row in rows] == ["1", "1"]
    assert len(rows) == 2


def test_a_suite_that_left_something_out_is_a_failure() -> None:
    cases = [case for case in all_well() if (case.echo, case.group) != ("text", 9)]
    assert failures(cases, whole=True) == ["text: 0 cases in group 9, not 27"]
    assert failures(cases, whole=False) == []
    assert failures([], whole=False) == ["no case was run"]


def test_without_a_python_2_one_is_told_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert autobahn.main([]) == 2
    told = capsys.readouterr().err
    assert "needs a Python 2.7, and there is no `python2.7` on the PATH" in told
    assert "--python2" in told
    with pytest.raises(SuiteError, match="is none: Python 3"):
        find_python2(sys.executable)


def suite_of(folder: Path, program: str) -> Path:
    """A suite of our own making: a program that is told what to do in the file that is its last argument."""
    path = folder / "wstest"
    path.write_text(f"#!{sys.executable}\nimport json, pathlib, sys\n{program}\n")
    path.chmod(0o700)
    return path


TALKS = """
from websockets.sync.client import connect
told = json.loads(pathlib.Path(sys.argv[-1]).read_text())
index = {}
for server in told["servers"]:
    with connect(server["url"], proxy=None) as socket:
        socket.send("text")
        behavior = "OK" if socket.recv() == "text" else "FAILED"
    said = {"behavior": behavior, "behaviorClose": "OK", "remoteCloseCode": socket.close_code}
    index[server["agent"]] = {case: said for case in told["cases"]}
pathlib.Path(told["outdir"], "index.json").write_text(json.dumps(index))
"""


async def test_what_the_suite_says_of_each_echo_is_read(tmp_path: Path) -> None:
    with within(PATIENCE, "the end of the suite"):
        cases = await run_suite(suite_of(tmp_path, TALKS), ["1.1.1"], tmp_path / "pages")
    assert cases == [Case("text", "1.1.1", "OK", "OK", 1000), Case("bytes", "1.1.1", "OK", "OK", 1000)]


@pytest.mark.parametrize("program", ["sys.exit('it has no Twisted')", "print('it has no Twisted')"])
async def test_a_suite_that_says_nothing_cannot_be_run_whatever_is_left_of_another_run(
    tmp_path: Path, program: str
) -> None:
    (tmp_path / "index.json").write_text(json.dumps({"text": {}}))
    with within(PATIENCE, "the end of the suite"), pytest.raises(SuiteError, match="no Twisted"):
        await run_suite(suite_of(tmp_path, program), ["1.1.1"], tmp_path)


Messages: TypeAlias = list[str | bytes]


def talk(port: int, messages: Messages) -> Messages:
    url = f"ws://127.0.0.1:{port}/"
    with websockets.sync.client.connect(url, proxy=None, max_size=None) as socket:
        for message in messages:
            socket.send(message)
        return [socket.recv(timeout=PATIENCE) for _ in messages]


async def test_the_echoes_give_back_what_they_were_given() -> None:
    large = "x" * 300_000
    text: Messages = ["a", large, ""]
    async with trio.open_nursery() as nursery:
        ports: Ports = await nursery.start(serve_echoes)
        assert await trio.to_thread.run_sync(talk, ports.text, text) == text
        both: Messages = ["a", b"b", large.encode(), large, b""]
        assert await trio.to_thread.run_sync(talk, ports.bytes, both) == both
        nursery.cancel_scope.cancel()
