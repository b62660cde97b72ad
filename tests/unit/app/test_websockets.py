"""WebSockets through the application: routes, both forms of handlers, refusals, events."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import pytest

from blackbull import (
    BlackBull,
    Connection,
    Depends,
    HTTPException,
    Response,
    WebSocket,
    WebSocketDisconnect,
    WebSocketResponse,
    as_middleware,
)
from blackbull.config import Environment, Settings
from blackbull.errors import ConfigurationError
from blackbull.event import Event
from blackbull.messages import WebSocketAccept, WebSocketMessage
from blackbull.middleware import websocket
from blackbull.native import NativeHandler, Receive, Send
from blackbull.utils import Scheme
from tests.spec import spec
from tests.unit.app.doubles import Exchange, ask, get
from tests.websocket_peer import Peer, connect

Scope = Mapping[str, object]
EventReceive = Callable[[], Awaitable[dict[str, Any]]]
EventSend = Callable[[object], Awaitable[None]]


def application() -> BlackBull:
    return BlackBull(settings=Settings(environment=Environment.TEST))


def echoing() -> BlackBull:
    app = application()

    @app.route(path="/ws", scheme=Scheme.websocket)
    async def echo(ws: WebSocket) -> None:
        await ws.accept()
        async for message in ws:
            await ws.send(message)

    return app


# ---------------------------------------------------------------------- the full form


async def test_full_handler_gets_every_event_with_both_keys() -> None:
    """S22, S23."""
    app = application()
    events: list[Mapping[str, object]] = []

    @app.route(path="/ws", scheme=Scheme.websocket)
    async def handler(scope: Scope, receive: EventReceive, send: EventSend) -> None:
        assert (scope["type"], scope["path"], "method" in scope) == ("websocket", "/ws", False)
        events.append(await receive())
        await send({"type": "websocket.accept"})
        while events[-1]["type"] != "websocket.disconnect":
            events.append(await receive())
            if text := events[-1].get("text"):
                await send({"type": "websocket.send", "text": f"{text}!"})

    peer = await connect(app, Peer().say("a", b"b").leave(4000, "bye"))
    assert events == [
        {"type": "websocket.connect"},
        {"type": "websocket.receive", "text": "a", "bytes": None},
        {"type": "websocket.receive", "text": None, "bytes": b"b"},
        {"type": "websocket.disconnect", "code": 4000, "reason": "bye"},
    ]
    assert peer.heard == ["a!"]


async def test_full_handler_sends_events_messages_and_helpers() -> None:
    app = application()

    @app.route(path="/ws", scheme=Scheme.websocket)
    async def handler(scope: Scope, receive: EventReceive, send: EventSend) -> None:
        await receive()
        await send({"type": "websocket.accept", "headers": [(b"X-A", b"b")]})
        await send({"type": "websocket.send", "bytes": b"a"})
        await send(WebSocketMessage("b"))
        await send(WebSocketResponse({"c": 1}))
        await send({"type": "websocket.close", "code": 4001, "reason": "enough"})

    peer = await connect(app, Peer())
    assert peer.accept.fields == ((b"x-a", b"b"),)
    assert peer.heard == [b"a", "b", '{"c":1}']
    assert peer.close == (4001, "enough")


@pytest.mark.parametrize(
    "event",
    [
        {"type": "websocket.send"},
        {"type": "websocket.send", "text": b"x"},
        {"type": "websocket.sent", "text": "x"},
        {"type": "http.response.start", "status": 200},
        {"type": "websocket.close", "code": "1000"},
        {"type": "websocket.accept"},
        "text",
    ],
)
async def test_full_handler_that_sends_nonsense_is_closed_with_1011(
    event: object, caplog: pytest.LogCaptureFixture
) -> None:
    app = application()

    @app.route(path="/ws", scheme=Scheme.websocket)
    async def handler(scope: Scope, receive: EventReceive, send: EventSend) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await send(event)

    assert (await connect(app, Peer())).close == (1011, "")
    assert "failed" in caplog.text


async def test_full_handler_refuses_with_a_response_in_events() -> None:
    app = application()

    @app.route(path="/ws", scheme=Scheme.websocket)
    async def handler(scope: Scope, receive: EventReceive, send: EventSend) -> None:
        await receive()
        await send(
            {
                "type": "websocket.http.response.start",
                "status": 402,
                "headers": [(b"content-type", b"text/plain"), (b"x-price", b"7")],
            }
        )
        await send({"type": "websocket.http.response.body", "body": b"pay", "more_body": True})
        await send({"type": "websocket.http.response.body", "body": b" first"})

    refusal = (await connect(app, Peer())).refusal
    assert (refusal.status, refusal.body) == (402, b"pay first")
    assert refusal.headers.get("x-price") == b"7"


async def test_full_handler_that_takes_one_channel_is_refused_at_registration() -> None:
    app = application()
    with pytest.raises(TypeError, match="takes 'receive' alone"):

        @app.route(path="/ws", scheme=Scheme.websocket)
        async def handler(receive: EventReceive) -> None: ...


# ---------------------------------------------------------------------- the object form


async def test_object_handler_echoes_and_is_closed_when_it_returns() -> None:
    peer = await connect(echoing(), Peer().say("a", b"b").leave())
    assert peer.heard == ["a", b"b"]
    assert isinstance(peer.sent[-1], WebSocketMessage)


async def test_object_handler_that_returns_leaves_the_closing_to_us() -> None:
    app = application()

    @app.route(path="/ws", scheme=Scheme.websocket)
    async def greet(ws: WebSocket) -> None:
        await ws.accept()
        await ws.send("hello")

    assert (await connect(app, Peer())).close == (1000, "")


@pytest.mark.parametrize("name", ["ws", "websocket"])
async def test_object_is_recognised_by_its_name(name: str) -> None:
    app = application()
    scope: dict[str, Any] = {}
    exec(f"async def greet({name}):\n    await {name}.accept()", scope)
    app.route(path="/ws", scheme=Scheme.websocket)(scope["greet"])
    assert (await connect(app, Peer())).accept == WebSocketAccept()


async def test_object_handler_gets_path_query_connection_and_dependencies_once() -> None:
    app = application()
    log: list[str] = []

    async def database(ws: WebSocket, room: str) -> AsyncIterator[str]:
        log.append(f"open {room} {ws.accepted}")
        try:
            yield "db"
        finally:
            log.append("close")

    @app.route(path="/rooms/{room}/{seat:int}", scheme=Scheme.websocket)
    async def chat(
        ws: WebSocket,
        room: str,
        seat: int,
        conn: Connection,
        since: int = 0,
        db: object = Depends(database),
        again: object = Depends(database),
    ) -> None:
        assert conn is ws.connection
        await ws.accept()
        async for message in ws:
            await ws.send(f"{message!s} {room} {seat} {since} {db} {again}")
        log.append("end")

    peer = await connect(app, Peer("/rooms/blue/7", query=b"since=3").say("a", "b").leave())
    assert peer.heard == ["a blue 7 3 db db", "b blue 7 3 db db"]
    assert log == ["open blue False", "end", "close"]


@spec("RFC 6455 §4.2.2", "a handshake that is not accepted")
@pytest.mark.parametrize("query", [b"", b"since=soon"])
async def test_parameter_that_cannot_be_filled_refuses_with_1008(query: bytes) -> None:
    app = application()

    @app.route(path="/ws", scheme=Scheme.websocket)
    async def chat(ws: WebSocket, since: int) -> None:
        await ws.accept()

    peer = await connect(app, Peer(query=query))
    code, reason = peer.close
    assert (code, len(peer.sent)) == (1008, 1)
    assert "since" in reason


async def test_dependency_may_refuse_with_a_response() -> None:
    app = application()

    async def user(conn: Connection) -> str:
        raise HTTPException(401, headers={"www-authenticate": "Bearer"})

    @app.route(path="/ws", scheme=Scheme.websocket)
    async def chat(ws: WebSocket, name: object = Depends(user)) -> None:
        await ws.accept()

    refusal = (await connect(app, Peer())).refusal
    assert refusal.status == 401
    assert refusal.headers.get("www-authenticate") == b"Bearer"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("async def h(ws, body): ...", "has no body"),
        ("def h(ws): ...", "make it an async def"),
        ("async def h(ws, x: object): ...", "neither a connection"),
    ],
)
async def test_handler_that_cannot_serve_is_refused_at_registration(
    source: str, message: str
) -> None:
    scope: dict[str, Any] = {}
    exec(source, scope)
    with pytest.raises(TypeError, match=message):
        application().route(path="/ws", scheme=Scheme.websocket)(scope["h"])


async def test_websocket_object_on_a_request_is_refused_at_registration() -> None:
    app = application()
    with pytest.raises(TypeError, match=r"only a route with scheme=Scheme\.websocket"):

        @app.route(path="/")
        async def index(socket: WebSocket) -> None: ...


async def test_placeholder_nobody_takes_is_found_at_the_start() -> None:
    app = application()

    @app.route(path="/rooms/{room}", scheme=Scheme.websocket)
    async def known(websocket: WebSocket) -> None: ...

    @app.route(path="/halls/{hall}", scheme=Scheme.websocket)
    async def unknown(since: int) -> None: ...

    with pytest.raises(ConfigurationError, match=r"\{hall\}") as caught:
        app.freeze()
    assert "{room}" not in str(caught.value)


# ---------------------------------------------------------------------- routes


async def test_request_and_websocket_share_a_path() -> None:
    app = echoing()

    @app.route(path="/ws")
    async def page() -> str:
        return "the page"

    assert (await get(app, "/ws")).text == "the page"
    assert (await connect(app, Peer().say("a").leave())).heard == ["a"]


async def test_unknown_path_is_refused_at_once_with_404() -> None:
    app = echoing()
    app.freeze()
    answer = app.begin(Peer("/elsewhere").conn)
    assert isinstance(answer, Response)
    assert answer.status == 404


async def test_path_of_a_request_is_unknown_to_websockets() -> None:
    app = application()

    @app.route(path="/ws")
    async def page() -> str:
        return "the page"

    assert (await connect(app, Peer())).refusal.status == 404


async def test_path_of_a_websocket_is_unknown_to_requests() -> None:
    assert (await get(echoing(), "/ws")).status == 404


async def test_own_error_page_refuses_a_websocket() -> None:
    app = echoing()

    @app.on_error(404)
    async def missing(conn: Connection) -> str:
        return f"no {conn.type} here"

    refusal = (await connect(app, Peer("/elsewhere"))).refusal
    assert (refusal.status, refusal.body) == (404, b"no websocket here")


@spec("RFC 8441 §4", "CONNECT")
async def test_method_of_a_websocket_does_not_matter() -> None:
    assert (await connect(echoing(), Peer(method="CONNECT").say("a").leave())).heard == ["a"]


async def test_regular_expression_routes_a_websocket() -> None:
    app = application()

    @app.route(path=re.compile(r"/room-(?P<room>\d+)"), scheme=Scheme.websocket)
    async def chat(ws: WebSocket, room: str) -> None:
        await ws.accept()
        await ws.send(room)

    assert (await connect(app, Peer("/room-12"))).heard == ["12"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scheme": "websocket", "methods": "POST"}, "has no methods"),
        ({"scheme": "ftp"}, "is no scheme"),
        ({"max_message_size": 10}, "are for scheme"),
        ({"allow_origins": "*"}, "are for scheme"),
        ({"scheme": "websocket", "max_message_size": 0}, "number of bytes"),
        ({"scheme": "websocket", "allow_origins": "example.com"}, "is no origin"),
    ],
)
async def test_options_that_do_not_go_together_are_refused(
    options: dict[str, Any], message: str
) -> None:
    async def handler(ws: WebSocket) -> None: ...

    with pytest.raises(ValueError, match=message):
        application().route(path="/ws", **options)(handler)


async def test_size_limit_of_a_route_is_told_to_the_server() -> None:
    app = application()

    @app.route(path="/ws", scheme=Scheme.websocket, max_message_size=1000)
    async def chat(ws: WebSocket) -> None:
        await ws.accept()

    assert (await connect(app, Peer())).accept.max_message_size == 1000


@spec("RFC 6455 §10.2", "Origin Considerations")
@pytest.mark.parametrize(
    ("origin", "admitted"),
    [(b"https://app.test", True), (b"http://example.test", True), (b"https://evil.test", False)],
)
async def test_origin_decides_who_may_open(origin: bytes, admitted: bool) -> None:
    app = application()

    @app.group().route(
        path="/ws", scheme=Scheme.websocket, allow_origins=["https://app.test", "self"]
    )
    async def chat(ws: WebSocket) -> None:
        await ws.accept()

    peer = await connect(app, Peer(fields=[(b"origin", origin)]))
    if admitted:
        assert peer.accept.subprotocol is None
    else:
        assert peer.refusal.status == 403


async def test_routes_list_and_url_know_websockets_and_options_does_not() -> None:
    app = application()

    @app.route(path="/rooms/{room}", scheme=Scheme.websocket, name="room")
    async def chat(ws: WebSocket, room: str) -> None: ...

    @app.route(methods=["POST"], path="/post")
    async def post() -> None: ...

    assert app.url_path_for("room", room="blue") == "/rooms/blue"
    assert (app.get_routes()[0].path, app.get_routes()[0].name) == ("/rooms/{room}", "room")
    allow = (await ask(app, Exchange("OPTIONS", "*"))).headers.get("allow")
    assert allow == b"OPTIONS, POST"


# ---------------------------------------------------------------------- subprotocols


@spec("RFC 6455 §1.9", "subprotocol")
@pytest.mark.parametrize(
    ("offer", "chosen"),
    [("superchat, chat", "superchat"), ("x, chat", "chat"), ("x", None), ("", None)],
)
@pytest.mark.parametrize("known", [["chat", "superchat"], [b"chat", b"superchat"]])
async def test_first_offer_that_is_known_is_chosen(
    known: list[str] | list[bytes], offer: str, chosen: str | None
) -> None:
    """S28."""
    app = echoing()
    app.available_ws_protocols = known
    assert app.available_ws_protocols == [b"chat", b"superchat"]
    assert (await connect(app, Peer(offer=offer).leave())).accept.subprotocol == chosen


async def test_subprotocol_that_the_handler_names_is_chosen() -> None:
    app = application()
    app.available_ws_protocols = ["chat"]

    @app.route(path="/ws", scheme=Scheme.websocket)
    async def chat(ws: WebSocket) -> None:
        await ws.accept("stomp")

    assert (await connect(app, Peer(offer="chat, stomp"))).accept.subprotocol == "stomp"


async def test_subprotocols_are_tokens_in_a_list_before_the_start() -> None:
    app = echoing()
    for wrong in ("chat", ["a b"], [""]):
        with pytest.raises(ValueError, match=r"subprotocol|list of names"):
            app.available_ws_protocols = wrong
    app.freeze()
    with pytest.raises(RuntimeError):
        app.available_ws_protocols = ["chat"]


# ---------------------------------------------------------------------- middleware


async def test_websocket_middleware_accepts_and_closes() -> None:
    """S25."""
    app = application()

    @app.route(path="/chat", scheme=Scheme.websocket, middlewares=[websocket])
    async def chat(scope: Scope, receive: EventReceive, send: EventSend) -> None:
        event = await receive()
        await send({"type": "websocket.send", "text": event.get("text", "")})

    peer = await connect(app, Peer("/chat").say("a"))
    assert peer.heard == ["a"]
    assert peer.close == (1000, "")


async def test_websocket_middleware_is_adopted_by_the_object() -> None:
    app = application()
    app.available_ws_protocols = ["chat"]

    @app.group(middlewares=[websocket]).route(path="/chat", scheme=Scheme.websocket)
    async def chat(ws: WebSocket) -> None:
        assert ws.accepted
        await ws.accept()
        async for message in ws:
            await ws.send(f"{message!s} {ws.subprotocol}")

    peer = await connect(app, Peer("/chat", offer="chat").say("a").leave())
    assert peer.heard == ["a chat"]


async def test_websocket_middleware_around_everything_lets_requests_pass() -> None:
    app = echoing()
    app.use(websocket)

    @app.route(path="/")
    async def index() -> str:
        return "hello"

    assert (await get(app)).text == "hello"
    assert (await connect(app, Peer().say("a").leave())).heard == ["a"]


async def test_middleware_around_a_websocket_sees_typed_messages() -> None:
    app = application()
    seen: list[str] = []

    async def watch(
        conn: Connection, receive: Receive, send: Send, call_next: NativeHandler
    ) -> None:
        async def receive_seen() -> Any:
            event = await receive()
            seen.append(type(event).__name__)
            return event

        async def send_seen(message: Any) -> None:
            seen.append(type(message).__name__)
            await send(message)

        await call_next(conn, receive_seen, send_seen)

    @app.route(path="/ws", scheme=Scheme.websocket, middlewares=[watch, as_middleware(watch)])
    async def echo(ws: WebSocket) -> None:
        await ws.accept()
        async for message in ws:
            await ws.send(message)

    peer = await connect(app, Peer().say("a").leave())
    assert peer.heard == ["a"]
    assert seen[::2] == seen[1::2] == [
        "WebSocketConnect", "WebSocketAccept", "WebSocketMessage", "WebSocketMessage",
        "WebSocketDisconnected",
    ]  # fmt: skip


async def test_middleware_written_for_asgi_sees_events() -> None:
    app = application()
    seen: list[object] = []

    @as_middleware
    async def watch(
        scope: dict[str, Any], receive: EventReceive, send: EventSend, call_next: Any
    ) -> None:
        assert isinstance(scope, dict)
        assert scope["type"] == "websocket"

        async def receive_seen() -> Any:
            event = await receive()
            seen.append(event["type"])
            return event

        async def send_seen(event: Any) -> None:
            seen.append(event["type"])
            await send(event)

        await call_next(scope, receive_seen, send_seen)

    @app.route(path="/ws", scheme=Scheme.websocket, middlewares=[watch])
    async def echo(ws: WebSocket) -> None:
        await ws.accept()
        async for message in ws:
            await ws.send(message)

    @app.route(path="/no", scheme=Scheme.websocket, middlewares=[watch])
    async def deny(ws: WebSocket) -> None:
        await ws.deny(Response("no", 410))

    assert (await connect(app, Peer().say("a").leave())).heard == ["a"]
    assert (await connect(app, Peer("/no"))).refusal.status == 410
    assert seen == [
        "websocket.connect", "websocket.accept", "websocket.receive", "websocket.send",
        "websocket.disconnect", "websocket.http.response.start", "websocket.http.response.body",
    ]  # fmt: skip


async def test_middleware_that_refuses_keeps_the_handler_out() -> None:
    app = echoing()

    @app.use
    async def locked(
        conn: Connection, receive: Receive, send: Send, call_next: NativeHandler
    ) -> None:
        await send(Response("locked", 403))

    assert (await connect(app, Peer())).refusal.body == b"locked"


async def test_global_middleware_sees_an_unknown_path_as_a_response() -> None:
    app = echoing()
    seen: list[object] = []

    @app.use
    async def watch(conn: Connection, receive: Receive, send: Send, call_next: Any) -> None:
        async def send_seen(message: Any) -> None:
            seen.append(message)
            await send(message)

        await call_next(conn, receive, send_seen)

    assert (await connect(app, Peer("/elsewhere"))).refusal is seen[0]


# ---------------------------------------------------------------------- what goes wrong


async def test_exception_before_accept_is_a_500(caplog: pytest.LogCaptureFixture) -> None:
    app = application()

    @app.route(path="/ws", scheme=Scheme.websocket)
    async def broken(ws: WebSocket) -> None:
        raise ZeroDivisionError

    assert (await connect(app, Peer())).refusal.status == 500
    assert "ZeroDivisionError" in caplog.text


async def test_exception_after_accept_closes_with_1011(caplog: pytest.LogCaptureFixture) -> None:
    app = application()
    errors: list[object] = []

    @app.on("error", blocking=True)
    async def note(event: Event) -> None:
        errors.append(event.detail["exception"])

    @app.route(path="/ws", scheme=Scheme.websocket)
    async def broken(ws: WebSocket) -> None:
        await ws.accept()
        raise ZeroDivisionError

    assert (await connect(app, Peer())).close == (1011, "")
    assert "ZeroDivisionError" in caplog.text
    assert isinstance(errors[0], ZeroDivisionError)


async def test_http_exception_after_accept_closes_with_1008() -> None:
    app = application()

    @app.route(path="/ws", scheme=Scheme.websocket)
    async def strict(ws: WebSocket) -> None:
        await ws.accept()
        raise HTTPException(403, "é" * 100)

    assert (await connect(app, Peer())).close == (1008, "é" * 61)


async def test_handler_that_answers_nothing_is_a_500(caplog: pytest.LogCaptureFixture) -> None:
    app = application()

    @app.route(path="/ws", scheme=Scheme.websocket)
    async def silent(ws: WebSocket) -> None: ...

    assert (await connect(app, Peer())).refusal.status == 500
    assert "nobody accepted the WebSocket" in caplog.text


async def test_client_that_leaves_before_accept_is_no_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    peer = Peer()
    peer.events.clear()
    assert (await connect(echoing(), peer.vanish())).sent == []
    assert caplog.text == ""


async def test_client_that_vanishes_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    app = application()

    @app.route(path="/ws", scheme=Scheme.websocket)
    async def ticker(ws: WebSocket) -> None:
        await ws.accept()
        while True:
            await ws.send("tick")
            await asyncio.sleep(0)

    peer = Peer()
    serving = asyncio.ensure_future(connect(app, peer))
    while len(peer.heard) < 3:
        await asyncio.sleep(0)
    peer.vanish()
    await serving
    assert caplog.text == ""


async def test_client_that_leaves_a_group_of_tasks_is_no_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = application()

    @app.route(path="/ws", scheme=Scheme.websocket)
    async def both(ws: WebSocket) -> None:
        await ws.accept()

        async def read() -> None:
            while True:
                await ws.receive()

        async with asyncio.TaskGroup() as group:
            group.create_task(read())
            group.create_task(asyncio.Event().wait())

    await connect(app, Peer().say("a").leave())
    assert caplog.text == ""


async def test_group_of_tasks_with_another_error_is_one(caplog: pytest.LogCaptureFixture) -> None:
    app = application()

    @app.route(path="/ws", scheme=Scheme.websocket)
    async def both(ws: WebSocket) -> None:
        await ws.accept()
        raise ExceptionGroup("two", [WebSocketDisconnect(), ZeroDivisionError()])

    assert (await connect(app, Peer())).close == (1011, "")
    assert "ZeroDivisionError" in caplog.text


async def test_own_page_for_a_bug_refuses_a_websocket(caplog: pytest.LogCaptureFixture) -> None:
    app = application()

    @app.on_error(ZeroDivisionError)
    async def page(conn: Connection, exc: Exception) -> Response:
        return Response(type(exc).__name__, 503)

    @app.route(path="/ws", scheme=Scheme.websocket)
    async def broken(ws: WebSocket) -> None:
        raise ZeroDivisionError

    refusal = (await connect(app, Peer())).refusal
    assert (refusal.status, refusal.body) == (503, b"ZeroDivisionError")


async def test_client_that_is_gone_when_it_is_refused_is_no_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = application()

    @app.route(path="/ws", scheme=Scheme.websocket)
    async def strict(ws: WebSocket) -> None:
        peer.vanish()
        raise HTTPException(401)

    peer = Peer()
    assert (await connect(app, peer)).sent == []
    assert caplog.text == ""


async def test_full_handler_that_sends_to_a_client_that_vanished_is_told() -> None:
    app = application()
    codes: list[int] = []

    @app.route(path="/ws", scheme=Scheme.websocket)
    async def talk(scope: Scope, receive: EventReceive, send: EventSend) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        peer.vanish()
        with pytest.raises(WebSocketDisconnect) as caught:
            await send({"type": "websocket.send", "text": "hello?"})
        codes.append(caught.value.code)

    peer = Peer()
    await connect(app, peer)
    assert codes == [1006]


async def test_full_handler_behind_a_middleware_that_reads_gets_events() -> None:
    app = application()
    seen: list[object] = []

    async def shout(
        conn: Connection, receive: Receive, send: Send, call_next: NativeHandler
    ) -> None:
        async def receive_loud() -> Any:
            event: Any = await receive()
            return WebSocketMessage(event.text.upper()) if hasattr(event, "text") else event

        await call_next(conn, receive_loud, send)

    @app.route(path="/ws", scheme=Scheme.websocket, middlewares=[shout])
    async def handler(scope: Scope, receive: EventReceive, send: EventSend) -> None:
        seen.extend([await receive(), await send({"type": "websocket.accept"}), await receive()])

    await connect(app, Peer().say("a"))
    assert seen == [
        {"type": "websocket.connect"},
        None,
        {"type": "websocket.receive", "text": "A", "bytes": None},
    ]


async def test_interceptor_that_fails_at_the_end_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = echoing()

    @app.intercept("websocket_disconnected")
    @app.intercept("scope_completed")
    async def fail(event: Event) -> None:
        raise ZeroDivisionError(event.name)

    await connect(app, Peer().leave())
    assert caplog.text.count("an interceptor failed after the WebSocket '/ws'") == 2


async def test_cancelled_scope_is_told_why() -> None:
    app = echoing()
    log = listening(app, "scope_completed")
    peer = Peer()
    serving = asyncio.ensure_future(connect(app, peer))
    while not peer.sent:
        await asyncio.sleep(0)
    serving.cancel()
    await asyncio.wait([serving])
    assert isinstance(log[0][1]["exception"], asyncio.CancelledError)


async def test_error_of_a_dependency_after_accept_reaches_its_generator() -> None:
    app = application()
    seen: list[BaseException] = []

    async def resource() -> AsyncIterator[str]:
        try:
            yield "resource"
        except WebSocketDisconnect as error:
            seen.append(error)
            raise

    @app.route(path="/ws", scheme=Scheme.websocket)
    async def chat(ws: WebSocket, held: object = Depends(resource)) -> None:
        await ws.accept()
        while True:
            await ws.receive_text()

    await connect(app, Peer().leave(4000))
    assert [getattr(error, "code", 0) for error in seen] == [4000]


async def test_cancelled_handler_stays_cancelled() -> None:
    app = echoing()
    codes: list[object] = []

    @app.on("websocket_disconnected", blocking=True)
    async def note(event: Event) -> None:
        codes.append(event.detail["code"])

    peer = Peer()
    serving = asyncio.ensure_future(connect(app, peer))
    while not peer.sent:
        await asyncio.sleep(0)
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    assert codes == [1006]


# ---------------------------------------------------------------------- events


def listening(app: BlackBull, *names: str) -> list[tuple[str, dict[str, object]]]:
    log: list[tuple[str, dict[str, object]]] = []

    def add(name: str) -> None:
        @app.on(name, blocking=True)
        async def note(event: Event) -> None:
            log.append((event.name, dict(event.detail)))

    for name in names:
        add(name)
    return log


EVENTS = (
    "request_received", "before_handler", "after_handler", "request_completed",
    "request_disconnected", "scope_completed", "websocket_connected", "websocket_message",
    "websocket_disconnected",
)  # fmt: skip


async def test_events_of_a_websocket_come_in_order() -> None:
    app = echoing()
    app.available_ws_protocols = ["chat"]
    log = listening(app, *EVENTS)
    peer = await connect(app, Peer(offer="chat").say("a", b"b").leave(1001))
    assert peer.heard == ["a", b"b"]
    assert [name for name, _ in log] == [
        "request_received", "before_handler", "websocket_connected", "websocket_message",
        "websocket_message", "after_handler", "websocket_disconnected", "scope_completed",
    ]  # fmt: skip
    details = [detail for _, detail in log]
    facts = {"conn": peer.conn, "client_ip": "192.0.2.1", "path": "/ws"}
    assert details[2] == {**facts, "connection_id": "c" * 32, "subprotocol": "chat"}
    assert details[3] == {"conn": peer.conn, "text": "a", "bytes": None}
    assert details[6] == {**facts, "connection_id": "c" * 32, "code": 1001}
    assert details[7] == {**facts, "type": "websocket", "exception": None}


async def test_message_event_comes_before_the_handler_reads() -> None:
    app = application()
    log = listening(app, "websocket_message")

    @app.route(path="/ws", scheme=Scheme.websocket)
    async def chat(ws: WebSocket) -> None:
        await ws.accept()
        await ws.receive()
        log.append(("read", {}))

    await connect(app, Peer().say("a"))
    assert [name for name, _ in log] == ["websocket_message", "read"]


async def test_end_is_told_with_the_code_of_whoever_closed() -> None:
    app = application()
    log = listening(app, "websocket_disconnected")

    @app.route(path="/ws", scheme=Scheme.websocket)
    async def chat(ws: WebSocket) -> None:
        await ws.accept()
        await ws.close(4002)

    await connect(app, Peer())
    assert log[0][1]["code"] == 4002


async def test_end_of_a_sender_is_told_with_the_code_of_its_peer() -> None:
    app = application()
    log = listening(app, "websocket_disconnected")

    @app.route(path="/ws", scheme=Scheme.websocket)
    async def chat(ws: WebSocket) -> None:
        await ws.accept()
        peer.gone = True
        await ws.send("hello?")

    peer = Peer().say("unread").leave(4003)
    await connect(app, peer)
    assert log[0][1]["code"] == 4003


async def test_refused_websocket_tells_only_its_scope() -> None:
    app = echoing()
    log = listening(app, *EVENTS)
    await connect(app, Peer("/elsewhere"))
    assert [name for name, _ in log] == ["request_received", "scope_completed"]


async def test_interceptor_of_the_arrival_may_refuse() -> None:
    app = echoing()

    @app.intercept("request_received")
    async def closed(event: Event) -> None:
        raise HTTPException(503)

    assert (await connect(app, Peer())).refusal.status == 503


async def test_scope_of_a_failed_handler_is_told_its_exception(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = application()
    log = listening(app, "scope_completed")

    @app.route(path="/ws", scheme=Scheme.websocket)
    async def broken(ws: WebSocket) -> None:
        raise ZeroDivisionError

    await connect(app, Peer())
    assert isinstance(log[0][1]["exception"], ZeroDivisionError)
