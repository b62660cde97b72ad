"""One form for what a middleware sees, whatever the handler sent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import pytest

from blackbull.app import BlackBull
from blackbull.connection import Connection
from blackbull.errors import ConfigurationError
from blackbull.middleware import as_middleware
from blackbull.native import (
    InterimResponse,
    NativeHandler,
    Receive,
    ResponseBody,
    ResponseMessage,
    ResponseStart,
    ResponseTrailers,
    Send,
)
from blackbull.response import Response
from tests.spec import spec
from tests.unit.app.doubles import Exchange, ask, get

Scope = dict[str, object]
Event = dict[str, object]


def make_app() -> BlackBull:
    app = BlackBull()

    @app.route(path="/whole")
    async def whole() -> str:
        return "abc"

    @app.route(path="/parts")
    async def parts() -> AsyncIterator[str]:
        yield "abc"

    @app.route(path="/nothing")
    async def nothing() -> None: ...

    return app


@as_middleware
async def stamp(conn: Connection, receive: Receive, send: Send, call_next: NativeHandler) -> None:
    async def stamped(message: ResponseMessage) -> None:
        assert not isinstance(message, Response)
        if isinstance(message, ResponseStart):
            message = replace(message, fields=(*message.fields, (b"x-stamp", b"1")))
        await send(message)

    await call_next(conn, receive, stamped)


@as_middleware
class Shout:
    """Works on content, below a path."""

    def __init__(self, path: str) -> None:
        self.path = path

    async def __call__(
        self, conn: Connection, receive: Receive, send: Send, inner: NativeHandler
    ) -> None:
        async def shouting(message: ResponseMessage) -> None:
            if isinstance(message, ResponseBody) and conn.path == self.path:
                message = replace(message, data=message.data.upper())
            await send(message)

        await inner(conn, receive, shouting)


@pytest.mark.parametrize("path", ["/whole", "/parts", "/nowhere"])
async def test_as_middleware_function_sees_parts_of_every_answer(path: str) -> None:
    app = make_app()
    app.use(stamp)
    exchange = await get(app, path)
    assert exchange.headers["x-stamp"] == b"1"
    assert exchange.complete


async def test_as_middleware_complete_response_keeps_its_length_and_type() -> None:
    app = make_app()
    app.use(stamp)
    exchange = await get(app, "/whole")
    assert exchange.headers["content-length"] == b"3"
    assert exchange.headers["content-type"] == b"text/html; charset=utf-8"


@spec("RFC 9110 §8.6")
async def test_as_middleware_204_gets_no_content_length() -> None:
    app = make_app()
    app.use(stamp)
    exchange = await get(app, "/nothing")
    assert exchange.status == 204
    assert b"content-length" not in exchange.headers


async def test_as_middleware_class_is_normalised_for_every_instance() -> None:
    app = make_app()
    app.use(Shout("/whole"))
    app.use(Shout("/parts"))
    assert (await get(app, "/whole")).text == "ABC"
    assert (await get(app, "/parts")).text == "ABC"


@as_middleware
async def asgi_stamp(
    scope: Scope,
    receive: Callable[[], Awaitable[Event]],
    send: Callable[[Event], Awaitable[None]],
    call_next: Callable[..., Awaitable[None]],
) -> None:
    assert scope["type"] == "http"
    scope["state"]["seen"] = scope["path"]  # type: ignore[index]

    async def receiving() -> Event:
        event = await receive()
        return {**event, "body": event.get("body", b"") + b"!"}  # type: ignore[operator]

    async def stamped(event: Event) -> None:
        if event["type"] == "http.response.start":
            event["headers"].append((b"x-stamp", b"1"))  # type: ignore[attr-defined]
        await send(event)

    await call_next(scope, receiving, stamped)


@pytest.mark.parametrize("path", ["/whole", "/parts", "/nowhere", "/nothing"])
async def test_as_middleware_first_parameter_scope_gets_asgi(path: str) -> None:
    app = make_app()
    app.use(asgi_stamp)
    exchange = await get(app, path)
    assert exchange.headers["x-stamp"] == b"1"
    assert exchange.conn.state["seen"] == path
    assert exchange.complete


async def test_as_middleware_asgi_receive_reaches_the_handler() -> None:
    app = BlackBull()
    app.use(asgi_stamp)

    @app.route("POST", "/")
    async def echo(conn: Connection) -> bytes:
        return await conn.body()

    assert (await ask(app, Exchange("POST", content=None))).body == b"!"


async def test_as_middleware_asgi_trailers_pass() -> None:
    app = BlackBull()
    app.use(asgi_stamp)

    @app.route(path="/")
    async def full(conn: Connection, receive: Receive, send: Send) -> None:
        await send(ResponseStart(200, trailers=True))
        await send(ResponseBody(b"x"))
        await send(ResponseTrailers(((b"x-sum", b"1"),)))

    sent: list[ResponseMessage] = []
    exchange = Exchange()

    async def send(message: ResponseMessage) -> None:
        sent.append(message)

    await app(exchange.conn, exchange.receive, send)
    assert [type(message) for message in sent] == [ResponseStart, ResponseBody, ResponseTrailers]


async def test_as_middleware_asgi_early_hints_pass_other_interim_responses_do_not() -> None:
    sent: list[ResponseMessage] = []
    exchange = Exchange()

    async def send(message: ResponseMessage) -> None:
        sent.append(message)

    hints = BlackBull()
    hints.use(asgi_stamp)

    @hints.route(path="/")
    async def early(conn: Connection, receive: Receive, send: Send) -> None:
        await send(InterimResponse(102))
        await send(InterimResponse(103, ((b"link", b"</a>"),)))
        await send(Response("x"))

    await hints(exchange.conn, exchange.receive, send)
    assert sent[0] == InterimResponse(103, ((b"link", b"</a>"),))
    assert InterimResponse not in map(type, sent[1:])


def test_as_middleware_without_call_next_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="call_next"):

        @as_middleware
        async def blind(conn: Connection, receive: Receive, send: Send) -> None: ...
