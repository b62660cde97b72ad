"""RFC 8441: WebSockets within an HTTP/2 connection, on sockets."""

from __future__ import annotations

import pytest
from h2.errors import ErrorCodes
from wsproto.connection import Connection as WebSocketPeer
from wsproto.connection import ConnectionType
from wsproto.events import CloseConnection, TextMessage

from blackbull import BlackBull
from blackbull.utils import Scheme
from blackbull.websocket import WebSocket
from tests.conformance.http2 import Peer, conversation
from tests.http2_peer import Reply
from tests.spec import spec

ENABLE_CONNECT_PROTOCOL = 8


def chat() -> BlackBull:
    app = BlackBull()

    @app.route(path="/ws/{room}", scheme=Scheme.websocket)
    async def echo(ws: WebSocket, room: str) -> None:
        await ws.accept()
        async for message in ws:
            await ws.send(f"{room}: {message!s}")

    return app


def connect(peer: Peer, path: str) -> int:
    stream = peer.client.h2.get_next_available_stream_id()
    peer.client.h2.send_headers(
        stream,
        [
            (b":method", b"CONNECT"),
            (b":protocol", b"websocket"),
            (b":scheme", b"http"),
            (b":path", path.encode()),
            (b":authority", b"a"),
            (b"sec-websocket-version", b"13"),
        ],
    )
    peer.client.replies[stream] = Reply()
    return stream


@spec("RFC 8441 §3")
@pytest.mark.parametrize("on", [True, False])
async def test_setting_says_whether_extended_connect_is_served(on: bool) -> None:
    """S27."""
    async with conversation(chat(), h2_enable_websocket=on) as peer:
        assert peer.client.settings.get(ENABLE_CONNECT_PROTOCOL) == (1 if on else None)
        stream = connect(peer, "/ws/a")
        await peer.until_true(lambda: peer.client.replies[stream].status or not on)
        if not on:
            assert (await peer.reply(stream)).reset == ErrorCodes.PROTOCOL_ERROR


@spec("RFC 8441 §4", "RFC 8441 §5")
async def test_websockets_talk_beside_requests() -> None:
    """S27."""
    async with conversation(chat(), h2_enable_websocket=True) as peer:
        streams = {room: connect(peer, f"/ws/{room}") for room in ("a", "b")}
        sockets = {room: WebSocketPeer(ConnectionType.CLIENT) for room in streams}
        for room, stream in streams.items():
            await peer.until_true(lambda s=stream: peer.client.replies[s].status == 200)
            peer.client.data(stream, sockets[room].send(TextMessage("hello")))
        assert (await peer.ask("/nowhere")).status == 404
        for room, stream in streams.items():
            reply = peer.client.replies[stream]
            await peer.until_true(lambda r=reply: r.body)
            sockets[room].receive_data(reply.body)
            (event,) = sockets[room].events()
            assert event.data == f"{room}: hello"
            reply.body = b""
            peer.client.data(stream, sockets[room].send(CloseConnection(1000)), end=True)
            await peer.until_true(lambda r=reply: r.ended)
            sockets[room].receive_data(reply.body)
            (event,) = sockets[room].events()
            assert event.code == 1000
