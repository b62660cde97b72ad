"""How much a client may send unasked: windows that grow with the measured need.

As long as handlers take content of which more is to come, a PING with the credit for it tells how
long a round trip takes. If handlers took most of a window within one, they could have taken more:
the window was what held the client back, so it grows. Content that nobody takes makes none grow.
"""

from __future__ import annotations

from math import inf
from typing import Final

from blackbull.config import Settings
from blackbull.protocol.http2 import HTTP2Connection

PROBE: Final = b"window\0\0"
"""The PING that measures."""

PAUSE: Final = 1.0
"""Seconds until the next look after one that found the window large enough."""


class Windows:
    """The windows of one connection.

    Args:
        machine: Is told of them.
        settings: How large they are, and how large they may grow.

    Attributes:
        size: Bytes that one request may send unasked.

    Spec:
        RFC 9113 §5.2
    """

    __slots__ = (
        "_again", "_connection", "_machine", "_max", "_max_connection", "_measuring", "_started",
        "_taken", "_uploads", "initial", "size",
    )  # fmt: skip

    def __init__(self, machine: HTTP2Connection, settings: Settings) -> None:
        self._machine = machine
        self.initial = self.size = settings.h2_initial_window_size
        self._max = max(settings.h2_max_window_size, self.size)
        self._connection = settings.h2_connection_window_size
        every_request = self.size * settings.h2_max_concurrent_streams
        self._max_connection = max(settings.h2_max_window_size, self._connection, every_request)
        self._uploads: set[int] = set()
        self._started: set[int] = set()
        self._measuring = False  # the PING was sent and not answered yet
        self._taken = 0
        self._again = 0.0

    def open(self, stream_id: int) -> None:
        """More content of a request is to come; its handler may have to wait."""
        self._uploads.add(stream_id)
        self._fit_connection()

    def start(self, stream_id: int) -> None:
        """The request's handler runs: its window may be larger than the initial one."""
        if stream_id not in self._uploads:
            return
        self._started.add(stream_id)
        if self.size != self.initial:
            self._machine.resize_window(stream_id, self.size)
            self._fit_connection()

    def close(self, stream_id: int) -> None:
        """No more of it will come."""
        self._uploads.discard(stream_id)
        self._started.discard(stream_id)

    def take(self, stream_id: int, count: int, *, now: float) -> None:
        """A handler took *count* bytes of content."""
        if stream_id not in self._uploads:
            return
        if self._measuring:
            self._taken += count
        elif now >= self._again:
            self._measuring = True
            self._taken = count
            self._machine.send_ping(PROBE)

    def measure(self, now: float) -> None:
        """The PING was answered: what was taken meanwhile is what a round trip must carry."""
        self._measuring = False
        if 3 * self._taken < 2 * self.size:
            self._again = now + PAUSE
            return
        self.size = min(2 * max(self._taken, self.size), self._max)
        if self.size == self._max:
            self._again = inf
        for stream_id in self._started:
            self._machine.resize_window(stream_id, self.size)
        self._fit_connection()

    def _fit_connection(self) -> None:
        # Requests that wait for their handler must not hold up those that have one.
        waiting = len(self._uploads) - len(self._started)
        wanted = self.size * len(self._started) + self.initial * waiting
        wanted = min(wanted, self._max_connection)
        if wanted > self._connection:
            self._connection = wanted
            self._machine.resize_window(0, wanted)
