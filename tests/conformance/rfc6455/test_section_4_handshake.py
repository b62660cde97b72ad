"""RFC 6455 §4: the opening handshake, and how it is refused."""

from __future__ import annotations

import asyncio

import pytest

from blackbull.connection import Connection
from blackbull.messages import (
    WebSocketAccept,
    WebSocketClose,
    WebSocketConnect,
    WebSocketDisconnected,
    WebSocketMessage,
)
from blackbull.native import Receive, Send
from blackbull.response import Response
from tests.conformance.peer import App, connected, serving
from tests.conformance.websocket import (
    ACCEPT,
    TEXT,
    Client,
    Handler,
    asking,
    close,
    frame,
    open_client,
    refused,
    talking,
)
from tests.spec import spec


@spec("RFC 6455 §4.2.2", "RFC 6455 §1.3")
async def test_handshake_is_answered_with_101_and_the_proof() -> None:
    async with talking() as client:
        assert client.answer.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
        assert client.field("upgrade") == ["websocket"]
        assert client.field("connection") == ["Upgrade"]
        assert client.field("sec-websocket-accept") == [ACCEPT.decode()]
        assert client.field("sec-websocket-extensions") == []
        assert client.field("sec-websocket-protocol") == []
        assert client.field("content-length") == []


async def test_handshake_shows_the_application_a_websocket() -> None:
    app = App({"/a b": Handler()})
    async with serving(app) as server, connected(server) as peer:
        await open_client(peer, "Sec-WebSocket-Protocol: v2.chat, chat", path="/a%20b?x=1")
    conn = app.seen[0]
    assert (conn.type, conn.scheme, conn.path) == ("websocket", "ws", "/a b")
    assert conn.query == {"x": "1"}
    assert conn.subprotocols == ["v2.chat", "chat"]
    assert "method" not in conn


@spec("RFC 6455 §4.2.1", "field names and the upgrade token are compared without case")
async def test_handshake_in_other_letters_is_accepted() -> None:
    wire = asking().replace(b"Upgrade: websocket", b"uPGRADE: WebSocket")
    wire = wire.replace(b"keep-alive, Upgrade", b"UPGRADE")
    async with serving(App({"/": Handler()})) as server, connected(server) as peer:
        await peer.send(wire)
        assert (await peer.exactly(12)) == b"HTTP/1.1 101"


@spec("RFC 6455 §4.1", "the client may send frames right behind its handshake")
async def test_handshake_loses_no_byte_that_follows_it() -> None:
    """Frames that came with the request are delivered, wherever the bytes were cut."""
    early = frame(TEXT, "one") + frame(TEXT, "two")
    wire = asking() + early
    async with serving(App({"/": Handler()})) as server:
        for cut in [1, 40, len(wire) - len(early), len(wire) - len(early) + 1, len(wire) - 1]:
            async with connected(server) as peer:
                await peer.send(wire[:cut])
                await asyncio.sleep(0)
                await peer.send(wire[cut:])
                while not (await peer.exactly(1) == b"\n" and await peer.exactly(2) == b"\r\n"):
                    pass
                client = Client(peer, b"")
                assert [await client.hear(), await client.hear()] == ["one", "two"]


async def test_handshake_while_the_application_decides_loses_no_byte() -> None:
    decide = asyncio.Event()

    class Slow(Handler):
        async def serve(self, conn: Connection, receive: Receive, send: Send) -> None:
            await decide.wait()
            await super().serve(conn, receive, send)

    async with serving(App({"/": Slow()})) as server, connected(server) as peer:
        await peer.send(asking() + frame(TEXT, "early"))
        await peer.send(frame(TEXT, "later"))
        decide.set()
        client = await open_client(_Sent(peer), early=b"")
        assert [await client.hear(), await client.hear()] == ["early", "later"]


class _Sent:
    """A peer whose handshake was sent before."""

    def __init__(self, peer: object) -> None:
        self._peer = peer

    def __getattr__(self, name: str) -> object:
        return getattr(self._peer, name)

    async def send(self, data: bytes) -> None:
        if not data.startswith(b"GET "):
            await self._peer.send(data)


@spec("RFC 9110 §7.8", "the requests before it are answered first")
async def test_handshake_behind_pipelined_requests_waits_its_turn() -> None:
    async with serving(App({"/ws": Handler()})) as server, connected(server) as peer:
        await peer.send(b"GET /first HTTP/1.1\r\nhost: a\r\n\r\n" + asking("/ws"))
        assert (await peer.reply()).body == b"GET /first"
        assert await peer.exactly(12) == b"HTTP/1.1 101"


@spec("RFC 6455 §4.4", "426 names the version that is spoken")
@pytest.mark.parametrize("version", ["8", "12", "14", "130", "013", "13x", "13, 8"])
async def test_handshake_of_another_version_is_426(version: str) -> None:
    """S24."""
    handler = Handler()
    reply = await refused(asking(version=version), handler)
    assert reply.status == 426
    assert reply["sec-websocket-version"] == b"13"
    assert reply["upgrade"] == b"websocket"
    assert not handler.events


@spec("RFC 6455 §4.2.1", "a handshake that is not as described MUST be answered with an error")
@pytest.mark.parametrize(
    "wire",
    [
        asking().replace(b"Sec-WebSocket-Version: 13\r\n", b""),
        asking(version="13\r\nSec-WebSocket-Version: 13"),
        asking().replace(b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", b""),
        asking(key=""),
        asking(key="short"),
        asking(key="dGhlIHNhbXBsZSBub25jZQ"),
        asking(key="dGhlIHNhbXBsZSBub25jZQ=="[:-1] + "A"),
        asking(key="dGhlIHNhbXBsZSBub25jZSE="),
        asking(key="dGhlIHNhbXBsZSBub25j_Q=="),
        asking(key="dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="),
        asking().replace(b"GET ", b"PUT "),
        asking("/", "Sec-WebSocket-Protocol: a b"),
        asking("/", "Sec-WebSocket-Extensions: x; =1"),
        asking("/", "Sec-WebSocket-Extensions: x y"),
        asking("/", 'Sec-WebSocket-Extensions: x; a="b c"'),
        asking("/", 'Sec-WebSocket-Extensions: x; a="b'),
        asking("/", "Sec-WebSocket-Extensions: " + ", ".join(["x"] * 33)),
    ],
)
async def test_handshake_malformed_is_400(wire: bytes) -> None:
    app = App()
    async with serving(app) as server, connected(server) as peer:
        reply = await peer.ask(wire)
        assert reply.status == 400
        assert await peer.closed()
    assert app.seen == []


@spec("RFC 6455 §4.2.1", "content must not be taken for frames")
@pytest.mark.parametrize(
    ("line", "content"),
    [
        ("Content-Length: 11", frame(TEXT, "hello")),
        ("Transfer-Encoding: chunked", b"b\r\n" + frame(TEXT, "hello") + b"\r\n0\r\n\r\n"),
    ],
)
async def test_handshake_with_content_is_400_and_nothing_of_it_arrives(
    line: str, content: bytes
) -> None:
    app = App({"/": Handler()})
    async with serving(app) as server, connected(server) as peer:
        reply = await peer.ask(asking("/", line) + content)
        assert reply.status == 400
        assert reply["connection"] == b"close"
        assert await peer.closed()
    assert app.seen == []


async def test_handshake_that_announces_no_content_is_accepted() -> None:
    async with talking(None, "Content-Length: 0") as client:
        await client.say("x")
        assert await client.hear() == "x"


@spec("RFC 9110 §7.8", "without Connection: upgrade, or in HTTP/1.0, nothing is asked for")
@pytest.mark.parametrize(
    "wire",
    [
        asking().replace(b"keep-alive, Upgrade", b"keep-alive"),
        asking().replace(b"Upgrade: websocket\r\n", b""),
        asking().replace(b"HTTP/1.1", b"HTTP/1.0"),
        asking().replace(b"Upgrade: websocket", b"Upgrade: h2c"),
    ],
)
async def test_handshake_that_is_none_is_a_request(wire: bytes) -> None:
    app = App()
    async with serving(app) as server, connected(server) as peer:
        reply = await peer.ask(wire)
        assert (reply.status, reply.body) == (200, b"GET /")
    assert app.seen[0].type == "http"


@spec("RFC 6455 §4.2.2", "one of the client's subprotocols")
async def test_subprotocol_that_was_offered_is_named() -> None:
    handler = Handler(WebSocketAccept("chat", ((b"x-extra", b"1"),)))
    async with talking(handler, "Sec-WebSocket-Protocol: v2.chat, chat") as client:
        assert client.field("sec-websocket-protocol") == ["chat"]
        assert client.field("x-extra") == ["1"]


@spec("RFC 6455 §4.2.2", "never one that was not offered; the handshake's fields are ours")
@pytest.mark.parametrize(
    "accept",
    [
        WebSocketAccept("other"),
        WebSocketAccept(None, ((b"sec-websocket-protocol", b"chat"),)),
        WebSocketAccept(None, ((b"content-length", b"0"),)),
        WebSocketAccept(None, ((b"x", b"a\r\nb: c"),)),
    ],
)
async def test_accept_that_cannot_be_sent_is_500(accept: WebSocketAccept) -> None:
    wire = asking("/", "Sec-WebSocket-Protocol: chat")
    assert (await refused(wire, Handler(accept))).status == 500


class Refuses(Handler):
    """Answers the wish to connect with *answer*; then tries what is not possible any more."""

    def __init__(self, answer: object) -> None:
        super().__init__()
        self.answer = answer

    async def serve(self, conn: Connection, receive: Receive, send: Send) -> None:
        assert isinstance(await receive(), WebSocketConnect)
        await send(self.answer)
        self.events.append(await receive())


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (WebSocketClose(), 403),
        (WebSocketClose(4000, "no"), 403),
        (Response("who are you?", 401, "text/plain", {"www-authenticate": "Basic"}), 401),
        (Response("gone", 410), 410),
    ],
)
async def test_refusal_by_the_handler_is_an_http_response(answer: object, status: int) -> None:
    """The connection goes on with HTTP afterwards."""
    handler = Refuses(answer)
    async with serving(App({"/": handler})) as server, connected(server) as peer:
        reply = await peer.ask(asking())
        assert reply.status == status
        if isinstance(answer, Response):
            assert reply.body == answer.body
        assert (await handler.disconnected()) == WebSocketDisconnected(1006, "")
        assert (await peer.ask(b"GET /next HTTP/1.1\r\nhost: a\r\n\r\n")).body == b"GET /next"


async def test_refusal_at_once_is_an_http_response() -> None:
    async with serving(App({"/": Response("no", 404)})) as server, connected(server) as peer:
        reply = await peer.ask(asking())
        assert (reply.status, reply.body) == (404, b"no")
        assert (await peer.ask(b"GET /next HTTP/1.1\r\nhost: a\r\n\r\n")).body == b"GET /next"


async def test_handler_that_returns_without_an_answer_refuses() -> None:
    async def silent(conn: Connection, receive: Receive, send: Send) -> None:
        await receive()

    assert (await refused(asking(), silent)).status == 403


async def test_handler_that_raises_before_it_accepts_is_500(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def broken(conn: Connection, receive: Receive, send: Send) -> None:
        raise ZeroDivisionError

    assert (await refused(asking(), broken)).status == 500
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize("message", [WebSocketMessage("x"), WebSocketMessage(None, b"x")])
async def test_message_before_the_accept_is_a_mistake(message: WebSocketMessage) -> None:
    async def hasty(conn: Connection, receive: Receive, send: Send) -> None:
        await send(message)

    assert (await refused(asking(), hasty)).status == 500


async def test_accept_without_waiting_for_the_connect_is_fine() -> None:
    async def eager(conn: Connection, receive: Receive, send: Send) -> None:
        await send(WebSocketAccept())
        await send(WebSocketMessage("hi"))
        assert isinstance(await receive(), WebSocketConnect)
        assert await receive() == WebSocketMessage("yo")
        await send(WebSocketMessage("done"))

    async with talking(eager) as client:
        assert await client.hear() == "hi"
        await client.say("yo")
        assert await client.hear() == "done"
        assert (await client.frame()).code == 1000
        await client.send(close())
        assert await client.gone()


@pytest.mark.parametrize("how", ["half", "whole"])
async def test_client_that_leaves_before_the_accept_is_told_to_the_handler(how: str) -> None:
    class Waits(Handler):
        async def serve(self, conn: Connection, receive: Receive, send: Send) -> None:
            await receive()
            self.events.append(await receive())
            assert conn.disconnected
            await send(WebSocketAccept())

    handler = Waits()
    async with serving(App({"/": handler})) as server:
        async with connected(server) as peer:
            await peer.send(asking())
            if how == "half":
                peer.half_close()
                assert await Client(peer, b"").gone()
        assert await handler.disconnected() == WebSocketDisconnected(1006, "")
        while server.connections:
            await asyncio.sleep(0.001)
