"""The events of a request: which, in which order, and what they know."""

from __future__ import annotations

import asyncio

import pytest

from blackbull.app import BlackBull
from blackbull.connection import Connection
from blackbull.errors import HTTPException
from blackbull.event import Event
from blackbull.event_aggregator import REQUEST_EVENTS
from blackbull.native import Receive, ResponseBody, ResponseStart, Send
from blackbull.response import Response
from tests.unit.app.doubles import Exchange, ask, get


class Observed(BlackBull):
    """An application that remembers its events."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Event] = []
        for name in REQUEST_EVENTS:
            self.on(name, blocking=True)(self.remember)

    async def remember(self, event: Event) -> None:
        self.seen.append(event)

    @property
    def names(self) -> list[str]:
        return [event.name for event in self.seen]

    def detail(self, name: str) -> dict[str, object]:
        (event,) = (event for event in self.seen if event.name == name)
        return event.detail


@pytest.fixture
def app() -> Observed:
    app = Observed()

    @app.route(path="/")
    async def index() -> str:
        return "hello"

    return app


async def test_request_events_come_in_order_with_their_keys(app: Observed) -> None:
    exchange = await get(app)
    assert app.names == [
        "request_received", "before_handler", "after_handler", "request_completed",
        "scope_completed",
    ]  # fmt: skip
    received = app.detail("request_received")
    assert set(received) == {"conn", "client_ip", "method", "path", "http_version", "headers"}
    assert received["conn"] is exchange.conn
    assert received["client_ip"] == "192.0.2.1"
    completed = app.detail("request_completed")
    assert (completed["status"], completed["response_bytes"]) == (200, 5)
    assert isinstance(completed["duration_ms"], float)
    assert completed["duration_ms"] >= 0
    assert app.detail("scope_completed")["exception"] is None
    assert app.detail("before_handler")["handler"] is app.router.routes[0].handler


async def test_request_events_missing_route_has_no_handler_events(app: Observed) -> None:
    await get(app, "/nowhere")
    assert app.names == ["request_received", "request_completed", "scope_completed"]
    assert app.detail("request_completed")["status"] == 404


async def test_request_events_raising_handler_tells_its_exception(app: Observed) -> None:
    error = HTTPException(409)

    @app.route(path="/conflict")
    async def conflict() -> str:
        raise error

    await get(app, "/conflict")
    assert app.detail("after_handler")["exception"] is error
    assert app.detail("request_completed")["status"] == 409
    assert app.names[-1] == "scope_completed"


async def test_request_events_client_that_left_is_not_completed(app: Observed) -> None:
    await ask(app, Exchange(gone=True))
    assert "request_completed" not in app.names
    assert app.names[-2:] == ["request_disconnected", "scope_completed"]


async def test_request_events_client_that_leaves_in_the_middle(app: Observed) -> None:
    exchange = Exchange(path="/stream")

    @app.route(path="/stream")
    async def stream(conn: Connection, receive: Receive, send: Send) -> None:
        await send(ResponseStart(200))
        exchange.gone = True
        await send(ResponseBody(b"x", more=True))

    await ask(app, exchange)
    assert app.names[-2:] == ["request_disconnected", "scope_completed"]


async def test_request_events_cancelled_request_ends_with_scope_completed(app: Observed) -> None:
    started = asyncio.Event()

    @app.route(path="/wait")
    async def wait(conn: Connection) -> str:
        started.set()
        await asyncio.get_running_loop().create_future()
        return ""

    task = asyncio.create_task(ask(app, Exchange(path="/wait")))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert app.names[-1] == "scope_completed"
    assert app.names.count("scope_completed") == 1
    assert "request_completed" not in app.names


async def test_request_events_streamed_content_is_counted(app: Observed) -> None:
    @app.route(path="/stream")
    async def stream(conn: Connection, receive: Receive, send: Send) -> None:
        await send(ResponseStart(206))
        await send(ResponseBody(b"abc", more=True))
        await send(ResponseBody(b"de"))

    await get(app, "/stream")
    completed = app.detail("request_completed")
    assert (completed["status"], completed["response_bytes"]) == (206, 5)


async def test_intercept_request_received_may_refuse(app: Observed) -> None:
    @app.intercept("request_received")
    async def refuse(event: Event) -> None:
        raise HTTPException(403)

    assert (await get(app)).status == 403
    assert app.names[-1] == "scope_completed"
    assert "before_handler" not in app.names


async def test_intercept_before_handler_that_raises_keeps_the_handler_from_running() -> None:
    app = BlackBull()
    ran: list[str] = []

    @app.route(path="/")
    async def index() -> str:
        ran.append("handler")
        return ""

    @app.intercept("before_handler")
    async def refuse(event: Event) -> None:
        raise HTTPException(429)

    assert (await get(app)).status == 429
    assert ran == []


@pytest.mark.parametrize("name", ["after_handler", "request_completed", "scope_completed"])
async def test_intercept_after_the_answer_cannot_answer_again(
    app: Observed, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    @app.intercept(name)
    async def fails(event: Event) -> None:
        raise RuntimeError("too late")

    exchange = await get(app)
    assert exchange.text == "hello"
    assert "too late" in caplog.text


async def test_on_listener_added_while_serving_is_told() -> None:
    app = BlackBull()

    @app.route(path="/")
    async def index() -> str:
        return ""

    await app.startup()
    begin = app.begin
    assert isinstance(begin(Exchange().conn), Response)
    seen: list[str] = []

    @app.on("request_completed")
    async def late(event: Event) -> None:
        seen.append(event.name)

    assert not isinstance(begin(Exchange().conn), Response)
    await get(app)
    assert await app.drain_events()
    assert seen == ["request_completed"]


async def test_on_other_events_leave_the_short_way() -> None:
    app = BlackBull()

    @app.route(path="/")
    async def index() -> str:
        return ""

    @app.on("connection_closed")
    async def closed(event: Event) -> None: ...

    await app.startup()
    assert isinstance(app.begin(Exchange().conn), Response)
