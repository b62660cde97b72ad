"""RFC 9113 §5.2, §6.9: credit in both directions."""

from __future__ import annotations

import pytest

from blackbull.errors import LimitExceeded
from blackbull.protocol.http2 import (
    DataReceived,
    ErrorCode,
    FrameType,
    HTTP2Limits,
    RequestEnded,
    RequestReceived,
    RequestRefused,
)
from tests.spec import spec

from .peer import (
    ACK,
    DATE,
    END_HEADERS,
    END_STREAM,
    PADDED,
    POST,
    Frame,
    Peer,
    code,
    frame,
    number,
    setting,
)

MAX = 0x7FFFFFFF


def sizes(frames: list[Frame]) -> list[int]:
    return [len(f.payload) for f in frames if f.kind == FrameType.DATA]


def update(stream_id: int, increment: int) -> bytes:
    return frame(FrameType.WINDOW_UPDATE, 0, stream_id, number(increment))


# What we send


@spec("RFC 9113 §6.9.1")
def test_content_beyond_the_stream_window_waits() -> None:
    peer = Peer(settings=setting(4, 1))
    peer.request(1)
    peer.machine.send_response(1, 200, b"text/plain", (), b"hello", DATE)
    headers, data = peer.read()
    assert headers.kind == FrameType.HEADERS
    assert not headers.ended
    assert (data.payload, data.ended) == (b"h", False)
    assert peer.machine.queued(1) == 4
    assert peer.read() == []
    peer.send(update(1, 3))
    assert [(f.payload, f.ended) for f in peer.read()] == [(b"ell", False)]
    peer.send(update(1, 100))
    assert [(f.payload, f.ended) for f in peer.read()] == [(b"o", True)]
    assert peer.machine.open_streams == 0


@spec("RFC 9113 §6.9.1")
def test_content_beyond_the_connection_window_waits() -> None:
    peer = Peer(settings=setting(4, MAX))
    peer.request(1)
    peer.request(3)
    peer.machine.send_response(1, 200, b"text/plain", (), bytes(60000), DATE)
    peer.machine.send_response(3, 200, b"text/plain", (), bytes(60000), DATE)
    assert sum(sizes(peer.read())) == 65535
    assert peer.machine.send_window == 0
    peer.send(update(0, 100))
    assert sizes(peer.read()) == [100]
    peer.send(update(0, 1 << 20))
    assert sum(sizes(peer.read())) == 120000 - 65635
    assert peer.machine.open_streams == 0


@spec("RFC 9113 §6.9.2")
def test_initial_window_that_changes_moves_open_streams() -> None:
    peer = Peer(settings=setting(4, 0))
    peer.request(1)
    peer.machine.send_response(1, 200, b"text/plain", (), b"hello", DATE)
    assert sizes(peer.read()) == []
    peer.send(frame(FrameType.SETTINGS, 0, 0, setting(4, 1)))
    assert sizes(peer.read()) == [1]


@spec("RFC 9113 §6.9.2")
def test_initial_window_that_shrinks_makes_windows_negative() -> None:
    peer = Peer(settings=setting(4, 3))
    peer.request(1)
    peer.machine.send_response(1, 200, b"text/plain", (), b"hello", DATE)
    assert sizes(peer.read()) == [3]
    peer.send(frame(FrameType.SETTINGS, 0, 0, setting(4, 2)))
    assert peer.machine.stream_window(1) == -1
    peer.send(update(1, 1))
    assert sizes(peer.read()) == []
    peer.send(update(1, 1))
    assert sizes(peer.read()) == [1]


@spec("RFC 9113 §6.9.2")
def test_initial_window_that_shrinks_takes_a_turn_away() -> None:
    peer = Peer()
    peer.request(1)
    peer.machine.send_response(1, 200, b"text/plain", (), bytes(20000), DATE)
    peer.send(frame(FrameType.SETTINGS, 0, 0, setting(4, 0)))
    assert sizes(peer.read()) == []
    peer.send(frame(FrameType.SETTINGS, 0, 0, setting(4, 30000)))
    assert sizes(peer.read()) == [16384, 3616]


@spec("RFC 9113 §6.9.2")
def test_initial_window_that_pushes_a_window_over_the_top_fails() -> None:
    peer = Peer()
    peer.request(1)
    peer.send(update(1, MAX - 65535))
    error = peer.fails(frame(FrameType.SETTINGS, 0, 0, setting(4, 65536)))
    assert code(error) == ErrorCode.FLOW_CONTROL_ERROR


@spec("RFC 9113 §6.9.1")
def test_window_update_over_the_top_fails_the_connection() -> None:
    assert code(Peer().fails(update(0, MAX), update(0, MAX))) == ErrorCode.FLOW_CONTROL_ERROR


@spec("RFC 9113 §6.9.1")
def test_window_update_over_the_top_loses_the_stream() -> None:
    peer = Peer()
    peer.request(1, ended=False)
    assert code(peer.loses(1, update(1, MAX), update(1, MAX))) == ErrorCode.FLOW_CONTROL_ERROR


@spec("RFC 9113 §6.9")
def test_window_update_without_credit() -> None:
    peer = Peer()
    peer.request(1)
    assert code(peer.loses(1, update(1, 0))) == ErrorCode.PROTOCOL_ERROR
    assert code(peer.fails(update(0, 0))) == ErrorCode.PROTOCOL_ERROR


@spec("RFC 9113 §6.9")
@pytest.mark.parametrize("stream_id", [0, 1])
def test_window_update_of_wrong_size_fails(stream_id: int) -> None:
    peer = Peer()
    peer.request(1)
    error = peer.fails(frame(FrameType.WINDOW_UPDATE, 0, stream_id, bytes(3)))
    assert code(error) == ErrorCode.FRAME_SIZE_ERROR


@spec("RFC 9113 §6.9.1")
def test_empty_end_of_stream_needs_no_window() -> None:
    peer = Peer(settings=setting(4, 0))
    peer.request(1)
    peer.machine.send_head(1, 200, [], DATE)
    assert peer.machine.send_data(1, b"", end=True) == 0
    assert [(f.kind, f.ended) for f in peer.read()] == [(1, False), (0, True)]


def test_small_parts_that_wait_leave_in_one_frame() -> None:
    peer = Peer()
    peer.request(1)
    peer.machine.send_head(1, 200, [], DATE)
    for part in (b"a", b"", b"bc", b"d"):
        peer.machine.send_data(1, part)
    assert [f.payload for f in peer.read()[1:]] == [b"abcd"]


def test_data_to_send_takes_no_more_content_than_asked_for() -> None:
    peer = Peer(settings=setting(4, MAX))
    peer.send(update(0, 1 << 20))
    peer.request(1)
    peer.machine.send_response(1, 200, b"text/plain", (), bytes(200000), DATE)
    first = peer.machine.data_to_send(30000)
    assert 30000 <= len(first) < 30000 + 16384 + 200
    assert peer.machine.queued(1) == 200000 - 32768


def test_sender_that_queues_too_much_is_told_when_to_go_on() -> None:
    peer = Peer(HTTP2Limits(max_send_buffer=1000), settings=setting(4, 0))
    peer.request(1)
    peer.request(3)
    for stream_id in (1, 3):
        peer.machine.send_head(stream_id, 200, [], DATE)
    assert peer.machine.send_data(1, bytes(900)) == 900
    assert peer.machine.send_data(1, bytes(900)) == 1800
    assert peer.machine.send_data(3, bytes(900)) == 900
    peer.send(update(1, 1299), update(3, 900))
    peer.read()
    assert peer.machine.relieved() == []
    peer.send(update(1, 1))
    peer.read()
    assert peer.machine.relieved() == [1]
    assert peer.machine.relieved() == []


def test_stalled_names_streams_that_wait_for_credit_since_last_time() -> None:
    peer = Peer(settings=setting(4, 10))
    peer.request(1)
    peer.request(3)
    peer.machine.send_response(1, 200, b"text/plain", (), bytes(100), DATE)
    peer.read()
    assert peer.machine.stalled() == []
    peer.send(update(1, 10))
    peer.read()
    assert peer.machine.stalled() == []
    assert peer.machine.stalled() == [1]
    peer.machine.reset_stream(1)
    assert peer.machine.stalled() == []


# What we receive


@spec("RFC 9113 §5.2.2")
def test_credit_is_returned_when_content_was_consumed() -> None:
    peer = Peer()
    peer.request(1, POST, ended=False)
    for _ in range(3):
        peer.send(peer.data(1, bytes(16000)))
    assert peer.read() == []
    peer.machine.acknowledge(1, 16000)
    assert peer.read() == []
    peer.machine.acknowledge(1, 32000)
    assert [(f.kind, f.stream_id, f.value) for f in peer.read()] == [
        (FrameType.WINDOW_UPDATE, 0, 48000),
        (FrameType.WINDOW_UPDATE, 1, 48000),
    ]


@spec("RFC 9113 §5.2.2")
def test_credit_is_returned_early_to_a_peer_that_has_little_left() -> None:
    peer = Peer()
    peer.request(1, POST, ended=False)
    peer.request(3, POST, ended=False)
    peer.send(peer.data(1, bytes(16000)))
    for _ in range(3):  # nobody takes these
        peer.send(peer.data(3, bytes(16000)))
    peer.machine.acknowledge(1, 16000)
    assert [(f.kind, f.stream_id, f.value) for f in peer.read()] == [
        (FrameType.WINDOW_UPDATE, 0, 16000)
    ]


@spec("RFC 9113 §5.2.2")
def test_upload_of_any_length_goes_on_while_it_is_consumed() -> None:
    peer = Peer(HTTP2Limits(max_body=1 << 30))
    peer.request(1, POST, ended=False)
    window = {0: 65535, 1: 65535}
    for _ in range(200):
        assert min(window.values()) >= 16384
        (event,) = peer.send(peer.data(1, bytes(16384)))
        assert isinstance(event, DataReceived)
        for stream_id in window:
            window[stream_id] -= 16384
        peer.machine.acknowledge(1, len(event.data))
        for sent in peer.read():
            window[sent.stream_id] += sent.value


@spec("RFC 9113 §6.9.1")
def test_content_beyond_the_stream_window_loses_the_stream() -> None:
    peer = Peer(HTTP2Limits(connection_window_size=1 << 20))
    peer.request(1, POST, ended=False)
    for _ in range(4):
        peer.send(peer.data(1, bytes(16000)))
    assert code(peer.loses(1, peer.data(1, bytes(16000)))) == ErrorCode.FLOW_CONTROL_ERROR


@spec("RFC 9113 §6.9.1")
def test_content_beyond_the_connection_window_fails() -> None:
    peer = Peer(HTTP2Limits(initial_window_size=1 << 20))
    peer.request(1, POST, ended=False)
    for _ in range(4):
        peer.send(peer.data(1, bytes(16000)))
    assert code(peer.fails(peer.data(1, bytes(16000)))) == ErrorCode.FLOW_CONTROL_ERROR


@spec("RFC 9113 §6.1", "§6.9.1")
def test_padding_counts_and_is_credited_without_anybody_consuming_it() -> None:
    peer = Peer()
    peer.request(1, POST, ended=False)
    for _ in range(600):
        (event,) = peer.send(peer.data(1, b"\xffx" + bytes(255), flags=PADDED))
        assert isinstance(event, DataReceived)
        peer.machine.acknowledge(1, 1)
    assert not peer.machine.failed
    assert {f.stream_id for f in peer.read()} == {0, 1}


@spec("RFC 9113 §6.9")
@pytest.mark.parametrize("how", ["reset by peer", "reset by us", "answered", "fault"])
def test_content_that_nobody_consumes_is_credited_to_the_connection(how: str) -> None:
    peer = Peer()
    for stream_id in range(1, 101, 2):
        peer.request(stream_id, POST, ended=False)
        peer.send(peer.data(stream_id, bytes(10000)))
        if how == "reset by peer":
            peer.send(frame(FrameType.RST_STREAM, 0, stream_id, number(8)))
        elif how == "reset by us":
            peer.machine.reset_stream(stream_id)
        elif how == "fault":
            peer.send(update(stream_id, 0))
        else:
            peer.machine.send_response(stream_id, 200, b"text/plain", (), b"x", DATE)
        peer.machine.acknowledge(stream_id, 10000)
        peer.read()
    assert not peer.machine.failed


def test_credit_for_more_than_came_is_not_given() -> None:
    peer = Peer()
    peer.request(1, POST, ended=False)
    peer.send(peer.data(1, bytes(100)))
    peer.machine.acknowledge(1, 1 << 20)
    peer.machine.acknowledge(1, -5)
    peer.machine.acknowledge(1, 1 << 20)
    peer.machine.acknowledge(3, 1 << 20)
    assert peer.read() == []


@spec("RFC 9113 §6.9")
def test_credit_of_a_complete_request_is_given_to_the_connection_only() -> None:
    peer = Peer()
    peer.request(1, POST, ended=False)
    for _ in range(3):
        peer.send(peer.data(1, bytes(16000)))
    peer.send(peer.data(1, b"", flags=END_STREAM))
    peer.machine.acknowledge(1, 48000)
    assert [(f.stream_id, f.value) for f in peer.read()] == [(0, 48000)]


def test_window_grows_when_asked() -> None:
    peer = Peer()
    peer.request(1, POST, ended=False)
    peer.machine.resize_window(1, 1 << 20)
    peer.machine.resize_window(0, 1 << 21)
    peer.machine.resize_window(99, 1 << 21)
    assert [(f.stream_id, f.value) for f in peer.read()] == [
        (1, (1 << 20) - 65535),
        (0, (1 << 21) - 65535),
    ]
    for _ in range(60):
        assert len(peer.send(peer.data(1, bytes(16384)))) == 1


def test_window_shrinks_as_credit_is_used_up() -> None:
    peer = Peer(HTTP2Limits(initial_window_size=100000, connection_window_size=1 << 20))
    peer.request(1, POST, ended=False)
    peer.machine.resize_window(1, 1000)
    for _ in range(6):
        peer.send(peer.data(1, bytes(16000)))
        peer.machine.acknowledge(1, 16000)
    assert [f for f in peer.read() if f.stream_id] == []
    peer.send(peer.data(1, bytes(4000)))
    peer.machine.acknowledge(1, 4000)
    assert [f.value for f in peer.read() if f.stream_id] == [1000]


@spec("RFC 9113 §6.9.3")
def test_smaller_initial_window_of_ours_binds_once_acknowledged() -> None:
    peer = Peer(HTTP2Limits(initial_window_size=100), settled=False)
    peer.request(1, POST, ended=False)
    peer.request(3, POST, ended=False)
    (event,) = peer.send(peer.data(1, bytes(1000)))
    assert isinstance(event, DataReceived)
    peer.send(frame(FrameType.SETTINGS, ACK, 0))
    assert code(peer.loses(1, peer.data(1, b"x"))) == ErrorCode.FLOW_CONTROL_ERROR
    peer.send(peer.data(3, bytes(100)))
    peer.machine.acknowledge(3, 100)
    assert [(f.stream_id, f.value) for f in peer.read()] == [(3, 100)]


# Requests that are answered before they end


def test_answered_request_with_little_to_come_is_read_to_its_end() -> None:
    peer = Peer()
    peer.request(1, [*POST, (b"content-length", b"1000")], ended=False)
    peer.machine.send_response(1, 404, b"text/plain", (), b"no", DATE)
    assert [f.kind for f in peer.read()] == [FrameType.HEADERS, FrameType.DATA]
    assert peer.machine.open_streams == 0
    assert peer.send(peer.data(1, bytes(1000), flags=END_STREAM)) == []
    assert peer.read() == []


@spec("RFC 9113 §8.1.1")
def test_answered_request_is_still_held_to_its_content_length() -> None:
    peer = Peer()
    peer.request(1, [*POST, (b"content-length", b"1")], ended=False)
    peer.machine.send_response(1, 404, b"text/plain", (), b"no", DATE)
    peer.read()
    assert code(peer.loses(1, peer.data(1, b"test"))) == ErrorCode.PROTOCOL_ERROR


@spec("RFC 9113 §8.1")
def test_answered_request_with_more_to_come_can_be_stopped() -> None:
    peer = Peer()
    peer.request(1, [*POST, (b"content-length", b"1000000")], ended=False)
    peer.machine.stop_request(1)
    assert peer.read() == []
    peer.machine.send_response(1, 404, b"text/plain", (), b"no", DATE)
    assert peer.read()[-1].ended
    assert peer.machine.is_receiving(1)
    peer.machine.stop_request(1)
    (reset,) = peer.read()
    assert (reset.kind, reset.code) == (FrameType.RST_STREAM, ErrorCode.NO_ERROR)
    assert not peer.machine.is_receiving(1)
    peer.machine.stop_request(1)
    assert peer.read() == []


@spec("RFC 9113 §8.1")
def test_answered_request_gets_no_more_credit_but_holds_up_no_other() -> None:
    peer = Peer()
    peer.request(1, POST, ended=False)
    peer.machine.send_response(1, 404, b"text/plain", (), b"no", DATE)
    peer.read()
    for size in (16000, 16000, 16000, 16000, 1535):
        assert peer.send(peer.data(1, bytes(size))) == []
    assert {(f.kind, f.stream_id) for f in peer.read()} == {(FrameType.WINDOW_UPDATE, 0)}
    peer.machine.stop_request(1)
    (reset,) = peer.read()
    assert (reset.kind, reset.code) == (FrameType.RST_STREAM, ErrorCode.NO_ERROR)


def test_answered_request_that_comes_to_a_halt_is_found_stalled() -> None:
    peer = Peer()
    peer.request(1, POST, ended=False)
    peer.machine.send_response(1, 404, b"text/plain", (), b"no", DATE)
    assert peer.machine.stalled() == []
    peer.send(peer.data(1, b"x"))
    assert peer.machine.stalled() == []
    assert peer.machine.stalled() == [1]


def test_content_beyond_max_body_is_refused_while_it_comes() -> None:
    peer = Peer(HTTP2Limits(max_body=10))
    peer.request(1, POST, ended=False)
    events = peer.send(peer.data(1, bytes(6)), peer.data(1, bytes(6)), peer.data(1, bytes(6)))
    assert [type(e) for e in events] == [DataReceived, RequestRefused]
    refused = events[1]
    assert isinstance(refused, RequestRefused)
    assert refused.error.code == 413
    peer.machine.send_refusal(1, refused.error, date=DATE)
    headers, _ = peer.read()
    assert peer.decode(headers)[0] == (b":status", b"413")
    assert peer.send(peer.data(1, b"", flags=END_STREAM)) == []


def test_content_beyond_max_body_after_the_response_began_is_reset() -> None:
    peer = Peer(HTTP2Limits(max_body=10))
    peer.request(1, POST, ended=False)
    peer.machine.send_head(1, 200, [], DATE)
    (refused,) = peer.send(peer.data(1, bytes(11)))
    assert isinstance(refused, RequestRefused)
    peer.machine.send_refusal(1, refused.error, date=DATE)
    assert peer.read()[-1].code == ErrorCode.ENHANCE_YOUR_CALM


def test_request_that_ended_in_trailers_has_its_credit_kept() -> None:
    peer = Peer()
    peer.request(1, POST, ended=False)
    events = peer.send(peer.data(1, b"abc"), peer.headers(1, [(b"x-sum", b"1")]))
    assert isinstance(events[1], RequestEnded)
    assert events[1].trailers == ((b"x-sum", b"1"),)


@spec("RFC 9110 §15.5.14")
@pytest.mark.parametrize(("announced", "refused"), [(9, False), (10, False), (11, True)])
def test_content_that_is_announced_is_judged_before_it_comes(announced: int, refused: bool) -> None:
    peer = Peer(HTTP2Limits(max_body=10))
    fields = [*POST, (b"content-length", b"%d" % announced)]
    (event,) = peer.send(peer.headers(1, fields, flags=END_HEADERS))
    assert isinstance(event, RequestRefused if refused else RequestReceived)
    if isinstance(event, RequestRefused):
        assert isinstance(event.error, LimitExceeded)
        assert (event.error.limit, event.error.code) == ("max_body_size", 413)
