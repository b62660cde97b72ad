"""Middleware around handlers: order, groups, what it sees and what it may do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from blackbull.app import BlackBull
from blackbull.connection import Connection
from blackbull.errors import HTTPException
from blackbull.middleware import Middleware
from blackbull.native import NativeHandler, Receive, RequestBody, ResponseMessage, Send
from blackbull.response import Response
from tests.unit.app.doubles import Exchange, ask, get

Log = list[str]


def noting(log: Log, name: str) -> Middleware:
    async def note(
        conn: Connection, receive: Receive, send: Send, call_next: NativeHandler
    ) -> None:
        log.append(f"{name} in")
        try:
            await call_next(conn, receive, send)
        except Exception as error:
            log.append(f"{name} {type(error).__name__}")
            raise
        log.append(f"{name} out")

    return note


def layered(log: Log, handler: Callable[..., Awaitable[object]]) -> BlackBull:
    app = BlackBull()
    app.use(noting(log, "global 1"))
    app.use(noting(log, "global 2"))
    group = app.group([noting(log, "group")]).group([noting(log, "inner group")])
    group.route(path="/", middlewares=[noting(log, "route 1"), noting(log, "route 2")])(handler)
    return app


async def test_middleware_order_is_global_group_route_handler() -> None:
    log: Log = []

    async def handler() -> str:
        log.append("handler")
        return "x"

    assert (await get(layered(log, handler))).text == "x"
    order = ["global 1", "global 2", "group", "inner group", "route 1", "route 2"]
    assert log == [
        *(f"{name} in" for name in order), "handler", *(f"{name} out" for name in order[::-1]),
    ]  # fmt: skip


async def test_middleware_of_routes_sees_answers_as_errors_global_as_responses() -> None:
    log: Log = []

    async def handler() -> str:
        raise HTTPException(409)

    assert (await get(layered(log, handler))).status == 409
    assert log[6:] == [
        "route 2 HTTPException", "route 1 HTTPException", "inner group HTTPException",
        "group HTTPException", "global 2 out", "global 1 out",
    ]  # fmt: skip


async def test_middleware_everywhere_sees_bugs_as_errors() -> None:
    log: Log = []

    async def handler() -> str:
        raise ZeroDivisionError

    assert (await get(layered(log, handler))).status == 500
    assert log[-2:] == ["global 2 ZeroDivisionError", "global 1 ZeroDivisionError"]


async def test_middleware_global_runs_for_missing_routes_group_does_not() -> None:
    log: Log = []

    async def handler() -> str:
        return ""

    assert (await get(layered(log, handler), "/nowhere")).status == 404
    assert log == ["global 1 in", "global 2 in", "global 2 out", "global 1 out"]


async def test_middleware_that_answers_itself_ends_the_chain() -> None:
    app = BlackBull()

    @app.route(path="/")
    async def index() -> str:
        raise AssertionError("must not run")

    @app.use
    async def gate(conn: Connection, receive: Receive, send: Send, inner: NativeHandler) -> None:
        await send(Response("closed", 503))

    assert (await get(app)).status == 503


async def test_middleware_may_send_every_form_that_handlers_may() -> None:
    app = BlackBull()

    @app.use
    async def gate(conn, receive, send, call_next):  # type: ignore[no-untyped-def]
        if conn.path == "/tuple":
            await send((b"t", 418, {"x-a": "1"}))
        else:
            await send({"type": "http.response.start", "status": 418, "headers": []})
            await send({"type": "http.response.body", "body": b"d"})

    exchange = await get(app, "/tuple")
    assert (exchange.status, exchange.text, exchange.headers["x-a"]) == (418, "t", b"1")
    assert (await get(app, "/dict")).text == "d"


async def test_middleware_that_neither_goes_on_nor_sends_is_500() -> None:
    app = BlackBull()

    @app.use
    async def silent(
        conn: Connection, receive: Receive, send: Send, call_next: NativeHandler
    ) -> None: ...

    exchange = await get(app)
    assert exchange.status == 500
    assert "call_next" in exchange.text


async def test_middleware_that_calls_next_twice_gets_an_error() -> None:
    app = BlackBull()

    @app.route(path="/")
    async def index() -> str:
        return "once"

    @app.use
    async def twice(
        conn: Connection, receive: Receive, send: Send, call_next: NativeHandler
    ) -> None:
        await call_next(conn, receive, send)
        await call_next(conn, receive, send)

    exchange = await get(app)
    assert exchange.text == "once"
    assert len(exchange.sent) == 1


async def test_middleware_wrapped_send_sees_typed_messages() -> None:
    app = BlackBull()
    seen: list[ResponseMessage] = []

    @app.route(path="/", middlewares=[])
    async def index(scope, receive, send):  # type: ignore[no-untyped-def]
        await send((b"x", 200, {}))

    @app.use
    async def watch(
        conn: Connection, receive: Receive, send: Send, call_next: NativeHandler
    ) -> None:
        async def watched(message: ResponseMessage) -> None:
            seen.append(message)
            await send(message)

        await call_next(conn, receive, watched)

    await get(app)
    assert [type(message) for message in seen] == [Response]


async def test_middleware_wrapped_receive_is_what_the_handler_reads() -> None:
    app = BlackBull()

    @app.route("POST", "/")
    async def echo(conn: Connection) -> bytes:
        return await conn.body()

    @app.use
    async def upper(
        conn: Connection, receive: Receive, send: Send, call_next: NativeHandler
    ) -> None:
        async def shouting() -> RequestBody:
            message = await receive()
            assert isinstance(message, RequestBody)
            return RequestBody(message.data.upper(), message.more)

        await call_next(conn, shouting, send)

    exchange = Exchange("POST", content=None)
    exchange.parts[0] = RequestBody(b"abc", False)
    assert (await ask(app, exchange)).body == b"ABC"


async def test_middleware_state_is_shared_with_the_handler() -> None:
    app = BlackBull()

    @app.route(path="/")
    async def index(conn: Connection) -> str:
        return str(conn.state["user"])

    class Login:
        async def __call__(
            self, conn: Connection, receive: Receive, send: Send, call_next: NativeHandler
        ) -> None:
            conn.state["user"] = "ada"
            await call_next(conn, receive, send)

    app.use(Login())
    assert (await get(app)).text == "ada"


async def test_middleware_after_the_answer_may_fail_without_a_second_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = BlackBull()

    @app.route(path="/")
    async def index() -> str:
        return "done"

    @app.use
    async def late(
        conn: Connection, receive: Receive, send: Send, call_next: NativeHandler
    ) -> None:
        await call_next(conn, receive, send)
        raise RuntimeError("too late")

    exchange = await get(app)
    assert exchange.text == "done"
    assert "too late" in caplog.text


async def test_middleware_may_turn_a_bug_into_an_answer() -> None:
    app = BlackBull()

    @app.route(path="/")
    async def index() -> str:
        raise ZeroDivisionError

    @app.use
    async def rescue(
        conn: Connection, receive: Receive, send: Send, call_next: NativeHandler
    ) -> None:
        try:
            await call_next(conn, receive, send)
        except ZeroDivisionError:
            await send(Response("rescued", 503))

    exchange = await get(app)
    assert (exchange.status, exchange.text) == (503, "rescued")


async def test_middleware_of_one_route_leaves_the_others_alone() -> None:
    log: Log = []
    app = BlackBull()

    @app.route(path="/a", middlewares=[noting(log, "a")])
    async def a() -> str:
        return "a"

    @app.route(path="/b")
    async def b() -> str:
        return "b"

    await app.startup()
    assert isinstance(app.begin(Exchange(path="/b").conn), Response)
    assert not isinstance(app.begin(Exchange(path="/a").conn), Response)
    assert (await get(app, "/a")).text == "a"
    assert log == ["a in", "a out"]
