"""HTTP/2 clients that attack: defects 13 to 23. Each ends in the standard's own error and with one
record, the memory stays flat, and whoever else is connected notices nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import tracemalloc
from collections import deque
from collections.abc import AsyncIterator, Callable

import pytest
from h2.errors import ErrorCodes
from h2.settings import SettingCodes

from blackbull.connection import Connection
from blackbull.errors import ClientDisconnected
from blackbull.native import Receive, ResponseBody, ResponseStart, Send
from blackbull.response import Response
from blackbull.server import Server
from tests.conformance.http2 import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GET,
    GOAWAY,
    HEADERS,
    PING,
    PREFACE,
    PRIORITY,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Line,
    connected,
    frame,
    lined,
)
from tests.conformance.peer import TIMEOUT, App, echo, serving
from tests.fault.caps import cap_record, caps
from tests.fault.test_slow_peers import not_reading
from tests.http2_peer import Client
from tests.spec import spec

REQUEST = END_STREAM | END_HEADERS
UPLOAD = b"\x83\x86\x04\x03/up\x01\x01a"
"""The header block of a POST of /up from the authority a."""
CALM = ErrorCodes.ENHANCE_YOUR_CALM


class Site:
    """An application that is attacked.

    Attributes:
        running: Handlers that run now.
        most: The most that ever did.
        gate: Lets the waiting ones go.
    """

    def __init__(self) -> None:
        self.running = self.most = 0
        self.gate = asyncio.Event()
        self.app = App(
            {
                "/": self.waits,
                "/up": echo,
                "/stream": self.streams,
                "/big": Response(bytes(100_000)),
                "/quick": Response("quick"),
            }
        )
        self.app.seen = deque(maxlen=0)  # type: ignore[assignment]

    async def waits(self, conn: Connection, receive: Receive, send: Send) -> None:
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.gate.wait()
            await send(Response("waited"))
        finally:
            self.running -= 1

    async def streams(self, conn: Connection, receive: Receive, send: Send) -> None:
        await send(ResponseStart(200))
        while True:
            await send(ResponseBody(bytes(16384), True))


@contextlib.asynccontextmanager
async def attacked(**settings: object) -> AsyncIterator[tuple[Site, Server]]:
    """Serve an application; somebody else uses it all the time and must notice nothing."""
    site = Site()
    asked = 0

    async with serving(site.app, **settings) as server, connected(server) as bystander:

        async def go_on() -> None:
            nonlocal asked
            while True:
                reply = await asyncio.wait_for(bystander.ask("/quick"), 5)
                assert (reply.status, reply.body) == (200, b"quick")
                asked += 1

        busy = asyncio.create_task(go_on())
        yield site, server
        site.gate.set()
        assert not busy.done(), busy
        before = asked
        while asked < before + 3:
            await asyncio.sleep(0)
        busy.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await busy


async def flood(peer: Line, wire: bytes, times: int = 20_000) -> None:
    """Send *wire* again and again, for as long as the server listens."""
    with contextlib.suppress(ConnectionError):
        for _ in range(times // 100):
            await peer.send(wire * 100)
            await asyncio.sleep(0)


async def calmed(peer: Line) -> None:
    """Read on until the server closes: it told the client to calm down."""
    frames = await peer.until_close()
    assert [f.code for f in frames if f.kind == GOAWAY] == [CALM]


FRAMES = {
    "ping": (frame(PING, 0, 0, bytes(8)), "frame_rate"),
    "settings": (frame(SETTINGS, 0, 0), "frame_rate"),
    "priority": (frame(PRIORITY, 0, 101, b"\0\0\0\0\x10"), "h2_max_priority_frames"),
    "unknown": (frame(0x42, 0, 0, bytes(100)), "h2_max_priority_frames"),
    "window": (frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\1"), "h2_max_window_updates"),
    "window of a stream": (frame(WINDOW_UPDATE, 0, 1, b"\0\0\0\1"), "h2_max_window_updates"),
}


@pytest.mark.parametrize("kind", FRAMES)
@spec("RFC 9113 §10.5")
async def test_flood_of_frames(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    wire, limit = FRAMES[kind]
    async with attacked() as (_, server), lined(server) as peer:
        await peer.send(frame(HEADERS, REQUEST, 1, GET))
        await flood(peer, wire)
        await calmed(peer)
    record = cap_record(caplog, limit)
    assert record["requested"] > record["limit"]
    assert record["protocol"] == "http2"


@spec("RFC 9113 §10.5.1")
@pytest.mark.parametrize("fragment", [b"", b"\x00\x01a\x01b"])
async def test_flood_of_continuations(fragment: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async with attacked() as (_, server), lined(server) as peer:
        await peer.send(frame(HEADERS, 0, 1, GET))
        await flood(peer, frame(CONTINUATION, 0, 1, fragment))
        await calmed(peer)
    assert caps(caplog) == ["h2_max_continuations"]


@spec("RFC 9113 §10.5.1")
async def test_header_block_too_large(caplog: pytest.LogCaptureFixture) -> None:
    async with attacked() as (_, server), lined(server) as peer:
        await peer.send(frame(HEADERS, 0, 1, GET))
        await flood(peer, frame(CONTINUATION, 0, 1, b"\0\x01a\x7f\xf1\x7b" + b"v" * 16000), 100)
        await calmed(peer)
    assert caps(caplog) == ["header_max_total"]


@spec("RFC 9113 §10.5")
async def test_flood_of_empty_data(caplog: pytest.LogCaptureFixture) -> None:
    async with attacked() as (_, server), lined(server) as peer:
        await peer.send(frame(HEADERS, END_HEADERS, 1, UPLOAD))
        await flood(peer, frame(DATA, 0, 1))
        await calmed(peer)
    assert caps(caplog) == ["frame_rate"]


@pytest.mark.parametrize(
    ("wire", "limit"),
    [
        (frame(DATA, 0, 1), "frame_rate"),
        (frame(HEADERS, REQUEST, 1, b"\x0f\x10\x01a"), "h2_max_resets"),
        (frame(RST_STREAM, 0, 1, bytes(4)), "h2_max_resets"),
        (frame(WINDOW_UPDATE, 0, 1, b"\0\0\0\1"), "h2_max_window_updates"),
    ],
)
@spec("RFC 9113 §5.1", "RFC 9113 §10.5")
async def test_flood_on_a_stream_that_was_reset(
    wire: bytes, limit: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with attacked() as (_, server), lined(server) as peer:
        await peer.send(
            frame(HEADERS, END_HEADERS, 1, UPLOAD), frame(WINDOW_UPDATE, 0, 1, bytes(4))
        )
        await flood(peer, wire)
        await calmed(peer)
    assert caps(caplog) == [limit]


def requests(*, then: Callable[[int], bytes]) -> list[bytes]:
    """Return requests with what follows each."""
    return [frame(HEADERS, REQUEST, n, GET) + then(n) for n in range(1, 20_000, 2)]


RESETS = {
    "client": lambda n: frame(RST_STREAM, 0, n, bytes(3) + b"\x08"),
    "server, by a window": lambda n: frame(WINDOW_UPDATE, 0, n, bytes(4)),
    "server, by content": lambda n: frame(DATA, 0, n, b"x"),
}


@pytest.mark.parametrize("by", RESETS)
@spec("RFC 9113 §10.5")
async def test_rapid_reset(by: str, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever resets: the work is the client's doing."""
    async with attacked() as (site, server), lined(server) as peer:
        wires = requests(then=RESETS[by])
        with contextlib.suppress(ConnectionError):
            for at in range(0, len(wires), 50):
                await peer.send(*wires[at : at + 50])
                await asyncio.sleep(0)
        await calmed(peer)
        assert site.most <= 20
    assert caps(caplog) == ["h2_max_resets"]


async def test_requests_beyond_the_limit_again_and_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with attacked() as (site, server), lined(server) as peer:
        wires = requests(then=lambda n: b"")
        with contextlib.suppress(ConnectionError):
            for at in range(0, len(wires), 50):
                await peer.send(*wires[at : at + 50])
                await asyncio.sleep(0)
        await calmed(peer)
        assert site.most <= 20
    assert caps(caplog) == ["h2_max_refused_streams"]


@spec("RFC 9113 §4.2")
async def test_frame_larger_than_announced_is_refused_by_its_header_alone() -> None:
    """Defect 23."""
    async with attacked() as (_, server), lined(server) as peer:
        await peer.send(b"\xff\xff\xff\0\0\0\0\0\1")
        frames = await peer.until_close()
        assert [f.code for f in frames if f.kind == GOAWAY] == [ErrorCodes.FRAME_SIZE_ERROR]


# Time


@pytest.mark.parametrize("said", [PREFACE[:10], PREFACE, PREFACE + b"\0\0\6\4\0\0\0\0\0\0"])
async def test_silence_in_the_preface(said: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async with attacked(header_timeout=0.2) as (_, server):
        peer = Line(*await asyncio.open_connection("127.0.0.1", server.port))
        await peer.send(said)
        if said.startswith(PREFACE):
            frames = await peer.until_close()
            assert [f.code for f in frames if f.kind == GOAWAY] == [ErrorCodes.SETTINGS_TIMEOUT]
        else:
            assert (await peer.reader.read()).startswith(b"HTTP/1.1 408 ")
        await peer.close()
    assert caps(caplog) == ["header_timeout"]


@spec("RFC 9113 §10.5.1")
async def test_header_block_dribbled(caplog: pytest.LogCaptureFixture) -> None:
    async with (
        attacked(header_timeout=0.3, h2_max_continuations=1000) as (_, server),
        lined(server) as peer,
    ):
        await peer.send(frame(HEADERS, 0, 1, GET))
        closed = asyncio.create_task(peer.until_close())
        async with asyncio.timeout(TIMEOUT):
            while not closed.done():
                with contextlib.suppress(ConnectionError):
                    await peer.send(frame(CONTINUATION, 0, 1, b"\0\x01a\x01b"))
                await asyncio.wait([closed], timeout=0.02)
        assert [f.code for f in await closed if f.kind == GOAWAY] == [CALM]
    assert caps(caplog) == ["header_timeout"]


async def test_silent_client_is_pinged_and_left(caplog: pytest.LogCaptureFixture) -> None:
    async with (
        attacked(h2_idle_timeout=0.2, h2_ping_timeout=0.2) as (_, server),
        lined(server) as peer,
    ):
        frames = await peer.until_close()
        assert [f.kind for f in frames] == [SETTINGS, PING, GOAWAY]
        assert frames[-1].code == ErrorCodes.NO_ERROR
    assert caps(caplog) == ["h2_ping_timeout"]


@pytest.mark.parametrize("path", ["/big", "/stream"])
@pytest.mark.parametrize("dribbles", [True, False])
async def test_window_never_opened(
    path: str, dribbles: bool, caplog: pytest.LogCaptureFixture
) -> None:
    settings = {SettingCodes.INITIAL_WINDOW_SIZE: 0}
    async with (
        attacked(write_timeout=0.4) as (_, server),
        connected(server, Client(credit=False, settings=settings)) as peer,
    ):
        stream = peer.client.request(path)
        reply = peer.client.replies[stream]
        over = asyncio.create_task(peer.reply(stream))
        async with asyncio.timeout(TIMEOUT):
            while not over.done():
                if dribbles and reply.status and not reply.over:
                    peer.client.h2.increment_flow_control_window(1, stream)
                    with contextlib.suppress(ConnectionError):
                        await peer.flush()
                await asyncio.wait([over], timeout=0.02)
        assert (await over).reset == ErrorCodes.CANCEL
        assert (await peer.ask("/quick", method="HEAD")).status == 200
    assert caps(caplog) == ["write_timeout"]


async def test_windows_opened_and_shut_again_and_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """SETTINGS that move every stream's window, faster than anything can be sent."""
    async with attacked() as (_, server), lined(server) as peer:
        big = GET[:2] + b"\x04\x04/big\x01\x01a"
        await peer.send(*[frame(HEADERS, REQUEST, n, big) for n in range(1, 100, 2)])
        sizes = itertools.cycle((b"\0\4\0\0\0\0", b"\0\4\x7f\xff\xff\xff"))
        with contextlib.suppress(ConnectionError):
            for _ in range(2000):
                await peer.send(frame(SETTINGS, 0, 0, next(sizes)))
        frames = await peer.until_close()
        assert [f.code for f in frames if f.kind == GOAWAY] == [CALM]
    assert caps(caplog) == ["frame_rate"]


async def test_slow_reader_stops_its_own_handlers_only(caplog: pytest.LogCaptureFixture) -> None:
    outcome: list[BaseException] = []
    sent = 0

    async def endless(conn: Connection, receive: Receive, send: Send) -> None:
        nonlocal sent
        await send(ResponseStart(200))
        try:
            while sent < 128 << 20:  # not for ever, should nobody hold it up
                await send(ResponseBody(bytes(16384), True))
                sent += 16384
        except ClientDisconnected as error:
            outcome.append(error)
            raise

    async with attacked(write_timeout=0.5) as (site, server):
        site.app.answers["/endless"] = endless
        wide = b"\0\4\x7f\xff\xff\xff"
        opening = (
            PREFACE
            + frame(SETTINGS, 0, 0, wide)
            + frame(WINDOW_UPDATE, 0, 0, b"\x7f\xff\0\0")
            + frame(HEADERS, REQUEST, 1, b"\x82\x86\x04\x08/endless\x01\x01a")
        )
        async with not_reading(server.port, opening):
            async with asyncio.timeout(TIMEOUT):
                while not outcome:
                    await asyncio.sleep(0.01)
        assert sent < 40_000_000, "what the system's buffers may hold"
    assert caps(caplog) == ["write_timeout"]


async def test_content_dribbled_is_408(caplog: pytest.LogCaptureFixture) -> None:
    async with (
        attacked(body_timeout=5, min_body_rate=1000, min_body_rate_grace=0.2) as (_, server),
        connected(server) as peer,
    ):
        stream = peer.client.request("/up", method="POST", end=False)
        over = asyncio.create_task(peer.reply(stream))
        async with asyncio.timeout(TIMEOUT):
            while not over.done():
                with contextlib.suppress(ConnectionError):
                    peer.client.data(stream, b"x")
                    await peer.flush()
                await asyncio.wait([over], timeout=0.02)
        assert (await over).status == 408
    assert caps(caplog) == ["min_body_rate"]


# Memory


async def attack(server: Server, kind: str) -> None:
    """One attack, to its end."""
    async with lined(server) as peer:
        if kind == "requests":
            wires = requests(then=RESETS["client"])[:400]
        elif kind == "fields":
            fields = (b"\x40\x0a" + b"x-%08d" % n + b"\x0a" + b"v" * 10 for n in range(400))
            wires = [frame(HEADERS, REQUEST, 1, GET + b"".join(fields))]
            wires += [frame(PING, 0, 0, bytes(8))] * 400
        else:
            wires = [FRAMES[kind][0]] * 3000
        with contextlib.suppress(ConnectionError):
            await peer.send(frame(HEADERS, REQUEST, 1, GET) if kind in FRAMES else b"", *wires)
        await peer.until_close()


@pytest.mark.parametrize("kind", ["ping", "priority", "window", "requests", "fields"])
async def test_attacks_leave_no_memory_behind(kind: str) -> None:
    """Defects 18, 22: the hundredth attack finds as much as the tenth."""
    site = Site()
    async with serving(site.app) as server:
        for _ in range(5):
            await attack(server, kind)
        gc.collect()
        tracemalloc.start()
        try:
            for _ in range(20):
                await attack(server, kind)
            while server.connections:
                await asyncio.sleep(0)
            site.gate.set()
            for _ in range(5):
                await asyncio.sleep(0)
            site.gate.clear()
            gc.collect()
            left, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
            site.gate.set()
        assert left < 200_000
        assert peak < 8_000_000


async def test_heads_that_refer_to_large_fields_leave_little_behind() -> None:
    """A block of a few bytes can name what is large again and again."""
    site = Site()
    cookie = b"\x60\x7f\xa1\x1e" + b"c" * 4000
    async with serving(site.app) as server, lined(server) as peer:
        await peer.send(frame(HEADERS, REQUEST, 1, GET[:2] + b"\x04\x02/a\x01\x01a" + cookie))
        await peer.until(DATA, 1)
        gc.collect()
        tracemalloc.start()
        try:
            for number in range(3, 515, 2):
                block = GET[:2] + b"\x04\x04/%03d\x01\x01a" % number + b"\xbe" * 15
                await peer.send(frame(HEADERS, REQUEST, number, block))
                await peer.until(DATA, number)
            gc.collect()
            left, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert left < 1_000_000, "of 10 KB that were sent"


async def test_long_connection_keeps_nothing_of_its_streams() -> None:
    """Defect 22."""
    site = Site()
    async with serving(site.app) as server, connected(server) as peer:

        async def some(number: int) -> None:
            for _ in range(number):
                peer.client.request("/quick")
                stream = peer.client.request("/up", method="POST", content=b"abc")
                await peer.reply(stream)
                peer.client.replies.clear()
                peer.client.h2._closed_streams.clear()

        await some(30)
        gc.collect()
        (view,) = server.connections
        tracemalloc.start()
        try:
            await some(120)
            gc.collect()
            left, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert left < 60_000
        assert not view._consumer.machine.active
        assert view._consumer.handlers.open == {}
