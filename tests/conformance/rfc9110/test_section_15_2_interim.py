"""RFC 9110 §15.2: interim responses."""

from __future__ import annotations

import pytest

from blackbull.connection import Connection
from blackbull.native import InterimResponse, Receive, Send
from blackbull.response import Response
from tests.conformance.peer import App, conversation
from tests.spec import spec


async def hints(conn: Connection, receive: Receive, send: Send) -> None:
    fields = ((b"link", b"</a>; rel=preload"), (b"content-length", b"5"))
    await send(InterimResponse(103, fields))
    await send(InterimResponse(103, ((b"link", b"</b>"),)))
    await send(Response("final"))


@spec("RFC 9110 §15.2", "RFC 8297 §2")
async def test_early_hints_precede_the_final_response() -> None:
    async with conversation(App({"/": hints})) as peer:
        for _ in range(2):
            reply = await peer.ask(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            assert [interim.status_code for interim in reply.interim] == [103, 103]
            assert dict(reply.interim[0].headers)[b"link"] == b"</a>; rel=preload"
            assert reply.body == b"final"


@spec("RFC 9110 §8.6", "RFC 9112 §6.1", "1xx has neither Content-Length nor Transfer-Encoding")
async def test_early_hints_have_no_framing() -> None:
    async with conversation(App({"/": hints})) as peer:
        reply = await peer.ask(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        assert b"content-length" not in dict(reply.interim[0].headers)


@spec("RFC 9110 §15.2", "1xx MUST NOT be sent to an HTTP/1.0 client")
async def test_early_hints_are_not_sent_to_http_10() -> None:
    async with conversation(App({"/": hints})) as peer:
        reply = await peer.ask(b"GET / HTTP/1.0\r\n\r\n")
        assert (reply.interim, reply.body) == ([], b"final")


async def test_early_hints_are_sent_before_the_final_response_is_ready() -> None:
    import asyncio

    release = asyncio.Event()

    async def slow(conn: Connection, receive: Receive, send: Send) -> None:
        await send(InterimResponse(103, ((b"link", b"</a>"),)))
        await release.wait()
        await send(Response("final"))

    async with conversation(App({"/": slow})) as peer:
        await peer.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        assert (await peer.exactly(12)) == b"HTTP/1.1 103"
        peer.rest = b"HTTP/1.1 103" + peer.rest
        release.set()
        assert (await peer.reply()).body == b"final"


@pytest.mark.parametrize("status", [101, 199, 200])
async def test_interim_response_with_another_status_is_a_bug_of_the_application(
    status: int, caplog: pytest.LogCaptureFixture
) -> None:
    async def wrong(conn: Connection, receive: Receive, send: Send) -> None:
        await send(InterimResponse(status))

    async with conversation(App({"/": wrong})) as peer:
        assert (await peer.ask(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")).status == 500
    assert "LocalProtocolError" in caplog.text
