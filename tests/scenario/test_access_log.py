"""One record for each exchange, whatever was spoken and however it ended."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import aiomqtt
import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from blackbull import BlackBull, Connection, EventSourceResponse, StreamingResponse, WebSocket
from blackbull.abc import ProtocolContext, Reader, Writer
from blackbull.config import Settings
from blackbull.health import HealthExtension
from blackbull.logger import RequestIdFilter
from blackbull.mqtt import MQTTExtension
from blackbull.server import Server
from blackbull.utils import Scheme

WAIT = 10.0
HANGING: list[Connection] = []
"""The request whose handler never ends."""


class Records(logging.Handler):
    """The records that were written, as mappings."""

    def __init__(self) -> None:
        super().__init__()
        self.all: list[dict[str, object]] = []
        self._news = asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.all.append({**vars(record), "line": record.getMessage()})
        self._news.set()

    async def next(self) -> dict[str, object]:
        """Wait for the next record, and take it."""
        async with asyncio.timeout(WAIT):
            while not self.all:
                self._news.clear()
                await self._news.wait()
        return self.all.pop(0)


@contextmanager
def heard(name: str = "blackbull.access") -> Iterator[Records]:
    """Let a handler of the program's have the records of a logger."""
    logger = logging.getLogger(name)
    handler = Records()
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield handler
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)


def application() -> BlackBull:
    """An application with a handler of each kind."""
    app = BlackBull()
    left = asyncio.Event()
    app.add_extension(MQTTExtension(port=0, websocket_path="/mqtt"))

    @app.route(path="/")
    async def index() -> str:
        return "hello"

    @app.route(path="/waits", methods=["GET", "POST"])
    async def waits(conn: Connection) -> str:
        content = await conn.body()
        await asyncio.sleep(0)
        conn.log(who="me")
        conn.state["access_log"].size = len(content)  # type: ignore[attr-defined]
        return "waited"

    @app.route(path="/streams")
    async def streams() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            for _ in range(3):
                await asyncio.sleep(0)
                yield b"12345"

        return StreamingResponse(parts())

    @app.route(path="/endless")
    async def endless() -> EventSourceResponse:
        async def events() -> AsyncIterator[str]:
            yield "begun"
            await left.wait()

        return EventSourceResponse(events())

    @app.route(path="/hangs")
    async def hangs(conn: Connection) -> str:
        HANGING[:] = [conn]
        await left.wait()
        return ""

    @app.route(path="/breaks")
    async def breaks() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            yield b"12345"
            await asyncio.sleep(0)
            raise ValueError

        return StreamingResponse(parts())

    @app.route(path="/ws", scheme=Scheme.websocket)
    async def echo(ws: WebSocket) -> None:
        await ws.accept()
        async for message in ws:
            await ws.send(message)
            if message == "enough":
                await ws.close(4000, "enough")

    @app.route(path="/no", scheme=Scheme.websocket)
    async def refuse(ws: WebSocket) -> None:
        await ws.close()

    @app.raw_handler("lines", port=0)
    async def lines(reader: Reader, writer: Writer, ctx: ProtocolContext) -> None:
        assert ctx.note is not None
        ctx.note(who="raw")
        while data := await reader.read():
            await writer.write(data * 2)

    return app


@asynccontextmanager
async def serving(**settings: object) -> AsyncIterator[tuple[Server, Records]]:
    """Serve the application; every record is there before the next thing happens."""
    with heard() as records:
        made = Settings(port=0, async_logging=False, **settings)  # type: ignore[arg-type]
        server = Server(application(), settings=made)
        await server.start()
        try:
            yield server, records
        finally:
            await server.stop(0.0)


def client(server: Server, **options: object) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", **options)  # type: ignore[arg-type]


def port(server: Server, name: str) -> int:
    found = next(each.address[1] for each in server.listening if each.protocol == name)
    assert found is not None
    return found


VERSIONS = pytest.mark.parametrize("version", ["1.1", "2"])


def http(server: Server, version: str) -> httpx.AsyncClient:
    return client(server, http1=version == "1.1", http2=version == "2")


@VERSIONS
@pytest.mark.parametrize(
    ("method", "path", "status", "sent"),
    [
        ("GET", "/", 200, 5),
        ("HEAD", "/", 200, 0),
        ("GET", "/nowhere", 404, None),
        ("GET", "/streams", 200, 15),
        ("GET", "/waits", 200, 6),
    ],
)
async def test_request_leaves_one_record(
    version: str, method: str, path: str, status: int, sent: int | None
) -> None:
    async with serving() as (server, records), http(server, version) as user:
        response = await user.request(method, f"{path}?secret=1")
        told = await records.next()
    assert response.status_code == status
    size = len(response.content) if sent is None else sent
    assert (told["method"], told["path"], told["http_version"]) == (method, path, version)
    assert (told["status"], told["response_bytes"], told["client_ip"]) == (
        status,
        size,
        "127.0.0.1",
    )
    assert isinstance(told["duration_ms"], float)
    assert "query" not in told
    assert "disconnected" not in told
    assert str(told["line"]).startswith(
        f'127.0.0.1 "{method} {path} HTTP/{version}" {status} {size} '
    )
    assert records.all == []


@VERSIONS
async def test_handler_adds_fields_and_content_is_counted(version: str) -> None:
    async with serving(access_log_query=True) as (server, records), http(server, version) as user:
        await user.post("/waits?a=1", content=b"x" * 70_000)
        told = await records.next()
    assert (told["who"], told["size"], told["request_bytes"]) == ("me", 70_000, 70_000)
    assert told["query"] == "a=1"
    assert told["user_agent"] == f"python-httpx/{httpx.__version__}"


@VERSIONS
async def test_handler_that_breaks_off_is_told_apart(version: str) -> None:
    async with serving() as (server, records), http(server, version) as user:
        with suppress(httpx.HTTPError):
            await user.get("/breaks")
        told = await records.next()
    assert (told["status"], told["response_bytes"]) == (200, 5)
    assert told["error"] == "the response is incomplete"


@VERSIONS
@pytest.mark.parametrize(("path", "status"), [("/endless", 200), ("/hangs", None)])
async def test_client_that_leaves_is_said_to_have_left(
    version: str, path: str, status: int | None
) -> None:
    async with serving() as (server, records):
        async with http(server, version) as user:
            with suppress(httpx.ReadTimeout):
                async with user.stream("GET", path, timeout=0.3) as response:
                    await anext(response.aiter_bytes())
        if status is None:
            async with asyncio.timeout(WAIT):
                while not HANGING[0].disconnected:
                    await asyncio.sleep(0.01)
            await server.stop(0.0)  # this handler waits for ever
        told = await records.next()
    assert (told["path"], told["status"]) == (path, status)
    assert told["disconnected"] is True
    assert records.all == []


async def exchange(port: int, data: bytes) -> bytes:
    """Send *data* and return the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    answer = await reader.read()
    writer.close()
    return answer


@pytest.mark.parametrize(
    ("data", "status", "path"),
    [
        (b"GET / HTTP/1.1\nhost: a\r\n\r\n", 400, None),
        (b"G\x1b[31mT /\x00 HTTP/1.1\r\nhost: a\r\n\r\n", 400, None),
        (b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"y" * 9000 + b"\r\n\r\n", 431, None),
        (
            b"POST /waits HTTP/1.1\r\nhost: a\r\ncontent-length: 101\r\n\r\n" + b"x" * 101,
            413,
            None,  # its length was announced
        ),
        (
            b"POST /waits HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nZ\r\n",
            400,
            "/waits",
        ),
        (
            b"GET /ws HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
            400,
            "/ws",
        ),
    ],
)
async def test_request_that_the_server_refuses_leaves_a_record(
    data: bytes, status: int, path: str | None
) -> None:
    async with serving(max_body_size=100) as (server, records):
        answer = await exchange(server.port or 0, data)
        told = await records.next()
    head, _, content = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert told["status"] == status
    assert told.get("path") == path
    assert told["response_bytes"] == len(content)
    assert str(told["error"]) in content.decode()
    assert str(told["line"]).isprintable()
    assert records.all == []


async def test_client_that_says_too_little_leaves_a_record() -> None:
    async with serving(header_timeout=0.1) as (server, records):
        answer = await exchange(server.port or 0, b"GET / HT")
        told = await records.next()
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert told["status"] == 408


async def test_connection_too_many_leaves_a_record() -> None:
    async with serving(max_connections=1) as (server, records):
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        first = await exchange(server.port or 0, b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        http = await records.next()
        second = await exchange(port(server, "lines"), b"")
        raw = await records.next()
        writer.close()
    assert first.startswith(b"HTTP/1.1 503 ")
    assert (http["status"], http["error"]) == (503, "too many connections")
    assert second == b""
    assert (raw["protocol"], raw["error"]) == ("lines", "too many connections")


async def test_websocket_leaves_one_record_at_its_end() -> None:
    async with serving() as (server, records):
        async with connect(f"ws://127.0.0.1:{server.port}/ws", compression=None) as ws:
            for _ in range(3):
                await ws.send("hello")
                await ws.recv()
            assert records.all == []
            await ws.close(4001, 'bye\n"\u202e')
        told = await records.next()
    assert (told["protocol"], told["status"], told["close_code"]) == ("websocket", 101, 4001)
    assert told["close_reason"] == 'bye\n"\u202e'
    assert (told["messages_received"], told["messages_sent"]) == (3, 3)
    assert told["request_bytes"] == 3 * (6 + 5) + 6 + 2 + len('bye\n"\u202e'.encode())
    assert told["response_bytes"] == 3 * (2 + 5) + 4
    assert 'close_reason="bye\\x0a\\"\\u202e"' in str(told["line"])
    assert records.all == []


@pytest.mark.parametrize("compression", ["deflate", None])
async def test_websocket_that_we_close_says_with_what(compression: str | None) -> None:
    async with serving() as (server, records):
        url = f"ws://127.0.0.1:{server.port}/ws"
        async with connect(url, compression=compression) as ws:
            await ws.send("x" * 100_000)
            await ws.send("enough")
            with suppress(ConnectionClosed):
                while True:
                    await ws.recv()
        told = await records.next()
    assert (told["close_code"], told["messages_received"], told["messages_sent"]) == (4000, 2, 2)
    size = told["response_bytes"]
    assert isinstance(size, int)
    assert size < 10_000 if compression else size > 100_000


async def test_websocket_whose_client_vanishes_is_said_to_have_left() -> None:
    async with serving() as (server, records):
        ws = await connect(f"ws://127.0.0.1:{server.port}/ws")
        await ws.send("x")
        await ws.recv()
        ws.transport.abort()
        told = await records.next()
    assert (told["close_code"], told["disconnected"]) == (1006, True)


@pytest.mark.parametrize(("path", "status"), [("/no", 403), ("/nowhere", 404)])
async def test_websocket_that_is_refused_leaves_one_record(path: str, status: int) -> None:
    async with serving() as (server, records):
        with pytest.raises(InvalidStatus):
            await connect(f"ws://127.0.0.1:{server.port}{path}")
        told = await records.next()
    assert (told["path"], told["status"]) == (path, status)
    assert "close_code" not in told
    assert records.all == []


async def test_raw_connection_leaves_one_record() -> None:
    async with serving() as (server, records):
        reader, writer = await asyncio.open_connection("127.0.0.1", port(server, "lines"))
        writer.write(b"12345")
        assert await reader.readexactly(10) == b"1234512345"
        assert records.all == []
        writer.close()
        told = await records.next()
    assert (told["protocol"], told["request_bytes"], told["response_bytes"]) == ("lines", 5, 10)
    assert told["who"] == "raw"
    assert "received=5 sent=10 who=raw" in str(told["line"])


async def test_request_on_a_port_of_its_own_leaves_the_record_of_a_request() -> None:
    settings = Settings(port=0, async_logging=False)
    app = BlackBull(settings=settings)
    app.add_extension(HealthExtension(port=0))
    with heard() as records:
        server = Server(app, settings=settings)
        await server.start()
        async with httpx.AsyncClient() as asking:
            answer = await asking.get(f"http://127.0.0.1:{port(server, 'health')}/healthz")
        record = await records.next()
        await server.stop(1.0)
    assert (record["protocol"], record["method"], record["path"]) == ("http", "GET", "/healthz")
    assert (record["status"], record["response_bytes"]) == (200, len(answer.content))
    assert not records.all


async def test_mqtt_connection_leaves_one_record() -> None:
    async with serving() as (server, records):
        async with aiomqtt.Client(
            "127.0.0.1", port(server, "mqtt"), identifier='c\u202e"1', username="me", password="x"
        ) as user:
            await user.subscribe("a/#")
            await user.publish("a/b", b"12345", qos=1)
            await anext(user.messages)
            assert records.all == []
        told = await records.next()
    assert told["protocol"] == "mqtt"
    assert (told["client_id"], told["user"], told["protocol_level"]) == ('c\u202e"1', "me", 4)
    assert told["reason"] == "disconnect"
    # CONNECT, SUBSCRIBE, PUBLISH, PUBACK or not, DISCONNECT; CONNACK, SUBACK, PUBACK, PUBLISH
    assert (told["packets_received"], told["packets_sent"]) == (4, 4)
    assert isinstance(told["request_bytes"], int)
    assert told["request_bytes"] > 40
    assert isinstance(told["response_bytes"], int)
    assert told["response_bytes"] > 20
    assert 'client_id="c\\u202e\\"1"' in str(told["line"])


async def test_mqtt_over_websocket_leaves_the_websockets_record_with_the_client_in_it() -> None:
    async with serving() as (server, records):
        async with aiomqtt.Client(
            "127.0.0.1", server.port or 0, identifier="c", transport="websockets",
            websocket_path="/mqtt",
        ) as user:  # fmt: skip
            await user.publish("a/b", b"12345", qos=1)
        told = await records.next()
    assert (told["protocol"], told["path"], told["client_id"]) == ("websocket", "/mqtt", "c")
    assert records.all == []


@pytest.mark.parametrize(
    ("sent", "reason", "client_id"),
    [
        (b"", "connection_lost", None),
        (b"\x10\x0f\x00\x04MQTT\x04\x02\x00\x00\x00\x03a\nb", "connection_lost", "a\nb"),
        (b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x00\x00\x01c\x82\x00", "malformed_packet", "c"),
        (b"\x82\x00", "protocol_error", None),
    ],
)
async def test_mqtt_connection_says_why_it_ended(
    sent: bytes, reason: str, client_id: str | None
) -> None:
    async with serving() as (server, records):
        reader, writer = await asyncio.open_connection("127.0.0.1", port(server, "mqtt"))
        writer.write(sent)
        if client_id is not None:
            await reader.readexactly(4)
        writer.write_eof()
        await reader.read()
        writer.close()
        told = await records.next()
    assert (told["reason"], told.get("client_id")) == (reason, client_id)
    assert told["request_bytes"] == len(sent)
    assert str(told["line"]).isprintable()


async def test_request_id_of_the_client_comes_back_and_is_in_every_record() -> None:
    program = logging.getLogger("program")
    with heard("program") as logged:
        logged.addFilter(RequestIdFilter())
        app = BlackBull()

        @app.route(path="/now")
        async def now() -> str:
            program.info("at once")
            return ""

        @app.route(path="/later")
        async def later() -> str:
            await asyncio.sleep(0)
            program.info("later")
            return ""

        with heard() as records:
            settings = Settings(port=0, async_logging=False, request_ids=True)
            server = Server(app, settings=settings)
            await server.start()
            ids: list[str] = []
            async with client(server) as user:
                for path in ("/now", "/later"):
                    for given in ("abc-1", "x" * 129, 'a"b', ""):
                        headers = {"x-request-id": given}
                        response = await user.get(path, headers=headers)
                        ids.append(response.headers["x-request-id"])
                        assert (await records.next())["request_id"] == ids[-1]
                        assert (await logged.next())["request_id"] == ids[-1]
            await server.stop(0.0)
    assert ids.count("abc-1") == 2
    assert len(set(ids)) == 7
    assert all(each.isascii() and len(each) <= 128 and '"' not in each for each in ids)
    program.info("outside")


async def test_trace_of_the_client_is_in_the_record() -> None:
    async with serving() as (server, records), client(server) as user:
        trace = "0af7651916cd43dd8448eb211c80319c"
        for version, known in (("00", True), ("ff", False)):
            await user.get("/", headers={"traceparent": f"{version}-{trace}-b7ad6b7169203331-01"})
            told = await records.next()
            assert told.get("trace_id") == (trace if known else None)


async def test_log_that_is_off_says_nothing() -> None:
    async with serving(access_log=False) as (server, records), client(server) as user:
        await user.get("/")
        await user.get("/waits")
        assert server.access_log is None
    assert records.all == []
