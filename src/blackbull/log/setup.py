"""Logging as the framework sets it up where the program has not."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from .formatters import ColoredFormatter, JsonFormatter, PlainFormatter, RecordFormatter
from .handler import BackgroundHandler, BatchWriteHandler
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


_installed: list[logging.Handler] = []
"""What :func:`setup_async_logging` has added."""


def setup_async_logging(
    handlers: Sequence[logging.Handler] | None = None,
    *,
    log_format: str = "text",
    syslog_addr: str | None = None,
    log_file: str | None = None,
    batch_size: int = 128,
    batch_timeout_ms: float = 0.0,
) -> None:
    """Let a thread write what the framework logs, access log included; for programs of their own.

    ``app.run()`` needs no such thing. Called again, it replaces what it did before.

    Args:
        handlers: Called in the thread; if None, lines are written as the other arguments say.
        log_format: ``text`` or ``json``.
        syslog_addr: Where lines go: ``host:port``, or the path of a socket.
        log_file: Where lines go: a file that may be rotated. Neither: to stderr.
        batch_size: Lines that are written together, at the most.
        batch_timeout_ms: How long lines may gather, in milliseconds.

    Raises:
        ConfigurationError: the file or the syslog address cannot be used.
    """
    teardown_async_logging()
    handler: logging.Handler
    if handlers is not None:
        handler = BackgroundHandler(handlers)
    else:
        sink = FileSink(log_file) if log_file else syslog_addr and SyslogSink(syslog_addr)
        handler = BatchWriteHandler(
            batch_size=batch_size,
            flush_interval=batch_timeout_ms / 1000.0,
            formatter=JsonFormatter() if log_format == "json" else PlainFormatter(),
            sink=sink or None,
        )
    logger = logging.getLogger(ROOT)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    _installed.append(handler)


def teardown_async_logging() -> None:
    """Undo :func:`setup_async_logging`, once what there is has been written."""
    logger = logging.getLogger(ROOT)
    while _installed:
        handler = _installed.pop()
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)
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
