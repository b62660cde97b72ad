"""What the tests ask of an MQTT client, whoever wrote it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import ssl
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import ClassVar

HOST = "localhost"
WAIT = 10.0
"""Seconds after which a peer that does not do what it should is given up."""

NEVER = 0xFFFFFFFF


@dataclass(frozen=True)
class Endpoint:
    """Where a broker listens.

    Attributes:
        port: On this machine.
        cafile: Whom a client has to trust; None: cleartext.
        path: Of the WebSocket; None: MQTT on the stream itself.
        alpn: What a client names in the TLS handshake.
    """

    port: int
    cafile: str | None = None
    path: str | None = None
    alpn: str | None = None

    def context(self) -> ssl.SSLContext | None:
        """Return a client's TLS context, None on cleartext."""
        if self.cafile is None:
            return None
        context = ssl.create_default_context(cafile=self.cafile)
        if self.alpn is not None:
            context.set_alpn_protocols([self.alpn])
        return context


@dataclass(frozen=True)
class Will:
    """What the broker says for a client that vanishes."""

    topic: str
    payload: bytes = b"gone"
    qos: int = 0
    retain: bool = False
    properties: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Options:
    """How a client connects; *expiry* and *properties* only count at level 5."""

    level: int = 5
    client_id: str = ""
    clean: bool = True
    expiry: int = NEVER
    keepalive: int = 30
    username: str | None = None
    password: str | None = None
    will: Will | None = None
    properties: dict[str, object] = field(default_factory=dict)

    def connect_properties(self) -> dict[str, object]:
        """Return the properties of the CONNECT packet."""
        if self.level < 5:
            return {}
        expiry = {} if self.clean else {"session_expiry_interval": self.expiry}
        return {**expiry, **self.properties}


@dataclass(frozen=True)
class Received:
    """A message as the client's own callback got it."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    properties: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Accepted:
    """A CONNACK that lets the client in."""

    session_present: bool
    properties: dict[str, object] = field(default_factory=dict)


class RefusedError(Exception):
    """A CONNACK that does not."""

    def __init__(self, code: int) -> None:
        super().__init__(f"refused with {code:#04x}")
        self.code = code


class Peer(ABC):
    """One client. Nothing that it does reconnects by itself.

    Args:
        where: The broker.
        options: How it connects.
    """

    name: ClassVar[str]
    speaks: ClassVar[frozenset[str]] = frozenset({"tcp", "tls", "ws", "wss"})

    def __init__(self, where: Endpoint, options: Options) -> None:
        self.where = where
        self.options = options
        self.messages: asyncio.Queue[Received] = asyncio.Queue()
        self.lost: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        """Done when the connection is gone; the reason code that the broker gave for it."""
        self.window = 65535
        """Messages that may be under way to the broker."""

    @abstractmethod
    async def open(self) -> Accepted:
        """Connect.

        Raises:
            RefusedError: the broker does not want it.
        """

    @abstractmethod
    async def subscribe(
        self,
        *filters: str,
        qos: int = 0,
        identifier: int | None = None,
        no_local: bool = False,
        retain_as_published: bool = False,
        retain_handling: int = 0,
    ) -> list[int]:
        """Subscribe in one packet; return the codes of the SUBACK."""

    @abstractmethod
    async def unsubscribe(self, *filters: str) -> None:
        """Unsubscribe; return when that is acknowledged."""

    @abstractmethod
    async def publish_all(
        self,
        messages: Iterable[tuple[str, bytes]],
        *,
        qos: int = 0,
        retain: bool = False,
        properties: dict[str, object] | None = None,
    ) -> None:
        """Publish without waiting in between; return when everything is acknowledged."""

    @abstractmethod
    async def leave(self) -> None:
        """Send DISCONNECT and close."""

    @abstractmethod
    async def vanish(self) -> None:
        """Close without a word."""

    async def dispose(self) -> None:
        """Give back what the client still holds, after it left or was thrown out."""

    async def publish(
        self,
        topic: str,
        payload: bytes = b"",
        *,
        qos: int = 0,
        retain: bool = False,
        **properties: object,
    ) -> None:
        """Publish; return when it is acknowledged."""
        await self.publish_all([(topic, payload)], qos=qos, retain=retain, properties=properties)

    async def receive(self) -> Received:
        """Return the next message."""
        async with asyncio.timeout(WAIT):
            return await self.messages.get()

    async def receive_all(self, n: int) -> list[Received]:
        """Return the next *n* messages."""
        return [await self.receive() for _ in range(n)]

    async def until_lost(self) -> int | None:
        """Wait until the connection is gone; return the reason code that came before."""
        async with asyncio.timeout(WAIT):
            return await asyncio.shield(self.lost)

    def heard(self, message: Received) -> None:
        """Take *message* from the client's callback, in the event loop."""
        self.messages.put_nowait(message)

    def ended(self, code: int | None) -> None:
        """Take the end of the connection from the client's callback, in the event loop."""
        if not self.lost.done():
            self.lost.set_result(code)


def in_windows(
    messages: Iterable[tuple[str, bytes]], size: int
) -> Iterator[list[tuple[str, bytes]]]:
    """Cut *messages* into lists of *size*, for a client that does not keep to a window itself."""
    left = iter(messages)
    while part := list(itertools.islice(left, size)):
        yield part


@asynccontextmanager
async def connected(
    kind: type[Peer], where: Endpoint, options: Options | None = None
) -> AsyncIterator[Peer]:
    """Connect a client of *kind*; it leaves at the end, if it is still there."""
    peer = kind(where, options or Options())
    try:
        async with asyncio.timeout(WAIT):
            await peer.open()
        yield peer
    finally:
        await gone(peer)


@asynccontextmanager
async def several(
    kind: type[Peer], where: Endpoint, options: Iterable[Options]
) -> AsyncIterator[list[Peer]]:
    """Connect one client after the other; all leave at the end."""
    async with contextlib.AsyncExitStack() as stack:
        yield [await stack.enter_async_context(connected(kind, where, each)) for each in options]


async def gone(peer: Peer) -> None:
    """Let *peer* leave if it is connected, and give back what it holds."""
    async with asyncio.timeout(WAIT):
        try:
            if not peer.lost.done():
                await peer.leave()
        finally:
            await peer.dispose()
