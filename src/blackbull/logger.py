"""Logging: what a program uses to have the framework's records where it wants them.

The loggers are ``blackbull.access``, one record for each exchange; ``blackbull.caps``, one for each
limit that fired; and ``blackbull`` with its children for everything else.
"""

from __future__ import annotations

from .log.context import RequestIdFilter, current_request_id
from .log.formatters import ColoredFormatter, JsonFormatter, PlainFormatter
from .log.handler import BatchWriteHandler
from .log.setup import setup_async_logging, teardown_async_logging

__all__ = [
    "BatchWriteHandler",
    "ColoredFormatter",
    "JsonFormatter",
    "PlainFormatter",
    "RequestIdFilter",
    "current_request_id",
    "setup_async_logging",
    "teardown_async_logging",
]
