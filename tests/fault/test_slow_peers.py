"""Peers that take their time: every wait for one has an end, and its record."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import pytest

from blackbull.connection import Connection
from blackbull.errors import ClientDisconnected
from blackbull.native import (
    Receive,
    RequestBody,
    ResponseBody,
    ResponseStart,
    Send,
)
from blackbull.response import Response
from tests.conformance.peer import App, Peer, Reply, conversation, echo, serving
from tests.fault.caps import cap_record, caps
from tests.spec import spec

GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
POST = b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 5000\r\n\r\n"


async def dribble(peer: Peer, data: bytes, *, every: float) -> Reply:
    """Send one byte after the other until the server says something."""
    answered = asyncio.ensure_future(peer.reply("POST"))
    for byte in data:
        with contextlib.suppress(ConnectionError):
            await peer.send(bytes([byte]))
        done, _ = await asyncio.wait([answered], timeout=every)
        if done:
            break
    return await answered


@spec("RFC 9110 §15.5.9")
async def test_opener_silent_is_408(caplog: pytest.LogCaptureFixture) -> None:
    async with conversation(header_timeout=0.1) as peer:
        reply = await peer.reply()
        assert (reply.status, reply["connection"]) == (408, b"close")
        assert await peer.closed()
    record = cap_record(caplog, "header_timeout")
    assert (record["limit"], record["protocol"]) == (0.1, "http1")


@spec("RFC 9110 §15.5.9")
async def test_head_dribbled_is_408(caplog: pytest.LogCaptureFixture) -> None:
    async with conversation(header_timeout=0.2) as peer:
        wire = b"GET /" + b"a" * 200 + b" HTTP/1.1\r\nhost: a\r\n\r\n"
        assert (await dribble(peer, wire, every=0.02)).status == 408
        assert await peer.closed()
    assert caps(caplog) == ["header_timeout"]


async def test_second_head_dribbled_is_408(caplog: pytest.LogCaptureFixture) -> None:
    async with conversation(header_timeout=0.2, keep_alive_timeout=5) as peer:
        assert (await peer.ask(GET)).status == 200
        assert (await dribble(peer, b"GET /" + b"a" * 200, every=0.02)).status == 408
    assert caps(caplog) == ["header_timeout"]


async def test_head_behind_an_answered_request_has_its_own_time() -> None:
    """A pipelining client whose every arrival ends in the middle of a request is not slow."""
    async with conversation(header_timeout=0.3) as peer:
        await peer.send(GET[:10])
        for _ in range(12):
            await peer.send(GET[10:] + GET[:10])
            assert (await peer.reply()).status == 200
            await asyncio.sleep(0.05)


async def test_handler_may_take_longer_than_any_client() -> None:
    async def slow(conn: Connection, receive: Receive, send: Send) -> None:
        await asyncio.sleep(0.35)
        await send(Response("done"))

    settings = dict.fromkeys(("header_timeout", "keep_alive_timeout", "body_timeout"), 0.1)
    async with conversation(App({"/": slow}), **settings) as peer:
        for _ in range(2):
            assert (await peer.ask(GET)).body == b"done"


async def test_connection_idle_is_closed_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    async with conversation(keep_alive_timeout=0.1) as peer:
        assert (await peer.ask(GET)).status == 200
        assert await peer.closed()
    assert caps(caplog) == []


@spec("RFC 9110 §15.5.9")
@pytest.mark.parametrize("sent", [b"", b"x" * 100])
async def test_content_that_stops_is_408(sent: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async with conversation(App({"/echo": echo}), body_timeout=0.1) as peer:
        reply = await peer.ask(POST + sent, "POST")
        assert (reply.status, reply["connection"]) == (408, b"close")
        assert await peer.closed()
    assert cap_record(caplog, "body_timeout")["scope_path"] == "/echo"


@spec("RFC 9110 §15.5.9")
@pytest.mark.parametrize("sent", [b"5", b"5;a", b"5\r\nhel", b"5\r\nhello", b"0\r\nx: y"])
async def test_chunks_and_trailers_that_stop_are_408(
    sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    head = b"POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
    async with conversation(App({"/echo": echo}), body_timeout=0.1) as peer:
        reply = await peer.ask(head + sent, "POST")
        assert (reply.status, reply["connection"]) == (408, b"close")
        assert await peer.closed()
    assert caps(caplog) == ["body_timeout"]


async def test_content_dribbled_is_408(caplog: pytest.LogCaptureFixture) -> None:
    settings = {"min_body_rate": 1000.0, "min_body_rate_grace": 0.1, "body_timeout": 5.0}
    async with conversation(App({"/echo": echo}), **settings) as peer:
        await peer.send(POST)
        assert (await dribble(peer, b"x" * 1000, every=0.02)).status == 408
    assert caps(caplog) == ["min_body_rate"]


async def test_content_slow_but_fast_enough_is_taken() -> None:
    settings = {"min_body_rate": 20.0, "min_body_rate_grace": 0.05, "body_timeout": 0.5}
    async with conversation(App({"/echo": echo}), **settings) as peer:
        await peer.send(POST.replace(b"5000", b"20"))
        reply = await dribble(peer, b"x" * 20, every=0.01)
        assert reply.body == b"x" * 20


async def test_content_that_nobody_waits_for_may_take_its_time(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def patient(conn: Connection, receive: Receive, send: Send) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(receive(), 0.02)
        await asyncio.sleep(0.6)
        part = await receive()
        assert isinstance(part, RequestBody)
        await send(Response(part.data))

    async with conversation(App({"/echo": patient}), body_timeout=0.4) as peer:
        await peer.send(POST.replace(b"5000", b"5"))
        await asyncio.sleep(0.5)
        assert (await peer.ask(b"hello", "POST")).body == b"hello"
    assert caps(caplog) == []


async def test_content_that_is_skipped_has_its_time_too() -> None:
    """The answer was early; the rest of the content never comes."""
    async with conversation(body_timeout=0.1) as peer:
        assert (await peer.ask(POST, "POST")).status == 200
        with contextlib.suppress(ConnectionResetError):
            assert await peer.closed()


async def test_content_that_is_skipped_has_one_time_for_all_of_it() -> None:
    """What is dribbled does not put the end off."""
    async with conversation(body_timeout=0.2) as peer:
        assert (await peer.ask(POST, "POST")).status == 200
        closed = asyncio.ensure_future(peer.closed())
        while not closed.done():
            with contextlib.suppress(ConnectionError):
                await peer.send(b"x")
            await asyncio.wait([closed], timeout=0.02)
        with contextlib.suppress(ConnectionResetError):
            assert await closed


async def test_request_that_takes_too_long_is_408(caplog: pytest.LogCaptureFixture) -> None:
    cancelled = asyncio.Event()

    async def stuck(conn: Connection, receive: Receive, send: Send) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async with conversation(App({"/": stuck}), request_timeout=0.1) as peer:
        assert (await peer.ask(GET)).status == 408
        assert await peer.closed()
        await asyncio.wait_for(cancelled.wait(), 1)
    assert caps(caplog) == ["request_timeout"]


@contextlib.asynccontextmanager
async def not_reading(port: int | None, wire: bytes):
    """A client that sends *wire* and reads nothing, with a small window."""
    loop = asyncio.get_running_loop()
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        sock.setblocking(False)
        await loop.sock_connect(sock, ("127.0.0.1", port))
        await loop.sock_sendall(sock, wire)
        yield sock


async def test_reader_stuck_is_dropped_and_costs_bounded_memory(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sent = 0
    outcome: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()

    async def endless(conn: Connection, receive: Receive, send: Send) -> None:
        nonlocal sent
        try:
            await send(ResponseStart(200))
            while sent < 128 << 20:  # not for ever, should nobody hold it up
                await send(ResponseBody(b"x" * 65536, True))
                sent += 65536
            outcome.set_result(None)
        except ClientDisconnected as error:
            outcome.set_result(error)
            raise

    async with (
        serving(App({"/": endless}), write_timeout=0.2) as server,
        not_reading(server.port, GET),
    ):
        assert isinstance(await asyncio.wait_for(outcome, 5), ClientDisconnected)
        assert sent < 32 << 20
        while server._service.tasks:
            await asyncio.sleep(0)
        assert not server.connections
    assert cap_record(caplog, "write_timeout")["limit"] == 0.2


async def test_reader_stuck_on_a_complete_answer_is_dropped(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = App({"/": Response(b"x" * (32 << 20))})
    close = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"
    async with serving(app, write_timeout=0.2) as server:
        for wire in (GET, close):
            async with not_reading(server.port, wire):
                while not server.connections:
                    await asyncio.sleep(0)
                while server.connections:
                    await asyncio.sleep(0.01)
    assert caps(caplog) == ["write_timeout"] * 2


async def test_reader_slow_but_reading_gets_everything(caplog: pytest.LogCaptureFixture) -> None:
    size = 16 << 20
    app = App({"/": Response(b"x" * size)})
    loop = asyncio.get_running_loop()
    async with (
        serving(app, write_timeout=0.4) as server,
        not_reading(server.port, GET) as sock,
    ):
        got = 0
        began = loop.time()
        while got < size:
            data = await loop.sock_recv(sock, 1 << 20)
            assert data, f"dropped after {got} bytes"
            got += len(data)
            if loop.time() - began < 0.8:
                await asyncio.sleep(0.01)
    assert caps(caplog) == []
