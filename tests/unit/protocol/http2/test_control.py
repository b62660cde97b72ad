"""RFC 9113 §6.5, §6.7, §6.8: settings, liveness, leaving."""

from __future__ import annotations

import pytest

from blackbull.errors import LocalProtocolError
from blackbull.protocol.http2 import (
    ErrorCode,
    FrameType,
    GoAwayReceived,
    HTTP2Limits,
    PingAcknowledged,
    RequestReceived,
    Setting,
    StreamReset,
)
from tests.spec import spec

from .peer import ACK, DATE, END_STREAM, GET, POST, Peer, code, frame, number, setting

MAX = 0x7FFFFFFF


@spec("RFC 9113 §6.5.3")
def test_settings_are_acknowledged_each_time() -> None:
    peer = Peer()
    for _ in range(3):
        assert peer.send(frame(FrameType.SETTINGS, 0, 0, setting(3, 7))) == []
        (ack,) = peer.read()
        assert (ack.kind, ack.flags, ack.stream_id, ack.payload) == (FrameType.SETTINGS, 1, 0, b"")


@spec("RFC 9113 §6.5.2")
def test_settings_that_are_unknown_are_ignored() -> None:
    peer = Peer()
    assert peer.send(frame(FrameType.SETTINGS, 0, 0, setting(0xFF, 1) + setting(0, 9))) == []


@spec("RFC 9113 §6.5")
@pytest.mark.parametrize(
    ("flags", "stream_id", "payload", "expected"),
    [
        (ACK, 0, b"\0", ErrorCode.FRAME_SIZE_ERROR),
        (0, 1, b"", ErrorCode.PROTOCOL_ERROR),
        (0, 0, b"abc", ErrorCode.FRAME_SIZE_ERROR),
        (0, 0, setting(Setting.ENABLE_PUSH, 2), ErrorCode.PROTOCOL_ERROR),
        (0, 0, setting(Setting.INITIAL_WINDOW_SIZE, MAX + 1), ErrorCode.FLOW_CONTROL_ERROR),
        (0, 0, setting(Setting.MAX_FRAME_SIZE, 16383), ErrorCode.PROTOCOL_ERROR),
        (0, 0, setting(Setting.MAX_FRAME_SIZE, 16777216), ErrorCode.PROTOCOL_ERROR),
        (0, 0, setting(Setting.ENABLE_CONNECT_PROTOCOL, 2), ErrorCode.PROTOCOL_ERROR),
        (0, 0, setting(Setting.NO_RFC7540_PRIORITIES, 2), ErrorCode.PROTOCOL_ERROR),
    ],
)
def test_settings_that_are_malformed_fail(
    flags: int, stream_id: int, payload: bytes, expected: ErrorCode
) -> None:
    assert code(Peer().fails(frame(FrameType.SETTINGS, flags, stream_id, payload))) == expected


@spec("RFC 8441 §3")
def test_settings_connect_protocol_cannot_be_taken_back() -> None:
    peer = Peer(settings=setting(8, 1))
    assert code(peer.fails(frame(FrameType.SETTINGS, 0, 0, setting(8, 0)))) == (
        ErrorCode.PROTOCOL_ERROR
    )


@spec("RFC 9218 §2.1")
@pytest.mark.parametrize(("first", "then"), [(setting(9, 0), 1), (setting(9, 1), 0), (b"", 1)])
def test_settings_scheme_of_priorities_cannot_change(first: bytes, then: int) -> None:
    peer = Peer(settings=first)
    assert code(peer.fails(frame(FrameType.SETTINGS, 0, 0, setting(9, then)))) == (
        ErrorCode.PROTOCOL_ERROR
    )


@spec("RFC 9113 §6.5.3")
def test_settings_in_one_frame_are_applied_in_order() -> None:
    peer = Peer(settings=setting(4, 100) + setting(4, 1))
    peer.request(1)
    assert peer.machine.stream_window(1) == 1


@spec("RFC 9113 §6.5.2")
def test_settings_frame_size_bounds_what_we_send() -> None:
    peer = Peer(settings=setting(5, 20000))
    peer.request(1)
    peer.machine.send_response(1, 200, b"text/plain", (), bytes(30000), DATE)
    assert [len(f.payload) for f in peer.read()][1:] == [20000, 10000]


@spec("RFC 7541 §4.2", "RFC 9113 §4.3.1")
def test_settings_header_table_size_is_obeyed_and_announced() -> None:
    peer = Peer(settings=setting(1, 0))
    peer.decoder.max_allowed_table_size = 0
    for stream_id in (1, 3):
        peer.request(stream_id)
        peer.machine.send_response(stream_id, 200, b"text/plain", (), b"x", DATE)
        headers, _ = peer.read()
        assert headers.payload.startswith(b"\x20") == (stream_id == 1)
        assert (b"content-type", b"text/plain") in peer.decode(headers)
    assert peer.decoder.header_table_size == 0


@spec("RFC 9113 §4.3.1")
def test_settings_our_smaller_header_table_binds_once_acknowledged() -> None:
    limits = HTTP2Limits(header_table_size=100)
    peer = Peer(limits, settled=False)
    assert isinstance(peer.request(1), RequestReceived)
    peer.send(frame(FrameType.SETTINGS, ACK, 0))
    peer.encoder.header_table_size = 100
    peer.request(3)
    late = Peer(limits)
    assert code(late.fails(late.headers(1, GET))) == ErrorCode.COMPRESSION_ERROR


@spec("RFC 9113 §6.7")
def test_ping_is_answered_with_the_same_bytes() -> None:
    peer = Peer()
    assert peer.send(frame(FrameType.PING, 0, 0, b"abcdefgh")) == []
    (pong,) = peer.read()
    assert (pong.kind, pong.flags, pong.payload) == (FrameType.PING, ACK, b"abcdefgh")


@spec("RFC 9113 §6.7")
@pytest.mark.parametrize(
    ("stream_id", "payload", "expected"),
    [
        (1, bytes(8), ErrorCode.PROTOCOL_ERROR),
        (0, bytes(7), ErrorCode.FRAME_SIZE_ERROR),
        (0, bytes(9), ErrorCode.FRAME_SIZE_ERROR),
    ],
)
def test_ping_that_is_malformed_fails(stream_id: int, payload: bytes, expected: ErrorCode) -> None:
    assert code(Peer().fails(frame(FrameType.PING, 0, stream_id, payload))) == expected


@spec("RFC 9113 §6.7")
def test_ping_of_ours_is_reported_once_acknowledged() -> None:
    peer = Peer()
    peer.machine.send_ping(b"12345678")
    (ping,) = peer.read()
    assert (ping.flags, ping.payload) == (0, b"12345678")
    assert peer.send(frame(FrameType.PING, ACK, 0, b"87654321")) == []
    (event,) = peer.send(frame(FrameType.PING, ACK, 0, b"12345678"))
    assert isinstance(event, PingAcknowledged)
    assert event.data == b"12345678"
    assert peer.send(frame(FrameType.PING, ACK, 0, b"12345678")) == []
    assert peer.read() == []


def test_ping_of_ours_that_is_not_of_eight_bytes_is_our_mistake() -> None:
    with pytest.raises(LocalProtocolError):
        Peer().machine.send_ping(b"123")


@spec("RFC 9113 §6.8")
def test_goaway_of_the_peer_is_reported_and_requests_go_on() -> None:
    peer = Peer()
    peer.request(1)
    (event,) = peer.send(frame(FrameType.GOAWAY, 0, 0, number(0) + number(11) + b"why"))
    assert isinstance(event, GoAwayReceived)
    assert (event.last_stream_id, event.code, event.debug) == (0, 11, b"why")
    peer.machine.send_response(1, 200, b"", (), b"x", b"")
    assert [f.kind for f in peer.read()] == [FrameType.HEADERS, FrameType.DATA]


@spec("RFC 9113 §6.8")
def test_goaway_that_is_malformed_fails() -> None:
    error = Peer().fails(frame(FrameType.GOAWAY, 0, 1, bytes(8)))
    assert code(error) == ErrorCode.PROTOCOL_ERROR
    error = Peer().fails(frame(FrameType.GOAWAY, 0, 0, bytes(7)))
    assert code(error) == ErrorCode.FRAME_SIZE_ERROR


@spec("RFC 9113 §6.8")
def test_shutdown_takes_requests_until_the_peer_has_seen_it() -> None:
    peer = Peer()
    peer.request(1)
    peer.machine.shutdown()
    peer.machine.shutdown()
    goaway, ping = peer.read()
    assert (goaway.value, goaway.code) == (MAX, ErrorCode.NO_ERROR)
    peer.request(3)
    assert peer.send(frame(FrameType.PING, ACK, 0, ping.payload)) == []
    (last,) = peer.read()
    assert (last.value, last.code) == (3, ErrorCode.NO_ERROR)
    assert not peer.machine.finished
    assert peer.send(peer.headers(5, GET), peer.headers(7, GET[1:])) == []
    assert [f.code for f in peer.read()] == [ErrorCode.REFUSED_STREAM] * 2
    for stream_id in (1, 3):
        assert not peer.machine.finished
        peer.machine.send_response(stream_id, 200, b"", (), b"x", b"")
    assert peer.machine.finished


@spec("RFC 9113 §6.8")
def test_shutdown_can_be_finished_without_the_peer() -> None:
    peer = Peer()
    peer.machine.shutdown()
    peer.machine.finish_shutdown()
    peer.machine.finish_shutdown()
    assert [f.kind for f in peer.read()] == [
        FrameType.GOAWAY, FrameType.PING, FrameType.GOAWAY,
    ]  # fmt: skip
    assert peer.machine.finished


def test_terminate_says_why_and_nothing_else() -> None:
    peer = Peer()
    peer.request(1)
    peer.machine.terminate(ErrorCode.ENHANCE_YOUR_CALM, debug=b"x" * 1000)
    (goaway,) = peer.read()
    assert goaway.code == ErrorCode.ENHANCE_YOUR_CALM
    assert len(goaway.payload) == 136
    assert peer.machine.finished
    assert peer.send(peer.headers(3, GET)) == []


def test_reset_of_a_request_is_reported_once() -> None:
    peer = Peer()
    peer.request(1)
    reset = frame(FrameType.RST_STREAM, 0, 1, number(8))
    assert [type(e) for e in peer.send(reset, reset)] == [StreamReset]


@spec("RFC 9113 §6.5.2")
def test_settings_frame_size_beyond_reason_is_not_used_up() -> None:
    peer = Peer(settings=setting(5, 16777215) + setting(4, MAX))
    peer.send(frame(FrameType.WINDOW_UPDATE, 0, 0, number(1 << 24)))
    peer.request(1)
    peer.machine.send_response(1, 200, b"text/plain", (), bytes(200000), DATE)
    assert max(len(f.payload) for f in peer.read()) == 65536


def test_connection_is_active_while_a_side_of_a_stream_is_open() -> None:
    peer = Peer()
    assert peer.machine.greeted
    assert not peer.machine.active
    peer.request(1, POST, ended=False)
    peer.machine.send_response(1, 200, b"", (), b"x", b"")
    assert peer.machine.open_streams == 0
    assert peer.machine.active
    peer.send(peer.data(1, b"", flags=END_STREAM))
    assert not peer.machine.active
