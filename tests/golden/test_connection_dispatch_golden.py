"""What every kind of opening leads to: protocol x ALPN x prefix x fragmentation x timeout x EOF.

The table is the oracle of the dispatcher: each row must have the same outcome however its bytes
are cut into arrivals, and the protocol that wins must see the stream from byte zero.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from blackbull.abc import (
    ConnectionView,
    Consumer,
    ProtocolBinding,
    ProtocolContext,
    ProtocolDetector,
    Reader,
    Refusal,
    Writer,
)
from blackbull.config import Settings
from blackbull.connection import Connection
from blackbull.log import LimitLog
from blackbull.native import NativeHandler, Receive, Send
from blackbull.response import Response
from blackbull.server.bindings.http1 import HTTP1Binding
from blackbull.server.bindings.http2 import HTTP2Binding
from blackbull.server.bindings.service import HTTPService
from blackbull.server.connection_actor import MAX_PREFIX, BindingRunner, begin_connection
from blackbull.server.drain import end_tasks
from blackbull.server.protocol_registry import RawBinding
from blackbull.transport.memory import MemoryConnection
from tests.spec import spec

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
CONNECT = b"\x10\x10\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x03cat"
GET = b"GET /hello HTTP/1.1\r\nhost: a\r\n\r\n"
UPGRADE = (
    b"GET /chat HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)

TIMEOUT = 7.0


# The protocols ------------------------------------------------------------------------------


class Answering:
    """The smallest application: its answer is the path."""

    def begin(self, conn: Connection) -> Response | NativeHandler:
        return Response(conn.path)

    async def __call__(self, conn: Connection, receive: Receive, send: Send) -> None:
        await send(Response(conn.path))

    async def startup(self) -> None:
        """Nothing to start."""

    async def stopping(self) -> None:
        """Nothing goes on for ever."""

    async def shutdown(self) -> None:
        """Nothing to stop."""


class Prior(ProtocolBinding):
    """HTTP/2's detection, three-valued: an answer with the first byte that decides."""

    name = HTTP2Binding.name
    detection_read = HTTP2Binding.detection_read
    alpn = HTTP2Binding.alpn
    detect = HTTP2Binding.detect

    def __init__(self) -> None:
        self.got = b""

    async def serve(self, conn: ConnectionView) -> None:
        while data := await conn.reader.read():
            self.got += data


class Prior24(Prior):
    """The same in the form that knows no 'maybe': exactly 24 bytes, then yes or no."""

    detection_read = 24

    def detect(self, prefix: bytes, alpn: str | None) -> bool:
        assert len(prefix) == 24
        return prefix == PREFACE


class Line(ProtocolBinding):
    """Wants its first line, ended by CRLF, before it says yes or no."""

    name = "line"

    def __init__(self) -> None:
        self.got = b""

    def detect(self, prefix: bytes, alpn: str | None) -> bool:
        assert prefix.endswith(b"\r\n")
        return prefix.startswith(b"HELO ") and prefix.count(b"\r\n") == 1

    async def serve(self, conn: ConnectionView) -> None:
        while data := await conn.reader.read(2):
            self.got += data


class Gauge(ProtocolBinding):
    """Fed, recognised by one byte."""

    name = "gauge"
    detection_read = 1
    fed = True

    def __init__(self) -> None:
        self.got = b""

    def detect(self, prefix: bytes, alpn: str | None) -> bool:
        return prefix[0] == 0x7E

    async def serve(self, conn: ConnectionView) -> None:
        conn.attach(Collector(conn, self))


class Collector(Consumer):
    """Collects, and closes at the end."""

    def __init__(self, view: ConnectionView, gauge: Gauge) -> None:
        self.view = view
        self.gauge = gauge

    def data_received(self, data: bytes) -> None:
        self.gauge.got += data

    def eof_received(self) -> None:
        self.view.close()

    def connection_lost(self, error: Exception | None) -> None:
        """It ends with the connection."""

    def writing_paused(self) -> None:
        """It writes nothing."""

    def writing_resumed(self) -> None:
        """It writes nothing."""

    def deadline_expired(self) -> None:
        """It sets none."""

    def shutdown(self) -> None:
        self.view.close()


class MQTTDetector(ProtocolDetector):
    """CONNECT, type and flags in the first byte: no line end is ever needed."""

    protocol_name = "mqtt"

    def detect(self, prefix: bytes, alpn: str | None) -> bool | None:
        return prefix[0] == 0x10


@dataclass
class House:
    """The protocols of one listener and what they were given."""

    fallback: ProtocolBinding | None
    candidates: list[ProtocolBinding] = field(default_factory=list)
    mqtt_got: bytes = b""

    async def mqtt(self, reader: Reader, writer: Writer, ctx: ProtocolContext) -> None:
        while data := await reader.read():
            self.mqtt_got += data

    def got(self, name: str) -> bytes:
        if name == "mqtt":
            return self.mqtt_got
        (binding,) = (b for b in self.candidates if b.name == name)
        assert isinstance(binding, Prior | Line | Gauge)
        return binding.got


@dataclass
class Visit:
    """One connection to a house."""

    conn: MemoryConnection
    runner: BindingRunner
    chosen: list[str] = field(default_factory=list)

    async def settle(self) -> None:
        for _ in range(4):
            await asyncio.sleep(0)

    async def leave(self) -> None:
        if not self.conn.lost:
            self.conn.reset()
        await self.settle()
        await end_tasks(self.runner.tasks, within=5.0)


@asynccontextmanager
async def visiting(house: House, *, alpn: str | None = None) -> AsyncIterator[Visit]:
    visit = Visit(MemoryConnection(alpn=alpn), BindingRunner())
    begin_connection(
        visit.conn,
        tuple(house.candidates),
        fallback=house.fallback,
        runner=visit.runner,
        timeout=TIMEOUT,
        on_chosen=lambda view: visit.chosen.append(view.protocol),
    )
    yield visit
    await visit.leave()
    assert len(visit.chosen) == 1, "one connection, one protocol"


@pytest.fixture
async def http1() -> AsyncIterator[HTTP1Binding]:
    loop = asyncio.get_running_loop()
    service = HTTPService(Answering(), Settings(), loop=loop, limits=LimitLog())
    yield HTTP1Binding(service)
    service.close()


def shared_port(http1: HTTP1Binding, *, seed_form: bool = False) -> House:
    house = House(http1)
    # The order of registration is on purpose not the order of need.
    house.candidates = [
        Line(),
        Prior24() if seed_form else Prior(),
        RawBinding("mqtt", house.mqtt, detector=MQTTDetector()),
        Gauge(),
        http1,
    ]
    return house


# The table ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """What the peer does, and who must serve it."""

    what: str
    opening: bytes
    protocol: str
    alpn: str | None = None
    eof: bool = False
    answer: bytes = b""


ROWS = [
    Row("HTTP/1.1 in cleartext", GET, "http1", answer=b"HTTP/1.1 200 "),
    Row("HTTP/1.0", b"GET /hello HTTP/1.0\r\n\r\n", "http1", answer=b"HTTP/1.1 200 "),
    Row("HTTP/1.1 by ALPN", GET, "http1", alpn="http/1.1", answer=b"HTTP/1.1 200 "),
    Row("a WebSocket's request", UPGRADE, "http1", answer=b"HTTP/1.1 "),
    Row("another method with P", b"PUT /hello HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n",
        "http1", answer=b"HTTP/1.1 200 "),
    Row("no protocol at all", b"\x00\x01\x02\r\n\r\n", "http1", answer=b"HTTP/1.1 400 "),
    Row("half a request, then the end", GET[:11], "http1", eof=True, answer=b"HTTP/1.1 400 "),
    Row("HTTP/2 with prior knowledge", PREFACE, "http2"),
    Row("HTTP/2 and frames", PREFACE + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00", "http2"),
    Row("HTTP/2 by ALPN", PREFACE, "http2", alpn="h2"),
    Row("HTTP/2 by ALPN, whatever comes", b"\xff" * 40, "http2", alpn="h2"),
    Row("half a preface, then the end", PREFACE[:20], "http1", eof=True,
        answer=b"HTTP/1.1 "),
    Row("a preface that goes wrong", PREFACE[:-4] + b"XX\r\n\r\n", "http1",
        answer=b"HTTP/1.1 "),
    Row("an ALPN that nobody has", GET, "http1", alpn="spdy/3", answer=b"HTTP/1.1 200 "),
    Row("MQTT", CONNECT, "mqtt"),
    Row("MQTT, only its first byte", CONNECT[:1], "mqtt"),
    Row("MQTT, then the end", CONNECT[:1], "mqtt", eof=True),
    Row("a protocol of lines", b"HELO cat\r\nMEOW\r\n", "line"),
    Row("a protocol of lines, then the end", b"HELO cat\r\n", "line", eof=True),
    Row("a protocol of one byte, fed", b"\x7e\x01\x02\x03", "gauge"),
    Row("a protocol of one byte, fed, then the end", b"\x7e", "gauge", eof=True),
]  # fmt: skip


def cuts(opening: bytes) -> Iterator[list[bytes]]:
    """Yield every way to deliver *opening* that is worth a test."""
    yield [opening]
    yield [opening[i : i + 1] for i in range(len(opening))]
    for at in range(1, min(len(opening), 40)):
        yield [opening[:at], opening[at:]]


@spec("RFC 9113 §3.3", "prior knowledge")
@spec("RFC 9113 §3.2", "ALPN h2")
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.what)
async def test_dispatch_any_fragmentation_has_the_outcome_of_the_table(
    row: Row, http1: HTTP1Binding
) -> None:
    """S16, S17, S10."""
    for arrivals in cuts(row.opening):
        house = shared_port(http1)
        async with visiting(house, alpn=row.alpn) as visit:
            for arrival in arrivals:
                if visit.conn.lost:
                    break  # it was refused before it had sent everything
                visit.conn.feed(arrival)
                await asyncio.sleep(0)
            if row.eof:
                visit.conn.feed_eof()
            await visit.settle()
            assert visit.chosen == [row.protocol]
            assert visit.conn.protocol == row.protocol
            if row.protocol == "http1":
                assert visit.conn.sent.startswith(row.answer)
                assert bool(visit.conn.sent) == bool(row.answer)
            else:
                assert house.got(row.protocol) == row.opening
                assert visit.conn.sent == b"", "no HTTP text for what is not HTTP"
            if row.eof:
                assert visit.conn.lost


SEED_ROWS = [
    row for row in ROWS if len(row.opening) >= 24 or row.alpn or row.opening[0] in b"\x10~"
]


@pytest.mark.parametrize("row", SEED_ROWS, ids=lambda row: row.what)
async def test_dispatch_two_valued_detector_has_the_same_outcome(
    row: Row, http1: HTTP1Binding
) -> None:
    """S17, S19: what wants exactly 24 bytes is asked with exactly 24."""
    for arrivals in cuts(row.opening):
        async with visiting(shared_port(http1, seed_form=True), alpn=row.alpn) as visit:
            for arrival in arrivals:
                visit.conn.feed(arrival)
            if row.eof:
                visit.conn.feed_eof()
            await visit.settle()
            assert visit.chosen == [row.protocol]


@pytest.mark.parametrize("opening", [b"", PREFACE[:1], PREFACE[:23], b"HELO", b"HELO cat\r"])
async def test_dispatch_slow_opener_is_told_408_where_the_fallback_is_http(
    opening: bytes, http1: HTTP1Binding
) -> None:
    """S18."""
    async with visiting(shared_port(http1)) as visit:
        for at in range(len(opening)):
            visit.conn.feed(opening[at : at + 1])
        assert visit.chosen == []
        assert visit.conn.deadline.seconds == TIMEOUT
        visit.conn.deadline.expire()
        await visit.settle()
        assert visit.chosen == ["http1"]
        assert visit.conn.sent.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
        assert visit.conn.closed


@pytest.mark.parametrize("opening", [b"", b"HELO", b"PRI"])
@pytest.mark.parametrize("fallback", ["raw", "none"])
async def test_dispatch_slow_opener_gets_no_http_text_elsewhere(
    opening: bytes, fallback: str
) -> None:
    """S18."""
    house = House(None)
    house.candidates = [Line(), Prior()]
    if fallback == "raw":
        house.fallback = RawBinding("mqtt", house.mqtt)
    async with visiting(house) as visit:
        if opening:
            visit.conn.feed(opening)
        visit.conn.deadline.expire()
        await visit.settle()
        assert visit.conn.sent == b""
        assert visit.conn.lost
        assert visit.chosen == ["mqtt" if fallback == "raw" else ""]
        assert house.mqtt_got == b"", "who is turned away is not served"


async def test_dispatch_once_decided_the_detection_time_is_over(http1: HTTP1Binding) -> None:
    """S06: no detection timeout reaches the protocol that was chosen."""
    async with visiting(shared_port(http1)) as visit:
        visit.conn.feed(CONNECT)
        await visit.settle()
        assert visit.conn.deadline.seconds is None


@pytest.mark.parametrize("opening", [b"", GET, b"\x00", PREFACE, CONNECT])
async def test_dispatch_port_of_its_own_sees_every_byte_without_detection(opening: bytes) -> None:
    """S10."""
    house = House(None)
    house.fallback = RawBinding("mqtt", house.mqtt, port=0)
    async with visiting(house) as visit:
        assert visit.chosen == ["mqtt"]
        assert visit.conn.deadline.seconds is None
        if opening:
            visit.conn.feed(opening)
        visit.conn.feed_eof()
        await visit.settle()
        assert house.mqtt_got == opening
        assert visit.conn.lost
        assert visit.conn.sent == b""


@pytest.mark.parametrize("eof", [False, True])
async def test_dispatch_silent_peer_leaves_without_an_answer(
    *, eof: bool, http1: HTTP1Binding
) -> None:
    async with visiting(shared_port(http1)) as visit:
        if eof:
            visit.conn.feed_eof()
        else:
            visit.conn.reset()
        await visit.settle()
        assert visit.conn.lost
        assert visit.conn.sent == b""


async def test_dispatch_nobody_claims_it_and_no_fallback_closes() -> None:
    house = House(None)
    house.candidates = [Gauge(), Prior()]
    async with visiting(house) as visit:
        visit.conn.feed(b"GET")
        await visit.settle()
        assert visit.chosen == [""]
        assert visit.conn.lost
        assert visit.conn.sent == b""


async def test_dispatch_endless_opening_goes_to_the_fallback_at_the_limit(
    http1: HTTP1Binding,
) -> None:
    house = shared_port(http1)
    async with visiting(house) as visit:
        visit.conn.feed(b"HELO " + b"x" * (MAX_PREFIX - 6))
        assert visit.chosen == []
        visit.conn.feed(b"xx")
        assert visit.chosen == ["http1"]


async def test_dispatch_server_stops_before_the_choice_says_503(http1: HTTP1Binding) -> None:
    async with visiting(shared_port(http1)) as visit:
        visit.conn.feed(b"P")
        visit.conn.shutdown()
        assert not visit.conn.closed
        visit.conn.deadline.expire()
        await visit.settle()
        assert visit.conn.sent.startswith(b"HTTP/1.1 503 ")
        assert visit.conn.closed


async def test_dispatch_server_stops_before_the_peer_has_said_anything_closes(
    http1: HTTP1Binding,
) -> None:
    async with visiting(shared_port(http1)) as visit:
        visit.conn.shutdown()
        assert visit.conn.deadline.seconds == visit.conn.leaving.grace
        visit.conn.deadline.expire()
        await visit.settle()
        assert visit.chosen == ["http1"]
        assert visit.conn.sent == b""
        assert visit.conn.closed


async def test_dispatch_server_stops_and_the_request_was_on_its_way_is_answered(
    http1: HTTP1Binding,
) -> None:
    async with visiting(shared_port(http1)) as visit:
        visit.conn.shutdown()
        visit.conn.feed(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        await visit.settle()
        assert visit.conn.sent.startswith(b"HTTP/1.1 200 ")
        assert b"connection: close" in visit.conn.sent


# A binding in the seeds' form, with no edit anywhere else -------------------------------------


class Redis(ProtocolBinding):
    """Says how many bytes it wants, says yes or no, and serves."""

    name = "resp"
    detection_read = 4

    def detect(self, prefix: bytes, alpn: str | None) -> bool:
        return prefix == b"*1\r\n"

    async def serve(self, conn: ConnectionView) -> None:
        command = await conn.reader.readexactly(14)
        await conn.writer.write(b"+PONG\r\n" if command == b"*1\r\n$4\r\nPING\r\n" else b"-ERR\r\n")


async def test_dispatch_new_binding_works_without_an_edit(http1: HTTP1Binding) -> None:
    """S19."""
    for arrivals in cuts(b"*1\r\n$4\r\nPING\r\n"):
        house = shared_port(http1)
        house.candidates.insert(0, Redis())
        async with visiting(house) as visit:
            for arrival in arrivals:
                visit.conn.feed(arrival)
                await asyncio.sleep(0)
            await visit.settle()
            assert visit.chosen == ["resp"]
            assert visit.conn.sent == b"+PONG\r\n"
            assert visit.conn.lost, "the connection is closed when serve() returns"


async def test_refusal_of_a_binding_that_has_no_words_just_closes() -> None:
    conn = MemoryConnection()
    await Redis().refuse(conn, Refusal.OVERLOADED)
    assert conn.closed
    assert conn.sent == b""
    await asyncio.sleep(0)
