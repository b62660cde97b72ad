from __future__ import annotations

import asyncio

import pytest

from blackbull import BlackBull
from blackbull.asgi import serve_scope
from blackbull.asgi.types import ASGISendEvent
from blackbull.config import Settings
from blackbull.connection import Connection
from blackbull.errors import ClientDisconnected, ConfigurationError, LocalProtocolError
from blackbull.native import (
    InterimResponse,
    NativeHandler,
    Receive,
    RequestBody,
    RequestDisconnected,
    RequestMessage,
    ResponseBody,
    ResponseMessage,
    ResponseStart,
    ResponseTrailers,
    Send,
)
from blackbull.response import Response
from tests.spec import spec
from tests.unit.asgi.doubles import App, ASGIServer, http_scope, sending, until

REQUEST = {"type": "http.request", "body": b"", "more_body": False}
TEXT = (b"content-type", b"text/plain")


async def serve(handler: NativeHandler | Response, server: ASGIServer, **scope: object) -> App:
    app = App(handler)
    await serve_scope(app, http_scope(**scope), server.receive, server.send)
    return app


@pytest.mark.parametrize("wrapped", [False, True])
async def test_response_ready_or_sent_becomes_two_events(wrapped: bool) -> None:
    response = Response("hällo", 201, "text/plain", {"X-A": "1"})
    server = ASGIServer(REQUEST)
    await serve(sending(response) if wrapped else response, server)
    assert server.sent == [
        {
            "type": "http.response.start",
            "status": 201,
            "headers": [TEXT, (b"x-a", b"1"), (b"content-length", b"6")],
        },
        {"type": "http.response.body", "body": "hällo".encode(), "more_body": False},
    ]


async def test_response_to_head_keeps_its_length_and_no_content() -> None:
    server = ASGIServer(REQUEST)
    await serve(Response("hello", 200, "text/plain"), server, method="HEAD")
    assert server.headers()[b"content-length"] == b"5"
    assert server.body == b""


@spec("RFC 9110 §8.6")
@pytest.mark.parametrize("status", [204, 304])
async def test_response_without_content_has_no_length(status: int) -> None:
    server = ASGIServer(REQUEST)
    await serve(Response(b"", status, ""), server)
    assert server.headers() == {}
    assert server.body == b""


async def test_response_in_parts_becomes_body_events() -> None:
    server = ASGIServer(REQUEST)
    fields = (TEXT, (b"transfer-encoding", b"chunked"), (b"connection", b"close"))
    await serve(
        sending(ResponseStart(200, fields), ResponseBody(b"a", True), ResponseBody(b"b", False)),
        server,
    )
    assert server.headers() == dict([TEXT])
    assert [(event.get("body"), event.get("more_body")) for event in server.sent[1:]] == [
        (b"a", True),
        (b"b", False),
    ]


TRAILERS: list[ResponseMessage] = [
    ResponseStart(200, (TEXT,), trailers=True),
    ResponseBody(b"x", False),
    ResponseTrailers(((b"digest", b"1"),)),
]


async def test_trailers_where_the_host_has_them_are_sent() -> None:
    server = ASGIServer(REQUEST)
    await serve(sending(*TRAILERS), server, extensions={"http.response.trailers": {}})
    assert server.sent[0]["trailers"] is True
    assert server.sent[2] == {
        "type": "http.response.trailers",
        "headers": [(b"digest", b"1")],
        "more_trailers": False,
    }


async def test_trailers_where_the_host_has_none_are_left_out() -> None:
    server = ASGIServer(REQUEST)
    await serve(sending(*TRAILERS), server)
    assert "trailers" not in server.sent[0]
    assert server.types == ["http.response.start", "http.response.body"]


@pytest.mark.parametrize("offered", [False, True])
async def test_early_hints_are_sent_where_the_host_has_them(offered: bool) -> None:
    server = ASGIServer(REQUEST)
    await serve(
        sending(InterimResponse(103, ((b"link", b"<a>"),)), InterimResponse(102), Response("x")),
        server,
        extensions={"http.response.early_hint": {}} if offered else {},
    )
    hints = [{"type": "http.response.early_hint", "links": [b"<a>"]}]
    assert server.sent[:-2] == (hints if offered else [])


@pytest.mark.parametrize(
    ("messages", "phase"),
    [
        ([ResponseBody(b"x")], "before a response"),
        ([ResponseTrailers()], "before a response"),
        ([Response("x"), Response("x")], "after the response"),
        ([ResponseStart(200), ResponseStart(200)], "content is due"),
        ([ResponseStart(200), InterimResponse(103)], "content is due"),
        ([ResponseStart(200), ResponseBody(), ResponseTrailers()], "after the response"),
        ([ResponseStart(200, trailers=True), ResponseBody(), ResponseBody()], "trailers are due"),
        ([], "returned before a response"),
        ([ResponseStart(200)], "returned while the response's content"),
        ([ResponseStart(200, trailers=True), ResponseBody()], "returned while the response's tr"),
    ],
)
async def test_messages_out_of_order_are_our_fault(
    messages: list[ResponseMessage], phase: str
) -> None:
    with pytest.raises(LocalProtocolError, match=phase):
        await serve(sending(*messages), ASGIServer(REQUEST))


async def test_handler_error_reaches_the_host() -> None:
    async def handler(conn: Connection, receive: Receive, send: Send) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await serve(handler, ASGIServer(REQUEST))


async def test_receive_content_in_parts_is_native() -> None:
    server = ASGIServer(
        {"type": "http.request", "body": b"a", "more_body": True},
        {"type": "http.request", "body": b"b"},
    )
    received: list[RequestMessage] = []

    async def handler(conn: Connection, receive: Receive, send: Send) -> None:
        received.extend([await receive(), await receive()])
        await send(Response("x"))

    await serve(handler, server, method="POST", headers=[(b"content-length", b"2")])
    assert received == [RequestBody(b"a", True), RequestBody(b"b", False)]


async def test_body_is_read_through_the_connection() -> None:
    server = ASGIServer(
        {"type": "http.request", "body": b"a", "more_body": True},
        {"type": "http.request", "body": b"b"},
    )

    async def handler(conn: Connection, receive: Receive, send: Send) -> None:
        await send(Response(await conn.body()))

    await serve(handler, server, method="POST", headers=[(b"content-length", b"2")])
    assert server.body == b"ab"


async def test_receive_client_gone_is_a_disconnect() -> None:
    received: list[RequestMessage] = []

    async def handler(conn: Connection, receive: Receive, send: Send) -> None:
        received.extend([await receive(), await receive()])
        assert conn.disconnected
        with pytest.raises(ClientDisconnected):
            await send(Response("x"))

    server = ASGIServer({"type": "http.disconnect"})
    await serve(handler, server)
    assert received == [RequestDisconnected(), RequestDisconnected()]
    assert server.sent == []


async def test_receive_after_the_response_ends_when_the_host_says_so() -> None:
    """Hosts report a disconnect once the response is complete, though nobody left."""
    server = ASGIServer(REQUEST)

    async def handler(conn: Connection, receive: Receive, send: Send) -> None:
        await send(Response("x"))
        server.left.set()
        await receive()
        assert await receive() == RequestDisconnected()
        assert not conn.disconnected

    await serve(handler, server)


async def test_receive_of_a_broken_host_raises() -> None:
    async def handler(conn: Connection, receive: Receive, send: Send) -> None:
        await receive()

    with pytest.raises(LocalProtocolError, match=r"websocket\.receive"):
        await serve(handler, ASGIServer({"type": "websocket.receive"}))


async def test_send_to_a_host_that_raises_oserror_is_a_departed_client() -> None:
    errors: list[ClientDisconnected] = []
    server = ASGIServer(REQUEST)
    server.gone = True

    async def handler(conn: Connection, receive: Receive, send: Send) -> None:
        try:
            await send(Response("x"))
        except ClientDisconnected as error:
            errors.append(error)
            raise

    await serve(handler, server)
    assert len(errors) == 1


def endless(log: list[str], start: ResponseStart) -> NativeHandler:
    async def handler(conn: Connection, receive: Receive, send: Send) -> None:
        try:
            await send(start)
            await asyncio.Event().wait()
        finally:
            log.append(f"ended, disconnected={conn.disconnected}")

    return handler


async def test_stream_is_cancelled_as_soon_as_the_client_leaves() -> None:
    log: list[str] = []
    server = ASGIServer(REQUEST)
    serving = asyncio.create_task(
        serve(endless(log, ResponseStart(200, cancel_on_disconnect=True)), server)
    )
    await until(lambda: bool(server.sent))
    server.left.set()
    await serving
    assert log == ["ended, disconnected=True"]
    assert serving.cancelling() == 0


async def test_stream_cancelled_by_the_host_stays_cancelled() -> None:
    log: list[str] = []
    server = ASGIServer(REQUEST)
    serving = asyncio.create_task(
        serve(endless(log, ResponseStart(200, cancel_on_disconnect=True)), server)
    )
    await until(lambda: bool(server.sent))
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    assert log == ["ended, disconnected=False"]


async def test_stream_that_ignores_its_cancellation_leaves_no_trace_of_it() -> None:
    server = ASGIServer(REQUEST)

    async def handler(conn: Connection, receive: Receive, send: Send) -> None:
        await send(ResponseStart(200, cancel_on_disconnect=True))
        server.left.set()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.Event().wait()

    serving = asyncio.create_task(serve(handler, server))
    await serving
    assert serving.cancelling() == 0


async def test_stream_with_unread_content_still_hands_it_over() -> None:
    """Watching for the departure must not eat the content that the handler reads later."""
    server = ASGIServer(
        {"type": "http.request", "body": b"a", "more_body": True},
        {"type": "http.request", "body": b"b", "more_body": True},
        {"type": "http.request", "body": b"c"},
    )

    async def handler(conn: Connection, receive: Receive, send: Send) -> None:
        await send(ResponseStart(200, cancel_on_disconnect=True))
        async for part in conn.stream():
            await send(ResponseBody(part, True))
        await send(ResponseBody())

    await serve(handler, server, method="POST", headers=[(b"content-length", b"3")])
    assert server.body == b"abc"


async def test_heartbeat_fills_the_silence_and_only_that() -> None:
    server = ASGIServer(REQUEST)

    async def handler(conn: Connection, receive: Receive, send: Send) -> None:
        await send(ResponseStart(200, heartbeat=(0.001, b":\n")))
        await until(lambda: server.body.count(b":") >= 2)
        await send(ResponseBody(b"x", True))
        await send(ResponseBody())

    await serve(handler, server)
    assert server.body.rstrip(b":\n").endswith(b"x")
    assert server.sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}


async def test_heartbeat_to_a_departed_client_ends() -> None:
    server = ASGIServer(REQUEST)

    async def handler(conn: Connection, receive: Receive, send: Send) -> None:
        await send(ResponseStart(200, heartbeat=(0.001, b":\n")))
        server.gone = True
        await until(lambda: conn.disconnected)

    await serve(handler, server)
    assert server.body == b""


async def test_unknown_scope_is_refused() -> None:
    server = ASGIServer()
    with pytest.raises(ValueError, match="'tcp'"):
        await serve_scope(App(Response("x")), {"type": "tcp"}, server.receive, server.send)


STARTUP: ASGISendEvent = {"type": "lifespan.startup"}
SHUTDOWN: ASGISendEvent = {"type": "lifespan.shutdown"}


@spec("ASGI Lifespan", "Startup", "Shutdown")
async def test_lifespan_runs_the_applications_hooks() -> None:
    server = ASGIServer(STARTUP, SHUTDOWN)
    app = App(Response("x"))
    await serve_scope(app, {"type": "lifespan"}, server.receive, server.send)
    assert app.log == ["startup", "shutdown"]
    assert server.types == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


@pytest.mark.parametrize(
    ("failure", "beginning"),
    [
        (ConfigurationError("set DATABASE_URL"), "set DATABASE_URL"),
        (ZeroDivisionError("division by zero"), "Traceback"),
    ],
)
async def test_lifespan_startup_that_raises_is_reported(failure: Exception, beginning: str) -> None:
    server = ASGIServer(STARTUP, SHUTDOWN)
    app = App(Response("x"))
    app.failure = failure
    await serve_scope(app, {"type": "lifespan"}, server.receive, server.send)
    assert server.types == ["lifespan.startup.failed"]
    message = server.sent[0]["message"]
    assert isinstance(message, str)
    assert message.startswith(beginning)
    assert str(failure) in message


async def test_lifespan_shutdown_that_raises_is_reported() -> None:
    server = ASGIServer(STARTUP, SHUTDOWN)

    class Failing(App):
        async def shutdown(self) -> None:
            raise ConfigurationError("still writing")

    await serve_scope(Failing(Response("x")), {"type": "lifespan"}, server.receive, server.send)
    assert server.sent[-1] == {"type": "lifespan.shutdown.failed", "message": "still writing"}


async def test_lifespan_of_a_broken_host_raises() -> None:
    server = ASGIServer(SHUTDOWN)
    with pytest.raises(LocalProtocolError, match=r"lifespan\.startup"):
        await serve_scope(App(Response("x")), {"type": "lifespan"}, server.receive, server.send)


def bounded(served: list[bytes]) -> BlackBull:
    app = BlackBull(settings=Settings(max_body_size=5))

    @app.route("POST", "/")
    @app.route("POST", "/large", max_body_size=10)
    @app.route("POST", "/items/{n:int}", max_body_size=2)
    async def echo(conn: Connection) -> bytes:
        served.append(await conn.body())
        return b"taken"

    return app


@spec("RFC 9110 §15.5.14")
@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize(
    ("path", "size", "status"),
    [
        ("/", 5, 200), ("/", 6, 413), ("/large", 10, 200), ("/large", 11, 413),
        ("/items/1", 2, 200), ("/items/1", 3, 413), ("/items/x", 6, 413),
    ],
)  # fmt: skip
async def test_content_beyond_what_route_or_settings_allow_is_413(
    caplog: pytest.LogCaptureFixture, path: str, size: int, status: int, announced: bool
) -> None:
    served: list[bytes] = []
    half = size // 2
    server = ASGIServer(
        {"type": "http.request", "body": b"x" * half, "more_body": True},
        {"type": "http.request", "body": b"x" * (size - half), "more_body": False},
    )
    length = (b"content-length", b"%d" % size)
    fields = [length if announced else (b"transfer-encoding", b"chunked")]
    scope = http_scope(method="POST", path=path, headers=fields)
    await serve_scope(bounded(served), scope, server.receive, server.send)
    if path == "/items/x" and not announced:
        status = 404
    assert server.sent[0]["status"] == status
    assert served == ([b"x" * size] if status == 200 else [])
    records = [record for record in caplog.records if record.name == "blackbull.caps"]
    assert [record.__dict__["scope_path"] for record in records] == [path] * (status == 413)
    assert len(server.events) == (2 if announced and status == 413 else 0 if status != 404 else 2)
