"""What a cleanup or a stop did, or would do: a line for each stage, then whoever matters by name. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text

from ._contract import Ended, Finding, Report, Stage, Stopped
from ._tables import BAD, FAINT, GOOD, HEAD, below, health, line, paragraphs, table, text
from ._words import counted, duration, identity

# So many are named of each list; --json has up to 200, and all the numbers.
NAMED = 20


def stage_line(stage: Stage, *, dry_run: bool = False) -> Text:
    """The progress line of one stage."""
    would = "would remove" if dry_run else "removed"
    failed = stage["failed_total"]
    return line(
        (f"{stage['stage']:<9}", HEAD),
        f" {would} {stage['reaped_total']:,}, kept {stage['kept_total']:,}, ",
        (f"failed {failed:,}", BAD if failed else ""),
        (f"   slots {stage['before']:,} > {stage['after']:,}", ""),
        ("" if dry_run else f"   {duration(stage['duration'])}", FAINT),
    )


def summed(reports: Sequence[Report]) -> Report:
    """Of cleanups one after the other, as if it had been one; who is kept is as the last one saw it."""
    *_, last = reports
    return {
        **last,
        "reaped": sum(report["reaped"] for report in reports),
        "stages": [stage for report in reports for stage in report["stages"]],
    }


def told_report(report: Report) -> RenderableType:
    """A dry run, whole: its stages, and who would go."""
    return below(
        line(("A cleanup, if it ran now:", HEAD)),
        *(stage_line(stage, dry_run=True) for stage in report["stages"]),
    )


def report_view(report: Report) -> RenderableType:
    """After the lines of the stages: whom it is about, by name."""
    dry = report["dry_run"]
    stages = report["stages"]
    return paragraphs(
        _findings("would go" if dry else "gone", [f for s in stages for f in s["reaped"]], report["reaped"]),
        _findings(
            "to be removed, and still here", [f for s in stages for f in s["failed"]], report["failed"]
        ),
        _conclusion(report),
    )


def _findings(title: str, findings: Sequence[Finding], total: int) -> RenderableType | None:
    if not findings:
        return None
    rows = table("manager", "verdict", "evidence")
    for one in findings[:NAMED]:
        who = identity(one["user"], one["key"], one["incarnation"])
        rows.add_row(text(who), health(one["health"]), text(one["evidence"]))
    more = total - len(findings[:NAMED])
    return below(
        line((title, HEAD)),
        rows,
        text(f"and {more:,} more (--json names up to 200)", FAINT) if more > 0 else None,
    )


def _conclusion(report: Report) -> Text:
    whose = "all users" if report["user"] is None else report["user"]
    would = "would be removed" if report["dry_run"] else "removed"
    numbers = f"{report['reaped']:,} {would}, {report['kept']:,} kept, {report['failed']:,} failed"
    nothing = ". Nothing was touched." if report["dry_run"] else ""
    return line((whose, HEAD), ": ", (numbers, BAD if report["failed"] else GOOD), nothing)


def stopped_view(stopped: Stopped) -> RenderableType:
    """Who was stopped, and how each ended."""
    still, condemned = stopped["stopped"] - len(stopped["ended"]), stopped["condemned"]
    return below(
        *(_ended(one) for one in stopped["ended"]),
        line(
            (f"{counted(stopped['stopped'], 'manager')} stopped", "" if still or condemned else GOOD),
            (f", {still} still at it" if still else "", BAD),
            (f", {condemned} condemned: see explain" if condemned else "", BAD),
        ),
        text(stopped["problem"], BAD) if stopped["problem"] else None,
    )


def _ended(one: Ended) -> Text:
    node = f" on {one['node']}" if one["node"] else ""
    # Of one whose node did not answer in time nothing is known but its key.
    name = f"{one['key']}#{one['incarnation']}" if one["incarnation"] else one["key"]
    return line((name, HEAD), f"{node}: {one['exit']}")
