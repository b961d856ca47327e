"""What a page and a message mean to a follower: the next entry, an old one, a hole, another log."""

from __future__ import annotations

import pytest

from supervisor.cluster._chain import REMEMBERED, Chain, Rewritten, Truncated
from supervisor.cluster._engine import Entry, Page


def entries(*positions: int, before: int = 0) -> tuple[Entry, ...]:
    befores = (before, *positions)
    return tuple(Entry(at, prev, f"at {at}") for at, prev in zip(positions, befores, strict=False))


def page(*positions: int, before: int = 0, first: int = 1, last: int | None = None) -> Page:
    last = (positions[-1] if positions else before) if last is None else last
    return Page(entries(*positions, before=before), first, last)


def following(*positions: int) -> Chain:
    """Who has been given these, and is in step."""
    chain = Chain(0)
    assert chain.read(page(*positions)) == entries(*positions)
    assert chain.in_step
    return chain


def test_who_begins_at_the_end_of_an_empty_log_is_in_step() -> None:
    chain = Chain(0)
    assert chain.read(page(first=0)) == ()
    assert chain.in_step


def test_a_page_that_does_not_reach_the_end_leaves_it_out_of_step() -> None:
    chain = Chain(0)
    assert chain.read(page(1, 2, last=5)) == entries(1, 2)
    assert not chain.in_step
    assert chain.read(page(4, 5, before=2)) == entries(4, 5, before=2)
    assert chain.in_step


def test_the_next_entry_is_given_as_it_is_heard() -> None:
    chain = following(1, 2)
    (entry,) = entries(7, before=2)
    assert chain.heard(entry) == entry
    assert (chain.position, chain.in_step) == (7, True)


def test_an_entry_that_was_given_already_is_passed_over() -> None:
    chain = following(1, 2, 7)
    assert [chain.heard(entry) for entry in entries(1, 2, 7)] == [None] * 3
    assert chain.in_step


@pytest.mark.parametrize("heard", [Entry(9, 8, "after a hole"), Entry(3, 0, "of another log")])
def test_any_other_entry_is_a_reason_to_look_into_the_log(heard: Entry) -> None:
    chain = following(1, 2, 7)
    assert chain.heard(heard) is None
    assert not chain.in_step


def test_out_of_step_nothing_is_given_that_is_heard() -> None:
    chain = Chain(2)
    assert chain.heard(*entries(7, before=2)) is None


def test_what_is_not_kept_any_more_is_told() -> None:
    chain = following(1, 2)
    assert chain.read(page(9, before=8, first=9)) == (Truncated(2, 9), *entries(9, before=8))
    assert chain.in_step


def test_of_a_log_that_is_kept_no_more_at_all_only_the_end_is_told() -> None:
    chain = following(1, 2)
    assert chain.read(Page((), 0, 9)) == (Truncated(2, 9),)
    assert (chain.position, chain.in_step) == (9, True)


def test_a_log_that_begins_again_is_told_from_its_beginning() -> None:
    chain = following(1, 2)
    assert chain.read(page(5, 6)) == ()
    assert (chain.position, chain.in_step) == (0, False)
    assert chain.read(page(5, 6)) == (Rewritten(0), *entries(5, 6))


def test_a_log_that_is_gone_is_told_at_once() -> None:
    chain = following(1, 2)
    assert chain.read(page(first=0)) == ()
    assert chain.read(page(first=0)) == (Rewritten(0),)
    assert chain.in_step


def test_of_a_log_that_lost_its_end_only_the_end_is_told_anew() -> None:
    chain = following(1, 2, 7, 8)
    assert chain.read(page(9, before=2)) == ()
    assert chain.position == 2
    assert chain.read(page(9, before=2)) == (Rewritten(2), *entries(9, before=2))
    assert chain.heard(*entries(11, before=9)) == Entry(11, 9, "at 11")


def test_it_goes_back_as_often_as_it_has_to() -> None:
    """The entry before the one that it finds may itself be new: 2 is common, 5 is not."""
    chain = following(1, 2, 4, 8)
    assert chain.read(page(9, before=5)) == ()
    assert chain.position == 4
    assert chain.read(page(5, 9, before=2)) == ()
    assert chain.read(page(5, 9, before=2)) == (Rewritten(2), *entries(5, 9, before=2))


def test_who_asked_for_a_place_beyond_the_end_begins_anew() -> None:
    chain = Chain(100)
    assert chain.read(page(last=2)) == ()
    assert chain.read(page(1, 2)) == (Rewritten(0), *entries(1, 2))


def test_no_more_is_remembered_than_is_said() -> None:
    chain = following(*range(1, REMEMBERED + 10))
    assert chain.heard(Entry(10, 9, "still known")) is None
    assert chain.in_step
    assert chain.heard(Entry(9, 8, "forgotten: better look")) is None
    assert not chain.in_step
