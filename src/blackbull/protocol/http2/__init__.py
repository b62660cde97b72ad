"""HTTP/2 as a machine: RFC 9113, with RFC 9218's priorities and RFC 8441's extended CONNECT."""

from __future__ import annotations

from .codes import PREFACE, ErrorCode, FrameType, Setting
from .connection import HTTP2Connection
from .events import (
    ConnectionFailed,
    DataReceived,
    Event,
    GoAwayReceived,
    PingAcknowledged,
    PriorityUpdated,
    RequestEnded,
    RequestReceived,
    RequestRefused,
    StreamFailed,
    StreamReset,
)
from .head import HeadParser, HTTP2RequestHead
from .limits import HTTP2Limits
from .priority import Priority, parse_priority

__all__ = [
    "PREFACE",
    "ConnectionFailed",
    "DataReceived",
    "ErrorCode",
    "Event",
    "FrameType",
    "GoAwayReceived",
    "HTTP2Connection",
    "HTTP2Limits",
    "HTTP2RequestHead",
    "HeadParser",
    "PingAcknowledged",
    "Priority",
    "PriorityUpdated",
    "RequestEnded",
    "RequestReceived",
    "RequestRefused",
    "Setting",
    "StreamFailed",
    "StreamReset",
    "parse_priority",
]
