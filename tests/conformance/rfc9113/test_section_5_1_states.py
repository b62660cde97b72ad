"""RFC 9113 §5.1: what may come on a stream, by the state that it is in."""

from __future__ import annotations

import asyncio

import pytest

from blackbull.connection import Connection
from blackbull.native import Receive, Send
from tests.conformance.http2 import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GET,
    GOAWAY,
    HEADERS,
    POST,
    PRIORITY,
    RST_STREAM,
    WINDOW_UPDATE,
    Line,
    frame,
    line,
)
from tests.conformance.peer import App
from tests.spec import spec

PROTOCOL_ERROR, STREAM_CLOSED, CANCEL = 1, 5, b"\0\0\0\x08"
CREDIT = b"\0\0\0\1"
ASKED = frame(HEADERS, END_STREAM | END_HEADERS, 1, GET)


async def never(conn: Connection, receive: Receive, send: Send) -> None:
    """Leave the response owed."""
    await asyncio.get_running_loop().create_future()


async def ends(peer: Line, code: int) -> None:
    """The connection ends with *code*."""
    assert (await peer.until(GOAWAY)).code == code
    assert await peer.until_close() == []


@spec("RFC 9113 §5.1", "idle")
@pytest.mark.parametrize(
    "wire",
    [
        frame(DATA, END_STREAM, 1, b"x"),
        frame(DATA, 0, 1),
        frame(RST_STREAM, 0, 1, CANCEL),
        frame(WINDOW_UPDATE, 0, 1, CREDIT),
        frame(CONTINUATION, END_HEADERS, 1, GET),
        frame(WINDOW_UPDATE, 0, 2, CREDIT),
    ],
)
async def test_frame_on_an_idle_stream_ends_the_connection(wire: bytes) -> None:
    async with line() as peer:
        await peer.send(wire)
        await ends(peer, PROTOCOL_ERROR)


@spec("RFC 9113 §5.1", "PRIORITY may come in any state")
async def test_priority_of_a_stream_in_any_state_is_taken() -> None:
    priority = bytes(4) + b"\x0f"
    async with line() as peer:
        await peer.send(frame(PRIORITY, 0, 1, priority), ASKED, frame(PRIORITY, 0, 1, priority))
        await peer.until(DATA)
        await peer.send(frame(PRIORITY, 0, 1, priority), frame(PRIORITY, 0, 7, priority))
        assert await peer.alive()


@spec("RFC 9113 §5.1", "half-closed (remote)")
@pytest.mark.parametrize(
    "wire", [frame(DATA, END_STREAM, 1, b"x"), frame(HEADERS, END_STREAM | END_HEADERS, 1, GET)]
)
async def test_frame_after_the_end_of_the_request_ends_the_stream(wire: bytes) -> None:
    async with line(App({"/": never})) as peer:
        await peer.send(ASKED, wire)
        reset = await peer.until(RST_STREAM)
        assert (reset.stream_id, reset.code) == (1, STREAM_CLOSED)
        assert await peer.alive()


@spec("RFC 9113 §5.1", "RFC 9113 §6.10", "half-closed (remote)")
async def test_continuation_after_the_end_of_the_request_ends_the_connection() -> None:
    async with line(App({"/": never})) as peer:
        await peer.send(ASKED, frame(CONTINUATION, END_HEADERS, 1, GET))
        await ends(peer, PROTOCOL_ERROR)


@spec("RFC 9113 §5.1", "half-closed (remote)", "these are taken")
async def test_credit_priority_and_reset_after_the_end_of_the_request_are_taken() -> None:
    async with line(App({"/": never})) as peer:
        await peer.send(
            ASKED,
            frame(WINDOW_UPDATE, 0, 1, CREDIT),
            frame(PRIORITY, 0, 1, bytes(4) + b"\x0f"),
            frame(RST_STREAM, 0, 1, CANCEL),
        )
        assert await peer.alive()


@spec("RFC 9113 §5.1", "closed, by the peer's RST_STREAM")
@pytest.mark.parametrize(
    "wire", [frame(DATA, END_STREAM, 1, b"x"), frame(HEADERS, END_STREAM | END_HEADERS, 1, GET)]
)
async def test_frame_on_a_stream_that_the_client_has_reset_is_an_error_of_the_stream(
    wire: bytes,
) -> None:
    async with line(App({"/": never})) as peer:
        await peer.send(frame(HEADERS, END_HEADERS, 1, POST), frame(RST_STREAM, 0, 1, CANCEL), wire)
        reset = await peer.until(RST_STREAM)
        assert (reset.stream_id, reset.code) == (1, STREAM_CLOSED)
        assert await peer.alive()


@spec("RFC 9113 §5.1", "closed, by both ends")
@pytest.mark.parametrize(
    ("wire", "code"),
    [
        (frame(DATA, END_STREAM, 1, b"x"), STREAM_CLOSED),
        (frame(HEADERS, END_STREAM | END_HEADERS, 1, GET), STREAM_CLOSED),
        (frame(CONTINUATION, END_HEADERS, 1, GET), PROTOCOL_ERROR),
    ],
)
async def test_frame_on_a_stream_that_both_have_ended_ends_the_connection(
    wire: bytes, code: int
) -> None:
    async with line() as peer:
        await peer.send(ASKED)
        await peer.until(DATA)
        await peer.send(wire)
        await ends(peer, code)


@spec("RFC 9113 §5.1", "closed", "these are taken")
async def test_credit_and_reset_on_a_closed_stream_are_taken() -> None:
    async with line() as peer:
        await peer.send(ASKED)
        await peer.until(DATA)
        await peer.send(frame(WINDOW_UPDATE, 0, 1, CREDIT), frame(RST_STREAM, 0, 1, CANCEL))
        assert await peer.alive()


@spec("RFC 9113 §5.1.1")
@pytest.mark.parametrize("stream_id", [0, 2, 3])
async def test_request_on_a_stream_that_cannot_be_ends_the_connection(stream_id: int) -> None:
    """The client's streams are odd, and their numbers grow."""
    async with line() as peer:
        await peer.send(frame(HEADERS, END_STREAM | END_HEADERS, 5, GET))
        await peer.until(DATA, 5)
        await peer.send(frame(HEADERS, END_STREAM | END_HEADERS, stream_id, GET))
        await ends(peer, PROTOCOL_ERROR)


@spec("RFC 9113 §5.1.1", "the last number of all")
async def test_request_on_the_last_stream_of_all_is_answered() -> None:
    async with line() as peer:
        await peer.send(frame(HEADERS, END_STREAM | END_HEADERS, (1 << 31) - 1, GET))
        assert (await peer.until(DATA, (1 << 31) - 1)).payload == b"GET /"
