"""A stream that carries another protocol: extended CONNECT (RFC 8441 §5)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING

from blackbull.abc import Address, Consumer, Deadline
from blackbull.errors import LocalProtocolError
from blackbull.headers import Fields
from blackbull.protocol.http2 import ErrorCode
from blackbull.response import Response

from .http2_exchange import LEAST_PART, HTTP2Request
from .upgrade import ByteStream, Carrier

if TYPE_CHECKING:
    from .http2_consumer import HTTP2Consumer


class StreamDeadline(Deadline):
    """The timer of a stream; moving it further away costs an attribute.

    Args:
        loop: Whose clock and timers are used.
        expired: Called when it has passed.
    """

    __slots__ = ("_expired", "_loop", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop, expired: Callable[[], None]) -> None:
        self.at = inf
        self._loop = loop
        self._expired = expired
        self._timer: asyncio.TimerHandle | None = None

    def set(self, seconds: float) -> None:
        self.at = self._loop.time() + seconds if seconds > 0 else inf
        timer = self._timer
        if timer is not None and timer.when() > self.at:
            timer.cancel()
            timer = None
        if timer is None and self.at != inf:
            self._timer = self._loop.call_at(self.at, self._look)

    def clear(self) -> None:
        self.at = inf

    def cancel(self) -> None:
        """Nothing is due, ever again."""
        self.at = inf
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        if self.at == inf:
            return
        if self.at > self._loop.time():
            self._timer = self._loop.call_at(self.at, self._look)
            return
        self.at = inf
        self._expired()


class HTTP2Tunnel(Carrier):
    """The request while the application decides, and then the new protocol's stream of bytes.

    Args:
        http2: The connection's driver.
        conn: The request.

    Attributes:
        conn: The request.
        write_paused: The client does not take what was sent.
    """

    __slots__ = (
        "_closed", "_consumer", "_deadline", "_ended", "_fed", "_held", "_http2", "_open",
        "_paused", "conn", "write_paused",
    )  # fmt: skip

    def __init__(self, http2: HTTP2Consumer, conn: HTTP2Request) -> None:
        self._http2 = http2
        self._consumer: Consumer | None = None
        self._deadline = StreamDeadline(http2.service.loop, self._deadline_expired)
        self._open = False  # it was accepted
        self._fed = False  # what arrives is the new protocol's
        self._paused = False
        self._held: list[bytes] = []
        self._ended = False  # the client will send no more
        self._closed = False
        self.conn = conn
        self.write_paused = False

    # What the new protocol calls while it is asked for

    def join(self, consumer: Consumer) -> None:
        self._consumer = consumer

    def accept(self, fields: Fields) -> ByteStream:
        """Send 200 with *fields* (RFC 8441 §5.1)."""
        self._check_due()
        http2 = self._http2
        http2.machine.send_head(self.conn.stream_id, 200, fields, http2.service.date_value)
        http2.flush_soon()
        self._open = True
        return self

    def give_way(self) -> None:
        consumer = self._consumer
        if consumer is None:
            raise LocalProtocolError("nobody has joined", spec="RFC 8441 §5")
        self._fed = True
        self._deliver()
        if self._http2.stopping:
            consumer.shutdown()

    def refuse(self, response: Response) -> None:
        self._check_due()
        self._http2.send_response(self.conn.stream_id, response)
        self._end()

    def abandon(self) -> None:
        """Reset the stream."""
        self._reset(ErrorCode.INTERNAL_ERROR)

    def _check_due(self) -> None:
        if self._closed or self._open:
            raise LocalProtocolError("the request was answered already", spec="RFC 9110 §3.4")

    # What it calls once it was accepted

    @property
    def peername(self) -> Address | None:
        """The client's address."""
        return self._http2.view.peername

    @property
    def connection_id(self) -> str:
        """That of the connection."""
        return self._http2.view.connection_id

    @property
    def deadline(self) -> Deadline:
        """The stream's own timer."""
        return self._deadline

    @property
    def queued(self) -> int:
        """Bytes that wait for the client's credit."""
        return self._http2.machine.queued(self.conn.stream_id)

    def send(self, data: bytes) -> None:
        """Queue *data*; it leaves as the client takes it."""
        http2 = self._http2
        if self._closed:
            return
        waiting = http2.machine.send_data(self.conn.stream_id, data)
        http2.flush_soon()
        if waiting > http2.send_buffer and not self.write_paused:
            self.write_paused = True
            if self._consumer is not None:
                self._consumer.writing_paused()

    def send_parts(self, parts: list[bytes]) -> None:
        """Queue *parts* in order."""
        for part in parts:
            self.send(part)

    def pause_reading(self) -> None:
        """Give the client no more credit."""
        self._paused = True

    def resume_reading(self) -> None:
        """Take what was held back, in the next turn of the loop, and give credit again."""
        if self._paused:
            self._paused = False
            if self._held or self._ended:
                self._http2.service.loop.call_soon(self._deliver)

    def close(self) -> None:
        """End our side; what the client still sends is not read (RFC 8441 §5)."""
        if not self._closed:
            self._http2.machine.send_data(self.conn.stream_id, b"", end=True)
            self._end()

    def linger(self) -> None:
        """As :meth:`close`: closing a stream destroys nothing."""
        self.close()

    def abort(self) -> None:
        """Reset the stream (RFC 8441 §5.3)."""
        self._reset(ErrorCode.CANCEL)

    # What the driver calls

    def take_data(self, data: bytes) -> None:
        """Bytes of the new protocol arrived."""
        held = self._held
        if held and len(held[-1]) + len(data) <= LEAST_PART:
            # A client that sends byte by byte must not have us keep an object for each.
            held[-1] += data
        else:
            held.append(data)
        if self._fed and not self._paused:
            self._deliver()

    def take_end(self) -> None:
        """The client will send no more."""
        self._ended = True
        if self._consumer is not None and not self._fed:
            self._consumer.eof_received()
        elif not self._paused:
            self._deliver()

    def relieve(self) -> None:
        """The client took enough of what was sent."""
        if self.write_paused:
            self.write_paused = False
            if self._consumer is not None:
                self._consumer.writing_resumed()

    def lose(self) -> None:
        """The stream is gone."""
        if not self._closed:
            self._closed = True
            self._lose_consumer()

    def shutdown(self) -> None:
        """The server stops."""
        if self._consumer is not None:
            self._consumer.shutdown()

    # Inside

    def _deliver(self) -> None:
        http2 = self._http2
        consumer = self._consumer
        held = self._held
        while held and consumer is not None and not (self._paused or self._closed):
            data = held[0] if len(held) == 1 else b"".join(held)
            held.clear()
            http2.machine.acknowledge(self.conn.stream_id, len(data))
            http2.flush_soon()
            consumer.data_received(data)
        if self._ended and not (held or self._closed) and consumer is not None:
            self._ended = False
            consumer.eof_received()

    def _reset(self, code: ErrorCode) -> None:
        if not self._closed:
            self._http2.machine.reset_stream(self.conn.stream_id, code)
            self._end()

    def _end(self) -> None:
        """Our side is done: the consumer learns it as if the connection had closed."""
        self._closed = True
        self._http2.tunnels.forget(self.conn.stream_id)
        self._http2.flush_soon()
        self._http2.service.loop.call_soon(self._lose_consumer)

    def _lose_consumer(self) -> None:
        self._deadline.cancel()
        self._held.clear()
        self.conn.disconnected = True
        consumer = self._consumer
        self._consumer = None
        if consumer is not None:
            consumer.connection_lost(None)

    def _deadline_expired(self) -> None:
        if self._consumer is not None:
            self._consumer.deadline_expired()
