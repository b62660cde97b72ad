"""RFC 6455 §7: the closing handshake, both ways, and every other end."""

from __future__ import annotations

import asyncio
import logging

import pytest

from blackbull.connection import Connection
from blackbull.errors import LocalProtocolError, WebSocketDisconnect
from blackbull.messages import (
    WebSocketAccept,
    WebSocketClose,
    WebSocketDisconnected,
    WebSocketMessage,
)
from blackbull.native import Receive, Send
from tests.conformance.peer import App, connected, serving
from tests.conformance.websocket import (
    CLOSE,
    PING,
    TEXT,
    Frame,
    Handler,
    close,
    failing,
    frame,
    open_client,
    talking,
)
from tests.spec import spec

VALID = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999,
         4000, 4999]  # fmt: skip
INVALID = [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535]


@spec("RFC 6455 §5.5.1", "RFC 6455 §7.4", "the code is echoed, the connection closed")
@pytest.mark.parametrize("code", VALID)
async def test_close_with_a_valid_code_is_echoed(code: int) -> None:
    handler = Handler()
    async with talking(handler) as client:
        await client.send(close(code, "bye, Grüße"))
        assert (await client.ended()).code == code
        assert await handler.disconnected() == WebSocketDisconnected(code, "bye, Grüße")


@spec("RFC 6455 §7.1.5", "no code is 1005, and is answered without one")
async def test_close_without_a_code_is_answered_without_one() -> None:
    handler = Handler()
    async with talking(handler) as client:
        await client.send(close(None))
        assert await client.ended() == Frame(CLOSE, b"")
        assert await handler.disconnected() == WebSocketDisconnected(1005, "")


@spec("RFC 6455 §7.4.1", "RFC 6455 §7.4.2")
@pytest.mark.parametrize("code", INVALID)
async def test_close_with_an_invalid_code_fails(code: int) -> None:
    await failing(close(code), code=1002)


@spec("RFC 6455 §5.5.1", "a code takes two bytes")
async def test_close_with_half_a_code_fails() -> None:
    await failing(frame(CLOSE, b"\x03"), code=1002)


@spec("RFC 6455 §5.5.1", "the reason is UTF-8")
async def test_close_with_a_reason_that_is_no_text_fails() -> None:
    await failing(close(1000, b"\xce\xba\xe1\xbd\xb9\xcf\x83\xed\xa0\x80"), code=1007)


async def test_close_with_the_longest_reason_is_fine() -> None:
    async with talking() as client:
        await client.send(close(1000, "x" * 123))
        assert (await client.ended()).code == 1000


@spec("RFC 6455 §5.5.1", "what follows a close is ignored")
@pytest.mark.parametrize("late", [frame(TEXT, "x"), frame(PING, "x"), close(), b"\xff" * 50])
async def test_what_follows_a_close_is_ignored(late: bytes) -> None:
    handler = Handler()
    async with talking(handler) as client:
        await client.send(frame(TEXT, "before"), close(1000), late)
        assert await client.hear() == "before"
        assert (await client.ended()).code == 1000
        await handler.disconnected()
    assert handler.messages == ["before"]


@spec("RFC 6455 §7.1.2", "RFC 6455 §7.1.3", "we close, the client answers, we end the connection")
@pytest.mark.parametrize(
    ("message", "code", "reason"),
    [
        (WebSocketClose(), 1000, ""),
        (WebSocketClose(4001, "Grüße"), 4001, "Grüße"),
        (WebSocketClose(1013, "x" * 123), 1013, "x" * 123),
    ],
)
async def test_close_of_ours_waits_for_the_answer(
    message: WebSocketClose, code: int, reason: str
) -> None:
    seen: list[object] = []

    async def closes(conn: Connection, receive: Receive, send: Send) -> None:
        await send(WebSocketAccept())
        await receive()
        await send(message)
        await send(message)  # again: nothing
        with pytest.raises(WebSocketDisconnect):
            await send(WebSocketMessage("too late"))
        seen.append(await receive())

    async with talking(closes) as client:
        got = await client.frame()
        assert (got.code, got.reason) == (code, reason)
        await client.send(frame(TEXT, "on its way"), frame(PING, "x"), close(code, "ok"))
        assert await client.gone()
    assert seen == [WebSocketDisconnected(code, "ok")]


@pytest.mark.parametrize(
    "message",
    [WebSocketClose(1005), WebSocketClose(1006), WebSocketClose(999), WebSocketClose(2000),
     WebSocketClose(1000, "x" * 124), WebSocketClose(1000, "ä" * 62)],
)  # fmt: skip
async def test_close_that_cannot_be_sent_is_a_mistake_and_leaves_it_open(
    message: WebSocketClose,
) -> None:
    if message == WebSocketClose(1005):
        message = WebSocketClose(1005, "with a reason")

    async def closes(conn: Connection, receive: Receive, send: Send) -> None:
        await send(WebSocketAccept())
        with pytest.raises(LocalProtocolError):
            await send(message)
        await send(WebSocketMessage("still open"))

    async with talking(closes) as client:
        assert await client.hear() == "still open"
        assert (await client.frame()).code == 1000


async def test_handler_that_returns_closes_with_1000() -> None:
    async def once(conn: Connection, receive: Receive, send: Send) -> None:
        await send(WebSocketAccept())
        await send(WebSocketMessage("that is all"))

    async with talking(once) as client:
        assert await client.hear() == "that is all"
        assert (await client.frame()).code == 1000
        await client.send(close(1000))
        assert await client.gone()


@spec("RFC 6455 §7.4.1", "1011")
async def test_handler_that_raises_closes_with_1011(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(conn: Connection, receive: Receive, send: Send) -> None:
        await send(WebSocketAccept())
        await receive()
        await receive()
        raise ZeroDivisionError

    async with talking(broken) as client:
        await client.say("x")
        assert (await client.frame()).code == 1011
        await client.send(close(1011))
        assert await client.gone()
    assert "ZeroDivisionError" in caplog.text


async def test_handler_that_lets_the_disconnect_through_is_fine(
    caplog: pytest.LogCaptureFixture,
) -> None:
    done = asyncio.Event()

    async def sends(conn: Connection, receive: Receive, send: Send) -> None:
        try:
            await send(WebSocketAccept())
            await receive()
            await receive()
            while True:
                await send(WebSocketMessage("x" * 100_000))
        finally:
            done.set()

    with caplog.at_level(logging.INFO):
        async with talking(sends) as client:
            await client.send(close())
            assert (await client.frame()).opcode in {CLOSE, TEXT}
        await asyncio.wait_for(done.wait(), 5)
    assert [each for each in caplog.records if each.name != "blackbull.access"] == []


@spec("RFC 6455 §7.1.5", "an end without a close is 1006")
@pytest.mark.parametrize("how", ["half", "reset"])
async def test_client_that_vanishes_is_1006(how: str) -> None:
    handler = Handler()
    async with talking(handler) as client:
        await client.say("x")
        await client.hear()
        if how == "half":
            client.peer.half_close()
            assert await client.gone()
        else:
            client.peer.reset()
        assert await handler.disconnected() == WebSocketDisconnected(1006, "")


async def test_client_that_vanishes_within_a_frame_is_1006() -> None:
    handler = Handler()
    async with talking(handler) as client:
        await client.send(frame(TEXT, "x" * 1000)[:500])
        client.peer.half_close()
        assert await client.gone()
        assert await handler.disconnected() == WebSocketDisconnected(1006, "")


async def test_receive_after_the_end_tells_the_end_again() -> None:
    again: list[object] = []

    class Curious(Handler):
        async def serve(self, conn: Connection, receive: Receive, send: Send) -> None:
            await super().serve(conn, receive, send)
            again.extend([await receive(), await receive()])

    handler = Curious()
    async with talking(handler) as client:
        await client.send(close(4000, "x"))
        await client.ended()
        await handler.disconnected()
    assert again == [WebSocketDisconnected(4000, "x")] * 2


async def test_messages_before_a_close_are_delivered_first() -> None:
    go = asyncio.Event()

    class Late(Handler):
        async def serve(self, conn: Connection, receive: Receive, send: Send) -> None:
            await send(self.accept)
            await go.wait()
            await receive()
            self.events.extend([await receive(), await receive(), await receive()])

    handler = Late()
    async with talking(handler) as client:
        await client.send(frame(TEXT, "a"), frame(TEXT, "b"), close(1001))
        assert (await client.ended()).code == 1001
        go.set()
        assert (await handler.disconnected()).code == 1001
    assert handler.messages == ["a", "b"]


@spec("RFC 6455 §7.4.1", "1001: the server is going down")
async def test_server_that_stops_tells_the_handler_then_closes_with_1001() -> None:
    class Polite(Handler):
        async def serve(self, conn: Connection, receive: Receive, send: Send) -> None:
            await super().serve(conn, receive, send)
            await send(WebSocketMessage("goodbye"))

    handler = Polite()
    async with serving(App({"/": handler})) as server, connected(server) as peer:
        client = await open_client(peer)
        await client.say("x")
        assert await client.hear() == "x"
        stopping = asyncio.create_task(server.stop(5.0))
        assert await handler.disconnected() == WebSocketDisconnected(1001, "")
        assert await client.hear() == "goodbye"
        assert (await client.frame()).code == 1001
        await client.send(close(1001))
        assert await client.gone()
        await asyncio.wait_for(stopping, 2)


async def test_server_that_stops_does_not_wait_for_a_handler_that_does_not_listen() -> None:
    async def deaf(conn: Connection, receive: Receive, send: Send) -> None:
        await send(WebSocketAccept())
        await asyncio.Event().wait()

    async with serving(App({"/": deaf})) as server, connected(server) as peer:
        client = await open_client(peer)
        stopping = asyncio.create_task(server.stop(5.0))
        assert (await client.frame()).code == 1001
        await client.send(close(1001))
        assert await client.gone()
        await asyncio.wait_for(stopping, 4)


async def test_websocket_that_is_accepted_while_the_server_stops_is_closed_with_1001() -> None:
    go = asyncio.Event()

    class Late(Handler):
        async def serve(self, conn: Connection, receive: Receive, send: Send) -> None:
            await go.wait()
            await super().serve(conn, receive, send)

    handler = Late()
    async with serving(App({"/": handler})) as server, connected(server) as peer:
        opening = asyncio.create_task(open_client(peer))
        while not server.app.seen:
            await asyncio.sleep(0)
        stopping = asyncio.create_task(server.stop(5.0))
        while not next(iter(server.connections))._consumer.stopping:
            await asyncio.sleep(0)
        go.set()
        client = await opening
        assert (await client.frame()).code == 1001
        await client.send(close(1001))
        await asyncio.wait_for(stopping, 2)
    assert (await handler.disconnected()).code == 1001
