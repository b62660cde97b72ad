"""The server ends, or fails to begin, while clients are there."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import subprocess
import sys

import pytest

from blackbull.config import Settings
from blackbull.connection import Connection
from blackbull.native import Receive, Send
from blackbull.response import Response
from blackbull.server import Server
from tests.conformance.peer import App, connected
from tests.environment import clean_environment

GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"


async def started(app: App) -> Server:
    server = Server(app, settings=Settings(port=0))
    await server.start()
    return server


async def test_stop_closes_idle_connections_and_finishes_the_others() -> None:
    began = asyncio.Event()
    release = asyncio.Event()

    async def slow(conn: Connection, receive: Receive, send: Send) -> None:
        began.set()
        await release.wait()
        await send(Response("finished"))

    server = await started(App({"/slow": slow}))
    async with connected(server) as idle, connected(server) as busy:
        assert (await idle.ask(GET)).status == 200
        await busy.send(b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n")
        await began.wait()
        stopping = asyncio.ensure_future(server.stop(5))
        assert await idle.closed()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", server.port)
        release.set()
        reply = await busy.reply()
        assert (reply.body, reply["connection"]) == (b"finished", b"close")
        assert await busy.closed()
        await stopping


async def test_stop_does_not_wait_longer_than_it_is_told() -> None:
    cancelled = asyncio.Event()

    async def stuck(conn: Connection, receive: Receive, send: Send) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    server = await started(App({"/": stuck}))
    loop = asyncio.get_running_loop()
    async with connected(server) as peer:
        await peer.send(GET)
        while not server._service.tasks:
            await asyncio.sleep(0)
        began = loop.time()
        await server.stop(0.1)
        assert loop.time() - began < 1.5
        assert cancelled.is_set()
        with contextlib.suppress(ConnectionResetError):
            assert await peer.closed()


async def test_startup_that_raises_leaves_nothing_bound() -> None:
    class Broken(App):
        async def startup(self) -> None:
            raise LookupError("no database")

    server = Server(Broken(), settings=Settings(port=0))
    with pytest.raises(LookupError, match="no database"):
        await server.start()
    assert server.port is not None
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", server.port))


def test_program_that_nobody_reads_from_any_more_stops_in_order() -> None:
    """Whoever started it may be gone by then, and with it the other end of stderr."""
    told = "from blackbull import BlackBull; BlackBull().run(port=0)"
    with subprocess.Popen(
        [sys.executable, "-c", told],
        env=clean_environment(), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    ) as program:  # fmt: skip
        assert program.stderr is not None
        assert "serving" in program.stderr.readline()
        program.stderr.close()
        program.send_signal(signal.SIGTERM)
        assert program.wait(20) == 0
