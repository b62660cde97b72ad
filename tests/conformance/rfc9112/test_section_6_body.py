"""RFC 9112 §6: where the content of a message ends."""

from __future__ import annotations

import pytest

from blackbull.native import Receive, ResponseBody, ResponseStart, Send
from blackbull.response import Response
from tests.conformance.peer import App, conversation, echo, refused
from tests.spec import spec

POST = b"POST /echo HTTP/1.1\r\nhost: a\r\n"


@spec("RFC 9112 §6.1", "a message with both MUST NOT be forwarded; ought to be handled as an error")
@pytest.mark.parametrize(
    "fields",
    [
        b"content-length: 5\r\ntransfer-encoding: chunked\r\n",
        b"transfer-encoding: chunked\r\ncontent-length: 5\r\n",
        b"transfer-encoding: chunked\r\ncontent-length: 0\r\n",
    ],
)
async def test_both_framings_are_400(fields: bytes) -> None:
    assert (await refused(POST + fields + b"\r\n0\r\n\r\n")).status == 400


@spec("RFC 9112 §6.1", "chunked MUST NOT be applied twice")
@pytest.mark.parametrize(
    "fields",
    [
        b"transfer-encoding: chunked, chunked\r\n",
        b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
    ],
)
async def test_chunked_twice_is_400(fields: bytes) -> None:
    assert (await refused(POST + fields + b"\r\n0\r\n\r\n")).status == 400


@spec("RFC 9112 §6.3", "rule 4: chunked is not the final coding of a request: MUST be 400")
@pytest.mark.parametrize(
    "coding",
    [b"gzip", b"identity", b"xchunked", b"chunked, gzip", b"chunked;q=1", b'"chunked"', b""],
)
async def test_coding_whose_end_is_not_chunked_is_400(coding: bytes) -> None:
    wire = POST + b"transfer-encoding: " + coding + b"\r\n\r\n0\r\n\r\n"
    assert (await refused(wire)).status == 400


@spec("RFC 9112 §6.1", "a coding that is not understood SHOULD be 501")
async def test_coding_that_is_not_implemented_is_501() -> None:
    wire = POST + b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n"
    assert (await refused(wire)).status == 501


@spec("RFC 9112 §6.1", "Transfer-Encoding in HTTP/1.0: the framing MUST be taken as faulty")
async def test_transfer_coding_in_http_10_is_400() -> None:
    wire = b"POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n"
    assert (await refused(wire)).status == 400


@spec("RFC 9112 §6.3", "rule 5: an invalid Content-Length MUST be 400 and close")
@pytest.mark.parametrize(
    "value",
    [b"", b"+5", b"-5", b"5 5", b"5, 5", b"5,6", b"0x5", b"5_0", b"05", b"5.0", b"\xb2", b"5\x0b"],
)
async def test_content_length_invalid_is_400(value: bytes) -> None:
    wire = POST + b"content-length: " + value + b"\r\n\r\nhello"
    assert (await refused(wire)).status == 400


@spec("RFC 9112 §6.3", "rule 5: differing values are invalid")
@pytest.mark.parametrize("second", [b"5", b"6"])
async def test_content_length_twice_is_400(second: bytes) -> None:
    wire = POST + b"content-length: 5\r\ncontent-length: " + second + b"\r\n\r\nhello"
    assert (await refused(wire)).status == 400


@spec("RFC 9110 §8.6", "a value that no integer type holds MUST NOT overflow")
async def test_content_length_huge_is_413() -> None:
    wire = POST + b"content-length: " + b"9" * 100 + b"\r\n\r\n"
    assert (await refused(wire)).status == 413


@spec("RFC 9112 §6.3", "rule 6: content of the announced length; rule 7: else none")
async def test_content_has_the_announced_length_and_not_a_byte_more() -> None:
    app = App({"/echo": echo})
    async with conversation(app) as peer:
        one = POST + b"content-length: 5\r\n\r\nhello"
        none = POST + b"\r\n"
        await peer.send(one + none + one)
        bodies = [(await peer.reply("POST")).body for _ in range(3)]
    assert bodies == [b"hello", b"", b"hello"]


@spec("RFC 9112 §6.3", "rule 4: chunked content ends with its last chunk")
async def test_chunked_content_split_anywhere_is_whole() -> None:
    app = App({"/echo": echo})
    wire = POST + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
    async with conversation(app) as peer:
        for cut in range(len(POST), len(wire), 3):
            await peer.send(wire[:cut])
            await peer.send(wire[cut:])
            assert (await peer.reply("POST")).body == b"hello world"


@spec("RFC 9112 §6.3", "rule 1: HEAD, 204 and 304 end with their head")
@pytest.mark.parametrize(
    ("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304), ("HEAD", 404), ("POST", 204)]
)
async def test_response_without_content_does_not_disturb_the_next(method: str, status: int) -> None:
    body = b"" if status == 204 else b"content"
    app = App({"/": Response(body, status, "text/plain")})
    async with conversation(app) as peer:
        await peer.send(f"{method} / HTTP/1.1\r\nhost: a\r\n\r\n".encode())
        await peer.send(b"GET /next HTTP/1.1\r\nhost: a\r\n\r\n")
        first = await peer.reply(method)
        assert (first.status, first.body) == (status, b"")
        assert (await peer.reply()).body == b"GET /next"


@spec("RFC 9110 §8.6", "RFC 9112 §6.1", "no framing field in 204")
async def test_response_204_says_nothing_of_content() -> None:
    async with conversation(App({"/": Response(b"", 204, "")})) as peer:
        reply = await peer.ask(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    assert "content-length" not in reply
    assert "transfer-encoding" not in reply


@spec("RFC 9110 §8.6", "304 MUST NOT announce a length that a 200 would not have")
async def test_response_304_does_not_announce_an_empty_content() -> None:
    async with conversation(App({"/": Response(b"", 304, "")})) as peer:
        assert "content-length" not in await peer.ask(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")


async def streamed(conn: object, receive: Receive, send: Send) -> None:
    await send(ResponseStart(200, ((b"content-type", b"text/plain"),)))
    await send(ResponseBody(b"one", True))
    await send(ResponseBody(b"two"))


@spec("RFC 9112 §6.1", "Transfer-Encoding MUST NOT be sent unless the request is HTTP/1.1")
@pytest.mark.parametrize("keep", [b"", b"connection: keep-alive\r\n"])
async def test_response_of_unknown_length_to_http_10_ends_with_the_connection(keep: bytes) -> None:
    async with conversation(App({"/": streamed})) as peer:
        reply = await peer.ask(b"GET / HTTP/1.0\r\n" + keep + b"\r\n")
        assert "transfer-encoding" not in reply
        assert (reply.body, reply["connection"]) == (b"onetwo", b"close")


@spec("RFC 9112 §6.1", "chunked is the way to send content of unknown length")
async def test_response_of_unknown_length_to_http_11_is_chunked() -> None:
    async with conversation(App({"/": streamed})) as peer:
        for _ in range(2):
            reply = await peer.ask(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            assert (reply.body, reply["transfer-encoding"]) == (b"onetwo", b"chunked")
            assert "content-length" not in reply
