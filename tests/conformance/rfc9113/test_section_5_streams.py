"""RFC 9113 §5: streams side by side, flow control, errors."""

from __future__ import annotations

import asyncio

import pytest
from h2.errors import ErrorCodes
from h2.settings import SettingCodes

from blackbull.connection import Connection
from blackbull.native import Receive, ResponseBody, ResponseStart, Send
from blackbull.response import Response
from tests.conformance.http2 import (
    DATA,
    END_HEADERS,
    END_STREAM,
    GET,
    GOAWAY,
    HEADERS,
    POST,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    connected,
    conversation,
    frame,
    line,
    lined,
)
from tests.conformance.peer import App, echo, serving
from tests.http2_peer import Client
from tests.spec import spec


@spec("RFC 9113 §5", "streams are independent")
async def test_answers_come_as_they_are_ready() -> None:
    gate = asyncio.Event()

    async def slow(conn: Connection, receive: Receive, send: Send) -> None:
        await gate.wait()
        await send(Response("slow"))

    async with conversation(App({"/slow": slow})) as peer:
        stream = peer.client.request("/slow")
        assert (await peer.ask("/fast")).body == b"GET /fast"
        gate.set()
        assert (await peer.reply(stream)).body == b"slow"


@spec("RFC 9113 §5.1.2", "RFC 9113 §8.7")
async def test_stream_beyond_the_limit_is_refused_and_can_be_repeated() -> None:
    gate = asyncio.Event()

    async def slow(conn: Connection, receive: Receive, send: Send) -> None:
        await gate.wait()
        await send(Response("slow"))

    app = App({"/": slow})
    async with serving(app, h2_max_concurrent_streams=2) as server, lined(server) as peer:
        for stream in (1, 3, 5):
            await peer.send(frame(HEADERS, END_STREAM | END_HEADERS, stream, GET))
        refused = await peer.until(RST_STREAM)
        assert (refused.stream_id, refused.code) == (5, ErrorCodes.REFUSED_STREAM)
        assert len(app.seen) == 2
        gate.set()
        await peer.until(DATA, 3)
        await peer.send(frame(HEADERS, END_STREAM | END_HEADERS, 7, GET))
        await peer.until(DATA, 7)


@spec("RFC 9113 §5.2", "RFC 9113 §6.9")
@pytest.mark.parametrize("window", [0, 1, 100, 65535, 1 << 20])
async def test_content_is_held_to_the_clients_windows(window: int) -> None:
    """The h2 package raises on every byte too many."""
    settings = {SettingCodes.INITIAL_WINDOW_SIZE: window}
    app = App({"/": Response(bytes(200_000))})
    async with conversation(app, Client(credit=False, settings=settings)) as peer:
        stream = peer.client.request()
        reply = peer.client.replies[stream]
        expected = min(window, 65535)
        await peer.until_true(lambda: reply.status and len(reply.body) == expected)
        peer.client.h2.increment_flow_control_window(500_000)
        peer.client.h2.increment_flow_control_window(500_000, stream)
        await peer.until_true(lambda: reply.ended)
        assert len(reply.body) == 200_000


@spec("RFC 9113 §6.9.2", "a window below zero")
async def test_window_that_becomes_negative_is_waited_for() -> None:
    async with line(App({"/": Response(bytes(100_000))})) as peer:
        await peer.send(frame(HEADERS, END_STREAM | END_HEADERS, 1, GET))
        got = 0
        while got < 65535:
            got += len((await peer.until(DATA)).payload)
        await peer.send(frame(SETTINGS, 0, 0, b"\0\4" + bytes(4)))
        await peer.send(frame(WINDOW_UPDATE, 0, 0, (100_000).to_bytes(4, "big")))
        await peer.send(frame(WINDOW_UPDATE, 0, 1, (65535).to_bytes(4, "big")))
        assert await peer.alive()
        await peer.send(frame(WINDOW_UPDATE, 0, 1, (10).to_bytes(4, "big")))
        assert len((await peer.until(DATA)).payload) == 10


@spec("RFC 9113 §5.2.2", "credit is given for what was consumed")
async def test_client_is_held_back_by_a_handler_that_does_not_read() -> None:
    gate = asyncio.Event()

    async def late(conn: Connection, receive: Receive, send: Send) -> None:
        await gate.wait()
        await echo(conn, receive, send)

    async with conversation(App({"/late": late})) as peer:
        stream = peer.client.request("/late", method="POST", end=False)
        peer.client.data(stream, bytes(65535))
        assert (await peer.ask("/other")).status == 200
        assert peer.client.h2.local_flow_control_window(stream) == 0
        gate.set()
        await peer.until_true(lambda: peer.client.h2.local_flow_control_window(stream) > 60000)
        peer.client.data(stream, b"end", end=True)
        assert len((await peer.reply(stream)).body) == 65538


@spec("RFC 9113 §5.4.2", "an error of one stream is no error of the others")
@pytest.mark.parametrize(
    ("wire", "code"),
    [
        (frame(HEADERS, END_STREAM | END_HEADERS, 3, GET + b"\x40\x01A\x01b"), 1),
        (frame(HEADERS, END_STREAM | END_HEADERS, 3, b"\x82\x86\x84"), 1),
        (frame(HEADERS, END_HEADERS, 3, POST) + frame(WINDOW_UPDATE, 0, 3, bytes(4)), 1),
        (frame(HEADERS, END_STREAM | END_HEADERS, 3, POST + b"\x0f\x0d\x015"), 1),
    ],
)
async def test_fault_of_a_stream_leaves_the_others_alone(wire: bytes, code: int) -> None:
    gate = asyncio.Event()

    async def slow(conn: Connection, receive: Receive, send: Send) -> None:
        await gate.wait()
        await send(Response("slow"))

    async def reads(conn: Connection, receive: Receive, send: Send) -> None:
        await conn.body()

    handlers = iter((slow, reads))
    app = App()
    app.begin = lambda conn: next(handlers)  # type: ignore[method-assign]
    async with line(app) as peer:
        await peer.send(frame(HEADERS, END_STREAM | END_HEADERS, 1, GET), wire)
        reset = await peer.until(RST_STREAM)
        assert (reset.stream_id, reset.code) == (3, code)
        gate.set()
        assert (await peer.until(DATA)).payload == b"slow"


@spec("RFC 9113 §5.1", "frames that were on their way when a stream was reset")
async def test_frames_for_a_stream_that_we_reset_are_ignored() -> None:
    async with line(App({"/": echo})) as peer:
        await peer.send(
            frame(HEADERS, END_HEADERS, 1, POST),
            frame(WINDOW_UPDATE, 0, 1, bytes(4)),
            frame(DATA, 0, 1, bytes(1000)),
            frame(DATA, END_STREAM, 1, bytes(1000)),
        )
        assert (await peer.until(RST_STREAM)).stream_id == 1
        assert await peer.alive()


@spec("RFC 9113 §5.1", "RFC 9113 §6.9", "WINDOW_UPDATE on a half-closed or closed stream")
async def test_window_update_after_the_end_is_no_fault() -> None:
    """Defect 27."""
    async with line() as peer:
        await peer.send(frame(HEADERS, END_STREAM | END_HEADERS, 1, GET))
        await peer.until(DATA)
        await peer.send(frame(WINDOW_UPDATE, 0, 1, b"\0\0\0\1"))
        assert await peer.alive()


@spec("RFC 9113 §6.8", "RFC 9113 §5.4.1")
async def test_goaway_says_which_request_was_the_last() -> None:
    async with line() as peer:
        for stream in (1, 3):
            await peer.send(frame(HEADERS, END_STREAM | END_HEADERS, stream, GET))
        await peer.until(DATA, 3)
        await peer.send(frame(DATA, 0, 0, b"x"))
        goaway = await peer.until(GOAWAY)
        assert (goaway.last_stream_id, goaway.code) == (3, ErrorCodes.PROTOCOL_ERROR)


@spec("RFC 9218 §10", "RFC 9113 §5.3")
async def test_urgent_answers_overtake_those_that_wait_for_credit() -> None:
    settings = {SettingCodes.INITIAL_WINDOW_SIZE: 1 << 20}
    client = Client(credit=False, settings=settings)
    async with conversation(App({"/": Response(bytes(300_000))}), client) as peer:
        last = peer.client.request("/", fields=[(b"priority", b"u=5")])
        first = peer.client.request("/", fields=[(b"priority", b"u=1")])
        replies = peer.client.replies
        await peer.until_true(lambda: len(replies[first].body) + len(replies[last].body) == 65535)
        peer.client.h2.increment_flow_control_window(300_000)
        await peer.until_true(lambda: replies[first].ended)
        assert len(replies[last].body) <= 65535


@spec("RFC 9218 §10", "incremental responses share")
async def test_incremental_answers_take_turns() -> None:
    settings = {SettingCodes.INITIAL_WINDOW_SIZE: 1 << 20}
    client = Client(credit=False, settings=settings)
    async with conversation(App({"/": Response(bytes(300_000))}), client) as peer:
        streams = [peer.client.request("/", fields=[(b"priority", b"i")]) for _ in range(3)]
        bodies = [peer.client.replies[stream] for stream in streams]
        await peer.until_true(lambda: sum(len(r.body) for r in bodies) == 65535)
        peer.client.h2.increment_flow_control_window(300_000)
        await peer.until_true(lambda: sum(len(r.body) for r in bodies) == 365_535)
        assert max(len(r.body) for r in bodies) - min(len(r.body) for r in bodies) < 40_000


async def test_streaming_handlers_of_one_connection_do_not_starve_each_other() -> None:
    async def streams(conn: Connection, receive: Receive, send: Send) -> None:
        await send(ResponseStart(200))
        for _ in range(50):
            await send(ResponseBody(bytes(10_000), True))
        await send(ResponseBody())

    async with (
        serving(App({"/": streams})) as server,
        connected(server) as one,
        connected(server) as two,
    ):
        asked = [(peer, peer.client.request()) for peer in (one, two) for _ in range(5)]
        for peer, stream in asked:
            assert len((await peer.reply(stream)).body) == 500_000
