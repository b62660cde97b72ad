"""Shapes that have broken servers like this one. Each asks: did anything reach the application
that its sender did not mean as a request, and is every answer whole?
"""

from __future__ import annotations

import asyncio
import itertools

import pytest

from blackbull import BlackBull
from blackbull.connection import Connection
from blackbull.native import (
    InterimResponse,
    Receive,
    RequestBody,
    ResponseBody,
    ResponseStart,
    ResponseTrailers,
    Send,
)
from blackbull.response import Response
from tests.conformance.peer import App, conversation, echo, refused
from tests.conformance.rfc9110.test_section_7_8_upgrade import SWITCHED, asking, shouting
from tests.spec import spec

GET = b"GET /next HTTP/1.1\r\nhost: a\r\n\r\n"
EVIL = b"GET /evil HTTP/1.1\r\nhost: a\r\n\r\n"
POST = b"POST /echo HTTP/1.1\r\nhost: a\r\n"
CHUNKED = POST + b"transfer-encoding: chunked\r\n\r\n"


def with_length(content: bytes, head: bytes = POST) -> bytes:
    return head + b"content-length: %d\r\n\r\n%b" % (len(content), content)


def in_chunks(content: bytes, head: bytes = POST) -> bytes:
    chunk = b"%x\r\n%b\r\n0\r\n\r\n" % (len(content), content)
    return head + b"transfer-encoding: chunked\r\n\r\n" + chunk


async def ignore(conn: Connection, receive: Receive, send: Send) -> None:
    await send(Response("ignored"))


async def read_a_little(conn: Connection, receive: Receive, send: Send) -> None:
    await receive()
    await send(Response("read a little"))


# 1


@spec("RFC 9112 §9.3")
@pytest.mark.parametrize("wire", [with_length(EVIL), in_chunks(EVIL)])
@pytest.mark.parametrize("handler", [ignore, read_a_little, Response("at once")])
@pytest.mark.parametrize("cut", [0, 20, 60, 75])
async def test_content_unread_is_never_the_next_request(
    wire: bytes, handler: object, cut: int
) -> None:
    app = App({"/echo": handler})
    async with conversation(app) as peer:
        await peer.send(wire[:cut])
        await peer.send(wire[cut:] + GET)
        assert (await peer.reply("POST")).status == 200
        assert (await peer.reply()).body == b"GET /next"
    assert app.paths == ["/echo", "/next"]


@spec("RFC 9112 §9.3")
@pytest.mark.parametrize("frame", [with_length, in_chunks])
async def test_content_unread_and_large_closes_instead(frame: object) -> None:
    app = App({"/echo": ignore})
    async with conversation(app) as peer:
        await peer.send(frame(EVIL * 20000) + GET)
        assert (await peer.reply("POST")).body == b"ignored"
        await peer.until_close()
    assert app.paths == ["/echo"]


# 2


@spec("RFC 9112 §3.2.4", "RFC 9112 §9.3")
@pytest.mark.parametrize("frame", [with_length, in_chunks])
async def test_options_asterisk_with_content_stays_in_step(frame: object) -> None:
    app = BlackBull()

    @app.route(path="/next")
    async def following() -> str:
        return "in step"

    head = b"OPTIONS * HTTP/1.1\r\nhost: a\r\n"
    async with conversation(app) as peer:
        await peer.send(frame(EVIL, head) + GET)
        assert (await peer.reply("OPTIONS")).status < 300
        assert (await peer.reply()).body == b"in step"


# 3


@spec("RFC 9110 §7.8")
@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_upgrade_with_content_does_not_read_it_as_the_new_protocol(framing: str) -> None:
    fields = [b"connection: upgrade", b"upgrade: shout"]
    if framing == "length":
        wire = asking(*fields, b"content-length: 4") + b"body"
    else:
        wire = asking(*fields, b"transfer-encoding: chunked") + b"4\r\nbody\r\n0\r\n\r\n"
    async with shouting(App()) as peer:
        await peer.send(wire + b"new.")
        assert await peer.until_close() == SWITCHED + b"NEW."


# 4


@spec("RFC 9112 §7.1", "RFC 9112 §7.1.1")
@pytest.mark.parametrize(
    "size",
    [
        b"-5", b"+5", b"0x5", b"0X5", b"0_5", b"5_", b" 5", b"5 ", b"\t5", b"5\t", b"5\x0b",
        b"5\x00", b"5\r", b"\r5", b"5\n", b"5,", b"5.", b"5;", b"5;=", b"5;a b", b'5;a="',
        b"5;a\n", b"",
        b"\xb2", b"\xd9\xa5", b"00000000000000005",
    ],
)  # fmt: skip
async def test_chunk_size_that_others_may_read_differently_is_400(size: bytes) -> None:
    app = App({"/echo": echo})
    async with conversation(app) as peer:
        reply = await peer.ask(CHUNKED + size + b"\r\nhello\r\n0\r\n\r\n" + EVIL, "POST")
        assert (reply.status, reply["connection"]) == (400, b"close")
        assert await peer.closed()
    assert "/evil" not in app.paths


@spec("RFC 9112 §2.2", "RFC 9112 §7.1")
@pytest.mark.parametrize(
    "content",
    [
        b"5\nhello\r\n0\r\n\r\n",
        b"5\r\nhello\n0\r\n\r\n",
        b"5\r\nhello\r\n0\n\r\n",
        b"5\r\nhello\r\n0\r\n\n",
        b"5\r\nhello\r\n0\r\nx: y\n\r\n",
        b"5\r\nhelloXX0\r\n\r\n",
        b"5;a\nGET /evil HTTP/1.1\r\nhost: a\r\n\r\nhello\r\n0\r\n\r\n",
        b"5;\ra\r\nhello\r\n0\r\n\r\n",
    ],
)
async def test_chunk_with_a_bare_line_feed_is_400(content: bytes) -> None:
    app = App({"/echo": echo})
    async with conversation(app) as peer:
        reply = await peer.ask(CHUNKED + content + EVIL, "POST")
        assert (reply.status, reply["connection"]) == (400, b"close")
        assert await peer.closed()
    assert "/evil" not in app.paths


# 5


@spec("RFC 9112 §7.1.1", "RFC 6585 §5")
@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"5;" + b"a" * 100000, 400),
        (b"5;a=" + b'"' + b"b" * 100000, 400),
        (b"1;" + b"a" * 1000 + b"\r\nh\r\n" * 100, 400),
        (b"0\r\nx: " + b"y" * 100000, 431),
        (b"0\r\n" + b"x: y\r\n" * 20000, 431),
    ],
)
async def test_chunk_line_or_trailers_without_end_are_refused(content: bytes, status: int) -> None:
    async with conversation(App({"/echo": echo})) as peer:
        reply = await peer.ask(CHUNKED + content, "POST")
        assert (reply.status, reply["connection"]) == (status, b"close")


# 6


@spec("RFC 9110 §6.5.1")
@pytest.mark.parametrize(
    "field",
    [b"Transfer-Encoding: chunked", b"Content-Length: 0", b"Host: b", b"Authorization: Basic eA==",
     b"Trailer: x", b"Content-Type: a/b", b"Cookie: a=b", b"Connection: close", b"TE: trailers"],
)  # fmt: skip
async def test_trailer_field_that_must_not_be_one_is_400(field: bytes) -> None:
    async with conversation(App({"/echo": echo})) as peer:
        reply = await peer.ask(CHUNKED + b"0\r\n" + field + b"\r\n\r\n", "POST")
        assert (reply.status, reply["connection"]) == (400, b"close")


# 7


@spec("RFC 9112 §6.3", "RFC 9110 §8.6")
@pytest.mark.parametrize(
    "fields",
    [
        b"content-length: 05",
        b"content-length: 00",
        b"content-length: 5\t5",
        b"content-length: 5 5",
        b"content-length: 5\r\ncontent-length: 5",
        b"content-length: 5\r\nContent-Length: 31",
        b"content-length: 5, 5",
        b"content-length:\x0b5",
        b"content-length: \xa05",
        b"content-length : 5",
        b"content-length: 5\r\n 1",
        b"content_length: 5",
        b"CONTENT_LENGTH: 5",
        b"transfer_encoding: chunked",
        b"content-length: 5\r\ntransfer-encoding: chunked",
        b"transfer-encoding: chunked\r\ncontent-length: 5",
        b"transfer-encoding: xchunked\r\ncontent-length: 5",
        b"transfer-encoding: chunked\r\ntransfer-encoding: x",
        b"transfer-encoding: x\r\ntransfer-encoding: chunked, x",
        b"transfer-encoding:\x0bchunked",
        b"transfer-encoding: chunked\x00",
        b"transfer-encoding: [chunked]",
        b"x: y\ntransfer-encoding: chunked",
        b"x: y\rtransfer-encoding: chunked",
        b"x\x00: y\r\ntransfer-encoding: chunked",
        b"\x00transfer-encoding: chunked",
        b"x: \r\n transfer-encoding: chunked",
    ],
)
async def test_framing_that_others_may_read_differently_is_400(fields: bytes) -> None:
    reply = await refused(POST + fields + b"\r\n\r\n0\r\n\r\n" + EVIL)
    assert reply.status == 400


@spec("RFC 9110 §8.6", "white space around a value is no part of it")
async def test_content_length_with_outer_white_space_is_the_same_number() -> None:
    async with conversation(App({"/echo": echo})) as peer:
        reply = await peer.ask(POST + b"content-length: \t 5 \t\r\n\r\nhello", "POST")
        assert reply.body == b"hello"


# 8


@spec("RFC 9112 §7.1")
async def test_chunked_content_in_many_segments_is_whole() -> None:
    content = bytes(range(256)) * 4
    wire = CHUNKED + b"".join(
        b"%x\r\n%b\r\n" % (len(part), part)
        for part in (content[i : i + 100] for i in range(0, len(content), 100))
    )
    async with conversation(App({"/echo": echo})) as peer:
        for step in (1, 7, 64):
            for i in range(0, len(wire), step):
                await peer.send(wire[i : i + step])
                await asyncio.sleep(0)
            assert (await peer.ask(b"0\r\n\r\n", "POST")).body == content


# 9


@spec("RFC 9112 §3.2", "RFC 9110 §15.6.6", "RFC 9110 §4.2.4")
@pytest.mark.parametrize(
    ("wire", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET http://a/ HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\nhost: a\r\n\r\n", 505),
        (b"GET / HTTP/1.1\r\nhost: user@a\r\n\r\n", 400),
        (b"GET http://user:pw@a/ HTTP/1.1\r\nhost: a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", 400),
    ],
)
async def test_host_or_version_that_is_not_acceptable_is_refused(wire: bytes, status: int) -> None:
    assert (await refused(wire)).status == status


@spec("RFC 9112 §3.2.2")
async def test_absolute_form_overrides_host_everywhere_the_application_looks() -> None:
    app = App()
    async with conversation(app) as peer:
        await peer.ask(b"GET http://real/ HTTP/1.1\r\nhost: fake\r\n\r\n")
    (conn,) = app.seen
    assert conn.headers.get("host") == b"real"
    assert b"fake" not in dict(conn.head.fields).values()


# 10


@spec("RFC 9110 §8.6", "RFC 9112 §6.1", "RFC 9110 §10.1.1", "RFC 9110 §15.2")
async def test_interim_responses_have_no_framing_and_come_on_every_request_but_old_ones() -> None:
    async def hints(conn: Connection, receive: Receive, send: Send) -> None:
        framing = ((b"content-length", b"9"), (b"transfer-encoding", b"chunked"))
        await send(InterimResponse(103, framing))
        await echo(conn, receive, send)

    head = b"POST /echo HTTP/%b\r\nhost: a\r\nconnection: keep-alive\r\nexpect: 100-continue\r\n"
    async with conversation(App({"/echo": hints})) as peer:
        for version in (b"1.1", b"1.1", b"1.0", b"1.1"):
            await peer.send(head % version + b"content-length: 2\r\n\r\n")
            if version == b"1.1":
                expected = b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
                assert await peer.exactly(len(expected)) == expected
            reply = await peer.ask(b"hi", "POST")
            assert (reply.body, reply.interim) == (b"hi", [])


# 11


@pytest.mark.parametrize("wait", [True, False])
async def test_handler_that_fails_after_its_response_splices_nothing(
    wait: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def fails(conn: Connection, receive: Receive, send: Send) -> None:
        await send(Response("whole"))
        if wait:
            await asyncio.sleep(0)
        raise LookupError("afterwards")

    async def sends_twice(conn: Connection, receive: Receive, send: Send) -> None:
        await send(Response("whole"))
        if wait:
            await asyncio.sleep(0)
        await send(Response("spliced"))

    async with conversation(App({"/fails": fails, "/twice": sends_twice})) as peer:
        ask = b"GET /fails HTTP/1.1\r\nhost: a\r\n\r\nGET /twice HTTP/1.1\r\nhost: a\r\n\r\n"
        await peer.send(ask * 2 + GET)
        assert [(await peer.reply()).body for _ in range(4)] == [b"whole"] * 4
        assert (await peer.reply()).body == b"GET /next"
        assert peer.rest == b""
    assert "afterwards" in caplog.text
    assert "the response is complete already" in caplog.text


# 12


async def test_nothing_of_a_response_sticks_to_the_next() -> None:
    async def chunked(conn: Connection, receive: Receive, send: Send) -> None:
        await send(ResponseStart(201, ((b"x-first", b"1"),), trailers=True))
        await send(ResponseBody(b"parts"))
        await send(ResponseTrailers(((b"x-sum", b"1"),)))

    async def reads(conn: Connection, receive: Receive, send: Send) -> None:
        part = await receive()
        assert isinstance(part, RequestBody)
        await send(Response(part.data))

    app = App({"/chunked": chunked, "/none": Response(b"", 204, ""), "/reads": reads})
    wires = {
        "/chunked": b"GET /chunked HTTP/1.1\r\nhost: a\r\n\r\n",
        "/none": b"GET /none HTTP/1.1\r\nhost: a\r\n\r\n",
        "head": b"HEAD /head HTTP/1.1\r\nhost: a\r\n\r\n",
        "old": b"GET /old HTTP/1.0\r\nconnection: keep-alive\r\n\r\n",
        "/reads": with_length(b"hello", b"POST /reads HTTP/1.1\r\nhost: a\r\n"),
        "plain": GET,
    }
    expected = {
        "/chunked": (201, b"parts", [(b"x-sum", b"1")]),
        "/none": (204, b"", []),
        "head": (200, b"", []),
        "old": (200, b"GET /old", []),
        "/reads": (200, b"hello", []),
        "plain": (200, b"GET /next", []),
    }
    async with conversation(app) as peer:
        for pair in itertools.product(wires, repeat=2):
            await peer.send(b"".join(wires[each] for each in pair))
            for each in pair:
                reply = await peer.reply("HEAD" if each == "head" else "GET")
                assert (reply.status, reply.body, reply.trailers) == expected[each]
                assert ("x-first" in reply) is (each == "/chunked")
                assert ("transfer-encoding" in reply) is (each == "/chunked")
                assert ("connection" in reply) is (each == "old")
