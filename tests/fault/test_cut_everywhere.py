"""Peers that go at every byte of what they say, by a reset or by an end: nothing of them is left,
nobody is told of it by a traceback, and the next one is served.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from blackbull import BlackBull, Connection
from blackbull.abc import ProtocolContext, Reader, Writer
from blackbull.mqtt import MQTTExtension
from blackbull.mqtt.messages import (
    MQTTConnect,
    MQTTDisconnect,
    MQTTPublish,
    MQTTSubscribe,
    encode_packet,
)
from blackbull.mqtt.settings import MQTTSettings
from blackbull.response import StreamingResponse
from blackbull.utils import Scheme
from blackbull.websocket import WebSocket
from tests.certificates import Authority, MemoryClient
from tests.conformance.http2 import (
    DATA,
    END_HEADERS,
    END_STREAM,
    GET,
    HEADERS,
    PING,
    PREFACE,
    SETTINGS,
)
from tests.conformance.http2 import POST as POST_BLOCK
from tests.conformance.http2 import frame as http2_frame
from tests.conformance.websocket import BINARY, TEXT
from tests.conformance.websocket import PING as WS_PING
from tests.conformance.websocket import close as ws_close
from tests.conformance.websocket import frame as ws_frame
from tests.serving import WAIT, Serving, until

UPGRADE = (
    b"GET /ws HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"sec-websocket-extensions: permessage-deflate\r\n\r\n"
)
WIRES = {
    "get": b"GET /wait HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n",
    "post": b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 20\r\n\r\n" + b"x" * 20,
    "expect": b"POST /parts HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\n"
    b"content-length: 9\r\n\r\n" + b"x" * 9,
    "chunked": b"POST /parts HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
    b"5;a=b\r\nhello\r\n3\r\nyou\r\n0\r\nx: y\r\n\r\n",
    "stream": b"GET /stream HTTP/1.1\r\nhost: a\r\n\r\nGET /stream HTTP/1.1\r\nhost: a\r\n\r\n",
    "http2": PREFACE
    + http2_frame(SETTINGS, 0, 0)
    + http2_frame(HEADERS, END_STREAM | END_HEADERS, 1, GET)
    + http2_frame(HEADERS, END_HEADERS, 3, POST_BLOCK)
    + http2_frame(PING, 0, 0, bytes(8))
    + http2_frame(DATA, END_STREAM, 3, b"x" * 9),
    "websocket": UPGRADE
    + ws_frame(TEXT, "one")
    + ws_frame(TEXT, "two", fin=False)
    + ws_frame(WS_PING, b"!")
    + ws_frame(0, "parts")
    + ws_frame(BINARY, bytes(130))
    + ws_close(),
}
MQTT = {
    f"mqtt-{level}": b"".join(
        encode_packet(packet, level=level)
        for packet in (
            MQTTConnect("c" * 5, keep_alive=60, proto_level=level, will_topic="w",
                        will_payload=b"gone"),
            MQTTSubscribe(1, [("a/#", 2)]),
            MQTTPublish("a/b", b"0", 0, None),
            MQTTPublish("a/b", b"1", 1, 2),
            MQTTPublish("a/b", b"2" * 130, 2, 3),
            MQTTDisconnect(),
        )
    )
    for level in (4, 5)
}  # fmt: skip
RAW = b"an echo of this"


def application() -> BlackBull:
    """Return something of everything."""
    app = BlackBull()
    app.add_extension(MQTTExtension(port=0, settings=MQTTSettings(sys_interval=0)))

    @app.route(path="/", methods=["GET", "POST"])
    def index() -> str:
        return "here"

    @app.route(path="/wait")
    async def wait() -> str:
        await asyncio.sleep(0.01)
        return "waited"

    @app.route(path="/echo", methods=["POST"])
    async def echo(conn: Connection) -> bytes:
        return await conn.body()

    @app.route(path="/parts", methods=["POST"])
    async def parts(conn: Connection) -> str:
        return str(sum([len(part) async for part in conn.stream()]))

    @app.route(path="/stream")
    async def stream() -> StreamingResponse:
        async def items() -> AsyncIterator[bytes]:
            for _ in range(3):
                yield b"part"
                await asyncio.sleep(0.001)

        return StreamingResponse(items())

    @app.route(path="/ws", scheme=Scheme.websocket)
    async def websocket(ws: WebSocket) -> None:
        await ws.accept()
        async for message in ws:
            await ws.send(message)

    async def raw(reader: Reader, writer: Writer, ctx: ProtocolContext) -> None:
        while data := await reader.read(65536):
            await writer.write(data)

    app.register_protocol_handler("raw", raw, port=0)
    return app


@pytest.fixture(params=["asyncio", "uvloop"])
def loop(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@contextmanager
def serving(loop: str, caplog: pytest.LogCaptureFixture, **settings: object) -> Iterator[Serving]:
    """Serve; at the end nothing is left of whoever was there, and no traceback was written."""
    caplog.set_level(logging.INFO)
    with Serving(application(), loop, **settings) as server:
        files, tasks = len(os.listdir("/proc/self/fd")), server.call(running)
        yield server
        until(lambda: not server.server.connections)
        until(lambda: not server.server.tls.handshakes)
        until(lambda: server.call(running) == tasks)
        until(lambda: len(os.listdir("/proc/self/fd")) == files)
    for record in caplog.records:
        assert record.levelno < logging.ERROR, record.getMessage()
        assert not record.exc_info


def running() -> int:
    return len(asyncio.all_tasks())


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=WAIT)


def reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def ended(sock: socket.socket) -> None:
    """Say no more, and read until the server has nothing more to say either."""
    with sock, contextlib.suppress(ConnectionError):
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(65536):
            pass


def wires() -> Iterator[tuple[str, bytes]]:
    yield from WIRES.items()
    yield from MQTT.items()
    yield "raw", RAW


def port_of(server: Serving, name: str) -> int:
    return server.port("mqtt" if "mqtt" in name else "raw" if name == "raw" else "http")


def served(server: Serving) -> None:
    """Everything is as if nothing had been."""
    with connect(server.port()) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        assert sock.makefile("rb").read().endswith(b"here")
    with connect(server.port("mqtt")) as sock:
        sock.sendall(encode_packet(MQTTConnect("after"), level=5))
        assert sock.recv(65536)[0] == 0x20


@pytest.mark.parametrize("when", ["at once", "after it was read"])
def test_reset_at_every_byte_leaves_nothing(
    loop: str, when: str, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(loop, caplog) as server:
        for name, wire in wires():
            port = port_of(server, name)
            peers = []
            for end in range(len(wire) + 1):
                peers.append(connect(port))
                peers[-1].sendall(wire[:end])
                if when == "at once":
                    reset(peers.pop())
            for _ in range(3):
                server.call(lambda: None)
            for peer in peers:
                reset(peer)
        served(server)


def test_end_at_every_byte_is_answered_and_leaves_nothing(
    loop: str, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(loop, caplog) as server:
        for name, wire in wires():
            port = port_of(server, name)
            peers = [connect(port) for _ in range(len(wire) + 1)]
            for end, peer in enumerate(peers):
                peer.sendall(wire[:end])
            for peer in peers:
                ended(peer)
        served(server)


class Cut(Exception):
    """The client has sent as much as it was to send."""


class TLSClient:
    """A client whose bytes on the wire end after *end*.

    Attributes:
        sent: How many there were.
    """

    def __init__(self, port: int, context: ssl.SSLContext, end: int) -> None:
        self.sock = connect(port)
        self.sent = 0
        self._end = end
        self._client = MemoryClient(context, self._send)

    def talk(self, wire: bytes) -> None:
        """Shake hands, say *wire* and leave with close_notify.

        Raises:
            Cut: before the end of it.
        """
        self._client.start()
        while not self._client.ready:
            self._client.hear(self.sock.recv(65536))
        self._client.say(wire)
        self._client.finish()

    def _send(self, data: bytes) -> None:
        data = data[: self._end - self.sent]
        self.sock.sendall(data)
        self.sent += len(data)
        if self.sent == self._end:
            raise Cut


@pytest.mark.parametrize("leave", [reset, ended])
@pytest.mark.parametrize(("name", "alpn"), [("post", "http/1.1"), ("http2", "h2")])
def test_tls_cut_at_every_byte_leaves_nothing(
    leave: Callable[[socket.socket], None],
    name: str,
    alpn: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    authority = Authority(tmp_path)
    context = authority.client_context(alpn=[alpn])
    with serving("uvloop", caplog, certfile=authority.issue()) as server:
        whole = TLSClient(server.port(), context, 1 << 20)
        whole.talk(WIRES[name])
        leave(whole.sock)
        peers = []
        for end in range(1, whole.sent + 1):
            peer = TLSClient(server.port(), context, end)
            with contextlib.suppress(Cut):
                peer.talk(WIRES[name])
            peers.append(peer.sock)
        for sock in peers:
            leave(sock)
        until(lambda: not server.server.connections)
        whole = TLSClient(server.port(), context, 1 << 20)
        whole.talk(WIRES[name])
        assert whole.sock.recv(1)
        whole.sock.close()
