"""RFC 9218: who is served first is what the client says, in the field or in a frame."""

from __future__ import annotations

import pytest

from blackbull.response import Response
from tests.conformance.http2 import (
    DATA,
    END_HEADERS,
    END_STREAM,
    GET,
    GOAWAY,
    HEADERS,
    SETTINGS,
    WINDOW_UPDATE,
    Line,
    frame,
    line,
)
from tests.conformance.peer import App
from tests.spec import spec

PRIORITY_UPDATE = 0x10
PROTOCOL_ERROR, FRAME_SIZE_ERROR = 1, 6
SIZE = 40_000


def asked(stream_id: int, priority: bytes = b"") -> bytes:
    """Return a GET request with a priority field."""
    extra = b"\0\x08priority" + bytes((len(priority),)) + priority if priority else b""
    return frame(HEADERS, END_STREAM | END_HEADERS, stream_id, GET + extra)


def update(stream_id: int, priority: bytes) -> bytes:
    """Return a PRIORITY_UPDATE frame."""
    return frame(PRIORITY_UPDATE, 0, 0, stream_id.to_bytes(4, "big") + priority)


async def order(*wire: bytes) -> list[int]:
    """Return the streams in the order in which the last of their content comes.

    All of it waits for credit until everything was asked for.
    """
    async with line(App({"/": Response(bytes(SIZE))})) as peer:
        await peer.send(frame(SETTINGS, 0, 0, b"\0\4" + bytes(4)), *wire)
        assert await peer.alive()
        opened = b"\0\4" + (1 << 20).to_bytes(4, "big")
        await peer.send(frame(SETTINGS, 0, 0, opened))
        await peer.send(frame(WINDOW_UPDATE, 0, 0, (1 << 20).to_bytes(4, "big")))
        return await ends(peer, sum(part[3] == HEADERS for part in wire))


async def ends(peer: Line, count: int) -> list[int]:
    """Return the first *count* streams that end, in order."""
    ended: list[int] = []
    while len(ended) < count:
        got = await peer.until(DATA)
        if got.flags & END_STREAM:
            ended.append(got.stream_id)
    return ended


@spec("RFC 9218 §4.1", "RFC 9218 §10", "the smaller the sooner")
async def test_urgent_responses_come_first() -> None:
    assert await order(asked(1, b"u=7"), asked(3, b"u=0"), asked(5, b"u=4")) == [3, 5, 1]


@spec("RFC 9218 §4.1", "RFC 9218 §4", "3 unless told otherwise")
@pytest.mark.parametrize("said", [b"", b"u=9", b"u=-1", b"u=x", b"u", b"foo=1", b'"', b"u=2.5"])
async def test_urgency_is_three_where_nothing_valid_is_said(said: bytes) -> None:
    assert await order(asked(1, b"u=4"), asked(3, said), asked(5, b"u=2")) == [5, 3, 1]


@spec("RFC 9218 §4.2", "RFC 9218 §10", "not incremental: one after the other")
async def test_responses_that_are_not_incremental_come_in_their_order() -> None:
    assert await order(asked(1), asked(3), asked(5)) == [1, 3, 5]


@spec("RFC 9218 §4.2", "RFC 9218 §10", "incremental ones share")
async def test_responses_that_are_incremental_take_turns() -> None:
    async with line(App({"/": Response(bytes(SIZE))})) as peer:
        await peer.send(frame(SETTINGS, 0, 0, b"\0\4" + bytes(4)))
        await peer.send(asked(1, b"i"), asked(3, b"i"))
        assert await peer.alive()
        await peer.send(frame(SETTINGS, 0, 0, b"\0\4" + (1 << 20).to_bytes(4, "big")))
        streams = [(await peer.until(DATA)).stream_id for _ in range(4)]
        assert streams == [1, 3, 1, 3]


@spec("RFC 9218 §7", "RFC 9218 §7.1", "the frame wins over the field")
async def test_update_wins_over_the_field() -> None:
    wire = (asked(1, b"u=0"), asked(3, b"u=1"), update(1, b"u=7"))
    assert await order(*wire) == [3, 1]


@spec("RFC 9218 §7.1", "a frame may come before its request")
async def test_update_before_its_request_is_kept_for_it() -> None:
    assert await order(update(3, b"u=0"), asked(1, b"u=1"), asked(3, b"u=7")) == [3, 1]


@spec("RFC 9218 §7.1")
@pytest.mark.parametrize(
    ("wire", "code"),
    [
        (update(0, b"u=1"), PROTOCOL_ERROR),
        (frame(PRIORITY_UPDATE, 0, 1, bytes(4) + b"u=1"), PROTOCOL_ERROR),
        (frame(PRIORITY_UPDATE, 0, 0, bytes(3)), FRAME_SIZE_ERROR),
        (update(2, b"u=1"), PROTOCOL_ERROR),
    ],
    ids=["of no stream", "on a stream", "too short", "of a push that is none"],
)
async def test_update_that_breaks_the_rules_ends_the_connection(wire: bytes, code: int) -> None:
    async with line() as peer:
        await peer.send(wire)
        assert (await peer.until(GOAWAY)).code == code
        assert await peer.until_close() == []


@spec("RFC 9218 §2.1", "SETTINGS_NO_RFC7540_PRIORITIES")
@pytest.mark.parametrize("value", [2, 1 << 31])
async def test_setting_of_another_value_than_0_and_1_ends_the_connection(value: int) -> None:
    async with line() as peer:
        await peer.send(frame(SETTINGS, 0, 0, b"\0\x09" + value.to_bytes(4, "big")))
        assert (await peer.until(GOAWAY)).code == PROTOCOL_ERROR
