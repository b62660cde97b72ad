"""RFC 9110 §10.1.1: Expect: 100-continue."""

from __future__ import annotations

import pytest

from blackbull.connection import Connection
from blackbull.native import Receive, RequestBody, Send
from blackbull.response import Response
from tests.conformance.peer import App, Peer, conversation, echo, refused
from tests.spec import spec

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def expecting(version: bytes = b"1.1", field: bytes = b"expect: 100-continue") -> bytes:
    return (
        b"POST /echo HTTP/"
        + version
        + b"\r\nhost: a\r\n"
        + field
        + b"\r\ncontent-length: 5\r\n\r\n"
    )


async def ask_twice(peer: Peer, head: bytes) -> None:
    for _ in range(2):
        await peer.send(head)
        assert await peer.exactly(len(CONTINUE)) == CONTINUE
        reply = await peer.ask(b"hello", "POST")
        assert (reply.status, reply.body, reply.interim) == (200, b"hello", [])


@spec("RFC 9110 §10.1.1", "100 is sent before content is read, on every request")
async def test_continue_is_sent_when_the_application_reads() -> None:
    async with conversation(App({"/echo": echo})) as peer:
        await ask_twice(peer, expecting())
        await ask_twice(peer, expecting(field=b"Expect: 100-CONTINUE"))


@spec("RFC 9110 §10.1.1")
async def test_continue_for_chunked_content() -> None:
    head = expecting().replace(b"content-length: 5", b"transfer-encoding: chunked")
    async with conversation(App({"/echo": echo})) as peer:
        await peer.send(head)
        assert await peer.exactly(len(CONTINUE)) == CONTINUE
        assert (await peer.ask(b"2\r\nhi\r\n0\r\n\r\n", "POST")).body == b"hi"


@spec("RFC 9110 §10.1.1", "a server MAY omit 100 when content has arrived")
@pytest.mark.parametrize("arrived", [b"hello", b"h"])
async def test_continue_is_not_sent_once_content_has_arrived(arrived: bytes) -> None:
    async with conversation(App({"/echo": echo})) as peer:
        await peer.send(expecting() + arrived)
        await peer.send(b"hello"[len(arrived) :])
        reply = await peer.reply("POST")
        assert (reply.body, reply.interim) == (b"hello", [])


@spec("RFC 9110 §10.1.1", "a final answer instead: the content is not asked for")
async def test_continue_is_not_sent_when_the_application_does_not_read() -> None:
    async def deny(conn: Connection, receive: Receive, send: Send) -> None:
        await send(Response("no", 403))

    for app in (App({"/echo": deny}), App({"/echo": Response("no", 403)})):
        async with conversation(app) as peer:
            reply = await peer.ask(expecting(), "POST")
            assert (reply.status, reply.interim) == (403, [])
            assert reply["connection"] == b"close"
            assert await peer.closed()


@spec("RFC 9110 §10.1.1", "100 MUST NOT be sent to an HTTP/1.0 client")
async def test_continue_is_not_sent_to_http_10() -> None:
    async with conversation(App({"/echo": echo})) as peer:
        await peer.send(expecting(b"1.0"))
        await peer.send(b"hello")
        reply = await peer.reply("POST")
        assert (reply.body, reply.interim) == (b"hello", [])


@spec("RFC 9110 §10.1.1", "without content the expectation MUST be ignored")
async def test_continue_is_not_sent_without_content() -> None:
    async with conversation(App({"/echo": echo})) as peer:
        reply = await peer.ask(expecting().replace(b": 5", b": 0"), "POST")
        assert (reply.status, reply.interim) == (200, [])
        assert "connection" not in reply


@spec("RFC 9110 §10.1.1", "RFC 9110 §15.5.18")
@pytest.mark.parametrize("value", [b"200-ok", b"100-continue, more", b'100-continue;x="y"'])
async def test_expectation_unknown_is_417(value: bytes) -> None:
    assert (await refused(expecting(field=b"expect: " + value))).status == 417


@spec("RFC 9110 §10.1.1", "RFC 9110 §15.5.14")
async def test_content_too_large_is_refused_instead_of_continued() -> None:
    reply = await refused(expecting().replace(b": 5", b": 99999999"))
    assert (reply.status, reply.interim) == (413, [])


@spec("RFC 9110 §10.1.1")
async def test_continue_is_sent_once_however_often_the_application_reads() -> None:
    async def reads(conn: Connection, receive: Receive, send: Send) -> None:
        data = b""
        while isinstance(part := await receive(), RequestBody):
            data += part.data
            if not part.more:
                break
        await send(Response(data))

    async with conversation(App({"/echo": reads})) as peer:
        await peer.send(expecting())
        assert await peer.exactly(len(CONTINUE)) == CONTINUE
        for byte in b"hello":
            await peer.send(bytes([byte]))
        reply = await peer.reply("POST")
        assert (reply.body, reply.interim) == (b"hello", [])
