"""RFC 9218: priorities are read, can change, and decide whose content is sent."""

from __future__ import annotations

import pytest

from blackbull.protocol.http2 import (
    ErrorCode,
    FrameType,
    HTTP2Limits,
    Priority,
    PriorityUpdated,
    parse_priority,
)
from tests.spec import spec

from .peer import DATE, GET, Peer, code, frame, number, setting

MAX = 0x7FFFFFFF


def update(stream_id: int, value: bytes) -> bytes:
    return frame(FrameType.PRIORITY_UPDATE, 0, 0, number(stream_id) + value)


@spec("RFC 9218 §4", "§4.1", "§4.2")
@pytest.mark.parametrize(
    ("value", "urgency", "incremental"),
    [
        (b"", 3, False),
        (b"u=0", 0, False),
        (b"u=7, i", 7, True),
        (b"i", 3, True),
        (b"i=?1", 3, True),
        (b"i=?0", 3, False),
        (b"  u=1  ", 1, False),
        (b"u=1 , \ti", 1, True),
        (b"u=1,i", 1, True),
        (b"u=5, u=2", 2, False),
        (b"i, i=?0", 3, False),
        (b"u=2;x=1;y, i;q=0.5", 2, True),
        # out of range, or of another type: as if it were not there
        (b"u=8", 3, False),
        (b"u=-1", 3, False),
        (b"u=1.5", 3, False),
        (b"u", 3, False),
        (b"u=?1", 3, False),
        (b"u=5, u=9", 3, False),
        (b"i=1", 3, False),
        # other members
        (b'u=1, x-y=token, z="a, u=7", *b=:YQ==:, w=(1 "2" c;d=1);e, v=()', 1, False),
        (b"unknown, i", 3, True),
        # no dictionary at all
        (b"u=1,", 3, False),
        (b"u=1 i", 3, False),
        (b"U=1", 3, False),
        (b"u=1, =2", 3, False),
        (b"u=1, \x80", 3, False),
        (b"(u=1)", 3, False),
        (b",", 3, False),
    ],
)
def test_priority_value_is_parsed(value: bytes, urgency: int, incremental: bool) -> None:
    assert parse_priority(value) == Priority(urgency, incremental)


def test_priority_compares_by_value() -> None:
    assert Priority(1) == Priority(1)
    assert Priority(1) != Priority(1, True)
    assert Priority(1) != 1
    assert hash(Priority(2)) == hash(Priority(2))
    assert repr(Priority(2, True)) == "Priority(urgency=2, incremental=True)"


@pytest.mark.parametrize("value", [b"a=(" + b"a" * 8000, b"a" * 8000, b"u=1;" * 2000, b"i," * 4000])
def test_priority_value_of_any_shape_takes_little_time(value: bytes) -> None:
    assert parse_priority(value).urgency == 3


@spec("RFC 9218 §5")
def test_priority_field_is_reported_with_the_request() -> None:
    peer = Peer()
    event = peer.request(1, [*GET, (b"priority", b"u=1"), (b"priority", b"i")])
    assert event.priority == Priority(1, True)
    assert peer.request(3).priority == Priority()


@spec("RFC 9218 §7.1")
def test_priority_update_before_the_request_wins_over_its_field() -> None:
    peer = Peer()
    assert peer.send(update(3, b"u=0, i"), update(1, b"u=6"), update(5, b"u=5")) == []
    assert peer.request(3, [*GET, (b"priority", b"u=4")]).priority == Priority(0, True)
    assert peer.request(5).priority == Priority(5)
    assert peer.request(7).priority == Priority()


@spec("RFC 9218 §7.1")
def test_priority_update_of_a_request_is_reported() -> None:
    peer = Peer()
    peer.request(1)
    (event,) = peer.send(update(1, b"u=2, i"))
    assert isinstance(event, PriorityUpdated)
    assert (event.stream_id, event.priority) == (1, Priority(2, True))


@spec("RFC 9218 §7.1")
def test_priority_update_of_a_closed_stream_is_ignored() -> None:
    peer = Peer()
    peer.request(1)
    peer.machine.reset_stream(1)
    assert peer.send(update(1, b"u=2")) == []


@spec("RFC 9218 §7.1")
def test_priority_updates_of_streams_to_come_are_kept_in_bounded_memory() -> None:
    peer = Peer(HTTP2Limits(max_concurrent_streams=10, max_priority_frames=10000))
    for stream_id in range(1, 2001, 2):
        peer.send(update(stream_id, b"u=1"))
    assert peer.request(19).priority == Priority(1)
    assert peer.request(21).priority == Priority()


@spec("RFC 9218 §7.1")
@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (frame(FrameType.PRIORITY_UPDATE, 0, 1, number(1) + b"u=1"), ErrorCode.PROTOCOL_ERROR),
        (update(0, b"u=1"), ErrorCode.PROTOCOL_ERROR),
        (update(2, b"u=1"), ErrorCode.PROTOCOL_ERROR),
        (frame(FrameType.PRIORITY_UPDATE, 0, 0, b"\0\0\1"), ErrorCode.FRAME_SIZE_ERROR),
    ],
)
def test_priority_update_that_is_malformed_fails(data: bytes, expected: ErrorCode) -> None:
    assert code(Peer().fails(data)) == expected


# Scheduling


def order(priorities: dict[int, bytes], *, size: int = 40000, changes: bytes = b"") -> list[int]:
    """Return the streams of the DATA frames of responses that all wait at the same time."""
    peer = Peer(settings=setting(4, MAX))
    for stream_id, priority in priorities.items():
        peer.request(stream_id, [*GET, (b"priority", priority)])
    for stream_id in priorities:
        peer.machine.send_head(stream_id, 200, [], DATE)
        peer.machine.send_data(stream_id, bytes(size), end=True)
    peer.send(frame(FrameType.WINDOW_UPDATE, 0, 0, number(1 << 24)), changes)
    return [f.stream_id for f in peer.read() if f.kind == FrameType.DATA]


@spec("RFC 9218 §10")
def test_schedule_sends_the_most_urgent_first() -> None:
    assert order({1: b"u=5", 3: b"u=0", 5: b"u=3"}) == [3, 3, 3, 5, 5, 5, 1, 1, 1]


@spec("RFC 9218 §10")
def test_schedule_sends_equals_one_after_the_other_by_number() -> None:
    assert order({1: b"", 3: b"", 5: b""}) == [1, 1, 1, 3, 3, 3, 5, 5, 5]


@spec("RFC 9218 §10")
def test_schedule_sends_incremental_responses_in_turns() -> None:
    assert order({1: b"i", 3: b"i", 5: b"i"}) == [1, 3, 5] * 3


@spec("RFC 9218 §10")
def test_schedule_sends_complete_responses_before_incremental_equals() -> None:
    assert order({1: b"i", 3: b"", 5: b"i"}) == [3, 3, 3, 1, 5, 1, 5, 1, 5]


@spec("RFC 9218 §7", "§10")
def test_schedule_follows_a_priority_that_changes() -> None:
    assert order({1: b"u=1", 3: b"u=2"}, changes=update(3, b"u=0")) == [3, 3, 3, 1, 1, 1]


@spec("RFC 9218 §10")
def test_schedule_passes_a_stream_over_that_has_no_credit() -> None:
    peer = Peer(settings=setting(4, 20000))
    for stream_id, priority in [(1, b"u=0"), (3, b"u=1")]:
        peer.request(stream_id, [*GET, (b"priority", priority)])
        peer.machine.send_response(stream_id, 200, b"text/plain", (), bytes(30000), DATE)
    assert [f.stream_id for f in peer.read() if f.kind == FrameType.DATA] == [1, 1, 3, 3]
    peer.send(frame(FrameType.WINDOW_UPDATE, 0, 3, number(30000)))
    assert [f.stream_id for f in peer.read()] == [3]


def test_schedule_small_response_does_not_pass_what_waits() -> None:
    peer = Peer(settings=setting(4, MAX))
    peer.request(1, [*GET, (b"priority", b"u=0")])
    peer.request(3, [*GET, (b"priority", b"u=7")])
    peer.machine.send_response(1, 200, b"text/plain", (), bytes(40000), DATE)
    peer.machine.send_response(3, 200, b"text/plain", (), b"x", DATE)
    assert [f.stream_id for f in peer.read() if f.kind == FrameType.DATA] == [1, 1, 1, 3]


def test_schedule_late_urgent_content_overtakes_between_two_reads() -> None:
    peer = Peer(settings=setting(4, MAX))
    peer.request(1, [*GET, (b"priority", b"u=7")])
    peer.request(3, [*GET, (b"priority", b"u=0")])
    peer.send(frame(FrameType.WINDOW_UPDATE, 0, 0, number(1 << 24)))
    peer.machine.send_response(1, 200, b"text/plain", (), bytes(60000), DATE)
    peer.machine.data_to_send(16384)
    peer.machine.send_response(3, 200, b"text/plain", (), bytes(20000), DATE)
    streams = [f.stream_id for f in peer.read() if f.kind == FrameType.DATA]
    assert streams == [3, 3, 1, 1, 1]
