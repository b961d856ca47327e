"""Samples are interleaved, each is a process, none is waited for without a bound; and the whole command."""

from __future__ import annotations

from pathlib import Path

import pytest

from .__main__ import main
from .figures import Figures
from .lines import BY_KEY, choose
from .peers import PEERS, Values
from .results import read
from .sampling import SampleFailed, batches, measure, sample

TELL, LOOKUP = BY_KEY["tell_one"], BY_KEY["lookup"]


def test_everybody_has_his_turn_before_anybody_has_the_next() -> None:
    asked: list[str] = []

    def sampler(peer: str, _: str, __: int) -> Values:
        asked.append(peer)
        return {"": 1.0}

    figures = Figures()
    measure([TELL], ["ours", "trio", "asyncio"], 20, figures, sampler=sampler)
    rounds = [asked[at : at + 3] for at in range(0, len(asked), 3)]
    assert [sorted(one) for one in rounds] == [["asyncio", "ours", "trio"]] * 20
    assert len({tuple(one) for one in rounds}) > 1  # they are shuffled
    assert figures.values["tell_one", "trio"] == [1.0] * 20


def test_who_fails_is_told_and_not_tried_again_and_the_others_go_on() -> None:
    asked: list[str] = []

    def sampler(peer: str, _: str, __: int) -> Values:
        asked.append(peer)
        if peer == "trio":
            raise SampleFailed("it hung")
        return {"": 0.0 if peer == "pykka" else 1.0}

    figures = Figures()
    measure([TELL], ["ours", "trio", "pykka"], 3, figures, sampler=sampler)
    assert sorted(asked) == ["ours"] * 3 + ["pykka", "trio"]
    assert figures.failures == {
        ("tell_one", "trio"): "it hung",
        ("tell_one", "pykka"): "0.0 is no measurement",
    }


def test_only_who_has_the_line_is_asked() -> None:
    def sampler(_: str, __: str, ___: int) -> Values:
        return {"": 1.0}

    figures = Figures()
    measure([LOOKUP], ["ours", "asyncio"], 1, figures, sampler=sampler)
    assert list(figures.values) == [("lookup", "ours")]


def test_lines_that_are_parts_of_the_same_have_their_samples_in_common() -> None:
    asked: list[str] = []

    def sampler(_: str, function: str, __: int) -> Values:
        asked.append(function)
        return {"p50": 1.0, "p99": 3.0, "max": 4.0}

    figures = Figures()
    [batch] = batches(choose(["admission_free_p", "admission_free_max"]))
    measure(batch, ["ours"], 2, figures, sampler=sampler)
    assert asked == ["admission_free"] * 2
    assert figures.values["admission_free_p99", "ours"] == [3.0] * 2
    assert figures.values["admission_free_max", "ours"] == [4.0] * 2


def test_a_part_that_is_missing_is_a_failure_of_all() -> None:
    def sampler(_: str, __: str, ___: int) -> Values:
        return {"p50": 1.0, "p99": 3.0}

    figures = Figures()
    measure(batches(choose(["admission_free_"]))[0], ["ours"], 1, figures, sampler=sampler)
    assert not figures.values
    assert set(figures.failures.values()) == {"None is no measurement of max"}


def test_one_function_with_two_sizes_is_measured_twice() -> None:
    sizes = [{line.n for line in batch} for batch in batches(choose(["growth_spawn", "growth_stop"]))]
    assert sizes == [{1_000}, {10_000}, {100_000}]


def test_a_sample_is_a_process_that_says_its_numbers() -> None:
    assert 0 < sample("asyncio", "ask_sequential", 100)[""] < 1


def test_a_sample_that_raises_says_what() -> None:
    with pytest.raises(SampleFailed, match=r"(?s)exit code 1: .*asyncio \+ Queue has no function 'lookup'"):
        sample("asyncio", "lookup", 1)


def test_a_sample_that_takes_too_long_is_ended() -> None:
    with pytest.raises(SampleFailed, match=r"not done after 0\.5 s"):
        sample("asyncio", "tell_one", 10**9, patience=0.5)


def test_the_command_measures_judges_writes_reads_and_compares(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, chart = tmp_path / "old.json", tmp_path / "chart.png"
    options = ["--quick", "--repetitions", "1", "--only", "look-up of", "--peers", "ours,trio"]
    code = main([*options, "--json", str(old), "--chart", str(chart), "--markdown"])
    out = capsys.readouterr().out
    assert "| look-up of a live key | at least 2M /s" in out
    assert code == int("NOT HELD" in out)
    assert set(read(old)[0].values) == {("lookup", "ours"), ("lookup", "trio")}
    assert chart.exists()
    assert main(["--from", str(old), "--markdown"]) == code
    assert "| look-up of a live key | at least 2M /s" in capsys.readouterr().out
    assert main(["--compare", str(old), str(old)]) == 0
    assert "no difference" in capsys.readouterr().out


def test_a_peer_that_is_missing_is_named_with_the_way_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def nothing(_: str) -> None:
        return None

    monkeypatch.setattr("importlib.util.find_spec", nothing)
    main(["--peers", "pykka", "--only", "look-up of"])
    assert "pykka is missing: pip install pykka" in capsys.readouterr().err
    monkeypatch.setattr("shutil.which", nothing)
    assert not PEERS["erlang"].is_installed


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--only", "dance"], "no line has dance in its name"),
        (["--peers", "ours,akka"], "akka: none of ours, trio,"),
        (["--compare", "a", "b", "c"], "one file, or two"),
        (["--compare", "a"], "say --json"),
        (["--repetitions", "0"], "at least one"),
    ],
)
def test_options_that_make_no_sense_say_why(
    options: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(options)
    assert end.value.code == 2
    assert said in capsys.readouterr().err
