"""One request that is answered by a task, whatever version of HTTP carries it."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from typing import Final

from blackbull.connection import Connection
from blackbull.errors import ClientDisconnected, LimitExceeded, RemoteProtocolError
from blackbull.native import NativeHandler, RequestMessage, ResponseMessage, ResponseStart

from .service import HTTPService

logger = logging.getLogger("blackbull.server")

HALF_CLOSED_SECONDS: Final = 2.0


class Exchange(ABC):
    """A request and its response, between one task and its connection.

    Args:
        service: What the connection shares with the others.
        conn: The request.

    Attributes:
        service: As above.
        conn: As above.
        limits: What bounds the request.
        task: What runs the handler; None before it does.
        began: When the request was handed to the application, by the access log's clock.
        status: The response's; 0 before one is begun.
        sent: Bytes of content that were sent.
        lost: The client is gone, or was refused.
        awaits_content: The handler waits for content.
    """

    __slots__ = (
        "_beats", "_cancelled", "_ending", "_heartbeat", "_log", "_received", "_silence",
        "_start", "_timeout", "_waited", "_waiter", "awaits_content", "began", "conn", "limits",
        "lost", "sent", "service", "status", "task",
    )  # fmt: skip

    def __init__(self, service: HTTPService, conn: Connection) -> None:
        self.service = service
        self.conn = conn
        self.limits = (
            service.request_limits if service.find_limits is None else service.limits_of(conn.head)
        )
        self._log = service.access_log  # until it has been told
        self.began = 0.0
        self.status = 0
        self.sent = 0
        self._received = 0
        self._waited = 0.0
        self._waiter: asyncio.Future[None] | None = None
        self._start: ResponseStart | None = None
        self._beats = False  # every part of the content puts a timer off
        self._heartbeat: asyncio.TimerHandle | None = None
        self._silence: asyncio.TimerHandle | None = None
        self._timeout: asyncio.TimerHandle | None = None
        self._cancelled = False
        self._ending = False  # the server stops, and ends what has no end of its own
        self.awaits_content = False
        self.lost = False
        self.task: asyncio.Task[None] | None = None

    def run(self, handler: NativeHandler) -> None:
        """Start *handler* in a task."""
        self.begin_time()
        self.conn.receive = self.receive
        self.task = self.service.spawn(self._run(handler))

    def begin_time(self) -> None:
        """Count the time of the request from now on, if it was not counted before."""
        seconds = self.limits.request_timeout
        if seconds > 0 and self._timeout is None:
            self._timeout = self.service.loop.call_later(seconds, self._timed_out, seconds)

    async def _run(self, handler: NativeHandler) -> None:
        try:
            await handler(self.conn, self.receive, self.send)
        except ClientDisconnected:
            pass
        except asyncio.CancelledError:
            if self._ending and not self.lost:
                self._end_content()
            elif not self._cancelled:
                self._handler_cancelled()
                self.report()
                raise
        except Exception:
            logger.exception("%s %s failed", self.conn.method, self.conn.head.raw_path)
        finally:
            self._stop_timers()
            self.conn.receive = None  # nothing may keep the request alive but its handler
        self._handler_ended()
        if self._log is not None:
            self.report()

    def report(self, error: RemoteProtocolError | None = None) -> None:
        """Tell the access log, if there is one and it was not told: the exchange is over."""
        log = self._log
        if log is None:
            return
        self._log = None
        details: dict[str, object] | None = None
        if error is not None:
            details = {"error": str(error)}
        elif self.lost or (self.conn.disconnected and not self.complete):
            details = {"disconnected": True}
        elif not self.complete:
            details = {"error": "the response is incomplete"}
        log.ended(
            self.conn, self.status, sent=self.sent, received=self._received, began=self.began,
            details=details,
        )  # fmt: skip

    # What the application calls

    @abstractmethod
    async def receive(self) -> RequestMessage:
        """Return the next part of the content; after the last one, wait for the client to leave.

        Cancelling loses nothing.
        """

    @abstractmethod
    async def send(self, message: ResponseMessage) -> None:
        """Send a part of the response; wait while the client does not read.

        Raises:
            ClientDisconnected: the client is gone, or was refused.
            LocalProtocolError: the message is not due.
        """

    # What the driver calls

    complete: bool
    """The response was handed over to its end."""

    @property
    @abstractmethod
    def request_complete(self) -> bool:
        """True when all of the request has arrived."""

    @abstractmethod
    def refuse(self, error: RemoteProtocolError) -> None:
        """Answer *error* instead of whatever the application has in mind."""

    def arrived(self) -> None:
        """Bytes arrived, or the client said it will send no more."""
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            waiter.set_result(None)

    def half_closed(self) -> None:
        """The client will send nothing more; it may still read."""
        if self.request_complete:
            self.conn.disconnected = True
        start = self._start
        if start is not None and start.cancel_on_disconnect:
            if not start.lingers_half_closed:
                self._cancel()
            else:
                self._beats = True
                self._silence = self.service.loop.call_later(HALF_CLOSED_SECONDS, self._cancel)
        self.arrived()

    def disconnected(self) -> None:
        """The connection is gone."""
        self.lost = True
        self.conn.disconnected = True
        self.arrived()
        if self._start is not None and self._start.cancel_on_disconnect:
            self._cancel()

    @property
    def patience(self) -> float:
        """How many seconds the client may take for its next bytes; 0: as many as it likes."""
        limits = self.limits
        part, total = limits.body_timeout, limits.body_total_timeout
        if total <= 0:
            return part
        left = max(total - self._waited, 0.001)
        return min(part, left) if part > 0 else left

    def out_of_patience(self) -> LimitExceeded:
        """Return the error for a client whose time is over."""
        limits = self.limits
        part, total = limits.body_timeout, limits.body_total_timeout
        if part > 0 and (total <= 0 or part <= total - self._waited):
            return too_slow("body_timeout", allowed=part, seen=part)
        return too_slow("body_total_timeout", allowed=total, seen=total)

    def end_events(self) -> None:
        """The server stops: end a stream of events, so that its client comes back elsewhere.

        Its handler is cancelled; what it still sends while it ends is sent.
        """
        start, task = self._start, self.task
        if start is None or task is None or task.done() or self._ending or self._cancelled:
            return
        if any(name == b"content-type" and is_events(value) for name, value in start.fields):
            self._ending = True
            task.cancel()

    # What each version of HTTP does in its own way

    @abstractmethod
    def _handler_ended(self) -> None:
        """The handler is done: see to it that the client gets an answer."""

    @abstractmethod
    def _handler_cancelled(self) -> None:
        """The task was cancelled from outside: the server stops."""

    @abstractmethod
    def _end_content(self) -> None:
        """End the response that was begun, as if the handler had."""

    @abstractmethod
    def _send_silently(self, data: bytes) -> None:
        """Send *data* as content if the client reads; else leave it."""

    # Inside

    def _begin_content(self, start: ResponseStart) -> None:
        self._start = start
        if self.service.leaving.begun:
            self.service.loop.call_soon(self.end_events)
        if start.heartbeat is not None:
            self._beats = True
            self._beat()

    def _check_pace(self, arrived: int) -> None:
        """Refuse a client whose content takes too long; *arrived* bytes were not taken yet."""
        limits = self.limits
        if 0 < limits.body_total_timeout < self._waited:
            self.refuse(self.out_of_patience())
            return
        rate = limits.min_body_rate
        if rate <= 0 or self._waited <= self.service.settings.min_body_rate_grace:
            return
        seen = (self._received + arrived) / self._waited
        if seen < rate:
            self.refuse(too_slow("min_body_rate", allowed=rate, seen=round(seen)))

    async def _wait(self) -> None:
        if self._waiter is None:
            self._waiter = self.service.loop.create_future()
        await asyncio.shield(self._waiter)

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
            self._silence = self.service.loop.call_later(HALF_CLOSED_SECONDS, self._cancel)
        if start is not None and start.heartbeat is not None:
            seconds, data = start.heartbeat
            self._heartbeat = self.service.loop.call_later(seconds, self._send_beat, data)

    def _send_beat(self, data: bytes) -> None:
        self._heartbeat = None
        if not self.lost:
            self._send_silently(data)

    def _stop_timers(self) -> None:
        for timer in (self._heartbeat, self._silence, self._timeout):
            if timer is not None:
                timer.cancel()
        self._heartbeat = self._silence = self._timeout = None


def is_events(content_type: bytes) -> bool:
    """Return True for the content-type of server-sent events."""
    return content_type[:17].lower() == b"text/event-stream"


def too_slow(limit: str, *, allowed: float, seen: float) -> LimitExceeded:
    """Return the error for a client that did not keep up: 408."""
    return LimitExceeded(limit, allowed=allowed, seen=seen, code=408, spec="RFC 9110 §15.5.9")
