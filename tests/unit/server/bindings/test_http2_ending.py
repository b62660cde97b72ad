"""How an HTTP/2 connection ends: in peace, by its peer, by a fault."""

from __future__ import annotations

import asyncio
import logging

import pytest
from h2.errors import ErrorCodes

from blackbull.connection import Connection
from blackbull.native import (
    Receive,
    RequestDisconnected,
    ResponseBody,
    ResponseStart,
    Send,
)
from blackbull.server.bindings.http2_watch import LULL
from tests.fault.caps import caps
from tests.spec import spec
from tests.unit.server.bindings.http2_talk import App, Clock, Talk, echo, waiting

LAST = (1 << 31) - 1
GET = b"\x82\x86\x84\x01\x01a"
"""The header block of a GET of / from the authority a."""


def frame(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
    """Return a frame, sound or not."""
    size = len(payload).to_bytes(3, "big")
    return size + bytes((kind, flags)) + stream_id.to_bytes(4, "big") + payload


GOING = frame(7, 0, 0, LAST.to_bytes(4, "big") + bytes(4))
"""GOAWAY that names no stream."""


# We leave


@spec("RFC 9113 §6.8", "graceful shutdown")
async def test_shutdown_says_so_twice_and_answers_what_came_between() -> None:
    """Defect 30."""
    gate = asyncio.Event()
    talk = await Talk(App({"/": waiting(gate)})).begin()
    begun = talk.client.request()
    talk.exchange()
    talk.view.shutdown()
    late = talk.client.request()
    data = talk.client.wire()
    talk.view.feed(data)
    sent = talk.view.take_sent()
    assert sent.startswith(frame(7, 0, 0, LAST.to_bytes(4, "big") + bytes(4)))
    assert frame(6, 0, 0, b"leaving\0") in sent
    talk.view.feed(frame(6, 1, 0, b"leaving\0"))
    assert frame(7, 0, 0, late.to_bytes(4, "big") + bytes(4)) in talk.view.sent
    assert not talk.view.closed
    gate.set()
    for _ in range(4):
        await asyncio.sleep(0)
    assert talk.view.sent.count(b"waited") == 2
    assert talk.view.closed
    assert begun == 1
    talk.service.close()


async def test_shutdown_of_an_idle_connection_needs_one_round_trip(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    time = Clock(monkeypatch)
    talk = await Talk(App()).begin()
    assert (await talk.ask()).status == 200
    talk.pass_time(time, LULL)
    talk.view.shutdown()
    assert not talk.view.closed
    talk.view.feed(frame(6, 1, 0, b"leaving\0"))
    assert talk.view.sent.endswith(frame(7, 0, 0, (1).to_bytes(4, "big") + bytes(4)))
    assert talk.view.closed
    talk.service.close()


async def test_client_with_many_streams_reads_that_we_leave_before_the_next_answers() -> None:
    """It prepares requests while it reads answers, and loses them where it reads GOAWAY next."""
    talk = await Talk(App()).begin()
    assert (await talk.ask()).status == 200
    talk.view.take_sent()
    talk.view.shutdown()
    assert talk.view.sent == b""
    talk.client.request()
    late = talk.client.request()
    talk.view.feed(talk.client.wire())
    sent = talk.view.take_sent()
    assert sent.startswith(GOING)
    assert frame(6, 0, 0, b"leaving\0") in sent
    assert late.to_bytes(4, "big") in sent
    talk.view.feed(frame(6, 1, 0, b"leaving\0"))
    assert talk.view.sent.startswith(frame(7, 0, 0, late.to_bytes(4, "big") + bytes(4)))
    assert talk.view.closed
    talk.service.close()


async def test_client_with_one_stream_reads_its_answer_before_that_we_leave() -> None:
    """The Python library h2 takes nothing more after GOAWAY."""
    talk = await Talk(App()).begin()
    assert (await talk.ask()).status == 200
    talk.view.shutdown()
    talk.view.take_sent()
    talk.client.request()
    talk.view.feed(talk.client.wire())
    answer, told, _ = bytes(talk.view.take_sent()).partition(GOING)
    assert answer
    assert told
    talk.view.feed(frame(6, 1, 0, b"leaving\0"))
    assert talk.view.closed
    talk.service.close()


async def test_busy_client_that_asks_no_more_is_told_in_a_moment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    time = Clock(monkeypatch)
    talk = await Talk(App()).begin()
    assert (await talk.ask()).status == 200
    talk.view.take_sent()
    talk.view.shutdown()
    assert talk.view.sent == b""
    talk.pass_time(time, LULL)
    assert talk.view.sent.startswith(GOING)
    talk.pass_time(time, 0.1)
    assert talk.view.sent.count(GOING) == 1
    talk.view.feed(frame(6, 1, 0, b"leaving\0"))
    assert talk.view.closed
    talk.service.close()


async def test_shutdown_does_not_wait_for_a_client_that_does_not_look(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    time = Clock(monkeypatch)
    talk = await Talk(App()).begin()
    talk.view.shutdown()
    talk.pass_time(time, 0.9)
    assert not talk.view.closed
    talk.pass_time(time, 0.2)
    assert talk.view.closed
    talk.service.close()


@spec("RFC 9113 §6.8", "streams above the last")
async def test_request_after_the_last_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    time = Clock(monkeypatch)
    gate = asyncio.Event()
    talk = await Talk(App({"/": waiting(gate)})).begin()
    talk.client.request()
    talk.exchange()
    talk.pass_time(time, LULL)
    talk.view.shutdown()
    talk.view.feed(frame(6, 1, 0, b"leaving\0"))
    talk.client.request()
    talk.say()
    assert frame(3, 0, 3, (7).to_bytes(4, "big")) in talk.view.sent
    gate.set()
    for _ in range(4):
        await asyncio.sleep(0)
    assert talk.view.closed
    talk.service.close()


# The client leaves


@spec("RFC 9113 §6.8")
async def test_goaway_of_the_client_lets_what_has_begun_end() -> None:
    gate = asyncio.Event()
    talk = await Talk(App({"/": waiting(gate)})).begin()
    talk.client.request()
    talk.exchange()
    talk.view.feed(frame(7, 0, 0, bytes(8)))
    assert not talk.view.closed
    gate.set()
    for _ in range(4):
        await asyncio.sleep(0)
    assert b"waited" in talk.view.sent
    assert talk.view.closed
    talk.service.close()


async def test_goaway_with_an_error_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "blackbull.server")
    talk = await Talk(App()).begin()
    talk.view.feed(frame(7, 0, 0, bytes(7) + b"\x01"))
    assert "it leaves with error 1" in caplog.text
    assert talk.view.closed
    talk.service.close()


async def test_end_of_the_stream_closes_an_idle_connection() -> None:
    talk = await Talk(App()).begin()
    assert (await talk.ask()).status == 200
    talk.view.feed_eof()
    assert talk.view.closed
    talk.service.close()


async def test_end_of_the_stream_lets_complete_requests_end() -> None:
    gate = asyncio.Event()
    seen: list[object] = []

    async def reads(conn: Connection, receive: Receive, send: Send) -> None:
        seen.append(await receive())

    talk = await Talk(App({"/": waiting(gate), "/up": reads})).begin()
    talk.client.request()
    talk.client.request("/up", method="POST", end=False)
    await talk.turn()
    talk.view.feed_eof()
    assert not talk.view.closed
    gate.set()
    for _ in range(4):
        await asyncio.sleep(0)
    assert b"waited" in talk.view.sent
    assert seen == [RequestDisconnected()]
    assert talk.view.closed
    talk.service.close()


async def test_stream_of_events_ends_when_the_client_will_send_no_more() -> None:
    cancelled: list[bool] = []

    async def events(conn: Connection, receive: Receive, send: Send) -> None:
        await send(ResponseStart(200, cancel_on_disconnect=True, lingers_half_closed=False))
        try:
            while True:
                await send(ResponseBody(b"data: x\n\n", True))
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    talk = await Talk(App({"/": events})).begin()
    talk.client.request()
    await talk.turn()
    talk.view.feed_eof()
    for _ in range(4):
        await asyncio.sleep(0)
    assert cancelled == [True]
    assert talk.view.closed
    talk.service.close()


# The client is at fault


@pytest.mark.parametrize(
    ("wire", "code"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", ErrorCodes.FRAME_SIZE_ERROR),
        (frame(0, 0, 0, b"x"), ErrorCodes.PROTOCOL_ERROR),
        (frame(1, 4, 2, b"\x82"), ErrorCodes.PROTOCOL_ERROR),
        (frame(1, 4, 1, b"\xff\xff\xff\xff\xff\xff"), ErrorCodes.COMPRESSION_ERROR),
        (frame(4, 0, 0, b"x"), ErrorCodes.FRAME_SIZE_ERROR),
        (frame(5, 4, 1, bytes(4)), ErrorCodes.PROTOCOL_ERROR),
        (frame(6, 0, 0, b"x"), ErrorCodes.FRAME_SIZE_ERROR),
        (frame(8, 0, 0, bytes(4)), ErrorCodes.PROTOCOL_ERROR),
        (frame(9, 0, 1, b"x"), ErrorCodes.PROTOCOL_ERROR),
    ],
)
@spec("RFC 9113 §5.4.1")
async def test_fault_of_the_connection_ends_it_with_its_code(wire: bytes, code: ErrorCodes) -> None:
    gate = asyncio.Event()
    app = App({"/": waiting(gate)})
    talk = await Talk(app).begin()
    talk.client.request("/first")
    talk.exchange()
    talk.view.feed(wire)
    talk.hear()
    assert talk.client.left == [(code, 1)]
    assert talk.view.closed
    talk.service.close()


async def test_fault_tells_every_handler() -> None:
    seen: list[object] = []

    async def reads(conn: Connection, receive: Receive, send: Send) -> None:
        await receive()
        seen.append(await receive())

    talk = await Talk(App({"/": reads}), h2_active_streams=2).begin()
    for _ in range(4):
        talk.client.request()
    await talk.turn()
    talk.view.feed(frame(0, 0, 0, b"x"))
    for _ in range(4):
        await asyncio.sleep(0)
    assert seen == [RequestDisconnected()] * 2
    assert talk.view.closed
    talk.service.close()


FLOODS = {
    "ping": (frame(6, 0, 0, bytes(8)), "frame_rate"),
    "settings": (frame(4, 0, 0), "frame_rate"),
    "unknown": (frame(0x20, 0, 0), "h2_max_priority_frames"),
    "goaway": (frame(7, 0, 0, bytes(8)), "frame_rate"),
    "priority": (frame(2, 0, 99, b"\0\0\0\0\x10"), "h2_max_priority_frames"),
    "window": (frame(8, 0, 0, b"\0\0\0\1"), "h2_max_window_updates"),
}


@pytest.mark.parametrize("kind", FLOODS)
@spec("RFC 9113 §10.5")
async def test_flood_ends_in_enhance_your_calm_with_one_record(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Defects 16, 18."""
    wire, limit = FLOODS[kind]
    gate = asyncio.Event()
    talk = await Talk(App({"/": waiting(gate)})).begin()
    talk.client.request()  # a connection that is about to be closed takes no flood
    await talk.turn()
    talk.view.feed(wire * 2000)
    talk.hear()
    assert talk.client.left[-1][0] == ErrorCodes.ENHANCE_YOUR_CALM
    assert talk.view.closed
    assert caps(caplog) == [limit]
    assert len(talk.view.sent) == 0
    gate.set()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    talk.service.close()


async def test_flood_of_continuations_ends_in_enhance_your_calm(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Defect 16."""
    talk = await Talk(App()).begin()
    talk.view.feed(frame(1, 0, 1, b"\x82") + frame(9, 0, 1) * 2000)
    talk.hear()
    assert talk.client.left == [(ErrorCodes.ENHANCE_YOUR_CALM, 0)]
    assert caps(caplog) == ["h2_max_continuations"]
    talk.service.close()


async def test_flood_of_empty_data_ends_in_enhance_your_calm(
    caplog: pytest.LogCaptureFixture,
) -> None:
    talk = await Talk(App({"/": echo})).begin()
    stream = talk.client.request("/", method="POST", end=False)
    await talk.turn()
    talk.view.feed(frame(0, 0, stream) * 2000)
    talk.hear()
    assert talk.client.left[-1][0] == ErrorCodes.ENHANCE_YOUR_CALM
    assert caps(caplog) == ["frame_rate"]
    await asyncio.sleep(0)
    talk.service.close()


@pytest.mark.parametrize("by", ["client", "server"])
async def test_rapid_reset_ends_in_enhance_your_calm(
    by: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Defect 17: whoever resets, it is the client that makes the work."""
    gate = asyncio.Event()
    talk = await Talk(App({"/": waiting(gate)})).begin()
    reset = (3, bytes(3) + b"\x08") if by == "client" else (8, bytes(4))
    for stream in range(1, 800, 2):
        talk.view.feed(frame(1, 5, stream, GET) + frame(reset[0], 0, stream, reset[1]))
        if talk.view.closed:
            break
        await asyncio.sleep(0)
    assert talk.view.closed
    assert talk.driver.handlers.running <= 20
    assert (11).to_bytes(4, "big") + b"h2_max_resets" in talk.view.sent
    assert caps(caplog) == ["h2_max_resets"]
    gate.set()
    for _ in range(4):
        await asyncio.sleep(0)
    talk.service.close()
