"""RFC 9113 §6, §7: every type of frame, and what is wrong with it."""

from __future__ import annotations

import pytest

from tests.conformance.http2 import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GET,
    GOAWAY,
    HEADERS,
    PING,
    POST,
    PRIORITY,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    frame,
    line,
)
from tests.conformance.peer import App, echo
from tests.spec import spec

PADDED, WITH_PRIORITY = 8, 0x20
PROTOCOL_ERROR, FLOW_CONTROL_ERROR, STREAM_CLOSED, FRAME_SIZE_ERROR = 1, 3, 5, 6
MOST = (1 << 31) - 1
POSTED = frame(HEADERS, END_HEADERS, 1, POST)
ASKED = frame(HEADERS, END_STREAM | END_HEADERS, 1, GET)


def setting(identifier: int, value: int) -> bytes:
    """Return one parameter of a SETTINGS frame."""
    return identifier.to_bytes(2, "big") + value.to_bytes(4, "big")


def credit(stream_id: int, increment: int) -> bytes:
    """Return a WINDOW_UPDATE frame."""
    return frame(WINDOW_UPDATE, 0, stream_id, increment.to_bytes(4, "big"))


CONNECTION_ERRORS = [
    ("§6.1", "DATA on no stream", frame(DATA, 0, 0, b"x"), PROTOCOL_ERROR),
    ("§6.1", "all padding", POSTED + frame(DATA, PADDED, 1, b"\x06pad.."), PROTOCOL_ERROR),
    ("§6.1", "more padding", POSTED + frame(DATA, PADDED, 1, b"\xffpad"), PROTOCOL_ERROR),
    ("§6.1", "no length of padding", POSTED + frame(DATA, PADDED, 1), FRAME_SIZE_ERROR),
    ("§6.2", "HEADERS on no stream", frame(HEADERS, 5, 0, GET), PROTOCOL_ERROR),
    ("§6.2", "more padding", frame(HEADERS, PADDED | 5, 1, b"\x09" + GET), PROTOCOL_ERROR),
    ("§6.2", "half a priority", frame(HEADERS, WITH_PRIORITY | 5, 1, b"\0\0"), FRAME_SIZE_ERROR),
    ("§6.3", "PRIORITY of no stream", frame(PRIORITY, 0, 0, bytes(5)), PROTOCOL_ERROR),
    ("§6.4", "RST_STREAM of no stream", frame(RST_STREAM, 0, 0, bytes(4)), PROTOCOL_ERROR),
    ("§6.4", "RST_STREAM too short", POSTED + frame(RST_STREAM, 0, 1, b"\0"), FRAME_SIZE_ERROR),
    ("§6.4", "RST_STREAM too long", POSTED + frame(RST_STREAM, 0, 1, bytes(5)), FRAME_SIZE_ERROR),
    ("§6.5", "acknowledged with more", frame(SETTINGS, ACK, 0, bytes(6)), FRAME_SIZE_ERROR),
    ("§6.5", "SETTINGS of a stream", frame(SETTINGS, 0, 1, bytes(6)), PROTOCOL_ERROR),
    ("§6.5", "half a setting", frame(SETTINGS, 0, 0, bytes(3)), FRAME_SIZE_ERROR),
    ("§6.5.2", "ENABLE_PUSH", frame(SETTINGS, 0, 0, setting(2, 2)), PROTOCOL_ERROR),
    ("§6.5.2", "a window", frame(SETTINGS, 0, 0, setting(4, MOST + 1)), FLOW_CONTROL_ERROR),
    ("§6.5.2", "small frames", frame(SETTINGS, 0, 0, setting(5, 16383)), PROTOCOL_ERROR),
    ("§6.5.2", "large frames", frame(SETTINGS, 0, 0, setting(5, 1 << 24)), PROTOCOL_ERROR),
    ("§6.6", "PUSH_PROMISE", POSTED + frame(PUSH_PROMISE, 4, 1, bytes(4) + GET), PROTOCOL_ERROR),
    ("§6.7", "PING of a stream", frame(PING, 0, 1, bytes(8)), PROTOCOL_ERROR),
    ("§6.7", "PING too short", frame(PING, 0, 0, bytes(6)), FRAME_SIZE_ERROR),
    ("§6.7", "PING too long", frame(PING, 0, 0, bytes(9)), FRAME_SIZE_ERROR),
    ("§6.8", "GOAWAY of a stream", frame(GOAWAY, 0, 1, bytes(8)), PROTOCOL_ERROR),
    ("§6.8", "GOAWAY too short", frame(GOAWAY, 0, 0, bytes(7)), FRAME_SIZE_ERROR),
    ("§6.9", "no credit", credit(0, 0), PROTOCOL_ERROR),
    ("§6.9", "credit too short", frame(WINDOW_UPDATE, 0, 0, bytes(3)), FRAME_SIZE_ERROR),
    ("§6.9", "credit too long", POSTED + frame(WINDOW_UPDATE, 0, 1, bytes(5)), FRAME_SIZE_ERROR),
    ("§6.9.1", "too much credit", credit(0, MOST), FLOW_CONTROL_ERROR),
    ("§6.9.2", "a window that a setting bursts",
     POSTED + credit(1, MOST - 65535) + frame(SETTINGS, 0, 0, setting(4, 65536)),
     FLOW_CONTROL_ERROR),
    ("§6.10", "CONTINUATION of no stream", frame(CONTINUATION, 4, 0, GET), PROTOCOL_ERROR),
    ("§6.10", "CONTINUATION of a whole block",
     frame(HEADERS, END_HEADERS, 1, POST) + frame(CONTINUATION, END_HEADERS, 1), PROTOCOL_ERROR),
    ("§6.10", "CONTINUATION after the last one",
     frame(HEADERS, 0, 1, POST) + 2 * frame(CONTINUATION, END_HEADERS, 1), PROTOCOL_ERROR),
    ("§6.10", "CONTINUATION of DATA",
     POSTED + frame(DATA, 0, 1, b"x") + frame(CONTINUATION, END_HEADERS, 1), PROTOCOL_ERROR),
]  # fmt: skip


@pytest.mark.parametrize(
    ("wire", "code"),
    [
        pytest.param(wire, code, id=f"{clause} {what}", marks=spec(f"RFC 9113 {clause}", what))
        for clause, what, wire, code in CONNECTION_ERRORS
    ],
)
async def test_frame_that_breaks_the_connections_rules_ends_it(wire: bytes, code: int) -> None:
    async with line(App({"/": echo})) as peer:
        await peer.send(wire)
        assert (await peer.until(GOAWAY)).code == code
        assert await peer.until_close() == []


STREAM_ERRORS = [
    ("§6.3", "PRIORITY too short", POSTED + frame(PRIORITY, 0, 1, bytes(4)), FRAME_SIZE_ERROR),
    ("§6.9", "no credit", POSTED + credit(1, 0), PROTOCOL_ERROR),
    ("§6.9.1", "too much credit", POSTED + credit(1, MOST), FLOW_CONTROL_ERROR),
    ("§6.9.1", "too much credit, bit by bit",
     POSTED + credit(1, MOST - 65535) + credit(1, 1), FLOW_CONTROL_ERROR),
    ("§8.1", "trailers without an end",
     POSTED + frame(HEADERS, END_HEADERS, 1, b"\x40\x01a\x01b"), PROTOCOL_ERROR),
]  # fmt: skip


@pytest.mark.parametrize(
    ("wire", "code"),
    [
        pytest.param(wire, code, id=f"{clause} {what}", marks=spec(f"RFC 9113 {clause}", what))
        for clause, what, wire, code in STREAM_ERRORS
    ],
)
async def test_frame_that_breaks_a_streams_rules_resets_it(wire: bytes, code: int) -> None:
    async with line(App({"/": echo})) as peer:
        await peer.send(wire)
        reset = await peer.until(RST_STREAM)
        assert (reset.stream_id, reset.code) == (1, code)
        assert await peer.alive()


@spec("RFC 9113 §6.1", "RFC 9113 §6.2", "padding is not content")
async def test_padding_is_taken_away() -> None:
    async with line(App({"/": echo})) as peer:
        head = b"\x03" + bytes(4) + b"\x0f" + POST + bytes(3)
        await peer.send(
            frame(HEADERS, PADDED | WITH_PRIORITY | END_HEADERS, 1, head),
            frame(DATA, PADDED, 1, b"\x02ab\0\0"),
            frame(DATA, PADDED | END_STREAM, 1, b"\0cd"),
        )
        assert (await peer.until(DATA)).payload == b"abcd"


@spec("RFC 9113 §6.5.2", "a setting that is not known is ignored")
async def test_setting_that_is_not_known_is_ignored() -> None:
    async with line() as peer:
        await peer.send(frame(SETTINGS, 0, 0, setting(0xFF, 1) + setting(0, 7)))
        assert (await peer.until(SETTINGS)).flags == ACK
        assert await peer.alive()


@spec("RFC 9113 §6.5.3", "values are applied in order, then acknowledged")
async def test_settings_are_applied_in_order_and_acknowledged() -> None:
    async with line() as peer:
        await peer.send(frame(SETTINGS, 0, 0, setting(4, 100) + setting(4, 1)), ASKED)
        assert (await peer.until(SETTINGS)).flags == ACK
        assert (await peer.until(DATA)).payload == b"G"


@spec("RFC 9113 §6.7", "an answer is not answered")
async def test_ping_is_answered_at_once_and_an_answer_is_not() -> None:
    async with line() as peer:
        await peer.send(frame(PING, ACK, 0, b"answered"), frame(PING, 0, 0, b"question"))
        answer = await peer.until(PING)
        assert (answer.flags, answer.payload) == (ACK, b"question")


@spec("RFC 9113 §6.9.1", "the window counts DATA only, and to the last octet")
async def test_window_of_one_octet_is_used_octet_by_octet() -> None:
    async with line() as peer:
        await peer.send(frame(SETTINGS, 0, 0, setting(4, 1)), ASKED)
        got = [(await peer.until(DATA)).payload]
        for _ in range(4):
            await peer.send(credit(1, 1))
            got.append((await peer.until(DATA)).payload)
        assert got == [b"G", b"E", b"T", b" ", b"/"]


@spec("RFC 9113 §6.9.2", "a window that opens with a setting")
async def test_window_that_a_setting_opens_lets_content_go() -> None:
    async with line() as peer:
        await peer.send(frame(SETTINGS, 0, 0, setting(4, 0)), ASKED)
        await peer.until(HEADERS)
        assert await peer.alive()
        await peer.send(frame(SETTINGS, 0, 0, setting(4, 3)))
        assert (await peer.until(DATA)).payload == b"GET"


@spec("RFC 9113 §6.10", "any number of them")
async def test_block_in_several_frames_is_one() -> None:
    async with line() as peer:
        block = GET + b"\x40\x01a\x01b"
        await peer.send(
            frame(HEADERS, END_STREAM, 1, block[:1]),
            frame(CONTINUATION, 0, 1, block[1:3]),
            frame(CONTINUATION, 0, 1),
            frame(CONTINUATION, END_HEADERS, 1, block[3:]),
        )
        assert (await peer.until(DATA)).payload == b"GET /"


@spec("RFC 9113 §7", "an unknown error code is no error")
async def test_error_code_that_is_not_known_is_no_error() -> None:
    async with line(App({"/": echo})) as peer:
        await peer.send(POSTED, frame(RST_STREAM, 0, 1, b"\0\0\0\xff"))
        assert await peer.alive()
        await peer.send(frame(GOAWAY, 0, 0, bytes(4) + b"\0\0\0\xff"))
        assert {kept.code for kept in await peer.until_close() if kept.kind == GOAWAY} <= {0}
