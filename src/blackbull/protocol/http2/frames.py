"""Frames: the header that all have, and payloads that are not content (RFC 9113 §4, §6)."""

from __future__ import annotations

import struct
from typing import Final

from blackbull.errors import RemoteProtocolError

from .codes import (
    CONTINUATION,
    END_HEADERS,
    END_STREAM,
    FRAME_SIZE_ERROR,
    GOAWAY,
    HEADERS,
    PADDED,
    PROTOCOL_ERROR,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    WITH_PRIORITY,
)

HEADER: Final = struct.Struct(">HBBBL")
"""Length (16 and 8 bits), type, flags, stream. RFC 9113 §4.1."""

HEADER_SIZE: Final = 9

SETTINGS_ACK: Final = b"\x00\x00\x00\x04\x01\x00\x00\x00\x00"
PING_HEADER: Final = b"\x00\x00\x08\x06\x00\x00\x00\x00\x00"
PING_ACK_HEADER: Final = b"\x00\x00\x08\x06\x01\x00\x00\x00\x00"

_RESET: Final = struct.Struct(">HBBBLL")
_SETTING: Final = struct.Struct(">HL")


def frame_header(length: int, kind: int, flags: int, stream_id: int) -> bytes:
    """Return the nine octets that begin a frame."""
    return HEADER.pack(length >> 8, length & 255, kind, flags, stream_id)


def render_reset(stream_id: int, code: int) -> bytes:
    """Return a RST_STREAM frame (RFC 9113 §6.4)."""
    return _RESET.pack(0, 4, RST_STREAM, 0, stream_id, code)


def render_window_update(stream_id: int, increment: int) -> bytes:
    """Return a WINDOW_UPDATE frame (RFC 9113 §6.9)."""
    return _RESET.pack(0, 4, WINDOW_UPDATE, 0, stream_id, increment)


def render_settings(pairs: list[tuple[int, int]]) -> bytes:
    """Return a SETTINGS frame (RFC 9113 §6.5)."""
    payload = b"".join([_SETTING.pack(setting, value) for setting, value in pairs])
    return frame_header(len(payload), SETTINGS, 0, 0) + payload


def render_goaway(last_stream_id: int, code: int, debug: bytes = b"") -> bytes:
    """Return a GOAWAY frame (RFC 9113 §6.8)."""
    head = frame_header(8 + len(debug), GOAWAY, 0, 0)
    return head + struct.pack(">LL", last_stream_id, code) + debug


def render_headers(
    stream_id: int, block: bytes, *, ended: bool, max_frame_size: int
) -> list[bytes]:
    """Return a HEADERS frame, and as many CONTINUATION frames as *block* needs.

    Spec:
        RFC 9113 §6.2, §6.10
    """
    flags = END_STREAM if ended else 0
    if len(block) <= max_frame_size:
        return [frame_header(len(block), HEADERS, flags | END_HEADERS, stream_id), block]
    return _split(HEADERS, flags, stream_id, block, max_frame_size)


def render_push_promise(
    stream_id: int, promised_id: int, block: bytes, *, max_frame_size: int
) -> list[bytes]:
    """Return a PUSH_PROMISE frame, and as many CONTINUATION frames as *block* needs.

    Spec:
        RFC 9113 §6.6
    """
    payload = promised_id.to_bytes(4, "big") + block
    return _split(PUSH_PROMISE, 0, stream_id, payload, max_frame_size)


def _split(
    kind: int, flags: int, stream_id: int, payload: bytes, max_frame_size: int
) -> list[bytes]:
    parts: list[bytes] = []
    for at in range(0, len(payload), max_frame_size):
        fragment = payload[at : at + max_frame_size]
        if at + max_frame_size >= len(payload):
            flags |= END_HEADERS
        parts += (frame_header(len(fragment), kind, flags, stream_id), fragment)
        kind = CONTINUATION
        flags = 0
    return parts


def strip_padding(payload: bytes, flags: int) -> bytes:
    """Return what a DATA or HEADERS frame holds between its pad length and its padding.

    Raises:
        RemoteProtocolError: there is more padding than frame.

    Spec:
        RFC 9113 §6.1, §6.2
    """
    if not flags & PADDED:
        return payload
    if not payload:
        raise RemoteProtocolError(
            "a padded frame without a pad length", code=FRAME_SIZE_ERROR, spec="RFC 9113 §4.2"
        )
    padding = payload[0]
    if padding >= len(payload):
        raise RemoteProtocolError(
            "more padding than payload", code=PROTOCOL_ERROR, spec="RFC 9113 §6.1"
        )
    return payload[1 : len(payload) - padding]


def strip_priority(
    payload: bytes, flags: int, *, stream_id: int
) -> tuple[bytes, RemoteProtocolError | None]:
    """Return the header block of a HEADERS frame, and what is wrong with its priority.

    Raises:
        RemoteProtocolError: the frame has no room for the priority that it announces.

    Spec:
        RFC 9113 §6.2; RFC 7540 §5.3.1
    """
    if not flags & WITH_PRIORITY:
        return payload, None
    if len(payload) < 5:
        raise RemoteProtocolError(
            "a HEADERS frame without its priority", code=FRAME_SIZE_ERROR, spec="RFC 9113 §6.2"
        )
    return payload[5:], check_dependency(payload, stream_id=stream_id)


def check_dependency(payload: bytes, *, stream_id: int) -> RemoteProtocolError | None:
    """Return the error of a stream that depends on itself; priorities of this kind are unused.

    Spec:
        RFC 7540 §5.3.1; RFC 9113 §5.3.2
    """
    if int.from_bytes(payload[:4], "big") & 0x7FFFFFFF == stream_id:
        return RemoteProtocolError(
            "a stream that depends on itself", code=PROTOCOL_ERROR, spec="RFC 7540 §5.3.1"
        )
    return None
