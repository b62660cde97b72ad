"""What the driver waits for, and how long: with a deadline that passes when the test says so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio

from blackbull.config import Settings
from blackbull.connection import Connection
from blackbull.log import LimitLog
from blackbull.native import Receive, ResponseBody, ResponseStart, Send
from blackbull.response import EventSourceResponse, Response, StreamingResponse
from blackbull.server.bindings.http1 import HTTP1Binding
from blackbull.server.bindings.service import HTTPService
from blackbull.transport.memory import MemoryConnection
from tests.conformance.peer import App
from tests.fault.caps import caps

SETTINGS = Settings(header_timeout=1, keep_alive_timeout=2, body_timeout=3, write_timeout=4)
GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
CLOSE = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\n"

Connect = Callable[..., Awaitable[MemoryConnection]]


@pytest_asyncio.fixture
async def connect() -> AsyncIterator[Connect]:
    """Return how to connect to an application whose every path answers as it is told."""
    services: list[HTTPService] = []

    async def connect_to(answer: object = None, *, grace: float = 1.0) -> MemoryConnection:
        app = App({} if answer is None else {"/": answer})
        loop = asyncio.get_running_loop()
        view = MemoryConnection()
        view.going.grace = grace
        service = HTTPService(app, SETTINGS, loop=loop, limits=LimitLog(), leaving=view.going)
        services.append(service)
        await HTTP1Binding(service).serve(view)
        return view

    yield connect_to
    for service in services:
        service.close()


async def silent(conn: Connection, receive: Receive, send: Send) -> None:
    while not conn.disconnected:
        await receive()


async def test_deadline_follows_what_is_waited_for(connect: Connect) -> None:
    view = await connect()
    assert view.deadline.seconds == 1
    view.feed(GET)
    assert view.deadline.seconds == 2
    view.feed(GET[:5])
    assert view.deadline.seconds == 1
    view.feed(GET[5:] + POST)
    assert view.deadline.seconds == 3
    view.feed(b"hello")
    assert view.deadline.seconds == 2


async def test_deadline_is_clear_while_a_handler_works(connect: Connect) -> None:
    view = await connect(silent)
    view.feed(GET)
    assert view.deadline.seconds is None
    view.reset()


async def test_deadline_is_the_content_s_while_a_handler_waits_for_it(connect: Connect) -> None:
    view = await connect(silent)
    view.feed(POST)
    await asyncio.sleep(0)
    assert view.deadline.seconds == 3
    view.feed(b"hello")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert view.deadline.seconds is None
    view.reset()


async def test_idle_connection_is_closed_in_silence(connect: Connect) -> None:
    view = await connect()
    view.feed(GET)
    view.take_sent()
    view.deadline.expire()
    assert view.closed
    assert view.sent == b""


async def test_last_answer_that_is_not_taken_is_dropped_in_time(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    view = await connect()
    view.feed(CLOSE)
    assert view.closed
    assert view.deadline.seconds == 4
    view.deadline.expire()
    assert view.aborted
    assert caps(caplog) == ["write_timeout"]


async def test_client_that_does_not_read_is_neither_read_nor_answered(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    view = await connect()
    view.pause_writing()
    assert not view.reading
    assert view.deadline.seconds == 4
    view.feed(GET)
    assert view.sent == b""
    view.resume_writing()
    assert view.sent.startswith(b"HTTP/1.1 200")
    view.pause_writing()
    view.deadline.expire()
    assert view.aborted
    assert caps(caplog) == ["write_timeout"]


async def test_client_that_half_closes_before_it_reads_gets_every_answer(connect: Connect) -> None:
    large = Response(b"x" * 40000)
    view = await connect(large)
    view.feed(GET)
    view.pause_writing()
    view.resume_writing()
    view.take_sent()
    view.feed(GET * 2 + GET[:-1])
    view.pause_writing()
    view.resume_reading()
    view.feed(GET[-1:])
    view.feed_eof()
    assert not view.closed
    view.resume_writing()
    assert view.sent.count(b"HTTP/1.1 200") == 3
    assert view.closed


async def test_shutdown_leaves_an_idle_client_time_for_a_request_that_is_on_its_way(
    connect: Connect,
) -> None:
    for before in (b"", GET):
        view = await connect()
        if before:
            view.feed(before)
        view.take_sent()
        view.shutdown()
        assert not view.closed
        assert view.deadline.seconds == 1.0
        view.feed(GET[:-1])
        assert view.deadline.seconds == SETTINGS.header_timeout
        view.feed(GET[-1:])
        assert b"connection: close\r\n" in view.sent
        assert view.closed


async def test_shutdown_closes_a_client_that_stays_idle(connect: Connect) -> None:
    view = await connect()
    view.feed(GET)
    view.take_sent()
    view.shutdown()
    view.deadline.expire()
    assert view.closed
    assert view.sent == b""


async def test_shutdown_answers_all_that_were_pipelined_the_last_with_close(
    connect: Connect,
) -> None:
    release = asyncio.Event()

    async def slow(conn: Connection, receive: Receive, send: Send) -> None:
        await release.wait()
        await send(Response("done"))

    view = await connect(slow)
    view.feed(GET * 3)
    view.shutdown()
    release.set()
    for _ in range(20):
        await asyncio.sleep(0)
    *before, last = bytes(view.sent).split(b"HTTP/1.1 200")[1:]
    assert [b"connection: close" in each for each in (*before, last)] == [False, False, True]
    assert view.closed


async def test_shutdown_during_a_response_that_promised_more_leaves_time_for_it(
    connect: Connect,
) -> None:
    release = asyncio.Event()

    async def slow(conn: Connection, receive: Receive, send: Send) -> None:
        await send(ResponseStart(200))
        await release.wait()
        await send(ResponseBody(b"end"))

    view = await connect(slow)
    view.feed(GET)
    for _ in range(20):
        await asyncio.sleep(0)
    view.shutdown()
    assert b"connection" not in view.take_sent()
    release.set()
    for _ in range(20):
        await asyncio.sleep(0)
    assert view.take_sent().endswith(b"0\r\n\r\n")
    assert not view.closed
    view.feed(GET)
    for _ in range(20):
        await asyncio.sleep(0)
    assert b"connection: close\r\n" in view.sent
    assert view.closed


async def test_shutdown_ends_a_stream_of_events_and_its_handler_can_say_goodbye(
    connect: Connect,
) -> None:
    async def events() -> AsyncIterator[str]:
        yield "first"
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            yield "goodbye"

    view = await connect(EventSourceResponse(events()))
    view.feed(GET)
    for _ in range(20):
        await asyncio.sleep(0)
    assert view.take_sent().endswith(b"data: first\n\n\r\n")
    view.shutdown()
    for _ in range(20):
        await asyncio.sleep(0)
    assert b"data: goodbye\n\n" in view.sent
    assert view.sent.endswith(b"\r\n0\r\n\r\n")
    assert view.closed


async def test_stream_of_events_that_begins_while_the_server_stops_ends_at_once(
    connect: Connect,
) -> None:
    closed: list[bool] = []

    async def events() -> AsyncIterator[str]:
        try:
            yield "first"
            await asyncio.Event().wait()
        finally:
            closed.append(True)

    view = await connect(EventSourceResponse(events()))
    view.shutdown()
    view.feed(GET)
    for _ in range(20):
        await asyncio.sleep(0)
    assert view.sent.endswith(b"0\r\n\r\n")
    assert closed == [True]
    assert view.closed


async def test_other_streams_go_on_while_the_server_stops(connect: Connect) -> None:
    go_on = asyncio.Event()

    async def parts() -> AsyncIterator[str]:
        yield "first"
        await go_on.wait()
        yield "last"

    view = await connect(StreamingResponse(parts()))
    view.feed(GET)
    view.shutdown()
    for _ in range(20):
        await asyncio.sleep(0)
    assert not view.closed
    go_on.set()
    for _ in range(20):
        await asyncio.sleep(0)
    assert view.sent.endswith(b"last\r\n0\r\n\r\n")


async def test_shutdown_without_grace_closes_whoever_is_idle(connect: Connect) -> None:
    fresh = await connect(grace=0.0)
    fresh.shutdown()
    assert fresh.closed


async def test_answer_that_is_queued_when_we_close_has_the_time_of_writing(
    connect: Connect,
) -> None:
    view = await connect()
    view.feed(CLOSE)
    assert view.closed
    assert view.deadline.seconds == 4
    view.deadline.expire()
    assert view.aborted
