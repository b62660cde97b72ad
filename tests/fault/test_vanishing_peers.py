"""Peers that leave in the middle: whoever works for them hears of it, and nothing is left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from blackbull.connection import Connection
from blackbull.errors import ClientDisconnected
from blackbull.native import (
    Receive,
    RequestBody,
    RequestDisconnected,
    ResponseBody,
    ResponseStart,
    Send,
)
from blackbull.response import EventSourceResponse, Response, StreamingResponse
from blackbull.server import Server
from blackbull.server.bindings import exchange
from blackbull.server.bindings.http1 import HTTP1Consumer
from tests.conformance.peer import App, Peer, connected, conversation, serving
from tests.fault.test_slow_peers import not_reading

GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"


async def idle(server: Server) -> None:
    """Wait until no handler runs and no connection is open."""
    async with asyncio.timeout(5):
        while server._service.tasks or server.connections:
            await asyncio.sleep(0)


LEAVING = [
    pytest.param(Peer.reset, id="reset"),
    pytest.param(lambda peer: peer.writer.close(), id="close"),
]


@pytest.mark.parametrize("leave", LEAVING)
async def test_handler_that_waits_is_told(leave: Callable[[Peer], None]) -> None:
    began = asyncio.Event()
    got: list[object] = []

    async def waits(conn: Connection, receive: Receive, send: Send) -> None:
        assert isinstance(await receive(), RequestBody)
        began.set()
        got.append(await receive())
        got.append(conn.disconnected)

    async with serving(App({"/": waits})) as server, connected(server) as peer:
        await peer.send(GET)
        await began.wait()
        leave(peer)
        await idle(server)
    assert isinstance(got[0], RequestDisconnected)
    assert got[1] is True


@pytest.mark.parametrize("leave", LEAVING)
async def test_handler_in_the_middle_of_content_is_told(leave: Callable[[Peer], None]) -> None:
    began = asyncio.Event()
    outcome: list[ClientDisconnected] = []

    async def reads(conn: Connection, receive: Receive, send: Send) -> None:
        began.set()
        try:
            await conn.body()
        except ClientDisconnected as error:
            outcome.append(error)
            raise

    async with serving(App({"/": reads})) as server, connected(server) as peer:
        await peer.send(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhal")
        await began.wait()
        leave(peer)
        await idle(server)
    assert [error.partial for error in outcome] == [b"hal"]


async def test_two_waits_for_the_same_client_are_both_told() -> None:
    began = asyncio.Event()
    got: list[object] = []

    async def waits(conn: Connection, receive: Receive, send: Send) -> None:
        await receive()
        began.set()
        got.extend(await asyncio.gather(receive(), receive()))

    async with serving(App({"/": waits})) as server, connected(server) as peer:
        await peer.send(GET)
        await began.wait()
        peer.reset()
        await idle(server)
    assert [type(message) for message in got] == [RequestDisconnected] * 2


async def test_wait_after_the_answer_ends_with_it() -> None:
    """Who waits for the client to leave learns that there is nothing left to wait for."""
    got: list[object] = []

    async def answers(conn: Connection, receive: Receive, send: Send) -> None:
        await receive()
        watcher = asyncio.ensure_future(receive())
        await asyncio.sleep(0)
        await send(Response("done"))
        got.append(await watcher)
        got.append(await receive())
        got.append(conn.disconnected)

    async with serving(App({"/": answers})) as server, connected(server) as peer:
        assert (await peer.ask(GET)).body == b"done"
        assert (await peer.ask(GET)).body == b"done"
        while server._service.tasks:
            await asyncio.sleep(0)
        assert len(server.connections) == 1
    assert [type(each) for each in got] == [RequestDisconnected, RequestDisconnected, bool] * 2
    assert got[2] is False


@pytest.mark.parametrize("kind", [StreamingResponse, EventSourceResponse])
@pytest.mark.parametrize("leave", LEAVING)
async def test_stream_that_is_silent_is_closed_when_its_client_leaves(
    kind: type[StreamingResponse | EventSourceResponse],
    leave: Callable[[Peer], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Of a client that closes, TCP says no more than that it will send nothing: it may read on.
    monkeypatch.setattr(exchange, "HALF_CLOSED_SECONDS", 0.1)
    closed = asyncio.Event()

    async def items() -> AsyncIterator[str]:
        try:
            yield "first"
            await asyncio.Event().wait()
        finally:
            closed.set()

    async def handler(conn: Connection, receive: Receive, send: Send) -> None:
        await kind(items())(conn, receive, send)

    async with serving(App({"/": handler})) as server, connected(server) as peer:
        await peer.send(GET)
        while b"first" not in peer.rest:
            peer.rest += await peer.reader.read(1000)
        leave(peer)
        async with asyncio.timeout(1):
            await closed.wait()
        await idle(server)


async def test_stream_that_talks_is_closed_when_its_client_leaves() -> None:
    closed = asyncio.Event()

    async def items() -> AsyncIterator[str]:
        try:
            while True:
                yield "again"
                await asyncio.sleep(0.01)
        finally:
            closed.set()

    async def handler(conn: Connection, receive: Receive, send: Send) -> None:
        await StreamingResponse(items())(conn, receive, send)

    async with serving(App({"/": handler})) as server, connected(server) as peer:
        await peer.send(GET)
        await peer.exactly(100)
        peer.writer.close()
        async with asyncio.timeout(1):
            await closed.wait()
        await idle(server)


@pytest.mark.parametrize("early", [True, False])
async def test_event_stream_ends_when_its_client_half_closes(early: bool) -> None:
    """Whether the client closed its side before the stream began or after."""
    closed = asyncio.Event()
    start = asyncio.Event()

    async def items() -> AsyncIterator[str]:
        try:
            yield "first"
            await asyncio.Event().wait()
        finally:
            closed.set()

    async def handler(conn: Connection, receive: Receive, send: Send) -> None:
        if early:
            await receive()
            await receive()
        start.set()
        await EventSourceResponse(items())(conn, receive, send)

    async with conversation(App({"/": handler})) as peer:
        await peer.send(GET)
        if not early:
            while b"first" not in peer.rest:
                peer.rest += await peer.reader.read(1000)
        peer.half_close()
        async with asyncio.timeout(1):
            await start.wait()
            if not early:
                await closed.wait()
            assert b"HTTP/1.1 200" in peer.rest + await peer.until_close()


async def test_stream_goes_on_for_a_client_that_half_closed() -> None:
    async def items() -> AsyncIterator[str]:
        for i in range(5):
            yield str(i)
            await asyncio.sleep(0)

    async def handler(conn: Connection, receive: Receive, send: Send) -> None:
        await StreamingResponse(items())(conn, receive, send)

    async with conversation(App({"/": handler})) as peer:
        await peer.send(GET)
        peer.half_close()
        assert (await peer.reply()).body == b"01234"


async def test_handler_that_waits_for_a_full_window_is_released() -> None:
    outcome: list[BaseException] = []

    async def endless(conn: Connection, receive: Receive, send: Send) -> None:
        await send(ResponseStart(200))
        try:
            while True:
                await send(ResponseBody(b"x" * 65536, True))
        except ClientDisconnected as error:
            outcome.append(error)
            raise

    async with serving(App({"/": endless})) as server:
        async with not_reading(server.port, GET):
            while not any(
                isinstance(consumer := view._consumer, HTTP1Consumer) and consumer.output.paused
                for view in server.connections
            ):
                await asyncio.sleep(0)
        await idle(server)
    assert len(outcome) == 1


async def test_handler_that_goes_on_sending_is_stopped_at_its_next_send() -> None:
    began = asyncio.Event()
    gone = asyncio.Event()
    sent: list[int] = []

    async def talks(conn: Connection, receive: Receive, send: Send) -> None:
        await send(ResponseStart(200))
        began.set()
        await gone.wait()
        for i in range(10):
            await send(ResponseBody(b"x", True))
            sent.append(i)

    async with serving(App({"/": talks})) as server, connected(server) as peer:
        await peer.send(GET)
        await began.wait()
        peer.reset()
        while server.connections:
            await asyncio.sleep(0)
        gone.set()
        await idle(server)
    assert sent == []


async def test_client_that_leaves_before_its_answer_disturbs_nobody() -> None:
    async with serving(App()) as server:
        for _ in range(20):
            async with connected(server) as peer:
                await peer.send(GET * 10)
                peer.reset()
        async with connected(server) as peer:
            assert (await peer.ask(GET)).status == 200
        await idle(server)
