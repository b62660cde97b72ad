"""Logging as the framework sets it up where the program has not."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from .formatters import ColoredFormatter, JsonFormatter, PlainFormatter, RecordFormatter
from .handler import BatchWriteHandler
from .sinks import FileSink, Sink, SyslogSink

if TYPE_CHECKING:
    from ..config import Settings

ROOT: Final = "blackbull"


def is_configured() -> bool:
    """Return whether the program has set up logging, for the framework or for everything."""
    ours = logging.getLogger(ROOT)
    silent = all(isinstance(handler, logging.NullHandler) for handler in ours.handlers)
    return not silent or bool(logging.getLogger().handlers)


@contextmanager
def own_logging(settings: Settings, *, colors: bool) -> Iterator[BatchWriteHandler | None]:
    """Write what the framework logs where *settings* say, unless the program has set up logging.

    A process that forks does so in its children. In the end what is left is written.

    Args:
        settings: Where, and how.
        colors: Lines have colours.

    Returns:
        A context; in it, the handler, or None if the program's own handlers are used.

    Raises:
        ConfigurationError: the file or the syslog address cannot be used.
    """
    if is_configured():
        yield None
        return
    handler = BatchWriteHandler(
        formatter=make_formatter(settings, colors=colors),
        sink=open_sink(settings),
        background=settings.async_logging,
    )
    handler.own = True
    level = settings.log_level.upper()
    handler.setLevel(level)
    logger = logging.getLogger(ROOT)
    before = logger.level
    if before == logging.NOTSET:
        logger.setLevel(level)
    logger.addHandler(handler)
    try:
        yield handler
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
        handler.close()


def make_formatter(settings: Settings, *, colors: bool) -> RecordFormatter:
    """Return what makes the lines."""
    query = settings.access_log_query
    if settings.log_format == "json":
        return JsonFormatter(query=query)
    return ColoredFormatter(query=query) if colors else PlainFormatter(query=query)


def open_sink(settings: Settings) -> Sink | None:
    """Return where lines go; None: stderr.

    Raises:
        ConfigurationError: it cannot be opened.
    """
    if settings.log_file:
        return FileSink(settings.log_file)
    return SyslogSink(settings.syslog_address) if settings.syslog_address else None
