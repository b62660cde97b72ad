"""Whose pages may open a WebSocket: a browser lets every page try, and sends its cookies along."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from blackbull.connection import Connection

ANY: Final = "*"
SELF: Final = "self"
OPAQUE: Final = "null"

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_SCHEMES: Final = {"ws": "http", "wss": "https"}


class Origins:
    """The origins that are let in.

    Args:
        allowed: Origins such as ``"https://example.com"``; ``"self"`` for pages of this server,
            ``"null"`` for pages without an origin, ``"*"`` for all.

    Raises:
        ValueError: one of them is no origin.

    Spec:
        RFC 6455 §10.2, RFC 6454 §6, §7
    """

    __slots__ = ("_allowed", "_any", "_self")

    def __init__(self, allowed: Iterable[str] | str) -> None:
        names = {allowed} if isinstance(allowed, str) else set(allowed)
        self._any = ANY in names
        self._self = SELF in names
        self._allowed = {_parse(name) for name in names - {ANY, SELF}}

    def admit(self, conn: Connection) -> bool:
        """Return True if *conn* may open a WebSocket.

        A client that names no origin is no browser, so nobody can make it misuse its cookies.
        """
        named = conn.headers.getlist(b"origin")
        if self._any or not named:
            return True
        if len(named) > 1:
            return False
        try:
            origin = _parse(named[0][1].decode("ascii"))
        except ValueError:
            return False
        return origin in self._allowed or (self._self and origin == _own(conn))


def _own(conn: Connection) -> tuple[str, str, int | None] | None:
    host = conn.head.authority.decode("latin-1")
    try:
        return _parse(f"{_SCHEMES.get(conn.scheme, conn.scheme)}://{host}")
    except ValueError:
        return None


def _parse(origin: str) -> tuple[str, str, int | None]:
    """Return scheme, host and port of *origin*, which is compared by these three."""
    if origin == OPAQUE:
        return OPAQUE, "", None
    parts = urlsplit(origin)
    port = parts.port
    if not parts.scheme or not parts.hostname or parts.path or parts.query or parts.fragment:
        raise ValueError(
            f"{origin!r} is no origin: write it as 'https://example.com', with a port if need be"
        )
    return parts.scheme, parts.hostname, port or _DEFAULT_PORTS.get(parts.scheme)
