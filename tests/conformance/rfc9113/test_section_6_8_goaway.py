"""RFC 9113 §6.8: leaving in peace."""

from __future__ import annotations

import asyncio

from blackbull.connection import Connection
from blackbull.native import Receive, Send
from blackbull.response import Response
from blackbull.server import Server
from tests.conformance.http2 import (
    ACK,
    DATA,
    END_HEADERS,
    END_STREAM,
    GET,
    GOAWAY,
    HEADERS,
    PING,
    RST_STREAM,
    frame,
    lined,
)
from tests.conformance.peer import App, serving
from tests.spec import spec

REQUEST = END_STREAM | END_HEADERS
LAST = (1 << 31) - 1


def slow(gate: asyncio.Event) -> App:
    async def handler(conn: Connection, receive: Receive, send: Send) -> None:
        await gate.wait()
        await send(Response("slow"))

    return App({"/": handler})


async def stop(server: Server) -> asyncio.Task[None]:
    task = asyncio.create_task(server.stop(5.0))
    await asyncio.sleep(0)
    return task


@spec("RFC 9113 §6.8", "two GOAWAY frames, a round trip apart")
async def test_server_that_stops_serves_what_is_on_its_way() -> None:
    gate = asyncio.Event()
    async with serving(slow(gate)) as server, lined(server) as peer:
        await peer.send(frame(HEADERS, REQUEST, 1, GET))
        assert await peer.alive()
        stopping = await stop(server)
        first = await peer.until(GOAWAY)
        assert (first.code, first.last_stream_id) == (0, LAST)
        ping = await peer.until(PING)
        # sent before we knew
        await peer.send(frame(HEADERS, REQUEST, 3, GET), frame(PING, ACK, 0, ping.payload))
        second = await peer.until(GOAWAY)
        assert (second.code, second.last_stream_id) == (0, 3)
        await peer.send(frame(HEADERS, REQUEST, 5, GET))
        refused = await peer.until(RST_STREAM)
        assert (refused.stream_id, refused.code) == (5, 7)
        assert not stopping.done()
        gate.set()
        frames = await peer.until_close()
        assert [f.stream_id for f in frames if f.kind == DATA] == [1, 3]
        await stopping


async def test_server_that_stops_leaves_idle_connections_at_once() -> None:
    async with serving(App()) as server, lined(server) as peer:
        assert await peer.alive()
        stopping = await stop(server)
        ping = await peer.until(PING)
        await peer.send(frame(PING, ACK, 0, ping.payload))
        assert [f.kind for f in await peer.until_close()] == [GOAWAY]
        await stopping


async def test_server_that_stops_does_not_wait_for_ever() -> None:
    gate = asyncio.Event()
    async with serving(slow(gate)) as server, lined(server) as peer:
        await peer.send(frame(HEADERS, REQUEST, 1, GET))
        assert await peer.alive()
        await server.stop(0.1)
        assert GOAWAY in {f.kind for f in await peer.until_close()}


@spec("RFC 9113 §6.8", "a client that leaves")
async def test_client_that_leaves_gets_its_answers() -> None:
    gate = asyncio.Event()
    async with serving(slow(gate)) as server, lined(server) as peer:
        await peer.send(frame(HEADERS, REQUEST, 1, GET), frame(GOAWAY, 0, 0, bytes(8)))
        assert await peer.alive()
        gate.set()
        frames = await peer.until_close()
        assert [f.payload for f in frames if f.kind == DATA] == [b"slow"]
