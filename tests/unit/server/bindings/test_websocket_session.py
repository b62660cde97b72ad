"""What a WebSocket's messages cost the event loop, and what the driver leaves behind."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator

import pytest

from blackbull.config import Settings
from blackbull.connection import Connection
from blackbull.errors import LocalProtocolError
from blackbull.log import LimitLog
from blackbull.messages import (
    PreparedMessage,
    WebSocketAccept,
    WebSocketDisconnected,
    WebSocketMessage,
)
from blackbull.native import Receive, Send
from blackbull.protocol.http1 import HTTP1Connection
from blackbull.response import Response
from blackbull.server.bindings.http1 import HTTP1Binding, HTTP1Consumer
from blackbull.server.bindings.service import HTTPService
from blackbull.server.bindings.websocket import WebSocketUpgrade
from blackbull.server.bindings.websocket_session import WebSocketSession
from blackbull.transport.memory import MemoryConnection
from tests.conformance.peer import App
from tests.conformance.websocket import PING, TEXT, Handler, asking, close, frame


@contextlib.asynccontextmanager
async def opened(handler: object, **settings: object) -> AsyncIterator[MemoryConnection]:
    """Serve *handler* to a WebSocket whose peer is the test."""
    loop = asyncio.get_running_loop()
    service = HTTPService(App({"/": handler}), Settings(**settings), loop=loop, limits=LimitLog())
    service.upgrades[b"websocket"] = WebSocketUpgrade(service)
    view = MemoryConnection()
    await HTTP1Binding(service).serve(view)
    view.feed(asking())
    await settle()
    try:
        yield view
    finally:
        view.reset()
        await settle()
        service.close()


async def settle() -> None:
    for _ in range(6):
        await asyncio.sleep(0)


async def fed(view: MemoryConnection, data: bytes) -> None:
    """Let *data* arrive as it does: in a callback of the loop, within no task."""
    done = asyncio.get_running_loop().create_future()

    def arrive() -> None:
        view.feed(data)
        done.set_result(None)

    asyncio.get_running_loop().call_soon(arrive)
    await done


def alive(*classes: type) -> set[int]:
    """Return which objects of *classes* there are."""
    gc.collect()
    return {id(each) for each in gc.get_objects() if isinstance(each, classes)}


async def test_messages_that_arrive_together_leave_in_one_write_of_the_same_turn() -> None:
    async with opened(Handler()) as view:
        view.take_sent()
        before = view.writes
        wire = b"".join(frame(TEXT, f"{i}") for i in range(100))
        after: list[int] = []

        def arrive() -> None:
            view.feed(wire)
            after.append(view.writes)

        asyncio.get_running_loop().call_soon(arrive)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert after == [before + 1]
        answers = b"".join(b"\x81%c%d" % (len(str(i)), i) for i in range(100))
        assert view.take_sent() == answers


async def test_echo_asks_nothing_of_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """No callback, no future, no timer: the handler's task runs within the arrival."""
    loop = asyncio.get_running_loop()
    async with opened(Handler()) as view:
        asked: list[str] = []
        for name in ("call_soon", "call_later", "call_at", "create_future", "create_task"):
            monkeypatch.setattr(loop, name, lambda *a, name=name, **k: asked.append(name))
        session = view._consumer
        assert isinstance(session, WebSocketSession)
        current = asyncio.current_task()
        assert current is not None
        asyncio.tasks._leave_task(loop, current)
        try:
            for _ in range(10):
                view.feed(frame(TEXT, "x"))
        finally:
            asyncio.tasks._enter_task(loop, current)
            monkeypatch.undo()
        assert asked == []
        assert view.take_sent().endswith(b"\x81\x01x" * 10)


async def test_messages_sent_in_one_turn_leave_in_one_write() -> None:
    go = asyncio.Event()

    async def talkative(conn: Connection, receive: Receive, send: Send) -> None:
        await send(WebSocketAccept())
        await go.wait()
        for i in range(50):
            await send(WebSocketMessage(str(i)))
        await receive()
        await receive()

    async with opened(talkative) as view:
        before = view.writes
        go.set()
        await settle()
        assert view.writes == before + 1


async def test_large_messages_are_handed_over_uncopied() -> None:
    payload = b"x" * 50_000
    parts: list[object] = []

    async def sends(conn: Connection, receive: Receive, send: Send) -> None:
        await send(WebSocketAccept())
        await send(WebSocketMessage(None, payload))
        await receive()
        await receive()

    loop = asyncio.get_running_loop()
    service = HTTPService(App({"/": sends}), Settings(), loop=loop, limits=LimitLog())
    service.upgrades[b"websocket"] = WebSocketUpgrade(service)

    class View(MemoryConnection):
        def send_parts(self, data: list[bytes]) -> None:
            parts.extend(data)

    view = View()
    await HTTP1Binding(service).serve(view)
    view.feed(asking())
    await settle()
    assert any(part is payload for part in parts)
    view.reset()
    await settle()
    service.close()


async def test_prepared_message_is_framed_once_for_all_sockets() -> None:
    message = PreparedMessage("x" * 200)

    async def sends(conn: Connection, receive: Receive, send: Send) -> None:
        await send(WebSocketAccept())
        await send(message)
        assert conn.offer(message)
        await receive()
        await receive()

    async with opened(sends) as one, opened(sends) as two:
        assert one.take_sent().count(b"x" * 200) == 2
        assert two.take_sent().count(b"x" * 200) == 2
        (kept,) = message.frames.values()
        assert kept == b"\x81\x7e\x00\xc8" + b"x" * 200


async def test_open_websocket_keeps_nothing_of_http() -> None:
    before = alive(HTTP1Consumer, HTTP1Connection)
    async with opened(Handler()) as view:
        assert isinstance(view._consumer, WebSocketSession)
        assert alive(HTTP1Consumer, HTTP1Connection) <= before


async def test_closed_websocket_is_forgotten() -> None:
    before = alive(WebSocketSession)
    async with opened(Handler()) as view:
        assert not alive(WebSocketSession) <= before
        view.feed(close())
        await settle()
        assert view.closed
        await settle()
        assert alive(WebSocketSession) <= before


@pytest.mark.parametrize("what", ["accept", "response", "message"])
async def test_message_out_of_turn_is_a_mistake(what: str) -> None:
    raised: list[Exception] = []

    async def wrong(conn: Connection, receive: Receive, send: Send) -> None:
        await send(WebSocketAccept())
        message = {
            "accept": WebSocketAccept(),
            "response": Response("no"),
            "message": WebSocketMessage(),
        }[what]
        try:
            await send(message)
        except LocalProtocolError as error:
            raised.append(error)
        await receive()

    async with opened(wrong):
        assert len(raised) == 1


async def test_two_tasks_that_receive_at_once_are_told() -> None:
    errors: list[str] = []

    async def two(conn: Connection, receive: Receive, send: Send) -> None:
        await send(WebSocketAccept())
        await receive()
        first = asyncio.ensure_future(receive())
        await asyncio.sleep(0)
        try:
            await receive()
        except RuntimeError as error:
            errors.append(str(error))
        await first
        assert isinstance(await receive(), WebSocketDisconnected)

    async with opened(two) as view:
        view.feed(frame(TEXT, "x"))
        await settle()
        assert len(errors) == 1


async def test_receive_that_is_cancelled_loses_nothing() -> None:
    got: list[object] = []

    async def impatient(conn: Connection, receive: Receive, send: Send) -> None:
        await send(WebSocketAccept())
        await receive()
        while len(got) < 3:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.001):
                    got.append(await receive())
        await send(WebSocketMessage("done"))

    async with opened(impatient) as view:
        for text in ("a", "b", "c"):
            await asyncio.sleep(0.003)
            await fed(view, frame(TEXT, text))
        await asyncio.sleep(0.003)
        assert got == [WebSocketMessage("a"), WebSocketMessage("b"), WebSocketMessage("c")]
        assert b"done" in view.take_sent()


async def test_deadlines_follow_what_is_waited_for() -> None:
    times = {"ws_idle_timeout": 300, "ws_close_timeout": 7, "write_timeout": 9}
    async with opened(Handler(), ws_message_timeout=0, **times) as view:
        assert view.deadline.seconds == 300
        view.pause_writing()
        assert view.deadline.seconds == 9
        view.resume_writing()
        assert view.deadline.seconds == 300
        view.deadline.expire()  # it was heard of a moment ago
        assert 299 < view.deadline.seconds <= 300
        view.shutdown()
        await settle()
        assert view.deadline.seconds == 7  # the handler has ended, the close is to be answered
        view.deadline.expire()
        assert view.aborted


async def test_ping_from_a_task_is_answered_too() -> None:
    async with opened(Handler()) as view:
        view.take_sent()
        view.feed(frame(PING, b"x"))
        assert view.take_sent() == b"\x8a\x01x"
