"""HTTP and raw protocols in one process, over real sockets."""

from __future__ import annotations

import asyncio
import socket
import struct
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from blackbull import BlackBull
from blackbull.abc import (
    ConnectionView,
    ProtocolBinding,
    ProtocolContext,
    ProtocolDetector,
    Reader,
    Writer,
)
from blackbull.config import Settings
from blackbull.errors import ConfigurationError, ConnectionLost, IncompleteRead, WriteTimeout
from blackbull.event import Event
from blackbull.server import ASGIServer, Server

WAIT = 10.0
REQUEST = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"


@asynccontextmanager
async def serving(app: BlackBull, **settings: object) -> AsyncIterator[Server]:
    server = Server(app, settings=Settings(port=0, **settings))  # type: ignore[arg-type]
    await server.start()
    try:
        yield server
    finally:
        await server.stop(1.0)
        await app.events.aclose()


def port_of(server: Server, protocol: str) -> int:
    (port,) = {each.address[1] for each in server.listening if each.protocol == protocol}
    assert port is not None
    return port


async def talk(port: int, said: bytes = b"", *, eof: bool = True) -> bytes:
    """Connect, say *said*, and return everything that comes back."""
    async with asyncio.timeout(WAIT):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(said)
            if eof:
                writer.write_eof()
            return await reader.read()
        finally:
            writer.close()
            await writer.wait_closed()


class Client:
    """A peer that talks step by step."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.address = writer.get_extra_info("sockname")

    def say(self, data: bytes) -> None:
        self.writer.write(data)

    async def hear(self, n: int) -> bytes:
        async with asyncio.timeout(WAIT):
            return await self.reader.readexactly(n)

    async def rest(self) -> bytes:
        async with asyncio.timeout(WAIT):
            return await self.reader.read()

    def reset(self) -> None:
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


@asynccontextmanager
async def connected(port: int, host: str = "127.0.0.1") -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        yield Client(reader, writer)
    finally:
        writer.close()
        try:
            await writer.wait_closed()
        except OSError:
            assert writer.is_closing()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(WAIT):
        while not condition():
            await asyncio.sleep(0.002)


async def echo(reader: Reader, writer: Writer, ctx: ProtocolContext) -> None:
    while True:
        data = await reader.read(1024)
        if not data:
            break
        await writer.write(data)


def with_echo() -> BlackBull:
    """The seeds' example."""
    app = BlackBull()

    @app.route(path="/")
    async def index() -> str:
        return "HTTP here"

    app.raw_handler("echo", port=0)(echo)
    return app


async def test_raw_handler_and_route_each_has_its_port() -> None:
    """S01."""
    async with serving(with_echo()) as server:
        answer = await talk(port_of(server, "http"), REQUEST, eof=False)
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert answer.endswith(b"\r\n\r\nHTTP here")
        data = bytes(range(256)) * 4096
        assert await talk(port_of(server, "echo"), data) == data


async def test_register_protocol_handler_behaves_as_the_decorator() -> None:
    """S02."""
    app = BlackBull()
    app.register_protocol_handler("called", echo, port=0)
    app.raw_handler("decorated", port=0)(echo)
    async with serving(app) as server:
        for name in ("called", "decorated"):
            assert await talk(port_of(server, name), b"meow") == b"meow"


async def test_reader_and_writer_offer_what_a_protocol_needs() -> None:
    """S03."""
    app = BlackBull()

    @app.raw_handler("steps", port=0)
    async def steps(reader: Reader, writer: Writer, ctx: ProtocolContext) -> None:
        assert await reader.peek(2) == b"ab"
        await writer.write(await reader.readexactly(3) + b"|")
        await writer.write(await reader.readuntil(b"\n") + b"|")
        await writer.writelines([await reader.read(2), b"|"])
        assert not reader.at_eof()
        await writer.close()

    async with serving(app) as server, connected(port_of(server, "steps")) as client:
        client.say(b"abcdef\nghij")
        assert await client.rest() == b"abc|def\n|gh|"


async def test_context_says_who_and_where() -> None:
    """S04."""
    app = BlackBull()
    seen: list[ProtocolContext] = []

    @app.raw_handler("who", port=0)
    async def who(reader: Reader, writer: Writer, ctx: ProtocolContext) -> None:
        seen.append(ctx)

    async with serving(app) as server:
        port = port_of(server, "who")
        for _ in range(2):
            async with connected(port) as client:
                assert await client.rest() == b""
                ctx = seen[-1]
                assert ctx.peername == client.address
                assert ctx.sockname == ("127.0.0.1", port)
                assert ctx.ssl is None
                assert ctx.protocol == "who"
                assert ctx.aggregator is not None
                assert uuid.UUID(hex=ctx.connection_id).version == 4
                assert len(ctx.connection_id) == 32
        assert seen[0].connection_id != seen[1].connection_id


async def test_handler_returns_closes_the_connection() -> None:
    """S05."""
    app = BlackBull()

    @app.raw_handler("once", port=0)
    async def once(reader: Reader, writer: Writer, ctx: ProtocolContext) -> None:
        await writer.write(b"bye")

    async with serving(app) as server:
        assert await talk(port_of(server, "once"), eof=False) == b"bye"
        await until(lambda: not server.connections)


async def test_handler_raises_closes_reports_and_disturbs_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """S05."""
    app = with_echo()
    errors: list[Event] = []
    boom = RuntimeError("boom")

    @app.on("error")
    async def note(event: Event) -> None:
        errors.append(event)

    @app.raw_handler("bad", port=0)
    async def bad(reader: Reader, writer: Writer, ctx: ProtocolContext) -> None:
        await reader.readexactly(1)
        raise boom

    async with serving(app) as server, connected(port_of(server, "echo")) as bystander:
        bystander.say(b"before")
        assert await bystander.hear(6) == b"before"
        for _ in range(3):
            assert await talk(port_of(server, "bad"), b"x") == b""
        await app.drain_events()
        bystander.say(b"after")
        assert await bystander.hear(5) == b"after"
        answer = await talk(port_of(server, "http"), REQUEST, eof=False)
        assert answer.startswith(b"HTTP/1.1 200 ")
    assert len(errors) == 3
    detail = errors[0].detail
    assert detail["exception"] is boom
    assert isinstance(detail["scope"], ProtocolContext)
    assert detail["scope"].protocol == "bad"
    assert len([r for r in caplog.records if r.exc_info]) == 3


async def test_handler_may_run_longer_than_every_http_timeout() -> None:
    """S06."""
    app = with_echo()
    short = {
        "header_timeout": 0.05, "keep_alive_timeout": 0.05, "body_timeout": 0.05,
        "request_timeout": 0.05,
    }  # fmt: skip
    async with serving(app, **short) as server:
        port = port_of(server, "echo")
        async with connected(port) as silent, connected(port) as talking:
            talking.say(b"1")
            assert await talking.hear(1) == b"1"
            # HTTP's timeouts pass, on the same loop and clock.
            assert b" 408 " in await talk(port_of(server, "http"), b"GET", eof=False)
            assert b" 408 " in await talk(port_of(server, "http"), b"GET", eof=False)
            for client in (silent, talking):
                client.say(b"still")
                assert await client.hear(5) == b"still"


async def test_connection_events_fire_once_each_with_their_keys() -> None:
    """S07, S20."""
    app = with_echo()
    events: list[Event] = []

    async def note(event: Event) -> None:
        events.append(event)

    app.on("connection_accepted")(note)
    app.on("connection_closed")(note)
    async with serving(app) as server:
        for protocol, name in (("echo", "echo"), ("http", "http1")):
            events.clear()
            async with connected(port_of(server, protocol)) as client:
                client.say(REQUEST)
                if protocol == "echo":
                    client.writer.write_eof()
                await client.rest()
                address = client.address
            await until(lambda: not server.connections)
            await app.drain_events()
            accepted, closed = events
            assert accepted.name == "connection_accepted"
            assert accepted.detail == {"peername": address, "protocol": name}
            assert closed.name == "connection_closed"
            assert closed.detail.keys() == {"peername", "protocol", "duration_ms"}
            assert (closed.detail["peername"], closed.detail["protocol"]) == (address, name)
            duration = closed.detail["duration_ms"]
            assert isinstance(duration, float)
            assert 0 <= duration < WAIT * 1000


@pytest.mark.parametrize("how", ["reset", "raise", "silent"])
async def test_connection_events_fire_once_however_it_ends(how: str) -> None:
    """S07."""
    app = BlackBull()
    events: list[str] = []

    async def note(event: Event) -> None:
        events.append(event.name)

    for name in ("connection_accepted", "connection_closed", "error"):
        app.on(name)(note)

    @app.raw_handler("pair", port=0)
    async def pair(reader: Reader, writer: Writer, ctx: ProtocolContext) -> None:
        await writer.write(b"?")
        if how == "raise":
            raise ValueError(how)
        await reader.read()

    async with serving(app) as server:
        async with connected(port_of(server, "pair")) as client:
            assert await client.hear(1) == b"?"
            if how == "reset":
                client.reset()
        await until(lambda: not server.connections)
        await app.drain_events()
    expected = ["connection_accepted", "connection_closed"]
    assert sorted(events) == (expected if how == "silent" else [*expected, "error"])


async def test_messages_that_a_handler_reports_become_events() -> None:
    """S08."""
    app = BlackBull()
    events: list[tuple[str, object]] = []

    async def note(event: Event) -> None:
        events.append((event.name, event.detail))

    app.on("message_received")(note)
    app.on("message_sent")(note)

    @app.raw_handler("echo", port=0)
    async def reporting(reader: Reader, writer: Writer, ctx: ProtocolContext) -> None:
        data = await reader.readexactly(5)
        if ctx.aggregator is not None:
            await ctx.aggregator.on_message_received("echo", "data", len(data))
            await writer.write(data)
            await ctx.aggregator.on_message_sent("echo", "data", len(data))

    async with serving(app) as server:
        assert await talk(port_of(server, "echo"), b"hello") == b"hello"
        await app.drain_events()
    detail = {"protocol": "echo", "message_type": "data", "payload_size": 5}
    assert events == [("message_received", detail), ("message_sent", detail)]


async def test_app_without_raw_handlers_listens_to_http_only() -> None:
    """S09."""
    async with serving(BlackBull()) as server:
        assert [each.protocol for each in server.listening] == ["http"]
        assert server.port == port_of(server, "http")


@pytest.mark.parametrize(
    "said",
    [REQUEST, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x16\x03\x01\x02\x00", b"\r\n\r\n", b"GET"],
)
async def test_raw_port_bytes_that_look_like_http_reach_the_handler(said: bytes) -> None:
    """S10."""
    async with serving(with_echo()) as server:
        assert await talk(port_of(server, "echo"), said) == said


async def test_raw_port_handler_that_speaks_first_is_not_kept_waiting() -> None:
    """S10: nothing has to arrive before the protocol is served."""
    app = BlackBull()

    @app.raw_handler("greeter", port=0)
    async def greeter(reader: Reader, writer: Writer, ctx: ProtocolContext) -> None:
        await writer.write(b"220 ready\r\n")
        await reader.read()

    async with serving(app) as server, connected(port_of(server, "greeter")) as client:
        assert await client.hear(11) == b"220 ready\r\n"


def test_server_has_its_former_name_too() -> None:
    """S14."""
    assert ASGIServer is Server


@pytest.mark.parametrize("name", ["http1", "http2"])
async def test_http_is_a_binding_of_the_registry(name: str) -> None:
    """S15."""
    async with serving(with_echo()) as server:
        assert isinstance(server.registry.get(name), ProtocolBinding)
        assert [b.name for b in server.registry.bindings] == ["http1", "http2", "echo"]


class Gate(ProtocolDetector):
    """Recognises the greeting of the protocol below."""

    protocol_name = "gate"

    def detect(self, prefix: bytes, alpn: str | None) -> bool | None:
        if len(prefix) < 4 and b"\x01abc".startswith(prefix):
            return None
        return prefix.startswith(b"\x01abc")


def with_gate(seen: list[bytes]) -> BlackBull:
    app = BlackBull()

    @app.route(path="/")
    async def index() -> str:
        return "HTTP here"

    @app.raw_handler("gate", detector=Gate())
    async def gate(reader: Reader, writer: Writer, ctx: ProtocolContext) -> None:
        while data := await reader.read():
            seen.append(data)
        await writer.write(b"opened")

    return app


@pytest.mark.parametrize("chunk", [1, 2, 3, 100])
async def test_shared_port_winner_reads_from_byte_zero(chunk: int) -> None:
    """S16."""
    seen: list[bytes] = []
    said = b"\x01abcdefgh"
    async with serving(with_gate(seen)) as server, connected(port_of(server, "http")) as client:
        client.writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(0, len(said), chunk):
            client.say(said[at : at + chunk])
            await asyncio.sleep(0)
        client.writer.write_eof()
        assert await client.rest() == b"opened"
    assert b"".join(seen) == said


@pytest.mark.parametrize("opening", [b"", b"\x01a", b"GET / HTTP/1.1\r\nhos"])
async def test_shared_port_slow_opener_is_told_408(opening: bytes) -> None:
    """S18."""
    async with serving(with_gate([]), header_timeout=0.05) as server:
        answer = await talk(port_of(server, "http"), opening, eof=False)
        assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
        assert b"\r\nconnection: close\r\n" in answer.lower()


async def test_raw_port_too_many_connections_gets_no_http_text() -> None:
    """S18."""
    app = with_echo()
    events: list[str] = []

    async def note(event: Event) -> None:
        events.append(f"{event.name} {event.detail['protocol']}")

    app.on("connection_accepted")(note)
    app.on("connection_closed")(note)
    limit = {"max_connections": 1}
    async with serving(app, **limit) as server, connected(port_of(server, "echo")) as first:
        first.say(b"in")
        assert await first.hear(2) == b"in"
        assert await talk(port_of(server, "echo"), eof=False) == b""
        answer = await talk(port_of(server, "http"), eof=False)
        assert answer.startswith(b"HTTP/1.1 503 ")
        first.say(b"still in")
        assert await first.hear(8) == b"still in"
        await until(lambda: len(server.connections) == 1)
    await app.drain_events()
    for protocol, visits in (("echo", 2), ("http1", 1)):
        for name in ("connection_accepted", "connection_closed"):
            assert events.count(f"{name} {protocol}") == visits


class Resp(ProtocolBinding):
    """A new protocol in the seeds' form: one class, and no edit anywhere."""

    name = "resp"
    detection_read = 4

    def detect(self, prefix: bytes, alpn: str | None) -> bool:
        return prefix == b"*1\r\n"

    async def serve(self, conn: ConnectionView) -> None:
        await conn.reader.readexactly(14)
        await conn.writer.write(b"+PONG\r\n")


async def test_new_binding_shares_the_port_with_http() -> None:
    """S19."""
    app = with_echo()
    app.protocols.add(Resp())
    async with serving(app) as server:
        port = port_of(server, "http")
        assert await talk(port, b"*1\r\n$4\r\nPING\r\n", eof=False) == b"+PONG\r\n"
        assert (await talk(port, REQUEST, eof=False)).endswith(b"HTTP here")


# Back-pressure, loss, and the end -------------------------------------------------------------


async def test_peer_that_does_not_read_stops_the_handler_not_the_server() -> None:
    app = with_echo()
    sent = 0

    @app.raw_handler("flood", port=0)
    async def flood(reader: Reader, writer: Writer, ctx: ProtocolContext) -> None:
        nonlocal sent
        await reader.readexactly(1)
        for _ in range(1000):
            await writer.write(bytes(65536))
            sent += 65536

    async with serving(app) as server, connected(port_of(server, "flood")) as client:
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        client.say(b"!")
        stalled = -1
        while stalled != sent:
            stalled = sent
            assert await talk(port_of(server, "echo"), b"x" * 100) == b"x" * 100
        assert 0 < sent < 1000 * 65536
        client.writer.transport.resume_reading()  # type: ignore[attr-defined]
        assert len(await client.rest()) == 1000 * 65536


async def test_handler_that_does_not_read_stops_the_peer() -> None:
    app = BlackBull()
    go = asyncio.Event()

    @app.raw_handler("lazy", port=0)
    async def lazy(reader: Reader, writer: Writer, ctx: ProtocolContext) -> None:
        assert len(await reader.peek(1)) == 1
        await go.wait()
        got = len(await reader.read())
        await writer.write(str(got).encode() + b" ")
        while data := await reader.read():
            got += len(data)
        await writer.write(str(got).encode())

    total = 16 * 1024 * 1024
    async with serving(app) as server, connected(port_of(server, "lazy")) as client:
        sending = asyncio.create_task(talk_all(client, bytes(total)))
        transport = client.writer.transport
        left = -1
        while left != transport.get_write_buffer_size() or left == 0:
            left = transport.get_write_buffer_size()
            await talk(port_of(server, "http"), REQUEST, eof=False)
        go.set()
        await sending
        at_once, got = (await client.rest()).split()
        assert int(at_once) <= 262144 + 262144, "what was buffered is bounded"
        assert int(got) == total


async def talk_all(client: Client, data: bytes) -> None:
    client.say(data)
    async with asyncio.timeout(WAIT):
        await client.writer.drain()
    client.writer.write_eof()


async def test_peer_that_takes_nothing_times_out() -> None:
    app = BlackBull()
    raised: list[Exception] = []

    @app.raw_handler("flood", port=0)
    async def flood(reader: Reader, writer: Writer, ctx: ProtocolContext) -> None:
        try:
            while True:
                await writer.write(bytes(262144))
        except (WriteTimeout, ConnectionLost) as error:
            raised.append(error)

    limit = {"write_timeout": 0.05}
    async with serving(app, **limit) as server, connected(port_of(server, "flood")) as client:
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await until(lambda: raised)
        client.reset()
    assert isinstance(raised[0], WriteTimeout)


async def test_peer_resets_while_the_handler_reads_is_told() -> None:
    app = BlackBull()
    raised: list[Exception] = []

    @app.raw_handler("patient", port=0)
    async def patient(reader: Reader, writer: Writer, ctx: ProtocolContext) -> None:
        await writer.write(b"?")
        try:
            await reader.readexactly(10)
        except (ConnectionLost, IncompleteRead) as error:
            raised.append(error)

    async with serving(app) as server, connected(port_of(server, "patient")) as client:
        assert await client.hear(1) == b"?"
        client.reset()
        await until(lambda: raised)
    assert isinstance(raised[0], ConnectionLost)


async def test_server_stops_idle_raw_connection_ends_at_once() -> None:
    app = BlackBull()
    ended: list[str] = []

    @app.raw_handler("polite", port=0)
    async def polite(reader: Reader, writer: Writer, ctx: ProtocolContext) -> None:
        await writer.write(b"hi")
        assert await reader.read() == b""
        await writer.write(b"bye")
        ended.append("returned")

    async with serving(app) as server, connected(port_of(server, "polite")) as client:
        assert await client.hear(2) == b"hi"
        async with asyncio.timeout(WAIT):
            await server.stop(WAIT * 2)
        assert await client.rest() == b"bye"
    assert ended == ["returned"]


async def test_server_stops_raw_handler_that_goes_on_is_cancelled() -> None:
    app = BlackBull()
    ended: list[str] = []

    @app.raw_handler("busy", port=0)
    async def busy(reader: Reader, writer: Writer, ctx: ProtocolContext) -> None:
        await writer.write(b"hi")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    async with serving(app) as server, connected(port_of(server, "busy")) as client:
        assert await client.hear(2) == b"hi"
        await server.stop(0.05)
    assert ended == ["cancelled"]
    assert not server.connections


async def test_port_in_use_stops_the_start_and_leaves_nothing_bound() -> None:
    app = BlackBull()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        app.raw_handler("echo", port=taken.getsockname()[1])(echo)
        server = Server(app, settings=Settings(port=0))
        with pytest.raises(ConfigurationError, match="the port is in use; stop the program"):
            await server.start()
    await app.events.aclose()


async def test_ipv6_listener_serves_and_says_its_peer_in_two_parts() -> None:
    app = BlackBull()
    seen: list[object] = []

    @app.raw_handler("six", port=0)
    async def six(reader: Reader, writer: Writer, ctx: ProtocolContext) -> None:
        seen.extend((ctx.peername, ctx.sockname))

    async with serving(app, host="::1") as server:
        port = port_of(server, "six")
        async with connected(port, "::1") as client:
            assert await client.rest() == b""
            assert seen == [client.address[:2], ("::1", port)]


async def test_unix_listener_serves_http_and_removes_its_file(tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    async with serving(with_echo(), unix_path=str(path)) as server:
        assert port_of(server, "echo") > 0
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(REQUEST)
        async with asyncio.timeout(WAIT):
            assert (await reader.read()).endswith(b"HTTP here")
        writer.close()
        await writer.wait_closed()
    assert not path.exists()
