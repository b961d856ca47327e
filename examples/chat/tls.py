"""The certificate of the page and of the WebSockets: read and checked once, before anything starts."""

from __future__ import annotations

import ssl
from pathlib import Path

import attrs


class TlsError(Exception):
    """The certificate or its key cannot be used; the sentence says which, and why."""


@attrs.frozen
class Tls:
    """A certificate and its key that fit together, as files in PEM."""

    certfile: Path
    keyfile: Path
    context: ssl.SSLContext = attrs.field(repr=False, eq=False)
    """For the WebSockets; Hypercorn makes its own from the files."""


def load_tls(certfile: Path, keyfile: Path) -> Tls:
    """Read both files. Blocks on the disk.

    Raises:
      TlsError: one is missing, unreadable or no PEM, the key has a passphrase, or they do not match.

    """
    for path, what in ((certfile, "certificate"), (keyfile, "key")):
        try:
            path.read_bytes()
        except OSError as error:
            raise TlsError(f"cannot read the {what} {path}: {error.strerror}") from error
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    # Not every build of Python says so by itself; a stricter system policy stays.
    context.minimum_version = max(context.minimum_version, ssl.TLSVersion.TLSv1_2)
    asked: list[bool] = []

    def passphrase() -> str:
        # Without this OpenSSL would ask on the terminal, and a server would wait there unseen.
        asked.append(True)
        return ""

    try:
        context.load_cert_chain(certfile, keyfile, password=passphrase)
    except (ssl.SSLError, ValueError) as error:
        problem = "the key has a passphrase: give one without" if asked else _problem(error)
        raise TlsError(f"cannot use the certificate {certfile} with the key {keyfile}: {problem}") from error
    return Tls(certfile, keyfile, context)


def _problem(error: Exception) -> str:
    if getattr(error, "reason", None) == "KEY_VALUES_MISMATCH":
        return "they do not belong together"
    return "one of them is not in PEM, or holds something else"
