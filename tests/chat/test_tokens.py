"""Who gets in with which token, and where the secret that signs them is kept."""

import math
import os
import string
import threading
import time
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from itsdangerous import URLSafeSerializer

from examples.chat.tokens import ENVIRON_NAME, TOKEN_MAX_AGE, BadToken, SecretError, Tokens, load_secret

KEY = "a long random text"
TOKEN = Tokens(KEY).issue("alice")


def problem_with(token: str, tokens: Tokens) -> str:
    with pytest.raises(BadToken) as caught:
        tokens.verify(token)
    # Nothing of the token reaches a log, by way of the causes neither.
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    return str(caught.value)


@settings(deadline=None)
@given(st.text())
def test_a_token_is_good_for_exactly_the_user_it_was_issued_for(user: str) -> None:
    assert Tokens(KEY).verify(Tokens(KEY).issue(user)).user == user


@given(st.floats(0, 2e9), st.integers(1, 10**6))
def test_a_token_expires_at_its_age_and_not_before(now: float, age: int) -> None:
    token = Tokens(KEY, age, lambda: now).issue("alice")
    ends_at = now + age
    just_before = Tokens(KEY, clock=lambda: math.nextafter(ends_at, 0))
    assert just_before.verify(token).ends_at == ends_at
    assert problem_with(token, Tokens(KEY, clock=lambda: ends_at)) == "the token is expired; log in again"


def test_a_token_is_as_old_as_the_hour_says_that_it_was_issued_at() -> None:
    before = time.time()
    login = Tokens(KEY).verify(Tokens(KEY).issue("alice"))
    assert before <= login.ends_at - TOKEN_MAX_AGE <= time.time()


def test_two_tokens_of_one_user_are_two_also_within_one_instant() -> None:
    tokens = Tokens(KEY, clock=lambda: 1e9)
    logins = [tokens.verify(tokens.issue("alice")) for _ in range(100)]
    assert len({login.id for login in logins}) == 100


def test_another_spelling_of_a_token_is_the_same_login() -> None:
    token = Tokens(KEY).issue("alice")
    login = Tokens(KEY).verify(token)
    # The last character of base64 has spare bits.
    spellings = [token[:-1] + last for last in string.ascii_letters + string.digits + "-_"]
    good = [spelling for spelling in spellings if is_good(spelling)]
    assert len(good) == 4
    assert {Tokens(KEY).verify(spelling) for spelling in good} == {login}


def is_good(token: str) -> bool:
    try:
        Tokens(KEY).verify(token)
    except BadToken:
        return False
    return True


def test_a_login_does_not_show_its_token() -> None:
    token = Tokens(KEY).issue("alice")
    login = Tokens(KEY).verify(token)
    assert login.id not in token
    assert repr(login) == f"Login(user='alice', id={login.id!r}, ends_at={login.ends_at!r})"


def test_a_token_of_another_secret_or_purpose_or_kind_is_invalid() -> None:
    salt, ends_at = "trouper.chat.login", time.time() + 60
    good = ["alice", "id", ends_at]
    assert Tokens(KEY).verify(str(URLSafeSerializer(KEY, salt=salt).dumps(good))).user == "alice"
    others = [
        Tokens(f"{KEY}!").issue("alice"),
        str(URLSafeSerializer(KEY).dumps(good)),
        *(
            str(URLSafeSerializer(KEY, salt=salt).dumps(said))
            for said in (
                "alice",
                {"user": "alice"},
                [],
                [1, "id", ends_at],
                ["alice", "id", None],
                [*good, 1],
            )
        ),
    ]
    for token in others:
        assert problem_with(token, Tokens(KEY)) == "the token is invalid; log in again"


def test_a_token_with_anything_that_decoding_skips_is_invalid() -> None:
    for junk in "/+ =!\n.é\x00":
        for place in (0, 3, TOKEN.index(".") + 1, len(TOKEN) - 1, len(TOKEN)):
            with_junk = TOKEN[:place] + junk + TOKEN[place:]
            assert problem_with(with_junk, Tokens(KEY)) == "the token is invalid; log in again"


@settings(deadline=None)
@given(st.data())
def test_a_token_with_any_character_changed_is_invalid(data: st.DataObject) -> None:
    # Several last characters say the same.
    place = data.draw(st.integers(0, len(TOKEN) - 2))
    other = data.draw(st.characters().filter(lambda character: character != TOKEN[place]))
    assert problem_with(TOKEN[:place] + other + TOKEN[place + 1 :], Tokens(KEY)).startswith(
        "the token is invalid"
    )


@settings(deadline=None)
@given(st.text(st.characters()))
@example("\ud800")
@example("")
def test_any_text_is_refused_without_being_repeated(text: str) -> None:
    assert problem_with(text, Tokens(KEY)) == "the token is invalid; log in again"


def test_tokens_do_not_show_their_secret() -> None:
    assert KEY not in repr(Tokens(KEY))


def test_the_secret_of_the_environment_comes_first_and_makes_no_file(tmp_path: Path) -> None:
    assert load_secret(tmp_path / "chat.db", {ENVIRON_NAME: KEY}) == KEY
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("empty", ["", " \n"])
def test_an_empty_secret_in_the_environment_is_refused(tmp_path: Path, empty: str) -> None:
    with pytest.raises(SecretError, match=f"{ENVIRON_NAME} is empty; set it"):
        load_secret(tmp_path / "chat.db", {ENVIRON_NAME: empty})


def test_the_first_start_makes_a_secret_for_its_owner_only_and_the_next_ones_use_it(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        secret = load_secret(tmp_path / "chat.db", {})
    finally:
        os.umask(before)
    (file,) = tmp_path.iterdir()
    assert file.name == "chat.db.secret"
    assert file.stat().st_mode & 0o777 == 0o600
    assert len(secret) >= 32
    assert load_secret(tmp_path / "chat.db", {}) == secret
    assert load_secret(tmp_path / "other.db", {}) != secret


def test_a_start_that_comes_second_takes_the_secret_of_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = os.link

    def beaten(source: Path, target: Path) -> None:
        target.touch(mode=0o600)
        target.write_text("of the first")
        link(source, target)

    monkeypatch.setattr(os, "link", beaten)
    assert load_secret(tmp_path / "chat.db", {}) == "of the first"
    assert [file.name for file in tmp_path.iterdir()] == ["chat.db.secret"]


def test_many_first_starts_at_once_use_one_secret(tmp_path: Path) -> None:
    together = threading.Barrier(8)
    secrets: list[str] = []

    def start() -> None:
        together.wait()
        secrets.append(load_secret(tmp_path / "chat.db", {}))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(secrets) == 8
    assert len(set(secrets)) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["chat.db.secret"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644, 0o777])
def test_a_secret_that_others_can_use_is_refused(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "chat.db.secret"
    file.write_text(KEY)
    file.chmod(mode)
    with pytest.raises(SecretError, match=rf"can be used by others \(mode {mode:04o}\); make it 0600"):
        load_secret(tmp_path / "chat.db", {})
    file.chmod(0o600)
    assert load_secret(tmp_path / "chat.db", {}) == KEY


@pytest.mark.parametrize("empty", ["", "\n"])
def test_an_empty_file_of_a_secret_is_refused(tmp_path: Path, empty: str) -> None:
    file = tmp_path / "chat.db.secret"
    file.touch(mode=0o600)
    file.write_text(empty)
    with pytest.raises(SecretError, match=r"chat\.db\.secret is empty"):
        load_secret(tmp_path / "chat.db", {})
