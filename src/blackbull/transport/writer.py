"""The pulling side of a connection: writes that wait while the peer does not take our bytes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

from blackbull.abc import ConnectionView, Writer
from blackbull.errors import ConnectionLost, WriteTimeout

LEAST_TAKEN: Final = 16384
"""Bytes that a peer must take in the timeout to be slow, not stuck."""


class StreamWriter(Writer):
    """A :class:`Writer` on a connection.

    Args:
        view: The connection.
        timeout: Seconds that the peer may take nothing; 0: for ever. A slow peer that does take
            some is told from a dead one only with *queued*.
        queued: Returns how many bytes wait for the peer.

    Attributes:
        sent: Bytes that were written.
    """

    __slots__ = (
        "_closed", "_error", "_lost", "_paused", "_queued", "_remaining", "_timed_out",
        "_timeout", "_timer", "_view", "_waiters", "sent",
    )  # fmt: skip

    def __init__(
        self,
        view: ConnectionView,
        *,
        timeout: float = 0.0,
        queued: Callable[[], int] | None = None,
    ) -> None:
        self._view = view
        self._timeout = timeout
        self._queued = queued
        self._remaining = 0
        self._closed = False
        self._lost = False
        self._error: Exception | None = None
        self._paused = False
        self._timed_out = False
        self._timer: asyncio.TimerHandle | None = None
        self._waiters: set[asyncio.Future[None]] = set()
        self.sent = 0

    # What a protocol calls

    async def write(self, data: bytes) -> None:
        """Send *data*; wait while the peer does not take it."""
        self._check()
        if data:
            self.sent += len(data)
            self._view.send(data)
        if self._paused:
            await self._drain()

    async def writelines(self, parts: Iterable[bytes]) -> None:
        """Send *parts* in order, in one call to the transport."""
        self._check()
        pieces = list(parts)
        self.sent += sum(map(len, pieces))
        self._view.send_parts(pieces)
        if self._paused:
            await self._drain()

    async def close(self) -> None:
        """Send what is queued, then close. Calling it again does nothing."""
        if not self._closed:
            self._closed = True
            self._view.close()

    # What the connection calls

    def writing_paused(self) -> None:
        """Writes wait from now on."""
        self._paused = True

    def writing_resumed(self) -> None:
        """Writes go on."""
        self._paused = False
        self._wake()

    def connection_lost(self, error: Exception | None) -> None:
        """Writes raise from now on."""
        self._lost = True
        self._error = error
        self._wake()

    # Inside

    def _check(self) -> None:
        if self._timed_out:
            raise WriteTimeout(f"the peer took nothing for {self._timeout:g} s")
        if self._lost:
            raise ConnectionLost("the connection is gone") from self._error
        if self._closed:
            raise ConnectionLost("we have closed the connection")

    async def _drain(self) -> None:
        loop = asyncio.get_running_loop()
        if self._timer is None and self._timeout > 0:
            self._remaining = self._queued() if self._queued is not None else 0
            self._timer = loop.call_later(self._timeout, self._expire)
        waiter = loop.create_future()
        self._waiters.add(waiter)
        try:
            await waiter
        finally:
            self._waiters.discard(waiter)
            if not self._waiters:
                self._disarm()
        if self._timed_out or self._lost:
            self._check()

    def _expire(self) -> None:
        self._timer = None
        if self._queued is not None:
            queued = self._queued()
            if queued <= self._remaining - LEAST_TAKEN:
                self._remaining = queued
                loop = asyncio.get_running_loop()
                self._timer = loop.call_later(self._timeout, self._expire)
                return
        self._timed_out = True
        self._view.abort()
        self._wake()

    def _wake(self) -> None:
        self._disarm()
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
