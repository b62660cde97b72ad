"""Stored passwords: how they are written, and what a check costs."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from blackbull.mqtt.auth import make_credential
from blackbull.mqtt.auth.passwords import (
    PBKDF2Hash,
    ScryptHash,
    Verifier,
    hash_password,
    parse_verifier,
    verify_password,
)
from tests.spec import spec

VECTOR = (
    "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
    "d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887"
)


@spec("RFC 7914 §12")
def test_scrypt_is_that_of_the_rfc() -> None:
    stored = ScryptHash(b"SodiumChloride", bytes.fromhex(VECTOR))
    assert stored.verify(b"pleaseletmein")
    assert not stored.verify(b"pleaseletmeout")


def test_hashed_password_is_good_for_itself_only() -> None:
    hashed = hash_password(b"s3cret")
    stored = parse_verifier(hashed.render())
    assert stored == hashed
    assert stored.verify(b"s3cret")
    assert not stored.verify(b"s3cret ")
    assert hash_password(b"s3cret").salt != hashed.salt
    assert hashed.render().startswith("$scrypt$ln=14,r=8,p=1$")
    assert "s3cret" not in hashed.render()


def test_scram_credential_is_good_for_a_password_as_well() -> None:
    stored = parse_verifier(make_credential("Straße", iterations=4096).render())
    assert stored.verify("Straße".encode())
    assert not stored.verify(b"Strasse")
    assert not stored.verify(b"\xff")


def test_file_that_mosquitto_wrote_is_read(tmp_path: Path) -> None:
    """mosquitto_passwd of Debian writes ``$7$``: PBKDF2 with SHA-512."""
    path = tmp_path / "passwords"
    subprocess.run(
        ["mosquitto_passwd", "-b", "-c", str(path), "alice", "w0nderland"],
        check=True, capture_output=True, timeout=30,
    )  # fmt: skip
    name, _, text = path.read_text().strip().partition(":")
    stored = parse_verifier(text)
    assert (name, type(stored)) == ("alice", PBKDF2Hash)
    assert stored.verify(b"w0nderland")
    assert not stored.verify(b"wonderland")


SALT = "c2FsdHNhbHQ"
HASH = "aGFzaGhhc2hoYXNoaGFzaA"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no hashed password"),
        ("s3cret", "no hashed password"),
        ("$scrypt$ln=14,r=8,p=1$" + SALT, "no hashed password"),
        (f"$scrypt$ln=14,r=8,p=1${SALT}${HASH}$", "no hashed password"),
        (f"$scrypt$ln=0,r=8,p=1${SALT}${HASH}", "such parameters cannot be"),
        (f"$scrypt$ln=14,r=0,p=1${SALT}${HASH}", "such parameters cannot be"),
        (f"$scrypt$ln=14,r=8,p=0${SALT}${HASH}", "such parameters cannot be"),
        (f"$scrypt$ln=20,r=8,p=1${SALT}${HASH}", "more than 256 MiB"),
        (f"$scrypt$ln=14,r=8,p=1$c2Fs${HASH}", "cut off"),
        (f"$scrypt$ln=14,r=8,p=1${SALT}$aGFz", "cut off"),
        (f"$scrypt$ln=14,r=8,p=1${SALT}$aGFzaGhhc", "no base64"),
        (f"$7$0${SALT}${HASH}", "0 iterations"),
        (f"$7$99999999${SALT}${HASH}", "99999999 iterations"),
        (f"$7$101$c2Fs${HASH}", "cut off"),
        (f"SCRAM-SHA-256$0:{SALT}=${HASH}==:{HASH}==", "0 iterations"),
        (f"SCRAM-SHA-256$4096:{SALT}=${HASH}==:{HASH}==", "cut off"),
        (f"SCRAM-SHA-256$4096:{SALT}${HASH}:{HASH}", "no base64"),
        ("$6$" + SALT + "$" + HASH, "no hashed password"),
    ],
)
def test_stored_password_that_is_none_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_verifier(text)


@pytest.mark.parametrize(
    "stored",
    [
        None,
        ScryptHash(b"saltsalt", bytes(32)),
        PBKDF2Hash(b"saltsalt", bytes(64), 101),
        make_credential("x", iterations=4096),
    ],
    ids=["unknown user", "scrypt", "pbkdf2", "scram"],
)
def test_check_costs_the_same_for_known_and_unknown_users(
    stored: Verifier | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    costs = []
    scrypt = hashlib.scrypt

    def count(password: bytes, *, salt: bytes, n: int, r: int, p: int, **rest: int) -> bytes:
        costs.append((n, r, p))
        return scrypt(password, salt=salt, n=n, r=r, p=p, **rest)

    monkeypatch.setattr(hashlib, "scrypt", count)
    assert not verify_password(stored, b"wrong")
    assert costs == [(1 << 14, 8, 1)]


def test_unknown_user_has_no_password_at_all() -> None:
    """Whatever stands in for an unknown user's password: nothing is right."""
    assert not verify_password(None, b"")
