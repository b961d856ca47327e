"""Who may say they are whom: signed tokens, and the secret that signs them."""

import os
import secrets
import stat
from collections.abc import Mapping
from pathlib import Path

import attrs
from itsdangerous import BadData, SignatureExpired, URLSafeTimedSerializer

ENVIRON_NAME = "TROUPER_CHAT_SECRET"
# Seconds. A working day and its evening: one login a day, and a leaked token is
# worthless tomorrow (there is no list of revoked ones).
TOKEN_MAX_AGE = 12 * 60 * 60
# Bytes. As many as the HMAC can use.
_SECRET_BYTES = 32
# Keeps a signature made for another purpose with the same secret from passing here.
_SALT = "trouper.chat.token"


class BadToken(ValueError):
    """The token is expired or not ours; the sentence says which, never the token."""


class SecretError(Exception):
    """There is a secret, but one that must not be used."""

    def __init__(self, where: str, *, problem: str, remedy: str) -> None:
        super().__init__(f"the signing secret in {where} {problem}; {remedy}")
        self.where = where
        self.problem = problem
        self.remedy = remedy


@attrs.frozen
class Tokens:
    """Issue and verify tokens signed with one secret."""

    _secret: str = attrs.field(repr=False)

    def issue(self, user: str) -> str:
        """Sign a token that says: this is `user`, from now for TOKEN_MAX_AGE."""
        return self._serializer().dumps(user)

    def verify(self, token: str) -> str:
        """Give the user that the token was issued for.

        Raises:
          BadToken: it is expired, or was not signed with this secret.

        """
        # Raised outside the `except`: the causes quote the signature they refuse.
        problem = "invalid"
        try:
            user: object = self._serializer().loads(token, max_age=TOKEN_MAX_AGE)
        except SignatureExpired:
            user, problem = None, "expired"
        except (BadData, UnicodeError):
            user = None
        if isinstance(user, str):
            return user
        raise BadToken(f"the token is {problem}; log in again")

    def _serializer(self) -> URLSafeTimedSerializer:
        return URLSafeTimedSerializer(self._secret, salt=_SALT)


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
