"""A server for one test, and a client that says exactly what it is told and reads with h11."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import h11

from blackbull.config import Settings
from blackbull.connection import Connection
from blackbull.native import NativeHandler, Receive, RequestBody, Send
from blackbull.response import Response
from blackbull.server import Server

Answer: TypeAlias = Response | NativeHandler
TIMEOUT = 10.0
"""Seconds after which a client gives up: far more than any test waits for."""


class App:
    """A native application: a path to a response, or to a handler that makes one.

    What is not listed is answered 200 with the method and the path.

    Attributes:
        seen: Every request that reached the application, in order.
    """

    def __init__(self, answers: dict[str, Answer | Callable[[Connection], Answer]] | None = None):
        self.answers = answers or {}
        self.seen: list[Connection] = []

    def begin(self, conn: Connection) -> Answer:
        self.seen.append(conn)
        answer = self.answers.get(conn.path)
        if answer is None:
            return Response(f"{conn.method} {conn.path}", content_type="text/plain")
        return answer

    async def __call__(self, conn: Connection, receive: Receive, send: Send) -> None:
        answer = self.begin(conn)
        if isinstance(answer, Response):
            await send(answer)
        else:
            await answer(conn, receive, send)

    async def startup(self) -> None:
        """Nothing has to be prepared."""

    async def stopping(self) -> None:
        """Nothing goes on for ever."""

    async def shutdown(self) -> None:
        """Nothing has to be released."""

    @property
    def paths(self) -> list[str]:
        return [conn.path for conn in self.seen]


async def echo(conn: Connection, receive: Receive, send: Send) -> None:
    """Answer with the content of the request, once it has all arrived."""
    parts = []
    while isinstance(message := await receive(), RequestBody):
        parts.append(message.data)
        if not message.more:
            await send(Response(b"".join(parts), content_type="application/octet-stream"))
            return


@contextlib.asynccontextmanager
async def serving(app: object, **settings: object) -> AsyncIterator[Server]:
    """Serve *app* on a free port of the loopback."""
    server = Server(app, settings=Settings(port=0, **settings))
    await server.start()
    try:
        yield server
    finally:
        await server.stop(0.5)


@dataclass
class Reply:
    """A response as h11 understood it.

    Attributes:
        interim: The statuses of the 1xx responses before it.
    """

    status: int
    fields: list[tuple[bytes, bytes]]
    body: bytes = b""
    trailers: list[tuple[bytes, bytes]] = field(default_factory=list)
    interim: list[h11.InformationalResponse] = field(default_factory=list)
    version: bytes = b""

    def __getitem__(self, name: str) -> bytes:
        values = self.values(name)
        assert len(values) == 1, f"{name}: {values}"
        return values[0]

    def __contains__(self, name: str) -> bool:
        return bool(self.values(name))

    def values(self, name: str) -> list[bytes]:
        return [value for key, value in self.fields if key == name.lower().encode()]


class Peer:
    """A client on a socket. Every response is read by a fresh h11 connection.

    Attributes:
        rest: What was read from the socket and belongs to no response yet.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.rest = b""

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def half_close(self) -> None:
        """Say that nothing more will come, and keep reading."""
        self.writer.write_eof()

    def reset(self) -> None:
        """Vanish: the server is told at once, by a reset."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def read(self) -> bytes:
        data, self.rest = self.rest, b""
        return data or await asyncio.wait_for(self.reader.read(65536), TIMEOUT)

    async def exactly(self, n: int) -> bytes:
        """Return the next *n* bytes."""
        while len(self.rest) < n:
            more = await asyncio.wait_for(self.reader.read(65536), TIMEOUT)
            assert more, f"the connection ended after {self.rest!r}"
            self.rest += more
        data, self.rest = self.rest[:n], self.rest[n:]
        return data

    async def until_close(self) -> bytes:
        """Return whatever comes until the server closes."""
        data, self.rest = self.rest, b""
        return data + await asyncio.wait_for(self.reader.read(), TIMEOUT)

    async def closed(self) -> bool:
        """Wait until the server closes; False if it says something more first."""
        return await self.until_close() == b""

    async def reply(self, method: str = "GET", *, version: str = "1.1") -> Reply:
        """Read one response to a request with *method*.

        Raises:
            h11.RemoteProtocolError: the response is malformed or cut off.
        """
        machine = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
        machine.send(h11.Request(method=method, target="/", headers=[("host", "a")]))
        machine.send(h11.EndOfMessage())
        interim: list[h11.InformationalResponse] = []
        made: Reply | None = None
        while True:
            event = machine.next_event()
            if event is h11.NEED_DATA:
                machine.receive_data(await self.read())
            elif isinstance(event, h11.InformationalResponse):
                interim.append(event)
            elif isinstance(event, h11.Response):
                made = Reply(event.status_code, list(event.headers), interim=interim)
                made.version = event.http_version
            elif isinstance(event, h11.Data) and made is not None:
                made.body += event.data
            elif isinstance(event, h11.EndOfMessage) and made is not None:
                made.trailers = list(event.headers)
                self.rest = machine.trailing_data[0] + self.rest
                return made
            else:
                raise h11.RemoteProtocolError(f"the connection ended in {made}: {event}")

    async def ask(self, data: bytes, method: str = "GET") -> Reply:
        """Send *data*, read one response."""
        await self.send(data)
        return await self.reply(method)

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()


@contextlib.asynccontextmanager
async def connected(server: Server) -> AsyncIterator[Peer]:
    """Connect to *server*."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    peer = Peer(reader, writer)
    try:
        yield peer
    finally:
        await peer.close()


@contextlib.asynccontextmanager
async def conversation(app: object | None = None, **settings: object) -> AsyncIterator[Peer]:
    """Serve *app* and connect to it."""
    async with serving(app or App(), **settings) as server, connected(server) as peer:
        yield peer


async def refused(data: bytes, *, app: App | None = None, **settings: object) -> Reply:
    """Return the refusal of *data*: nothing of it reached the application, and it was closed."""
    app = app or App()
    async with conversation(app, **settings) as peer:
        reply = await peer.ask(data)
        assert reply["connection"] == b"close"
        assert await peer.closed()
    assert app.seen == []
    return reply
