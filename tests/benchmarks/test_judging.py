"""What is said of made-up samples: medians, ratios, bars that are missed, commits that are slower."""

from __future__ import annotations

from pathlib import Path

import pytest

from . import growth_chart
from .bars import judge, judge_all
from .chart import NothingToCompare, draw, panels
from .compare import by_pyperf, by_ratio, verdict
from .figures import Figures, exit_code, short
from .line import OURS, TRIO, Bar, Line, Unit
from .lines import BY_KEY, LINES
from .machine import Facts
from .results import read, write
from .tables import as_markdown, bars_grid, cell, figures_grid, own_grids

TELL, STOP, MEMORY = BY_KEY["tell_one"], BY_KEY["stop_all"], BY_KEY["memory"]
NOWAIT = BY_KEY["tell_one_nowait"]


def made_up(**seconds: list[float]) -> Figures:
    """Of `tell_one`, by peer."""
    return Figures({(TELL.key, peer): values for peer, values in seconds.items()})


# Figures


def test_a_rate_has_its_median_and_its_extremes_the_right_way_round() -> None:
    figure = made_up(ours=[1e-6, 2e-6, 4e-6]).figure(TELL, OURS)
    assert figure is not None
    assert (figure.median, figure.low, figure.high) == (500_000, 250_000, 1_000_000)
    assert str(figure) == "500k (250k-1M)"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0.12345, "0.123"),
        (7, "7"),
        (999.4, "999"),
        (999.6, "1k"),
        (18_123, "18.1k"),
        (181_234, "181k"),
        (999_600, "1M"),
        (3_554_000, "3.55M"),
        (123_400_000, "123M"),
    ],
)
def test_numbers_are_said_in_three_digits(value: float, said: str) -> None:
    assert short(value) == said


def test_a_cell_says_how_many_times_better_ours_is() -> None:
    figures = made_up(ours=[1e-6], trio=[1e-5])
    assert cell(figures, TELL, TRIO) == "100k (100k-100k) x10"
    assert cell(figures, TELL, OURS) == "1M (1M-1M)"
    assert cell(figures, TELL, "pykka") == "-"


def test_where_less_is_better_ours_is_better_if_it_is_less() -> None:
    figures = Figures({(STOP.key, OURS): [0.002], (STOP.key, TRIO): [0.006]})
    assert cell(figures, STOP, TRIO) == "6 (6-6) x3"


def test_a_variant_stands_beside_the_figures_of_what_it_is_a_variant_of() -> None:
    figures = made_up(trio=[1e-5])
    figures.values[NOWAIT.key, OURS] = [2e-6]
    assert cell(figures, NOWAIT, TRIO) == "x5"


def test_the_table_has_who_took_part_and_says_who_failed() -> None:
    figures = made_up(ours=[1e-6], trio=[1e-5])
    figures.failures[TELL.key, "pykka"] = "no threads left"
    markdown = as_markdown(figures_grid(figures, [TELL, STOP])).splitlines()
    assert [name.strip() for name in markdown[0].split("|")[1:-1]] == ["", "ours", "raw Trio", "pykka"]
    assert markdown[2:] == ["| tell, one actor, /s | 1M (1M-1M) | 100k (100k-100k) x10 | failed |"]


def test_a_table_of_our_own_has_its_rows_and_columns_in_their_order() -> None:
    figures = Figures(
        {
            ("admission_free_p50", OURS): [1e-3],
            ("admission_free_p99", OURS): [2e-3],
            ("admission_stuck_1_p99", OURS): [3e-3],
            ("growth_spawn_1k", OURS): [4e-5],
            ("growth_spawn_10k", OURS): [5e-5],
        }
    )
    admission, growth = own_grids(figures, LINES)
    assert admission.head == ("", "p50", "p99")
    assert admission.rows == (
        ("a free slot", "1 (1-1)", "2 (2-2)"),
        ("1 of 20 stuck", "-", "3 (3-3)"),
    )
    assert growth.head == ("", "1,000", "10,000")
    assert growth.rows == (("spawn, us", "40 (40-40)", "50 (50-50)"),)
    assert figures_grid(figures, LINES).rows == ()


# Bars


def test_a_bar_that_is_missed_is_told_with_its_ratio() -> None:
    figures = made_up(ours=[1e-6, 1.25e-6], trio=[1e-5, 2e-5])
    judgement = judge(figures, TELL, Bar(15, TRIO))
    assert judgement.held is False
    assert (judgement.claim, judgement.measured) == ("at least 15x raw Trio", "13.3x (8-20)")
    assert bars_grid([judgement]).rows == (
        ("tell, one actor", "at least 15x raw Trio", "13.3x (8-20)", "NOT HELD"),
    )


def test_a_bar_is_held_by_who_just_reaches_it() -> None:
    figures = made_up(ours=[1e-6], trio=[16e-6])
    assert judge(figures, TELL, Bar(16, TRIO)).held is True
    assert judge(figures, TELL, Bar(16.1, TRIO)).held is False


def test_where_less_is_better_a_bar_is_a_bound_from_above() -> None:
    figures = Figures({(STOP.key, OURS): [0.008], (STOP.key, TRIO): [0.005]})
    assert judge(figures, STOP, Bar(1.5, TRIO)).held is False
    assert judge(figures, STOP, Bar(1.7, TRIO)).held is True
    assert judge(figures, STOP, Bar(1.5, TRIO)).claim == "at most 1.5x raw Trio"


def test_a_bar_may_be_a_figure_or_another_line_of_ours() -> None:
    figures = Figures({(MEMORY.key, OURS): [4001.0], (TELL.key, OURS): [1e-6], (NOWAIT.key, OURS): [9e-7]})
    assert judge(figures, MEMORY, Bar(4_000)).held is False
    assert judge(figures, MEMORY, Bar(4_000)).claim == "at most 4k bytes"
    assert judge(figures, TELL, Bar(0.95, line=NOWAIT.key)).held is False
    assert judge(figures, TELL, Bar(0.89, line=NOWAIT.key)).held is True


def test_a_bar_may_be_so_much_more_than_another_line_of_ours() -> None:
    figures = Figures({(STOP.key, OURS): [0.012], ("import_time", OURS): [0.008]})
    bar = Bar(1, line="import_time", more=5)
    judgement = judge(figures, STOP, bar)
    assert judgement.held is True
    assert judgement.claim == "at most 1x (import_time) and 5 ms"
    assert judgement.measured == "12 (12-12), and 8 (8-8)"
    figures.values["import_time", OURS] = [0.006]
    assert judge(figures, STOP, bar).held is False


def test_a_bar_is_not_held_where_ours_failed_and_not_judged_where_the_other_did() -> None:
    failed = Figures(failures={(TELL.key, OURS): "it hung"})
    assert [one.held for one in judge_all(failed, [TELL])] == [False, False]
    alone = made_up(ours=[1e-6])
    alone.failures[TELL.key, TRIO] = "it hung"
    assert [(one.held, one.measured) for one in judge_all(alone, [TELL])] == [
        (None, "raw Trio failed"),
        (None, "asyncio + Queue took no part"),
    ]


def test_the_exit_code_tells_a_missed_bar_from_a_run_that_says_nothing() -> None:
    assert exit_code({}, [True, None]) == 0
    assert exit_code({}, [True, False]) == 1
    assert exit_code({("lookup", "pykka"): "it hung"}, [True]) == 0
    assert exit_code({("lookup", "ours"): "it hung"}, [True]) == 1
    assert exit_code({("lookup", "asyncio"): "it hung"}, [False]) == 2


# Two runs


FACTS: Facts = {"python_version": "3.11", "load_avg_1min": 0.5}


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    figures = made_up(ours=[1e-6, 2e-6], trio=[1e-5])
    figures.values[MEMORY.key, OURS] = [2000.0]
    write(tmp_path / "a.json", figures, FACTS, quick=True)
    again, facts = read(tmp_path / "a.json")
    assert again == figures
    assert facts["python_version"] == "3.11"
    assert facts["size"] == "quick"


def test_the_slower_of_two_commits_is_named_slower(tmp_path: Path) -> None:
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    noise = [0.99, 1.0, 1.01, 1.0, 1.0]
    write(old, made_up(ours=[each * 1e-6 for each in noise], trio=[1e-5] * 5), FACTS, quick=False)
    write(new, made_up(ours=[each * 2e-6 for each in noise], trio=[1e-5] * 5), FACTS, quick=False)
    slower, _, _ = by_pyperf(old, new).partition("Same speed")
    assert "Slower (1):\n- tell_one, ours: " in slower
    assert "2.00x slower" in slower


def test_a_slower_machine_is_no_slower_commit() -> None:
    old = made_up(ours=[1e-6], trio=[1e-5])
    rows = by_ratio(old, made_up(ours=[2e-6], trio=[2e-5]), [TELL, STOP]).rows
    assert rows == (("tell, one actor", "x10", "x10", "no difference"),)
    rows = by_ratio(old, made_up(ours=[2e-6], trio=[1e-5]), [TELL]).rows
    assert rows == (("tell, one actor", "x10", "x5", "2.00x slower"),)


def test_a_variant_is_compared_with_the_plain_trio_of_what_it_is_a_variant_of() -> None:
    figures = made_up(trio=[1e-5])
    figures.values[NOWAIT.key, OURS] = [2e-6]
    assert by_ratio(figures, figures, [NOWAIT]).rows == (
        ("tell_nowait, one actor", "x5", "x5", "no difference"),
    )


def test_of_two_ratios_the_larger_is_faster_unless_it_is_noise() -> None:
    assert verdict(10, 15) == "1.50x faster"
    assert verdict(10, 11) == "no difference"
    assert verdict(11, 10) == "no difference"


# The chart


def test_the_chart_has_a_panel_where_there_is_something_to_compare(tmp_path: Path) -> None:
    figures = made_up(ours=[1e-6, 2e-6], trio=[1e-5, 1e-5])
    figures.values[NOWAIT.key, OURS] = [5e-7]
    figures.values[STOP.key, OURS] = [0.01]
    [panel] = panels(figures, [TELL, NOWAIT, STOP])
    assert [strip.name for strip in panel.strips] == ["ours", "ours: tell_nowait", "raw Trio"]
    draw(tmp_path / "chart.png", figures, [TELL, NOWAIT, STOP], "somewhere")
    assert (tmp_path / "chart.png").read_bytes().startswith(b"\x89PNG")


def test_nothing_to_compare_makes_no_chart(tmp_path: Path) -> None:
    with pytest.raises(NothingToCompare):
        draw(tmp_path / "chart.png", made_up(ours=[1e-6]), [TELL], "somewhere")


def test_growth_is_drawn_where_there_are_two_numbers_of_managers(tmp_path: Path) -> None:
    figures = Figures({("growth_spawn_1k", OURS): [4e-5], ("growth_stop_1k", OURS): [4e-5]})
    with pytest.raises(NothingToCompare):
        growth_chart.draw(tmp_path / "growth.png", figures, LINES, "somewhere")
    figures.values["growth_spawn_10k", OURS] = [6e-5, 5e-5]
    figures.values["growth_recipe_spawn_10k", OURS] = [3e-5]
    [panel] = growth_chart.panels(figures, LINES)
    assert panel.title == "spawn, us"
    points = {curve.name: [(n, round(figure.median)) for n, figure in curve.points] for curve in panel.curves}
    assert points == {"as it is": [(1_000, 40), (10_000, 55)], "recipe": [(10_000, 30)]}
    growth_chart.draw(tmp_path / "growth.png", figures, LINES, "somewhere")
    assert (tmp_path / "growth.png").read_bytes().startswith(b"\x89PNG")


def test_a_value_is_shown_in_the_unit_of_its_line() -> None:
    line = Line(key="x", title="x", unit=Unit.MILLISECONDS, n=1, quick=1)
    assert (line.unit.shown(0.0125), line.unit.more_is_better) == (12.5, False)
    assert Unit.MICROSECONDS.shown(0.0125) == 12_500
    assert Unit.PERCENT.shown(0.125) == 12.5
