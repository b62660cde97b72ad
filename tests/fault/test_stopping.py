"""The server ends, or fails to begin, while clients are there."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TypeVar

import httpx
import pytest
import websockets

from blackbull import BlackBull, WebSocket
from blackbull.abc import ConnectionView, ProtocolBinding
from blackbull.asgi.host import as_native_app
from blackbull.config import Settings
from blackbull.connection import Connection
from blackbull.native import Receive, ResponseBody, ResponseStart, Send
from blackbull.response import EventSourceResponse, Response, StreamingResponse
from blackbull.server import Server
from blackbull.server.protocol_registry import ProtocolRegistry
from blackbull.transport.linger import Linger
from blackbull.transport.tls import server_context
from tests.certificates import HOST, Authority
from tests.conformance.peer import App, Peer, connected
from tests.environment import clean_environment

T = TypeVar("T")
GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"


async def started(app: object, **how: object) -> Server:
    server = Server(app, settings=Settings(port=0), **how)  # type: ignore[arg-type]
    await server.start()
    return server


async def served(server: Server) -> None:
    """Wait until a handler runs."""
    while not server.tasks:
        await asyncio.sleep(0)


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
        await served(server)
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


def connect_at_once(port: int) -> socket.socket:
    """Connect without a turn of the loop: the server has no chance to accept yet."""
    return socket.create_connection(("127.0.0.1", port), timeout=5)


async def ask(sock: socket.socket) -> tuple[int, bytes]:
    """Ask on *sock*; return the status and what the connection field says."""
    reader, writer = await asyncio.open_connection(sock=sock)
    peer = Peer(reader, writer)
    try:
        reply = await peer.ask(GET)
        assert await peer.closed()
        return reply.status, reply["connection"]
    finally:
        await peer.close()


async def test_stop_serves_whoever_was_connected_and_not_accepted_yet() -> None:
    server = await started(App())
    assert server.port is not None
    early = [connect_at_once(server.port) for _ in range(20)]
    stopping = asyncio.create_task(server.stop(8))
    while not server.leaving.begun:
        await asyncio.sleep(0)
    answers = await asyncio.gather(*(ask(sock) for sock in early))
    assert answers == [(200, b"close")] * 20
    await stopping


async def test_stop_lets_a_client_ask_that_is_idle(tmp_path: Path) -> None:
    server = await started(App())
    async with connected(server) as peer:
        assert "connection" not in await peer.ask(GET)
        stopping = asyncio.create_task(server.stop(8))
        while not server.leaving.begun:
            await asyncio.sleep(0)
        reply = await peer.ask(GET)
        assert (reply.status, reply["connection"]) == (200, b"close")
        assert await peer.closed()
        await stopping


async def test_stop_lets_a_handshake_that_has_begun_become_a_request(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    context = server_context(authority.issue(), alpn=["http/1.1"])
    server = await started(App(), ssl_context=context)
    assert server.port is not None
    loop = asyncio.get_running_loop()
    begun, go_on = asyncio.Event(), threading.Event()

    def talk(port: int) -> bytes:
        tls = authority.client_context()
        with socket.create_connection((HOST, port), timeout=10) as plain:
            peer = SlowHandshake(tls, plain, lambda: loop.call_soon_threadsafe(begun.set), go_on)
            return peer.ask(GET)

    talking = loop.run_in_executor(None, talk, server.port)
    await begun.wait()
    while not server.tls.handshakes:
        await asyncio.sleep(0)
    stopping = asyncio.create_task(server.stop(8))
    while not server.leaving.begun:
        await asyncio.sleep(0)
    go_on.set()
    answer = await talking
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close" in answer
    await stopping


class SlowHandshake:
    """A client that stops in the middle of its first flight until it is told to go on."""

    def __init__(
        self,
        context: ssl.SSLContext,
        plain: socket.socket,
        begun: Callable[[], object],
        go_on: threading.Event,
    ) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=HOST)
        self._plain = plain
        with contextlib.suppress(ssl.SSLWantReadError):
            self._tls.do_handshake()
        flight = self._outgoing.read()
        plain.sendall(flight[:50])
        begun()
        assert go_on.wait(10)
        plain.sendall(flight[50:])
        self._until_done(self._tls.do_handshake)

    def ask(self, data: bytes) -> bytes:
        """Send *data*; return what comes until the end."""
        self._tls.write(data)
        answer = b""
        with contextlib.suppress(ssl.SSLZeroReturnError):
            while part := self._until_done(lambda: self._tls.read(65536)):
                answer += part
        return answer

    def _until_done(self, step: Callable[[], T]) -> T:
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                self._plain.sendall(self._outgoing.read())
                data = self._plain.recv(65536)
                assert data, "cut"
                self._incoming.write(data)
            else:
                self._plain.sendall(self._outgoing.read())
                return result


async def test_stop_ends_idle_tls_connections_with_close_notify(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    context = server_context(authority.issue(), alpn=["http/1.1"])
    server = await started(App(), ssl_context=context)
    assert server.port is not None
    loop = asyncio.get_running_loop()

    def talk(port: int) -> bytes:
        with (
            socket.create_connection((HOST, port), timeout=10) as plain,
            authority.client_context().wrap_socket(
                plain, server_hostname=HOST, suppress_ragged_eofs=False
            ) as peer,
        ):
            loop.call_soon_threadsafe(connected_now.set)
            return peer.recv(1)  # raises without close_notify

    connected_now = asyncio.Event()
    talking = loop.run_in_executor(None, talk, server.port)
    await connected_now.wait()
    await server.stop(1)
    assert await talking == b""


async def test_stop_ends_streams_of_events_at_once() -> None:
    closed = asyncio.Event()

    async def events() -> AsyncIterator[str]:
        try:
            yield "first"
            await asyncio.Event().wait()
        finally:
            closed.set()

    async def handler(conn: Connection, receive: Receive, send: Send) -> None:
        await EventSourceResponse(events())(conn, receive, send)

    server = await started(App({"/": handler}))
    url = f"http://127.0.0.1:{server.port}/"
    clients = [
        await asyncio.create_subprocess_exec(*command, url, stdout=subprocess.PIPE)
        for command in (("curl", "-sN"), ("curl", "-sN", "--http2-prior-knowledge"))
    ]
    for client in clients:
        assert client.stdout is not None
        assert await client.stdout.readline() == b"data: first\n"
    await asyncio.wait_for(server.stop(30), 10)
    assert closed.is_set()
    for client in clients:
        await client.communicate()
        assert client.returncode == 0  # the content is complete


async def test_stop_ends_the_events_of_an_application_that_is_hosted() -> None:
    """Whoever sends text/event-stream, by whatever means."""

    async def hosted(scope: dict, receive: object, send: object) -> None:  # type: ignore[type-arg]
        if scope["type"] != "http":
            return
        head = {"type": "http.response.start", "status": 200,
                "headers": [(b"content-type", b"text/event-stream; charset=utf-8")]}  # fmt: skip
        await send(head)  # type: ignore[operator]
        part = {"type": "http.response.body", "body": b"data: first\n\n", "more_body": True}
        await send(part)  # type: ignore[operator]
        await asyncio.Event().wait()

    server = await started(as_native_app(hosted))
    async with (
        httpx.AsyncClient(timeout=10) as client,
        client.stream("GET", f"http://127.0.0.1:{server.port}/") as response,
    ):
        text = response.aiter_text()
        assert await anext(text) == "data: first\n\n"
        stopping = asyncio.create_task(server.stop(30))
        assert [part async for part in text] == []
    await asyncio.wait_for(stopping, 10)


async def endless(conn: Connection, receive: Receive, send: Send) -> None:
    async def parts() -> AsyncIterator[bytes]:
        while True:
            yield b"more"
            await asyncio.sleep(0.01)

    await StreamingResponse(parts())(conn, receive, send)


async def test_stop_cuts_streams_that_never_end_at_the_timeout() -> None:
    server = await started(App({"/": endless}))
    url = f"http://127.0.0.1:{server.port}/"
    clients = [
        await asyncio.create_subprocess_exec(*command, url, stdout=subprocess.PIPE)
        for command in (("curl", "-sN"), ("curl", "-sN", "--http2-prior-knowledge"))
    ]
    for client in clients:
        assert client.stdout is not None
        assert await client.stdout.read(4) == b"more"
    await asyncio.wait_for(server.stop(0.5), 5)
    for client in clients:
        await client.communicate()
        assert client.returncode != 0  # the content is not complete, and it can tell


@pytest.mark.parametrize(("restarting", "code"), [(False, 1001), (True, 1012)])
async def test_stop_tells_websockets_whether_to_come_back_at_once(
    restarting: bool, code: int
) -> None:
    app = BlackBull()
    seen: list[int] = []
    cleaned = asyncio.Event()

    @app.route(path="/", scheme="websocket")
    async def echo(ws: WebSocket) -> None:
        await ws.accept()
        try:
            async for message in ws:
                await ws.send(message)
        finally:
            seen.append(ws.close_code or 0)
            await asyncio.sleep(0.01)
            cleaned.set()

    server = await started(app)
    async with websockets.connect(f"ws://127.0.0.1:{server.port}/") as peer:
        await peer.send("x")
        assert await peer.recv() == "x"
        stopping = asyncio.create_task(server.stop(8, restarting=restarting))
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await peer.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == code
    await stopping
    assert seen == [code]
    assert cleaned.is_set()


async def test_stop_names_a_handler_that_ignores_its_cancellation(
    caplog: pytest.LogCaptureFixture,
) -> None:
    release = asyncio.Event()

    async def stubborn(conn: Connection, receive: Receive, send: Send) -> None:
        while not release.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await release.wait()

    app = Sober({"/": stubborn})
    server = await started(app)
    async with connected(server) as peer:
        await peer.send(GET)
        await served(server)
        await asyncio.wait_for(server.stop(0.1), 5)
        with contextlib.suppress(ConnectionResetError):
            await peer.closed()
    assert "stubborn" in caplog.text
    assert "test_stopping.py:" in caplog.text
    assert app.ended == 1
    release.set()
    await asyncio.sleep(0)


class Sober(App):
    """Counts how often it is shut down.

    Attributes:
        fails: What its end raises.
    """

    fails: Exception | None = None
    ended = 0

    async def stopping(self) -> None:
        if self.fails is not None:
            raise self.fails

    async def shutdown(self) -> None:
        self.ended += 1


async def test_shutdown_runs_when_the_end_of_something_raises(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken(ProtocolBinding):
        name = "broken"
        port = 0
        shared = False
        fed = True

        async def serve(self, conn: ConnectionView) -> None:
            conn.attach(Ends())

    class Ends(Linger):
        def __init__(self) -> None:
            """It needs no view: its end fails first."""

        def data_received(self, data: bytes) -> None:
            """Nothing."""

        def eof_received(self) -> None:
            """Nothing."""

        def shutdown(self) -> None:
            raise LookupError("no end")

    app = Sober()
    app.fails = KeyError("stopping")
    registry = ProtocolRegistry()
    registry.add(Broken())
    server = await started(app, protocol_registry=registry)
    port = next(each.address[1] for each in server.listening if each.protocol == "broken")
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while not server.connections:
        await asyncio.sleep(0)
    await asyncio.wait_for(server.stop(8), 5)
    with contextlib.suppress(ConnectionResetError):
        assert await reader.read() == b""
    writer.close()
    assert app.ended == 1
    assert "KeyError" in caplog.text
    assert "LookupError: no end" in caplog.text


async def test_stop_that_is_cancelled_cuts_connections_and_shuts_down() -> None:
    app = Sober({"/": endless})
    server = await started(app)
    async with connected(server) as peer:
        await peer.send(GET)
        await served(server)
        stopping = asyncio.create_task(server.stop(30))
        while not server.leaving.begun:
            await asyncio.sleep(0)
        stopping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stopping
        assert app.ended == 1
        with contextlib.suppress(ConnectionResetError):
            await peer.until_close()


async def test_stop_again_waits_for_the_same_end() -> None:
    app = Sober()
    server = await started(app)
    async with connected(server) as idle:
        await idle.ask(GET)
        await asyncio.gather(server.stop(1), server.stop(1))
    await server.stop(1)
    assert app.ended == 1


async def test_stop_without_any_time_still_answers_what_it_can() -> None:
    cancelled = asyncio.Event()

    async def slow(conn: Connection, receive: Receive, send: Send) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    app = Sober({"/slow": slow})
    server = await started(app)
    async with connected(server) as idle, connected(server) as busy:
        await idle.ask(GET)
        await busy.send(b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n")
        await served(server)
        began = asyncio.get_running_loop().time()
        await server.stop(0)
        assert asyncio.get_running_loop().time() - began < 3
        assert await idle.closed()
        with contextlib.suppress(ConnectionResetError):
            assert await busy.closed()
    assert cancelled.is_set()
    assert app.ended == 1


async def test_response_that_promised_more_keeps_its_promise_while_the_server_stops() -> None:
    go_on = asyncio.Event()

    async def slow(conn: Connection, receive: Receive, send: Send) -> None:
        await send(ResponseStart(200))
        await go_on.wait()
        await send(ResponseBody(b"end"))

    server = await started(App({"/slow": slow}))
    async with connected(server) as peer:
        await peer.send(b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n")
        peer.rest = await peer.read()
        stopping = asyncio.create_task(server.stop(8))
        while not server.leaving.begun:
            await asyncio.sleep(0)
        go_on.set()
        assert (await peer.reply()).body == b"end"
        reply = await peer.ask(GET)
        assert (reply.status, reply["connection"]) == (200, b"close")
        await stopping


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
