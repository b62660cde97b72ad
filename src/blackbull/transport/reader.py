"""The pulling side of a connection: arrivals are buffered until somebody reads them."""

from __future__ import annotations

import asyncio
from typing import Final

from blackbull.abc import ConnectionView, Consumer, Reader
from blackbull.errors import ConnectionLost, IncompleteRead, LimitExceeded

from .writer import StreamWriter

MAX_BUFFERED: Final = 262144


class StreamReader(Reader, Consumer):
    """A :class:`Reader` that is the consumer of its connection.

    It stops taking bytes from the peer when *max_buffered* bytes wait to be read, unless a read
    is waiting for more than that: then it goes on until that read can be satisfied. When the
    server stops, the stream ends soon: a protocol that returns at the end of its stream does, too.

    Args:
        view: The connection; pausing and resuming its reading is all that is done to it.
        max_buffered: Bytes.

    Attributes:
        received: Bytes that arrived.
    """

    __slots__ = (
        "_buffer", "_chunk", "_ended", "_error", "_leaving", "_max", "_paused", "_view", "_waiter",
        "_wanted", "_writer", "received",
    )  # fmt: skip

    def __init__(self, view: ConnectionView, *, max_buffered: int = MAX_BUFFERED) -> None:
        self._view = view
        self._max = max_buffered
        # A chunk that comes while nothing is buffered is kept, and mostly read, as it came.
        self._chunk = b""
        self._buffer = bytearray()
        self._ended = False
        self._error: Exception | None = None
        self._leaving = False
        self._paused = False
        self._waiter: asyncio.Future[None] | None = None
        self._wanted = 0
        self._writer: StreamWriter | None = None
        self.received = 0

    def join(self, writer: StreamWriter) -> None:
        """Tell *writer* what happens to the connection: a consumer is told, a writer is not."""
        self._writer = writer

    # What a protocol calls

    async def read(self, n: int = -1) -> bytes:
        """Return 1 to *n* bytes as soon as any are there; all that has arrived if *n* is -1."""
        if n == 0:
            return b""
        while not (self._chunk or self._buffer):
            if self._at_end():
                return b""
            await self._wait(1)
        return self._take(n if n > 0 else len(self._chunk) + len(self._buffer))

    async def readexactly(self, n: int) -> bytes:
        """Return exactly *n* bytes."""
        if n < 0:
            raise ValueError(f"readexactly() takes a size of 0 or more, not {n}")
        await self._fill(n)
        if len(self._chunk) + len(self._buffer) < n:
            partial = self._take(n)
            raise IncompleteRead(
                f"the stream ended after {len(partial)} of {n} bytes", partial=partial
            )
        return self._take(n)

    async def readuntil(self, separator: bytes = b"\n", *, limit: int = 65536) -> bytes:
        """Return the bytes up to and including *separator*."""
        if not separator:
            raise ValueError("readuntil() needs a separator of at least one byte")
        searched = 0
        while True:
            buffer = self._joined()
            at = buffer.find(separator, searched, limit)
            if at >= 0:
                return self._take(at + len(separator))
            size = len(buffer)
            if size >= limit:
                raise LimitExceeded("readuntil", allowed=limit, seen=size)
            searched = max(0, size - len(separator) + 1)
            if self._at_end():
                partial = self._take(size)
                raise IncompleteRead("the stream ended before the separator", partial=partial)
            await self._wait(size + 1)

    async def peek(self, n: int) -> bytes:
        """Return the next *n* bytes, fewer only at the end, without consuming them."""
        await self._fill(n)
        return self._chunk[:n] or bytes(self._buffer[:n])

    def at_eof(self) -> bool:
        """Return True when the stream has ended and everything was read."""
        return self._ended and not self._chunk and not self._buffer

    # What the connection calls

    def data_received(self, data: bytes) -> None:
        """Buffer *data*; stop the peer when enough is buffered."""
        if self._ended:
            return
        self.received += len(data)
        if self._chunk or self._buffer:
            self._joined().extend(data)
        else:
            self._chunk = data
        size = len(self._chunk) + len(self._buffer)
        if size >= self._wanted:
            self._wake()
            if size > self._max and not self._paused:
                self._paused = True
                self._view.pause_reading()

    def eof_received(self) -> None:
        """The stream has ended."""
        self._ended = True
        self._wake()

    def connection_lost(self, error: Exception | None) -> None:
        """The stream has ended; if it was reset, reads raise once what arrived is read."""
        if not self._ended:
            self._error = error
            self._ended = True
        self._wake()
        if self._writer is not None:
            self._writer.connection_lost(error)

    def shutdown(self) -> None:
        """The server stops: what arrives within the grace is read, then the stream ends."""
        seconds = self._view.leaving.grace
        if seconds > 0:
            self._leaving = True
            self._view.deadline.set(seconds)
        else:
            self.eof_received()

    def writing_paused(self) -> None:
        """Tell the writer."""
        if self._writer is not None:
            self._writer.writing_paused()

    def writing_resumed(self) -> None:
        """Tell the writer."""
        if self._writer is not None:
            self._writer.writing_resumed()

    def deadline_expired(self) -> None:
        """End the stream of a server that stops; any other deadline is the connection's end."""
        if self._leaving:
            self.eof_received()
        else:
            self._view.abort()

    # Inside

    async def _fill(self, n: int) -> None:
        while len(self._chunk) + len(self._buffer) < n and not self._at_end():
            await self._wait(n)

    async def _wait(self, wanted: int) -> None:
        if self._waiter is not None:
            raise RuntimeError("another task is reading already; let one task read")
        self._wanted = wanted
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            self._resume()  # what was held back may arrive before it returns
            await self._waiter
        finally:
            self._waiter = None
            self._wanted = 0

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _at_end(self) -> bool:
        if self._error is not None:
            raise ConnectionLost("the connection was reset") from self._error
        return self._ended

    def _joined(self) -> bytearray:
        if self._chunk:
            self._buffer += self._chunk
            self._chunk = b""
        return self._buffer

    def _take(self, n: int) -> bytes:
        if self._chunk and n >= len(self._chunk):
            data = self._chunk
            self._chunk = b""
        else:
            buffer = self._joined()
            data = bytes(memoryview(buffer)[:n])
            del buffer[:n]
        if self._paused and len(self._buffer) <= self._max // 2:
            self._resume()
        return data

    def _resume(self) -> None:
        if self._paused:
            self._paused = False
            self._view.resume_reading()
