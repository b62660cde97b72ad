"""RFC 9113 §8.1.1, §8.2, §8.3: requests that are malformed cost their stream and nothing else."""

from __future__ import annotations

import pytest

from tests.conformance.http2 import (
    DATA,
    END_HEADERS,
    END_STREAM,
    GET,
    HEADERS,
    RST_STREAM,
    frame,
    line,
)
from tests.conformance.peer import App, echo
from tests.spec import spec

PROTOCOL_ERROR = 1
METHOD, SCHEME, PATH, AUTHORITY = b"\x82", b"\x86", b"\x84", b"\x01\x01a"
POST = b"\x83" + SCHEME + PATH + AUTHORITY


def field(name: bytes, value: bytes) -> bytes:
    """Return a field line of a header block, neither indexed nor Huffman coded."""
    return b"\0" + bytes((len(name),)) + name + bytes((len(value),)) + value


MALFORMED = [
    ("§8.2.1", "a name in capitals", GET + field(b"X-Test", b"ok")),
    ("§8.2.1", "a space in a name", GET + field(b"x test", b"ok")),
    ("§8.2.1", "a colon in a name", GET + field(b"x:test", b"ok")),
    ("§8.2.1", "an empty name", GET + field(b"", b"ok")),
    ("§8.2.1", "a NUL in a value", GET + field(b"x-test", b"a\0b")),
    ("§8.2.1", "a CR in a value", GET + field(b"x-test", b"a\rb")),
    ("§8.2.1", "a LF in a value", GET + field(b"x-test", b"a\nb")),
    ("§8.2.1", "a space before a value", GET + field(b"x-test", b" a")),
    ("§8.2.1", "a tab behind a value", GET + field(b"x-test", b"a\t")),
    ("§8.2.2", "connection", GET + field(b"connection", b"keep-alive")),
    ("§8.2.2", "keep-alive", GET + field(b"keep-alive", b"timeout=5")),
    ("§8.2.2", "proxy-connection", GET + field(b"proxy-connection", b"keep-alive")),
    ("§8.2.2", "transfer-encoding", GET + field(b"transfer-encoding", b"chunked")),
    ("§8.2.2", "upgrade", GET + field(b"upgrade", b"websocket")),
    ("§8.2.2", "te", GET + field(b"te", b"trailers, deflate;q=0.5")),
    ("§8.3", "an unknown pseudo-header", GET + field(b":test", b"ok")),
    ("§8.3", "one of responses", GET + field(b":status", b"200")),
    ("§8.3", "one behind the fields", METHOD + SCHEME + AUTHORITY + field(b"x", b"y") + PATH),
    ("§8.3.1", "an empty path", METHOD + SCHEME + AUTHORITY + field(b":path", b"")),
    ("§8.3.1", "a path without its slash", METHOD + SCHEME + AUTHORITY + field(b":path", b"a")),
    ("§8.3.1", "an asterisk for GET", METHOD + SCHEME + AUTHORITY + field(b":path", b"*")),
    ("§8.3.1", "no method", SCHEME + PATH + AUTHORITY),
    ("§8.3.1", "no scheme", METHOD + PATH + AUTHORITY),
    ("§8.3.1", "no path", METHOD + SCHEME + AUTHORITY),
    ("§8.3.1", "no authority", METHOD + SCHEME + PATH),
    ("§8.3.1", "two methods", METHOD + GET),
    ("§8.3.1", "two schemes", SCHEME + GET),
    ("§8.3.1", "two paths", PATH + GET),
    ("§8.3.1", "two authorities", AUTHORITY + GET),
    ("§8.3.1", "user information", METHOD + SCHEME + PATH + field(b":authority", b"me@a")),
    ("§8.3.1", "another host", GET + field(b"host", b"b")),
    ("§8.5", "CONNECT with a path", b"\x02\x07CONNECT" + PATH + AUTHORITY),
    ("§8.5", "CONNECT to nobody", b"\x02\x07CONNECT"),
    ("§8.1.1", "a length of no number", GET + field(b"content-length", b"+1")),
    ("§8.1.1", "two lengths", GET + 2 * field(b"content-length", b"0")),
]


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(block, id=f"{clause} {what}", marks=spec(f"RFC 9113 {clause}", what))
        for clause, what, block in MALFORMED
    ],
)
async def test_request_that_is_malformed_is_reset_and_reaches_nobody(block: bytes) -> None:
    app = App()
    async with line(app) as peer:
        await peer.send(frame(HEADERS, END_STREAM | END_HEADERS, 1, block))
        reset = await peer.until(RST_STREAM)
        assert (reset.stream_id, reset.code) == (1, PROTOCOL_ERROR)
        await peer.send(frame(HEADERS, END_STREAM | END_HEADERS, 3, GET))
        assert (await peer.until(DATA, 3)).payload == b"GET /"
        assert len(app.seen) == 1


LENGTH = field(b"content-length", b"4")
WRONG = [
    ("§8.1.1", "too little content", frame(DATA, END_STREAM, 1, b"abc")),
    ("§8.1.1", "too much content", frame(DATA, END_STREAM, 1, b"abcde")),
    ("§8.1.1", "too little in parts", frame(DATA, 0, 1, b"ab") + frame(DATA, END_STREAM, 1, b"c")),
    ("§8.1.1", "too much in parts", frame(DATA, 0, 1, b"ab") + frame(DATA, 0, 1, b"cde")),
    ("§8.1.1", "trailers too early", frame(DATA, 0, 1, b"abc") + frame(HEADERS, 5, 1, b"")),
    ("§8.1", "a pseudo-header in trailers",
     frame(DATA, 0, 1, b"abcd") + frame(HEADERS, 5, 1, METHOD)),
    ("§8.2.1", "capitals in trailers",
     frame(DATA, 0, 1, b"abcd") + frame(HEADERS, 5, 1, field(b"X-Sum", b"1"))),
    ("§8.2.2", "a connection field in trailers",
     frame(DATA, 0, 1, b"abcd") + frame(HEADERS, 5, 1, field(b"connection", b"close"))),
]  # fmt: skip


@pytest.mark.parametrize(
    "rest",
    [
        pytest.param(rest, id=f"{clause} {what}", marks=spec(f"RFC 9113 {clause}", what))
        for clause, what, rest in WRONG
    ],
)
async def test_content_that_is_malformed_resets_its_stream(rest: bytes) -> None:
    async with line(App({"/": echo})) as peer:
        await peer.send(frame(HEADERS, END_HEADERS, 1, POST + LENGTH), rest)
        reset = await peer.until(RST_STREAM)
        assert (reset.stream_id, reset.code) == (1, PROTOCOL_ERROR)
        assert await peer.alive()


@spec("RFC 9113 §8.2.2", "te: trailers")
async def test_te_that_says_trailers_is_taken() -> None:
    async with line() as peer:
        block = GET + field(b"te", b"trailers")
        await peer.send(frame(HEADERS, END_STREAM | END_HEADERS, 1, block))
        assert (await peer.until(DATA)).payload == b"GET /"
