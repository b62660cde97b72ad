"""WebSockets across the border, in both directions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, cast

import pytest

from blackbull import BlackBull, WebSocket, WebSocketDisconnect
from blackbull.asgi import HostedApp, serve_scope
from blackbull.asgi.types import (
    ASGIApplication,
    ASGIReceiveCallable,
    ASGIReceiveEvent,
    ASGISendCallable,
    Scope,
)
from blackbull.asgi.websocket_events import parse_received, to_commands
from blackbull.config import Environment, Settings
from blackbull.connection import Connection
from blackbull.errors import ConnectionLost, LocalProtocolError
from blackbull.messages import (
    PreparedMessage,
    WebSocketClose,
    WebSocketConnect,
    WebSocketDisconnected,
    WebSocketMessage,
)
from blackbull.native import Receive, Send
from blackbull.response import Response
from blackbull.utils import Scheme as Kind
from tests.spec import spec
from tests.unit.asgi.doubles import App, ASGIServer
from tests.websocket_peer import Peer, connect

CONNECT: ASGIReceiveEvent = {"type": "websocket.connect"}
GONE: ASGIReceiveEvent = {"type": "websocket.disconnect", "code": 1001, "reason": "bye"}
DENIAL = "websocket.http.response"


def said(text: str | None = None, data: bytes | None = None) -> ASGIReceiveEvent:
    return {"type": "websocket.receive", "text": text, "bytes": data}


def scope(**changes: object) -> Scope:
    return {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "scheme": "wss",
        "path": "/ws",
        "raw_path": b"/ws",
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"example.test")],
        "client": ("192.0.2.1", 4711),
        "server": ("192.0.2.2", 80),
        "subprotocols": ["chat"],
        "extensions": {DENIAL: {}},
        **changes,
    }


def application(handler: Callable[..., Any], **options: Any) -> BlackBull:
    app = BlackBull(settings=Settings(environment=Environment.TEST))
    app.available_ws_protocols = ["chat"]
    app.route(path="/ws", scheme=Kind.websocket, **options)(handler)
    return app


async def echo(ws: WebSocket) -> None:
    await ws.accept(headers={"x-scheme": ws.connection.scheme})
    async for message in ws:
        await ws.send(message)


# ---------------------------------------------------------------------- we are hosted


async def test_hosted_websocket_echoes_through_events() -> None:
    server = ASGIServer(CONNECT, said("a"), said(None, b"b"), {**said(None, b"c")}, GONE)
    await serve_scope(application(echo), scope(), server.receive, server.send)
    assert server.sent == [
        {"type": "websocket.accept", "subprotocol": "chat", "headers": [(b"x-scheme", b"wss")]},
        {"type": "websocket.send", "text": "a"},
        {"type": "websocket.send", "bytes": b"b"},
        {"type": "websocket.send", "bytes": b"c"},
    ]


async def test_hosted_websocket_of_an_unknown_path_is_denied_with_a_response() -> None:
    server = ASGIServer(CONNECT)
    where = scope(path="/x", raw_path=b"/x")
    await serve_scope(application(echo), where, server.receive, server.send)
    assert server.types == [f"{DENIAL}.start", f"{DENIAL}.body"]
    assert server.sent[0]["status"] == 404
    assert server.headers()[b"content-length"] == b"%d" % len(server.body)


async def test_hosted_websocket_is_denied_without_the_extension_by_a_close() -> None:
    server = ASGIServer(CONNECT)
    where = scope(path="/x", raw_path=b"/x", extensions={})
    await serve_scope(application(echo), where, server.receive, server.send)
    assert server.types == ["websocket.close"]


async def test_hosted_websocket_below_a_mount_is_routed_by_the_rest() -> None:
    server = ASGIServer(CONNECT, GONE)
    where = scope(path="/sub/ws", raw_path=b"/sub/ws", root_path="/sub")
    await serve_scope(application(echo), where, server.receive, server.send)
    assert server.types == ["websocket.accept"]


@pytest.mark.parametrize("message", [said("é" * 3), said(None, b"x" * 6)])
async def test_hosted_websocket_message_too_big_for_its_route_is_closed_with_1009(
    message: ASGIReceiveEvent,
) -> None:
    codes: list[int | None] = []

    async def strict(ws: WebSocket) -> None:
        await ws.accept()
        async for text in ws:
            await ws.send(text)
        codes.append(ws.close_code)

    server = ASGIServer(CONNECT, said("12345"), message, said("never"))
    await serve_scope(application(strict, max_message_size=5), scope(), server.receive, server.send)
    assert server.types == ["websocket.accept", "websocket.send", "websocket.close"]
    assert server.sent[-1]["code"] == 1009
    assert codes == [1009]


async def test_hosted_websocket_of_a_host_that_raises_oserror_is_a_departed_client() -> None:
    codes: list[int] = []

    async def talk(ws: WebSocket) -> None:
        await ws.accept()
        server.gone = True
        try:
            await ws.send("hello?")
        except WebSocketDisconnect as error:
            codes.append(error.code)
            raise

    server = ASGIServer(CONNECT)
    await serve_scope(application(talk), scope(), server.receive, server.send)
    assert codes == [1006]


async def test_hosted_websocket_keeps_telling_that_it_is_closed() -> None:
    async def read(ws: WebSocket) -> None:
        await ws.accept()
        for _ in range(2):
            with pytest.raises(WebSocketDisconnect) as caught:
                await ws.receive()
            assert (caught.value.code, caught.value.reason) == (1001, "bye")
            with pytest.raises(WebSocketDisconnect):
                await ws.send("x")

    server = ASGIServer(CONNECT, GONE)
    await serve_scope(application(read), scope(), server.receive, server.send)
    assert server.types == ["websocket.accept"]


async def test_hosted_websocket_prepared_message_is_an_ordinary_one() -> None:
    async def talk(ws: WebSocket) -> None:
        await ws.accept()
        assert ws.offer is None
        await ws.send(PreparedMessage("a"))

    server = ASGIServer(CONNECT)
    await serve_scope(application(talk), scope(), server.receive, server.send)
    assert server.sent[1:] == [
        {"type": "websocket.send", "text": "a"},
        {"type": "websocket.close", "code": 1000, "reason": ""},
    ]


async def test_hosted_native_application_that_answers_nothing_is_an_error() -> None:
    async def silent(conn: object, receive: object, send: object) -> None: ...

    server = ASGIServer(CONNECT)
    with pytest.raises(LocalProtocolError, match="before it accepted"):
        await serve_scope(App(silent), scope(), server.receive, server.send)


async def test_hosted_native_channels_tell_every_time_that_it_is_closed() -> None:
    async def handler(conn: Connection, receive: Receive, send: Send) -> None:
        assert await receive() == WebSocketConnect()
        assert await receive() == await receive() == WebSocketDisconnected(1001, "bye")
        await send(Response("too late"))

    server = ASGIServer(CONNECT, GONE)
    await serve_scope(App(handler), scope(), server.receive, server.send)
    assert server.sent == []


async def test_hosted_native_response_denies() -> None:
    server = ASGIServer(CONNECT)
    await serve_scope(App(Response("no", 403)), scope(), server.receive, server.send)
    assert server.body == b"no"


@spec("ASGI HTTP & WebSocket", "Receive", "Disconnect")
def test_events_of_hosts_that_leave_keys_out_are_understood() -> None:
    assert parse_received({"type": "websocket.receive", "text": "a"}) == WebSocketMessage("a")
    data = bytearray(b"a")
    assert parse_received({"type": "websocket.receive", "bytes": data}) == WebSocketMessage(
        None, b"a"
    )
    assert parse_received({"type": "websocket.disconnect"}) == WebSocketDisconnected(1005, "")
    gone = {"type": "websocket.disconnect", "code": None, "reason": None}
    assert parse_received(gone) == WebSocketDisconnected(1005, "")


@pytest.mark.parametrize(
    "event",
    [
        {"type": "websocket.receive"},
        {"type": "websocket.receive", "text": None, "bytes": None},
        {"type": "websocket.disconnect", "code": "1000"},
        {"type": "http.request"},
        {},
    ],
)
def test_event_that_no_host_may_send_is_refused(event: Mapping[str, object]) -> None:
    with pytest.raises(LocalProtocolError):
        parse_received(event)


def test_close_is_an_event_with_code_and_reason() -> None:
    assert to_commands(WebSocketClose(4000, "x")) == [
        {"type": "websocket.close", "code": 4000, "reason": "x"}
    ]


# ---------------------------------------------------------------------- we host


def hosted(*events: dict[str, object]) -> ASGIApplication:
    """Return an application that reads one event, then sends *events*."""

    async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        assert (await receive())["type"] == "websocket.connect"
        for event in events:
            await send(event)

    return app


ACCEPT: dict[str, object] = {"type": "websocket.accept"}


async def test_guest_sees_a_websocket_scope() -> None:
    seen: list[Scope] = []

    async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        seen.append(scope)
        await receive()
        await send({"type": "websocket.close"})

    native = HostedApp(app, root_path="/sub")
    native.state["word"] = "kept"
    await connect(native, Peer("/ws", query=b"a=b", offer="chat, stomp"))
    assert seen == [
        {
            "type": "websocket",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "scheme": "ws",
            "path": "/sub/ws",
            "raw_path": b"/sub/ws",
            "query_string": b"a=b",
            "root_path": "/sub",
            "headers": [(b"host", b"example.test"), (b"sec-websocket-protocol", b"chat, stomp")],
            "client": ("192.0.2.1", 4711),
            "server": ("192.0.2.2", 80),
            "subprotocols": ["chat", "stomp"],
            "extensions": {DENIAL: {}},
            "state": {"word": "kept"},
        }
    ]


async def test_guest_echoes_through_events() -> None:
    log: list[ASGIReceiveEvent] = []

    async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        log.append(await receive())
        await send({"type": "websocket.accept", "subprotocol": "chat", "headers": [(b"A", b"b")]})
        while log[-1]["type"] != "websocket.disconnect":
            log.append(await receive())
            if log[-1].get("text"):
                await send({"type": "websocket.send", "text": "heard", "bytes": None})

    peer = await connect(HostedApp(app), Peer(offer="chat").say("a", b"b").leave(4000, "x"))
    assert log == [CONNECT, said("a"), said(None, b"b"), {**GONE, "code": 4000, "reason": "x"}]
    assert (peer.accept.subprotocol, peer.accept.fields) == ("chat", ((b"a", b"b"),))
    assert peer.heard == ["heard"]


async def test_guest_that_returns_leaves_the_closing_to_us() -> None:
    assert (await connect(HostedApp(hosted(ACCEPT)), Peer())).close == (1000, "")


async def test_guest_closes_and_hears_of_it() -> None:
    log: list[ASGIReceiveEvent] = []

    async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        await receive()
        await send(ACCEPT)
        await send({"type": "websocket.close", "code": 4001, "reason": "enough"})
        log.append(await receive())

    peer = await connect(HostedApp(app), Peer().say("unread"))
    assert peer.close == (4001, "enough")
    assert log == [{"type": "websocket.disconnect", "code": 4001, "reason": "enough"}]


async def test_guest_refuses_by_close_or_by_a_response() -> None:
    peer = await connect(HostedApp(hosted({"type": "websocket.close"})), Peer())
    assert peer.close == (1000, "")
    start: dict[str, object] = {
        "type": f"{DENIAL}.start",
        "status": 418,
        "headers": [(b"x-a", b"b")],
    }
    body: dict[str, object] = {"type": f"{DENIAL}.body", "body": b"short"}
    refusal = (await connect(HostedApp(hosted(start, body)), Peer())).refusal
    assert (refusal.status, refusal.body) == (418, b"short")
    assert refusal.headers.get("x-a") == b"b"


@pytest.mark.parametrize(
    "events",
    [
        [],
        [{"type": f"{DENIAL}.start", "status": 418}],
        [{"type": "websocket.send", "text": "early"}],
        [ACCEPT, ACCEPT],
        [ACCEPT, {"type": f"{DENIAL}.start", "status": 418}],
        [ACCEPT, {"type": "websocket.close"}, {"type": "websocket.send", "text": "late"}],
        [{"type": "websocket.accept", "headers": [("str", "str")]}],
        [{"type": "websocket.accept", "headers": 1}],
        [{"type": "websocket.accept", "subprotocol": b"chat"}],
        [{"type": "websocket.accept", "subprotocol": "unoffered"}],
        [{"type": "websocket.http.response.trailers"}],
    ],
)
async def test_guest_that_breaks_asgi_is_told(events: list[dict[str, object]]) -> None:
    with pytest.raises(LocalProtocolError):
        await connect(HostedApp(hosted(*events)), Peer())


async def test_guest_that_sends_to_a_departed_client_gets_an_oserror() -> None:
    async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        await receive()
        await send(ACCEPT)
        peer.vanish()
        with pytest.raises(OSError, match="left") as caught:
            await send({"type": "websocket.send", "text": "hello?"})
        assert isinstance(caught.value, ConnectionLost)
        raise caught.value

    peer = Peer()
    await connect(HostedApp(app), peer)
    assert peer.heard == []


async def test_guest_whose_client_left_when_it_returns_is_no_error() -> None:
    async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        await receive()
        await send(ACCEPT)
        peer.vanish()

    peer = Peer()
    await connect(HostedApp(app), peer)
    assert len(peer.sent) == 1


async def test_guest_that_raises_while_its_client_is_there_is_heard() -> None:
    async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        await receive()
        await send(ACCEPT)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await connect(HostedApp(app), Peer())


async def test_guest_that_is_cancelled_in_receive_loses_nothing() -> None:
    async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        await receive()
        await send(ACCEPT)
        waiting = asyncio.ensure_future(cast(Any, receive()))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
        peer.say("kept")
        assert await receive() == said("kept")

    peer = Peer()
    await connect(HostedApp(app), peer)
    assert peer.close == (1000, "")
