"""Messages that wait for a WebSocket's handler: how many, in which order, what ends them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

from blackbull.config import Settings
from blackbull.log import LimitLog
from blackbull.messages import WebSocketConnect, WebSocketDisconnected, WebSocketMessage
from blackbull.protocol.websocket import CloseReceived, PingReceived, WebSocketConnection
from blackbull.server.bindings.service import HTTPService
from blackbull.server.bindings.websocket_inbox import Inbox
from blackbull.server.bindings.websocket_outbox import Outbox
from blackbull.server.bindings.websocket_service import WebSocketService
from blackbull.transport.memory import MemoryConnection
from tests.conformance.peer import App
from tests.conformance.websocket import PING, TEXT, close, frame

END = WebSocketDisconnected(1000, "bye")


class Opened:
    """An inbox that is open, what it reads from, and what it gave away as no message."""

    def __init__(self, http: HTTPService) -> None:
        service = WebSocketService(http)
        machine = WebSocketConnection(service.limits)
        self.view = MemoryConnection()
        self.controls: list[object] = []
        outbox = Outbox(service.turn, machine)
        self.inbox = Inbox(service, machine, outbox=outbox, on_control=self.controls.append)
        self.inbox.open(self.view, compressed=False)

    async def take_connect(self) -> None:
        assert await self.inbox.receive() == WebSocketConnect()


@contextlib.contextmanager
def opened(**settings: object) -> Iterator[Opened]:
    loop = asyncio.get_running_loop()
    http = HTTPService(App({}), Settings(**settings), loop=loop, limits=LimitLog())
    try:
        yield Opened(http)
    finally:
        http.close()


async def test_handler_that_has_not_taken_the_handshake_gets_it_first() -> None:
    with opened() as each:
        each.inbox.feed(frame(TEXT, "a"))
        assert each.inbox.take() is None
        assert each.inbox.wait() is None
        await each.take_connect()
        assert each.inbox.take() == "a"
        assert each.inbox.take() is None


async def test_full_inbox_pauses_and_reads_on_when_half_is_taken() -> None:
    with opened(ws_queue_depth=4) as each:
        await each.take_connect()
        each.inbox.feed(b"".join(frame(TEXT, f"{number}") for number in range(9)))
        each.inbox.feed(frame(TEXT, "9"))
        assert list(each.inbox.messages) == ["0", "1", "2", "3"]
        assert each.inbox.paused
        assert not each.view.reading
        assert [each.inbox.take(), each.inbox.take()] == ["0", "1"]
        assert list(each.inbox.messages) == ["2", "3", "4", "5"]
        got = [each.inbox.take() for _ in range(8)]
        assert got == ["2", "3", "4", "5", "6", "7", "8", "9"]
        assert each.view.reading
        assert each.inbox.count == 10


async def test_depth_of_zero_reads_only_while_the_handler_waits() -> None:
    with opened(ws_queue_depth=0) as each:
        assert not each.view.reading
        await each.take_connect()
        waiting = asyncio.ensure_future(each.inbox.receive())
        await asyncio.sleep(0)
        assert each.view.reading
        each.inbox.feed(frame(TEXT, "a"))
        assert await waiting == WebSocketMessage("a")
        each.inbox.feed(frame(TEXT, "b"))
        assert not each.view.reading


async def test_what_is_no_message_is_given_away_in_the_order_of_the_wire() -> None:
    with opened() as each:
        await each.take_connect()
        each.inbox.feed(frame(TEXT, "a") + frame(PING, b"?") + frame(TEXT, "b") + close(1000))
        ping, closing = each.controls
        assert isinstance(ping, PingReceived)
        assert isinstance(closing, CloseReceived)
        assert list(each.inbox.messages) == ["a", "b"]


async def test_messages_that_nobody_wants_do_not_hide_the_close() -> None:
    with opened(ws_queue_depth=1) as each:
        await each.take_connect()
        each.inbox.feed(frame(TEXT, "a"))
        each.inbox.discard()
        each.inbox.feed(frame(TEXT, "b") * 100 + close(1001))
        assert list(each.inbox.messages) == ["a"]
        assert [type(control) for control in each.controls] == [CloseReceived]


async def test_end_comes_behind_the_messages_again_and_again() -> None:
    with opened() as each:
        await each.take_connect()
        each.inbox.feed(frame(TEXT, "a"))
        each.inbox.finish(END)
        assert await each.inbox.receive() == WebSocketMessage("a")
        assert [await each.inbox.receive() for _ in range(3)] == [END] * 3
        each.inbox.feed(frame(TEXT, "b") + close(1000))
        assert not each.inbox.messages
        assert each.controls == []
