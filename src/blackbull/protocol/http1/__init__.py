"""HTTP/1.1 as a machine: RFC 9112, and of RFC 9110 what the wire needs."""

from __future__ import annotations

from .connection import HTTP1Connection
from .events import Data, EndOfMessage, Event, HTTP1RequestHead
from .head import HeadParser
from .limits import HTTP1Limits
from .render import render_refusal

__all__ = [
    "Data",
    "EndOfMessage",
    "Event",
    "HTTP1Connection",
    "HTTP1Limits",
    "HTTP1RequestHead",
    "HeadParser",
    "render_refusal",
]
