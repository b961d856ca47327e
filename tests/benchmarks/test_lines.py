"""Every peer that is here does what each of its lines says, with so little work that it takes no time."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from .line import EVERYBODY, OURS, Line, Unit
from .lines import BY_KEY, LINES, choose
from .own_lines import GROWTH, OWN, SIZES, growth_key
from .peers import PEERS
from .sampling import batches

HERE = [(batch, peer) for batch in batches(LINES) for peer in batch[0].peers if PEERS[peer].is_installed]

# Enough that every one of the actors among whom messages go round gets one in the first round, too.
FEW = 40

# Those of which one takes long; and those who are too few to be users of twenty.
OTHERWISE = {line.function: 4 for line in OWN if line.place is not None} | {"import_time": 1, "crowd": 200}


def name(batch: Sequence[Line], peer: str) -> str:
    return f"{batch[0].function}-{batch[0].n}-{peer}"


@pytest.mark.parametrize(("batch", "peer"), HERE, ids=[name(*one) for one in HERE])
def test_each_line_measures_something(batch: Sequence[Line], peer: str) -> None:
    function = batch[0].function
    values = PEERS[peer].measure(function, OTHERWISE.get(function, FEW))
    for line in batch:
        assert 0 <= values[line.part] < (1e6 if line.unit is Unit.BYTES else 5), line.key


def test_a_line_is_known_by_one_key() -> None:
    assert len(BY_KEY) == len(LINES)


@pytest.mark.parametrize("line", LINES, ids=list(BY_KEY))
def test_bars_and_variants_speak_of_lines_and_peers_that_exist(line: Line) -> None:
    assert OURS in line.peers
    assert set(line.peers) <= set(EVERYBODY)
    assert line.variant_of is None or BY_KEY[line.variant_of].variant_of is None
    for bar in line.bars:
        assert (bar.peer or OURS) in BY_KEY[bar.line or line.key].peers
        assert bar.line is None or BY_KEY[bar.line].unit is line.unit


@pytest.mark.parametrize("line", OWN, ids=[line.key for line in OWN])
def test_a_cell_of_our_own_tables_says_of_what_unit_it_is(line: Line) -> None:
    said = line.title if line.place is None else f"{line.place.table} {line.place.row} {line.place.column}"
    assert line.place is None or line.unit.value in said.replace(",", " ").replace(":", " ").split()


@pytest.mark.parametrize("quick", [False, True])
def test_no_two_lines_stand_in_the_same_place(quick: bool) -> None:
    places = [
        tuple(line.filled(words, quick=quick) for words in (place.table, place.row, place.column))
        for line in OWN
        if (place := line.place) is not None
    ]
    assert len(set(places)) == len(places)


def test_each_cost_is_held_against_what_the_fewest_cost() -> None:
    fewest, most = min(SIZES, key=SIZES.__getitem__), max(SIZES, key=SIZES.__getitem__)
    for line in OWN:
        if line.place is not None and line.place.table == GROWTH and line.key.endswith(f"_{most}"):
            start = growth_key(line.function, line.part, fewest)
            linear = [bar.line for bar in line.bars if bar.line is not None]
            assert linear == ([] if line.part in {"slice", ""} else [start])


def test_a_peer_without_a_function_is_told_by_name() -> None:
    with pytest.raises(LookupError, match="raw Trio has no function 'dance'"):
        PEERS["trio"].measure("dance", 1)
    with pytest.raises(LookupError, match="ours has no function 'admission_dance'"):
        PEERS["ours"].measure("admission_dance", 1)


def test_lines_are_chosen_by_a_word_of_their_key_or_title() -> None:
    assert [line.key for line in choose(["LOOK-UP of"])] == ["lookup"]
    assert {line.key for line in choose(["ask", "live key"])} == {
        "ask_sequential",
        "ask_callers",
        "lookup",
        "get_or_spawn_found",
    }
    assert choose([]) == list(LINES)


def test_whoever_would_take_minutes_does_less_also_in_a_quick_run() -> None:
    line = Line(key="x", title="{n}", unit=Unit.BYTES, n=10_000, quick=500, most={"pykka": 1_000})
    assert [line.size(peer, quick=False) for peer in ("trio", "pykka")] == [10_000, 1_000]
    assert [line.size(peer, quick=True) for peer in ("trio", "pykka")] == [500, 500]
    assert line.heading(quick=False) == "10,000"


def test_what_takes_long_has_fewer_samples_and_one_in_a_quick_run() -> None:
    usual = Line(key="x", title="x", unit=Unit.BYTES, n=1, quick=1)
    long = Line(key="x", title="x", unit=Unit.BYTES, n=1, quick=1, samples=3)
    assert [usual.repetitions(5, quick=False), usual.repetitions(2, quick=True)] == [5, 2]
    assert [long.repetitions(5, quick=False), long.repetitions(2, quick=False)] == [3, 2]
    assert long.repetitions(2, quick=True) == 1
