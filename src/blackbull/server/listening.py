"""The sockets that a server listens on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from blackbull.transport.accepting import Accepting, accepting
from blackbull.transport.listener import Listener
from blackbull.transport.socket_protocol import SocketProtocol
from blackbull.transport.sockets import SocketSource, is_dual_stack
from blackbull.transport.tls import TLSOption
from blackbull.transport.where import Tcp, Where

from .door import Door
from .tls import ServerTLS


@dataclass(frozen=True, slots=True)
class Listening:
    """One address that the server listens on.

    Attributes:
        protocol: ``"http"``, or the names of the protocols that have the place to themselves.
        address: Host and port, or the path of a Unix socket and None.
        tls: TLS is spoken.
        dual_stack: The address is ``::``, and IPv4 is served there, too.
    """

    protocol: str
    address: tuple[str, int | None]
    tls: bool
    dual_stack: bool = False


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
        self._accepting: list[Accepting] = []

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
            self._accepting.append(
                await accepting(
                    door.loop, sock, make, backlog=self._backlog, scarce=door.files_exhausted
                )
            )
            address = (str(name), None) if isinstance(name, str) else (str(name[0]), int(name[1]))
            self.addresses.append(Listening(door.name, address, bool(tls), is_dual_stack(sock)))

    def has_port(self, listener: Listener) -> bool:
        """Return True if the protocol of *listener* is spoken at its port already."""
        where = listener.where
        return isinstance(where, Tcp) and any(
            each.address[1] == where.port and each.protocol == listener.speaks
            for each in self.addresses
            if where.port
        )

    async def accept(self) -> None:
        """Accept connections from now on."""
        for each in self._accepting:
            await each.start_serving()

    def close(self) -> None:
        """Accept no more, and let go of the sockets."""
        for each in self._accepting:
            each.close()
        self._accepting.clear()
        for where in self._opened:
            self._source.release(where)
        self._opened.clear()
