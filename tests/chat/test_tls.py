"""A certificate and its key: used if they fit, else refused in one sentence before anything starts."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from examples.chat.tls import TlsError, load_tls


def files_of(folder: Path, name: str = "one") -> tuple[Path, Path]:
    """A certificate with its chain, and its key."""
    certificate = trustme.CA().issue_cert("127.0.0.1")
    certfile, keyfile = folder / f"{name}.crt", folder / f"{name}.key"
    for blob in certificate.cert_chain_pems:
        blob.write_to_path(certfile, append=True)
    certificate.private_key_pem.write_to_path(keyfile)
    return certfile, keyfile


def problem_with(certfile: Path, keyfile: Path) -> str:
    with pytest.raises(TlsError) as caught:
        load_tls(certfile, keyfile)
    sentence = str(caught.value)
    assert "\n" not in sentence
    return sentence


def test_a_certificate_with_its_key_makes_a_context_for_servers(tmp_path: Path) -> None:
    certfile, keyfile = files_of(tmp_path)
    tls = load_tls(certfile, keyfile)
    assert (tls.certfile, tls.keyfile) == (certfile, keyfile)
    assert tls.context.protocol is ssl.PROTOCOL_TLS_SERVER
    assert tls.context.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert "PRIVATE" not in repr(tls)


def test_a_key_of_another_certificate_is_refused(tmp_path: Path) -> None:
    certfile, _ = files_of(tmp_path)
    _, other = files_of(tmp_path, "two")
    assert problem_with(certfile, other).endswith(": they do not belong together")


@pytest.mark.parametrize("which", ["certificate", "key"])
def test_a_file_that_is_missing_or_a_folder_is_named(tmp_path: Path, which: str) -> None:
    files = dict(zip(("certificate", "key"), files_of(tmp_path), strict=True))
    for path, problem in ((tmp_path / "no such", "No such file or directory"), (tmp_path, "Is a directory")):
        said = problem_with(*(files | {which: path}).values())
        assert said == f"cannot read the {which} {path}: {problem}"


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("content", ["", "this is no PEM", "-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_a_file_that_holds_something_else_is_refused(tmp_path: Path, which: int, content: str) -> None:
    files = files_of(tmp_path)
    files[which].write_text(content)
    assert problem_with(*files).endswith(": one of them is not in PEM, or holds something else")


def test_the_files_the_wrong_way_round_are_refused(tmp_path: Path) -> None:
    certfile, keyfile = files_of(tmp_path)
    assert "one of them is not in PEM" in problem_with(keyfile, certfile)


def test_a_key_with_a_passphrase_is_refused_and_nobody_is_asked_for_it(tmp_path: Path) -> None:
    certfile, keyfile = files_of(tmp_path)
    key = load_pem_private_key(keyfile.read_bytes(), password=None)
    encryption = BestAvailableEncryption(b"a passphrase")
    keyfile.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
    assert problem_with(certfile, keyfile).endswith(": the key has a passphrase: give one without")
