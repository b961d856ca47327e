"""In Chromium: the nodes, the engine, and where a user lives; and nothing of it where there is no cluster."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from supervisor import SpawnRefused
from supervisor.cluster import OnLeaseLost

from .site import Site, open_site
from .test_looks import AXE, NO_AXE, axe, violations
from .window import DESKTOP, PHONE, Windows, is_live

__all__ = ["AXE", "NO_AXE", "axe"]

VIEWS = ["#/cluster", "#/user/ann", "#/user/bob", "#/refusals", "#/"]

HOSTILE = '<img src=x onerror="window.hit=1">'


@pytest.fixture
def cluster() -> Generator[Site]:
    """Three nodes; ann holds all her slots, on each of them; bob lives elsewhere."""
    with open_site(limit=4, nodes=3) as site:
        populate(site)
        yield site


def populate(site: Site) -> None:
    site.spawn_on(0, "ann", "laptop", "phone")
    site.spawn_on(1, "ann", "tablet")
    site.spawn_on(2, "ann", "watch")
    site.spawn_on(1, "bob", HOSTILE)
    with pytest.raises(SpawnRefused):
        site.obtain("ann", "one more")


def test_without_a_cluster_there_is_nothing_of_it(site: Site, windows: Windows) -> None:
    site.spawn("ann", "laptop")
    page = windows.look(site, "#/user/ann")
    expect(page.locator(".manager")).to_have_count(1)
    for hidden in ("#nav-cluster", "#lease-fact", "#where-section", "#warnings"):
        expect(page.locator(hidden)).to_be_hidden()
    expect(page.locator("#managers-title")).to_have_text("Managers")
    expect(page.locator("#user-summary")).to_contain_text("One more would be let in.")
    page.goto(site.url + "#/cluster")
    expect(page.locator("#cluster-problem")).to_have_text(
        "this process is no node of a cluster: all that it knows lives here"
    )


def test_the_nodes_are_shown_with_their_leases_and_figures(cluster: Site, windows: Windows) -> None:
    page = windows.look(cluster)
    page.locator("#nav-cluster").click()
    expect(page.locator("#cluster-summary")).to_have_text(
        "The engine answers. chat-1 sees 3 nodes, itself included."
    )
    rows = page.locator("#nodes-rows tr")
    expect(rows.locator("th")).to_have_text(["chat-1 this one", "chat-2", "chat-3"])
    expect(rows.locator(".managers")).to_have_text(["2", "2", "1"])
    expect(rows.locator(".users")).to_have_text(["1", "2", "1"])
    expect(rows.locator(".address")).to_have_text([f"10.0.0.{n}:8000" for n in (1, 2, 3)])
    expect(rows.locator(".lease").first).to_contain_text(" of 2.0 s")
    facts = page.locator("#engine-facts > div")
    expect(facts.filter(has_text="Engine").locator("dd")).to_have_text("up")
    expect(facts.filter(has_text="Slots counted").locator("dd")).to_have_text("2")
    asked = page.locator("#put-right-facts > div").filter(has_text="Owners asked")
    expect(asked.locator("dd")).to_have_text("2")
    expect(page.locator("#server-lease")).to_contain_text("left")
    expect(page.locator("#nav-engine")).to_have_text("")


def test_a_user_is_shown_on_all_nodes(cluster: Site, windows: Windows) -> None:
    page = windows.look(cluster, "#/user/ann")
    expect(page.locator("#where-said")).to_have_text("4 managers on 3 nodes.")
    rows = page.locator("#where-rows tr")
    expect(rows.locator("th")).to_have_text(["chat-1 this one", "chat-1 this one", "chat-2", "chat-3"])
    expect(rows.locator(".key-cell .name")).to_have_text(["laptop", "phone", "tablet", "watch"])
    expect(rows.locator(".chip")).to_have_text(["✓healthy"] * 4)
    expect(page.locator("#user-summary")).to_have_text("On this node: 2 of 4 slots held · 2 healthy.")
    expect(page.locator("#managers-title")).to_have_text("Managers on this node")
    expect(page.locator(".manager")).to_have_count(2)


def test_a_user_who_lives_elsewhere_is_found_and_names_are_text(cluster: Site, windows: Windows) -> None:
    page = windows.look(cluster, "#/user/bob")
    expect(page.locator("#where-rows th")).to_have_text("chat-2")
    expect(page.locator("#where-rows .key-cell .name")).to_have_text(HOSTILE)
    expect(page.locator("#user-summary")).to_have_text("Nothing of this user is on this node now.")
    assert page.evaluate("window.hit") is None
    page.goto(cluster.url + "#/user/nobody")
    expect(page.locator("#where-said")).to_have_text("Nobody of this user lives on any node.")
    expect(page.locator("#where-table")).to_be_hidden()


def test_a_refusal_says_on_which_node_each_holder_lives(cluster: Site, windows: Windows) -> None:
    page = windows.look(cluster, "#/refusals")
    expect(page.locator(".refusal .reason")).to_have_text("at the limit, on all nodes")
    page.locator(".refusal summary").click()
    holders = page.locator(".holder")
    expect(holders).to_have_count(4)
    for key, where in (("tablet", "on chat-2"), ("watch", "on chat-3")):
        expect(holders.filter(has_text=key).locator(".on-node")).to_have_text(where)
    expect(holders.filter(has_text="laptop").locator(".on-node")).to_have_count(0)


def test_an_engine_that_is_away_is_seen_from_every_view_and_so_is_its_return(
    cluster: Site, windows: Windows
) -> None:
    page = windows.look(cluster)
    cluster.stop_engine()
    expect(page.locator("#nav-engine")).to_have_text("down")
    expect(page.locator("#nav-engine")).to_have_attribute("data-level", "act")
    expect(page.locator("#server-lease")).to_have_text("none")
    expect(page.locator("#ready .fit-word")).to_have_text("Not ready")
    expect(page.locator("#problems")).to_have_text(
        "no lease in the cluster (its engine is down): nobody is let in"
    )
    expect(page.locator("#live .fit-word")).to_have_text("Live")
    page.locator("#nav-cluster").click()
    expect(page.locator("#cluster-summary")).to_contain_text("chat-1 has no lease: nobody is let in here.")
    expect(page.locator("#nodes-none")).to_contain_text("Nobody can say which nodes are alive: the engine at")
    expect(page.locator("#cluster-lease")).to_contain_text("chat-1 has no lease: ")
    page.goto(cluster.url + "#/user/bob")
    expect(page.locator("#where-problem")).to_contain_text("Only this node could be asked: the engine at")
    cluster.start_engine()
    expect(page.locator("#nav-engine")).to_have_text("")
    expect(page.locator("#ready .fit-word")).to_have_text("Ready")
    expect(page.locator("#where-problem")).to_have_text("")


def test_a_node_that_keeps_on_without_a_lease_warns(windows: Windows) -> None:
    with open_site(limit=4, nodes=2, on_lease_lost=OnLeaseLost.KEEP) as site:
        site.spawn_on(0, "ann", "laptop")
        page = windows.look(site)
        site.stop_engine()
        expect(page.locator("#warnings")).to_have_text(
            "no lease in the cluster (its engine is down): limits may be exceeded"
        )
        expect(page.locator("#ready .fit-word")).to_have_text("Ready")
        site.start_engine()
        expect(page.locator("#warnings")).to_be_hidden()


def each_view(page: Page, site: Site) -> Generator[str]:
    for view in VIEWS:
        page.goto(site.url + view)
        is_live(page)
        expect(page.locator("#nav-cluster")).to_be_visible()
        if view.startswith("#/user"):
            expect(page.locator("#where-section")).to_be_visible()
        yield view


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_axe_finds_nothing(cluster: Site, windows: Windows, axe: str, size: ViewportSize) -> None:
    page = windows.look(cluster, size=size, bypass_csp=True)
    page.evaluate(axe)
    for view in each_view(page, cluster):
        assert violations(page) == [], view
    cluster.stop_engine()
    expect(page.locator("#server-lease")).to_have_text("none")
    for view in each_view(page, cluster):
        assert violations(page) == [], view


@pytest.mark.parametrize("width", [1280, 390, 320])
def test_nothing_is_wider_than_the_window(cluster: Site, windows: Windows, width: int) -> None:
    page = windows.look(cluster, size={"width": width, "height": 800})
    for view in each_view(page, cluster):
        assert page.evaluate("document.documentElement.scrollWidth") <= width, view


def test_on_a_phone_the_tab_that_is_looked_at_is_in_sight(cluster: Site, windows: Windows) -> None:
    page = windows.look(cluster, "#/cluster", size=PHONE)
    link = page.locator("#nav-cluster")
    expect(link).to_be_visible()
    expect(link).to_be_in_viewport(ratio=1)
