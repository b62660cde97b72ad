"""Which request the code that logs is working for."""

from __future__ import annotations

import itertools
import logging
import re
import secrets
from contextvars import ContextVar
from typing import Final, Protocol

REQUEST_ID: Final = b"x-request-id"

SANE: Final = re.compile(rb"[A-Za-z0-9._~:/+=@-]{1,128}")
"""A client's own id is kept if it looks like this: short, and harmless wherever it is written."""

_prefix = secrets.token_hex(6)
_numbers = itertools.count(1)


def find_request_id(value: bytes) -> str:
    """Return the id that a client gave its request in *value*, or a new one if it is not sane."""
    return value.decode() if SANE.fullmatch(value) else make_request_id()


def make_request_id() -> str:
    """Return an id that no other request has."""
    return f"{_prefix}-{next(_numbers):x}"


class Identified(Protocol):
    """A request that knows its id."""

    @property
    def request_id(self) -> str:
        """The id."""


current_request: ContextVar[Identified | None] = ContextVar("blackbull_request", default=None)
"""The request that is being answered; set only where request ids are on."""


def current_request_id() -> str:
    """Return the id of the request that the calling code works for; ``""`` outside of one."""
    request = current_request.get()
    return "" if request is None else request.request_id


class RequestIdFilter(logging.Filter):
    """Gives every record a ``request_id``: ``-`` outside of a request.

    For handlers of the program's own: ``handler.addFilter(RequestIdFilter())``.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Set the attribute; keep the record."""
        if not hasattr(record, "request_id"):
            record.request_id = current_request_id() or "-"
        return True
