"""Peers that vanish without a word: their machine acknowledges nothing, sends nothing, for ever."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from blackbull import BlackBull, Connection
from blackbull.abc import ProtocolContext, Reader, Writer
from blackbull.errors import TransportError
from blackbull.mqtt import MQTTExtension
from blackbull.mqtt.messages import MQTTConnect, encode_packet
from blackbull.mqtt.settings import MQTTSettings
from blackbull.response import EventSourceResponse, Response
from blackbull.utils import Scheme
from blackbull.websocket import WebSocket
from tests.certificates import Authority
from tests.conformance.http2 import PREFACE, SETTINGS
from tests.conformance.http2 import frame as http2_frame
from tests.serving import WAIT, Serving, until

SO_ATTACH_FILTER = 26
NOBODY = struct.pack("HBBI", 0x06, 0, 0, 0)
"""The program "take nothing of any packet"."""

Receive = Callable[[], Awaitable[object]]

GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
UPGRADE = (
    b"GET /ws HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
LIMITS = dict.fromkeys(
    ("keep_alive_timeout", "header_timeout", "body_timeout", "write_timeout", "ws_idle_timeout",
     "ws_pong_timeout", "ws_close_timeout", "h2_idle_timeout", "h2_ping_timeout"),
    0.2,
)  # fmt: skip


def vanish(sock: socket.socket) -> None:
    """Let nothing that is sent to *sock* reach it, so that its system answers nothing."""
    program = ctypes.create_string_buffer(NOBODY)
    filtered = struct.pack("HL", 1, ctypes.addressof(program))
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, filtered)


class House:
    """An application, and what its handlers have come to.

    Attributes:
        ended: The paths whose handlers ended because their client has gone.
    """

    def __init__(self) -> None:
        self.ended: set[str] = set()
        self.app = app = BlackBull()
        app.add_extension(MQTTExtension(port=0, settings=MQTTSettings(sys_interval=0)))
        app.register_protocol_handler("raw", self.raw, port=0)

        @app.route(path="/", methods=["GET", "POST"])
        async def index(conn: Connection) -> str:
            return str(len(await conn.body()))

        @app.route(path="/large")
        def large() -> Response:
            return Response(bytes(32 << 20))

        @app.route(path="/wait")
        async def wait(scope: object, receive: Receive, send: object) -> None:
            with self.watched("/wait"):
                await receive()
                assert await receive() == {"type": "http.disconnect"}

        @app.route(path="/events")
        async def events() -> EventSourceResponse:
            return EventSourceResponse(self.events())

        @app.route(path="/ws", scheme=Scheme.websocket)
        async def echo(ws: WebSocket) -> None:
            await ws.accept()
            async for message in ws:
                await ws.send(message)

    @contextlib.contextmanager
    def watched(self, what: str) -> Iterator[None]:
        try:
            yield
        finally:
            self.ended.add(what)

    async def events(self) -> AsyncIterator[str]:
        with self.watched("/events"):
            while True:
                yield "still here"
                await asyncio.sleep(0.05)

    async def raw(self, reader: Reader, writer: Writer, ctx: ProtocolContext) -> None:
        with self.watched("raw"), contextlib.suppress(TransportError):
            await writer.write(b"hello")
            await reader.read(100)


@pytest.fixture(params=["asyncio", "uvloop"])
def loop(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(autouse=True)
def no_tracebacks(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.INFO)
    yield
    assert not [record for record in caplog.records if record.exc_info]


class Vanished:
    """Clients that said something, heard the answer, and have vanished."""

    def __init__(self) -> None:
        self._socks: list[socket.socket] = []

    def __enter__(self) -> Vanished:
        return self

    def __exit__(self, *_: object) -> None:
        for sock in self._socks:
            sock.close()

    def add(self, port: int, said: bytes, expected: bytes = b"", then: bytes = b"") -> None:
        sock = socket.create_connection(("127.0.0.1", port), timeout=WAIT)
        self._socks.append(sock)
        sock.sendall(said)
        got = b""
        while expected not in got:
            got += sock.recv(100)
            assert got
        sock.sendall(then)
        vanish(sock)


def test_every_wait_for_a_client_that_vanished_ends(loop: str) -> None:
    house = House()
    connect = encode_packet(MQTTConnect("c", keep_alive=1), level=5)
    with Serving(house.app, loop, **LIMITS) as serving, Vanished() as clients:
        http, mqtt = serving.port(), serving.port("mqtt")
        clients.add(http, b"")
        clients.add(http, GET, b"200")
        clients.add(http, GET, b"200", GET[:10])
        clients.add(http, b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nabc")
        clients.add(http, GET.replace(b"/ ", b"/large "), b"200")
        clients.add(http, UPGRADE, b"\r\n\r\n")
        clients.add(http, PREFACE + http2_frame(SETTINGS, 0, 0), http2_frame(SETTINGS, 1, 0))
        clients.add(mqtt, connect, b"\x20")
        until(lambda: not serving.server.connections)
        until(lambda: not serving.server.runner.tasks)


def test_tls_client_that_vanished_is_closed(loop: str, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    context = authority.client_context()
    with Serving(House().app, loop, certfile=authority.issue(), **LIMITS) as serving:
        silent = socket.create_connection(("127.0.0.1", serving.port()), timeout=WAIT)
        vanish(silent)
        plain = socket.create_connection(("127.0.0.1", serving.port()), timeout=WAIT)
        with context.wrap_socket(plain, server_hostname="localhost") as idle:
            idle.sendall(GET)
            assert idle.recv(100).startswith(b"HTTP/1.1 200 ")
            vanish(idle)
            until(lambda: not serving.server.connections)
            until(lambda: not serving.server.tls.handshakes)
        silent.close()


def test_handlers_are_told_of_a_client_that_vanished_when_the_system_is(loop: str) -> None:
    """They wait for nothing that has a timeout of ours."""
    house = House()
    with (
        Serving(house.app, loop, tcp_user_timeout_ms=1000) as serving,
        Vanished() as clients,
    ):
        clients.add(serving.port("raw"), b"", b"hello")
        clients.add(serving.port(), GET.replace(b"/ ", b"/wait "))
        clients.add(serving.port(), GET.replace(b"/ ", b"/events "), b"still")
        until(lambda: house.ended == {"raw", "/wait", "/events"})
        until(lambda: not serving.server.connections)
