"""The sockets that a server listens on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from blackbull.transport.listener import SocketSource, Where
from blackbull.transport.socket_protocol import SocketProtocol
from blackbull.transport.tls import TLSOption

from .door import Door
from .tls import ServerTLS


@dataclass(frozen=True, slots=True)
class Listening:
    """One address that the server listens on.

    Attributes:
        protocol: ``"http"``, or the name of the raw protocol that has the port to itself.
        address: Host and port, or the path of a Unix socket and None.
        tls: TLS is spoken.
    """

    protocol: str
    address: tuple[str, int | None]
    tls: bool


class ListeningSockets:
    """Every socket that one server listens on.

    Args:
        source: Where the sockets come from.
        tls: Lets listeners speak TLS.
        backlog: Connections that the system holds ready for a listener that is busy.

    Attributes:
        addresses: Where there is a socket, in the order of opening.
    """

    def __init__(self, source: SocketSource, *, tls: ServerTLS, backlog: int) -> None:
        self.addresses: list[Listening] = []
        self._source = source
        self._tls = tls
        self._backlog = backlog
        self._opened: list[Where] = []
        self._servers: list[asyncio.Server] = []

    async def open(self, door: Door, where: Where, tls: TLSOption) -> None:
        """Bind *where*; connections that come there go through *door*, once they are accepted.

        Raises:
            ConfigurationError: it cannot be opened, or TLS lacks its certificate.
        """
        make: Callable[[], asyncio.Protocol] = partial(SocketProtocol, door)
        if tls:
            make = self._tls.protocol_factory(door, tls, name=door.name, alpn=door.alpn)
        sockets = self._source.open(where, backlog=self._backlog)
        self._opened.append(where)
        for sock in sockets:
            name = sock.getsockname()
            server = await door.loop.create_server(
                make, sock=sock, backlog=self._backlog, start_serving=False
            )
            self._servers.append(server)
            address = (str(name), None) if isinstance(name, str) else (str(name[0]), int(name[1]))
            self.addresses.append(Listening(door.name, address, bool(tls)))

    async def accept(self) -> None:
        """Accept connections from now on."""
        for server in self._servers:
            await server.start_serving()

    def close(self) -> None:
        """Accept no more, and let go of the sockets."""
        for server in self._servers:
            server.close()
        self._servers.clear()
        for where in self._opened:
            self._source.release(where)
        self._opened.clear()
