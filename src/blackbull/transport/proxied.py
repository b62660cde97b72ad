"""A connection that begins with the header of the PROXY protocol.

Until the header is complete the event loop's transport belongs to :class:`ProxiedProtocol`; then
to the protocol that serves the connection, TLS or not, which knows the client from the start.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol, cast

from blackbull.abc import Address
from blackbull.errors import RemoteProtocolError
from blackbull.protocol.proxy import ProxyConnection, ProxyHeader

from .deadline import Wheel, WheelDeadline
from .socket_protocol import SocketProtocol, address_of, plain_host
from .tls_transport import TLSTransport

MakeProtocol = Callable[[], SocketProtocol | TLSTransport]


class Introductions(Protocol):
    """Whoever answers for the proxies of a listener: told how each connection goes.

    Attributes:
        timeout: Seconds that a header may take; 0: as long as it likes.
    """

    timeout: float

    def begun(self, proxied: ProxiedProtocol) -> bool:
        """A connection was accepted; return False to drop it at once."""

    def failed(self, proxied: ProxiedProtocol, reason: str) -> None:
        """It has no header; *reason* is empty if the peer left without a word."""

    def timed_out(self, proxied: ProxiedProtocol) -> None:
        """The peer was too slow; the connection is being dropped."""

    def over(self, proxied: ProxiedProtocol) -> None:
        """The header has come, or never will."""


class ProxiedProtocol(asyncio.Protocol):
    """Waits for the header of one connection.

    Args:
        make: Makes the protocol that is served behind the header.
        wheel: Its deadline is filed there.
        introductions: Told how it goes.
    """

    __slots__ = (
        "_deadline", "_heard", "_introductions", "_machine", "_make", "_over", "_transport",
    )  # fmt: skip

    def __init__(self, make: MakeProtocol, wheel: Wheel, *, introductions: Introductions) -> None:
        self._make = make
        self._introductions = introductions
        self._deadline = WheelDeadline(wheel, self._deadline_expired)
        self._machine = ProxyConnection()
        self._heard = False
        self._over = False

    @property
    def peername(self) -> Address | None:
        """The proxy's address."""
        return address_of(self._transport, "peername")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if self._introductions.begun(self):
            self._deadline.set(self._introductions.timeout)
        else:
            self.drop()

    def data_received(self, data: bytes) -> None:
        if self._over:
            return
        self._heard = True
        try:
            header = self._machine.receive(data)
        except RemoteProtocolError as error:
            self._fail(str(error))
            return
        if header is not None:
            self._hand_over(header)

    def eof_received(self) -> bool:
        if not self._over:
            self._fail("the peer left" if self._heard else "")
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._over:
            self._fail(str(exc or "the peer left") if self._heard else "")

    def drop(self) -> None:
        """Close the connection without a word."""
        self._end()
        self._transport.abort()

    def _fail(self, reason: str) -> None:
        self._introductions.failed(self, reason)
        self.drop()

    def _deadline_expired(self) -> None:
        self._introductions.timed_out(self)
        self.drop()

    def _end(self) -> None:
        self._deadline.cancel()
        if not self._over:
            self._over = True
            self._introductions.over(self)

    def _hand_over(self, header: ProxyHeader) -> None:
        self._end()
        transport = self._transport
        protocol = self._make()
        if header.source is not None or header.secure:
            protocol.came_from(
                _plain(header.source), _plain(header.destination), secure=header.secure
            )
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        if self._machine.rest and not transport.is_closing():
            protocol.data_received(self._machine.rest)


def _plain(address: Address | None) -> Address | None:
    if address is None or address[1] is None:
        return address
    return plain_host(address[0]), address[1]
