"""Peers that send too much: what is kept of it is bounded, and every limit has its record."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import pytest

from blackbull.connection import Connection
from blackbull.native import Receive, RequestBody, Send
from blackbull.response import Response
from blackbull.server import Server
from tests.conformance.peer import TIMEOUT, App, connected, conversation, echo, refused, serving
from tests.fault.caps import cap_record, caps
from tests.fault.test_slow_peers import not_reading
from tests.spec import spec

GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
POST = b"POST /echo HTTP/1.1\r\nhost: a\r\n"
CHUNKED = POST + b"transfer-encoding: chunked\r\n\r\n"
ARRIVAL = 262144
"""The most that one read of asyncio's transports takes from a socket."""


def buffered(server: Server) -> int:
    """Return how many bytes the server's only connection holds unparsed."""
    (view,) = server.connections
    return view._consumer.machine.buffered


async def until_paused(server: Server) -> None:
    """Wait until the server's only connection takes no more bytes."""
    async with asyncio.timeout(TIMEOUT):
        while not server.connections or next(iter(server.connections))._reading:
            await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("wire", "status", "limit"),
    [
        (b"GET /" + b"a" * 300 + b" HTTP/1.1\r\nhost: a\r\n\r\n", 414, "header_max_line"),
        (b"GET /" + b"a" * 300, 414, "header_max_line"),
        (b"A" * 300, 501, "header_max_line"),
        (b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"y" * 300, 431, "header_max_line"),
        (b"GET / HTTP/1.1\r\nhost: a\r\n" + b"x: y\r\n" * 300, 431, "header_max_total"),
        (b"GET / HTTP/1.1\r\nhost: a\r\n" + b"x:\r\n" * 260 + b"\r\n", 431, "max_fields"),
        (POST + b"content-length: 1001\r\n\r\n", 413, "max_body_size"),
    ],
)
@spec("RFC 9110 §15.5.14", "RFC 9110 §15.5.15", "RFC 6585 §5", "RFC 9112 §3")
async def test_head_beyond_a_limit_is_refused_with_its_record(
    wire: bytes, status: int, limit: str, caplog: pytest.LogCaptureFixture
) -> None:
    settings = {"header_max_line": 256, "header_max_total": 1200, "max_body_size": 1000}
    assert (await refused(wire, **settings)).status == status
    record = cap_record(caplog, limit)
    assert record["requested"] > record["limit"]
    assert record["protocol"] == "http1"


@pytest.mark.parametrize(
    ("chunks", "status", "limit"),
    [
        (b"3e9\r\n", 413, "max_body_size"),
        (b"3e8\r\n" + b"x" * 1000 + b"\r\n1\r\n", 413, "max_body_size"),
        (b"1;" + b"x" * 2000, 400, "max_chunk_line"),
        (b"1;" + b"x" * 1000 + b"\r\ny\r\n", 400, "max_chunk_overhead"),
        (b"0\r\n" + b"x: y\r\n" * 300, 431, "header_max_total"),
    ],
)
@spec("RFC 9112 §7.1.1", "RFC 9110 §15.5.14")
async def test_chunks_beyond_a_limit_are_refused_with_their_record(
    chunks: bytes, status: int, limit: str, caplog: pytest.LogCaptureFixture
) -> None:
    settings = {"header_max_line": 256, "header_max_total": 1200, "max_body_size": 1000}
    if limit == "max_chunk_overhead":
        settings["max_body_size"] = 1000000
        chunks *= 70
    async with conversation(App({"/echo": echo}), **settings) as peer:
        await peer.send(CHUNKED)
        reply = await peer.ask(chunks, "POST")
        assert (reply.status, reply["connection"]) == (status, b"close")
        assert await peer.closed()
    assert cap_record(caplog, limit)["scope_path"] in {"/echo", ""}


async def test_pipelined_flood_behind_a_slow_handler_is_not_read() -> None:
    release = asyncio.Event()

    async def slow(conn: Connection, receive: Receive, send: Send) -> None:
        await release.wait()
        await send(Response("slow"))

    app = App({"/slow": slow})
    wire = b"GET /fast HTTP/1.1\r\nhost: a\r\nx: " + b"y" * 4000 + b"\r\n\r\n"
    async with serving(app) as server, connected(server) as peer:
        peer.writer.write(b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n" + wire * 2000)
        await until_paused(server)
        assert buffered(server) <= 65536 + ARRIVAL
        assert app.paths == ["/slow"]
        release.set()
        assert (await peer.reply()).body == b"slow"
        for _ in range(2000):
            assert (await peer.reply()).body == b"GET /fast"


async def test_pipelined_flood_of_a_client_that_does_not_read_is_not_answered() -> None:
    app = App({"/": Response(b"x" * 100000)})
    async with serving(app) as server, not_reading(server.port, GET * 1000) as sock:
        await until_paused(server)
        assert len(app.seen) < 200  # 20 MB: what the system's buffers may hold
        loop = asyncio.get_running_loop()
        left = 1000 * 100000
        while left > 0:
            data = await loop.sock_recv(sock, 1 << 20)
            assert data
            left -= len(data)
        assert len(app.seen) == 1000


@pytest.mark.parametrize("announced", [b"content-length: 31457280", b"transfer-encoding: chunked"])
async def test_content_of_a_busy_handler_is_not_read_ahead(announced: bytes) -> None:
    """What the peer announces, a length or a chunk's size, sizes no buffer."""
    release = asyncio.Event()
    parts: list[int] = []

    async def slow(conn: Connection, receive: Receive, send: Send) -> None:
        await release.wait()
        while isinstance(part := await receive(), RequestBody):
            parts.append(len(part.data))
            if not part.more:
                break
        await send(Response("done"))

    size = 31457280
    async with serving(App({"/echo": slow})) as server, connected(server) as peer:
        head = POST + announced + b"\r\n\r\n"
        peer.writer.write(head + (b"1e00000\r\n" if b"chunked" in announced else b""))
        peer.writer.write(bytes(size) + (b"\r\n0\r\n\r\n" if b"chunked" in announced else b""))
        await until_paused(server)
        assert buffered(server) <= 65536 + ARRIVAL
        release.set()
        assert (await peer.reply("POST")).body == b"done"
    assert sum(parts) == size
    assert max(parts) <= 65536 + 2 * ARRIVAL


@pytest.mark.parametrize(("size", "kept"), [(65536, True), (65537, False)])
async def test_chunks_that_nobody_wants_are_read_up_to_a_number(size: int, kept: bool) -> None:
    async with conversation() as peer:
        assert (await peer.ask(CHUNKED, "POST")).status == 200
        with contextlib.suppress(ConnectionError):
            await peer.send(b"%x\r\n" % size + bytes(size) + b"\r\n0\r\n\r\n")
        if kept:
            assert (await peer.ask(GET)).status == 200
        else:
            with contextlib.suppress(ConnectionError):
                assert await peer.closed()


async def test_empty_lines_are_no_way_to_stay() -> None:
    assert (await refused(b"\r\n" * 1000)).status == 400


@spec("RFC 9110 §15.6.4", "RFC 9110 §10.2.3")
async def test_connection_too_many_is_503(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(App(), max_connections=2) as server, connected(server) as one:
        async with connected(server) as two:
            for peer in (one, two):
                assert (await peer.ask(GET)).status == 200
            async with connected(server) as three:
                reply = await three.reply()
                assert (reply.status, reply["connection"]) == (503, b"close")
                assert int(reply["retry-after"]) >= 1
                assert await three.closed()
            assert (await one.ask(GET)).status == 200
        while len(server.connections) > 1:
            await asyncio.sleep(0)
        async with connected(server) as four:
            assert (await four.ask(GET)).status == 200
    record = cap_record(caplog, "max_connections")
    assert (record["requested"], record["limit"]) == (3, 2)


async def test_limit_hit_by_many_connections_is_logged_for_each(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving(App()) as server:
        for _ in range(3):
            async with connected(server) as peer:
                assert (await peer.ask(b"GET /" + b"a" * 9000)).status == 414
    assert caps(caplog) == ["header_max_line"] * 3


@pytest.mark.parametrize("backlog", [7, 20])
async def test_connections_that_wait_in_the_system_are_bounded(backlog: int) -> None:
    """A loop that is busy, as this test keeps it, accepts nobody."""
    async with serving(App(), socket_backlog=backlog) as server:
        with contextlib.ExitStack() as closing:
            waiting = 0
            for _ in range(50):
                sock = closing.enter_context(socket.socket())
                sock.setblocking(False)
                sock.connect_ex(("127.0.0.1", server.port))
                with contextlib.suppress(OSError):
                    sock.getpeername()
                    waiting += 1
            # Linux lets one more wait than listen() was told.
            assert backlog <= waiting <= backlog + 1
