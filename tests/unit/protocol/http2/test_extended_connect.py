"""RFC 8441: a stream as a tunnel for WebSocket."""

from __future__ import annotations

import pytest

from blackbull.protocol.http2 import (
    DataReceived,
    ErrorCode,
    FrameType,
    HTTP2Limits,
    RequestEnded,
    StreamReset,
)
from tests.spec import spec

from .peer import DATE, END_STREAM, Peer, code, frame, number

CONNECT = [
    (b":method", b"CONNECT"),
    (b":protocol", b"websocket"),
    (b":scheme", b"https"),
    (b":path", b"/chat?room=1"),
    (b":authority", b"server.example.com"),
    (b"sec-websocket-version", b"13"),
]


@spec("RFC 8441 §4")
def test_connect_with_protocol_is_a_request() -> None:
    head = Peer(connect_protocol=True).request(1, CONNECT, ended=False).head
    assert head.method == "CONNECT"
    assert head.protocol == b"websocket"
    assert (head.scheme, head.path, head.query_string) == ("https", "/chat", b"room=1")
    assert head.authority == b"server.example.com"


@spec("RFC 8441 §4", "§5")
def test_connect_opens_a_tunnel_of_any_length() -> None:
    peer = Peer(HTTP2Limits(max_body=10), connect_protocol=True)
    peer.request(1, CONNECT, ended=False)
    peer.machine.send_head(1, 200, [(b"content-length", b"3")], DATE)
    (headers,) = peer.read()
    assert dict(peer.decode(headers)).keys() == {b":status", b"date"}
    assert not headers.ended
    (event,) = peer.send(peer.data(1, b"x" * 100))
    assert isinstance(event, DataReceived)
    peer.machine.send_data(1, b"y" * 100)
    assert [f.payload for f in peer.read()] == [b"y" * 100]
    (event,) = peer.send(peer.data(1, b"", flags=END_STREAM))
    assert isinstance(event, RequestEnded)
    peer.machine.send_data(1, b"", end=True)
    assert [f.ended for f in peer.read()] == [True]
    assert peer.machine.open_streams == 0


@spec("RFC 8441 §5")
def test_connect_can_be_refused_with_a_response() -> None:
    peer = Peer(connect_protocol=True)
    peer.request(1, CONNECT, ended=False)
    peer.machine.send_response(1, 403, b"text/plain", (), b"no", DATE)
    headers, data = peer.read()
    assert dict(peer.decode(headers))[b"content-length"] == b"2"
    assert data.ended


@spec("RFC 8441 §5.3")
def test_connect_tunnel_can_be_reset() -> None:
    peer = Peer(connect_protocol=True)
    peer.request(1, CONNECT, ended=False)
    peer.machine.send_head(1, 200, [], DATE)
    (event,) = peer.send(frame(FrameType.RST_STREAM, 0, 1, number(8)))
    assert isinstance(event, StreamReset)


@spec("RFC 8441 §4")
@pytest.mark.parametrize("missing", [b":scheme", b":path", b":authority", b":method"])
def test_connect_without_all_control_data_loses_its_stream(missing: bytes) -> None:
    peer = Peer(connect_protocol=True)
    fields = [field for field in CONNECT if field[0] != missing]
    assert code(peer.loses(1, peer.headers(1, fields))) == ErrorCode.PROTOCOL_ERROR


@spec("RFC 8441 §4")
@pytest.mark.parametrize(
    "change", [(b":method", b"GET"), (b":protocol", b""), (b":protocol", b"/")]
)
def test_connect_with_wrong_control_data_loses_its_stream(change: tuple[bytes, bytes]) -> None:
    peer = Peer(connect_protocol=True)
    fields = [change if field[0] == change[0] else field for field in CONNECT]
    assert code(peer.loses(1, peer.headers(1, fields))) == ErrorCode.PROTOCOL_ERROR


@spec("RFC 8441 §3")
def test_connect_that_was_not_announced_loses_its_stream() -> None:
    peer = Peer()
    assert code(peer.loses(1, peer.headers(1, CONNECT))) == ErrorCode.PROTOCOL_ERROR
