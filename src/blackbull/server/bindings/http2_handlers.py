"""The requests of an HTTP/2 connection that tasks answer, and whose turn it is."""

from __future__ import annotations

from blackbull.native import NativeHandler

from .http2_exchange import HTTP2Exchange
from .http2_windows import Windows
from .service import HTTPService


class Handlers:
    """Lets so many handlers run at a time; the others wait in the order of their requests.

    Args:
        service: The setting and the loop.
        windows: Are told what begins and ends.

    Attributes:
        open: The exchanges whose response is not complete, by stream.
        running: Handlers that have begun and not ended, their clients gone or not.
    """

    __slots__ = ("_max", "_scheduled", "_service", "_waiting", "_windows", "open", "running")

    def __init__(self, service: HTTPService, windows: Windows) -> None:
        self._service = service
        self._windows = windows
        self._max = service.settings.h2_active_streams
        self._waiting: dict[int, NativeHandler] = {}
        self._scheduled = False
        self.open: dict[int, HTTP2Exchange] = {}
        self.running = 0

    def start(self, exchange: HTTP2Exchange, handler: NativeHandler) -> None:
        """Let *handler* run, or wait until it can."""
        stream_id = exchange.stream_id
        self.open[stream_id] = exchange
        if self.running < self._max:
            self._run(exchange, handler)
        else:
            self._waiting[stream_id] = handler
            exchange.begin_time()

    def forget(self, stream_id: int) -> HTTP2Exchange | None:
        """Return the exchange on *stream_id*, which is over; if it waits, it never begins."""
        self._windows.close(stream_id)
        self._waiting.pop(stream_id, None)
        return self.open.pop(stream_id, None)

    def forget_all(self) -> list[HTTP2Exchange]:
        """Return all exchanges, which are over."""
        exchanges = list(self.open.values())
        self.open.clear()
        self._waiting.clear()
        return exchanges

    def ended(self) -> None:
        """A handler has ended: there is room for another one."""
        self.running -= 1
        if self._waiting and not self._scheduled:
            self._scheduled = True
            service = self._service
            service.loop.call_soon(self._start_waiting, context=service.context.copy())

    def _start_waiting(self) -> None:
        waiting = self._waiting
        while waiting and self.running < self._max:
            stream_id = next(iter(waiting))
            self._run(self.open[stream_id], waiting.pop(stream_id))
        self._scheduled = False

    def _run(self, exchange: HTTP2Exchange, handler: NativeHandler) -> None:
        self.running += 1
        self._windows.start(exchange.stream_id)
        exchange.run(handler)
