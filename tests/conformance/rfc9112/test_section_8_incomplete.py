"""RFC 9112 §8: messages that end too early."""

from __future__ import annotations

import logging

import h11
import pytest

from blackbull.connection import Connection
from blackbull.errors import ClientDisconnected
from blackbull.native import Receive, RequestBody, ResponseBody, ResponseStart, Send
from tests.conformance.peer import App, conversation, echo
from tests.spec import spec


@spec("RFC 9112 §8", "a server that receives an incomplete request MAY answer with an error")
@pytest.mark.parametrize(
    "wire",
    [
        b"GET / HTT",
        b"GET / HTTP/1.1\r\nhost: a\r\n",
        b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhel",
        b"POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ],
)
async def test_request_cut_off_is_400_and_closed(wire: bytes) -> None:
    app = App({"/echo": echo})
    async with conversation(app) as peer:
        await peer.send(wire)
        peer.half_close()
        reply = await peer.reply()
        assert (reply.status, reply["connection"]) == (400, b"close")
        assert await peer.closed()


async def test_content_cut_off_is_not_taken_for_whole() -> None:
    outcome: list[object] = []

    async def read(conn: Connection, receive: Receive, send: Send) -> None:
        try:
            outcome.append(await conn.body())
        except ClientDisconnected as error:
            outcome.append(error)
            raise

    async with conversation(App({"/": read})) as peer:
        await peer.send(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhel")
        peer.half_close()
        assert (await peer.reply("POST")).status == 400
    assert isinstance(outcome[0], ClientDisconnected)
    assert outcome[0].partial == b"hel"


@spec("RFC 9112 §8", "a chunked response is incomplete without its last chunk")
@pytest.mark.parametrize("announced", [(), ((b"content-length", b"100"),)])
async def test_response_that_fails_midway_is_visibly_cut_off(
    announced: tuple[tuple[bytes, bytes], ...], caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(conn: Connection, receive: Receive, send: Send) -> None:
        await send(ResponseStart(200, announced))
        await send(ResponseBody(b"half", True))
        raise LookupError("midway")

    async with conversation(App({"/": fail})) as peer:
        await peer.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n" * 2)
        with pytest.raises((h11.RemoteProtocolError, ConnectionResetError)):
            await peer.reply()
    assert [r.levelno for r in caplog.records if "failed" in r.getMessage()] == [logging.ERROR]


@pytest.mark.parametrize("length", [b"3", b"5"])
async def test_response_with_another_length_than_announced_is_never_taken_for_whole(
    length: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async def lie(conn: Connection, receive: Receive, send: Send) -> None:
        await send(ResponseStart(200, ((b"content-length", length),)))
        await send(ResponseBody(b"four"))

    async with conversation(App({"/": lie})) as peer:
        await peer.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        with pytest.raises((h11.RemoteProtocolError, ConnectionResetError)):
            await peer.reply()
    assert "failed" in caplog.text


async def test_handler_that_raises_before_its_response_is_500(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fail(conn: Connection, receive: Receive, send: Send) -> None:
        raise LookupError("early")

    async def forget(conn: Connection, receive: Receive, send: Send) -> None:
        assert isinstance(await receive(), RequestBody)

    async with conversation(App({"/fail": fail, "/forget": forget})) as peer:
        for path in (b"/fail", b"/forget"):
            reply = await peer.ask(b"GET " + path + b" HTTP/1.1\r\nhost: a\r\n\r\n")
            assert reply.status == 500
        assert (await peer.ask(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")).status == 200
    assert "early" in caplog.text


async def test_handler_that_raises_after_its_response_changes_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    from blackbull.response import Response

    async def fail(conn: Connection, receive: Receive, send: Send) -> None:
        await send(Response("done"))
        raise LookupError("late")

    async with conversation(App({"/": fail})) as peer:
        for _ in range(2):
            reply = await peer.ask(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            assert (reply.status, reply.body) == (200, b"done")
        assert peer.rest == b""
    assert caplog.text.count("LookupError: late") == 2
