"""Observers: told once, at once, whatever becomes of a request, and unable to break one."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect

from blackbull import BlackBull, Connection, Response, Settings, StreamingResponse, WebSocket
from blackbull.abc import Address
from blackbull.errors import HTTPException
from blackbull.observed import observe
from blackbull.observer import Begin, Observer
from blackbull.server import Server
from blackbull.utils import Scheme
from tests.certificates import Authority
from tests.unit.app.doubles import Exchange, ask, get


class Diary(Observer):
    """Writes down all that it is told."""

    def __init__(self) -> None:
        self.lines: list[tuple[object, ...]] = []
        self.seconds: list[float] = []
        self.news = asyncio.Event()

    def exchange_begun(self, conn: Connection) -> None:
        self.lines.append(("begun", conn.path))

    def exchange_failed(self, conn: Connection, error: Exception) -> None:
        self.lines.append(("failed", conn.path, type(error).__name__))

    def exchange_ended(
        self,
        conn: Connection,
        status: int,
        *,
        received: int,
        sent: int,
        seconds: float,
        waited: bool,
    ) -> None:
        self.lines.append(("ended", conn.path, status, received, sent))
        self.seconds.append(seconds)
        self.news.set()

    def refused(
        self, status: int, protocol: str, *, peer: Address | None, conn: Connection | None
    ) -> None:
        self.lines.append(("refused", status, protocol, conn.path if conn else None))

    def websocket_opened(self, conn: Connection) -> None:
        self.lines.append(("opened", conn.path))

    def websocket_message(self, conn: Connection, size: int, *, received: bool) -> None:
        self.lines.append(("received" if received else "sent", size))

    def connection_opened(self, protocol: str) -> None:
        self.lines.append(("connection", protocol))

    def connection_closed(self, protocol: str, seconds: float) -> None:
        self.lines.append(("closed", protocol))
        self.news.set()

    def handshake_failed(self, reason: str) -> None:
        self.lines.append(("no TLS", reason))
        self.news.set()

    async def until(self, found: Callable[[], bool]) -> None:
        while not found():
            self.news.clear()
            await self.news.wait()


def application(diary: Observer) -> BlackBull:
    app = BlackBull()
    app.observers.append(diary)

    @app.route(path="/plain")
    async def plain() -> str:
        return "hello"

    @app.route(["GET", "POST"], path="/task")
    async def task(conn: Connection) -> bytes:
        await asyncio.sleep(0)
        return await conn.body()

    @app.route(path="/stream")
    async def stream() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            for _ in range(3):
                await asyncio.sleep(0)
                yield b"12345"

        return StreamingResponse(parts())

    @app.route(path="/bug")
    async def bug() -> str:
        raise ValueError("a bug")

    @app.route(path="/late-bug")
    async def late_bug() -> str:
        await asyncio.sleep(0)
        raise KeyError("later")

    @app.route(path="/teapot")
    async def teapot() -> str:
        raise HTTPException(418)

    @app.route(path="/after", methods="GET")
    async def after(conn: Connection, receive: object, send: object) -> None:
        await send(Response("done"))  # type: ignore[operator]
        await asyncio.sleep(0)

    @app.route(path="/ws", scheme=Scheme.websocket)
    async def ws(ws: WebSocket) -> None:
        await ws.accept()
        async for message in ws:
            await ws.send(message)
            await ws.send_json(await ws.receive_text())

    @app.route(path="/shut", scheme=Scheme.websocket)
    async def shut(ws: WebSocket) -> None:
        await ws.close()

    return app


@asynccontextmanager
async def serving(app: BlackBull, settings: Settings | None = None) -> AsyncIterator[int]:
    server = Server(app, settings=settings or Settings(port=0))
    await server.start()
    try:
        assert server.port is not None
        yield server.port
    finally:
        await server.stop(0.1)


@pytest.mark.parametrize(
    ("path", "lines"),
    [
        ("/plain", [("ended", "/plain", 200, 0, 5)]),
        ("/task", [("begun", "/task"), ("ended", "/task", 200, 0, 0)]),
        ("/stream", [("begun", "/stream"), ("ended", "/stream", 200, 0, 15)]),
        ("/bug", [("failed", "/bug", "ValueError"), ("ended", "/bug", 500, 0, ...)]),
        (
            "/late-bug",
            [
                ("begun", "/late-bug"),
                ("failed", "/late-bug", "KeyError"),
                ("ended", "/late-bug", 500, 0, ...),
            ],
        ),
        ("/teapot", [("ended", "/teapot", 418, 0, ...)]),
        ("/nowhere", [("ended", "/nowhere", 404, 0, ...)]),
        ("/after", [("begun", "/after"), ("ended", "/after", 200, 0, 4)]),
    ],
)
async def test_observer_is_told_once_how_each_request_ended(
    path: str, lines: list[tuple[object, ...]]
) -> None:
    diary = Diary()
    answer = await get(application(diary), path)
    expected = [tuple(len(answer.body) if x is ... else x for x in line) for line in lines]
    assert diary.lines == expected
    assert diary.seconds[0] >= 0


async def test_content_that_comes_later_is_counted_as_the_handler_takes_it() -> None:
    diary = Diary()
    exchange = Exchange("POST", "/task", content=None)
    exchange.parts[0].data = b"abcdefg"
    await ask(application(diary), exchange)
    assert diary.lines[-1] == ("ended", "/task", 200, 7, 7)


async def test_content_that_came_with_the_head_is_counted() -> None:
    diary = Diary()
    await ask(application(diary), Exchange("POST", "/task", content=b"abc"))
    assert diary.lines[-1] == ("ended", "/task", 200, 3, 3)


async def test_head_sends_no_content() -> None:
    diary = Diary()
    await ask(application(diary), Exchange("HEAD", "/plain"))
    await ask(application(diary), Exchange("HEAD", "/task"))
    assert [line[-1] for line in diary.lines if line[0] == "ended"] == [0, 0]


async def test_client_that_left_before_the_answer_has_status_0() -> None:
    diary = Diary()
    await ask(application(diary), Exchange("GET", "/task", gone=True))
    assert diary.lines == [("begun", "/task"), ("ended", "/task", 0, 0, 0)]


async def test_observer_that_raises_is_logged_and_breaks_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken(Diary):
        def exchange_begun(self, conn: Connection) -> None:
            raise RuntimeError("begun")

        def exchange_failed(self, conn: Connection, error: Exception) -> None:
            raise RuntimeError("failed")

        def exchange_ended(
            self,
            conn: Connection,
            status: int,
            *,
            received: int,
            sent: int,
            seconds: float,
            waited: bool,
        ) -> None:
            raise RuntimeError("ended")

    diary = Diary()
    app = application(Broken())
    app.observers.append(diary)
    with caplog.at_level(logging.ERROR, "blackbull.observer"):
        assert (await get(app, "/plain")).text == "hello"
        assert (await get(app, "/late-bug")).status == 500
    assert [line[:2] for line in diary.lines if line[0] == "ended"] == [
        ("ended", "/plain"),
        ("ended", "/late-bug"),
    ]
    told = [r.getMessage() for r in caplog.records if r.name == "blackbull.observer"]
    assert len(told) == 4
    assert all("Broken" in line for line in told)


def test_nothing_is_wrapped_without_observers() -> None:
    def begin(conn: Connection) -> Response:
        return Response()

    class Elsewhere(Observer):
        def connection_opened(self, protocol: str) -> None:
            """Wants to know nothing of requests."""

    assert observe(begin, []) is begin
    assert observe(begin, [Elsewhere()]) is begin


async def test_wrap_stands_around_everything_an_observer_is_told() -> None:
    order: list[str] = []

    class Around(Observer):
        def wrap(self, begin: Begin) -> Begin:
            def around(conn: Connection) -> object:
                order.append("in")
                reply = begin(conn)
                order.append("out")
                return reply

            return around  # type: ignore[return-value]

        def exchange_ended(
            self,
            conn: Connection,
            status: int,
            *,
            received: int,
            sent: int,
            seconds: float,
            waited: bool,
        ) -> None:
            order.append("ended")

    await get(application(Around()), "/plain")
    assert order == ["in", "ended", "out"]


async def test_websocket_messages_are_told_whichever_way_they_go() -> None:
    diary = Diary()
    async with serving(application(diary)) as port:
        async with connect(f"ws://127.0.0.1:{port}/ws") as ws:
            await ws.send(b"abc")
            assert await ws.recv() == b"abc"
            await ws.send("four")
            assert await ws.recv() == '"four"'
        await diary.until(lambda: diary.lines[-1][0] == "closed")
    assert [line for line in diary.lines if line[0] != "begun"] == [
        ("connection", "http1"),
        ("opened", "/ws"),
        ("received", 3),
        ("sent", 3),
        ("received", 4),
        ("sent", 6),
        ("ended", "/ws", 101, 7, 9),
        ("closed", "http1"),
    ]


async def test_refused_websocket_ends_with_its_status() -> None:
    diary = Diary()
    async with serving(application(diary)) as port:
        for path in ("/shut", "/nowhere"):
            with pytest.raises(Exception, match="HTTP 40"):
                async with connect(f"ws://127.0.0.1:{port}{path}"):
                    pass
    ended = [line[:3] for line in diary.lines if line[0] == "ended"]
    assert ended == [("ended", "/shut", 403), ("ended", "/nowhere", 404)]


async def test_request_that_the_server_refuses_is_told_apart() -> None:
    diary = Diary()
    settings = Settings(port=0, max_body_size=10)
    async with serving(application(diary), settings) as port:
        for head in (b"GET /plain\r\n\r\n", b"POST /task HTTP/1.1\r\nhost: a\r\n"
                     b"transfer-encoding: chunked\r\n\r\nff\r\n"):  # fmt: skip
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(head)
            await reader.read()
            writer.close()
            await writer.wait_closed()
        async with httpx.AsyncClient(http1=False, http2=True) as client:
            answer = await client.post(f"http://127.0.0.1:{port}/task", content=b"x" * 11)
            assert answer.status_code == 413
    refused = [line for line in diary.lines if line[0] == "refused"]
    assert refused[0] == ("refused", 400, "http1", None)
    assert refused[1][:3] == ("refused", 413, "http1")
    assert refused[2][:3] == ("refused", 413, "http2")
    connections = [line for line in diary.lines if line[0] in ("connection", "closed")]
    assert connections.count(("connection", "http1")) == connections.count(("closed", "http1")) == 2
    assert connections.count(("connection", "http2")) == connections.count(("closed", "http2")) == 1


async def test_connection_that_says_nothing_is_opened_and_closed_as_nobody() -> None:
    diary = Diary()
    async with serving(application(diary)) as port:
        with socket.create_connection(("127.0.0.1", port)):
            pass
        await diary.until(lambda: ("closed", "http1") in diary.lines)
    assert diary.lines[0] == ("connection", "http1")


async def test_tls_handshake_that_fails_is_told(tmp_path: Path) -> None:
    diary = Diary()
    certificate, key = Authority(tmp_path).issue_pair()
    settings = Settings(port=0, certfile=certificate, keyfile=key)
    async with serving(application(diary), settings) as port:
        with socket.create_connection(("127.0.0.1", port)) as peer:
            peer.sendall(b"GET / HTTP/1.1\r\n\r\n")
            await diary.until(lambda: bool(diary.lines))
    assert diary.lines[0][0] == "no TLS"
    assert diary.lines[0][1] != ""
