"""WebSockets within an HTTP/2 connection: RFC 8441."""

from __future__ import annotations

import asyncio

import pytest
from h2.errors import ErrorCodes
from h2.settings import SettingCodes
from wsproto.connection import Connection as WebSocketPeer
from wsproto.connection import ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Message, Ping, Pong, TextMessage

from blackbull import BlackBull
from blackbull.connection import Connection
from blackbull.messages import (
    WebSocketAccept,
    WebSocketClose,
    WebSocketConnect,
    WebSocketDisconnected,
    WebSocketMessage,
)
from blackbull.native import Receive, Send
from blackbull.response import Response
from blackbull.utils import Scheme
from blackbull.websocket import WebSocket
from tests.fault.caps import caps
from tests.http2_peer import Client, Reply
from tests.spec import spec
from tests.unit.server.bindings.http2_talk import App, Talk

VERSION = [(b"sec-websocket-version", b"13")]


def connect(
    talk: Talk,
    path: str = "/ws",
    *,
    protocol: bytes = b"websocket",
    fields: list[tuple[bytes, bytes]] | None = None,
    end: bool = False,
) -> int:
    """Ask for a tunnel; return its stream."""
    head = [
        (b":method", b"CONNECT"),
        (b":protocol", protocol),
        (b":scheme", b"http"),
        (b":path", path.encode()),
        (b":authority", b"a"),
        *(VERSION if fields is None else fields),
    ]
    stream_id = talk.client.h2.get_next_available_stream_id()
    talk.client.h2.send_headers(stream_id, head, end_stream=end)
    talk.client.replies[stream_id] = Reply()
    return stream_id


class Socket:
    """A WebSocket of the client's: wsproto's frames on a stream."""

    def __init__(self, talk: Talk, path: str = "/ws", **options: object) -> None:
        self.talk = talk
        self.stream = connect(talk, path, **options)
        self.peer = WebSocketPeer(ConnectionType.CLIENT)
        self.events: list[Event] = []
        self.seen = 0

    @property
    def reply(self) -> object:
        return self.talk.client.replies[self.stream]

    async def open(self) -> Socket:
        await self.talk.until(lambda: self.talk.client.replies[self.stream].status)
        assert self.talk.client.replies[self.stream].status == 200
        return self

    def send(self, event: Event) -> None:
        self.talk.client.data(self.stream, self.peer.send(event))

    async def receive(self) -> Event:
        """Return the next event."""

        def read() -> bool:
            body = self.talk.client.replies[self.stream].body
            if len(body) > self.seen:
                self.peer.receive_data(body[self.seen :])
                self.seen = len(body)
                self.events += self.peer.events()
            return bool(self.events)

        await self.talk.until(read)
        return self.events.pop(0)


def framework() -> BlackBull:
    app = BlackBull()

    @app.route(path="/ws", scheme=Scheme.websocket)
    async def echo(ws: WebSocket) -> None:
        await ws.accept()
        async for message in ws:
            await ws.send(message)

    @app.route(path="/refuses", scheme=Scheme.websocket)
    async def refuses(ws: WebSocket) -> None:
        await ws.deny(Response("not you", 403))

    return app


async def begin(app: object | None = None, **settings: object) -> Talk:
    settings.setdefault("h2_enable_websocket", True)
    return await Talk(app or framework(), **settings).begin()


@spec("RFC 8441 §3")
async def test_extended_connect_is_announced_only_where_it_is_wanted() -> None:
    """S27."""
    talk = await begin(h2_enable_websocket=False)
    assert SettingCodes.ENABLE_CONNECT_PROTOCOL not in talk.client.settings
    stream = connect(talk)
    talk.exchange()
    assert talk.client.replies[stream].reset == ErrorCodes.PROTOCOL_ERROR
    talk.end()
    talk = await begin()
    assert talk.client.settings[SettingCodes.ENABLE_CONNECT_PROTOCOL] == 1
    talk.end()


@spec("RFC 8441 §5", "RFC 8441 §5.1")
async def test_websocket_on_a_stream_echoes() -> None:
    """S27."""
    talk = await begin()
    socket = await Socket(talk).open()
    for event in (TextMessage("hello"), BytesMessage(b"\0\1"), Ping(b"x")):
        socket.send(event)
    answers = [await socket.receive() for _ in range(3)]
    assert [type(a) for a in answers if isinstance(a, Pong)] == [Pong]
    assert {a.data for a in answers if isinstance(a, Message)} == {"hello", b"\0\1"}
    assert (await talk.ask("/nothing")).status == 404
    socket.send(CloseConnection(1000))
    answer = await socket.receive()
    assert isinstance(answer, CloseConnection)
    assert answer.code == 1000
    await talk.until(lambda: talk.client.replies[socket.stream].ended)
    talk.client.data(socket.stream, b"", end=True)
    talk.exchange()
    assert not talk.driver.machine.active
    assert talk.driver.tunnels.open == {}
    talk.end()


async def test_several_websockets_share_a_connection_up_to_a_limit(
    caplog: pytest.LogCaptureFixture,
) -> None:
    talk = await begin(h2_max_websockets=3)
    sockets = [await Socket(talk).open() for _ in range(3)]
    for i, socket in enumerate(sockets):
        socket.send(TextMessage(str(i)))
    assert [(await socket.receive()).data for socket in sockets] == ["0", "1", "2"]
    late = connect(talk)
    talk.exchange()
    assert talk.client.replies[late].reset == ErrorCodes.REFUSED_STREAM
    assert caps(caplog) == ["h2_max_websockets"]
    sockets[0].send(CloseConnection(1000))
    await sockets[0].receive()
    await Socket(talk).open()
    talk.end()
    await asyncio.sleep(0)


async def test_bytes_that_wait_for_a_handler_are_not_kept_in_as_many_objects() -> None:
    go_on = asyncio.Event()
    app = BlackBull()

    @app.route(path="/ws", scheme=Scheme.websocket)
    async def late(ws: WebSocket) -> None:
        await ws.accept()
        await go_on.wait()
        await ws.send(str(len(await ws.receive())))

    talk = await begin(app, ws_queue_depth=0)
    socket = await Socket(talk).open()
    wire = socket.peer.send(TextMessage("x" * 6000))
    tunnel = talk.driver.tunnels.open[socket.stream]
    for at, byte in enumerate(wire):
        talk.client.data(socket.stream, bytes((byte,)))
        if not at % 200:
            talk.exchange()
    talk.exchange()
    assert sum(map(len, tunnel._held)) == len(wire)
    assert len(tunnel._held) <= 2 * len(wire) / 1024 + 2
    go_on.set()
    assert (await socket.receive()).data == "6000"
    talk.end()
    await asyncio.sleep(0)


async def test_refusal_is_a_response_on_the_stream() -> None:
    talk = await begin()
    stream = connect(talk, "/refuses")
    await talk.until(lambda: talk.client.replies[stream].over)
    assert (talk.client.replies[stream].status, talk.client.replies[stream].body) == (
        403, b"not you",
    )  # fmt: skip
    stream = connect(talk, "/nowhere")
    await talk.until(lambda: talk.client.replies[stream].over)
    assert talk.client.replies[stream].status == 404
    assert talk.driver.tunnels.open == {}
    talk.end()


@spec("RFC 8441 §5", "RFC 9220 §3")
async def test_tunnel_that_cannot_be_is_refused() -> None:
    talk = await begin()
    stream = connect(talk, protocol=b"connect-udp")
    talk.exchange()
    assert talk.client.replies[stream].status == 501
    stream = connect(talk, end=True)
    talk.exchange()
    assert talk.client.replies[stream].status == 400
    stream = connect(talk, fields=[(b"sec-websocket-version", b"12")])
    talk.exchange()
    assert talk.client.replies[stream].status in {400, 426}
    talk.end()


@spec("RFC 8441 §5", "RST_STREAM with CANCEL")
async def test_client_that_resets_or_ends_the_stream_is_gone() -> None:
    ends: list[int] = []

    async def handler(conn: Connection, receive: Receive, send: Send) -> None:
        await receive()
        await send(WebSocketAccept())
        message = await receive()
        assert isinstance(message, WebSocketDisconnected)
        ends.append(message.code)

    talk = await begin(App({"/ws": handler}))
    first = await Socket(talk).open()
    talk.client.h2.reset_stream(first.stream, ErrorCodes.CANCEL)
    await talk.until(lambda: ends)
    second = await Socket(talk).open()
    talk.client.data(second.stream, b"", end=True)
    await talk.until(lambda: len(ends) == 2)
    third = await Socket(talk).open()
    assert third.talk is talk
    talk.end()
    for _ in range(3):
        await asyncio.sleep(0)
    assert ends == [1006, 1006, 1006]


async def test_handler_that_does_not_read_stops_the_client() -> None:
    """S31."""
    gate = asyncio.Event()
    got: list[object] = []

    async def handler(conn: Connection, receive: Receive, send: Send) -> None:
        await receive()
        await send(WebSocketAccept())
        await gate.wait()
        while isinstance(message := await receive(), WebSocketMessage):
            got.append(message.data)

    talk = await begin(App({"/ws": handler}), ws_queue_depth=2)
    socket = await Socket(talk).open()
    for _ in range(30):
        socket.send(BytesMessage(bytes(2000)))
        await talk.turn(1)
    assert talk.client.h2.local_flow_control_window(socket.stream) < 10_000
    gate.set()
    await talk.until(lambda: len(got) == 30)
    await talk.turn()
    assert talk.client.h2.local_flow_control_window(socket.stream) > 30_000
    talk.end()
    for _ in range(3):
        await asyncio.sleep(0)


async def test_client_that_does_not_read_stops_the_handler() -> None:
    sent: list[int] = []

    async def handler(conn: Connection, receive: Receive, send: Send) -> None:
        await receive()
        await send(WebSocketAccept())
        for i in range(100):
            await send(WebSocketMessage(None, bytes(8000)))
            sent.append(i)
        await send(WebSocketClose())

    app = App({"/ws": handler})
    talk = await Talk(app, Client(credit=False), h2_enable_websocket=True).begin()
    socket = await Socket(talk).open()
    await talk.turn(20)
    held = len(sent)
    assert held < 30
    talk.client.h2.increment_flow_control_window(1 << 20)
    talk.client.h2.increment_flow_control_window(1 << 20, socket.stream)
    await talk.until(lambda: len(sent) == 100)
    talk.end()
    for _ in range(3):
        await asyncio.sleep(0)


async def test_handshake_is_a_websocket_to_the_application() -> None:
    seen: list[tuple[object, ...]] = []

    async def handler(conn: Connection, receive: Receive, send: Send) -> None:
        seen.append((conn.type, conn.scheme, conn.path, conn.http_version, await receive()))
        await send(WebSocketClose())

    talk = await begin(App({"/ws": handler}))
    stream = connect(talk)
    await talk.until(lambda: talk.client.replies[stream].over)
    assert seen == [("websocket", "ws", "/ws", "2", WebSocketConnect())]
    assert talk.client.replies[stream].status == 403
    talk.end()


async def test_shutdown_closes_websockets_with_1001() -> None:
    talk = await begin()
    socket = await Socket(talk).open()
    talk.view.shutdown()
    for _ in range(4):
        await asyncio.sleep(0)
    assert b"\x88\x02\x03\xe9" in talk.view.sent
    assert socket.stream == 1
    talk.end()
    await asyncio.sleep(0)
