"""RFC 9113 §8: HTTP messages on streams."""

from __future__ import annotations

import asyncio

import pytest
from h2.errors import ErrorCodes

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
from tests.conformance.http2 import (
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    POST,
    RST_STREAM,
    conversation,
    frame,
    line,
)
from tests.conformance.peer import App, echo
from tests.spec import spec


@spec("RFC 9113 §8.1", "trailers")
async def test_trailers_go_both_ways() -> None:
    async def handler(conn: Connection, receive: Receive, send: Send) -> None:
        trailers: tuple[tuple[bytes, bytes], ...] = ()
        while isinstance(message := await receive(), RequestBody):
            trailers = message.trailers
            if not message.more:
                break
        await send(ResponseStart(200, trailers=True))
        await send(ResponseBody(b"content"))
        await send(ResponseTrailers((*trailers, (b"x-more", b"1"))))

    async with conversation(App({"/": handler})) as peer:
        stream = peer.client.request("/", method="POST", end=False)
        peer.client.data(stream, b"abc")
        peer.client.h2.send_headers(stream, [(b"x-sum", b"42")], end_stream=True)
        reply = await peer.reply(stream)
        assert reply.body == b"content"
        assert reply.trailers == [(b"x-sum", b"42"), (b"x-more", b"1")]


@spec("RFC 9113 §8.1", "interim responses")
async def test_interim_responses_come_before_the_final_one() -> None:
    async def handler(conn: Connection, receive: Receive, send: Send) -> None:
        await send(InterimResponse(103, ((b"link", b"</a>"),)))
        await send(InterimResponse(102))
        await send(Response("done"))

    async with conversation(App({"/": handler})) as peer:
        reply = await peer.ask()
        assert (reply.interim, reply.status, reply.body) == ([103, 102], 200, b"done")


@spec("RFC 9110 §10.1.1", "RFC 9113 §8.1")
async def test_expectation_is_met_when_the_content_is_wanted() -> None:
    async with conversation(App({"/echo": echo})) as peer:
        fields = [(b"expect", b"100-continue"), (b"content-length", b"3")]
        stream = peer.client.request("/echo", method="PUT", fields=fields, end=False)
        await peer.until_true(lambda: peer.client.replies[stream].interim)
        peer.client.data(stream, b"abc", end=True)
        reply = await peer.reply(stream)
        assert (reply.interim, reply.body) == ([100], b"abc")


@spec("RFC 9113 §8.1.1", "content-length and DATA")
@pytest.mark.parametrize(("announced", "sent"), [(b"5", b"four"), (b"3", b"four"), (b"0", b"x")])
async def test_content_of_another_length_than_announced_is_malformed(
    announced: bytes, sent: bytes
) -> None:
    async with line(App({"/": echo})) as peer:
        length = b"\x0f\x0d\x01" + announced
        await peer.send(
            frame(HEADERS, END_HEADERS, 1, POST + length), frame(DATA, END_STREAM, 1, sent)
        )
        reset = await peer.until(RST_STREAM)
        assert (reset.stream_id, reset.code) == (1, ErrorCodes.PROTOCOL_ERROR)


@spec("RFC 9113 §8.2.3", "cookie crumbs")
async def test_cookie_crumbs_are_one_cookie_again() -> None:
    app = App()
    async with conversation(app) as peer:
        await peer.ask("/", fields=[(b"cookie", b"a=1"), (b"cookie", b"b=2")])
    assert app.seen[0].headers.getlist(b"cookie") == [(b"cookie", b"a=1; b=2")]
    assert app.seen[0].cookies == {"a": "1", "b": "2"}


@spec("RFC 9113 §8.3.1", ":authority is the host field")
async def test_authority_is_seen_as_the_host_field() -> None:
    """Defect 29."""
    app = App()
    async with conversation(app) as peer:
        await peer.ask("/path?query=1")
    conn = app.seen[0]
    assert conn.headers.get(b"host") == b"a"
    assert (conn.path, conn.query_string) == ("/path", b"query=1")
    assert not any(name.startswith(b":") for name, _ in conn.headers)


@spec("RFC 9113 §8.5", "CONNECT")
async def test_connect_is_refused_cleanly() -> None:
    async with line() as peer:
        block = b"\x02\x07CONNECT\x01\x05a:443"
        await peer.send(frame(HEADERS, END_HEADERS, 1, block))
        answer = await peer.until(HEADERS, 1)
        assert answer.flags & END_HEADERS
        assert await peer.alive()


@spec("RFC 9113 §8.1", "a complete response before the end of the request")
async def test_upload_that_nobody_wants_is_stopped_after_its_answer() -> None:
    async with conversation(App({"/": Response("no", 403)})) as peer:
        stream = peer.client.request("/", method="POST", end=False)
        peer.client.data(stream, bytes(65535))
        reply = peer.client.replies[stream]
        await peer.until_true(lambda: reply.ended)
        assert (reply.status, reply.body, reply.reset) == (403, b"no", None)
        await peer.until_true(lambda: reply.reset is not None)
        assert reply.reset == ErrorCodes.NO_ERROR
        assert (await peer.ask("/b")).status == 200


@spec("RFC 9113 §8.1", "a response that cannot be completed")
async def test_handler_that_fails_in_the_middle_resets_its_stream() -> None:
    app = BlackBull()

    @app.route(path="/")
    async def fails(conn: Connection, receive: Receive, send: Send) -> None:
        await send(ResponseStart(200))
        await send(ResponseBody(b"some", True))
        await asyncio.sleep(0)
        raise RuntimeError("a bug")

    @app.route(path="/raises")
    async def raises() -> str:
        raise RuntimeError("a bug")

    async with conversation(app) as peer:
        reply = await peer.ask()
        assert reply.status == 200
        assert (reply.ended, reply.reset) == (False, ErrorCodes.INTERNAL_ERROR)
        assert (await peer.ask("/raises")).status == 500


@spec("RFC 9110 §9.3.2")
async def test_head_is_answered_without_content() -> None:
    async with conversation() as peer:
        reply = await peer.ask("/path", method="HEAD")
        assert (reply.status, reply.body, reply["content-length"]) == (200, b"", b"10")


@spec("RFC 9113 §8.4")
async def test_connection_events_fire_for_http2_too() -> None:
    """S20."""
    app = BlackBull()
    seen: list[tuple[str, object]] = []

    @app.on("connection_accepted")
    async def accepted(event: object) -> None:
        seen.append(("accepted", event.detail["protocol"]))  # type: ignore[attr-defined]

    @app.on("connection_closed")
    async def closed(event: object) -> None:
        seen.append(("closed", event.detail["protocol"]))  # type: ignore[attr-defined]

    @app.route(path="/")
    async def hello() -> str:
        return "hello"

    async with conversation(app) as peer:
        assert (await peer.ask()).body == b"hello"
    while len(seen) < 2:
        await asyncio.sleep(0)
    assert seen == [("accepted", "http2"), ("closed", "http2")]
