"""The access log of one event loop: entries are gathered, and handed over a few times a second."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Final

from .entry import Details, Entry, Peer
from .formatters import ACCESS
from .handler import BatchWriteHandler
from .outputs import RecordOutput
from .thread import Desk, Inline, Lines, LogThread

if TYPE_CHECKING:
    from ..config import Settings
    from ..connection import Connection
    from ..response import Response

MAX_BLOCKS: Final = 8
"""Batches of lines that are handed over together: waking the other thread costs the loop a lot."""

MAX_BYTES: Final = 1024 * 1024
"""Bytes of these after which they are handed over, however few: far less than may wait there."""

CLOSE_SECONDS: Final = 1.0
"""How long a server that stops waits for the program's handlers to take the last records."""


class AccessLog:
    """Takes the entries of everything that one loop serves.

    Args:
        loop: The loop.
        desk: Takes batches of entries.
        batch_size: Entries that are made into lines, or handed over, together at the most.
        interval: Seconds for which an entry waits for others.
        max_queued: Entries that may be on their way; more are lost, and counted.
        render: Makes lines of entries, here: a second thread that runs Python code beside the
            loop's costs more than it spares. None: *desk* takes entries.

    Attributes:
        now: The clock that entries have their times from.
        owned: Nobody but this log uses the desk.
    """

    __slots__ = (
        "_batch_size", "_blocks", "_desk", "_done", "_entries", "_interval", "_loop",
        "_max_queued", "_queued", "_render", "_size", "_timer", "_waiting", "now", "owned",
    )  # fmt: skip

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        desk: Desk,
        *,
        batch_size: int = 512,
        interval: float = 0.02,
        max_queued: int = 10_000,
        render: Callable[[list[Entry]], Lines] | None = None,
    ) -> None:
        self._loop = loop
        self._desk = desk
        self._batch_size = batch_size
        self._interval = interval
        self._max_queued = max_queued
        self._queued: deque[tuple[list[Entry] | Lines, int]] = deque()
        self._render = render
        self._blocks: list[Lines] = []
        self._size = 0
        self._timer: asyncio.TimerHandle | None = None
        self._waiting = 0
        self._entries: list[Entry] = []
        self.now = monotonic
        self.owned = False

    def add(self, entry: Entry) -> None:
        """Take *entry*."""
        entries = self._entries
        entries.append(entry)
        count = len(entries)
        if count == 1 or count >= self._batch_size:
            self._gathered(count)

    def _gathered(self, count: int) -> None:
        if count < self._batch_size:
            if self._timer is None:
                self._timer = self._loop.call_later(self._interval, self._hand_over)
        elif self._render is None or self._batch_size == 1:
            self._hand_over()
        else:
            block = self._render(self._entries)
            self._blocks.append(block)
            self._size += len(block.text)
            self._entries = []
            if len(self._blocks) >= MAX_BLOCKS or self._size >= MAX_BYTES:
                self._hand_over()

    def answered(self, conn: Connection, response: Response, began: float) -> None:
        """Take a request that was answered in the callback in which it arrived."""
        entries = self._entries
        content = conn._content
        entries.append((
            conn.head, conn._endpoint, conn._extras, response.status, len(response.body),
            len(content) if content else 0, began, monotonic(), None,
        ))  # fmt: skip
        count = len(entries)
        if count == 1 or count >= self._batch_size:
            self._gathered(count)

    def ended(
        self,
        conn: Connection,
        status: int,
        *,
        sent: int,
        received: int,
        began: float,
        details: Details | None = None,
    ) -> None:
        """Take an exchange that is over.

        Args:
            conn: The request.
            status: The response's; 0 if none was begun.
            sent: Bytes of content that were sent.
            received: Bytes of content that were received.
            began: When the request was handed to the application, by :attr:`now`.
            details: What else there is to say.
        """
        self.add((
            conn.head, conn._endpoint, conn._extras, status, sent, received, began, self.now(),
            details,
        ))  # fmt: skip

    def refused(
        self, peer: Peer, conn: Connection | None, status: int, *, protocol: str, error: str
    ) -> None:
        """Take what the application was never asked: *error* was answered with *status*.

        Args:
            peer: Whose connection it was.
            conn: The request, if its head was good.
            status: What was answered.
            protocol: The name of what was spoken.
            error: Why.
        """
        now = self.now()
        details = {"error": error}
        size = refusal_size(error)
        if conn is not None:
            self.add((conn.head, peer, conn._extras, status, size, 0, now, now, details))
            return
        if protocol == "http2":
            details["http_version"] = "2"
        self.add((None, peer, None, status, size, 0, now, now, details))

    def connection(
        self, peer: Peer, *, protocol: str, sent: int, received: int, began: float, details: Details
    ) -> None:
        """Take a connection of *protocol*, which is over.

        Args:
            peer: Whose it was.
            protocol: The name of what was spoken.
            sent: Bytes that were sent.
            received: Bytes that were received.
            began: When it was accepted, by :attr:`now`.
            details: What the protocol has to add.
        """
        more = {"protocol": protocol, **details}
        self.add((None, peer, None, 0, sent, received, began, self.now(), more))

    def close(self) -> None:
        """Hand over what there is."""
        self._hand_over()

    async def aclose(self) -> None:
        """Hand over what there is; if nobody else writes, wait a moment until it is written."""
        self._hand_over()
        if self.owned:
            await asyncio.to_thread(self._desk.close, CLOSE_SECONDS)

    def _hand_over(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        batch, count = self._take_batch()
        if not count:
            return
        queued = self._queued
        while queued and _is_done(queued[0][0]):
            self._waiting -= queued.popleft()[1]
        if self._waiting + count > self._max_queued:
            self._desk.lose(count)
            return
        queued.append((batch, count))
        self._waiting += count
        self._desk.put(batch)

    def _take_batch(self) -> tuple[list[Entry] | Lines, int]:
        """Return what was gathered, and how many records it is."""
        entries, self._entries = self._entries, []
        if self._render is None:
            return entries, len(entries)
        blocks, self._blocks = self._blocks, []
        self._size = 0
        if entries:
            blocks.append(self._render(entries))
        lost = sum(block.lost for block in blocks)
        count = sum(block.count for block in blocks)
        return Lines(b"".join(block.text for block in blocks), count, lost=lost), count + lost


def _is_done(batch: list[Entry] | Lines) -> bool:
    """Return whether *batch* is dealt with: entries are taken out of it then."""
    return batch.done if isinstance(batch, Lines) else not batch


def refusal_size(error: object) -> int:
    """Return the bytes of content that say *error* to a client: a line."""
    return len(str(error).encode()) + 1


def open_access_log(loop: asyncio.AbstractEventLoop, settings: Settings) -> AccessLog | None:
    """Return the access log of a server; None if there is to be none, or nobody would see it."""
    if not settings.access_log:
        return None
    logger = logging.getLogger(ACCESS)
    handlers = handlers_of(logger)
    only = handlers[0] if len(handlers) == 1 else None
    fast = isinstance(only, BatchWriteHandler) and only.takes_entries()
    enabled = logger.isEnabledFor(logging.INFO)
    desk: Desk
    render = None
    if isinstance(only, BatchWriteHandler) and fast and (only.own or enabled):
        desk, render = only.desk, only.render
    elif handlers and enabled:
        output = RecordOutput(query=settings.access_log_query)
        desk = LogThread(output) if settings.async_logging else Inline(output)
    else:
        return None
    log = AccessLog(
        loop,
        desk,
        batch_size=1 if isinstance(desk, Inline) else settings.log_batch_size,
        interval=settings.log_batch_timeout_ms / 1000.0,
        max_queued=settings.log_queue,
        render=render,
    )
    log.owned = not fast
    return log


def handlers_of(logger: logging.Logger) -> list[logging.Handler]:
    """Return every handler that sees the records of *logger*, those apart that do nothing."""
    found: list[logging.Handler] = []
    each: logging.Logger | None = logger
    while each is not None:
        found += [h for h in each.handlers if not isinstance(h, logging.NullHandler)]
        each = each.parent if each.propagate else None
    return found
