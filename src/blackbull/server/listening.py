"""The sockets that a server listens on."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from blackbull.transport.accept_queue import duplicate, stop_arrivals, take_established
from blackbull.transport.accepting import Accepting, accepting
from blackbull.transport.accepting import MakeProtocol as Make
from blackbull.transport.listener import Listener
from blackbull.transport.proxied import MakeProtocol
from blackbull.transport.socket_options import SocketOptions
from blackbull.transport.socket_protocol import SocketProtocol
from blackbull.transport.sockets import OwnSockets, SocketSource, is_dual_stack
from blackbull.transport.tls import TLSOption
from blackbull.transport.where import InheritedFd, Tcp, Where

from .door import Door
from .proxies import Proxies
from .tls import ServerTLS

Maker: TypeAlias = Callable[[socket.socket], Awaitable["ListeningSocket"]]


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


class ListeningSocket:
    """One socket, and the accepting of its connections.

    Args:
        sock: The socket.
        accepting: Its accepting; closes the socket.
        make: Makes the protocol of a connection.
        alone: No other process listens on the socket.

    Attributes:
        make: As above.
        serving: Connections are accepted, or were.
    """

    __slots__ = ("_accepting", "_sock", "alone", "make", "serving")

    def __init__(
        self, sock: socket.socket, accepting: Accepting, *, make: Make, alone: bool
    ) -> None:
        self._sock = sock
        self._accepting = accepting
        self.alone = alone
        self.make = make
        self.serving = False

    async def start_serving(self) -> None:
        """Accept from now on."""
        self.serving = True
        await self._accepting.start_serving()

    def hold(self) -> socket.socket:
        """Return another handle, which keeps whoever waits to be accepted; nobody new comes."""
        handle = duplicate(self._sock)
        if self.alone:
            stop_arrivals(handle)
        return handle

    def close(self) -> None:
        """Accept no more, and close the socket."""
        self._accepting.close()


class ListeningSockets:
    """Every socket that one server listens on.

    Args:
        source: Where the sockets come from.
        tls: Lets listeners speak TLS.
        backlog: Connections that the system holds ready for a listener that is busy.
        options: Those of the connections.

    Attributes:
        addresses: Where there is a socket, in the order of opening.
    """

    def __init__(
        self, source: SocketSource, *, tls: ServerTLS, backlog: int, options: SocketOptions
    ) -> None:
        self.addresses: list[Listening] = []
        self._source = source
        self._tls = tls
        self._backlog = backlog
        self._options = options
        self._opened: list[Where] = []
        self._accepting: list[ListeningSocket] = []
        self._kept: list[ListeningSocket] = []
        self._makers: dict[tuple[Where, str], Maker] = {}
        self._lent: dict[str, list[ListeningSocket]] = {}
        self._proxies: list[Proxies] = []

    async def open(
        self,
        door: Door,
        where: Where,
        tls: TLSOption,
        *,
        proxies: Proxies | None = None,
        kept: bool = False,
    ) -> None:
        """Bind *where*; connections that come there go through *door*, once they are accepted.

        Args:
            door: What is spoken there.
            where: The place.
            tls: What TLS it speaks.
            proxies: Those whose PROXY header begins each connection; None: there are none.
            kept: Only one of several processes may accept there at a time.

        Raises:
            ConfigurationError: it cannot be opened, or TLS lacks its certificate.
        """
        serve: MakeProtocol = partial(SocketProtocol, door)
        if tls:
            serve = self._tls.protocol_factory(door, tls, name=door.name, alpn=door.alpn)
        make: Callable[[], asyncio.Protocol] = serve
        if proxies is not None:
            self._proxies.append(proxies)
            make = proxies.protocol_factory(serve, door.wheel)
        sockets = self._source.open(where, backlog=self._backlog, name=door.name)
        self._opened.append(where)
        alone = isinstance(self._source, OwnSockets) and not isinstance(where, InheritedFd)

        async def prepare(sock: socket.socket) -> ListeningSocket:
            self._options.apply(sock)
            each = await accepting(
                door.loop, sock, make, backlog=self._backlog, scarce=door.files_exhausted
            )
            return ListeningSocket(sock, each, make=make, alone=alone)

        self._makers[where, door.name] = prepare
        for sock in sockets:
            name = sock.getsockname()
            (self._kept if kept else self._accepting).append(await prepare(sock))
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
        """Accept connections from now on, but not where one process only may."""
        for each in self._accepting:
            await each.start_serving()

    async def accept_kept(self) -> None:
        """Accept connections there, too."""
        for each in self._kept:
            await each.start_serving()

    async def borrow(self, key: str, where: Where, *, name: str, sock: socket.socket) -> None:
        """Accept on *sock* as well, for another process that does not do so now.

        Args:
            key: What :meth:`give_back` is called with.
            where: The place that it belongs to.
            name: What is served there, as in ``SocketSource.open``.
            sock: A listening socket; it is closed here.
        """
        prepare = self._makers.get((where, name))
        if prepare is None:
            sock.close()
            return
        borrowed = await prepare(sock)
        self._lent.setdefault(key, []).append(borrowed)
        await borrowed.start_serving()

    def give_back(self, key: str) -> None:
        """Accept no more on what was borrowed as *key*."""
        for each in self._lent.pop(key, []):
            each.close()

    async def stop_accepting(self, *, succeeded: bool = False) -> None:
        """Accept whoever is connected by now, then nobody; let go of the sockets.

        Connections are not only accepted here: the loop may have some in its hands, which arrive
        a few turns later.

        Args:
            succeeded: Whoever waits at a socket that is not ours alone is left to the successor.
        """
        loop = asyncio.get_running_loop()
        served = [*self._accepting, *self._kept, *(s for lent in self._lent.values() for s in lent)]
        waiting = [
            (each.hold(), each.make)
            for each in served
            if each.serving and (each.alone or not succeeded)
        ]
        self.close()
        taken: list[tuple[socket.socket, Make]] = []
        for handle, make in waiting:
            with handle:
                taken += [(sock, make) for sock in take_established(handle, at_most=self._backlog)]
        for sock, make in taken:
            try:
                await loop.connect_accepted_socket(make, sock)
            except OSError:
                sock.close()

    @property
    def introducing(self) -> bool:
        """There are connections whose PROXY header has not come yet."""
        return any(proxies.waiting for proxies in self._proxies)

    def drop_introductions(self) -> None:
        """Wait for no such header any more."""
        for proxies in self._proxies:
            proxies.close()

    def close(self) -> None:
        """Accept no more, and let go of the sockets."""
        for each in (*self._accepting, *self._kept):
            each.close()
        self._accepting.clear()
        self._kept.clear()
        self._makers.clear()
        for key in list(self._lent):
            self.give_back(key)
        for where in self._opened:
            self._source.release(where)
        self._opened.clear()
