"""What an HTTP/2 client may take its time for, and how long: defect 19."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from math import inf

import pytest
from h2.errors import ErrorCodes
from h2.settings import SettingCodes

from blackbull.config import Settings
from blackbull.connection import Connection
from blackbull.errors import ClientDisconnected
from blackbull.native import Receive, ResponseBody, ResponseStart, Send
from blackbull.response import Response
from blackbull.server.bindings.http2 import HTTP2Binding
from blackbull.server.bindings.http2_watch import (
    ANNOUNCE,
    HEAD,
    LEAST_TAKEN,
    LEAVE,
    LULL,
    PONG,
    SILENCE,
    STREAMS,
    WRITE,
    Watch,
)
from blackbull.transport.memory import MemoryDeadline
from tests.fault.caps import caps
from tests.http2_peer import Client
from tests.spec import spec
from tests.unit.server.bindings.http2_talk import App, Clock, Talk, echo, waiting

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Clock]:
    return lambda: Clock(monkeypatch)


# The beginning


@pytest.mark.parametrize("said", [b"", PREFACE[:20], PREFACE, PREFACE + b"\0\0\6\4\0\0\0\0\0\0"])
async def test_client_that_does_not_finish_its_preface_is_left(
    said: bytes, clock: Callable[[], Clock], caplog: pytest.LogCaptureFixture
) -> None:
    time = clock()
    talk = Talk(App(), header_timeout=10)
    await HTTP2Binding(talk.service).serve(talk.view)
    if said:
        talk.view.feed(said)
    talk.pass_time(time, 9.9)
    assert not talk.view.closed
    talk.pass_time(time, 0.2)
    talk.hear()
    assert talk.client.left == [(ErrorCodes.SETTINGS_TIMEOUT, 0)]
    assert talk.view.closed
    assert caps(caplog) == ["header_timeout"]
    talk.service.close()


@spec("RFC 9113 §6.10")
async def test_header_block_dribbled_costs_the_connection(
    clock: Callable[[], Clock], caplog: pytest.LogCaptureFixture
) -> None:
    time = clock()
    talk = await Talk(App(), header_timeout=10).begin()
    talk.pass_time(time, 100)
    talk.view.feed(b"\0\0\1\1\1\0\0\0\1\x82")
    for _ in range(9):
        talk.pass_time(time, 1)
        talk.view.feed(b"\0\0\1\x09\0\0\0\0\1\x84")
    assert not talk.view.closed
    talk.pass_time(time, 1.1)
    talk.hear()
    assert talk.client.left == [(ErrorCodes.ENHANCE_YOUR_CALM, 0)]
    assert talk.view.closed
    assert caps(caplog) == ["header_timeout"]
    talk.service.close()


async def test_header_block_has_its_own_time_each(clock: Callable[[], Clock]) -> None:
    time = clock()
    talk = await Talk(App(), header_timeout=10).begin()
    for stream in (1, 3, 5):
        talk.view.feed(b"\0\0\3\1\1\0\0\0" + bytes((stream,)) + b"\x82\x86\x84")
        talk.pass_time(time, 9)
        talk.view.feed(b"\0\0\3\x09\4\0\0\0" + bytes((stream,)) + b"\x01\1a")
    assert talk.view.sent.count(b"GET /") == 3
    assert not talk.view.closed
    talk.end()


# Silence


@spec("RFC 9113 §6.7")
async def test_silent_client_is_asked_and_lives_if_it_answers(
    clock: Callable[[], Clock], caplog: pytest.LogCaptureFixture
) -> None:
    time = clock()
    talk = await Talk(App(), h2_idle_timeout=300, h2_ping_timeout=30).begin()
    for _ in range(3):
        talk.pass_time(time, 299)
        talk.hear()
        assert talk.client.pings == []
        talk.pass_time(time, 1.1)
        talk.hear()
        assert len(talk.client.pings) == 1
        talk.client.pings.clear()
        talk.say()
    assert not talk.view.closed
    assert caps(caplog) == []
    talk.end()


@pytest.mark.parametrize("busy", [True, False])
async def test_silent_client_that_does_not_answer_is_left(
    busy: bool, clock: Callable[[], Clock], caplog: pytest.LogCaptureFixture
) -> None:
    time = clock()
    gate = asyncio.Event()
    talk = await Talk(App({"/": waiting(gate)})).begin()
    if busy:
        talk.client.request()
        await talk.turn()
    talk.pass_time(time, 329)
    assert not talk.view.closed
    talk.pass_time(time, 1.1)
    talk.hear()
    assert talk.client.left == [(ErrorCodes.NO_ERROR, 1 if busy else 0)]
    assert talk.view.closed
    assert caps(caplog) == ["h2_ping_timeout"]
    gate.set()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    talk.service.close()


async def test_any_frame_is_a_sign_of_life(clock: Callable[[], Clock]) -> None:
    time = clock()
    talk = await Talk(App()).begin()
    talk.pass_time(time, 320)
    talk.client.request()
    talk.say()
    talk.pass_time(time, 200)
    assert not talk.view.closed
    talk.end()


# Content that does not come


@spec("RFC 9110 §15.5.9")
async def test_content_that_does_not_come_is_408(
    clock: Callable[[], Clock], caplog: pytest.LogCaptureFixture
) -> None:
    time = clock()
    talk = await Talk(App({"/": echo}), body_timeout=30).begin()
    stream = talk.client.request("/up", method="POST", end=False)
    slow = talk.client.request("/", method="POST", end=False)
    await talk.turn()
    assert talk.client.replies[stream].status == 200
    for _ in range(3):
        talk.pass_time(time, 20)
        talk.client.data(slow, bytes(16384))
        await talk.turn()
    assert not talk.client.replies[slow].over
    talk.pass_time(time, 40)
    await talk.turn()
    assert talk.client.replies[slow].status == 408
    assert caps(caplog) == ["body_timeout"]
    assert (await talk.ask("/b")).status == 200
    talk.end()


async def test_content_that_trickles_is_408(
    clock: Callable[[], Clock], caplog: pytest.LogCaptureFixture
) -> None:
    time = clock()
    talk = await Talk(App({"/": echo}), min_body_rate=240, min_body_rate_grace=5).begin()
    stream = talk.client.request("/", method="POST", end=False)
    await talk.turn()
    for _ in range(4):
        time.now += 2
        talk.client.data(stream, b"x")
        await talk.turn()
    assert talk.client.replies[stream].status == 408
    assert caps(caplog) == ["min_body_rate"]
    talk.end()


async def test_rest_of_a_request_that_was_answered_does_not_stay(
    clock: Callable[[], Clock],
) -> None:
    time = clock()
    talk = await Talk(App(), write_timeout=30).begin()
    stream = talk.client.request("/", method="POST", end=False)
    talk.exchange()
    assert talk.client.replies[stream].ended
    assert talk.driver.machine.active
    talk.pass_time(time, 60)
    talk.hear()
    assert not talk.driver.machine.active
    assert talk.client.replies[stream].reset == ErrorCodes.NO_ERROR
    assert talk.view.timer.at - time.now > 200, "no stream is left to look at"
    talk.end()


# Responses that are not taken


@spec("RFC 9113 §10.5", "a window that is never opened")
@pytest.mark.parametrize("complete", [True, False])
async def test_window_never_opened_ends_the_stream(
    complete: bool, clock: Callable[[], Clock], caplog: pytest.LogCaptureFixture
) -> None:
    outcomes: list[object] = []

    async def streams(conn: Connection, receive: Receive, send: Send) -> None:
        await send(ResponseStart(200))
        try:
            while True:
                await send(ResponseBody(bytes(30000), True))
        except ClientDisconnected:
            outcomes.append("gone")
            raise

    time = clock()
    settings = {SettingCodes.INITIAL_WINDOW_SIZE: 0}
    app = App({"/": Response(bytes(100_000)) if complete else streams})
    talk = await Talk(app, Client(settings=settings), write_timeout=30).begin()
    stream = talk.client.request()
    await talk.turn(5)
    talk.pass_time(time, 29)
    talk.hear()
    assert talk.client.replies[stream].reset is None
    talk.pass_time(time, 16)
    talk.hear()
    assert talk.client.replies[stream].reset == ErrorCodes.CANCEL
    assert caps(caplog) == ["write_timeout"]
    await talk.turn()
    assert outcomes == ([] if complete else ["gone"])
    assert not talk.driver.machine.active
    talk.end()


async def test_window_opened_by_single_bytes_ends_the_stream(
    clock: Callable[[], Clock], caplog: pytest.LogCaptureFixture
) -> None:
    """Defect 16, 19: to dribble is not to read."""
    time = clock()
    settings = {SettingCodes.INITIAL_WINDOW_SIZE: 0}
    talk = await Talk(
        App({"/": Response(bytes(100_000))}), Client(credit=False, settings=settings)
    ).begin()
    stream = talk.client.request()
    talk.exchange()
    for _ in range(60):
        talk.pass_time(time, 1)
        if talk.client.replies[stream].reset is not None:
            break
        talk.client.h2.increment_flow_control_window(1, stream)
        talk.exchange()
    assert talk.client.replies[stream].reset == ErrorCodes.CANCEL
    assert 20 < len(talk.client.replies[stream].body) <= 45
    talk.end()


async def test_slow_client_that_does_read_is_served(clock: Callable[[], Clock]) -> None:
    time = clock()
    settings = {SettingCodes.INITIAL_WINDOW_SIZE: 0}
    talk = await Talk(
        App({"/": Response(bytes(60_000))}), Client(credit=False, settings=settings)
    ).begin()
    stream = talk.client.request()
    talk.exchange()
    for _ in range(6):
        talk.pass_time(time, 20)
        talk.client.h2.increment_flow_control_window(10_000, stream)
        talk.exchange()
    assert talk.client.replies[stream].ended
    talk.end()


async def test_response_that_only_waits_for_its_turn_is_not_blamed(
    clock: Callable[[], Clock],
) -> None:
    time = clock()
    settings = {SettingCodes.INITIAL_WINDOW_SIZE: 1 << 20}
    client = Client(credit=False, settings=settings)
    talk = await Talk(App({"/": Response(bytes(1_000_000))}), client).begin()
    patient = talk.client.request("/", fields=[(b"priority", b"u=7")])
    urgent = talk.client.request("/", fields=[(b"priority", b"u=0")])
    talk.exchange()
    for _ in range(20):
        talk.pass_time(time, 5)
        talk.client.h2.increment_flow_control_window(30_000)
        talk.exchange()
    assert len(talk.client.replies[urgent].body) > 600_000
    assert talk.client.replies[patient].reset is None
    talk.end()


async def test_connection_window_never_opened_ends_every_stream(
    clock: Callable[[], Clock],
) -> None:
    time = clock()
    settings = {SettingCodes.INITIAL_WINDOW_SIZE: 1 << 20}
    client = Client(credit=False, settings=settings)
    talk = await Talk(App({"/": Response(bytes(50_000))}), client, write_timeout=30).begin()
    streams = [talk.client.request() for _ in range(4)]
    talk.exchange()
    talk.pass_time(time, 60)
    talk.hear()
    resets = [talk.client.replies[s].reset for s in streams]
    assert resets == [None, *[ErrorCodes.CANCEL] * 3]
    assert not talk.driver.machine.active
    talk.end()


@pytest.mark.parametrize("reads", [True, False])
async def test_transport_that_takes_nothing_costs_the_connection(
    reads: bool, clock: Callable[[], Clock], caplog: pytest.LogCaptureFixture
) -> None:
    time = clock()
    talk = await Talk(App(), write_timeout=30).begin()
    talk.view.pause_writing()
    talk.pass_time(time, 29)
    assert not talk.view.aborted
    if reads:
        talk.view.resume_writing()
    talk.pass_time(time, 2)
    assert talk.view.aborted is not reads
    assert caps(caplog) == ([] if reads else ["write_timeout"])
    await asyncio.sleep(0)
    if reads:
        assert (await talk.ask()).status == 200
        talk.view.reset()
    talk.service.close()


# Handlers that do not answer


async def test_request_timeout_resets_the_stream(caplog: pytest.LogCaptureFixture) -> None:
    cancelled: list[bool] = []

    async def never(conn: Connection, receive: Receive, send: Send) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    talk = await Talk(App({"/never": never}), request_timeout=0.02).begin()
    stream = talk.client.request("/never")
    talk.exchange()
    await asyncio.sleep(0.03)
    await talk.until(lambda: talk.client.replies[stream].over)
    assert talk.client.replies[stream].reset == ErrorCodes.CANCEL
    assert caps(caplog) == ["request_timeout"]
    await talk.until(lambda: cancelled)
    assert (await talk.ask()).status == 200
    talk.end()


async def test_request_timeout_counts_while_a_request_waits_for_its_turn(
    caplog: pytest.LogCaptureFixture,
) -> None:
    free = asyncio.Event()
    began: list[str] = []

    async def slow(conn: Connection, receive: Receive, send: Send) -> None:
        began.append(conn.path)
        with suppress(asyncio.CancelledError):
            await free.wait()
        await free.wait()

    app = App({"/slow": slow, "/late": slow, "/gone": slow})
    talk = await Talk(app, request_timeout=0.05, h2_active_streams=1).begin()
    first = talk.client.request("/slow")
    late, gone = talk.client.request("/late"), talk.client.request("/gone")
    talk.exchange()
    talk.client.h2.reset_stream(gone)
    talk.exchange()
    await asyncio.sleep(0.06)
    await talk.until(lambda: talk.client.replies[late].over)
    assert talk.client.replies[late].reset == ErrorCodes.CANCEL
    assert talk.client.replies[first].reset == ErrorCodes.CANCEL
    assert caps(caplog) == ["request_timeout"]  # once for a connection
    free.set()
    await talk.until(lambda: not talk.driver.handlers.running)
    assert (await talk.ask("/slow")).status == 500
    assert began == ["/slow"] * 2
    talk.end()


# The due times


def watch(**settings: float) -> tuple[Watch, MemoryDeadline]:
    deadline = MemoryDeadline(lambda: None)
    return Watch(deadline, Settings(**settings), now=100.0), deadline


def expire(
    watched: Watch, deadline: MemoryDeadline, now: float, *, busy: bool = False, queued: int = 0
) -> list[int]:
    """Let the deadline pass, as the connection does."""
    deadline.clear()
    return watched.expire(now, busy=busy, queued=queued)


def test_watch_is_set_to_whatever_is_due_first() -> None:
    watched, deadline = watch(header_timeout=10, h2_idle_timeout=300)
    assert deadline.seconds == 10
    watched.hear(101.0, head=False, busy=False)
    assert expire(watched, deadline, 110.0, busy=False) == []
    assert deadline.seconds == 291.0
    assert expire(watched, deadline, 401.0, busy=False) == [SILENCE]
    assert deadline.seconds == 30
    assert expire(watched, deadline, 431.0, busy=False) == [PONG]
    assert deadline.seconds is None


def test_watch_notices_several_things_at_once() -> None:
    watched, deadline = watch(header_timeout=10, write_timeout=8, body_timeout=20)
    watched.hear(100.0, head=True, busy=True)
    watched.pause(100.0, queued=0)
    assert watched.leave(100.0 + LULL, within=1.0)
    assert expire(watched, deadline, 111.0, busy=True) == [HEAD, WRITE, STREAMS, LEAVE]
    assert watched.write_looks == 4


def test_watch_puts_off_what_a_busy_peer_is_told() -> None:
    watched, deadline = watch()
    watched.hear(100.0, head=False, busy=False)
    assert not watched.leave(100.01, within=1.0)
    assert expire(watched, deadline, 100.01 + LULL) == [ANNOUNCE]
    assert expire(watched, deadline, 101.1) == [LEAVE]


def test_watch_looks_at_streams_while_there_are_some() -> None:
    watched, deadline = watch(write_timeout=8, body_timeout=20, h2_idle_timeout=0)
    watched.hear(100.0, head=False, busy=True)
    assert deadline.seconds == 2
    assert expire(watched, deadline, 102.0, busy=True) == [STREAMS]
    assert deadline.seconds == 2
    assert expire(watched, deadline, 104.0, busy=False) == [STREAMS]
    assert deadline.seconds is None
    assert deadline.at == inf


def test_watch_gives_a_peer_that_is_slow_but_not_stuck_more_time() -> None:
    watched, deadline = watch(header_timeout=0, write_timeout=8, h2_idle_timeout=0)
    watched.pause(100.0, queued=100_000)
    left = 100_000 - LEAST_TAKEN
    assert expire(watched, deadline, 108.0, queued=left) == []
    assert deadline.seconds == 8
    assert expire(watched, deadline, 116.0, queued=left - LEAST_TAKEN + 1) == [WRITE]
    assert deadline.seconds is None


def test_watch_without_timeouts_waits_for_ever() -> None:
    names = ("header", "write", "body", "body_total", "h2_idle")
    watched, deadline = watch(**{f"{name}_timeout": 0 for name in names})
    watched.hear(100.0, head=True, busy=True)
    watched.pause(100.0, queued=0)
    assert deadline.seconds is None


def test_watch_without_a_pong_timeout_only_asks() -> None:
    watched, deadline = watch(header_timeout=0, h2_idle_timeout=5, h2_ping_timeout=0)
    assert expire(watched, deadline, 105.0, busy=False) == [SILENCE]
    assert deadline.seconds is None
