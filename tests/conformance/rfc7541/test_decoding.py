"""RFC 7541: header blocks as a server takes them, and the errors that end the connection."""

from __future__ import annotations

import pytest

from tests.conformance.http2 import (
    DATA,
    END_HEADERS,
    END_STREAM,
    GET,
    GOAWAY,
    HEADERS,
    frame,
    line,
)
from tests.conformance.peer import App
from tests.spec import spec

COMPRESSION_ERROR = 9
FLAGS = END_STREAM | END_HEADERS

BROKEN = [
    ("§2.3.3", "an index past both tables", GET + b"\xc6"),
    ("§2.3.3", "a name's index past both tables", GET + b"\x7f\x07\x01a"),
    ("§4.2", "a size update behind a field", GET + b"\x3f\xe1\x1f"),
    ("§5.1", "an integer without an end", GET + b"\xff" + b"\x80" * 8),
    ("§5.1", "an integer of 70 bits", GET + b"\xff" + b"\xff" * 9 + b"\x7f"),
    ("§5.2", "padding of more than seven bits", GET + b"\0\x01a\x84\x49\x50\x9f\xff"),
    ("§5.2", "padding of zeros", GET + b"\0\x01a\x83\x49\x50\x90"),
    ("§5.2", "the end of string inside", GET + b"\0\x01a\x87\x49\x51\xff\xff\xff\xfa\x7f"),
    ("§5.2", "a string longer than its block", GET + b"\0\x7fabc"),
    ("§6.1", "the index zero", GET + b"\x80"),
    ("§6.3", "a size above the limit", b"\x3f\xe2\x1f" + GET),
]


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(block, id=f"{clause} {what}", marks=spec(f"RFC 7541 {clause}", what))
        for clause, what, block in BROKEN
    ],
)
async def test_block_that_breaks_the_rules_ends_the_connection(block: bytes) -> None:
    app = App()
    async with line(app) as peer:
        await peer.send(frame(HEADERS, FLAGS, 1, block))
        assert (await peer.until(GOAWAY)).code == COMPRESSION_ERROR
        assert await peer.until_close() == []
        assert app.seen == []


SOUND = [
    ("§6.1", "indexed", b"", []),
    ("§6.2.1", "with indexing", b"\x40\x01a\x01b", [(b"a", b"b")]),
    ("§6.2.1", "with indexing, a known name", b"\x7a\x01b", [(b"user-agent", b"b")]),
    ("§6.2.1", "from the dynamic table", b"\x40\x01a\x01b\xbe", [(b"a", b"b"), (b"a", b"b")]),
    ("§6.2.2", "without indexing", b"\0\x01a\x01b", [(b"a", b"b")]),
    ("§6.2.2", "without indexing, a known name", b"\x0f\x2b\x01b", [(b"user-agent", b"b")]),
    ("§6.2.3", "never indexed", b"\x10\x01a\x01b", [(b"a", b"b")]),
]


@pytest.mark.parametrize(
    ("extra", "fields"),
    [
        pytest.param(extra, fields, id=f"{clause} {what}", marks=spec(f"RFC 7541 {clause}", what))
        for clause, what, extra, fields in SOUND
    ],
)
async def test_representation_of_every_kind_is_understood(
    extra: bytes, fields: list[tuple[bytes, bytes]]
) -> None:
    app = App()
    async with line(app) as peer:
        await peer.send(frame(HEADERS, FLAGS, 1, GET + extra))
        await peer.until(DATA)
        assert list(app.seen[0].head.fields) == [(b"host", b"a"), *fields]


@spec("RFC 7541 §5.2", "Huffman coded strings")
async def test_strings_that_are_huffman_coded_are_understood() -> None:
    """The strings are those of RFC 7541 §C.4."""
    app = App()
    block = GET[:3] + bytes.fromhex("418cf1e3c2e5f23a6ba0ab90f4ff5886a8eb10649cbf")
    async with line(app) as peer:
        await peer.send(frame(HEADERS, FLAGS, 1, block))
        await peer.until(DATA)
        assert list(app.seen[0].head.fields) == [
            (b"host", b"www.example.com"),
            (b"cache-control", b"no-cache"),
        ]


@spec("RFC 7541 §4.2", "RFC 7541 §6.3", "size updates at the start of a block")
async def test_size_updates_at_the_start_of_a_block_are_taken() -> None:
    app = App()
    async with line(app) as peer:
        await peer.send(frame(HEADERS, FLAGS, 1, GET + b"\x40\x01a\x01b"))
        # To nothing, which empties the table, and back to 4,096 octets.
        await peer.send(frame(HEADERS, FLAGS, 3, b"\x20\x3f\xe1\x1f" + GET + b"\x40\x01c\x01d"))
        await peer.send(frame(HEADERS, FLAGS, 5, GET + b"\xbe"))
        await peer.until(DATA, 5)
        assert list(app.seen[2].head.fields) == [(b"host", b"a"), (b"c", b"d")]
        await peer.send(frame(HEADERS, FLAGS, 7, GET + b"\xbf"))
        assert (await peer.until(GOAWAY)).code == COMPRESSION_ERROR


@spec("RFC 7541 §2.2", "RFC 9113 §4.3", "the table is the connection's, not a stream's")
async def test_table_is_kept_in_step_by_requests_that_are_refused() -> None:
    app = App()
    async with line(app) as peer:
        await peer.send(
            frame(HEADERS, FLAGS, 1, GET + b"\x40\x01a\x01b" + b"\0\x01A\x01b"),
            frame(HEADERS, FLAGS, 3, GET + b"\xbe"),
        )
        await peer.until(DATA, 3)
        assert list(app.seen[0].head.fields) == [(b"host", b"a"), (b"a", b"b")]
