"""What the driver waits for, and how long: with a deadline that passes when the test says so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio

from blackbull.config import Settings
from blackbull.connection import Connection
from blackbull.log import LimitLog
from blackbull.native import Receive, Send
from blackbull.response import Response
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

    async def connect_to(answer: object = None) -> MemoryConnection:
        app = App({} if answer is None else {"/": answer})
        loop = asyncio.get_running_loop()
        service = HTTPService(app, SETTINGS, loop=loop, limits=LimitLog())
        services.append(service)
        view = MemoryConnection()
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


async def test_shutdown_closes_an_idle_connection_and_lets_a_busy_one_finish(
    connect: Connect,
) -> None:
    idle = await connect()
    idle.feed(GET)
    idle.shutdown()
    assert idle.closed
    busy = await connect()
    busy.feed(GET[:-1])
    busy.shutdown()
    assert not busy.closed
    busy.feed(GET[-1:])
    assert b"connection: close\r\n" in busy.sent
    assert busy.closed
