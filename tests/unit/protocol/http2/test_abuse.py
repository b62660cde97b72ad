"""RFC 9113 §10.5: floods end in ENHANCE_YOUR_CALM, and cost a bounded amount of memory."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from blackbull.errors import LimitExceeded
from blackbull.protocol.http2 import (
    ConnectionFailed,
    ErrorCode,
    Event,
    FrameType,
    HTTP2Limits,
    RequestRefused,
    StreamFailed,
)
from blackbull.protocol.http2.content import Outflow
from blackbull.protocol.http2.header_block import HeaderBlock
from blackbull.protocol.http2.stream import Stream
from tests.spec import spec

from .peer import (
    ACK,
    DATE,
    END_HEADERS,
    END_STREAM,
    GET,
    PADDED,
    POST,
    Peer,
    frame,
    number,
    setting,
)

Flood = Callable[[Peer, int], bytes]


def unanswered_request(peer: Peer, turn: int) -> bytes:
    """Return a request that is reset at once."""
    stream_id = 2 * turn + 101
    return peer.headers(stream_id, GET) + frame(FrameType.RST_STREAM, 0, stream_id, number(8))


def bad_request(peer: Peer, turn: int) -> bytes:
    """Return a request that the server has to reset."""
    return peer.headers(2 * turn + 101, GET[1:])


def bad_credit(peer: Peer, turn: int) -> bytes:
    """Return a sound request that the server is made to reset."""
    stream_id = 2 * turn + 101
    return peer.headers(stream_id, GET) + frame(FrameType.WINDOW_UPDATE, 0, stream_id, number(0))


def overrun(peer: Peer, turn: int) -> bytes:
    return peer.headers(2 * turn + 101, POST, flags=END_HEADERS)


FLOODS: dict[str, tuple[Flood, str]] = {
    "ping": (lambda p, n: frame(FrameType.PING, 0, 0, bytes(8)), "frame_rate"),
    "ping answers": (lambda p, n: frame(FrameType.PING, ACK, 0, bytes(8)), "frame_rate"),
    "settings": (lambda p, n: frame(FrameType.SETTINGS, 0, 0), "frame_rate"),
    "settings answers": (lambda p, n: frame(FrameType.SETTINGS, ACK, 0), "frame_rate"),
    "empty data": (lambda p, n: frame(FrameType.DATA, 0, 1), "frame_rate"),
    "padding": (lambda p, n: frame(FrameType.DATA, PADDED, 1, b"\x09" + bytes(9)),
                "frame_rate"),
    "goaway": (lambda p, n: frame(FrameType.GOAWAY, 0, 0, bytes(8)), "frame_rate"),
    "unknown": (lambda p, n: frame(0xEE, 0, 0), "h2_max_priority_frames"),
    "priority": (lambda p, n: frame(FrameType.PRIORITY, 0, 3, bytes(5)), "h2_max_priority_frames"),
    "priority update": (lambda p, n: frame(FrameType.PRIORITY_UPDATE, 0, 0, number(2 * n + 3)),
                        "h2_max_priority_frames"),
    "window": (lambda p, n: frame(FrameType.WINDOW_UPDATE, 0, 0, number(1)),
               "h2_max_window_updates"),
    "window of a stream": (lambda p, n: frame(FrameType.WINDOW_UPDATE, 0, 1, number(1)),
                           "h2_max_window_updates"),
    "rapid reset": (unanswered_request, "h2_max_resets"),
    "resets that the server sends": (bad_request, "h2_max_resets"),
    "made to reset": (bad_credit, "h2_max_resets"),
    "too many streams": (overrun, "h2_max_refused_streams"),
}  # fmt: skip


def flood(peer: Peer, make: Flood, count: int) -> tuple[int, list[Event]]:
    """Send *count* units, reading what the server answers; return how many it took."""
    for turn in range(count):
        events = peer.send(make(peer, turn))
        peer.read()
        if peer.machine.failed:
            return turn, events
    return count, []


@spec("RFC 9113 §10.5")
@pytest.mark.parametrize("name", FLOODS)
def test_flood_ends_the_connection(name: str) -> None:
    make, limit = FLOODS[name]
    peer = Peer()
    peer.request(1, POST, ended=False)
    taken, events = flood(peer, make, 3000)
    failed = events[-1]
    assert isinstance(failed, ConnectionFailed)
    assert isinstance(failed.error, LimitExceeded)
    assert failed.error.limit == limit
    assert failed.error.code == ErrorCode.ENHANCE_YOUR_CALM
    assert failed.error.seen > failed.error.allowed
    # what began before the first count belongs to the same window
    assert 18 <= taken <= 1100


@pytest.mark.parametrize("name", FLOODS)
def test_frames_that_come_slowly_are_no_flood(name: str) -> None:
    make, _ = FLOODS[name]
    peer = Peer()
    peer.request(1, POST, ended=False)
    for turn in range(200):
        peer.now += 0.2
        peer.send(make(peer, turn))
        peer.read()
    assert not peer.machine.failed


def test_reset_streams_that_are_written_to_again_and_again_end_the_connection() -> None:
    peer = Peer()
    peer.request(1, POST, ended=False)
    peer.send(frame(FrameType.RST_STREAM, 0, 1, number(8)))
    _, events = flood(peer, lambda p, n: frame(FrameType.DATA, 0, 1, b"x"), 3000)
    assert isinstance(events[-1], ConnectionFailed)


@spec("RFC 9113 §10.5.1")
def test_header_block_without_end_is_bounded_in_size() -> None:
    peer = Peer()
    peer.send(frame(FrameType.HEADERS, END_STREAM, 1, bytes(16000)))
    _, events = flood(peer, lambda p, n: frame(FrameType.CONTINUATION, 0, 1, bytes(16000)), 100)
    failed = events[-1]
    assert isinstance(failed, ConnectionFailed)
    assert isinstance(failed.error, LimitExceeded)
    assert failed.error.limit == "header_max_total"
    assert failed.error.code == ErrorCode.ENHANCE_YOUR_CALM
    assert peer.machine.buffered == 0


@spec("RFC 9113 §10.5.1")
@pytest.mark.parametrize("fragment", [b"", b"\0"])
def test_header_block_without_end_is_bounded_in_frames(fragment: bytes) -> None:
    peer = Peer()
    peer.send(frame(FrameType.HEADERS, END_STREAM, 1))
    taken, events = flood(peer, lambda p, n: frame(FrameType.CONTINUATION, 0, 1, fragment), 100)
    failed = events[-1]
    assert isinstance(failed, ConnectionFailed)
    assert isinstance(failed.error, LimitExceeded)
    assert failed.error.limit == "h2_max_continuations"
    assert taken == 32


def test_header_block_is_as_large_as_it_may_be_to_the_byte_and_the_frame() -> None:
    limits = HTTP2Limits(max_header_block=100, max_continuations=2)
    sound = HeaderBlock(1, limits, ended=True, fault=None)
    for size in (60, 40, 0):
        sound.add(bytes(size))
    assert sound.join() == bytes(100)
    for sizes, limit in (((100, 1), "header_max_total"), ((1, 1, 1, 1), "h2_max_continuations")):
        block = HeaderBlock(1, limits, ended=True, fault=None)
        for size in sizes[:-1]:
            block.add(bytes(size))
        with pytest.raises(LimitExceeded) as caught:
            block.add(bytes(sizes[-1]))
        assert (caught.value.limit, caught.value.code) == (limit, ErrorCode.ENHANCE_YOUR_CALM)


@spec("RFC 9113 §10.5.1")
def test_header_list_that_decompresses_to_much_more_is_refused() -> None:
    peer = Peer()
    # one entry of 4,000 bytes in the dynamic table, then 50,000 references to it
    entry = b"\x40\x01a\x7f\xa1\x1e" + b"v" * 4000
    block = peer.encoder.encode(GET) + entry + b"\xbe" * 50000
    data = frame(FrameType.HEADERS, END_STREAM, 1, block[:16384])
    for at in range(16384, len(block), 16384):
        flags = END_HEADERS if at + 16384 >= len(block) else 0
        data += frame(FrameType.CONTINUATION, flags, 1, block[at : at + 16384])
    (event,) = peer.send(data)
    assert isinstance(event, RequestRefused)
    assert isinstance(event.error, LimitExceeded)
    assert event.error.limit == "header_max_total"
    assert event.error.code == 431
    assert event.error.seen > 200_000_000
    (event,) = peer.send(frame(FrameType.HEADERS, 5, 3, peer.encoder.encode(GET)[:1] + b"\xbe"))
    assert isinstance(event, StreamFailed)


@pytest.mark.parametrize(("size", "kept"), [(4095, 1), (4096, 1), (4097, 0)])
def test_head_is_remembered_if_its_fields_count_little(size: int, kept: int) -> None:
    """A block of a few bytes can refer to large fields; it is not the block that is kept."""
    fields = [*GET, (b"x-a", b"")]
    counted = sum(32 + len(name) + len(value) for name, value in fields)
    fields[-1] = (b"x-a", b"v" * (size - counted))
    peer = Peer()
    peer.request(1, fields)
    peer.request(3, fields)  # all of it is in the table now, so its meaning cannot change
    assert len(peer.machine._requests._known) == kept
    assert peer.request(5, fields).head.fields[-1] == fields[-1]


@pytest.mark.parametrize(("size", "kept"), [(1023, 1), (1024, 1), (1025, 0)])
def test_head_is_remembered_if_its_block_is_short(size: int, kept: int) -> None:
    # three known fields and an authority; then a literal of 12 bytes and its value
    length = size - 12
    more = length - 127
    block = b"\x82\x86\x84\x01\x01a\x00\x01x\x7f" + bytes((more & 127 | 128, more >> 7))
    block += b"v" * length
    assert len(block) == size
    peer = Peer()
    peer.send(frame(FrameType.HEADERS, END_STREAM | END_HEADERS, 1, block))
    assert len(peer.machine._requests._known) == kept


def test_heads_that_are_remembered_are_bounded_in_number() -> None:
    peer = Peer()
    for turn in range(600):
        block = b"\x82\x86\x04\x04/%03d\x01\x01a" % turn
        peer.send(frame(FrameType.HEADERS, END_STREAM | END_HEADERS, 2 * turn + 1, block))
        peer.machine.send_response(2 * turn + 1, 200, b"", (), b"x", DATE)
        peer.read()
        assert len(peer.machine._requests._known) == turn % 256 + 1


@spec("RFC 9113 §6.5.3")
def test_settings_of_many_values_move_each_stream_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A frame has room for thousands, a connection for a hundred streams."""
    moved: list[int] = []
    move = Outflow.credit_stream

    def counted(outflow: Outflow, stream: Stream, change: int) -> None:
        moved.append(change)
        move(outflow, stream, change)

    peer = Peer()
    for stream_id in (1, 3, 5):
        peer.request(stream_id)
    monkeypatch.setattr(Outflow, "credit_stream", counted)
    values = b"".join(setting(4, value) for value in range(2000))
    peer.send(frame(FrameType.SETTINGS, 0, 0, values + setting(4, 65536)))
    assert moved == [1] * 3
    assert peer.machine.stream_window(5) == 65536
    peer.send(frame(FrameType.SETTINGS, 0, 0, values + setting(4, 65536)))
    assert moved == [1] * 3


def test_busy_client_is_no_flood() -> None:
    """A client that reads probes, gives credit and cancels in proportion."""
    peer = Peer()
    for turn in range(2000):
        stream_id = 2 * turn + 1
        peer.send(peer.headers(stream_id, GET))
        peer.machine.send_response(stream_id, 200, b"text/plain", (), b"x" * 30000, DATE)
        peer.read()
        peer.send(
            frame(FrameType.WINDOW_UPDATE, 0, 0, number(30000)),
            frame(FrameType.WINDOW_UPDATE, 0, stream_id, number(30000)),
            frame(FrameType.PING, 0, 0, bytes(8)),
            frame(FrameType.PRIORITY_UPDATE, 0, 0, number(stream_id) + b"u=1"),
        )
        peer.read()
        assert not peer.machine.failed


def test_browser_that_leaves_a_page_is_no_flood() -> None:
    peer = Peer()
    for stream_id in range(1, 201, 2):
        peer.request(stream_id)
    peer.send(*[frame(FrameType.RST_STREAM, 0, i, number(8)) for i in range(1, 201, 2)])
    assert not peer.machine.failed
    peer.request(201)


def test_limits_can_be_set() -> None:
    peer = Peer(HTTP2Limits(max_control_frames=2, frame_rate_window=10.0))
    ping = frame(FrameType.PING, 0, 0, bytes(8))
    peer.send(ping, ping)
    peer.now += 9.9
    peer.fails(ping)
