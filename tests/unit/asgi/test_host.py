from __future__ import annotations

import asyncio
from typing import cast

import pytest

from blackbull.asgi import HostedApp
from blackbull.asgi.types import (
    ASGIReceiveCallable,
    ASGIReceiveEvent,
    ASGISendCallable,
    ASGISendEvent,
    Scope,
)
from blackbull.errors import ConnectionLost, LocalProtocolError
from blackbull.native import (
    InterimResponse,
    RequestBody,
    RequestDisconnected,
    ResponseBody,
    ResponseMessage,
    ResponseStart,
    ResponseTrailers,
)
from blackbull.response import Response
from tests.spec import spec
from tests.unit.asgi.doubles import NativeServer, answering, body, start

TEXT = (b"content-type", b"text/plain")


def length(n: int) -> tuple[bytes, bytes]:
    return b"content-length", b"%d" % n


async def run(hosted: HostedApp, server: NativeServer) -> list[ResponseMessage]:
    await hosted(server.conn, server.receive, server.send)
    return server.sent


def shape(message: ResponseMessage) -> object:
    """Return what can be compared: Response has no equality of its own."""
    if isinstance(message, Response):
        return message.status, message.content_type, list(message.fields), message.body
    return message


@pytest.mark.parametrize(
    ("headers", "content", "expected"),
    [
        ([], b"hello", (200, b"", [], b"hello")),
        ([TEXT], b"hello", (200, b"text/plain", [], b"hello")),
        ([TEXT, length(5)], b"hello", (200, b"text/plain", [], b"hello")),
        (
            [(b"set-cookie", b"a=1"), TEXT, (b"set-cookie", b"b=2")],
            b"",
            (200, b"text/plain", [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")], b""),
        ),
        (
            [TEXT, (b"connection", b"close")],
            b"x",
            (200, b"text/plain", [(b"connection", b"close")], b"x"),
        ),
    ],
)
async def test_response_complete_at_once_leaves_as_one_message(
    headers: list[tuple[bytes, bytes]], content: bytes, expected: object
) -> None:
    app = answering(start(200, *headers), body(content))
    sent = await run(HostedApp(app), NativeServer())
    assert [shape(message) for message in sent] == [expected]


@spec("RFC 9110 §8.6", "the length of another response")
@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 304)])
async def test_response_with_the_length_of_another_is_sent_as_told(
    method: str, status: int
) -> None:
    app = answering(start(status, TEXT, length(5)), body())
    sent = await run(HostedApp(app), NativeServer(method))
    assert sent == [ResponseStart(status, (TEXT, length(5))), ResponseBody(b"", False)]


async def test_response_in_parts_is_streamed() -> None:
    app = answering(start(200, TEXT), body(b"a", more=True), body(b"b", more=True), body(b"c"))
    assert await run(HostedApp(app), NativeServer()) == [
        ResponseStart(200, (TEXT,)),
        ResponseBody(b"a", True),
        ResponseBody(b"b", True),
        ResponseBody(b"c", False),
    ]


async def test_response_start_waits_for_the_first_body() -> None:
    """ASGI forbids to send a response before its first body event."""
    server = NativeServer()
    held: list[int] = []

    async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        await send(start(200))
        held.append(len(server.sent))
        await send(body(b"", more=True))
        held.append(len(server.sent))
        await send(body(b"x"))

    await run(HostedApp(app), server)
    assert held == [0, 1]


async def test_trailers_announced_are_sent_once_complete() -> None:
    app = answering(
        start(200, TEXT, trailers=True),
        body(b"x"),
        {"type": "http.response.trailers", "headers": [(b"a", b"1")], "more_trailers": True},
        {"type": "http.response.trailers", "headers": [(b"b", b"2")]},
    )
    assert await run(HostedApp(app), NativeServer()) == [
        ResponseStart(200, (TEXT,), trailers=True),
        ResponseBody(b"x", False),
        ResponseTrailers(((b"a", b"1"), (b"b", b"2"))),
    ]


@spec("RFC 8297 §2")
async def test_early_hint_precedes_the_response() -> None:
    app = answering(
        {"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload"]},
        start(200, TEXT),
        body(b"x"),
    )
    sent = await run(HostedApp(app), NativeServer())
    assert sent[0] == InterimResponse(103, ((b"link", b"</a.css>; rel=preload"),))
    assert isinstance(sent[1], Response)


@spec("ASGI HTTP & WebSocket", "order of events")
@pytest.mark.parametrize(
    ("events", "phase"),
    [
        ([body()], "before http.response.start"),
        ([start(), start()], "before the first"),
        ([start(), body(b"", more=True), start()], "content is due"),
        ([start(), body(), body()], "after the response was complete"),
        ([start(), {"type": "http.response.early_hint", "links": []}], "before the first"),
        ([start(), body(), {"type": "http.response.trailers"}], "after the response"),
        ([start(200, trailers=True), body(), body()], "trailers is due"),
        ([start(), {"type": "http.response.trailers"}], "before the first"),
        ([], "returned before http.response.start"),
        ([start()], "returned before the first"),
        ([start(), body(b"x", more=True)], "returned while the response's content"),
        ([start(200, trailers=True), body()], "returned while http.response.trailers"),
    ],
)
async def test_events_out_of_order_are_the_applications_fault(
    events: list[ASGISendEvent], phase: str
) -> None:
    with pytest.raises(LocalProtocolError, match=phase):
        await run(HostedApp(answering(*events)), NativeServer())


async def test_application_error_reaches_the_server() -> None:
    async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        await send(start(200))
        raise ZeroDivisionError

    server = NativeServer()
    with pytest.raises(ZeroDivisionError):
        await run(HostedApp(app), server)
    assert server.sent == []


async def collect(server: NativeServer, count: int) -> list[ASGIReceiveEvent]:
    """Return the first *count* events that an application receives."""
    events: list[ASGIReceiveEvent] = []

    async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        events.extend([await receive() for _ in range(count)])
        await send(start(200))
        await send(body())

    await run(HostedApp(app), server)
    return events


async def test_receive_content_that_has_arrived_is_one_event() -> None:
    assert await collect(NativeServer("POST", content=b"abc"), 1) == [
        {"type": "http.request", "body": b"abc", "more_body": False}
    ]


async def test_receive_content_in_parts_keeps_the_parts() -> None:
    parts = [RequestBody(b"a", True), RequestBody(b"b", True), RequestBody(b"", False)]
    events = await collect(NativeServer("POST", content=None, messages=parts), 3)
    assert [(event["body"], event["more_body"]) for event in events] == [
        (b"a", True),
        (b"b", True),
        (b"", False),
    ]


async def test_receive_client_gone_is_a_disconnect_from_then_on() -> None:
    server = NativeServer(
        "POST", content=None, messages=[RequestBody(b"a", True), RequestDisconnected()]
    )
    events = await collect(server, 3)
    assert [event["type"] for event in events] == [
        "http.request",
        "http.disconnect",
        "http.disconnect",
    ]


async def test_receive_after_content_waits_for_the_client_to_leave() -> None:
    server = NativeServer(content=b"")
    asyncio.get_running_loop().call_soon(server.leave)
    server.gone = True
    events: list[object] = []

    async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        events.extend([(await receive())["type"], (await receive())["type"]])

    await run(HostedApp(app), server)
    assert events == ["http.request", "http.disconnect"]


@spec("ASGI HTTP & WebSocket", "Disconnect")
async def test_receive_is_woken_when_the_response_is_complete() -> None:
    """A task that waits for the disconnect must not outlive the response."""
    types: list[object] = []

    async def watch(receive: ASGIReceiveCallable) -> None:
        await receive()
        types.append((await receive())["type"])

    async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(watch(receive))
            await asyncio.sleep(0)
            await send(start(200))
            await send(body(b"x"))
        types.append((await receive())["type"])

    await run(HostedApp(app), NativeServer())
    assert types == ["http.disconnect", "http.disconnect"]


async def test_receive_cancelled_loses_nothing() -> None:
    server = NativeServer("POST", content=None)
    events: list[ASGIReceiveEvent] = []

    async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(receive(), 0)
        server.messages.append(RequestBody(b"a", False))
        events.append(await receive())
        await send(start(200))
        await send(body())

    await run(HostedApp(app), server)
    assert events == [{"type": "http.request", "body": b"a", "more_body": False}]


@spec("ASGI HTTP & WebSocket", "Disconnected Client - send exception")
async def test_send_after_the_client_left_raises_oserror() -> None:
    server = NativeServer()
    caught: list[OSError] = []

    async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        await send(start(200))
        await send(body(b"a", more=True))
        server.leave()
        try:
            await send(body(b"b"))
        except OSError as error:
            caught.append(error)
            raise

    await run(HostedApp(app), server)
    assert isinstance(caught[0], ConnectionLost)


async def test_application_error_after_the_client_left_is_no_failure() -> None:
    async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        assert (await receive())["type"] == "http.disconnect"
        raise RuntimeError("nobody is there")

    server = NativeServer(content=None)
    server.leave()
    assert await run(HostedApp(app), server) == []


async def test_begin_hands_every_request_to_the_application() -> None:
    hosted = HostedApp(answering())
    assert hosted.begin(NativeServer().conn) is hosted


@spec("RFC 9110 §9.3.7")
async def test_begin_options_asterisk_is_answered_for_the_server() -> None:
    answer = HostedApp(answering()).begin(NativeServer("OPTIONS", "*").conn)
    assert shape(cast(Response, answer)) == (204, b"", [], b"")


async def test_scope_carries_mount_point_and_state() -> None:
    scopes: list[Scope] = []

    async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        scopes.append(scope)
        await send(start(204))
        await send(body())

    hosted = HostedApp(app, root_path="/api/")
    hosted.state["db"] = 1
    await run(hosted, NativeServer(path="/x"))
    assert (scopes[0]["path"], scopes[0]["root_path"]) == ("/api/x", "/api")
    assert scopes[0]["state"] == {"db": 1}
