"""What becomes of entries: lines in a sink, or records for the handlers of the program."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from .entry import Entry, describe_entry
from .formatters import ACCESS, STANDARD, RecordFormatter, entry_message
from .sinks import Sink, writable
from .thread import Item, Lines, Output

MAX_BACKLOG: Final = 4 * 1024 * 1024
"""Bytes of lines that wait for a reader, unless they are what came last."""

logger = logging.getLogger("blackbull.log")


class LineOutput(Output):
    """Writes lines to a sink; what cannot be written is kept within bounds, then lost and counted.

    Args:
        formatter: Makes the lines.
        sink: Takes them.
    """

    def __init__(self, formatter: RecordFormatter, sink: Sink) -> None:
        self.formatter = formatter
        self.sink = sink
        self._backlog: deque[bytes] = deque()
        self._size = 0
        self._lost = 0
        self._torn = False  # the last line in the sink may have no end

    def take(self, item: Item) -> None:
        if isinstance(item, str):
            self._keep(f"{item}\n".encode(errors="backslashreplace"), 1)
            return
        if isinstance(item, logging.LogRecord):
            self.take(self.formatter.format(item))
            return
        lines = item if isinstance(item, Lines) else self.render(item)
        self._lost += lines.lost
        self._keep(lines.text, lines.count)

    def render(self, entries: list[Entry]) -> Lines:
        """Return *entries* as lines; safe to call in another thread than the one that writes."""
        try:
            lines = self.formatter.format_entries(entries)
        except Exception:
            lines = self._make_each(entries)
        count = len(lines)
        lines.append("")
        text = "\n".join(lines).encode(errors="backslashreplace")
        return Lines(text, count, lost=len(entries) - count)

    def lose(self, count: int) -> None:
        self._lost += count

    def retry(self, seconds: float) -> bool:
        backlog = self._backlog
        if seconds and backlog:
            if self.sink.fd >= 0:
                writable(self.sink.fd, seconds)
            else:
                time.sleep(seconds)
        while backlog:
            block = backlog[0]
            written = self._write(block)
            if written < len(block):
                backlog[0] = block[written:]
                self._size -= written
                return True
            backlog.popleft()
            self._size -= len(block)
        return bool(self._lost) and self._tell()

    def close(self) -> None:
        self.sink.close()

    def _keep(self, block: bytes, count: int) -> None:
        if self._size and self._size + len(block) > MAX_BACKLOG:
            self._lost += count
        else:
            self._backlog.append(block)
            self._size += len(block)

    def _write(self, block: bytes) -> int:
        """Write *block*; what fails is lost, and so counts as written."""
        try:
            if self._torn:
                self.sink.write(b"\n")
                self._torn = False
            return self.sink.write(block)
        except OSError:
            self._torn = True
            self._lost += block.count(b"\n")
            return len(block)

    def _tell(self) -> bool:
        """Say how many records were lost, if that can be said; return True if it has begun."""
        record = logger.makeRecord(
            logger.name, logging.WARNING, "", 0, "%d log records lost", (self._lost,), None,
            extra={"lost": self._lost},
        )  # fmt: skip
        block = f"{self.formatter.format(record)}\n".encode()
        before = self._lost
        written = self._write(block)
        if self._lost > before:  # that failed as well
            self._lost = before
            return False
        self._lost = 0
        if written < len(block):
            self._backlog.append(block[written:])
            self._size += len(block) - written
            return True
        return False

    def _make_each(self, entries: list[Entry]) -> list[str]:
        """Return the lines of those that have one: a handler may have left what has no text."""
        lines = []
        for entry in entries:
            with suppress(Exception):
                lines.append(self.formatter.format_entry(entry))
        return lines


class RecordOutput(Output):
    """Makes standard records for the handlers that the program has given ``blackbull.access``.

    Args:
        query: Let them have the queries of requests.
    """

    def __init__(self, *, query: bool = False) -> None:
        self._query = query
        self._offset = 0.0
        self._logger = logging.getLogger(ACCESS)

    def take(self, item: Item) -> None:
        if not isinstance(item, list):
            return
        self._offset = time.time() - time.monotonic()
        for entry in item:
            try:
                self._logger.handle(self.make_record(entry))
            except Exception:
                logger.exception("an access record could not be made")

    def lose(self, count: int) -> None:
        logger.warning("%d log records lost", count, extra={"lost": count})

    def make_record(self, entry: Entry) -> logging.LogRecord:
        """Return *entry* as a record whose attributes are the entry's fields."""
        query = self._query
        told = describe_entry(entry, query=query)
        told.setdefault("status", None)
        extra = {name: value for name, value in told.items() if name not in STANDARD}
        message = entry_message(entry, query=query)
        record = self._logger.makeRecord(
            ACCESS, logging.INFO, "", 0, message, (), None, extra=extra
        )
        created = entry[7] + self._offset
        record.created = created
        record.msecs = int((created - int(created)) * 1000) + 0.0
        return record


class HandlersOutput(Output):
    """Lets handlers have records.

    Args:
        handlers: They are called one after another; what one raises is its own affair.
    """

    def __init__(self, handlers: Sequence[logging.Handler]) -> None:
        self._handlers = tuple(handlers)

    def take(self, item: Item) -> None:
        if not isinstance(item, logging.LogRecord):
            return
        for handler in self._handlers:
            if item.levelno >= handler.level:
                try:
                    handler.handle(item)
                except Exception:
                    handler.handleError(item)

    def lose(self, count: int) -> None:
        record = logger.makeRecord(
            logger.name, logging.WARNING, "", 0, "%d log records lost", (count,), None,
            extra={"lost": count},
        )  # fmt: skip
        self.take(record)

    def close(self) -> None:
        for handler in self._handlers:
            handler.flush()
