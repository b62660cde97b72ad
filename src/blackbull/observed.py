"""Requests and WebSockets under the eyes of observers: what stands around ``NativeApp.begin``.

A request that is answered in the callback of its arrival costs two looks at the clock and one call
for each observer; one that a task answers has its channels wrapped as well.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final, cast

from .connection import Connection
from .messages import (
    Inbox,
    Offer,
    PreparedMessage,
    RequestBody,
    RequestMessage,
    ResponseBody,
    ResponseStart,
    ResponseTrailers,
    WebSocketAccept,
    WebSocketClose,
    WebSocketEvent,
    WebSocketMessage,
)
from .native import NativeHandler, Receive, Send
from .observer import Begin, Observer, logger, tell
from .response import Response, ResponseMessage

Clock = Callable[[], float]

SWITCHED: Final = 101
"""The status of a WebSocket that was accepted, over HTTP/2 as well."""

_OF_EXCHANGES: Final = ("exchange_begun", "exchange_ended", "websocket_opened", "websocket_message")


def observe(
    begin: Begin, observers: Sequence[Observer], *, clock: Clock = time.perf_counter
) -> Begin:
    """Return *begin* so that *observers* are told; *begin* itself if nobody wants to know.

    Args:
        begin: An application's.
        observers: Who is told of requests and WebSockets.
        clock: Returns monotonic seconds.
    """
    watching = tuple(each for each in observers if _wants(each, *_OF_EXCHANGES))
    if watching:
        begin = _Observed(begin, watching, clock=clock).begin
    for each in observers:
        begin = each.wrap(begin)
    return begin


def _wants(observer: Observer, *methods: str) -> bool:
    own = type(observer)
    return any(getattr(own, name) is not getattr(Observer, name) for name in methods)


class _Observed:
    """Tells *watching* about all that goes through *begin*."""

    __slots__ = ("_begin", "_clock", "_of_messages", "_watching")

    def __init__(self, begin: Begin, watching: tuple[Observer, ...], *, clock: Clock) -> None:
        self._begin = begin
        self._clock = clock
        self._watching = watching
        self._of_messages = tuple(each for each in watching if _wants(each, "websocket_message"))

    def begin(self, conn: Connection) -> Response | NativeHandler:
        """Answer *conn* at once, or return who does."""
        clock = self._clock
        begun = clock()
        reply = self._begin(conn)
        if not isinstance(reply, Response):
            return partial(self._run, reply, begun)
        seconds = clock() - begun
        content = conn._content
        received = len(content) if content else 0
        sent = 0 if conn.head.method == "HEAD" else len(reply.body)
        for observer in self._watching:
            try:
                observer.exchange_ended(
                    conn, reply.status, received=received, sent=sent, seconds=seconds, waited=False
                )
            except Exception:
                _report(observer, conn)
        return reply

    async def _run(
        self, handler: NativeHandler, begun: float, conn: Connection, receive: Receive, send: Send
    ) -> None:
        tell(self._watching, lambda each: each.exchange_begun(conn))
        kind = _Request if conn.type == "http" else _WebSocket
        exchange = kind(conn, receive, send, tell=partial(self._tell, begun))
        if isinstance(exchange, _WebSocket):
            exchange.watch(self._watching, self._of_messages)
        try:
            await handler(conn, exchange.wrapped_receive, exchange.send)
        finally:
            exchange.end()

    def _tell(self, begun: float, exchange: _Exchange) -> None:
        conn = exchange.conn
        seconds = self._clock() - begun
        sent = 0 if conn.head.method == "HEAD" else exchange.sent
        for observer in self._watching:
            try:
                observer.exchange_ended(
                    conn,
                    exchange.status,
                    received=exchange.received,
                    sent=sent,
                    seconds=seconds,
                    waited=True,
                )
            except Exception:
                _report(observer, conn)


class _Exchange(ABC):
    """One exchange that a task answers: its channels, and what has passed through them.

    Args:
        conn: The request or the WebSocket.
        receive: Its channel.
        send: Its channel.
        tell: Called once, with this, when it is over.

    Attributes:
        conn: As above.
        status: The response's; 0 before.
        received: Bytes of content that came.
        sent: Bytes of content that went.
        wrapped_receive: What the handler gets.
    """

    __slots__ = ("_receive", "_send", "_tell", "conn", "received", "sent", "status", "told",
                 "wrapped_receive")  # fmt: skip

    def __init__(
        self,
        conn: Connection,
        receive: Receive,
        send: Send,
        *,
        tell: Callable[[_Exchange], None],
    ) -> None:
        self.conn = conn
        self._receive = receive
        self._send = send
        self._tell = tell
        self.status = 0
        self.received = 0
        self.sent = 0
        self.told = False
        self.wrapped_receive = receive

    @abstractmethod
    async def send(self, message: ResponseMessage) -> None:
        """Send *message* and take note of it."""

    def end(self) -> None:
        """It is over; what is sent afterwards does not count."""
        if not self.told:
            self.told = True
            self._tell(self)


class _Request(_Exchange):
    """A request: it is over with the last part of its response."""

    __slots__ = ("_trailers",)

    def __init__(
        self,
        conn: Connection,
        receive: Receive,
        send: Send,
        *,
        tell: Callable[[_Exchange], None],
    ) -> None:
        super().__init__(conn, receive, send, tell=tell)
        self._trailers = False
        if conn._content is None:
            # What reads the content asks the connection, not the handler's argument.
            conn.receive = self.wrapped_receive = self.receive
        else:
            self.received = len(conn._content)

    async def receive(self) -> RequestMessage:
        """Return the next message. Cancelling loses nothing."""
        message = await self._receive()
        if isinstance(message, RequestBody):
            self.received += len(message.data)
        return message

    async def send(self, message: ResponseMessage) -> None:
        await self._send(message)
        if isinstance(message, ResponseBody):
            self.sent += len(message.data)
            if not (message.more or self._trailers):
                self.end()
        elif isinstance(message, Response):
            self.status = message.status
            self.sent += len(message.body)
            self.end()
        elif isinstance(message, ResponseStart):
            self.status = message.status
            self._trailers = message.trailers
        elif isinstance(message, ResponseTrailers):
            self.end()


class _WebSocket(_Exchange):
    """A WebSocket: it is over when its handler is done."""

    __slots__ = ("_inbox", "_of_messages", "_offer", "_watching")

    def watch(self, watching: tuple[Observer, ...], of_messages: tuple[Observer, ...]) -> None:
        """Tell *watching* when it opens, and *of_messages* of every message."""
        self._watching = watching
        self._of_messages = of_messages
        if not of_messages:
            return
        conn = self.conn
        self._offer: Offer | None = conn.offer
        self._inbox: Inbox | None = conn.inbox
        self.wrapped_receive = conn.receive = cast(Receive, self.receive)
        if self._offer is not None:
            conn.offer = self.offer
        if self._inbox is not None:
            conn.inbox = self

    async def send(self, message: ResponseMessage) -> None:
        await self._send(message)
        command: object = message
        if isinstance(command, WebSocketMessage | PreparedMessage):
            self._count(command.data if command.text is None else command.text, received=False)
        elif isinstance(command, WebSocketAccept):
            self.status = SWITCHED
            tell(self._watching, lambda each: each.websocket_opened(self.conn))
        elif isinstance(command, Response):
            self.status = command.status
            self.sent = len(command.body)
        elif isinstance(command, WebSocketClose) and not self.status:
            self.status = 403

    async def receive(self) -> WebSocketEvent:
        """Return what comes next. Cancelling loses nothing."""
        event: object = await self._receive()
        if isinstance(event, WebSocketMessage):
            self._count(event.data if event.text is None else event.text, received=True)
        return cast("WebSocketEvent", event)

    def offer(self, message: str | bytes | PreparedMessage) -> bool:
        """Send *message* unless that had to wait; return whether it is on its way."""
        assert self._offer is not None
        taken = self._offer(message)
        if taken and isinstance(message, PreparedMessage):
            self._count(message.data if message.text is None else message.text, received=False)
        elif taken:
            self._count(cast("str | bytes", message), received=False)
        return taken

    def take(self) -> str | bytes | None:
        """Return the next message if one has arrived."""
        assert self._inbox is not None
        message = self._inbox.take()
        if message is not None:
            self._count(message, received=True)
        return message

    def wait(self) -> Awaitable[None] | None:
        """Return what to await before there can be a message; None: ask for the next event."""
        assert self._inbox is not None
        return self._inbox.wait()

    def _count(self, payload: str | bytes | None, *, received: bool) -> None:
        size = len(payload or b"")
        if received:
            self.received += size
        else:
            self.sent += size
        for observer in self._of_messages:
            try:
                observer.websocket_message(self.conn, size, received=received)
            except Exception:
                _report(observer, self.conn)


def _report(observer: Observer, conn: Connection) -> None:
    logger.exception("%s failed to observe %r", type(observer).__qualname__, conn.head.path)
