"""An HTTP/2 client on a socket: the strict h2 package, and whatever else is to be said."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from blackbull.server import Server
from tests.conformance.peer import TIMEOUT, App, serving
from tests.http2_peer import Client, Reply

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
GET = b"\x82\x86\x84\x01\x01a"
"""The header block of a GET of / from the authority a."""
POST = b"\x83\x86\x84\x01\x01a"

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY = range(8)
WINDOW_UPDATE, CONTINUATION = 8, 9
END_STREAM = ACK = 1
END_HEADERS = 4


def frame(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
    """Return a frame, sound or not."""
    size = len(payload).to_bytes(3, "big")
    return size + bytes((kind, flags)) + stream_id.to_bytes(4, "big") + payload


@dataclass(frozen=True)
class Frame:
    """A frame that the server sent."""

    kind: int
    flags: int
    stream_id: int
    payload: bytes

    @property
    def code(self) -> int:
        """The error code of a RST_STREAM or GOAWAY frame."""
        return int.from_bytes(self.payload[4 * (self.kind == GOAWAY) :][:4], "big")

    @property
    def last_stream_id(self) -> int:
        """What a GOAWAY frame says."""
        return int.from_bytes(self.payload[:4], "big")


class Line:
    """A connection on which frames are said and read as they are."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, *data: bytes) -> None:
        self.writer.write(b"".join(data))
        await self.writer.drain()

    async def greet(self, settings: bytes = b"") -> None:
        """Exchange prefaces."""
        await self.send(PREFACE, frame(SETTINGS, 0, 0, settings))
        while (got := await self.frame()) is not None and got.kind != SETTINGS:
            pass
        await self.send(frame(SETTINGS, ACK, 0))

    async def frame(self) -> Frame | None:
        """Return the next frame; None at the end of the stream."""
        try:
            head = await asyncio.wait_for(self.reader.readexactly(9), TIMEOUT)
            payload = await asyncio.wait_for(
                self.reader.readexactly(int.from_bytes(head[:3], "big")), TIMEOUT
            )
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        return Frame(head[3], head[4], int.from_bytes(head[5:9], "big"), payload)

    async def until(self, kind: int, stream_id: int | None = None) -> Frame:
        """Return the next frame of *kind*, on *stream_id* if that is given."""
        while (got := await self.frame()) is not None:
            if got.kind == kind and stream_id in {None, got.stream_id}:
                return got
        raise AssertionError("the connection ended")

    async def until_close(self) -> list[Frame]:
        """Return whatever comes until the server closes."""
        frames = []
        while (got := await self.frame()) is not None:
            frames.append(got)
        return frames

    async def alive(self) -> bool:
        """Return whether a PING is answered, after whatever else comes."""
        await self.send(frame(PING, 0, 0, b"alive..?"))
        while (got := await self.frame()) is not None:
            if got.kind == PING and got.payload == b"alive..?":
                return True
        return False

    def vanish(self) -> None:
        """Be gone without a word."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()


class Peer(Line):
    """A client that keeps to the rules, and knows when the server does not.

    Attributes:
        client: Its protocol.
        closed: The server has closed.
    """

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, client: Client
    ) -> None:
        super().__init__(reader, writer)
        self.client = client
        self.closed = False

    async def flush(self) -> None:
        await self.send(self.client.wire())

    async def step(self) -> None:
        """Say what there is to say, read what has come."""
        await self.flush()
        data = await asyncio.wait_for(self.reader.read(65536), TIMEOUT)
        self.closed = not data
        self.client.receive(data)
        await self.flush()

    async def until_true(self, condition: Callable[[], object]) -> None:
        """Go on until *condition* holds."""
        await self.flush()
        while not condition():
            assert not self.closed, "the connection ended"
            await self.step()

    async def reply(self, stream_id: int) -> Reply:
        """Return the response on *stream_id* once it is over."""
        reply = self.client.replies[stream_id]
        await self.until_true(lambda: reply.over)
        return reply

    async def ask(self, path: str = "/", **request: object) -> Reply:
        """Send a request, return its response."""
        return await self.reply(self.client.request(path, **request))


@contextlib.asynccontextmanager
async def lined(server: Server) -> AsyncIterator[Line]:
    """Connect to *server* and exchange prefaces."""
    line = Line(*await asyncio.open_connection("127.0.0.1", server.port))
    try:
        await line.greet()
        yield line
    finally:
        await line.close()


@contextlib.asynccontextmanager
async def connected(
    server: Server, client: Client | None = None, *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Peer]:
    """Connect to *server* and exchange prefaces."""
    name = "localhost" if tls else None
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", server.port, ssl=tls, server_hostname=name
    )
    peer = Peer(reader, writer, client or Client())
    try:
        await peer.until_true(lambda: peer.client.settings)
        yield peer
    finally:
        await peer.close()


@contextlib.asynccontextmanager
async def line(app: object | None = None, **settings: object) -> AsyncIterator[Line]:
    """Serve *app* and connect to it."""
    async with serving(app or App(), **settings) as server, lined(server) as made:
        yield made


@contextlib.asynccontextmanager
async def conversation(
    app: object | None = None, client: Client | None = None, **settings: object
) -> AsyncIterator[Peer]:
    """Serve *app* and connect to it with a client that keeps to the rules."""
    async with serving(app or App(), **settings) as server, connected(server, client) as peer:
        yield peer
