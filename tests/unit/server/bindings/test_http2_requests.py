"""Requests and responses on streams: what handlers get, and what becomes of what they send."""

from __future__ import annotations

import asyncio
import logging

import pytest
from h2.errors import ErrorCodes
from h2.settings import SettingCodes

from blackbull.abc import Refusal
from blackbull.connection import Connection
from blackbull.errors import ClientDisconnected, LocalProtocolError
from blackbull.messages import ResponsePush
from blackbull.native import (
    InterimResponse,
    Receive,
    RequestBody,
    RequestDisconnected,
    ResponseBody,
    ResponseStart,
    ResponseTrailers,
    Send,
)
from blackbull.response import Response
from blackbull.server.bindings import http2_consumer
from blackbull.server.bindings.http2 import HTTP2Binding
from tests.http2_peer import Client
from tests.spec import spec
from tests.unit.server.bindings.http2_talk import App, Talk, View, echo, waiting

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


# The door


@pytest.mark.parametrize(
    ("prefix", "alpn", "answer"),
    [
        (b"P", None, None),
        (b"PR", None, None),
        (PREFACE[:23], None, None),
        (PREFACE, None, True),
        (PREFACE + b"\0", None, True),
        (b"G", None, False),
        (b"PO", None, False),
        (b"PRI * HTTP/1", None, False),
        (PREFACE[:-1] + b"x", None, False),
        (b"G", "h2", True),
        (b"P", "http/1.1", False),
    ],
)
@spec("RFC 9113 §3.3", "RFC 9113 §3.4")
async def test_detect_answers_as_early_as_possible(
    prefix: bytes, alpn: str | None, answer: bool | None
) -> None:
    """S17."""
    talk = Talk(App())
    assert HTTP2Binding(talk.service).detect(prefix, alpn) is answer
    talk.service.close()


@spec("RFC 9113 §3.4", "the server's preface does not wait for the client's")
async def test_preface_is_said_before_the_client_has_said_anything() -> None:
    talk = Talk(App())
    await HTTP2Binding(talk.service).serve(talk.view)
    assert talk.view.writes == 1
    talk.hear()
    assert talk.client.settings[SettingCodes.MAX_CONCURRENT_STREAMS] == 100
    talk.say()
    assert (await talk.ask()).status == 200
    talk.end()


@pytest.mark.parametrize(
    ("why", "code"),
    [
        (Refusal.OVERLOADED, ErrorCodes.ENHANCE_YOUR_CALM),
        (Refusal.TIMEOUT, ErrorCodes.ENHANCE_YOUR_CALM),
        (Refusal.SHUTDOWN, ErrorCodes.NO_ERROR),
    ],
)
@spec("RFC 9113 §6.8")
async def test_refuse_says_goaway_and_closes(why: Refusal, code: ErrorCodes) -> None:
    talk = Talk(App())
    view = View()
    await HTTP2Binding(talk.service).refuse(view, why)
    talk.client.receive(view.take_sent())
    assert talk.client.left == [(code, 0)]
    assert view.closed
    talk.service.close()


# Requests


async def test_request_reaches_the_application_as_any_other() -> None:
    app = App()
    talk = await Talk(app).begin()
    fields = [(b"x-one", b"1"), (b"cookie", b"a=b"), (b"cookie", b"c=d")]
    await talk.ask("/pa%20th?q=1", fields=fields)
    (conn,) = app.seen
    assert (conn.method, conn.path, conn.query, conn.http_version) == (
        "GET", "/pa th", {"q": "1"}, "2",
    )  # fmt: skip
    assert conn.headers.get(b"host") == b"a"
    assert conn.cookies == {"a": "b", "c": "d"}
    assert conn.scheme == "http"
    assert conn.client == talk.view.peername
    assert conn["type"] == "http"
    talk.end()


@pytest.mark.parametrize("size", [0, 1, 1000, 60000])
async def test_content_that_came_along_is_there_at_once(size: int) -> None:
    app = App()
    talk = await Talk(app).begin()
    reply = await talk.ask("/", method="POST", content=bytes(size))
    assert reply.status == 200
    assert app.seen[0]._content == bytes(size)
    talk.end()


async def test_content_in_pieces_is_read_as_it_comes() -> None:
    parts: list[RequestBody] = []

    async def reads(conn: Connection, receive: Receive, send: Send) -> None:
        while isinstance(message := await receive(), RequestBody):
            parts.append(message)
            if not message.more:
                await send(Response("done"))

    talk = await Talk(App({"/": reads})).begin()
    stream = talk.client.request("/", method="POST", end=False)
    await talk.turn()
    for part in (b"one", b"two"):
        talk.client.data(stream, part)
        await talk.turn()
    talk.client.data(stream, b"three")
    talk.client.h2.send_headers(stream, [(b"x-sum", b"42")], end_stream=True)
    await talk.until(lambda: talk.client.replies[stream].over)
    assert [(part.data, part.more) for part in parts] == [
        (b"one", True), (b"two", True), (b"three", False),
    ]  # fmt: skip
    assert parts[-1].trailers == ((b"x-sum", b"42"),)
    talk.end()


async def test_trailers_alone_end_the_content() -> None:
    parts: list[RequestBody] = []

    async def reads(conn: Connection, receive: Receive, send: Send) -> None:
        parts.append(await receive())
        parts.append(await receive())
        await send(Response("done"))

    talk = await Talk(App({"/": reads})).begin()
    stream = talk.client.request("/", method="POST", end=False)
    talk.client.data(stream, b"all")
    await talk.turn()
    talk.client.h2.send_headers(stream, [(b"x-sum", b"42")], end_stream=True)
    await talk.until(lambda: talk.client.replies[stream].over)
    assert parts == [RequestBody(b"all", True), RequestBody(b"", False, ((b"x-sum", b"42"),))]
    talk.end()


@pytest.mark.parametrize("together", [True, False])
async def test_content_is_returned_whole_by_body(together: bool) -> None:
    talk = await Talk(App({"/": echo})).begin()
    content = bytes(range(256)) * 100
    stream = talk.client.request("/", method="POST", end=False)
    if not together:
        await talk.turn()
    talk.client.data(stream, content, end=True)
    await talk.until(lambda: talk.client.replies[stream].over)
    assert talk.client.replies[stream].body == content
    talk.end()


@spec("RFC 9110 §10.1.1", "RFC 9113 §8.1")
async def test_continue_is_sent_when_the_handler_wants_the_content() -> None:
    gate = asyncio.Event()

    async def late(conn: Connection, receive: Receive, send: Send) -> None:
        await gate.wait()
        await echo(conn, receive, send)

    talk = await Talk(App({"/": late})).begin()
    expect = [(b"expect", b"100-continue"), (b"content-length", b"4")]
    stream = talk.client.request("/", method="POST", fields=expect, end=False)
    reply = talk.client.replies[stream]
    await talk.turn()
    assert reply.interim == []
    gate.set()
    await talk.turn()
    assert reply.interim == [100]
    talk.client.data(stream, b"abcd", end=True)
    await talk.until(lambda: reply.over)
    assert (reply.interim, reply.body) == ([100], b"abcd")
    talk.end()


async def test_continue_is_not_sent_once_content_came_or_was_refused() -> None:
    talk = await Talk(App({"/": echo, "/no": Response("no", 403)})).begin()
    expect = [(b"expect", b"100-continue"), (b"content-length", b"4")]
    reply = await talk.ask("/", method="POST", content=b"abcd", fields=expect)
    assert (reply.interim, reply.body) == ([], b"abcd")
    stream = talk.client.request("/no", method="POST", fields=expect, end=False)
    talk.exchange()
    reply = talk.client.replies[stream]
    assert (reply.interim, reply.status, reply.ended) == ([], 403, True)
    talk.end()


@pytest.mark.parametrize(
    ("method", "fields", "status"),
    [
        ("POST", [(b"content-length", b"1001")], 413),
        ("POST", [(b"expect", b"a miracle")], 417),
        ("GET", [(b"x", b"y" * 2000)], 431),
        ("GET", [(b"x", b"y" * 90)] * 40, 431),
    ],
)
@spec("RFC 9110 §15.5.14", "RFC 9110 §15.5.18", "RFC 6585 §5")
async def test_request_beyond_what_is_served_is_answered_with_its_status(
    method: str, fields: list[tuple[bytes, bytes]], status: int
) -> None:
    app = App()
    settings = {"max_body_size": 1000, "header_max_line": 1024, "header_max_total": 4096}
    talk = await Talk(app, **settings).begin()
    reply = await talk.ask("/", method=method, fields=fields, content=b"x" * (method == "POST"))
    assert (reply.status, reply.ended) == (status, True)
    assert app.seen == []
    assert (await talk.ask()).status == 200
    talk.end()


@spec("RFC 9110 §15.5.15", "RFC 6585 §5")
@pytest.mark.parametrize(
    ("path", "fields", "status"),
    [
        ("/" + "x" * 127, [], 200),
        ("/" + "x" * 128, [], 414),
        ("/?" + "x" * 127, [], 414),
        ("/", [(b"host", b"a"), (b"x", b"y" * 127)], 200),
        ("/", [(b"x", b"y" * 128)], 431),
    ],
)
async def test_path_and_fields_have_their_longest_line(
    caplog: pytest.LogCaptureFixture, path: str, fields: list[tuple[bytes, bytes]], status: int
) -> None:
    talk = await Talk(App(), header_max_line=128).begin()
    assert (await talk.ask(path, fields=fields)).status == status
    fired = [record.__dict__["cap"] for record in caplog.records]
    assert fired == ["header_max_line"] * (status != 200)
    talk.end()


@spec("RFC 9110 §15.5.14")
async def test_content_that_becomes_too_much_is_413() -> None:
    outcomes: list[object] = []

    async def reads(conn: Connection, receive: Receive, send: Send) -> None:
        while isinstance(message := await receive(), RequestBody):
            outcomes.append(len(message.data))
        outcomes.append(message)
        with pytest.raises(ClientDisconnected):
            await send(Response("too late"))

    talk = await Talk(App({"/": reads}), max_body_size=1000).begin()
    stream = talk.client.request("/", method="POST", end=False)
    await talk.turn()
    talk.client.data(stream, bytes(1000))
    await talk.turn()
    talk.client.data(stream, b"x")
    await talk.until(lambda: talk.client.replies[stream].over)
    assert talk.client.replies[stream].status == 413
    await talk.turn()
    assert outcomes == [1000, RequestDisconnected()]
    talk.end()


@spec("RFC 9113 §8.1.1")
async def test_content_that_becomes_too_much_within_one_arrival_is_413() -> None:
    app = App()
    talk = await Talk(app, max_body_size=1000).begin()
    reply = await talk.ask("/", method="POST", content=bytes(1001))
    assert reply.status == 413
    assert app.seen == []
    talk.end()


@spec("RFC 9113 §8.1.1")
async def test_malformed_request_costs_its_stream_only(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "blackbull.server")
    app = App()
    talk = await Talk(app).begin()
    talk.client.h2.config.validate_outbound_headers = False
    talk.client.h2.config.normalize_outbound_headers = False
    reply = await talk.ask("/", fields=[(b"Upper", b"case")])
    assert reply.reset == ErrorCodes.PROTOCOL_ERROR
    assert app.seen == []
    assert (await talk.ask()).status == 200
    assert "RFC 9113 §8.2.1" in caplog.text
    talk.end()


async def test_content_shorter_than_announced_ends_the_handler() -> None:
    outcomes: list[object] = []

    async def reads(conn: Connection, receive: Receive, send: Send) -> None:
        try:
            await conn.body()
        except ClientDisconnected as error:
            outcomes.append(error)
            raise

    talk = await Talk(App({"/": reads})).begin()
    length = [(b"content-length", b"10")]
    stream = talk.client.request("/", method="POST", fields=length, end=False)
    await talk.turn()
    talk.client.data(stream, b"abc", end=True)
    await talk.until(lambda: talk.client.replies[stream].over)
    await talk.turn()
    assert talk.client.replies[stream].reset == ErrorCodes.PROTOCOL_ERROR
    assert len(outcomes) == 1
    talk.end()


# Responses


async def test_head_has_the_fields_and_no_content() -> None:
    talk = await Talk(App({"/": Response("hello")})).begin()
    reply = await talk.ask("/", method="HEAD")
    assert (reply.status, reply["content-length"], reply.body) == (200, b"5", b"")
    talk.end()


async def test_head_of_an_endless_stream_does_not_starve_the_others() -> None:
    tasks: list[asyncio.Task[object]] = []

    async def endless(conn: Connection, receive: Receive, send: Send) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.append(task)
        await send(ResponseStart(200, cancel_on_disconnect=True))
        while True:
            await send(ResponseBody(b"x", True))

    talk = await Talk(App({"/endless": endless})).begin()
    reply = await talk.ask("/endless", method="HEAD")
    assert reply.status == 200
    assert (await talk.ask()).status == 200
    talk.end()
    while not tasks[0].done():
        await asyncio.sleep(0)


@pytest.mark.parametrize("status", [204, 304])
async def test_response_without_content_ends_with_its_head(status: int) -> None:
    talk = await Talk(App({"/": Response("", status, "")})).begin()
    reply = await talk.ask()
    assert (reply.status, reply.body, reply.values("content-length")) == (status, b"", [])
    talk.end()


async def test_response_in_parts_has_interim_ones_before_and_trailers_behind() -> None:
    async def handler(conn: Connection, receive: Receive, send: Send) -> None:
        await send(InterimResponse(103, ((b"link", b"</a>"),)))
        await send(ResponseStart(200, ((b"x", b"y"),), trailers=True))
        for part in (b"one", b"two"):
            await send(ResponseBody(part, True))
        await send(ResponseBody(b"three", False))
        await send(ResponseTrailers(((b"x-sum", b"42"),)))

    talk = await Talk(App({"/": handler})).begin()
    reply = await talk.ask()
    assert (reply.interim, reply.status, reply.body) == ([103], 200, b"onetwothree")
    assert reply.trailers == [(b"x-sum", b"42")]
    assert reply["x"] == b"y"
    assert len(reply.values("date")) == 1
    talk.end()


async def test_message_out_of_order_is_the_handlers_mistake() -> None:
    mistakes: list[str] = []

    async def handler(conn: Connection, receive: Receive, send: Send) -> None:
        for message in (ResponseBody(b"x", True), ResponseTrailers(((b"a", b"b"),))):
            with pytest.raises(LocalProtocolError):
                await send(message)
            mistakes.append(type(message).__name__)
        await send(ResponseStart(200))
        for message in (ResponseStart(200), Response("x"), InterimResponse(103)):
            with pytest.raises(LocalProtocolError):
                await send(message)
            mistakes.append(type(message).__name__)
        await send(ResponseBody(b"fine"))
        with pytest.raises(LocalProtocolError):
            await send(ResponseBody(b"more"))
        mistakes.append("late")

    talk = await Talk(App({"/": handler})).begin()
    reply = await talk.ask()
    assert (reply.status, reply.body) == (200, b"fine")
    await talk.turn()
    assert len(mistakes) == 6
    talk.end()


async def test_handler_that_fails_before_its_response_is_500(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fails(conn: Connection, receive: Receive, send: Send) -> None:
        raise RuntimeError("a bug")

    async def forgets(conn: Connection, receive: Receive, send: Send) -> None:
        await asyncio.sleep(0)

    talk = await Talk(App({"/fails": fails, "/forgets": forgets})).begin()
    assert (await talk.ask("/fails")).status == 500
    assert (await talk.ask("/forgets")).status == 500
    assert "a bug" in caplog.text
    assert "sent no response" in caplog.text
    assert (await talk.ask()).status == 200
    talk.end()


@spec("RFC 9113 §8.1", "a response that breaks off")
async def test_handler_that_fails_in_its_response_resets_the_stream(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fails(conn: Connection, receive: Receive, send: Send) -> None:
        await send(ResponseStart(200))
        await send(ResponseBody(b"x", True))
        raise RuntimeError("a bug")

    talk = await Talk(App({"/fails": fails})).begin()
    reply = await talk.ask("/fails")
    assert (reply.status, reply.reset) == (200, ErrorCodes.INTERNAL_ERROR)
    assert (await talk.ask()).status == 200
    talk.end()


async def test_response_that_cannot_be_sent_is_500(caplog: pytest.LogCaptureFixture) -> None:
    bad = Response("x")
    bad.fields = [(b"Upper", b"case")]
    talk = await Talk(App({"/": bad})).begin()
    assert (await talk.ask()).status == 500
    assert "cannot be sent" in caplog.text
    talk.end()


async def test_heartbeat_breaks_the_silence_but_does_not_pile_up() -> None:
    gate = asyncio.Event()

    async def quiet(conn: Connection, receive: Receive, send: Send) -> None:
        await send(ResponseStart(200, heartbeat=(0.01, b".")))
        await gate.wait()
        await send(ResponseBody(b"end"))

    talk = await Talk(App({"/": quiet}), Client(credit=False)).begin()
    stream = talk.client.request()
    reply = talk.client.replies[stream]
    while len(reply.body) < 3:
        await asyncio.sleep(0.01)
        talk.exchange()
    gate.set()
    await talk.until(lambda: reply.over)
    assert reply.body.strip(b".") == b"end"
    talk.end()


# Clients that leave


@pytest.mark.parametrize("cancels", [True, False])
async def test_reset_tells_the_handler(cancels: bool) -> None:
    """Defect 17: the work of a stream that is reset ends."""
    seen: list[object] = []

    async def handler(conn: Connection, receive: Receive, send: Send) -> None:
        await send(ResponseStart(200, cancel_on_disconnect=cancels))
        await send(ResponseBody(b"x", True))
        try:
            await receive()
            seen.append(await receive())
            await send(ResponseBody(b"y", True))
        except BaseException as error:
            seen.append(type(error))
            raise

    talk = await Talk(App({"/": handler})).begin()
    stream = talk.client.request()
    await talk.turn()
    talk.client.h2.reset_stream(stream, ErrorCodes.CANCEL)
    await talk.turn()
    expected: list[object] = (
        [asyncio.CancelledError] if cancels else [RequestDisconnected(), ClientDisconnected]
    )
    assert seen == expected
    assert talk.driver.handlers.running == 0
    assert (await talk.ask("/b")).status == 200
    talk.end()


async def test_connection_that_is_lost_tells_every_handler() -> None:
    seen: list[object] = []

    async def handler(conn: Connection, receive: Receive, send: Send) -> None:
        await receive()
        seen.append(await receive())

    talk = await Talk(App({"/": handler})).begin()
    for _ in range(5):
        talk.client.request()
    await talk.turn()
    talk.end()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert seen == [RequestDisconnected()] * 5


async def test_response_before_the_content_lets_the_client_stop() -> None:
    """Defect 26: content that nobody reads holds nothing up."""
    talk = await Talk(App({"/": Response("early")})).begin()
    stream = talk.client.request("/", method="POST", end=False)
    talk.exchange()
    reply = talk.client.replies[stream]
    assert (reply.status, reply.ended) == (200, True)
    for _ in range(3):
        talk.client.data(stream, bytes(16384))
        talk.exchange()
    talk.client.data(stream, b"", end=True)
    talk.exchange()
    assert talk.client.h2.outbound_flow_control_window > 30000
    assert not talk.driver.machine.active
    talk.end()


@spec("RFC 9113 §8.1", "a response before the end of its request")
@pytest.mark.parametrize("waits", [True, False])
async def test_client_that_goes_on_after_its_answer_is_stopped_but_sees_the_answer(
    waits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def handler(conn: Connection, receive: Receive, send: Send) -> None:
        await send(Response("no", 403))

    monkeypatch.setattr(http2_consumer, "STOP_SECONDS", 0.01)
    talk = await Talk(App({"/": handler if waits else Response("no", 403)})).begin()
    stream = talk.client.request("/", method="POST", end=False)
    reply = talk.client.replies[stream]
    await talk.until(lambda: reply.ended)
    assert (reply.status, reply.reset) == (403, None)
    await asyncio.sleep(0.02)
    talk.hear()
    assert reply.reset == ErrorCodes.NO_ERROR
    assert not talk.driver.machine.active
    talk.end()


# How many at a time


async def test_handlers_beyond_the_limit_wait_for_their_turn() -> None:
    gate, first = asyncio.Event(), asyncio.Event()
    app = App({"/": waiting(gate), "/first": waiting(first)})
    talk = await Talk(app, h2_active_streams=20).begin()
    streams = [talk.client.request("/first"), *(talk.client.request() for _ in range(49))]
    await talk.turn()
    assert talk.driver.handlers.running == 20
    assert (await talk.ask("/plain")).status == 200  # what cannot wait does not wait
    first.set()
    await talk.until(lambda: talk.client.replies[streams[0]].over)
    await talk.turn()
    assert talk.driver.handlers.running == 20  # one has ended, one has begun
    gate.set()
    await talk.until(lambda: all(talk.client.replies[s].over for s in streams))
    assert talk.driver.handlers.running == 0
    talk.end()


async def test_request_that_is_reset_while_it_waits_is_never_begun() -> None:
    gate = asyncio.Event()
    ran: list[str] = []

    async def handler(conn: Connection, receive: Receive, send: Send) -> None:
        ran.append(conn.query_string.decode())
        await gate.wait()
        await send(Response("x"))

    talk = await Talk(App({"/": handler}), h2_active_streams=1).begin()
    first, second, third = [talk.client.request(f"/?{i}") for i in range(3)]
    await talk.turn()
    talk.client.h2.reset_stream(second)
    await talk.turn()
    gate.set()
    await talk.until(lambda: talk.client.replies[third].over)
    assert ran == ["0", "2"]
    assert talk.client.replies[first].over
    talk.end()


async def test_requests_that_are_reset_while_they_wait_leave_nothing_behind() -> None:
    """Defect 17."""
    gate = asyncio.Event()
    talk = await Talk(App({"/": waiting(gate)}), h2_active_streams=1).begin()
    first = talk.client.request()
    for _ in range(80):
        talk.client.h2.reset_stream(talk.client.request())
        talk.exchange()
    assert len(talk.driver.handlers._waiting) == 0
    assert list(talk.driver.handlers.open) == [first]
    gate.set()
    await talk.until(lambda: talk.client.replies[first].over)
    talk.end()


@spec("RFC 9113 §5.1.2")
async def test_streams_beyond_the_announced_number_are_refused() -> None:
    gate = asyncio.Event()
    talk = await Talk(App({"/": waiting(gate)}), h2_max_concurrent_streams=3).begin()
    assert talk.client.settings[SettingCodes.MAX_CONCURRENT_STREAMS] == 3
    talk.client.h2.remote_settings._settings[SettingCodes.MAX_CONCURRENT_STREAMS].append(100)
    talk.client.h2.remote_settings.acknowledge()
    streams = [talk.client.request() for _ in range(4)]
    await talk.turn()
    assert [talk.client.replies[s].reset for s in streams] == [
        None, None, None, ErrorCodes.REFUSED_STREAM,
    ]  # fmt: skip
    gate.set()
    await talk.until(lambda: talk.client.replies[streams[2]].over)
    talk.end()


# Extensions


async def test_extensions_tell_of_stream_and_priority() -> None:
    app = App()
    talk = await Talk(app).begin()
    await talk.ask("/", fields=[(b"priority", b"u=1, i")])
    extensions = app.seen[0].extensions
    assert extensions["http.response.priority"] == {"urgency": 1, "incremental": True}
    assert extensions["http.response.http2_stream"]["stream_id"] == 1
    await talk.ask("/")
    assert app.seen[1].extensions["http.response.priority"] == {
        "urgency": 3, "incremental": False,
    }  # fmt: skip
    talk.end()


async def test_extension_tells_the_windows_of_the_moment() -> None:
    windows: list[dict[str, object]] = []

    async def handler(conn: Connection, receive: Receive, send: Send) -> None:
        windows.append(conn.extensions["http.response.http2_stream"])
        await send(Response("x"))

    settings = {SettingCodes.INITIAL_WINDOW_SIZE: 1000}
    talk = await Talk(App({"/": handler}), Client(settings=settings)).begin()
    await talk.ask()
    assert windows == [
        {
            "stream_id": 1,
            "send_window_remaining": 1000,
            "connection_send_window_remaining": 65535,
        }
    ]
    talk.end()


@spec("RFC 9218 §7.1")
async def test_priority_update_is_seen_by_the_handler_that_runs() -> None:
    gate = asyncio.Event()
    seen: list[dict[str, object]] = []

    async def handler(conn: Connection, receive: Receive, send: Send) -> None:
        shared = conn.extensions["http.response.priority"]
        seen.append(dict(shared))
        await gate.wait()
        seen.append(dict(shared))
        await send(Response("x"))

    talk = await Talk(App({"/": handler})).begin()
    stream = talk.client.request()
    await talk.turn()
    value = stream.to_bytes(4, "big") + b"u=0,i"
    talk.view.feed(len(value).to_bytes(3, "big") + b"\x10\0\0\0\0\0" + value)
    gate.set()
    await talk.until(lambda: talk.client.replies[stream].over)
    assert seen == [
        {"urgency": 3, "incremental": False}, {"urgency": 0, "incremental": True},
    ]  # fmt: skip
    talk.end()


@spec("RFC 9113 §8.4")
async def test_push_is_answered_like_a_request() -> None:
    async def page(conn: Connection, receive: Receive, send: Send) -> None:
        assert "http.response.push" in conn.extensions
        await send(ResponsePush("/style.css?v=1", ((b"x", b"y"),)))
        await send(ResponsePush("/waits"))
        await send(Response("page"))

    async def slow(conn: Connection, receive: Receive, send: Send) -> None:
        assert "http.response.push" not in conn.extensions
        await send(ResponsePush("/never"))
        await asyncio.sleep(0)
        await send(Response("slow"))

    app = App({"/": page, "/waits": slow})
    talk = await Talk(app).begin()
    reply = await talk.ask()
    await talk.until(lambda: all(r.over for r in talk.client.replies.values()))
    assert reply.body == b"page"
    assert {s: dict(f)[b":path"] for s, f in talk.client.pushed.items()} == {
        2: b"/style.css?v=1", 4: b"/waits",
    }  # fmt: skip
    assert dict(talk.client.pushed[2])[b"x"] == b"y"
    assert talk.client.replies[2].body == b"GET /style.css"
    assert talk.client.replies[4].body == b"slow"
    talk.end()


@spec("RFC 9113 §6.5.2", "SETTINGS_ENABLE_PUSH")
async def test_push_that_the_client_does_not_take_is_not_sent() -> None:
    async def page(conn: Connection, receive: Receive, send: Send) -> None:
        assert "http.response.push" not in conn.extensions
        await send(ResponsePush("/style.css"))
        await send(Response("page"))

    client = Client(settings={SettingCodes.ENABLE_PUSH: 0})
    talk = await Talk(App({"/": page}), client).begin()
    assert (await talk.ask()).body == b"page"
    assert talk.client.pushed == {}
    talk.end()
