"""Users and managers: who holds what, the verdict on each, and where the stuck ones hang. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ._contract import Manager, Standing, Survey, User, Users
from ._reports import told_report
from ._tables import BAD, FAINT, GOOD, HEAD, below, health, indented, line, paragraphs, table, text
from ._words import counted, duration, listed, place

# Keys that are named where many hang in one place; who wants all has the table above.
KEYS_NAMED = 5


def users_view(users: Users) -> RenderableType:
    """One line for each."""
    if not users["users"]:
        return text(
            "Nobody is on this node: nodes shows all of them." if users["clustered"] else "Nobody is here."
        )
    rows = table("user", ">held", ">limit", ">condemned", ">waiting")
    for user in users["users"]:
        full = user["held"] >= user["limit"]
        style = BAD if user["condemned"] else "yellow" if full else ""
        rows.add_row(text(user["user"], style), *_numbers(user))
    return below(rows, _rest(users))


def _numbers(user: User) -> Iterable[Text]:
    for number in (user["held"], user["limit"], user["condemned"], user["waiting"]):
        yield text(f"{number:,}")


def _rest(users: Users) -> Text | None:
    total = users["total"]
    if users["next"] is None:
        return None
    more = "more" if total is None else f"{total - len(users['users']):,} more"
    return text(f"and {more}: see them with --count, or by name with --search", FAINT)


def managers_view(standing: Standing) -> RenderableType:
    """One line for each of a user's managers, the condemned ones last."""
    managers = [*standing["managers"], *standing["condemned"]]
    return managers_table(managers) if managers else text("no managers", FAINT)


def managers_table(managers: Iterable[Manager]) -> Table:
    rows = table("key", "verdict", ">age", ">conn", "evidence")
    for one in managers:
        connections = "-" if one["connections"] is None else f"{one['connections']}"
        rows.add_row(
            text(f"{one['key']}#{one['incarnation']}"),
            health(one["health"]),
            text(duration(one["age"])),
            text(connections),
            text(one["evidence"]),
        )
    return rows


def stuck_view(survey: Survey) -> RenderableType:
    """Those of all users who hang, and the line in which they do."""
    managers = [*survey["stuck"], *survey["condemned"]]
    if not managers:
        return text("Nobody is stuck, nobody is condemned.", GOOD)
    rows = table("user", "key", "verdict", ">for", "hangs at")
    for one in managers:
        rows.add_row(*_stuck_cells(one))
    known = survey["health"]
    total = known.get("unresponsive", 0) + known.get("condemned", 0)
    more = total - len(managers)
    return below(rows, text(f"and {more:,} more", FAINT) if more > 0 else None)


def _stuck_cells(one: Manager) -> tuple[Text, ...]:
    """Who, since when, and where."""
    return (
        text(one["user"]),
        text(f"{one['key']}#{one['incarnation']}"),
        health(one["health"]),
        text(duration(one["phase_for"])),
        text(_hanging_at(one)),
    )


def stuck_groups(managers: Iterable[Manager]) -> list[tuple[Text, ...]]:
    """A row for all of one user that hang in one place: who, how many, how long, where."""
    alike: dict[tuple[str, str], list[Manager]] = {}
    for one in managers:
        alike.setdefault((one["user"], _hanging_at(one)), []).append(one)
    return [
        (
            text(user),
            text(
                f"{same[0]['key']}#{same[0]['incarnation']}" if len(same) == 1 else f"{len(same):,} managers"
            ),
            text(duration(max(one["phase_for"] or 0.0 for one in same))),
            text(where),
        )
        for (user, where), same in alike.items()
    ]


def _hanging_at(one: Manager) -> str:
    return place(one["where"]) or one["cause"] or one["evidence"]


def explained_view(standing: Standing) -> RenderableType:
    """The whole of one user: slots, verdicts, the stuck lines, and what a cleanup would do."""
    managers = [*standing["managers"], *standing["condemned"]]
    return paragraphs(
        below(_headline(standing), _prospect(standing)),
        managers_table(managers) if managers else None,
        *_places(managers),
        told_report(standing["dry_run"]) if standing["dry_run"]["reaped"] else None,
    )


def _headline(standing: Standing) -> Text:
    own = " (a limit of their own)" if standing["own_limit"] else ""
    beside = (
        (len(standing["condemned"]), "condemned"),
        (standing["waiting"], "waiting"),
        (standing["threads"], "in threads"),
    )
    return line(
        (standing["user"], HEAD),
        f": {standing['held']} of {standing['limit']} slots held{own}",
        *(f", {number} {what}" for number, what in beside if number),
    )


def _prospect(standing: Standing) -> Text:
    would_go = standing["dry_run"]["reaped"]
    if standing["clustered"]:
        return text("That is this node's part of it: `where` has all nodes, which decide together.", FAINT)
    if not standing["would_admit"]:
        return text(
            "One more would be refused: no evidence speaks against those who hold the slots.", "yellow"
        )
    if standing["held"] < standing["limit"]:
        return text("One more would be let in: there is room.", GOOD)
    return text(f"One more would be let in, after a cleanup that removes {would_go}.", GOOD)


def _places(managers: Sequence[Manager]) -> list[Group]:
    """Where those hang who do not rest: those of one stack told once."""
    alike: dict[tuple[str, ...], list[Manager]] = {}
    for one in managers:
        if one["where"] or one["stack"]:
            alike.setdefault((one["where"], one["cause"], *one["stack"]), []).append(one)
    return [_place(same) for same in alike.values()]


def _place(same: Sequence[Manager]) -> Group:
    first = same[0]
    keys = listed([one["key"] for one in same], most=KEYS_NAMED)
    bad = first["health"] in {"unresponsive", "condemned"}
    return below(
        line(f"{counted(len(same), 'manager')} at ", (first["where"], BAD if bad else "yellow")),
        indented(keys, 2),
        indented(f"cannot end: {first['cause']}", 2, BAD) if first["cause"] else None,
        *(indented(frame, 4, FAINT) for frame in first["stack"]),
    )
