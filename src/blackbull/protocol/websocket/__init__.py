"""WebSocket as a machine: RFC 6455, with permessage-deflate (RFC 7692)."""

from __future__ import annotations

from .codes import CloseCode, Opcode, is_close_code
from .connection import WebSocketConnection, encode_message
from .deflate import Agreement, Compressor, PermessageDeflate, negotiate
from .events import (
    CloseReceived,
    ControlEvent,
    Event,
    PingReceived,
    PongReceived,
    ViolationReceived,
)
from .handshake import Handshake, accept_key, parse_connect, parse_handshake, refusal_fields
from .limits import ControlRate, WebSocketLimits

__all__ = [
    "Agreement",
    "CloseCode",
    "CloseReceived",
    "Compressor",
    "ControlEvent",
    "ControlRate",
    "Event",
    "Handshake",
    "Opcode",
    "PermessageDeflate",
    "PingReceived",
    "PongReceived",
    "ViolationReceived",
    "WebSocketConnection",
    "WebSocketLimits",
    "accept_key",
    "encode_message",
    "is_close_code",
    "negotiate",
    "parse_connect",
    "parse_handshake",
    "refusal_fields",
]
