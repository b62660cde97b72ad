"""RFC 9113 §4: frames, and the header blocks in them."""

from __future__ import annotations

import pytest

from tests.conformance.http2 import (
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

PROTOCOL_ERROR, FRAME_SIZE_ERROR, COMPRESSION_ERROR = 1, 6, 9
RESERVED = 1 << 31
OPENED = frame(HEADERS, END_STREAM, 1, GET)


@spec("RFC 9113 §4.1", "RFC 9113 §5.5", "what is not known is ignored")
@pytest.mark.parametrize(
    "wire",
    [
        frame(0x16, 0, 0, b"unknown"),
        frame(0x16, 0xFF, 7, b"unknown"),
        frame(0xFF, 0, 0),
        frame(PING, 0xFE, 0, bytes(8)),
        frame(PING, 0, RESERVED, bytes(8)),
        frame(SETTINGS, 0, RESERVED),
        frame(SETTINGS, 0xFE, 0),
    ],
    ids=["type", "type on a stream", "type of no content", "flags", "reserved bit",
         "reserved bit of settings", "flags of settings"],
)  # fmt: skip
async def test_frame_with_what_is_not_known_is_taken(wire: bytes) -> None:
    async with line() as peer:
        await peer.send(wire, frame(HEADERS, END_STREAM | END_HEADERS, 1, GET))
        assert (await peer.until(DATA)).payload == b"GET /"
        assert await peer.alive()


@spec("RFC 9113 §4.2", "16,384 octets are always taken")
async def test_frame_as_large_as_we_announced_is_taken() -> None:
    async with line(App({"/": echo})) as peer:
        await peer.send(frame(HEADERS, END_HEADERS, 1, POST))
        await peer.send(frame(DATA, END_STREAM, 1, bytes(16384)))
        assert len((await peer.until(DATA)).payload) == 16384


@spec("RFC 9113 §4.2")
@pytest.mark.parametrize("kind", [DATA, HEADERS, CONTINUATION, PING, SETTINGS, 0x16])
async def test_frame_larger_than_we_announced_ends_the_connection(kind: int) -> None:
    async with line() as peer:
        await peer.send(frame(kind, 0, 1, bytes(16385)))
        assert (await peer.until(GOAWAY)).code == FRAME_SIZE_ERROR
        assert await peer.until_close() == []


@spec("RFC 9113 §4.3", "a block that cannot be decoded")
@pytest.mark.parametrize(
    "wire",
    [
        frame(HEADERS, END_STREAM | END_HEADERS, 1, b"\xff\xff\xff\xff\xff"),
        frame(HEADERS, END_STREAM | END_HEADERS, 1, GET[:-2]),
        OPENED[:-4] + b"\xbf\x01\x01a" + frame(CONTINUATION, END_HEADERS, 1),
    ],
    ids=["integer", "cut", "index"],
)
async def test_block_that_cannot_be_decoded_ends_the_connection(wire: bytes) -> None:
    async with line() as peer:
        await peer.send(wire)
        assert (await peer.until(GOAWAY)).code == COMPRESSION_ERROR
        assert await peer.until_close() == []


@spec("RFC 9113 §4.3", "RFC 9113 §6.2", "RFC 9113 §6.10", "a block is not interrupted")
@pytest.mark.parametrize(
    "between",
    [
        frame(PRIORITY, 0, 1, bytes(4) + b"\x0f"),
        frame(HEADERS, END_STREAM | END_HEADERS, 3, GET),
        frame(DATA, END_STREAM, 1),
        frame(PING, 0, 0, bytes(8)),
        frame(SETTINGS, 0, 0),
        frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\1"),
        frame(RST_STREAM, 0, 1, bytes(4)),
        frame(PUSH_PROMISE, 0, 1, bytes(4)),
        frame(0x16, 0, 0, b"unknown"),
        frame(CONTINUATION, END_HEADERS, 3),
        frame(CONTINUATION, END_HEADERS, 0),
    ],
)
@pytest.mark.parametrize("continued", [False, True])
async def test_block_that_is_interrupted_ends_the_connection(
    between: bytes, *, continued: bool
) -> None:
    async with line() as peer:
        begun = frame(CONTINUATION, 0, 1, b"\x40\x01a\x01b") if continued else b""
        await peer.send(OPENED, begun, between, frame(CONTINUATION, END_HEADERS, 1))
        assert (await peer.until(GOAWAY)).code == PROTOCOL_ERROR
        assert await peer.until_close() == []
