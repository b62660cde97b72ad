"""What is answered when a request fails."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from http import HTTPStatus

import pytest

from blackbull.app import BlackBull
from blackbull.config import Environment, Settings
from blackbull.connection import Connection
from blackbull.errors import ConfigurationError, HTTPException, LimitExceeded
from blackbull.event import Event
from blackbull.native import Receive, ResponseBody, ResponseStart, Send
from blackbull.response import Response, StreamingResponse
from tests.spec import spec
from tests.unit.app.doubles import Exchange, ask, get

HTML = b"text/html,*/*;q=0.8"


def make_app(environment: Environment = Environment.DEVELOPMENT) -> BlackBull:
    return BlackBull(settings=Settings(environment=environment))


@pytest.fixture(params=["quiet", "observed", "wrapped"])
def app(request: pytest.FixtureRequest) -> BlackBull:
    """An application on each of its ways: none, listeners, middleware."""
    app = make_app()
    if request.param == "observed":

        @app.on("scope_completed", blocking=True)
        async def observe(event: Event) -> None: ...

    elif request.param == "wrapped":

        @app.use
        async def through(
            conn: Connection, receive: Receive, send: Send, call_next: object
        ) -> None:
            await call_next(conn, receive, send)  # type: ignore[operator]

    return app


async def test_missing_path_is_404(app: BlackBull) -> None:
    exchange = await get(app, "/nowhere")
    assert (exchange.status, exchange.text) == (404, "404 Not Found\n\nno route matches '/nowhere'")
    assert exchange.headers.get(b"content-type") == b"text/plain; charset=utf-8"


@spec("RFC 9110 §15.5.6")
async def test_wrong_method_is_405_with_allow(app: BlackBull) -> None:
    @app.route(["GET", "PUT"], "/")
    async def index() -> str:
        return ""

    exchange = await ask(app, Exchange("DELETE"))
    assert exchange.status == 405
    assert exchange.headers.get(b"allow") == b"GET, HEAD, PUT"


async def test_bug_is_500_and_logged_once(app: BlackBull, caplog: pytest.LogCaptureFixture) -> None:
    @app.route(path="/")
    async def broken() -> str:
        raise RuntimeError("<secret>")

    exchange = await get(app, accept=HTML)
    assert exchange.status == 500
    assert "&lt;secret&gt;" in exchange.text
    assert "<secret>" not in exchange.text
    assert "Traceback" in exchange.text
    records = [r for r in caplog.records if r.levelno >= logging.ERROR]
    assert len(records) == 1
    assert "'/'" in records[0].getMessage()


async def test_http_exception_answers_with_detail_and_headers(
    app: BlackBull, caplog: pytest.LogCaptureFixture
) -> None:
    @app.route(path="/")
    async def closed() -> str:
        raise HTTPException(401, "who are you?", {"www-authenticate": "Basic"})

    exchange = await get(app)
    assert (exchange.status, exchange.text) == (401, "401 Unauthorized\n\nwho are you?")
    assert exchange.headers.get(b"www-authenticate") == b"Basic"
    assert caplog.records == []


async def test_limit_exceeded_while_reading_answers_with_its_code(app: BlackBull) -> None:
    @app.route("POST", "/")
    async def reads(conn: Connection) -> bytes:
        return await conn.body()

    exchange = Exchange("POST", content=None)

    async def receive() -> ResponseStart:
        raise LimitExceeded("max_body_size", allowed=1, seen=2, code=413)

    exchange.receive = receive  # type: ignore[assignment,method-assign]
    exchange.conn.receive = receive  # type: ignore[assignment]
    assert (await ask(app, exchange)).status == 413


@pytest.mark.parametrize("accept", [b"", HTML])
async def test_production_page_tells_only_the_phrase(accept: bytes) -> None:
    app = make_app(Environment.PRODUCTION)

    @app.route(path="/")
    async def broken() -> str:
        raise RuntimeError("secret")

    @app.route(path="/full")
    async def full() -> str:
        raise HTTPException(503, "secret")

    for path, title in (("/", "500 Internal Server Error"), ("/full", "503 Service Unavailable")):
        text = (await get(app, path, accept=accept)).text
        assert "secret" not in text
        assert title in text


@pytest.mark.parametrize("environment", list(Environment))
async def test_detail_of_a_client_error_is_told_everywhere(environment: Environment) -> None:
    app = make_app(environment)

    @app.route(path="/")
    async def refuses() -> str:
        raise HTTPException(409, "the <item> is taken")

    assert (await get(app, "/")).text == "409 Conflict\n\nthe <item> is taken"
    assert "the &lt;item&gt; is taken" in (await get(app, "/", accept=HTML)).text


async def test_default_page_of_a_path_that_is_no_unicode_is_sent(app: BlackBull) -> None:
    assert (await get(app, "/\udcff")).status == 404


async def test_on_error_status_gives_its_status_to_plain_values(app: BlackBull) -> None:
    @app.on_error(404)
    async def missing(conn: Connection) -> dict[str, str]:
        return {"missing": conn.path}

    exchange = await get(app, "/x")
    assert (exchange.status, exchange.body) == (404, b'{"missing":"/x"}')


async def test_on_error_405_keeps_allow_and_tells_the_methods(app: BlackBull) -> None:
    app.route("PUT", "/")(lambda: "")

    @app.on_error(HTTPStatus.METHOD_NOT_ALLOWED)
    async def wrong(conn: Connection) -> Response:
        return Response(repr(conn.state["allowed_methods"]), 405)

    exchange = await get(app)
    assert (exchange.status, exchange.text) == (405, "('PUT',)")
    assert exchange.headers.get(b"allow") == b"PUT"


async def test_on_error_nearest_class_is_chosen(app: BlackBull) -> None:
    @app.on_error(LookupError)
    async def lookup(exc: LookupError) -> str:
        return "lookup"

    @app.on_error(KeyError)
    async def key(exc: KeyError) -> Response:
        return Response(f"key {exc.args[0]}", 410)

    @app.route(path="/{kind}")
    async def fails(kind: str) -> str:
        raise {"key": KeyError, "index": IndexError}[kind]("k")

    key_answer = await get(app, "/key")
    assert (key_answer.status, key_answer.text) == (410, "key k")
    index_answer = await get(app, "/index")
    assert (index_answer.status, index_answer.text) == (500, "lookup")


async def test_on_error_class_is_not_asked_about_missing_routes(app: BlackBull) -> None:
    @app.on_error(KeyError)
    @app.on_error(Exception)
    async def key(exc: Exception) -> str:
        return "mine"

    assert (await get(app, "/nowhere")).text.startswith("404 Not Found")


async def test_on_error_500_and_exception_catch_bugs(app: BlackBull) -> None:
    @app.on_error(500)
    def crash(error: Exception, conn: Connection) -> str:
        assert conn.state["error_exception"] is error
        return f"sorry {conn.state['error_status']}"

    @app.route(path="/")
    async def broken() -> str:
        raise RuntimeError

    exchange = await get(app)
    assert (exchange.status, exchange.text) == (500, "sorry 500")


async def test_on_error_full_handler_answers_itself(app: BlackBull) -> None:
    @app.on_error(404)
    async def missing(scope, receive, send):  # type: ignore[no-untyped-def]
        await send({"type": "http.response.start", "status": 404, "headers": []})
        await send({"type": "http.response.body", "body": scope["path"].encode()})

    exchange = await get(app, "/x")
    assert (exchange.status, exchange.body) == (404, b"/x")


async def test_on_error_stream_is_sent(app: BlackBull) -> None:
    @app.on_error(404)
    async def missing() -> StreamingResponse:
        async def parts() -> AsyncIterator[str]:
            yield "gone"

        return StreamingResponse(parts(), status=404)

    exchange = await get(app, "/x")
    assert (exchange.status, exchange.body) == (404, b"gone")


async def test_on_error_handler_that_fails_falls_back_to_the_page(
    app: BlackBull, caplog: pytest.LogCaptureFixture
) -> None:
    @app.on_error(404)
    async def missing() -> str:
        raise ZeroDivisionError

    assert (await get(app, "/x")).status == 500
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize("status", [0, 200, 302, 399, 600])
def test_on_error_other_status_is_refused(status: int) -> None:
    with pytest.raises(ValueError, match="400 to 599"):
        make_app().on_error(status)(lambda: "")


def test_on_error_impossible_key_or_handler_is_refused() -> None:
    app = make_app()
    with pytest.raises(TypeError, match="status or an Exception class"):
        app.on_error("404")(lambda: "")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="given conn and exc"):
        app.on_error(404)(lambda page: "")
    app.on_error(404)(lambda: "")
    with pytest.raises(ConfigurationError, match=r"on_error\(404\)"):
        app.on_error(404)(lambda: "")


async def test_error_after_the_complete_response_sends_no_second_one(
    app: BlackBull, caplog: pytest.LogCaptureFixture
) -> None:
    @app.route(path="/")
    async def late(conn: Connection, receive: Receive, send: Send) -> None:
        await send(Response("done"))
        raise RuntimeError("too late")

    exchange = await get(app)
    assert exchange.text == "done"
    assert len(exchange.sent) == 1
    assert "too late" in caplog.text


async def test_error_in_the_middle_of_the_response_reaches_the_server(app: BlackBull) -> None:
    @app.route(path="/")
    async def breaks(conn: Connection, receive: Receive, send: Send) -> None:
        await send(ResponseStart(200))
        await send(ResponseBody(b"half", more=True))
        raise RuntimeError("broken off")

    exchange = Exchange()
    with pytest.raises(RuntimeError, match="broken off"):
        await ask(app, exchange)
    assert not exchange.complete
    assert len(exchange.sent) == 2


async def test_second_response_is_an_error_without_an_answer(
    app: BlackBull, caplog: pytest.LogCaptureFixture
) -> None:
    @app.route(path="/")
    async def twice(conn: Connection, receive: Receive, send: Send) -> None:
        await send(Response("one"))
        await send(Response("two"))

    assert (await get(app)).text == "one"
    assert "out of turn" in caplog.text


async def test_handler_that_sends_nothing_is_500(app: BlackBull) -> None:
    @app.route(path="/")
    async def silent(conn: Connection, receive: Receive, send: Send) -> None: ...

    exchange = await get(app)
    assert exchange.status == 500
    assert "nothing was sent" in exchange.text


async def test_value_without_a_converter_is_500(app: BlackBull) -> None:
    @app.route(path="/")
    async def odd() -> object:
        return object()

    exchange = await get(app)
    assert exchange.status == 500
    assert "register_converter" in exchange.text


async def test_error_event_announces_bugs_only(app: BlackBull) -> None:
    seen: list[dict[str, object]] = []

    @app.on("error", blocking=True)
    async def on_error(event: Event) -> None:
        seen.append(event.detail)

    @app.route(path="/")
    async def broken() -> str:
        raise RuntimeError("bug")

    exchange = await get(app)
    assert exchange.status == 500
    assert (await get(app, "/nowhere")).status == 404
    assert [str(detail["exception"]) for detail in seen] == ["bug"]
    assert seen[0]["conn"] is seen[0]["scope"] is exchange.conn


async def test_error_event_interceptor_that_fails_changes_nothing(app: BlackBull) -> None:
    @app.intercept("error")
    async def on_error(event: Event) -> None:
        raise RuntimeError("in the interceptor")

    @app.route(path="/")
    async def broken() -> str:
        raise RuntimeError("bug")

    assert (await get(app)).status == 500


async def test_http_exception_with_unsafe_headers_is_a_bug(
    app: BlackBull, caplog: pytest.LogCaptureFixture
) -> None:
    @app.route(path="/")
    async def splits() -> str:
        raise HTTPException(400, headers={"x-a": "1\r\nset-cookie: a=b"})

    exchange = await get(app)
    assert exchange.status == 500
    assert b"set-cookie" not in exchange.headers
    assert "GET '/' failed" in caplog.text


async def test_protocol_error_without_a_status_is_a_bug(
    app: BlackBull, caplog: pytest.LogCaptureFixture
) -> None:
    @app.on_error(Exception)
    async def crash(exc: Exception) -> str:
        return type(exc).__name__

    @app.route(path="/")
    async def fails() -> str:
        raise LimitExceeded("readuntil", allowed=1, seen=2)

    exchange = await get(app)
    assert (exchange.status, exchange.text) == (500, "LimitExceeded")
    assert "GET '/' failed" in caplog.text
