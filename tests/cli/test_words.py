"""Names, ages and places in words; and which supervisor is meant."""

from __future__ import annotations

import pytest

from supervisor.cli._where import where
from supervisor.cli._words import counted, duration, listed, place, printable

from .kit import HARMLESS, HOSTILE


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "-"),
        (0.0, "0 ms"),
        (0.00042, "0.42 ms"),
        (0.00999, "9 ms"),
        (0.25, "250 ms"),
        (0.9999, "999 ms"),
        (1.0, "1.0 s"),
        (9.96, "10.0 s"),
        (59.4, "59 s"),
        (59.7, "59 s"),
        (61.0, "1 min 1 s"),
        (3599.9, "59 min 59 s"),
        (3600.0, "1 h 0 min"),
        (86_399.0, "23 h 59 min"),
        (90_000.0, "1 d 1 h"),
    ],
)
def test_a_duration_is_said_in_the_units_that_matter(seconds: float | None, words: str) -> None:
    assert duration(seconds) == words


def test_one_is_not_called_many() -> None:
    assert [counted(number, "manager") for number in (0, 1, 2000)] == [
        "0 managers",
        "1 manager",
        "2,000 managers",
    ]


def test_a_long_list_is_cut_and_says_so() -> None:
    assert listed(["a", "b"], most=2) == "a, b"
    assert listed(["a", "b", "c"], most=2) == "a, b and 1 more"
    assert listed(["a", "b"], most=2, total=2000) == "a, b and 1,998 more"


def test_of_a_place_the_file_and_the_function_are_enough() -> None:
    assert place("/srv/chat/session.py:41 in Session.flush") == "session.py:41 in Session.flush"
    assert place("session.py:41") == "session.py:41"
    assert place("") == ""


def test_what_would_steer_a_terminal_is_spelled_out() -> None:
    assert printable(HOSTILE) == HARMLESS
    assert printable("Ünïcode, 漢字 and 🙂 stay") == "Ünïcode, 漢字 and 🙂 stay"


@pytest.mark.parametrize(
    ("environ", "said", "told"),
    [
        ({}, {}, "./trouper.sock"),
        ({"TROUPER_SOCKET": "/run/chat.sock"}, {}, "/run/chat.sock"),
        ({"TROUPER_SOCKET": "/run/chat.sock"}, {"socket": "here.sock"}, "./here.sock"),
        ({"TROUPER_SOCKET": "/run/chat.sock"}, {"url": "http://chat/console/"}, "http://chat/console"),
    ],
)
def test_what_is_typed_comes_before_the_environment(
    environ: dict[str, str], said: dict[str, str], told: str
) -> None:
    assert str(where(environ, **said)) == told


def test_a_token_is_never_shown() -> None:
    found = where({"TROUPER_TOKEN": "sesame"})
    assert found.token == "sesame"  # noqa: S105
    assert where({"TROUPER_TOKEN": "sesame"}, token="other").token == "other"  # noqa: S105, S106
    assert "sesame" not in repr(found)
