"""Which tokens are good: logouts are never forgotten too early, and never kept for ever. Pure."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.chat.logins import Logins, Revoked
from examples.chat.tokens import BadToken, Login, Tokens

KEY = "a long random text"


@attrs.define
class Hour:
    """A clock that a test sets."""

    now: float = 1e9

    def __call__(self) -> float:
        return self.now


def logins_with(clock: Hour, *, limit: int = 10) -> Logins:
    return Logins(Tokens(KEY, 60.0, clock), Revoked(limit))


def problem_with(token: str, logins: Logins) -> str:
    with pytest.raises(BadToken) as caught:
        logins.verify(token)
    return str(caught.value)


def test_a_logout_revokes_that_one_token_in_each_of_its_spellings() -> None:
    logins = logins_with(Hour())
    token, other = logins.tokens.issue("alice"), logins.tokens.issue("alice")
    logins.log_out(logins.verify(token))
    # The last character of base64 has spare bits: the next letter may say the same.
    spellings = {token[:-1] + last for last in "AEIMQUYcgkosw048" + token[-1]}
    problems = {problem_with(spelling, logins) for spelling in spellings}
    assert "the token is revoked; log in again" in problems
    assert problem_with(token, logins) == "the token is revoked; log in again"
    assert logins.verify(other).user == "alice"


def test_a_logout_is_remembered_until_the_token_would_have_expired_and_no_longer() -> None:
    clock = Hour()
    logins = logins_with(clock)
    token = logins.tokens.issue("alice")
    logins.log_out(logins.verify(token))
    clock.now += 59.9
    assert problem_with(token, logins) == "the token is revoked; log in again"
    clock.now += 0.1
    assert problem_with(token, logins) == "the token is expired; log in again"
    logins.log_out(logins.verify(logins.tokens.issue("bob")))
    assert len(logins.revoked) == 1, "only bob's is remembered now"


LOGINS = st.lists(
    st.builds(Login, st.just("alice"), st.integers(0, 30).map(str), st.integers(1, 100).map(float)),
    unique_by=lambda login: login.id,
)


@given(LOGINS, st.integers(1, 5), st.floats(0, 1))
def test_nobodys_logout_is_forgotten_however_many_there_are_and_memory_is_bounded(
    logins: list[Login], limit: int, pace: float
) -> None:
    revoked, told = Revoked(limit), list[Login]()
    for number, login in enumerate(logins):
        now = number * pace
        if login.ends_at <= now:
            continue
        revoked.add(login, now=now)
        told.append(login)
        assert len(revoked) <= limit
        for other in told:
            assert other in revoked or other.ends_at <= now


def test_within_its_bound_only_who_logged_out_is_revoked() -> None:
    logins = [Login("alice", f"{number}", 100.0 - number) for number in range(20)]
    revoked = Revoked(10)
    for login in logins[::2]:
        revoked.add(login, now=0.0)
        revoked.add(login, now=0.0)
    assert [login in revoked for login in logins] == [True, False] * 10


def test_past_its_bound_those_that_expire_first_have_to_log_in_again() -> None:
    revoked = Revoked(2)
    for ends_at in (30.0, 10.0, 20.0):
        revoked.add(Login("eve", f"{ends_at}", ends_at), now=0.0)
    assert [Login("bob", f"of bob {at}", at) in revoked for at in (9.0, 10.0, 10.1, 30.0)] == [
        True,
        True,
        False,
        False,
    ]
