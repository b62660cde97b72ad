"""One HTTP/1.1 request that is answered by a task: the application's ``receive`` and ``send``."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from blackbull.connection import Connection
from blackbull.errors import (
    ClientDisconnected,
    LimitExceeded,
    LocalProtocolError,
    RemoteProtocolError,
)
from blackbull.headers import Fields
from blackbull.native import (
    InterimResponse,
    NativeHandler,
    RequestBody,
    RequestDisconnected,
    RequestMessage,
    ResponseBody,
    ResponseMessage,
    ResponseStart,
    ResponseTrailers,
)
from blackbull.protocol.http1 import Data, EndOfMessage
from blackbull.response import Response

if TYPE_CHECKING:
    from .http1 import HTTP1Consumer

logger = logging.getLogger("blackbull.server")

HALF_CLOSED_SECONDS: Final = 5.0


class Exchange:
    """A request and its response, between one task and its connection.

    Args:
        consumer: The connection's driver.
        conn: The request.
        content: What arrived of the content before the task started.
        trailers: The trailer fields, if all of the content has arrived.
    """

    __slots__ = (
        "_cancelled", "_consumer", "_content", "_ended", "_heartbeat", "_received",
        "_request_trailers", "_silence", "_start", "_timeout", "_trailers", "_waited", "_waiter",
        "_whole", "awaits_content", "conn", "lost", "task",
    )  # fmt: skip

    def __init__(
        self, consumer: HTTP1Consumer, conn: Connection, *, content: bytes, trailers: Fields = ()
    ) -> None:
        self._consumer = consumer
        self.conn = conn
        self._content = content
        self._received = len(content)
        self._whole = consumer.machine.request_complete
        self._ended = False  # the last part of the content was handed over
        self._request_trailers = trailers
        self._trailers = False  # trailer fields were announced by the application
        self._waited = 0.0
        self._waiter: asyncio.Future[None] | None = None
        self._start: ResponseStart | None = None
        self._heartbeat: asyncio.TimerHandle | None = None
        self._silence: asyncio.TimerHandle | None = None
        self._timeout: asyncio.TimerHandle | None = None
        self._cancelled = False
        self.awaits_content = False
        self.lost = False
        self.task: asyncio.Task[None] | None = None

    def run(self, handler: NativeHandler) -> None:
        """Start *handler* in a task."""
        service = self._consumer.service
        seconds = service.settings.request_timeout
        if seconds > 0:
            self._timeout = service.loop.call_later(seconds, self._timed_out, seconds)
        self.conn.receive = self.receive
        self.task = service.spawn(self._run(handler))

    async def _run(self, handler: NativeHandler) -> None:
        try:
            await handler(self.conn, self.receive, self.send)
        except ClientDisconnected:
            pass
        except asyncio.CancelledError:
            if not self._cancelled:
                self._consumer.exchange_failed(self)
                raise
        except Exception:
            logger.exception("%s %s failed", self.conn.method, self.conn.head.raw_path)
        finally:
            self._stop_timers()
        self._consumer.exchange_ended(self)

    # What the application calls

    async def receive(self) -> RequestMessage:
        """Return the next part of the content; after the last one, wait for the client to leave.

        Cancelling loses nothing.
        """
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
        while not (self.lost or self.conn.disconnected):
            await self._wait()
        self.conn.disconnected = True
        return RequestDisconnected()

    async def send(self, message: ResponseMessage) -> None:
        """Send a part of the response; wait while the client does not read.

        Raises:
            ClientDisconnected: the client is gone, or was refused.
            LocalProtocolError: the message is not due.
        """
        consumer = self._consumer
        if self.lost:
            raise ClientDisconnected
        if consumer.exchange is not self:
            raise LocalProtocolError("the response is complete already", spec="RFC 9110 §3.4")
        machine = consumer.machine
        if isinstance(message, Response):
            consumer.write_response(message)
        else:
            consumer.write(self._render(message))
        if machine.response_complete:
            self._stop_timers()
            consumer.response_completed()
        elif consumer.write_paused:
            await consumer.drain()
            if self.lost:
                raise ClientDisconnected

    def _render(self, message: ResponseMessage) -> bytes:
        machine = self._consumer.machine
        if isinstance(message, ResponseBody):
            self._beat()
            data = machine.send_data(message.data)
            return data if message.more or self._trailers else data + machine.send_end()
        if isinstance(message, ResponseStart):
            self._start = message
            self._trailers = message.trailers
            self._beat()
            return machine.send_head(
                message.status,
                message.fields,
                self._consumer.service.date,
                trailers=message.trailers,
            )
        if isinstance(message, ResponseTrailers):
            return machine.send_end(message.fields)
        if isinstance(message, InterimResponse):
            return machine.send_informational(message.status, message.fields)
        raise LocalProtocolError(f"{type(message).__name__} is no response message")

    # What the driver calls

    def arrived(self) -> None:
        """Bytes arrived, or the client said it will send no more."""
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def half_closed(self) -> None:
        """The client will send nothing more; it may still read."""
        if self._consumer.machine.request_complete:
            self.conn.disconnected = True
        start = self._start
        if start is not None and start.cancel_on_disconnect:
            if not start.lingers_half_closed:
                self._cancel()
            else:
                self._silence = self._consumer.service.loop.call_later(
                    HALF_CLOSED_SECONDS, self._cancel
                )
        self.arrived()

    def disconnected(self) -> None:
        """The connection is gone."""
        self.lost = True
        self.conn.disconnected = True
        self.arrived()
        if self._start is not None and self._start.cancel_on_disconnect:
            self._cancel()

    def refuse(self, error: RemoteProtocolError) -> None:
        """Answer *error* instead of whatever the application has in mind."""
        self.lost = True
        self.conn.disconnected = True
        self._consumer.refuse(error)
        self.arrived()

    # Inside

    async def _more(self) -> None:
        """Wait for bytes of the content, as long as the client is given."""
        consumer = self._consumer
        machine = consumer.machine
        if consumer.at_eof:
            self.refuse(incomplete())
            return
        if machine.awaits_continue:
            consumer.write(machine.send_informational(100))
        self.awaits_content = True
        consumer.await_content()
        loop = consumer.service.loop
        began = loop.time()
        before = machine.buffered
        try:
            await self._wait()
        finally:
            self.awaits_content = False
        self._waited += loop.time() - began
        if not self.lost:
            self._check_rate(machine.buffered - before)

    def _check_rate(self, arrived: int) -> None:
        settings = self._consumer.service.settings
        rate = settings.min_body_rate
        if rate <= 0 or self._waited <= settings.min_body_rate_grace:
            return
        seen = (self._received + arrived) / self._waited
        if seen < rate:
            self.refuse(too_slow("min_body_rate", allowed=rate, seen=round(seen)))

    async def _wait(self) -> None:
        self._waiter = self._consumer.service.loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _cancel(self) -> None:
        if self.task is not None and not self.task.done() and not self._cancelled:
            self._cancelled = True
            self.lost = True
            self.conn.disconnected = True
            self.task.cancel()

    def _timed_out(self, seconds: float) -> None:
        self.refuse(too_slow("request_timeout", allowed=seconds, seen=seconds))
        self._cancel()

    def _beat(self) -> None:
        """Put the heartbeat off: something is being sent."""
        start = self._start
        if self._heartbeat is not None:
            self._heartbeat.cancel()
            self._heartbeat = None
        if self._silence is not None:
            self._silence.cancel()
            self._silence = self._consumer.service.loop.call_later(
                HALF_CLOSED_SECONDS, self._cancel
            )
        if start is not None and start.heartbeat is not None:
            seconds, data = start.heartbeat
            self._heartbeat = self._consumer.service.loop.call_later(seconds, self._send_beat, data)

    def _send_beat(self, data: bytes) -> None:
        self._heartbeat = None
        consumer = self._consumer
        if self.lost or consumer.exchange is not self:
            return
        if not consumer.write_paused:
            consumer.write(consumer.machine.send_data(data))
        self._beat()

    def _stop_timers(self) -> None:
        for timer in (self._heartbeat, self._silence, self._timeout):
            if timer is not None:
                timer.cancel()
        self._heartbeat = self._silence = self._timeout = None


def incomplete() -> RemoteProtocolError:
    """Return the error for a client that stopped in the middle of its request."""
    return RemoteProtocolError("the request is incomplete", code=400, spec="RFC 9112 §8")


def too_slow(limit: str, *, allowed: float, seen: float) -> LimitExceeded:
    """Return the error for a client that did not keep up: 408."""
    return LimitExceeded(limit, allowed=allowed, seen=seen, code=408, spec="RFC 9110 §15.5.9")
