"""Do our WebSockets keep to RFC 6455? The Autobahn testsuite is asked, an independent judge.

    python -m tests.long.autobahn [--python2 PATH] [--cases 1.* 7.1.*] [--report FOLDER]

Its fuzzing client goes through some 300 cases, against the two echoes of `autobahn_echo.py`.
The suite speaks only Python 2.7, so it lives in an environment of its own, made at the first run.
The exit status is 0 when all cases pass, 1 when one does not, and 2 when the suite cannot be run.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import attrs
import trio

from .autobahn_echo import Ports, serve_echoes

# The last virtualenv that makes environments for Python 2.7, and the only suite that we know.
VIRTUALENV = "virtualenv==20.15.1"
SUITE = "autobahntestsuite==25.10.1"


@attrs.frozen
class Group:
    """What one group of cases is about, and how many there are for each echo."""

    about: str
    bytes: int
    text: int


# Groups 12 and 13 are about compression, which we do not offer; there is no 8 or 11.
GROUPS = {
    1: Group("framing", bytes=16, text=8),
    2: Group("pings and pongs", bytes=11, text=11),
    3: Group("reserved bits", bytes=7, text=7),
    4: Group("opcodes", bytes=10, text=10),
    5: Group("fragmentation", bytes=20, text=20),
    6: Group("UTF-8", bytes=145, text=145),
    7: Group("closing", bytes=37, text=37),
    9: Group("sizes and times", bytes=54, text=27),
    10: Group("automatic fragmentation", bytes=1, text=1),
}

# The echoes by name, with the cases that are not for them: those that send messages of bytes.
ECHOES: dict[str, tuple[str, ...]] = {"text": ("1.2.*", "9.2.*", "9.4.*", "9.6.*", "9.8.*"), "bytes": ()}

# What the suite may say of a case, and of how its connection ended, that is no failure.
GOOD = ("OK", "NON-STRICT", "INFORMATIONAL")
GOOD_END = ("OK", "INFORMATIONAL")
COLUMNS = (*GOOD, "FAILED", "UNCLEAN", "NO CLOSE")

# Whatever the suite did, we say why we close, but where it closes without a reason itself.
NO_REASON = "7.3.1"

# Seconds. A run takes half a minute, and longer on a machine that does other things too.
PATIENCE = 600

NO_PYTHON2 = """\
The Autobahn testsuite needs a Python 2.7, and {problem}.
Get one, say with `pyenv install 2.7.18`, and name it: --python2 "$(pyenv prefix 2.7.18)/bin/python"."""


class SuiteError(Exception):
    """The suite cannot be run; says why, and what to do."""


@attrs.frozen
class Case:
    """What the suite says of one case."""

    echo: str
    id: str
    behavior: str
    end: str
    """How the connection ended, for the closing handshake is judged by itself."""
    code: int | None
    """In the Close frame that it got from us; the suite alone would let us just hang up."""

    @property
    def group(self) -> int:
        return int(self.id.partition(".")[0])

    @property
    def outcomes(self) -> list[str]:
        """The columns of the table that it counts in. Pure."""
        outcomes = [self.behavior if self.behavior in GOOD else "FAILED"]
        if self.end not in GOOD_END:
            outcomes.append("UNCLEAN")
        if self.code is None and self.id != NO_REASON:
            outcomes.append("NO CLOSE")
        return outcomes

    @property
    def passed(self) -> bool:
        return not set(self.outcomes) - set(GOOD)

    def __str__(self) -> str:
        code = "no code" if self.code is None else self.code
        return f"{self.echo} {self.id}: {self.behavior}, end {self.end}, closed with {code}"


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    with ExitStack() as until_reported:
        folder = options.report or Path(until_reported.enter_context(tempfile.TemporaryDirectory()))
        try:
            wstest = install(find_python2(options.python2), options.cache)
            cases = trio.run(run_suite, wstest, options.cases, folder.resolve())
        except SuiteError as error:
            sys.stderr.write(f"{error}\n")
            return 2
    for echo in ECHOES:
        _say(f"{table(cases, echo)}\n")
    wrong = failures(cases, whole=options.cases == whole_suite())
    for sentence in wrong:
        _say(sentence)
    _say("NOT WELL" if wrong else "well")
    return 1 if wrong else 0


def whole_suite() -> list[str]:
    """All cases that concern us, in the suite's words."""
    return [f"{group}.*" for group in GROUPS]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.long.autobahn", description=__doc__)
    parser.add_argument("--python2", metavar="PATH", help="default: `python2.7` on the PATH")
    parser.add_argument(
        "--cases", nargs="+", default=whole_suite(), help=f"default: {' '.join(whole_suite())}"
    )
    parser.add_argument("--report", type=Path, metavar="FOLDER", help="keep the suite's pages there")
    parser.add_argument("--cache", type=Path, default=_cache(), help="where the suite is installed")
    return parser


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "trouper" / "autobahn"


def find_python2(given: str | None) -> str:
    """A Python 2.7 that runs. Raises SuiteError."""
    python = shutil.which(given or "python2.7")
    if python is None:
        raise SuiteError(NO_PYTHON2.format(problem=f"there is no {given or '`python2.7` on the PATH'}"))
    says = subprocess.run([python, "--version"], check=False, capture_output=True, text=True)
    version = (says.stdout + says.stderr).strip().partition("\n")[0]  # it was on standard error then
    if says.returncode or not version.startswith("Python 2.7"):
        raise SuiteError(NO_PYTHON2.format(problem=f"{python} is none: {version}"))
    return python


def install(python2: str, cache: Path) -> Path:
    """Make the environment of the suite, unless it is there; gives its `wstest`. Raises SuiteError."""
    wstest, whole = cache / "suite" / "bin" / "wstest", cache / SUITE
    if whole.exists() and wstest.exists():
        return wstest
    _say(f"installing {SUITE} in {cache}, once; this takes a minute")
    shutil.rmtree(cache, ignore_errors=True)
    tool, environ = cache / "tool", dict(os.environ)
    _do([python2, "-m", "pip", "install", "-q", "--target", str(tool), VIRTUALENV], environ)
    _do([python2, "-m", "virtualenv", "-q", str(cache / "suite")], environ | {"PYTHONPATH": str(tool)})
    _do([str(cache / "suite" / "bin" / "pip"), "install", "-q", SUITE], environ)
    whole.touch()  # last: what was interrupted before is made again
    return wstest


def _do(command: list[str], environ: dict[str, str]) -> None:
    done = subprocess.run(command, check=False, env=environ, capture_output=True, text=True)
    if done.returncode:
        raise SuiteError(f"failed with status {done.returncode}: {' '.join(command)}\n{done.stderr}")


async def run_suite(wstest: Path, cases: list[str], folder: Path) -> list[Case]:
    """Serve the echoes while the suite runs; its pages are in `folder`. Raises SuiteError.

    Cancellation: the suite's process is ended.
    """
    specification, index = folder / "specification.json", folder / "index.json"
    folder.mkdir(parents=True, exist_ok=True)
    index.unlink(missing_ok=True)  # of another run
    command = [str(wstest), "-m", "fuzzingclient", "-s", str(specification)]
    async with trio.open_nursery() as nursery:
        ports: Ports = await nursery.start(serve_echoes)
        specification.write_text(json.dumps(_specification(ports, cases, folder)))
        said = await _run(command)
        nursery.cancel_scope.cancel()
    if not index.exists():
        raise SuiteError(f"the suite failed: {said[-2_000:]}")
    return read_cases(json.loads(index.read_text()))


async def _run(command: list[str]) -> str:
    """Run the suite; gives what it printed. Whether it went well is seen by what it has written."""
    with trio.move_on_after(PATIENCE):
        done = await trio.run_process(command, check=False, capture_stdout=True, capture_stderr=True)
        return (done.stdout + done.stderr).decode(errors="replace")
    return f"it did not end within {PATIENCE} s"


def _specification(ports: Ports, cases: list[str], folder: Path) -> dict[str, Any]:
    return {
        "outdir": str(folder),
        "servers": [
            {"agent": echo, "url": f"ws://127.0.0.1:{port}"}
            for echo, port in (("text", ports.text), ("bytes", ports.bytes))
        ],
        "cases": cases,
        "exclude-cases": [],
        "exclude-agent-cases": {echo: list(cases) for echo, cases in ECHOES.items()},
    }


def read_cases(index: dict[str, dict[str, dict[str, Any]]]) -> list[Case]:
    """The suite's index. Pure."""
    return [
        Case(echo, number, said["behavior"], said["behaviorClose"], said["remoteCloseCode"])
        for echo, of_echo in index.items()
        for number, said in of_echo.items()
    ]


def failures(cases: Sequence[Case], *, whole: bool) -> list[str]:
    """What is wrong, a sentence each. Pure. The `whole` suite has a known number of cases."""
    if not cases:
        return ["no case was run"]
    wrong = [str(case) for case in cases if not case.passed]
    counted = Counter((case.echo, case.group) for case in cases)
    expected = {(echo, number): getattr(GROUPS[number], echo) for echo in ECHOES for number in GROUPS}
    return wrong + [
        f"{echo}: {counted[echo, number]} cases in group {number}, not {count}"
        for (echo, number), count in expected.items()
        if whole and counted[echo, number] != count
    ]


def table(cases: Iterable[Case], echo: str) -> str:
    """How many cases of each group had which outcome, for one echo. Pure."""
    groups: dict[int, Counter[str]] = {}
    for case in cases:
        if case.echo == echo:
            groups.setdefault(case.group, Counter()).update(case.outcomes)
    rows = [(f"{number:>2} {_about(number)}", groups[number]) for number in sorted(groups)]
    rows.append(("   all", sum((row for _, row in rows), Counter[str]())))
    return "\n".join(
        [f"{echo:27}" + "".join(f"{name:>15}" for name in COLUMNS)]
        + [f"{name:27}" + "".join(f"{row[column]:>15}" for column in COLUMNS) for name, row in rows]
    )


def _about(number: int) -> str:
    return GROUPS[number].about if number in GROUPS else "not ours"


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
