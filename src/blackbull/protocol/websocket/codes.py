"""Opcodes and close codes (RFC 6455 §5.2, §7.4, §11.7, §11.8)."""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class Opcode(IntEnum):
    """What a frame is."""

    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


class CloseCode(IntEnum):
    """Why a WebSocket was closed; 1005, 1006 and 1015 are never on the wire."""

    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    UNSUPPORTED_DATA = 1003
    NO_STATUS = 1005
    ABNORMAL = 1006
    INVALID_DATA = 1007
    POLICY_VIOLATION = 1008
    MESSAGE_TOO_BIG = 1009
    MANDATORY_EXTENSION = 1010
    INTERNAL_ERROR = 1011
    SERVICE_RESTART = 1012
    TRY_AGAIN_LATER = 1013
    BAD_GATEWAY = 1014
    TLS_HANDSHAKE = 1015


CONTINUATION: Final = 0
TEXT: Final = 1
BINARY: Final = 2
CLOSE: Final = 8
PING: Final = 9
PONG: Final = 10

OPCODES: Final = frozenset(opcode.value for opcode in Opcode)

REGISTERED: Final = frozenset(
    code.value
    for code in CloseCode
    if code not in {CloseCode.NO_STATUS, CloseCode.ABNORMAL, CloseCode.TLS_HANDSHAKE}
)


def is_close_code(code: int) -> bool:
    """Return True if *code* may stand in a close frame.

    Spec:
        RFC 6455 §7.4.1, §7.4.2, §11.7
    """
    return code in REGISTERED or 3000 <= code <= 4999
