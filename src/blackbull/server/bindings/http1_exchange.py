"""One HTTP/1.1 request that is answered by a task: the application's ``receive`` and ``send``."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
from blackbull.protocol.http1 import Data, EndOfMessage
from blackbull.response import Response

from .exchange import Exchange

if TYPE_CHECKING:
    from .http1_consumer import HTTP1Consumer


class HTTP1Exchange(Exchange):
    """The one exchange that an HTTP/1.1 connection has at a time.

    Args:
        consumer: The connection's driver.
        conn: The request.
        content: What arrived of the content before the task started.
        trailers: The trailer fields, if all of the content has arrived.
    """

    __slots__ = (
        "_consumer", "_content", "_ended", "_request_trailers", "_trailers", "_whole", "complete",
    )  # fmt: skip

    def __init__(
        self, consumer: HTTP1Consumer, conn: Connection, *, content: bytes, trailers: Fields = ()
    ) -> None:
        super().__init__(consumer.service, conn)
        self._consumer = consumer
        self._content = content
        self._received = len(content)
        self._whole = consumer.machine.request_complete
        self._ended = False  # the last part of the content was handed over
        self._request_trailers = trailers
        self._trailers = False  # trailer fields were announced by the application
        self.complete = False

    def run(self, handler: NativeHandler) -> None:
        """Start *handler* in a task."""
        if self._consumer.at_eof and self._whole:
            self.conn.disconnected = True
        super().run(handler)

    # What the application calls

    async def receive(self) -> RequestMessage:
        consumer = self._consumer
        if self._content or (self._whole and not self._ended):
            data = self._content
            self._content = b""
            self._ended = self._whole
            return RequestBody(data, more=not self._whole, trailers=self._request_trailers)
        while not (self._ended or self.lost) and consumer.exchange is self:
            try:
                event = consumer.machine.next_event()
            except RemoteProtocolError as error:
                self.refuse(error)
                break
            if isinstance(event, Data):
                self._received += len(event.data)
                consumer.content_taken()
                return RequestBody(event.data, more=True)
            if isinstance(event, EndOfMessage):
                self._ended = True
                consumer.rearm()
                return RequestBody(b"", more=False, trailers=event.trailers)
            await self._more()
        while not (self.lost or self.conn.disconnected) and consumer.exchange is self:
            await self._wait()
        return RequestDisconnected()

    async def send(self, message: ResponseMessage) -> None:
        consumer = self._consumer
        output = consumer.output
        if self.lost:
            raise ClientDisconnected
        if message.__class__ is ResponseBody and message.more and consumer.exchange is self:
            output.send(consumer.machine.send_data(message.data))
            self.sent += len(message.data)
            output.flush_soon()
            if self._beats:
                self._beat()
            if output.paused:
                await self._drain()
            return
        if consumer.exchange is not self:
            raise LocalProtocolError("the response is complete already", spec="RFC 9110 §3.4")
        machine = consumer.machine
        if isinstance(message, Response):
            output.send_response(message)
            self.status = message.status
            self.sent = len(message.body)
        else:
            output.send(self._render(message))
        if machine.response_complete:
            self.complete = True
            if self._log is not None:
                self.report()
            self._stop_timers()
            consumer.response_completed()
            self.arrived()
            return
        output.flush_soon()
        if consumer.at_eof and isinstance(message, ResponseStart):
            self.half_closed()
        if output.paused:
            await self._drain()

    async def _drain(self) -> None:
        await self._consumer.output.drain()
        if self.lost:
            raise ClientDisconnected

    def _render(self, message: ResponseMessage) -> bytes:
        machine = self._consumer.machine
        if isinstance(message, ResponseBody):
            data = machine.send_data(message.data)
            self.sent += len(message.data)
            return data if message.more or self._trailers else data + machine.send_end()
        if isinstance(message, ResponseStart):
            self._trailers = message.trailers
            self._begin_content(message)
            head = machine.send_head(
                message.status, message.fields, self.service.date, trailers=message.trailers
            )
            self.status = message.status
            return head
        if isinstance(message, ResponseTrailers):
            return machine.send_end(message.fields)
        if isinstance(message, InterimResponse):
            return machine.send_informational(message.status, message.fields)
        if isinstance(message, ResponsePush):
            return b""  # HTTP/1.1 has no such thing, and nobody has to be told
        raise LocalProtocolError(f"{type(message).__name__} is no response message")

    # What the driver calls

    @property
    def request_complete(self) -> bool:
        return self._consumer.machine.request_complete

    def refuse(self, error: RemoteProtocolError) -> None:
        self.lost = True
        self.conn.disconnected = True
        self._consumer.refuse(error)
        self.report(error)
        self.arrived()

    def end_events(self) -> None:
        super().end_events()
        machine = self._consumer.machine
        if self._ending and not machine.buffered:
            machine.keep_alive = False  # it was not said, but nothing is asked yet

    # Inside

    def _handler_ended(self) -> None:
        self._consumer.exchange_ended(self)

    def _handler_cancelled(self) -> None:
        self._consumer.exchange_failed(self)

    def _end_content(self) -> None:
        consumer = self._consumer
        machine = consumer.machine
        if consumer.exchange is self and machine.response_started:
            self._stop_timers()
            try:
                consumer.output.send(machine.send_end())
            except LocalProtocolError:
                return  # content is missing, and the client is to see that
            consumer.response_completed()

    def _send_silently(self, data: bytes) -> None:
        consumer = self._consumer
        if consumer.exchange is not self:
            return
        output = consumer.output
        if not output.paused:
            output.send(consumer.machine.send_data(data))
            self.sent += len(data)
            output.flush_soon()
        self._beat()

    async def _more(self) -> None:
        """Wait for bytes of the content, as long as the client is given."""
        consumer = self._consumer
        machine = consumer.machine
        if consumer.at_eof:
            self.refuse(incomplete())
            return
        if machine.awaits_continue:
            consumer.output.send(machine.send_informational(100))
            consumer.output.flush_soon()
        self.awaits_content = True
        consumer.await_content()
        loop = self.service.loop
        began = loop.time()
        before = machine.buffered
        try:
            await self._wait()
        finally:
            self.awaits_content = False
            self._waited += loop.time() - began
            if consumer.exchange is self:
                consumer.rearm()
        if not self.lost:
            self._check_pace(machine.buffered - before)


def incomplete() -> RemoteProtocolError:
    """Return the error for a client that stopped in the middle of its request."""
    return RemoteProtocolError("the request is incomplete", code=400, spec="RFC 9112 §8")
