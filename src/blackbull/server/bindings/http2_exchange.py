"""One HTTP/2 request: what its handler knows of it, and the task that answers it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from blackbull.connection import Connection
from blackbull.errors import ClientDisconnected, LocalProtocolError, RemoteProtocolError
from blackbull.headers import Fields
from blackbull.native import (
    InterimResponse,
    NativeHandler,
    RequestBody,
    RequestDisconnected,
    RequestMessage,
    ResponseBody,
    ResponseMessage,
    ResponsePush,
    ResponseStart,
    ResponseTrailers,
)
from blackbull.protocol.http2 import ErrorCode, HTTP2Connection, HTTP2RequestHead, Priority
from blackbull.response import Response

from .exchange import Exchange, too_slow

if TYPE_CHECKING:
    from .http2_consumer import HTTP2Consumer

PRIORITY: Final = "http.response.priority"
STREAM: Final = "http.response.http2_stream"
PUSH: Final = "http.response.push"

LEAST_PART: Final = 1024
"""Bytes up to which parts of a request's content are joined while nobody takes them."""


class HTTP2Request(Connection):
    """A request on a stream; the extensions that tell of the stream are made when one asks.

    Attributes:
        machine: The connection's machine.
        stream_id: The stream's number.
        priority: How urgent the client says the response is.
        began: When it arrived, by the access log's clock; set where there is one.
    """

    __slots__ = ("began", "machine", "priority", "stream_id")

    head: HTTP2RequestHead
    machine: HTTP2Connection
    stream_id: int
    priority: Priority
    began: float

    @property
    def extensions(self) -> dict[str, dict[str, object]]:
        extensions = super().extensions
        if STREAM not in extensions:
            machine = self.machine
            extensions[STREAM] = {
                "stream_id": self.stream_id,
                "send_window_remaining": machine.stream_window(self.stream_id),
                "connection_send_window_remaining": machine.send_window,
            }
            extensions[PRIORITY] = _as_dict(self.priority)
            # RFC 9113 §8.4: only what the client has asked for can have a push
            if self.stream_id & 1 and machine.can_push:
                extensions[PUSH] = {}
        return extensions

    def prioritise(self, priority: Priority) -> None:
        """The client has changed its mind about the urgency."""
        self.priority = priority
        extensions = super().extensions
        if PRIORITY in extensions:
            extensions[PRIORITY].update(_as_dict(priority))


def _as_dict(priority: Priority) -> dict[str, object]:
    return {"urgency": priority.urgency, "incremental": priority.incremental}


class HTTP2Exchange(Exchange):
    """One of the exchanges that an HTTP/2 connection has at a time.

    Args:
        consumer: The connection's driver.
        conn: The request.
        parts: What arrived of the content before.
        whole: That is all of it.
        trailers: The trailer fields, if *whole*.

    Attributes:
        complete: The response was handed over to its end.
        waits_since: Since when the handler waits for content, by the loop's clock.
        whole: All of the request has arrived.
    """

    __slots__ = (
        "_consumer", "_continued", "_credited", "_ended", "_late", "_parts", "_request_trailers",
        "_room", "_size", "_trailers", "complete", "stream_id", "waits_since", "whole",
    )  # fmt: skip

    conn: HTTP2Request

    def __init__(
        self,
        consumer: HTTP2Consumer,
        conn: HTTP2Request,
        *,
        parts: list[bytes],
        whole: bool,
        trailers: Fields = (),
    ) -> None:
        super().__init__(consumer.service, conn)
        self._consumer = consumer
        self.stream_id = conn.stream_id
        self._parts = parts
        self._size = sum(map(len, parts))
        self.whole = whole
        self._ended = False  # the last part of the content was handed over
        self._request_trailers = trailers
        self._trailers = False  # trailer fields were announced by the application
        self._credited = False  # the client got its credit for the content already
        self._continued = False
        self._room: asyncio.Future[None] | None = None
        self._late: asyncio.TimerHandle | None = None
        self.complete = False
        self.waits_since = 0.0
        if self._log is not None:
            self.began = conn.began

    def run(self, handler: NativeHandler) -> None:
        """Start *handler* in a task; content that is all there belongs to the application now."""
        consumer = self._consumer
        if self.whole:
            self._credited = True
            if self._size:
                consumer.content_taken(self.stream_id, self._size)
            if consumer.at_eof:
                self.conn.disconnected = True
        super().run(handler)

    # What the application calls

    async def receive(self) -> RequestMessage:
        while not (self._ended or self.lost or self.complete):
            if self._parts or self.whole:
                return self._take()
            await self._more()
        while not (self.lost or self.complete or self.conn.disconnected):
            await self._wait()
        return RequestDisconnected()

    async def send(self, message: ResponseMessage) -> None:
        if self.lost:
            raise ClientDisconnected
        if self.complete:
            raise LocalProtocolError("the response is complete already", spec="RFC 9110 §3.4")
        consumer = self._consumer
        if isinstance(message, ResponseBody):
            end = not (message.more or self._trailers)
            waiting = consumer.machine.send_data(self.stream_id, message.data, end=end)
            self.sent += len(message.data)
            if end:
                self._complete()
                return
            consumer.flush_soon()
            if self._beats:
                self._beat()
            if waiting > consumer.send_buffer:
                await self._drain()
            elif not consumer.machine.is_open(self.stream_id):
                await asyncio.sleep(0)  # nobody reads the content: nothing else makes it wait
        elif isinstance(message, Response):
            consumer.send_response(self.stream_id, message)
            self.status = message.status
            self.sent = len(message.body)
            self._complete()
        else:
            self._send_other(message)

    def _send_other(self, message: ResponseMessage) -> None:
        consumer = self._consumer
        machine = consumer.machine
        if isinstance(message, ResponseStart):
            date = self.service.date_value
            machine.send_head(self.stream_id, message.status, message.fields, date)
            self.status = message.status
            self._trailers = message.trailers
            self._begin_content(message)
            if consumer.at_eof:
                self.half_closed()
        elif isinstance(message, ResponseTrailers):
            machine.send_trailers(self.stream_id, message.fields)
            self._complete()
        elif isinstance(message, InterimResponse):
            machine.send_informational(self.stream_id, message.status, message.fields)
        elif isinstance(message, ResponsePush):
            consumer.push(self.conn, message)
        else:
            raise LocalProtocolError(f"{type(message).__name__} is no response message")
        consumer.flush_soon()

    # What the driver calls

    @property
    def request_complete(self) -> bool:
        return self.whole

    def take_data(self, data: bytes) -> None:
        """A part of the content arrived."""
        parts = self._parts
        if parts and len(parts[-1]) + len(data) <= LEAST_PART:
            # A client that sends byte by byte must not have us keep an object for each.
            parts[-1] += data
        else:
            parts.append(data)
        self._size += len(data)
        self.arrived()

    def take_end(self, trailers: Fields) -> None:
        """The content is complete."""
        self.whole = True
        self._request_trailers = trailers
        self.arrived()

    def relieve(self) -> None:
        """The client took enough of what was sent: there is room for more."""
        room = self._room
        if room is not None:
            self._room = None
            room.set_result(None)

    def disconnected(self) -> None:
        super().disconnected()
        self._parts.clear()
        self.relieve()
        if self.task is None:  # and none will be
            self._stop_timers()
            self.report()

    def refuse(self, error: RemoteProtocolError) -> None:
        self.lost = True
        self.conn.disconnected = True
        self._parts.clear()
        if not self.complete:
            self._consumer.refuse(self, error)
            self.report(error)
        self.arrived()
        self.relieve()

    # Inside

    def _handler_ended(self) -> None:
        self._consumer.exchange_ended(self)

    def _handler_cancelled(self) -> None:
        self._consumer.exchange_ended(self, code=ErrorCode.CANCEL)

    def _end_content(self) -> None:
        if not self.complete:
            try:
                self._consumer.machine.send_data(self.stream_id, b"", end=True)
            except LocalProtocolError:
                return
            self._complete()

    def _send_silently(self, data: bytes) -> None:
        machine = self._consumer.machine
        if self.complete:
            return
        if machine.is_open(self.stream_id) and not machine.queued(self.stream_id):
            machine.send_data(self.stream_id, data)
            self.sent += len(data)
            self._consumer.flush_soon()
        self._beat()

    def _timed_out(self, seconds: float) -> None:
        error = too_slow("request_timeout", allowed=seconds, seen=seconds)
        error.code = ErrorCode.CANCEL
        self.refuse(error)
        self._cancel()

    def _complete(self) -> None:
        self.complete = True
        if self._log is not None:
            self.report()
        self._stop_timers()
        self._parts.clear()
        self._consumer.response_completed(self)
        self.arrived()

    def _take(self) -> RequestBody:
        parts = self._parts
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        parts.clear()
        self._size = 0
        self._received += len(data)
        self._ended = self.whole
        if data and not self._credited:
            self._consumer.content_taken(self.stream_id, len(data))
        trailers = self._request_trailers if self.whole else ()
        return RequestBody(data, more=not self.whole, trailers=trailers)

    def _come_late(self) -> None:
        if self.awaits_content and not self.lost:
            self.refuse(self.out_of_patience())

    async def _drain(self) -> None:
        if self._room is None:
            self._room = self.service.loop.create_future()
        await asyncio.shield(self._room)
        if self.lost:
            raise ClientDisconnected

    async def _more(self) -> None:
        """Wait for content, as long as the client is given."""
        consumer = self._consumer
        if consumer.at_eof:
            self.disconnected()
            return
        if self.conn.head.expects_continue and not (self._continued or self._received):
            self._continued = True
            if not consumer.machine.response_started(self.stream_id):
                consumer.machine.send_informational(self.stream_id, 100)
                consumer.flush_soon()
        service = self.service
        loop = service.loop
        self.awaits_content = True
        self.waits_since = loop.time()
        if self.limits is not service.request_limits and self.patience > 0:
            # The connection looks at its streams as often as the settings make necessary.
            self._late = loop.call_later(self.patience, self._come_late)
        try:
            await self._wait()
        finally:
            self.awaits_content = False
            if self._late is not None:
                self._late.cancel()
            self._waited += loop.time() - self.waits_since
        if not self.lost:
            self._check_pace(self._size)
