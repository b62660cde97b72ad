"""What all connections of one HTTP listener share."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import sys
import time
from collections.abc import Coroutine, Sequence
from email.utils import formatdate
from typing import Final, Protocol

from blackbull.abc import ConnectionView, Leaving
from blackbull.config import Settings
from blackbull.connection import Connection
from blackbull.limits import LimitOverrides, RequestLimits
from blackbull.log import LimitLog
from blackbull.log.access import AccessLog
from blackbull.native import FindLimits, NativeApp, find_limits
from blackbull.observer import Observer, tell
from blackbull.protocol.head import BodyLimit, RequestHead
from blackbull.protocol.http1 import HeadParser, HTTP1Limits

from .request_ids import Begin, with_request_ids
from .upgrade import Upgrade

logger = logging.getLogger("blackbull.server")

EAGER: Final = sys.version_info >= (3, 12)


class BodyLimited(Protocol):
    """A parser of heads, which knows how much content a request may have."""

    body_limit: BodyLimit | None


class HTTPService:
    """The application, the settings and the running tasks behind an HTTP listener.

    Args:
        app: What answers.
        settings: Limits and timeouts.
        loop: The loop that serves.
        limits: Where limits that fire are recorded.
        leaving: How the server ends.
        observers: Who is told what the server itself refuses.
        access_log: Takes what there is to say of every exchange; None: nobody wants to know.

    Attributes:
        access_log: As above.
        context: Where callbacks run that belong to no request.
        date: The ``date`` field line and the empty line that ends a head; made every second.
        date_value: The value of the ``date`` field.
        find_limits: What requests may differ in from *request_limits*; None: in nothing.
        request_limits: What bounds a request, by the settings.
        secure_parser: The same as ``parser``, for connections with TLS.
        upgrades: What an HTTP/1.1 connection can be switched to, by lower-case token.
    """

    __slots__ = (
        "_merged", "_parsers", "_ticker", "access_log", "app", "context", "date", "date_value",
        "find_limits", "leaving", "limit_log", "loop", "observers", "parser", "request_limits",
        "secure_parser", "settings", "tasks", "upgrades",
    )  # fmt: skip

    def __init__(
        self,
        app: NativeApp,
        settings: Settings,
        *,
        loop: asyncio.AbstractEventLoop,
        limits: LimitLog,
        leaving: Leaving | None = None,
        observers: Sequence[Observer] = (),
        access_log: AccessLog | None = None,
    ) -> None:
        self.app = app
        self.access_log = access_log
        self.settings = settings
        self.loop = loop
        self.limit_log = limits
        self.observers = observers
        self.leaving = leaving or Leaving()
        bounds = HTTP1Limits(
            max_header_line=settings.header_max_line,
            max_header_total=settings.header_max_total,
            max_body=settings.max_body_size,
        )
        self.parser = HeadParser(bounds)
        self.secure_parser = HeadParser(bounds, secure=True)
        self.request_limits = RequestLimits.from_settings(settings)
        self.find_limits: FindLimits | None = None
        self._merged: dict[LimitOverrides, RequestLimits] = {}
        self._parsers: list[BodyLimited] = [self.parser, self.secure_parser]
        self.adopt_limits()
        self.tasks: set[asyncio.Task[None]] = set()
        self.upgrades: dict[bytes, Upgrade] = {}
        self.context = contextvars.copy_context()
        self.date = b""
        self.date_value = b""
        self._ticker: asyncio.TimerHandle | None = None
        self._tick()

    def _tick(self) -> None:
        now = time.time()
        self.date_value = formatdate(now, usegmt=True).encode()
        self.date = b"\r\ndate: " + self.date_value + b"\r\n\r\n"
        self._ticker = self.loop.call_later(1.0 - now % 1.0, self._tick)

    @property
    def begin(self) -> Begin:
        """What answers a request: the application's own, or what stands around it."""
        begin = self.app.begin
        return with_request_ids(begin) if self.settings.request_ids else begin

    def note_refusal(
        self,
        status: int,
        view: ConnectionView,
        *,
        conn: Connection | None = None,
        error: object = "",
        begun: bool = False,
    ) -> None:
        """Tell whoever wants to know that the server itself answers *status*.

        Args:
            status: What is answered.
            view: The connection.
            conn: The request, if its head was good.
            error: Why.
            begun: The application has been asked: the exchange tells the access log itself.
        """
        if self.access_log is not None and not begun:
            self.access_log.refused(view, conn, status, protocol=view.protocol, error=str(error))
        tell(
            self.observers,
            lambda each: each.refused(status, view.protocol, peer=view.peername, conn=conn),
        )

    def add_parser(self, parser: BodyLimited) -> None:
        """Let *parser* know how much content a request may have."""
        self._parsers.append(parser)
        self.adopt_limits()

    def adopt_limits(self) -> None:
        """Ask the application which limits it sets for its requests: it has started."""
        self.find_limits = find_limits(self.app)
        for parser in self._parsers:
            parser.body_limit = None if self.find_limits is None else self._max_body_size

    def limits_of(self, head: RequestHead) -> RequestLimits:
        """Return what bounds the request with *head*."""
        find = self.find_limits
        overrides = None if find is None else find(head)
        if overrides is None:
            return self.request_limits
        merged = self._merged.get(overrides)
        if merged is None:
            merged = self._merged[overrides] = self.request_limits.overridden(overrides)
        return merged

    def _max_body_size(self, head: RequestHead) -> int:
        return self.limits_of(head).max_body_size

    def spawn(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        """Run *work* as a task, at once where the interpreter can start tasks eagerly."""
        task: asyncio.Task[None]
        if EAGER:
            task = asyncio.Task(work, loop=self.loop, eager_start=True)  # type: ignore[call-arg,unused-ignore]
        else:
            task = self.loop.create_task(work)
        if not task.done():
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)
        return task

    def close(self) -> None:
        """Stop the clock."""
        if self._ticker is not None:
            self._ticker.cancel()
            self._ticker = None
