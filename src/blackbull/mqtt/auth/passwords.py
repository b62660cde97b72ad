"""Passwords as they are stored: what it takes to check one, never the password itself.

=================================================  ==========================================
``$scrypt$ln=14,r=8,p=1$SALT$HASH``                scrypt; what ``blackbull mqtt passwd`` writes
``SCRAM-SHA-256$ITERATIONS:SALT$STORED:SERVER``    also good for SCRAM (PostgreSQL's notation)
``$7$ITERATIONS$SALT$HASH``                        PBKDF2 with SHA-512; what Mosquitto writes
=================================================  ==========================================
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from typing import Final, Protocol

from .scram import ScramCredential, parse_credential

SALT_LENGTH: Final = 16
HASH_LENGTH: Final = 32
MAX_MEMORY: Final = 256 * 1024 * 1024
"""What checking one password may take, in bytes."""
MAX_ITERATIONS: Final = 10_000_000

_SCRYPT: Final = re.compile(
    r"\$scrypt\$ln=(\d{1,2}),r=(\d{1,3}),p=(\d{1,2})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)"
)
_PBKDF2: Final = re.compile(r"\$7\$(\d{1,8})\$([A-Za-z0-9+/]+=*)\$([A-Za-z0-9+/]+=*)")


class Verifier(Protocol):
    """A password as it is stored."""

    def verify(self, password: bytes) -> bool:
        """Return True if *password* is the one. Takes its time: not for the event loop."""


@dataclass(frozen=True, slots=True)
class ScryptHash:
    """A password hashed with scrypt.

    Attributes:
        cost: The logarithm of the cost, to base 2.
        block_size: scrypt's *r*.
        parallel: scrypt's *p*.
        salt: Random bytes.
        digest: What comes out.

    Spec:
        RFC 7914
    """

    salt: bytes
    digest: bytes
    cost: int = 14
    block_size: int = 8
    parallel: int = 1

    def verify(self, password: bytes) -> bool:
        """Return True if *password* is the one; tens of milliseconds, without the GIL."""
        return hmac.compare_digest(self.digest, self.derive(password))

    def derive(self, password: bytes) -> bytes:
        """Return what comes out for *password*."""
        return hashlib.scrypt(
            password,
            salt=self.salt,
            n=1 << self.cost,
            r=self.block_size,
            p=self.parallel,
            maxmem=MAX_MEMORY + (1 << 20),
            dklen=len(self.digest),
        )

    def render(self) -> str:
        """Return it as it is written to a file."""
        parameters = f"ln={self.cost},r={self.block_size},p={self.parallel}"
        return f"$scrypt${parameters}${_render(self.salt)}${_render(self.digest)}"


@dataclass(frozen=True, slots=True)
class PBKDF2Hash:
    """A password hashed with PBKDF2 and SHA-512.

    Attributes:
        iterations: How many times.
        salt: Random bytes.
        digest: What comes out.
    """

    salt: bytes
    digest: bytes
    iterations: int

    def verify(self, password: bytes) -> bool:
        """Return True if *password* is the one."""
        found = hashlib.pbkdf2_hmac(
            "sha512", password, self.salt, self.iterations, len(self.digest)
        )
        return hmac.compare_digest(self.digest, found)


NOBODY: Final = ScryptHash(salt=bytes(SALT_LENGTH), digest=bytes(HASH_LENGTH))
"""What the password of an unknown user is checked against."""


def hash_password(password: bytes) -> ScryptHash:
    """Return *password* as it is to be stored; takes tens of milliseconds."""
    blank = ScryptHash(salt=secrets.token_bytes(SALT_LENGTH), digest=bytes(HASH_LENGTH))
    return ScryptHash(salt=blank.salt, digest=blank.derive(password))


def verify_password(verifier: Verifier | None, password: bytes) -> bool:
    """Return True if *password* is the stored one. It costs the same for an unknown user.

    Args:
        verifier: The stored password, None for an unknown user.
        password: The given one.
    """
    right = verifier is not None and verifier.verify(password)
    if not isinstance(verifier, ScryptHash):
        NOBODY.verify(password)
    return right


def parse_verifier(text: str) -> Verifier:
    """Return the stored password that *text* is.

    Raises:
        ValueError: it is none, or checking it would cost too much.
    """
    if matched := _SCRYPT.fullmatch(text):
        return _scrypt(matched)
    if matched := _PBKDF2.fullmatch(text):
        return _pbkdf2(matched)
    credential: ScramCredential | None = parse_credential(text)
    if credential is None:
        raise ValueError("this is no hashed password: set one with 'blackbull mqtt passwd'")
    return credential


def _scrypt(matched: re.Match[str]) -> ScryptHash:
    cost, block_size, parallel = (int(matched[n]) for n in (1, 2, 3))
    salt, digest = _parse(matched[4]), _parse(matched[5])
    if not (1 <= cost <= 20 and block_size >= 1 and 1 <= parallel <= 16):
        raise ValueError("scrypt with such parameters cannot be")
    if 128 * block_size * ((1 << cost) + parallel) > MAX_MEMORY:
        raise ValueError("scrypt with such parameters takes more than 256 MiB")
    if len(salt) < 8 or len(digest) < 16:
        raise ValueError("the salt or the hash is cut off")
    return ScryptHash(salt, digest, cost, block_size, parallel)


def _pbkdf2(matched: re.Match[str]) -> PBKDF2Hash:
    iterations, salt, digest = int(matched[1]), _parse(matched[2]), _parse(matched[3])
    if not 1 <= iterations <= MAX_ITERATIONS:
        raise ValueError(f"{iterations} iterations cannot be")
    if len(salt) < 8 or len(digest) < 16:
        raise ValueError("the salt or the hash is cut off")
    return PBKDF2Hash(salt, digest, iterations)


def _render(data: bytes) -> str:
    return base64.b64encode(data).decode().rstrip("=")


def _parse(text: str) -> bytes:
    try:
        return base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4))
    except binascii.Error as error:
        raise ValueError("the salt or the hash is no base64") from error
