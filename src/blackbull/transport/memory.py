"""Connections without sockets, for tests of bindings and of whatever pulls."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from math import inf

from blackbull.abc import Address, Aggregator, ConnectionView, Consumer, Deadline, Leaving
from blackbull.errors import ConnectionLost, LimitExceeded

from .reader import StreamReader
from .writer import StreamWriter


class MemoryDeadline(Deadline):
    """A deadline that passes when the test says so.

    Attributes:
        seconds: What was set last; None while nothing is due.
    """

    __slots__ = ("_expired", "seconds")

    def __init__(self, expired: Callable[[], None]) -> None:
        self.at = inf
        self.seconds: float | None = None
        self._expired = expired

    def set(self, seconds: float) -> None:
        """Expire after *seconds*; 0 or less: never."""
        self.seconds = seconds if seconds > 0 else None
        self.at = seconds if seconds > 0 else inf

    def clear(self) -> None:
        """Nothing is due."""
        self.set(0)

    def expire(self) -> None:
        """Let the time pass.

        Raises:
            AssertionError: nothing was due.
        """
        if self.seconds is None:
            raise AssertionError("the deadline is not set")
        self.clear()
        self._expired()


class MemoryConnection(ConnectionView):
    """A connection whose peer is a test.

    The test plays the peer with :meth:`feed`, :meth:`feed_eof` and :meth:`reset`, and the event
    loop with :meth:`pause_writing` and :meth:`resume_writing`; :attr:`sent` is what the peer got.

    Args:
        alpn: What TLS is said to have negotiated.
        peername: The peer's address.
        sockname: Our address.
        aggregator: The event system.
        write_timeout: Seconds, as :class:`~blackbull.transport.writer.StreamWriter`.

    Attributes:
        sent: Every byte that was sent.
        writes: How many calls to the transport that took.
        closed: True after :meth:`close` or :meth:`abort`.
        aborted: True after :meth:`abort`.
        going: How the server ends; the test says.
        lost: True once the consumer was told that the connection is gone.
        reading: False while reading is paused.
        limits: What the peer went past.
    """

    __slots__ = (
        "_aggregator", "_alpn", "_connection_id", "_consumer", "_deadline", "_ended", "_error",
        "_held", "_peer", "_peername", "_pending", "_reader", "_sockname", "_write_timeout",
        "_writer", "aborted", "closed", "going", "limits", "lost", "reading", "sent", "writes",
    )  # fmt: skip

    def __init__(
        self,
        *,
        alpn: str | None = None,
        peername: Address | None = ("192.0.2.1", 40000),
        sockname: Address | None = ("192.0.2.2", 8000),
        aggregator: Aggregator | None = None,
        write_timeout: float = 0.0,
    ) -> None:
        self.protocol = ""
        self.sent = bytearray()
        self.writes = 0
        self.limits: list[LimitExceeded] = []
        self.going = Leaving()
        self.closed = False
        self.aborted = False
        self.lost = False
        self.reading = True
        self._alpn = alpn
        self._peername = peername
        self._sockname = sockname
        self._aggregator = aggregator
        self._write_timeout = write_timeout
        self._connection_id = uuid.uuid4().hex
        self._consumer: Consumer | None = None
        self._deadline = MemoryDeadline(self._deadline_expired)
        self._pending = b""
        self._held: list[bytes] = []
        self._ended = False
        self._error: Exception | None = None
        self._reader: StreamReader | None = None
        self._writer: StreamWriter | None = None
        self._peer: MemoryConnection | None = None

    # What the test calls

    def feed(self, data: bytes) -> None:
        """The peer sends *data*; it waits while reading is paused."""
        if self._ended or self.lost:
            raise AssertionError("nothing arrives after the end of a connection")
        if not self.reading:
            self._held.append(data)
        elif data:
            self._arrive(data)

    def feed_eof(self) -> None:
        """The peer will send no more."""
        if self._held:
            raise AssertionError("reading is paused, so the end cannot be seen yet")
        self._ended = True
        if self._consumer is not None:
            self._consumer.eof_received()

    def reset(self) -> None:
        """The peer resets the connection."""
        self._lose(ConnectionLost("reset by the peer"))

    def pause_writing(self) -> None:
        """The peer takes our bytes too slowly."""
        if self._consumer is not None:
            self._consumer.writing_paused()

    def resume_writing(self) -> None:
        """The peer took our bytes."""
        if self._consumer is not None:
            self._consumer.writing_resumed()

    def shutdown(self) -> None:
        """The server stops."""
        self.going.begun = True
        if self._consumer is not None:
            self._consumer.shutdown()

    def take_sent(self) -> bytes:
        """Return what was sent since the last call, and forget it."""
        data = bytes(self.sent)
        self.sent.clear()
        return data

    # What a binding uses

    @property
    def reader(self) -> StreamReader:
        """For protocols that pull."""
        if self._reader is None:
            self._reader = StreamReader(self)
            self._reader.join(self.writer)
            self.attach(self._reader)
        return self._reader

    @property
    def writer(self) -> StreamWriter:
        """For protocols that pull."""
        if self._writer is None:
            self._writer = StreamWriter(self, timeout=self._write_timeout)
        return self._writer

    @property
    def peername(self) -> Address | None:
        """The peer's address."""
        return self._peername

    @property
    def sockname(self) -> Address | None:
        """Our address."""
        return self._sockname

    @property
    def ssl(self) -> object | None:
        """Always None."""
        return None

    @property
    def alpn(self) -> str | None:
        """What TLS is said to have negotiated."""
        return self._alpn

    @property
    def connection_id(self) -> str:
        """32 hexadecimal digits."""
        return self._connection_id

    @property
    def aggregator(self) -> Aggregator | None:
        """The event system."""
        return self._aggregator

    @property
    def queued(self) -> int:
        """Always 0: what is sent has arrived."""
        return 0

    @property
    def deadline(self) -> MemoryDeadline:
        """The timer; the test lets it expire."""
        return self._deadline

    @property
    def leaving(self) -> Leaving:
        """What the test says."""
        return self.going

    def attach(self, consumer: Consumer) -> None:
        """Feed *consumer* from now on."""
        self._consumer = consumer
        if self.going.begun:
            consumer.shutdown()
        if self._pending:
            data = self._pending
            self._pending = b""
            consumer.data_received(data)
        if self._ended and self._consumer is consumer:
            consumer.eof_received()
        if self.lost and self._consumer is consumer:
            self._consumer = None
            consumer.connection_lost(self._error)

    def unread(self, data: bytes) -> None:
        """Give *data* back and detach."""
        self._consumer = None
        self._pending = data + self._pending

    def send(self, data: bytes) -> None:
        """Record *data*, or hand it to the other end of the pair."""
        self.send_parts([data])

    def send_parts(self, parts: list[bytes]) -> None:
        """Record *parts* as one write."""
        if self.closed or self.lost:
            return
        self.writes += 1
        data = b"".join(parts)
        self.sent += data
        peer = self._peer
        if peer is not None and data:
            _soon(lambda: None if peer.lost or peer.closed else peer.feed(data))

    def pause_reading(self) -> None:
        """What is fed from now on is held back."""
        self.reading = False

    def resume_reading(self) -> None:
        """What was held back arrives, unless reading is paused again before all has."""
        self.reading = True
        while self._held and self.reading:
            self._arrive(self._held.pop(0))

    def close(self) -> None:
        """The connection is gone in the next turn of the loop, as with a socket."""
        if not self.closed:
            self.closed = True
            peer = self._peer
            _soon(lambda: self._lose(None))
            if peer is not None:
                _soon(lambda: None if peer.lost or peer.closed else peer.feed_eof())

    def linger(self) -> None:
        """As :meth:`close`: what was sent is not lost here."""
        self.close()

    def abort(self) -> None:
        """As :meth:`close`; the other end of a pair is reset."""
        if not self.aborted:
            self.aborted = self.closed = True
            peer = self._peer
            _soon(lambda: self._lose(None))
            if peer is not None:
                _soon(peer.reset)

    def record_limit(self, limit: LimitExceeded) -> None:
        """Keep *limit* in :attr:`limits`."""
        self.limits.append(limit)

    def join(self, peer: MemoryConnection) -> None:
        """Make what this end sends arrive at *peer*."""
        self._peer = peer

    # Inside

    def _arrive(self, data: bytes) -> None:
        if self._consumer is None:
            self._pending += data
        else:
            self._consumer.data_received(data)

    def _deadline_expired(self) -> None:
        if self._consumer is not None:
            self._consumer.deadline_expired()

    def _lose(self, error: Exception | None) -> None:
        if self.lost:
            return
        self.lost = self.closed = True
        self._error = error
        self._deadline.clear()
        consumer = self._consumer
        self._consumer = None
        if consumer is not None:
            consumer.connection_lost(error)


def memory_pair() -> tuple[MemoryConnection, MemoryConnection]:
    """Return two joined ends: what one sends arrives at the other in the next turn of the loop."""
    left = MemoryConnection()
    right = MemoryConnection(peername=left.sockname, sockname=left.peername)
    left.join(right)
    right.join(left)
    return left, right


def _soon(callback: Callable[[], object]) -> None:
    asyncio.get_running_loop().call_soon(callback)
