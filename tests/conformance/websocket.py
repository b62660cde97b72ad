"""A WebSocket server for one test, and a client that sends exactly the frames it is told to."""

from __future__ import annotations

import asyncio
import contextlib
import os
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass

from blackbull.connection import Connection
from blackbull.messages import (
    WebSocketAccept,
    WebSocketConnect,
    WebSocketDisconnected,
    WebSocketMessage,
)
from blackbull.native import NativeHandler
from tests.conformance.peer import App, Peer, Reply, connected, serving

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
FIN, RSV1, RSV2, RSV3 = 0x80, 0x40, 0x20, 0x10


def asking(path: str = "/", *lines: str, key: str = KEY, version: str = "13") -> bytes:
    """Return an opening handshake with further *lines*."""
    head = [
        f"GET {path} HTTP/1.1", "Host: example.test", "Upgrade: websocket",
        "Connection: keep-alive, Upgrade", f"Sec-WebSocket-Key: {key}",
        f"Sec-WebSocket-Version: {version}", *lines, "", "",
    ]  # fmt: skip
    return "\r\n".join(head).encode()


def frame(
    opcode: int,
    payload: bytes | str = b"",
    *,
    fin: bool = True,
    rsv: int = 0,
    mask: bytes | None = b"\x37\xfa\x21\x3d",
    length: bytes | None = None,
) -> bytes:
    """Return a client's frame, however wrong.

    Args:
        opcode: The opcode.
        payload: Not masked yet.
        fin: Whether the FIN bit is set.
        rsv: The reserved bits.
        mask: The key; None leaves the frame unmasked.
        length: The extended length field, where it is not to be the right one.
    """
    payload = payload.encode() if isinstance(payload, str) else payload
    size = len(payload)
    if length is not None:
        short, extended = (126 if len(length) == 2 else 127), length
    elif size < 126:
        short, extended = size, b""
    elif size < 65536:
        short, extended = 126, struct.pack("!H", size)
    else:
        short, extended = 127, struct.pack("!Q", size)
    head = bytes((opcode | rsv | (FIN if fin else 0), short | (0 if mask is None else 0x80)))
    if mask is None:
        return head + extended + payload
    stream = (mask * (size // 4 + 1))[:size]
    return head + extended + mask + bytes(a ^ b for a, b in zip(payload, stream, strict=True))


def close(code: int | None = 1000, reason: bytes | str = b"") -> bytes:
    """Return a client's close frame."""
    reason = reason.encode() if isinstance(reason, str) else reason
    return frame(CLOSE, b"" if code is None else struct.pack("!H", code) + reason)


@dataclass(frozen=True)
class Frame:
    """A frame of the server."""

    opcode: int
    payload: bytes
    fin: bool = True
    rsv: int = 0

    @property
    def code(self) -> int:
        """The close code; 1005 for none."""
        assert self.opcode == CLOSE
        return struct.unpack("!H", self.payload[:2])[0] if self.payload else 1005

    @property
    def reason(self) -> str:
        return self.payload[2:].decode()


class Client:
    """The client's side of an open WebSocket."""

    def __init__(self, peer: Peer, answer: bytes) -> None:
        self.peer = peer
        self.answer = answer

    def field(self, name: str) -> list[str]:
        """Return the values of a field of the server's answer to the handshake."""
        lines = self.answer.decode().split("\r\n")[1:]
        pairs = [line.partition(":") for line in lines if line]
        return [value.strip() for key, _, value in pairs if key.lower() == name.lower()]

    async def send(self, *frames: bytes) -> None:
        await self.peer.send(b"".join(frames))

    async def say(self, *messages: str | bytes) -> None:
        """Send whole messages in one write."""
        await self.send(*(frame(TEXT if isinstance(m, str) else BINARY, m) for m in messages))

    async def frame(self) -> Frame:
        """Return the server's next frame; it is not masked, and its length is minimal."""
        first, short = await self.peer.exactly(2)
        assert not short & 0x80, "a server's frame is masked (RFC 6455 §5.1)"
        size = short
        if short == 126:
            size = int.from_bytes(await self.peer.exactly(2), "big")
            assert size > 125
        elif short == 127:
            size = int.from_bytes(await self.peer.exactly(8), "big")
            assert size > 65535
        payload = await self.peer.exactly(size)
        return Frame(first & 15, payload, bool(first & FIN), first & 0x70)

    async def hear(self) -> str | bytes:
        """Return the server's next message, which comes in one frame."""
        got = await self.frame()
        assert got.fin
        assert got.opcode in {TEXT, BINARY}, got
        assert not got.rsv
        return got.payload.decode() if got.opcode == TEXT else got.payload

    async def ended(self) -> Frame:
        """Return the server's close, after which it closes the connection."""
        got = await self.frame()
        assert got.opcode == CLOSE, got
        assert await self.peer.until_close() == b""
        return got

    async def gone(self) -> bool:
        """Wait until the server is gone without a word."""
        with contextlib.suppress(ConnectionError):
            return await self.peer.until_close() == b""
        return True

    async def fails(self, code: int) -> Frame:
        """Wait for the server to fail the connection with *code*."""
        got = await self.ended()
        assert got.code == code, got
        return got


class Handler:
    """Accepts, then echoes; remembers everything that it received.

    Attributes:
        events: What ``receive`` returned.
        ended: Set when the handler has ended.
    """

    def __init__(self, accept: WebSocketAccept | None = None) -> None:
        self.accept = accept or WebSocketAccept()
        self.events: list[object] = []
        self.ended = asyncio.Event()

    async def __call__(self, conn: Connection, receive: object, send: object) -> None:
        try:
            await self.serve(conn, receive, send)
        finally:
            self.ended.set()

    async def serve(self, conn: Connection, receive: object, send: object) -> None:
        event = await receive()
        assert isinstance(event, WebSocketConnect)
        await send(self.accept)
        while True:
            event = await receive()
            self.events.append(event)
            if isinstance(event, WebSocketDisconnected):
                return
            await send(event)

    @property
    def messages(self) -> list[str | bytes | None]:
        return [e.data if e.text is None else e.text for e in self.events
                if isinstance(e, WebSocketMessage)]  # fmt: skip

    async def disconnected(self) -> WebSocketDisconnected:
        """Wait for the handler's end; return how it was told of the WebSocket's."""
        await asyncio.wait_for(self.ended.wait(), 10)
        last = self.events[-1]
        assert isinstance(last, WebSocketDisconnected)
        return last


async def open_client(peer: Peer, *lines: str, early: bytes = b"", path: str = "/") -> Client:
    """Open a WebSocket on *peer*; *early* is sent with the handshake."""
    await peer.send(asking(path, *lines) + early)
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        answer += await peer.exactly(1)
    assert answer.startswith(b"HTTP/1.1 101 "), answer
    return Client(peer, answer)


@contextlib.asynccontextmanager
async def talking(
    handler: NativeHandler | None = None, *lines: str, **settings: object
) -> AsyncIterator[Client]:
    """Serve *handler*, which echoes if None, and open a WebSocket to it."""
    async with (
        serving(App({"/": handler or Handler()}), **settings) as server,
        connected(server) as peer,
    ):
        yield await open_client(peer, *lines)


async def failing(
    *frames: bytes, code: int, lines: tuple[str, ...] = (), **settings: object
) -> None:
    """Check that *frames* fail the connection with *code*, whole and byte by byte."""
    handler = Handler()
    async with talking(handler, *lines, **settings) as client:
        await client.send(*frames)
        await client.fails(code)
        assert (await handler.disconnected()).code == code
    async with talking(None, *lines, **settings) as client:
        for octet in b"".join(frames):
            await client.send(bytes((octet,)))
        with contextlib.suppress(ConnectionError):
            while (got := await client.frame()).opcode != CLOSE:
                pass
            assert got.code == code


async def refused(wire: bytes, handler: NativeHandler | None = None, **settings: object) -> Reply:
    """Return the HTTP response to a handshake that is not accepted."""
    app = App({"/": handler or Handler()})
    async with serving(app, **settings) as server, connected(server) as peer:
        return await peer.ask(wire)


def key() -> bytes:
    """Return a fresh mask."""
    return os.urandom(4)
