"""RFC 9112 §7: the chunked transfer coding, both ways."""

from __future__ import annotations

import pytest

from blackbull.connection import Connection
from blackbull.native import (
    Receive,
    RequestBody,
    ResponseBody,
    ResponseStart,
    ResponseTrailers,
    Send,
)
from blackbull.response import Response
from tests.conformance.peer import App, conversation, echo
from tests.spec import spec

HEAD = b"POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"


async def answer_to(content: bytes) -> tuple[int, bytes]:
    """Return what a handler that reads everything, or the server, answers to chunks."""
    async with conversation(App({"/echo": echo})) as peer:
        reply = await peer.ask(HEAD + content, "POST")
        if reply.status != 200:
            assert reply["connection"] == b"close"
            assert await peer.closed()
        return reply.status, reply.body


@spec("RFC 9112 §7.1", "a recipient MUST be able to parse and decode chunked")
@pytest.mark.parametrize(
    "content",
    [
        b"5\r\nhello\r\n0\r\n\r\n",
        b"1\r\nh\r\n4\r\nello\r\n000\r\n\r\n",
        b"00000005\r\nhello\r\n0\r\n\r\n",
        b"5;name\r\nhello\r\n0;last=1\r\n\r\n",
        b'5 ; a = b ;c="d;\\"\r"\r\nhello\r\n0\r\n\r\n'.replace(b'\r"', b'"'),
    ],
)
async def test_chunks_are_decoded_and_extensions_ignored(content: bytes) -> None:
    assert await answer_to(content) == (200, b"hello")


@spec("RFC 9112 §7.1", "the size is 1*HEXDIG", "a line ends in CRLF")
@pytest.mark.parametrize(
    "content",
    [
        b"-5\r\nhello\r\n0\r\n\r\n",
        b"+5\r\nhello\r\n0\r\n\r\n",
        b"0x5\r\nhello\r\n0\r\n\r\n",
        b"0_5\r\nhello\r\n0\r\n\r\n",
        b" 5\r\nhello\r\n0\r\n\r\n",
        b"5 \r\nhello\r\n0\r\n\r\n",
        b"\xef\xbc\x95\r\nhello\r\n0\r\n\r\n",
        b"5\nhello\r\n0\r\n\r\n",
        b"5\r\nhello\n0\r\n\r\n",
        b"5\r\nhello0\r\n\r\n",
        b"5\r\nhello!\r\n0\r\n\r\n",
        b"5;\r\nhello\r\n0\r\n\r\n",
        b'5;a="b\r\nhello\r\n0\r\n\r\n',
        b"5;a\x00\r\nhello\r\n0\r\n\r\n",
        b"\r\nhello\r\n0\r\n\r\n",
    ],
)
async def test_chunk_malformed_is_400(content: bytes) -> None:
    assert (await answer_to(content))[0] == 400


@spec("RFC 9112 §7.1", "large sizes MUST NOT overflow")
@pytest.mark.parametrize("size", [b"FFFFFFFF", b"FFFFFFFFFFFFFFFF"])
async def test_chunk_of_a_size_beyond_the_limit_is_413(size: bytes) -> None:
    assert (await answer_to(size + b"\r\n"))[0] == 413


@spec("RFC 9112 §7.1.1", "the total length of extensions ought to be limited: 4xx")
@pytest.mark.parametrize(
    "content", [b"5;" + b"x" * 2000, (b"1;" + b"x" * 1000 + b"\r\nh\r\n") * 70]
)
async def test_chunk_extension_flood_is_400(content: bytes) -> None:
    assert (await answer_to(content))[0] == 400


@spec("RFC 9112 §7.1.2")
async def test_request_trailers_reach_the_application() -> None:
    got: list[RequestBody] = []

    async def collect(conn: Connection, receive: Receive, send: Send) -> None:
        while isinstance(part := await receive(), RequestBody):
            got.append(part)
            if not part.more:
                break
        await send(Response("done"))

    async with conversation(App({"/echo": collect})) as peer:
        await peer.send(HEAD)
        reply = await peer.ask(b"2\r\nhi\r\n0\r\nX-Sum: 1\r\nx-sum: 2\r\n\r\n", "POST")
    assert reply.status == 200
    assert b"".join(part.data for part in got) == b"hi"
    assert got[-1].trailers == ((b"x-sum", b"1"), (b"x-sum", b"2"))


@spec("RFC 9110 §6.5.1", "a field that matters to framing or routing MUST NOT be a trailer")
@pytest.mark.parametrize(
    "line", [b"Transfer-Encoding: chunked", b"Content-Length: 5", b"Host: b", b"Authorization: x"]
)
async def test_request_trailer_forbidden_is_400(line: bytes) -> None:
    assert (await answer_to(b"5\r\nhello\r\n0\r\n" + line + b"\r\n\r\n"))[0] == 400


@spec("RFC 6585 §5", "RFC 9110 §5.4")
@pytest.mark.parametrize(
    "lines", [b"x: " + b"y" * 9000 + b"\r\n", b"x: y\r\n" * 300, b"x: y\r\n" * 20000]
)
async def test_request_trailers_beyond_the_limits_are_431(lines: bytes) -> None:
    assert (await answer_to(b"0\r\n" + lines + b"\r\n"))[0] == 431


@spec("RFC 9112 §7.1.2", "RFC 9110 §6.5")
async def test_response_trailers_follow_the_last_chunk() -> None:
    async def handler(conn: Connection, receive: Receive, send: Send) -> None:
        await send(ResponseStart(200, ((b"trailer", b"x-sum"),), trailers=True))
        await send(ResponseBody(b"hi", True))
        await send(ResponseBody())
        await send(ResponseTrailers(((b"x-sum", b"2"),)))

    async with conversation(App({"/": handler})) as peer:
        reply = await peer.ask(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        assert (reply.body, reply.trailers) == (b"hi", [(b"x-sum", b"2")])
        reply = await peer.ask(b"HEAD / HTTP/1.1\r\nhost: a\r\n\r\n", "HEAD")
        assert (reply.body, reply.trailers) == (b"", [])
        assert (await peer.ask(b"GET /next HTTP/1.1\r\nhost: a\r\n\r\n")).body == b"GET /next"


@spec("RFC 9112 §7.1", "RFC 9112 §8", "only a zero-sized chunk ends the content")
async def test_response_part_that_is_empty_does_not_end_the_content() -> None:
    async def handler(conn: Connection, receive: Receive, send: Send) -> None:
        await send(ResponseStart(200))
        for part in (b"", b"a", b"", b"b"):
            await send(ResponseBody(part, True))
        await send(ResponseBody())

    async with conversation(App({"/": handler})) as peer:
        assert (await peer.ask(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")).body == b"ab"
