"""The search for an order accepts what may be and rejects what may not: histories of a few calls each."""

from __future__ import annotations

import pytest

from .history import Call, Did, explained

MADE_A1 = Call(Did.CREATED, "a", 1, 1, 2)

GOOD: dict[str, tuple[int, list[Call]]] = {
    "who asks second finds the first's": (
        1,
        [Call(Did.CREATED, "a", 1, 1, 4), Call(Did.FOUND, "a", 1, 2, 3)],
    ),
    "full while another starts": (
        1,
        [
            Call(Did.CREATED, "a", 1, 1, 6),
            Call(Did.REFUSED, "b", None, 2, 3),
            Call(Did.MISSED, "a", None, 4, 5),
        ],
    ),
    "full while one starts that fails": (
        1,
        [Call(Did.FAILED, "a", None, 1, 4), Call(Did.REFUSED, "b", None, 2, 3)],
    ),
    "full while one is stopping": (
        1,
        [
            MADE_A1,
            Call(Did.STOPPED, "a", 1, 3, 4),
            Call(Did.REFUSED, "b", None, 5, 6),
        ],
    ),
    "one that was upset may live on or be gone": (
        1,
        [
            MADE_A1,
            Call(Did.UPSET, "a", 1, 3, 4),
            Call(Did.FOUND, "a", 1, 5, 6),
            Call(Did.CREATED, "a", 2, 7, 8),
        ],
    ),
    "full while what nobody waits for any more is removed": (
        1,
        [Call(Did.GAVE_UP, "a", None, 1, 2), Call(Did.REFUSED, "b", None, 3, 4)],
    ),
    "who gave up may have made it": (
        1,
        [Call(Did.GAVE_UP, "a", None, 1, 2), Call(Did.FOUND, "a", 1, 3, 4)],
    ),
    "ended by another before its maker knew of it": (
        1,
        [Call(Did.FAILED, "a", None, 1, 6), Call(Did.FOUND, "a", 1, 2, 3), Call(Did.STOPPED, "a", 1, 4, 5)],
    ),
}

BAD: dict[str, tuple[int, list[Call]]] = {
    "two under one key at once": (
        2,
        [Call(Did.CREATED, "a", 1, 1, 4), Call(Did.CREATED, "a", 2, 2, 3)],
    ),
    "one created by two": (
        2,
        [Call(Did.CREATED, "a", 1, 1, 4), Call(Did.CREATED, "a", 1, 2, 3)],
    ),
    "found and created by nobody": (
        2,
        [Call(Did.FOUND, "a", 1, 1, 2)],
    ),
    "found before anybody asked for it": (
        1,
        [Call(Did.FOUND, "a", 1, 1, 2), Call(Did.CREATED, "a", 1, 3, 4)],
    ),
    "more than the limit": (
        1,
        [Call(Did.CREATED, "a", 1, 1, 4), Call(Did.CREATED, "b", 2, 2, 3)],
    ),
    "a stopped one found": (
        2,
        [MADE_A1, Call(Did.STOPPED, "a", 1, 3, 4), Call(Did.FOUND, "a", 1, 5, 6)],
    ),
    "one found again after its end was seen": (
        1,
        [
            MADE_A1,
            Call(Did.UPSET, "a", 1, 3, 4),
            Call(Did.SAW_ENDING, "a", 1, 5, 6),
            Call(Did.FOUND, "a", 1, 7, 8),
        ],
    ),
    "made by one who gave up before": (
        1,
        [
            Call(Did.GAVE_UP, "a", None, 1, 2),
            Call(Did.CREATED, "a", 1, 3, 4),
            Call(Did.CREATED, "a", 1, 5, 6),
        ],
    ),
    "one that ended for no reason": (
        1,
        [MADE_A1, Call(Did.SAW_ENDING, "a", 1, 3, 4)],
    ),
    "a stopped one looked up": (
        1,
        [MADE_A1, Call(Did.STOPPED, "a", 1, 3, 4), Call(Did.LOOKED_UP, "a", 1, 5, 6)],
    ),
    "a live one looked up in vain": (
        1,
        [MADE_A1, Call(Did.MISSED, "a", None, 3, 4)],
    ),
    "refused with room": (
        2,
        [MADE_A1, Call(Did.REFUSED, "b", None, 3, 4)],
    ),
    "refused before the last slot was asked for": (
        1,
        [Call(Did.REFUSED, "b", None, 1, 2), Call(Did.CREATED, "a", 1, 3, 4)],
    ),
    "refused where its own manager lives": (
        1,
        [MADE_A1, Call(Did.REFUSED, "a", None, 3, 4)],
    ),
    "a stopped one seen alive": (
        1,
        [MADE_A1, Call(Did.STOPPED, "a", 1, 3, 4), Call(Did.SAW_ALIVE, "a", 1, 5, 6)],
    ),
    "one that rose again": (
        1,
        [
            Call(Did.CREATED, "a", 1, 1, 8),
            Call(Did.FOUND, "a", 1, 2, 3),
            Call(Did.STOPPED, "a", 1, 4, 5),
            Call(Did.FOUND, "a", 1, 6, 7),
        ],
    ),
    "refused for one whose slot went to yet another": (
        1,
        [
            Call(Did.CREATED, "a", 1, 1, 8),
            Call(Did.REFUSED, "b", None, 2, 3),
            Call(Did.CREATED, "b", 2, 4, 5),
            Call(Did.STOPPED, "b", 2, 6, 7),
        ],
    ),
    "started and failed where there never was a slot": (
        1,
        [MADE_A1, Call(Did.FAILED, "b", None, 3, 4), Call(Did.SAW_ALIVE, "a", 1, 5, 6)],
    ),
    "failed where the manager lives on": (
        1,
        [
            MADE_A1,
            Call(Did.FAILED, "a", None, 3, 4),
            Call(Did.SAW_ALIVE, "a", 1, 5, 6),
        ],
    ),
}


@pytest.mark.parametrize("name", GOOD)
def test_an_order_explains(name: str) -> None:
    limit, calls = GOOD[name]
    order = explained(calls, limit=limit)
    assert order is not None
    assert {str(call) for call in calls} <= set(order)


@pytest.mark.parametrize("name", BAD)
def test_no_order_explains(name: str) -> None:
    limit, calls = BAD[name]
    assert explained(calls, limit=limit) is None
