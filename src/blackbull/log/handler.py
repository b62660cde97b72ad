"""A handler whose records are written by a thread, in batches."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from logging.handlers import QueueHandler
from typing import IO, Final, cast

from .context import current_request_id
from .formatters import PlainFormatter, RecordFormatter
from .outputs import HandlersOutput, LineOutput
from .sinks import DescriptorSink, Nowhere, Sink, Stream, StreamSink
from .thread import Desk, Inline, LogThread

FLUSH_SECONDS: Final = 1.0
"""How long the end of the program waits for a sink that takes nothing."""


class BatchWriteHandler(logging.Handler):
    """Formats a record where it is logged, and lets a thread write it.

    The access log gives it entries instead of records.

    Args:
        stream: Where lines go; stderr if None.
        batch_size: Lines that are written together, at the most.
        flush_interval: Seconds for which the thread lets lines gather.
        formatter: Makes the lines; a :class:`PlainFormatter` if None.
        sink: Where lines go instead of a stream.
        background: A thread writes; else whoever logs waits.

    Attributes:
        desk: Takes lines.
        render: Makes lines of the access log's entries.
        own: The framework has set it up: its level is not the access log's.
    """

    own = False

    def __init__(
        self,
        stream: Stream | None = None,
        *,
        batch_size: int = 128,
        flush_interval: float = 0.0,
        formatter: RecordFormatter | None = None,
        sink: Sink | None = None,
        background: bool = True,
    ) -> None:
        super().__init__()
        made = formatter or PlainFormatter()
        self.formatter: logging.Formatter | None = made
        self._output = LineOutput(made, sink or find_sink(stream))
        self.render = self._output.render
        self.desk: Desk
        if background:
            self.desk = LogThread(self._output, batch_size=batch_size, gather=flush_interval)
        else:
            self.desk = Inline(self._output)

    def setFormatter(self, formatter: logging.Formatter | None) -> None:  # noqa: N802 - logging's
        """Use *formatter*; one that cannot format entries leaves those to the present one."""
        super().setFormatter(formatter)
        if isinstance(formatter, RecordFormatter):
            self._output.formatter = formatter

    def takes_entries(self) -> bool:
        """Return whether the access log's entries need not be records for it."""
        if self.own:
            return True
        return (
            isinstance(self.formatter, RecordFormatter)
            and not self.filters
            and self.level <= logging.INFO
        )

    def emit(self, record: logging.LogRecord) -> None:
        """Have *record* written."""
        try:
            request_id = current_request_id()
            if request_id and not hasattr(record, "request_id"):
                record.request_id = request_id
            self.desk.put(self.format(record))
        except Exception:
            self.handleError(record)

    def close(self) -> None:
        """Write what there is, for a second at most."""
        self.desk.close(FLUSH_SECONDS)
        super().close()


class BackgroundHandler(QueueHandler):
    """Lets other handlers have its records in a thread, so that whoever logs does not wait.

    Args:
        handlers: The others.
    """

    def __init__(self, handlers: Sequence[logging.Handler]) -> None:
        super().__init__(None)  # type: ignore[arg-type]
        self._desk = LogThread(HandlersOutput(handlers))

    def enqueue(self, record: logging.LogRecord) -> None:
        """Hand *record*, whose text is made, to the thread."""
        request_id = current_request_id()
        if request_id and not hasattr(record, "request_id"):
            record.request_id = request_id
        self._desk.put(record)

    def close(self) -> None:
        """Let what there is be handled, for a second at most."""
        self._desk.close(FLUSH_SECONDS)
        super().close()


def find_sink(stream: Stream | None) -> Sink:
    """Return a sink for *stream*, or for stderr: its descriptor, if it has one."""
    found: Stream | None = sys.stderr if stream is None else stream
    if found is None:
        return Nowhere()
    try:
        return DescriptorSink(cast("IO[str]", found).fileno())
    except (AttributeError, OSError, ValueError):
        return StreamSink(found)
