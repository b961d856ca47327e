"""Who may say they are whom: signed tokens, and the secret that signs them."""

import os
import re
import secrets
import stat
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import attrs
import msgspec
from itsdangerous import BadData, URLSafeSerializer

ENVIRON_NAME = "TROUPER_CHAT_SECRET"
# Seconds. A working day and its evening: one login a day, and a leaked token is
# worthless tomorrow, even if nobody logs it out.
TOKEN_MAX_AGE = 12 * 60 * 60
# Bytes. As many as the HMAC can use.
_SECRET_BYTES = 32
# Bytes. Of the few tokens that are good at a time no two ever have the same id.
_ID_BYTES = 12
# Keeps a signature made for another purpose with the same secret from passing here.
_SALT = "trouper.chat.login"

# Decoding would skip whatever else stands in a token: many texts would be the same one.
_TOKEN = re.compile(r"\.?[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")


class BadToken(ValueError):
    """The token is not good now; the sentence says why, never the token."""


class SecretError(Exception):
    """There is a secret, but one that must not be used."""

    def __init__(self, where: str, *, problem: str, remedy: str) -> None:
        super().__init__(f"the signing secret in {where} {problem}; {remedy}")
        self.where = where
        self.problem = problem
        self.remedy = remedy


@attrs.frozen
class Login:
    """What a token says."""

    user: str
    id: str
    """Names this one token, and is none: two logins of a user are two, and no spelling of one differs."""
    ends_at: float
    """When it expires, in seconds since the epoch."""


@attrs.frozen
class Tokens:
    """Issue and verify tokens signed with one secret."""

    _secret: str = attrs.field(repr=False)
    age: float = TOKEN_MAX_AGE
    """How long a token lasts that is issued here, in seconds."""
    clock: Callable[[], float] = attrs.field(default=time.time, repr=False, eq=False)
    """The seconds since the epoch."""

    def issue(self, user: str) -> str:
        """Sign a token that says: this is `user`, from now for `age`."""
        said = (user, secrets.token_urlsafe(_ID_BYTES), self.clock() + self.age)
        return self._serializer().dumps(said)

    def verify(self, token: str) -> Login:
        """Give what the token says.

        Raises:
          BadToken: it is expired, or was not signed with this secret.

        """
        # Raised outside the `except`: the causes quote the signature they refuse.
        login, problem = None, "invalid"
        with suppress(BadData, UnicodeError, msgspec.ValidationError):
            if _TOKEN.fullmatch(token):
                said: object = self._serializer().loads(token)
                login = Login(*msgspec.convert(said, tuple[str, str, float]))
        if login is not None and login.ends_at <= self.clock():
            login, problem = None, "expired"
        if login is None:
            raise BadToken(f"the token is {problem}; log in again")
        return login

    def _serializer(self) -> URLSafeSerializer:
        return URLSafeSerializer(self._secret, salt=_SALT)


def load_secret(database: Path, environ: Mapping[str, str]) -> str:
    """Take the secret from the environment, else from the file beside the database.

    The file, `<database>.secret`, is made at the first start, whole or not at all;
    of two first starts at once one makes it and both use it. Blocks on the disk.

    Raises:
      SecretError: the secret is empty, or others can read its file.
      OSError: the file cannot be read or made.

    """
    if ENVIRON_NAME in environ:
        secret = environ[ENVIRON_NAME]
        if not secret.strip():
            remedy = "set it to a long random text, or unset it to have one made"
            raise SecretError(ENVIRON_NAME, problem="is empty", remedy=remedy)
        return secret
    path = database.with_name(f"{database.name}.secret")
    if not path.exists():
        _make_secret(path)
    return _read_secret(path)


def _make_secret(path: Path) -> None:
    """Write a new secret aside, then link it in place unless somebody was faster."""
    aside = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    # O_EXCL and the mode at birth: there is no instant at which others can read it.
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(_SECRET_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            # Atomic and exclusive as O_EXCL is, but with the content already in it.
            os.link(aside, path)
        except FileExistsError:
            return  # the other start's secret is the secret
    finally:
        aside.unlink()


def _read_secret(path: Path) -> str:
    remedy = "make it 0600, or delete it for a new one (which ends all logins)"
    with path.open("rb") as file:
        mode = os.fstat(file.fileno()).st_mode  # of what we read, not of a later file
        content = file.read()
    # Windows has no such bits; there the folder's rights have to do.
    if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
        problem = f"can be used by others (mode {stat.S_IMODE(mode):04o})"
        raise SecretError(str(path), problem=problem, remedy=remedy)
    # Any bytes will do as a secret; an editor's last newline is not part of it.
    secret = content.decode("utf-8", errors="backslashreplace").strip()
    if not secret:
        raise SecretError(str(path), problem="is empty", remedy=remedy)
    return secret
