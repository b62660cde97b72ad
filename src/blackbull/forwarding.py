"""Who the client is when a proxy that we trust has forwarded its request."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from typing import Final, TypeAlias

from .connection import Address, Connection
from .errors import ConfigurationError, RemoteProtocolError
from .protocol.forwarded import Hop, parse_forwarded, parse_x_forwarded

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

LOCAL: Final = ("127.0.0.0/8", "::1", "unix")
"""What is trusted when nothing is said: proxies on this machine."""

UNIX: Final = "unix"
MAX_REMEMBERED: Final = 1024

_SCHEMES: Final = {"http", "https"}
_PREFIX: Final = re.compile(rb"(?:/[A-Za-z0-9\-._~!$&'()*+,;=:@]+)+/?")


class TrustedProxies:
    """The proxies whose word is taken, and what follows from it.

    Args:
        trusted: IP addresses and networks (``"10.0.0.0/8"``), ``"unix"`` for whoever connects
            through a Unix socket, ``"*"`` for everybody; a text has commas between them.

    Raises:
        ConfigurationError: one of these is none.
    """

    def __init__(self, trusted: str | Iterable[str] = LOCAL) -> None:
        parts = trusted.split(",") if isinstance(trusted, str) else trusted
        names = [name for part in parts if (name := part.strip())]
        self._all = "*" in names
        self._unix = self._all or UNIX in names
        self._networks = [_network(name) for name in names if name not in {"*", UNIX}]
        self._known: dict[str, bool] = {}

    def trusts(self, peer: Address | None) -> bool:
        """Return True if *peer* is one of them."""
        if peer is None or peer[1] is None:
            return self._unix
        host = peer[0]
        known = self._known.get(host)
        if known is None:
            if len(self._known) >= MAX_REMEMBERED:
                self._known.clear()
            known = self._known[host] = self._all or self._contains(host)
        return known

    def apply(self, conn: Connection) -> None:
        """Set ``client``, ``scheme`` and ``root_path`` of *conn* to what its proxies say.

        ``forwarded`` goes before ``x-forwarded-for``. Going from the nearest proxy outwards, the
        first address that is not trusted is the client's. What is malformed is not believed at
        all, and what a client itself wrote into the fields is never reached.

        Spec:
            RFC 7239 §4, §5
        """
        peer = conn.client
        if not self.trusts(peer):
            return
        headers = conn.headers
        try:
            client, scheme = self._origin(peer, _hops(conn))
        except RemoteProtocolError:
            return
        if client != peer:
            conn.client = client
        if scheme in _SCHEMES:
            secure = scheme == "https"
            web_socket = "wss" if secure else "ws"
            conn.scheme = web_socket if conn.type == "websocket" else scheme
        prefix = headers.get(b"x-forwarded-prefix")
        if _PREFIX.fullmatch(prefix) is not None:
            conn.root_path = prefix.rstrip(b"/").decode("ascii")

    def _origin(self, peer: Address | None, hops: list[Hop]) -> tuple[Address | None, str]:
        client, scheme = peer, ""
        for hop in reversed(hops):
            scheme = hop.scheme or scheme
            if hop.address is None:
                break
            client = hop.address
            if not self.trusts(client):
                break
        return client, scheme

    def _contains(self, host: str) -> bool:
        try:
            address = ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in network for network in self._networks)


def _hops(conn: Connection) -> list[Hop]:
    headers = conn.headers
    forwarded = headers.get_combined(b"forwarded")
    if forwarded is not None:
        return parse_forwarded(forwarded)
    addresses = headers.get_combined(b"x-forwarded-for")
    schemes = headers.get_combined(b"x-forwarded-proto") or b""
    if addresses is None:
        return [Hop(None, schemes.decode("latin-1").lower())] if schemes else []
    return parse_x_forwarded(addresses, schemes)


def _network(name: str) -> Network:
    try:
        return ipaddress.ip_network(name)
    except ValueError as error:
        raise ConfigurationError(
            f"{name!r} is no proxy to trust ({error}): give an address, a network such as "
            "10.0.0.0/8, unix or *"
        ) from None
