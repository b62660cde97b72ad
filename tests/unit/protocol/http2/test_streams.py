"""RFC 9113 §5.1, §6.1 to §6.4: the states of streams and the frames that change them."""

from __future__ import annotations

import pytest

from blackbull.protocol.http2 import (
    DataReceived,
    ErrorCode,
    FrameType,
    HTTP2Limits,
    RequestEnded,
    RequestReceived,
    StreamFailed,
    StreamReset,
)
from tests.spec import spec

from .peer import (
    DATE,
    END_HEADERS,
    END_STREAM,
    GET,
    PADDED,
    POST,
    WITH_PRIORITY,
    Peer,
    code,
    frame,
    number,
)

BLOCK = b"\x82\x86\x84\x41\x01a"


@spec("RFC 9113 §5.1", "idle")
@pytest.mark.parametrize("stream_id", [1, 2])
@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        (FrameType.DATA, b"test"),
        (FrameType.RST_STREAM, number(8)),
        (FrameType.WINDOW_UPDATE, number(100)),
        (FrameType.CONTINUATION, BLOCK),
    ],
)
def test_idle_stream_any_frame_but_headers_and_priority_fails(
    kind: FrameType, payload: bytes, stream_id: int
) -> None:
    error = Peer().fails(frame(kind, END_HEADERS, stream_id, payload))
    assert code(error) == ErrorCode.PROTOCOL_ERROR


@spec("RFC 9113 §5.1", "idle", "§6.3")
def test_idle_stream_priority_is_ignored_and_lower_streams_stay_usable() -> None:
    peer = Peer()
    assert peer.send(frame(FrameType.PRIORITY, 0, 3, number(0) + b"\xff")) == []
    assert peer.request(1).stream_id == 1


@spec("RFC 9113 §5.1", "half-closed (remote)")
@pytest.mark.parametrize("kind", [FrameType.DATA, FrameType.HEADERS])
def test_half_closed_stream_more_content_is_a_stream_error(kind: FrameType) -> None:
    peer = Peer()
    peer.request(1)
    payload = b"test" if kind == FrameType.DATA else peer.encoder.encode(GET)
    error = peer.loses(1, frame(kind, END_STREAM | END_HEADERS, 1, payload))
    assert code(error) == ErrorCode.STREAM_CLOSED


@spec("RFC 9113 §5.1", "half-closed (remote)")
def test_half_closed_stream_takes_window_update_priority_and_reset() -> None:
    peer = Peer()
    peer.request(1)
    assert peer.send(frame(FrameType.WINDOW_UPDATE, 0, 1, number(10))) == []
    assert peer.machine.stream_window(1) == 65545
    assert peer.send(frame(FrameType.PRIORITY, 0, 1, bytes(5))) == []
    (event,) = peer.send(frame(FrameType.RST_STREAM, 0, 1, number(8)))
    assert isinstance(event, StreamReset)
    assert event.code == ErrorCode.CANCEL


@spec("RFC 9113 §5.1", "closed, by RST_STREAM")
@pytest.mark.parametrize("kind", [FrameType.DATA, FrameType.HEADERS])
def test_stream_that_the_peer_has_reset_takes_no_content(kind: FrameType) -> None:
    peer = Peer()
    peer.request(1, ended=False)
    peer.send(frame(FrameType.RST_STREAM, 0, 1, number(8)))
    payload = b"test" if kind == FrameType.DATA else peer.encoder.encode(GET)
    assert peer.send(frame(kind, END_STREAM | END_HEADERS, 1, payload)) == []
    (reset,) = peer.read()
    assert (reset.kind, reset.stream_id) == (FrameType.RST_STREAM, 1)
    assert reset.code == ErrorCode.STREAM_CLOSED


@spec("RFC 9113 §5.1", "closed, by END_STREAM")
@pytest.mark.parametrize("kind", [FrameType.DATA, FrameType.HEADERS])
def test_stream_that_both_sides_ended_takes_no_content(kind: FrameType) -> None:
    peer = Peer()
    peer.request(1)
    peer.machine.send_response(1, 200, b"text/plain", (), b"x", DATE)
    payload = b"test" if kind == FrameType.DATA else peer.encoder.encode(GET)
    error = peer.fails(frame(kind, END_STREAM | END_HEADERS, 1, payload))
    assert code(error) == ErrorCode.STREAM_CLOSED


@spec("RFC 9113 §5.1", "closed")
@pytest.mark.parametrize("how", ["complete", "by peer", "by us"])
def test_closed_stream_late_control_frames_are_ignored(how: str) -> None:
    peer = Peer()
    peer.request(1)
    if how == "complete":
        peer.machine.send_response(1, 200, b"text/plain", (), b"x", DATE)
    elif how == "by us":
        peer.machine.reset_stream(1)
    else:
        peer.send(frame(FrameType.RST_STREAM, 0, 1, number(8)))
    late = [
        frame(FrameType.WINDOW_UPDATE, 0, 1, number(10)),
        frame(FrameType.RST_STREAM, 0, 1, number(8)),
        frame(FrameType.PRIORITY, 0, 1, bytes(5)),
    ]
    assert peer.send(*late) == []
    assert not peer.machine.failed


@spec("RFC 9113 §5.1", "closed, by us")
def test_stream_that_we_have_reset_late_frames_are_ignored_and_credit_is_kept() -> None:
    peer = Peer()
    peer.request(1, [*POST, (b"x-a", b"1")], ended=False)
    peer.machine.reset_stream(1, ErrorCode.CANCEL)
    (reset,) = peer.read()
    assert reset.code == ErrorCode.CANCEL
    for _ in range(8):
        assert peer.send(peer.data(1, bytes(16000))) == []
    trailers = peer.headers(1, [(b"x-new", b"entry")])
    assert peer.send(trailers) == []
    assert {f.kind for f in peer.read()} == {FrameType.WINDOW_UPDATE}
    # the dynamic table took part in what was ignored
    event = peer.request(3, [*GET, (b"x-new", b"entry")])
    assert event.head.fields[-1] == (b"x-new", b"entry")


@spec("RFC 9113 §5.1.1")
@pytest.mark.parametrize("stream_id", [0, 2])
def test_headers_on_an_even_stream_or_none_fails(stream_id: int) -> None:
    peer = Peer()
    error = peer.fails(peer.headers(stream_id, GET))
    assert code(error) == ErrorCode.PROTOCOL_ERROR


@spec("RFC 9113 §6.2")
def test_headers_without_end_on_no_stream_fails() -> None:
    peer = Peer()
    assert code(peer.fails(peer.headers(0, GET, flags=0))) == ErrorCode.PROTOCOL_ERROR


@spec("RFC 9113 §5.1.1")
def test_stream_with_a_lower_number_that_was_skipped_fails() -> None:
    peer = Peer()
    peer.request(5)
    assert code(peer.fails(peer.headers(3, GET))) == ErrorCode.PROTOCOL_ERROR


@spec("RFC 9113 §5.1.1")
def test_skipped_stream_other_frames_fail_like_idle_ones() -> None:
    for kind, payload in [(FrameType.DATA, b"x"), (FrameType.RST_STREAM, number(0)),
                          (FrameType.WINDOW_UPDATE, number(1))]:  # fmt: skip
        peer = Peer()
        peer.request(101)
        assert code(peer.fails(frame(kind, 0, 51, payload))) == ErrorCode.PROTOCOL_ERROR


def test_skipped_streams_are_remembered_in_bounded_memory() -> None:
    peer = Peer()
    for stream_id in range(1, 4000, 8):
        peer.request(stream_id)
        peer.machine.send_response(stream_id, 200, b"", (), b"x", b"")
    # the oldest gaps are forgotten: still an error, if a less exact one
    assert code(peer.fails(peer.headers(3, GET))) == ErrorCode.STREAM_CLOSED


def test_reset_streams_are_remembered_in_bounded_memory() -> None:
    peer = Peer()
    for stream_id in range(1, 1000, 2):
        peer.request(stream_id, ended=False)
        peer.machine.reset_stream(stream_id)
    peer.read()
    assert peer.send(peer.data(999, b"late")) == []
    assert code(peer.fails(peer.data(1, b"very late"))) == ErrorCode.STREAM_CLOSED


@spec("RFC 9113 §5.1.2")
def test_stream_beyond_the_limit_is_refused_and_its_block_decoded() -> None:
    peer = Peer(HTTP2Limits(max_concurrent_streams=2))
    peer.request(1)
    peer.request(3)
    assert peer.send(peer.headers(5, [*GET, (b"x-new", b"entry")])) == []
    (reset,) = peer.read()
    assert (reset.stream_id, reset.code) == (5, ErrorCode.REFUSED_STREAM)
    peer.machine.send_response(1, 200, b"", (), b"x", b"")
    event = peer.request(7, [*GET, (b"x-new", b"entry")])
    assert event.head.fields[-1] == (b"x-new", b"entry")
    assert peer.send(peer.data(5, b"on its way")) == []


@spec("RFC 9113 §5.1.2")
def test_stream_beyond_the_limit_that_is_malformed_is_refused_too() -> None:
    peer = Peer(HTTP2Limits(max_concurrent_streams=1))
    peer.request(1)
    assert peer.send(peer.headers(3, GET[1:])) == []
    (reset,) = peer.read()
    assert reset.code == ErrorCode.REFUSED_STREAM


@spec("RFC 9113 §6.1")
def test_data_on_no_stream_fails() -> None:
    assert code(Peer().fails(frame(FrameType.DATA, 0, 0, b"x"))) == ErrorCode.PROTOCOL_ERROR


@spec("RFC 9113 §6.1")
@pytest.mark.parametrize("kind", [FrameType.DATA, FrameType.HEADERS])
def test_padding_as_long_as_the_payload_fails(kind: FrameType) -> None:
    peer = Peer()
    peer.request(1, ended=False)
    error = peer.fails(frame(kind, PADDED | END_HEADERS | END_STREAM, 1, b"\x06Test\0"))
    assert code(error) == ErrorCode.PROTOCOL_ERROR


@spec("RFC 9113 §6.1", "§4.2")
@pytest.mark.parametrize("kind", [FrameType.DATA, FrameType.HEADERS])
def test_padded_frame_without_pad_length_fails(kind: FrameType) -> None:
    peer = Peer()
    peer.request(1, ended=False)
    error = peer.fails(frame(kind, PADDED | END_HEADERS | END_STREAM, 1))
    assert code(error) == ErrorCode.FRAME_SIZE_ERROR


@spec("RFC 9113 §6.1", "§6.2")
def test_padding_is_stripped() -> None:
    peer = Peer()
    block = b"\x03" + number(0) + b"\x10" + peer.encoder.encode(POST) + bytes(3)
    flags = PADDED | WITH_PRIORITY | END_HEADERS
    (event,) = peer.send(frame(FrameType.HEADERS, flags, 1, block))
    assert isinstance(event, RequestReceived)
    assert event.head.method == "POST"
    data, ended = peer.send(peer.data(1, b"\x05hello" + bytes(5), flags=PADDED | END_STREAM))
    assert isinstance(data, DataReceived)
    assert data.data == b"hello"
    assert isinstance(ended, RequestEnded)


@spec("RFC 9113 §6.2")
def test_headers_too_short_for_its_priority_fails() -> None:
    flags = WITH_PRIORITY | END_HEADERS
    error = Peer().fails(frame(FrameType.HEADERS, flags, 1, bytes(4)))
    assert code(error) == ErrorCode.FRAME_SIZE_ERROR


@spec("RFC 7540 §5.3.1")
def test_headers_that_depend_on_themselves_lose_the_stream() -> None:
    peer = Peer()
    block = number(1) + b"\x10" + peer.encoder.encode([*GET, (b"x-new", b"entry")])
    flags = WITH_PRIORITY | END_HEADERS | END_STREAM
    assert code(peer.loses(1, frame(FrameType.HEADERS, flags, 1, block))) == (
        ErrorCode.PROTOCOL_ERROR
    )
    assert peer.request(3, [*GET, (b"x-new", b"entry")]).head.fields[-1][0] == b"x-new"


@spec("RFC 7540 §5.3.1")
def test_headers_in_parts_that_depend_on_themselves_lose_the_stream() -> None:
    peer = Peer()
    block = number(1) + b"\x10" + peer.encoder.encode(GET)
    error = peer.loses(
        1,
        frame(FrameType.HEADERS, WITH_PRIORITY | END_STREAM, 1, block[:7]),
        frame(FrameType.CONTINUATION, END_HEADERS, 1, block[7:]),
    )
    assert code(error) == ErrorCode.PROTOCOL_ERROR


@spec("RFC 9113 §6.3")
def test_priority_for_no_stream_fails() -> None:
    error = Peer().fails(frame(FrameType.PRIORITY, 0, 0, bytes(5)))
    assert code(error) == ErrorCode.PROTOCOL_ERROR


@spec("RFC 9113 §6.3")
@pytest.mark.parametrize("size", [0, 4, 6])
def test_priority_of_wrong_size_loses_the_stream(size: int) -> None:
    peer = Peer()
    peer.request(1)
    error = peer.loses(1, frame(FrameType.PRIORITY, 0, 1, bytes(size)))
    assert code(error) == ErrorCode.FRAME_SIZE_ERROR


@spec("RFC 7540 §5.3.1", "RFC 9113 §6.4")
def test_priority_of_an_idle_stream_on_itself_fails_as_it_cannot_be_reset() -> None:
    error = Peer().fails(frame(FrameType.PRIORITY, 0, 3, number(3) + b"\0"))
    assert code(error) == ErrorCode.PROTOCOL_ERROR


@spec("RFC 9113 §6.4")
@pytest.mark.parametrize("size", [0, 3, 5])
def test_reset_of_wrong_size_fails(size: int) -> None:
    peer = Peer()
    peer.request(1)
    error = peer.fails(frame(FrameType.RST_STREAM, 0, 1, bytes(size)))
    assert code(error) == ErrorCode.FRAME_SIZE_ERROR


@spec("RFC 9113 §6.4")
def test_reset_of_no_stream_fails() -> None:
    error = Peer().fails(frame(FrameType.RST_STREAM, 0, 0, number(8)))
    assert code(error) == ErrorCode.PROTOCOL_ERROR


@spec("RFC 9113 §7")
def test_reset_with_an_unknown_code_is_no_error() -> None:
    peer = Peer()
    peer.request(1)
    (event,) = peer.send(frame(FrameType.RST_STREAM, 0, 1, number(0xFF)))
    assert isinstance(event, StreamReset)
    assert event.code == 0xFF


@spec("RFC 9113 §8.4")
def test_push_promise_of_a_client_fails() -> None:
    peer = Peer()
    error = peer.fails(frame(FrameType.PUSH_PROMISE, END_HEADERS, 1, number(2) + BLOCK))
    assert code(error) == ErrorCode.PROTOCOL_ERROR


def test_stream_error_leaves_other_streams_alone() -> None:
    peer = Peer()
    peer.request(1, ended=False)
    peer.request(3, ended=False)
    events = peer.send(peer.data(1, b"", flags=END_STREAM), peer.headers(1, GET))
    assert [type(e) for e in events] == [RequestEnded, StreamFailed]
    (event,) = peer.send(peer.data(3, b"alive"))
    assert isinstance(event, DataReceived)


@pytest.mark.parametrize("size", [70, 300])
def test_headers_on_a_closed_stream_that_are_too_large_cost_no_more_than_others(size: int) -> None:
    peer = Peer(HTTP2Limits(max_header_block=1 << 20))
    peer.request(1, ended=False)
    peer.machine.reset_stream(1)
    peer.read()
    block = peer.encoder.encode([(b"x-%d" % n, b"v" * 1000) for n in range(size)])
    data = frame(FrameType.HEADERS, END_STREAM, 1, block[:16384])
    for at in range(16384, len(block), 16384):
        data += frame(FrameType.CONTINUATION, 0, 1, block[at : at + 16384])
    peer.loses(1, data + frame(FrameType.CONTINUATION, END_HEADERS, 1))
    peer.request(3)
