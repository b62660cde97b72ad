"""SCRAM-SHA-256: a client proves that it knows a password, and the broker that it knew it before.

Neither ever sends it. In MQTT, the client's first message comes with CONNECT, the challenge and
the proof go in AUTH packets, and the broker's own proof leaves with CONNACK.

Spec:
    RFC 5802, RFC 7677; MQTT 5.0 §4.12
"""

from __future__ import annotations

import base64
import binascii
import enum
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from .requests import AuthStep, ConnectRequest
from .saslprep import saslprep

METHOD: Final = "SCRAM-SHA-256"
DEFAULT_ITERATIONS: Final = 15_000
MAX_ITERATIONS: Final = 10_000_000
SALT_LENGTH: Final = 16
NONCE_LENGTH: Final = 24
MAX_MESSAGE: Final = 4096
"""The longest message of a client, in bytes."""

_STORED: Final = re.compile(
    r"SCRAM-SHA-256\$(\d{1,8}):([A-Za-z0-9+/]+=*)\$([A-Za-z0-9+/]+=*):([A-Za-z0-9+/]+=*)"
)
# RFC 5802 §7: the header, and the client's first message without it.
_FIRST: Final = re.compile(
    r"(?P<header>(?P<binding>[ny]|p=[A-Za-z0-9.-]+),(?:a=(?P<authzid>[^,\0]+))?,)"
    r"(?P<bare>n=(?P<user>[^,\0]+),r=(?P<nonce>[!-+\--~]+)(?:,[A-Za-z]=[^,\0]+)*)"
)
_FINAL: Final = re.compile(
    r"(?P<bare>c=(?P<header>[A-Za-z0-9+/]+=*),r=(?P<nonce>[!-+\--~]+)(?:,[A-Za-z]=[^,\0]+)*)"
    r",p=(?P<proof>[A-Za-z0-9+/]+=*)"
)


@dataclass(frozen=True, slots=True)
class ScramCredential:
    """A password as SCRAM stores it.

    Attributes:
        salt: Random bytes.
        iterations: How often it was hashed.
        stored_key: What a client's proof is checked with.
        server_key: What the broker's proof is made with.

    Spec:
        RFC 5802 §3
    """

    salt: bytes
    iterations: int
    stored_key: bytes
    server_key: bytes

    def verify(self, password: bytes) -> bool:
        """Return True if *password* is the one; for clients that send it as it is."""
        try:
            prepared = saslprep(password.decode())
        except ValueError:
            return False
        found = make_credential(prepared, salt=self.salt, iterations=self.iterations)
        return hmac.compare_digest(self.stored_key, found.stored_key)

    def render(self) -> str:
        """Return it as it is written to a file."""
        salt, stored, server = map(_encode, (self.salt, self.stored_key, self.server_key))
        return f"{METHOD}${self.iterations}:{salt}${stored}:{server}"


def make_credential(
    password: str, *, salt: bytes | None = None, iterations: int = DEFAULT_ITERATIONS
) -> ScramCredential:
    """Return *password* as SCRAM stores it.

    Args:
        password: Already prepared, by :func:`~blackbull.mqtt.auth.saslprep.saslprep`.
        salt: Random bytes; made up if None.
        iterations: How often it is to be hashed.
    """
    salt = secrets.token_bytes(SALT_LENGTH) if salt is None else salt
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    stored = hashlib.sha256(_hmac(salted, b"Client Key")).digest()
    return ScramCredential(salt, iterations, stored, _hmac(salted, b"Server Key"))


def parse_credential(text: str) -> ScramCredential | None:
    """Return the credential that *text* is, None if it does not look like one.

    Raises:
        ValueError: it looks like one, but is none.
    """
    matched = _STORED.fullmatch(text)
    if matched is None:
        return None
    iterations = int(matched[1])
    salt, stored_key, server_key = (_decode(matched[n]) for n in (2, 3, 4))
    if not 1 <= iterations <= MAX_ITERATIONS:
        raise ValueError(f"{iterations} iterations cannot be")
    if len(salt) < 8 or len(stored_key) != 32 or len(server_key) != 32:
        raise ValueError("the salt or a key is cut off")
    return ScramCredential(salt, iterations, stored_key, server_key)


class ScramAuthentication:
    """The method SCRAM-SHA-256, for ``MQTTExtension(enhanced=[...])``.

    An unknown user is told what a known one with a wrong password is, salt and all.

    Args:
        find: Returns the credential of a user, None if there is no such user.
        iterations: What an unknown user is told; what the known ones have.
    """

    method = METHOD

    def __init__(
        self,
        find: Callable[[str], ScramCredential | None],
        *,
        iterations: int = DEFAULT_ITERATIONS,
    ) -> None:
        self._find = find
        self._iterations = iterations
        self._secret = secrets.token_bytes(32)

    def start(self, request: ConnectRequest) -> ScramExchange:
        """Begin a conversation."""
        return ScramExchange(self.find)

    def find(self, username: str) -> tuple[ScramCredential, bool]:
        """Return a credential, and whether the user exists; an unknown one always has the same."""
        found = self._find(username)
        if found is not None:
            return found, True
        salt = _hmac(self._secret, username.encode())[:SALT_LENGTH]
        return ScramCredential(salt, self._iterations, bytes(32), bytes(32)), False


class _Awaits(enum.Enum):
    FIRST = enum.auto()
    FINAL = enum.auto()
    NOTHING = enum.auto()


FAILED: Final = AuthStep(done=True, ok=False)


class ScramExchange:
    """One conversation; whatever is wrong ends it without a word about what.

    Args:
        find: As :meth:`ScramAuthentication.find`.
        nonce: The broker's part of the nonce; made up if None.
    """

    __slots__ = (
        "_awaits", "_credential", "_find", "_first", "_header", "_known", "_nonce", "_own_nonce",
        "_username",
    )  # fmt: skip

    def __init__(
        self, find: Callable[[str], tuple[ScramCredential, bool]], *, nonce: str | None = None
    ) -> None:
        self._find = find
        self._own_nonce = secrets.token_urlsafe(NONCE_LENGTH) if nonce is None else nonce
        self._awaits = _Awaits.FIRST

    def step(self, data: bytes | None) -> AuthStep:
        """Take a message of the client; without one in CONNECT, its first is asked for."""
        awaits, self._awaits = self._awaits, _Awaits.NOTHING
        if awaits is _Awaits.FIRST and not data:
            self._awaits = awaits
            return AuthStep()
        try:
            text = (data or b"")[: MAX_MESSAGE + 1].decode()
            if len(text) > MAX_MESSAGE:
                return FAILED
            if awaits is _Awaits.FIRST:
                return self._challenge(text)
            if awaits is _Awaits.FINAL:
                return self._judge(text)
        except ValueError:
            pass
        return FAILED

    def _challenge(self, text: str) -> AuthStep:
        matched = _FIRST.fullmatch(text)
        if matched is None:
            return FAILED
        username = _parse_name(matched["user"])
        authzid = matched["authzid"]
        # A channel binding is not offered (no -PLUS), and nobody acts for somebody else.
        if matched["binding"].startswith("p") or (
            authzid is not None and _parse_name(authzid) != username
        ):
            return FAILED
        self._username = username
        self._header = matched["header"].encode()
        self._nonce = matched["nonce"] + self._own_nonce
        self._credential, self._known = self._find(username)
        salt, iterations = _encode(self._credential.salt), self._credential.iterations
        challenge = f"r={self._nonce},s={salt},i={iterations}"
        self._first = f"{matched['bare']},{challenge},"
        self._awaits = _Awaits.FINAL
        return AuthStep(data=challenge.encode())

    def _judge(self, text: str) -> AuthStep:
        matched = _FINAL.fullmatch(text)
        if (
            matched is None
            or _decode(matched["header"]) != self._header
            or matched["nonce"] != self._nonce
        ):
            return FAILED
        message = (self._first + matched["bare"]).encode()
        signature = _hmac(self._credential.stored_key, message)
        proof = _decode(matched["proof"])
        if len(proof) != len(signature):
            return FAILED
        client_key = bytes(a ^ b for a, b in zip(proof, signature, strict=True))
        found = hashlib.sha256(client_key).digest()
        if not (hmac.compare_digest(found, self._credential.stored_key) and self._known):
            return FAILED
        own = _encode(_hmac(self._credential.server_key, message))
        return AuthStep(data=f"v={own}".encode(), done=True, ok=True, username=self._username)


def _parse_name(text: str) -> str:
    # RFC 5802 §5.1: a comma is =2C, an equals sign =3D, and nothing else follows "=".
    if re.search(r"=(?!2C|3D)", text):
        raise ValueError("a user name with a bare '='")
    return saslprep(text.replace("=2C", ",").replace("=3D", "="))


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("no base64") from error
