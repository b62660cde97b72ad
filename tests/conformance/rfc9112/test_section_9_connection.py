"""RFC 9112 §9: persistence, pipelining, closing, upgrading."""

from __future__ import annotations

import asyncio

import pytest

from blackbull.connection import Connection
from blackbull.native import (
    Receive,
    RequestBody,
    RequestDisconnected,
    ResponseBody,
    ResponseStart,
    Send,
)
from blackbull.response import Response
from tests.conformance.peer import App, connected, conversation, echo, serving
from tests.spec import spec

GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"


def get(path: str, *fields: bytes) -> bytes:
    lines = b"".join(field + b"\r\n" for field in fields)
    return b"GET " + path.encode() + b" HTTP/1.1\r\nhost: a\r\n" + lines + b"\r\n"


@spec("RFC 9112 §9.3", "HTTP/1.1 persists by default")
async def test_connection_persists_by_default() -> None:
    async with conversation() as peer:
        for i in range(5):
            reply = await peer.ask(get(f"/{i}"))
            assert reply.body == b"GET /%d" % i
            assert "connection" not in reply


@spec("RFC 9112 §9.6", "after 'close' no further request MUST be processed; 'close' SHOULD be sent")
@pytest.mark.parametrize(
    "field",
    [
        b"connection: close",
        b"Connection: CLOSE",
        b"connection: keep-alive, x , close",
        b"connection:close",
    ],
)
async def test_connection_close_is_the_last_request(field: bytes) -> None:
    app = App()
    async with conversation(app) as peer:
        await peer.send(get("/last", field) + get("/never"))
        reply = await peer.reply()
        assert (reply.body, reply["connection"]) == (b"GET /last", b"close")
        assert await peer.closed()
    assert app.paths == ["/last"]


@spec("RFC 9112 §9.3", "HTTP/1.0 closes unless keep-alive is asked for")
async def test_http_10_closes_unless_it_asks() -> None:
    async with conversation() as peer:
        for _ in range(2):
            reply = await peer.ask(b"GET / HTTP/1.0\r\nconnection: Keep-Alive\r\n\r\n")
            assert reply["connection"] == b"keep-alive"
        reply = await peer.ask(b"GET / HTTP/1.0\r\n\r\n")
        assert reply["connection"] == b"close"
        assert await peer.closed()


@spec("RFC 9112 §9.6", "a server that sends 'close' MUST close")
async def test_connection_close_of_the_application_closes() -> None:
    async def bye(conn: Connection, receive: Receive, send: Send) -> None:
        await send(ResponseStart(200, ((b"connection", b"close"), (b"content-length", b"3"))))
        await send(ResponseBody(b"bye"))

    async with conversation(App({"/": bye})) as peer:
        reply = await peer.ask(GET)
        assert (reply.body, reply["connection"]) == (b"bye", b"close")
        assert await peer.closed()


@spec("RFC 9112 §9.3.2", "pipelined requests MUST be answered in order")
async def test_pipelined_requests_are_answered_in_order_even_if_the_first_is_slow() -> None:
    release = asyncio.Event()
    began: list[str] = []

    async def slow(conn: Connection, receive: Receive, send: Send) -> None:
        began.append(conn.path)
        await release.wait()
        await send(Response("slow"))

    app = App({"/slow": slow})
    async with conversation(app) as peer:
        await peer.send(get("/slow") + get("/fast") + get("/slow"))
        while not began:
            await asyncio.sleep(0)
        assert app.paths == ["/slow"]
        release.set()
        assert [(await peer.reply()).body for _ in range(3)] == [b"slow", b"GET /fast", b"slow"]


@spec("RFC 9112 §9.3.2")
async def test_pipelined_requests_with_content_keep_their_bodies_apart() -> None:
    wire = b"".join(
        b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n%b" % (i, b"x" * i)
        if i % 2
        else b"POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
        + b"%x\r\n%b\r\n0\r\n\r\n" % (i + 1, b"y" * (i + 1))
        for i in range(20)
    )
    async with conversation(App({"/echo": echo})) as peer:
        await peer.send(wire)
        got = [(await peer.reply("POST")).body for _ in range(20)]
    assert got == [b"x" * i if i % 2 else b"y" * (i + 1) for i in range(20)]


@spec("RFC 9112 §9.6", "a half-closed client is still answered")
async def test_half_closed_client_is_answered() -> None:
    async def slow(conn: Connection, receive: Receive, send: Send) -> None:
        assert isinstance(await receive(), RequestBody)
        assert isinstance(await receive(), RequestDisconnected)
        await send(Response("answered"))

    for path, body in (("/slow", b"answered"), ("/", b"GET /")):
        async with conversation(App({"/slow": slow})) as peer:
            await peer.send(get(path))
            peer.half_close()
            assert (await peer.reply()).body == body
            assert await peer.closed()


async def test_half_closed_client_gets_every_pipelined_answer() -> None:
    async def waits(conn: Connection, receive: Receive, send: Send) -> None:
        while not isinstance(await receive(), RequestDisconnected):
            pass
        await send(Response(conn.path))

    async with conversation(App({"/1": waits, "/3": waits})) as peer:
        await peer.send(get("/1") + get("/2") + get("/3"))
        peer.half_close()
        got = [(await peer.reply()).body for _ in range(3)]
        assert got == [b"/1", b"GET /2", b"/3"]
        assert await peer.closed()


@spec("RFC 9112 §9.3", "a server MUST read all content, or close, before the next request")
@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_content_that_nobody_reads_is_skipped(framing: str) -> None:
    content = b"GET /evil HTTP/1.1\r\nhost: a\r\n\r\n" * 10
    field = b"content-length: %d" % len(content)
    wire = content
    if framing == "chunked":
        field = b"transfer-encoding: chunked"
        wire = b"%x\r\n%b\r\n0\r\n\r\n" % (len(content), content)
    app = App()
    async with conversation(app) as peer:
        head = b"POST /1 HTTP/1.1\r\nhost: a\r\n" + field + b"\r\n\r\n"
        assert (await peer.ask(head, "POST")).body == b"POST /1"
        await peer.send(wire[:100])
        await peer.send(wire[100:] + get("/2"))
        assert (await peer.reply()).body == b"GET /2"
    assert app.paths == ["/1", "/2"]


@pytest.mark.parametrize("framing", ["length", "chunked"])
@spec("RFC 9112 §9.3", "RFC 9112 §9.6")
async def test_content_too_large_to_skip_closes_and_the_answer_arrives(framing: str) -> None:
    app = App()
    async with conversation(app) as peer:
        field = b"content-length: 500000" if framing == "length" else b"transfer-encoding: chunked"
        await peer.send(b"POST /1 HTTP/1.1\r\nhost: a\r\n" + field + b"\r\n\r\n")
        piece = b"x" * 10000 if framing == "length" else b"2710\r\n" + b"x" * 10000 + b"\r\n"
        for _ in range(50):
            await peer.send(piece)
        assert (await peer.reply("POST")).body == b"POST /1"
        assert await peer.closed()
    assert app.paths == ["/1"]


async def test_early_answer_to_a_large_upload_does_not_deadlock() -> None:
    """The client sends all before it reads; the server answers before it reads."""

    async def deny(conn: Connection, receive: Receive, send: Send) -> None:
        await send(Response("no", 403))

    async with conversation(App({"/": deny})) as peer:
        await peer.send(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 8000000\r\n\r\n")
        await peer.send(b"x" * 8000000)
        reply = await peer.reply("POST")
        assert (reply.status, reply["connection"]) == (403, b"close")
        assert await peer.closed()


@spec("RFC 9112 §9.6", "a refusal can be read although the client is still sending")
async def test_refusal_reaches_a_client_that_is_still_sending() -> None:
    async with conversation() as peer:
        await peer.send(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 99999999\r\n\r\n")
        for _ in range(20):
            await peer.send(b"x" * 10000)
        assert (await peer.reply("POST")).status == 413
        assert await peer.closed()


@spec("RFC 9112 §9.3")
async def test_connections_are_independent() -> None:
    async with serving(App()) as server, connected(server) as one, connected(server) as two:
        assert (await one.ask(b"GET\r\n\r\n")).status == 400
        assert (await two.ask(GET)).status == 200


@spec("RFC 9112 §9.6", "the answer is not destroyed by what the client sent meanwhile")
async def test_connection_that_we_end_lets_the_client_finish() -> None:
    async def bye(conn: Connection, receive: Receive, send: Send) -> None:
        await send(ResponseStart(200, ((b"connection", b"close"), (b"content-length", b"3"))))
        await send(ResponseBody(b"bye"))

    app = App({"/bye": bye})
    async with conversation(app) as peer:
        await peer.send(get("/bye"))
        while not app.seen:
            await asyncio.sleep(0)
        for _ in range(20):
            await peer.send(get("/never"))
            await asyncio.sleep(0)
        assert (await peer.reply()).body == b"bye"
        assert await peer.closed()
    assert app.paths == ["/bye"]
