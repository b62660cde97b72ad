"""Flow control: who waits for whom, and how windows grow."""

from __future__ import annotations

import asyncio

from h2.errors import ErrorCodes
from h2.settings import SettingCodes

from blackbull.config import Settings
from blackbull.connection import Connection
from blackbull.native import (
    Receive,
    RequestBody,
    ResponseBody,
    ResponseStart,
    Send,
)
from blackbull.protocol.http2 import HeadParser, HTTP2Connection, HTTP2Limits
from blackbull.response import Response
from blackbull.server.bindings.http2_windows import PROBE, Windows
from tests.http2_peer import Client
from tests.spec import spec
from tests.unit.server.bindings.http2_talk import App, Talk, echo

WINDOW = 65535


# What is kept


async def test_content_that_comes_byte_by_byte_is_not_kept_in_as_many_objects() -> None:
    parts: list[int] = []

    async def later(conn: Connection, receive: Receive, send: Send) -> None:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        exchange = talk.driver.handlers.open[1]
        while exchange._size < 6000:
            await asyncio.sleep(0)
        parts.append(len(exchange._parts))
        content = b""
        while isinstance(message := await receive(), RequestBody) and message.more:
            content += message.data
        content += message.data
        await send(Response(content))

    talk = await Talk(App({"/": later})).begin()
    stream = talk.client.request("/", method="POST", end=False)
    await talk.turn()
    content = bytes(range(256)) * 24
    for at in range(0, len(content), 2):
        talk.client.data(stream, content[at : at + 2])
        if not at % 200:
            await talk.turn()
    talk.client.data(stream, b"", end=True)
    await talk.until(lambda: talk.client.replies[stream].over)
    assert talk.client.replies[stream].body == content
    assert parts
    assert parts[0] <= 2 * len(content) / 1024 + 2
    talk.end()


# What we send


class Sender:
    """A handler that sends parts and counts how many were taken from it."""

    def __init__(self, part: int, count: int) -> None:
        self.part = part
        self.count = count
        self.sent = 0

    async def __call__(self, conn: Connection, receive: Receive, send: Send) -> None:
        await send(ResponseStart(200))
        for _ in range(self.count):
            await send(ResponseBody(bytes(self.part), True))
            self.sent += 1
        await send(ResponseBody())


@spec("RFC 9113 §5.2")
async def test_handler_waits_while_the_client_gives_no_credit_on_its_stream() -> None:
    sender = Sender(16384, 100)
    settings = {SettingCodes.INITIAL_WINDOW_SIZE: 0}
    talk = await Talk(App({"/": sender}), Client(credit=False, settings=settings)).begin()
    stream = talk.client.request()
    await talk.turn(10)
    assert talk.client.replies[stream].status == 200
    assert talk.client.replies[stream].body == b""
    held = sender.sent
    assert held * sender.part <= talk.driver.send_buffer + sender.part
    talk.client.h2.increment_flow_control_window(60000, stream)
    await talk.turn(10)
    assert len(talk.client.replies[stream].body) == 60000
    assert held < sender.sent <= held + 4
    talk.client.h2.increment_flow_control_window(1 << 24, stream)
    talk.client.h2.increment_flow_control_window(1 << 24)
    await talk.until(lambda: talk.client.replies[stream].over)
    assert len(talk.client.replies[stream].body) == 1638400
    talk.end()


@spec("RFC 9113 §5.2.1")
async def test_stream_without_credit_does_not_hold_others_up() -> None:
    """Defect 24: there is one connection window, and whoever has credit uses it."""
    talk = await Talk(App({"/": Sender(16384, 100)}), Client(credit=False)).begin()
    stuck = talk.client.request()
    await talk.turn(10)
    assert len(talk.client.replies[stuck].body) == WINDOW
    talk.client.h2.increment_flow_control_window(1000)
    assert (await talk.ask("/other")).body == b"GET /other"
    assert talk.driver.machine.send_window == 1000 - len("GET /other")
    talk.end()


async def test_handler_waits_while_the_transport_is_full() -> None:
    sender = Sender(16384, 100)
    talk = await Talk(App({"/": sender})).begin()
    stream = talk.client.request()
    talk.client.h2.increment_flow_control_window(1 << 24)
    talk.client.h2.increment_flow_control_window(1 << 24, stream)
    talk.say()
    await asyncio.sleep(0)
    talk.view.pause_writing()
    assert not talk.view.reading
    writes, before = talk.view.writes, sender.sent
    for _ in range(10):
        await asyncio.sleep(0)
    assert talk.view.writes == writes
    assert (sender.sent - before) * sender.part <= talk.driver.send_buffer + 2 * sender.part
    talk.view.resume_writing()
    assert talk.view.reading
    await talk.until(lambda: talk.client.replies[stream].over)
    talk.end()


async def test_small_parts_do_not_wait_for_each_other() -> None:
    sender = Sender(100, 50)
    talk = await Talk(App({"/": sender})).begin()
    stream = talk.client.request()
    talk.say()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert talk.view.writes <= 4
    talk.hear()
    assert len(talk.client.replies[stream].body) == 5000
    talk.end()


async def test_response_larger_than_the_window_is_sent_as_credit_comes() -> None:
    """Defect 22: nothing is kept of a response that is complete."""
    talk = await Talk(App({"/": Response(bytes(500_000))})).begin()
    for _ in range(3):
        reply = await talk.ask()
        assert len(reply.body) == 500_000
    assert not talk.driver.machine.active
    assert talk.driver.handlers.open == {}
    talk.end()


@spec("RFC 9218 §10")
async def test_urgent_content_overtakes() -> None:
    settings = {SettingCodes.INITIAL_WINDOW_SIZE: 1 << 20}
    client = Client(credit=False, settings=settings)
    talk = await Talk(App({"/": Response(bytes(300_000))}), client).begin()
    slow = talk.client.request("/", fields=[(b"priority", b"u=6")])
    fast = talk.client.request("/", fields=[(b"priority", b"u=0")])
    talk.exchange()
    assert not talk.client.replies[slow].body
    talk.client.h2.increment_flow_control_window(300_000 - WINDOW)
    talk.exchange()
    assert talk.client.replies[fast].ended
    assert len(talk.client.replies[fast].body) == 300_000
    talk.end()


# What we take


class Slow:
    """A handler that takes a part of the content when it is told to."""

    def __init__(self) -> None:
        self.gate = asyncio.Semaphore(0)
        self.got = 0

    async def __call__(self, conn: Connection, receive: Receive, send: Send) -> None:
        more = True
        while more:
            await self.gate.acquire()
            message = await receive()
            if not isinstance(message, RequestBody):
                return
            self.got += len(message.data)
            more = message.more
        await send(Response("done"))


@spec("RFC 9113 §5.2.2")
async def test_credit_comes_back_only_for_what_the_handler_takes() -> None:
    slow = Slow()
    talk = await Talk(App({"/": slow}), h2_max_window_size=1).begin()
    stream = talk.client.request("/", method="POST", end=False)
    await talk.turn()
    talk.client.data(stream, bytes(60000))
    await talk.turn()
    assert talk.client.credits == []
    assert talk.client.h2.local_flow_control_window(stream) == WINDOW - 60000
    slow.gate.release()
    await talk.turn()
    assert slow.got == 60000
    assert set(talk.client.credits) == {(0, 60000), (stream, 60000)}
    talk.client.data(stream, b"", end=True)
    slow.gate.release()
    await talk.until(lambda: talk.client.replies[stream].over)
    talk.end()


async def test_upload_past_the_window_does_not_stall() -> None:
    """Defect 25."""
    talk = await Talk(App({"/": echo}), max_body_size=1 << 20).begin()
    talk.client.h2.increment_flow_control_window(1 << 20)
    stream = talk.client.request("/", method="POST", end=False)
    talk.client.h2.increment_flow_control_window(1 << 20, stream)
    left = 400_000
    while left:
        size = min(left, 16384, talk.client.h2.local_flow_control_window(stream))
        if size:
            talk.client.data(stream, bytes(size))
            left -= size
        await talk.turn(1)
    talk.client.data(stream, b"", end=True)
    await talk.until(lambda: talk.client.replies[stream].over)
    assert len(talk.client.replies[stream].body) == 400_000
    assert not any(size == 0 for _, size in talk.client.credits)
    talk.end()


async def test_content_that_nobody_reads_is_credited_when_the_handler_ends() -> None:
    """Defect 26."""
    gate = asyncio.Event()

    async def ignores(conn: Connection, receive: Receive, send: Send) -> None:
        await gate.wait()
        await send(Response("ignored"))

    talk = await Talk(App({"/": ignores})).begin()
    stream = talk.client.request("/", method="POST", end=False)
    await talk.turn()
    talk.client.data(stream, bytes(WINDOW))
    await talk.turn()
    assert talk.client.credits == []
    gate.set()
    await talk.until(lambda: talk.client.replies[stream].over)
    assert (0, WINDOW) in talk.client.credits
    talk.end()


async def test_upload_that_is_reset_gives_its_credit_back() -> None:
    slow = Slow()
    talk = await Talk(App({"/": slow})).begin()
    for _ in range(5):
        stream = talk.client.request("/", method="POST", end=False)
        await talk.turn()
        talk.client.data(stream, bytes(40000))
        await talk.turn()
        talk.client.h2.reset_stream(stream)
        await talk.turn()
    assert talk.client.h2.outbound_flow_control_window > WINDOW // 2
    assert talk.driver.handlers.open == {}
    talk.end()
    for _ in range(5):
        slow.gate.release()
    await asyncio.sleep(0)


@spec("RFC 9113 §6.9.1")
async def test_content_beyond_the_credit_ends_the_stream() -> None:
    slow = Slow()
    talk = await Talk(App({"/": slow}), h2_connection_window_size=1 << 20).begin()
    stream = talk.client.request("/", method="POST", end=False)
    talk.exchange()
    frames = b"".join(
        (16384).to_bytes(3, "big") + b"\0\0" + stream.to_bytes(4, "big") + bytes(16384)
        for _ in range(5)
    )
    talk.view.feed(frames)
    await talk.turn()
    assert talk.client.replies[stream].reset == ErrorCodes.FLOW_CONTROL_ERROR
    assert (await talk.ask("/b")).status == 200
    slow.gate.release()
    await talk.turn()
    talk.end()


# How windows grow


class Path:
    """A way to a client: how much it carries in a round trip."""

    def __init__(self, **settings: int) -> None:
        made = Settings(**settings)
        limits = HTTP2Limits(
            initial_window_size=made.h2_initial_window_size,
            connection_window_size=made.h2_connection_window_size,
        )
        self.machine = HTTP2Connection(HeadParser(limits))
        self.windows = Windows(self.machine, made)
        self.client = Client()
        self.now = 100.0

    def open(self) -> int:
        stream = self.client.request("/", method="POST", end=False)
        self.machine.receive(self.client.wire(), self.now)
        self.client.receive(self.machine.data_to_send())
        self.machine.receive(self.client.wire(), self.now)
        self.windows.open(stream)
        self.windows.start(stream)
        self.client.receive(self.machine.data_to_send())
        return stream

    def round_trip(self, *, carries: int, seconds: float = 0.1) -> int:
        """Let content arrive for a round trip; return the window afterwards."""
        self.client.pings.clear()
        self.windows.take(1, 0, now=self.now)
        self.client.receive(self.machine.data_to_send())
        probed = PROBE in self.client.pings
        self.windows.take(1, carries, now=self.now)
        self.now += seconds
        if probed:
            self.machine.receive(self.client.wire(), self.now)
            self.windows.measure(self.now)
            self.client.receive(self.machine.data_to_send())
        return self.windows.size


@spec("RFC 9113 §6.9.2", "RFC 9113 §6.7")
def test_window_grows_while_it_is_what_holds_the_client_back() -> None:
    path = Path()
    stream = path.open()
    assert path.round_trip(carries=WINDOW) == 2 * WINDOW
    assert path.client.h2.local_flow_control_window(stream) == 2 * WINDOW
    assert path.round_trip(carries=2 * WINDOW) == 4 * WINDOW
    assert path.round_trip(carries=WINDOW) == 4 * WINDOW
    assert path.client.h2.local_flow_control_window(stream) == 4 * WINDOW


def test_window_never_grows_past_its_bound() -> None:
    path = Path(h2_max_window_size=300_000)
    stream = path.open()
    for _ in range(10):
        path.round_trip(carries=path.windows.size)
    assert path.windows.size == 300_000
    assert path.client.h2.local_flow_control_window(stream) == 300_000


def test_window_does_not_grow_where_it_may_not() -> None:
    path = Path(h2_max_window_size=1)
    path.open()
    assert path.round_trip(carries=WINDOW) == WINDOW


def test_window_that_is_large_enough_is_asked_about_once_a_second() -> None:
    path = Path()
    path.open()
    path.round_trip(carries=1000)
    for _ in range(8):
        path.round_trip(carries=1000)
        assert path.client.pings == []
    path.now += 1.0
    path.round_trip(carries=1000)
    assert path.client.pings == [PROBE]


def test_later_request_has_the_window_that_was_found() -> None:
    path = Path()
    path.open()
    path.round_trip(carries=WINDOW)
    assert path.client.h2.local_flow_control_window(path.open()) == 2 * WINDOW


def test_connection_window_has_room_for_every_upload_within_its_bound() -> None:
    """An upload that nobody takes does not hold the others up."""
    path = Path(h2_max_window_size=4 * WINDOW, h2_max_concurrent_streams=4)
    streams = [path.open() for _ in range(6)]
    assert path.client.h2.outbound_flow_control_window == 4 * WINDOW
    for stream in streams:
        path.windows.close(stream)
    path.open()
    assert path.client.h2.outbound_flow_control_window == 4 * WINDOW


async def test_upload_to_a_handler_that_does_not_read_leaves_others_alone() -> None:
    slow = Slow()
    talk = await Talk(App({"/": slow, "/echo": echo})).begin()
    stuck = talk.client.request("/", method="POST", end=False)
    await talk.turn()
    talk.client.data(stuck, bytes(WINDOW))
    await talk.turn()
    other = talk.client.request("/echo", method="POST", end=False)
    await talk.turn()
    talk.client.data(other, bytes(30000), end=True)
    await talk.until(lambda: talk.client.replies[other].over)
    assert len(talk.client.replies[other].body) == 30000
    talk.end()
    slow.gate.release()
    await asyncio.sleep(0)


async def test_uploads_that_wait_for_a_handler_do_not_hold_up_those_that_have_one() -> None:
    """More uploads at a time than handlers may run, together far beyond the connection's window."""
    taken: list[int] = []

    async def upload(conn: Connection, receive: Receive, send: Send) -> None:
        taken.append(len(await conn.body()))
        await send(Response(b"ok"))

    talk = await Talk(App({"/": upload}), h2_active_streams=2, h2_max_concurrent_streams=10).begin()
    streams = [talk.client.request("/", method="POST", end=False) for _ in range(10)]
    await talk.turn()
    left = dict.fromkeys(streams, 5 * WINDOW)
    for _ in range(2000):
        for stream, count in left.items():
            room = min(talk.client.h2.local_flow_control_window(stream), count, 16384)
            if room:
                left[stream] -= room
                talk.client.data(stream, bytes(room), end=left[stream] == 0)
        await talk.turn()
        if not any(left.values()):
            break
    await talk.until(lambda: all(talk.client.replies[stream].over for stream in streams))
    assert taken == [5 * WINDOW] * 10
    talk.end()
