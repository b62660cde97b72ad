"""The password file: a user per line, ``NAME:HASHED``, made by ``blackbull mqtt passwd``."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import secrets
import tempfile
from collections import OrderedDict
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from blackbull.errors import ConfigurationError

from ..codec.types import ReasonCode
from .passwords import Verifier, parse_verifier, verify_password
from .requests import ConnectRequest, Identity
from .scram import ScramAuthentication, ScramCredential
from .watched import BadLine, WatchedFile

Answer: TypeAlias = Identity | bool | ReasonCode
"""Who a client is, or why it is nobody."""
MAX_REMEMBERED: Final = 4096
"""Passwords that were right and are known again without the work, until their line changes."""
MAX_WAITING: Final = 1024
"""Different passwords that wait to be checked; beyond, clients are turned away unheard."""
MAX_THREADS: Final = 4
"""Passwords that are checked at a time, each in 16 MiB."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A user's line: what is checked, and the text it was read from."""

    verifier: Verifier
    text: str


@dataclass(slots=True)
class _Check:
    result: asyncio.Future[bool]
    waiting: int = 0


class PasswordFile:
    """Checks user names and passwords; for ``MQTTExtension(authenticate=PasswordFile(path))``.

    The file is read again when it changes. Checking one password takes a thread some tens of
    milliseconds, as long for an unknown user as for a known one. Clients that come at once with
    the same password wait for one check, and a password that was right is known again.

    Args:
        path: The file.

    Raises:
        ConfigurationError: the file cannot be read, or a line of it means nothing.
    """

    def __init__(self, path: str | Path) -> None:
        self._file = WatchedFile(path, "password file", parse_passwords)
        self._secret = secrets.token_bytes(32)
        self._right: OrderedDict[bytes, None] = OrderedDict()
        self._checks: dict[bytes, _Check] = {}
        # One processor is left to the event loop.
        threads = min(max((os.cpu_count() or 1) - 1, 1), MAX_THREADS)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="blackbull-mqtt-passwords")

    def __call__(self, request: ConnectRequest) -> Answer | Awaitable[Answer]:
        """Return who the client is, False without a word why not; at once if it needs no work.

        Cancelling what is awaited is safe.
        """
        if request.username is None or request.password is None:
            return False
        entry = self._file.value.get(request.username)
        key = self._digest(request.username, request.password, entry)
        if key in self._right:
            self._right.move_to_end(key)
            return Identity(username=request.username)
        if key not in self._checks and len(self._checks) >= MAX_WAITING:
            return ReasonCode.SERVER_BUSY
        return self._identify(key, entry, username=request.username, password=request.password)

    def scram(self) -> ScramAuthentication:
        """Return SCRAM-SHA-256 for the users whose lines allow it: ``passwd --scram`` wrote them.

        For ``MQTTExtension(enhanced=[passwords.scram()])``.
        """
        return ScramAuthentication(self._credential)

    def _credential(self, username: str) -> ScramCredential | None:
        entry = self._file.value.get(username)
        return entry.verifier if entry and isinstance(entry.verifier, ScramCredential) else None

    def _digest(self, username: str, password: bytes, entry: Entry | None) -> bytes:
        text = entry.text if entry is not None else ""
        parts = (username.encode(), text.encode(), password)
        message = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
        return hashlib.blake2b(message, key=self._secret, digest_size=32).digest()

    async def _identify(
        self, key: bytes, entry: Entry | None, *, username: str, password: bytes
    ) -> Answer:
        if not await self._check(key, entry, password):
            return False
        self._remember(key)
        return Identity(username=username)

    def _remember(self, key: bytes) -> None:
        self._right[key] = None
        if len(self._right) > MAX_REMEMBERED:
            self._right.popitem(last=False)

    async def _check(self, key: bytes, entry: Entry | None, password: bytes) -> bool:
        check = self._checks.get(key)
        if check is None:
            verifier = entry.verifier if entry is not None else None
            loop = asyncio.get_running_loop()
            check = _Check(loop.run_in_executor(self._pool, verify_password, verifier, password))
            self._checks[key] = check
        check.waiting += 1
        try:
            return await asyncio.shield(check.result)
        finally:
            check.waiting -= 1
            if not check.waiting:
                # Either it is done, or whoever asked is gone and nobody wants to know.
                del self._checks[key]
                check.result.cancel()


def parse_passwords(text: str) -> dict[str, Entry]:
    """Return the users in the *text* of a password file.

    Raises:
        BadLine: a line is no user's, or a user has two.
    """
    entries: dict[str, Entry] = {}
    for number, raw_line in enumerate(text.split("\n"), 1):
        line = raw_line.rstrip("\r")
        if not line.strip() or line.startswith("#"):
            continue
        username, colon, hashed = line.partition(":")
        if not colon or not username:
            raise BadLine(number, "it must be NAME:HASHED; 'blackbull mqtt passwd' writes it so")
        if username in entries:
            raise BadLine(number, f"user {username!r} has a line already; keep one of them")
        try:
            entries[username] = Entry(parse_verifier(hashed.strip()), hashed.strip())
        except ValueError as error:
            raise BadLine(number, str(error)) from error
    return entries


def check_username(username: str) -> None:
    """Refuse a user name that a line of the file cannot begin with.

    Raises:
        ConfigurationError: it is empty, too long, or has characters with another meaning.
    """
    if not username or username.startswith("#") or len(username.encode()) > 65535:
        raise ConfigurationError(
            f"{username!r} is no user name: it is empty, too long or a comment"
        )
    for character in username:
        if character == ":" or not character.isprintable():
            raise ConfigurationError(f"{username!r} is no user name: it has {character!r} in it")


def write_user(path: str | Path, username: str, hashed: str | None) -> bool:
    """Set or remove one user's line; every other line stays as it is.

    The file is replaced as a whole, readable by its owner only, so that a broker never finds half
    of it.

    Args:
        path: The password file; it is made if there is none.
        username: Whose line.
        hashed: What stands behind the name; None removes the line.

    Returns:
        True if the user had a line before.

    Raises:
        ConfigurationError: the file is no password file, or cannot be read or written.
    """
    check_username(username)
    target = Path(path).resolve()
    lines: list[str] = []
    if target.exists():
        WatchedFile(target, "password file", parse_passwords)
        lines = target.read_text(encoding="utf-8").rstrip("\n").split("\n")
    known = any(line.startswith(f"{username}:") for line in lines)
    new = [] if hashed is None else [f"{username}:{hashed}"]
    kept = [
        each
        for line in lines
        for each in (new if line.startswith(f"{username}:") else [line])
    ]  # fmt: skip
    if not known:
        kept += new
    if new or known:
        try:
            _replace(target, "".join(f"{line}\n" for line in kept))
        except OSError as error:
            raise ConfigurationError(
                f"password file {str(path)!r} cannot be written: {error.strerror}"
            ) from error
    return known


def _replace(path: Path, text: str) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
