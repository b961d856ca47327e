"""The commands that look: each asks one question, and shows the answer."""

from __future__ import annotations

import argparse

from rich.console import RenderableType

from ._client import Client, connected, surveyed
from ._contract import Json, Manager, Nodes, Standing, Survey, User, Users, Whereabouts
from ._failure import DONE, REFUSED, CommandFailed
from ._feed import alerts_view, refusals_view
from ._managers import explained_view, managers_view, stuck_view, users_view
from ._nodes import nodes_view, where_view
from ._screen import show
from ._stacks import dump_view

# How many users are asked for at once.
PAGE = 100

HANGS = frozenset({"unresponsive", "condemned"})


def ps(options: argparse.Namespace) -> int:
    """Users; the managers of one; or those of all who hang."""
    with connected(options.where) as client:
        if options.user is not None:
            standing = _here(client.get("user", name=options.user))
            show(_stuck_only(standing) if options.stuck else standing, managers_view, as_json=options.json)
        elif options.stuck:
            show(_survey(client), stuck_view, as_json=options.json)
        else:
            show(_users(client, options), users_view, as_json=options.json)
    return DONE


def explain(options: argparse.Namespace) -> int:
    """How one user stands: slots, verdicts, stuck lines, and what a cleanup would do."""
    with connected(options.where) as client:
        standing = _here(client.get("user", name=options.user))
    show(standing, explained_view, as_json=options.json)
    return DONE


def nodes(options: argparse.Namespace) -> int:
    """The nodes of the cluster, as the one that is asked knows them."""
    with connected(options.where) as client:
        facts: Nodes = client.get("nodes")
    show(facts, nodes_view, as_json=options.json)
    return DONE if facts["problem"] is None else REFUSED


def where(options: argparse.Namespace) -> int:
    """On which node each manager of a user lives, and the verdict on it."""
    with connected(options.where) as client:
        found: Whereabouts = client.get("where", name=options.user)
    if not found["managers"] and found["problem"] is None:
        raise CommandFailed(f"nothing of {options.user} is on any node", status=REFUSED)
    show(found, where_view, as_json=options.json)
    return DONE if found["problem"] is None else REFUSED


def refusals(options: argparse.Namespace) -> int:
    """Who was refused, with the whole proof."""
    with connected(options.where) as client:
        facts = client.get("refusals")
    facts["refusals"] = facts["refusals"][: options.last]
    show(facts, _refusals_view, as_json=options.json)
    return DONE


def alerts(options: argparse.Namespace) -> int:
    """What a person should look at."""
    with connected(options.where) as client:
        facts = {"alerts": client.get("overview")["alerts"]}
    show(facts, _alerts_view, as_json=options.json)
    return DONE


def _refusals_view(facts: Json) -> RenderableType:
    return refusals_view(facts["refusals"])


def _alerts_view(facts: Json) -> RenderableType:
    return alerts_view(facts["alerts"])


def dump(options: argparse.Namespace) -> int:
    """Where every task and every thread is."""
    with connected(options.where) as client:
        show(client.get("dump"), dump_view, as_json=options.json)
    return DONE


def _here(standing: Standing) -> Standing:
    if not standing["here"]:
        user = standing["user"]
        raise CommandFailed(
            f"nothing of {user} is on this node: where {user} asks all of them"
            if standing["clustered"]
            else f"nothing of {user} is here: ps shows who is",
            status=REFUSED,
        )
    return standing


def _stuck_only(standing: Standing) -> Standing:
    stuck: list[Manager] = [one for one in standing["managers"] if one["health"] in HANGS]
    return {**standing, "managers": stuck}


def _survey(client: Client) -> Survey:
    survey = surveyed(client)["survey"]
    if survey is None:
        raise CommandFailed("the supervisor is not done looking at everybody: ask again", status=REFUSED)
    return survey


def _users(client: Client, options: argparse.Namespace) -> Users:
    """As many as are wanted, page by page; whoever comes or goes meanwhile may be missing."""
    users: list[User] = []
    page: Users = {"users": [], "next": 0, "total": None, "clustered": False}
    while page["next"] is not None and len(users) < options.count:
        page = client.get(
            "users",
            search=options.search,
            at_limit=1 if options.at_limit else None,
            start=page["next"],
            count=min(PAGE, options.count - len(users)),
        )
        users += page["users"]
    return {**page, "users": users}
