"""RFC 9113 §3.4 to §4.3: the preface, the format of frames, header compression."""

from __future__ import annotations

import pytest

from blackbull.protocol.http2 import (
    PREFACE,
    ConnectionFailed,
    ErrorCode,
    FrameType,
    HeadParser,
    HTTP2Connection,
    HTTP2Limits,
    RequestReceived,
    Setting,
    StreamReset,
)
from tests.spec import spec

from .peer import END_HEADERS, END_STREAM, GET, Peer, code, frame, number, read_frames, setting


def machine() -> HTTP2Connection:
    return HTTP2Connection(HeadParser(HTTP2Limits()))


@spec("RFC 9113 §3.4")
def test_server_preface_is_a_settings_frame() -> None:
    frames = read_frames(machine().data_to_send())
    assert frames[0].kind == FrameType.SETTINGS
    assert frames[0].flags == 0
    assert frames[0].payload.startswith(setting(Setting.MAX_CONCURRENT_STREAMS, 100))
    assert setting(Setting.NO_RFC7540_PRIORITIES, 1) in frames[0].payload


@spec("RFC 9113 §6.5.2")
def test_server_preface_announces_what_differs_from_the_defaults() -> None:
    limits = HTTP2Limits(
        max_frame_size=32768, header_table_size=0, initial_window_size=1 << 20,
        connection_window_size=1 << 21, max_header_total=1000,
    )  # fmt: skip
    greeting = HTTP2Connection(HeadParser(limits, connect_protocol=True)).data_to_send()
    settings, update = read_frames(greeting)
    for number_, value in [(5, 32768), (1, 0), (4, 1 << 20), (6, 1000), (8, 1)]:
        assert setting(number_, value) in settings.payload
    assert (update.kind, update.stream_id) == (FrameType.WINDOW_UPDATE, 0)
    assert update.value == (1 << 21) - 65535


@spec("RFC 9113 §3.4")
def test_client_preface_in_single_bytes_is_taken() -> None:
    server = machine()
    for octet in PREFACE + frame(FrameType.SETTINGS, 0, 0):
        assert not server.greeted
        assert server.receive(bytes((octet,)), 0.0) == []
    assert server.greeted
    assert server.buffered == 0


@spec("RFC 9113 §3.4")
@pytest.mark.parametrize(
    "data", [b"GET / HTTP/1.1\r\n\r\n", b"X", PREFACE[:-1] + b"X", PREFACE[:10] + b"INVALID"]
)
def test_client_preface_that_is_none_fails_as_soon_as_it_differs(data: bytes) -> None:
    server = machine()
    server.data_to_send()
    (failed,) = server.receive(data, 0.0)
    assert isinstance(failed, ConnectionFailed)
    assert code(failed.error) == ErrorCode.PROTOCOL_ERROR
    (goaway,) = read_frames(server.data_to_send())
    assert goaway.code == ErrorCode.PROTOCOL_ERROR


@spec("RFC 9113 §3.4")
@pytest.mark.parametrize(
    "first",
    [
        frame(FrameType.PING, 0, 0, bytes(8)),
        frame(FrameType.SETTINGS, 1, 0),
        frame(FrameType.HEADERS, END_STREAM | END_HEADERS, 1, b"\x82\x86\x84\x41\x01a"),
        frame(0xEE, 0, 0),
    ],
)
def test_client_preface_without_settings_first_fails(first: bytes) -> None:
    server = machine()
    (failed,) = server.receive(PREFACE + first, 0.0)
    assert isinstance(failed, ConnectionFailed)
    assert code(failed.error) == ErrorCode.PROTOCOL_ERROR


@spec("RFC 9113 §4.1", "§5.5")
def test_frame_of_unknown_type_is_ignored() -> None:
    peer = Peer()
    assert peer.send(frame(0x16, 0xFF, 0, b"what"), frame(0xFE, 0, 1, b"")) == []
    assert peer.send(frame(FrameType.PING, 0, 0, bytes(8))) == []
    assert [f.kind for f in peer.read()] == [FrameType.PING]


@spec("RFC 9113 §4.1")
def test_frame_flags_that_are_undefined_are_ignored() -> None:
    peer = Peer()
    peer.send(frame(FrameType.PING, 0x16, 0, bytes(8)))
    assert [f.flags for f in peer.read()] == [1]


@spec("RFC 9113 §4.1")
def test_frame_reserved_bit_is_ignored() -> None:
    peer = Peer()
    peer.send(frame(FrameType.PING, 0, 1 << 31, bytes(8)))
    assert [f.kind for f in peer.read()] == [FrameType.PING]


@spec("RFC 9113 §4.2")
def test_frame_of_the_largest_size_is_taken() -> None:
    peer = Peer()
    peer.request(ended=False)
    assert len(peer.send(peer.data(1, bytes(16384), flags=END_STREAM))) == 2


@spec("RFC 9113 §4.2")
@pytest.mark.parametrize("kind", [FrameType.DATA, FrameType.HEADERS, FrameType.SETTINGS, 0xEE])
def test_frame_that_is_too_large_fails_before_it_has_arrived(kind: int) -> None:
    peer = Peer()
    peer.request(ended=False)
    error = peer.fails(frame(kind, 0, 0 if kind == 4 else 1, bytes(16385))[:9])
    assert code(error) == ErrorCode.FRAME_SIZE_ERROR


@spec("RFC 9113 §4.3")
def test_header_block_that_cannot_be_decoded_fails() -> None:
    peer = Peer()
    error = peer.fails(frame(FrameType.HEADERS, END_STREAM | END_HEADERS, 1, b"\xff\xff\xff"))
    assert code(error) == ErrorCode.COMPRESSION_ERROR


@spec("RFC 9113 §4.3", "§6.10")
@pytest.mark.parametrize(
    "between",
    [
        frame(FrameType.PRIORITY, 0, 1, bytes(5)),
        frame(FrameType.DATA, 0, 1, b"x"),
        frame(FrameType.PING, 0, 0, bytes(8)),
        frame(0xEE, 0, 0, b""),
        frame(FrameType.HEADERS, END_HEADERS, 3, b""),
        frame(FrameType.CONTINUATION, END_HEADERS, 3, b""),
    ],
)
def test_header_block_that_is_interrupted_fails(between: bytes) -> None:
    peer = Peer()
    begun = peer.headers(1, GET, flags=END_STREAM)
    assert code(peer.fails(begun, between)) == ErrorCode.PROTOCOL_ERROR


@spec("RFC 9113 §6.10")
def test_header_block_in_many_frames_is_put_together() -> None:
    peer = Peer()
    block = peer.encoder.encode([*GET, (b"x-long", b"value" * 100)])
    parts = [frame(FrameType.HEADERS, END_STREAM, 1, block[:3])]
    parts += [frame(FrameType.CONTINUATION, 0, 1, block[i : i + 90]) for i in range(3, 300, 90)]
    assert peer.send(*parts) == []
    assert peer.machine.header_block_open
    assert peer.machine.buffered == 363
    (event,) = peer.send(frame(FrameType.CONTINUATION, END_HEADERS, 1, block[363:]))
    assert isinstance(event, RequestReceived)
    assert event.ended
    assert event.head.fields[-1] == (b"x-long", b"value" * 100)
    assert not peer.machine.header_block_open


@spec("RFC 9113 §5.4.1")
def test_connection_error_says_why_and_names_the_last_stream() -> None:
    peer = Peer()
    peer.request(1)
    peer.request(3)
    peer.send(frame(FrameType.DATA, 0, 0, b"x"))
    (goaway,) = peer.read()
    assert goaway.value == 3
    assert goaway.code == ErrorCode.PROTOCOL_ERROR
    assert goaway.payload[8:].isascii()
    assert peer.machine.finished
    assert peer.machine.open_streams == 0


def test_commands_after_a_connection_error_do_nothing() -> None:
    peer = Peer()
    peer.request(1)
    peer.fails(frame(FrameType.PUSH_PROMISE, 0, 1, number(2)))
    server = peer.machine
    server.send_response(1, 200, b"", (), b"x", b"")
    server.send_head(1, 200, [], b"")
    server.send_ping(bytes(8))
    server.shutdown()
    server.finish_shutdown()
    server.terminate(ErrorCode.INTERNAL_ERROR)
    server.reset_stream(1)
    server.acknowledge(1, 10)
    assert server.send_data(1, b"x") == 0
    assert server.push(1, GET) is None
    assert server.data_to_send() == b""


def test_events_before_an_error_in_the_same_bytes_are_reported() -> None:
    peer = Peer()
    events = peer.send(
        peer.headers(1, GET),
        frame(FrameType.RST_STREAM, 0, 1, number(8)),
        frame(FrameType.RST_STREAM, 0, 99, number(8)),
    )
    assert [type(e) for e in events] == [RequestReceived, StreamReset, ConnectionFailed]
