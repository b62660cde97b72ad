"""Frames as bytes: headers, masks, and the rules that a header has to keep (RFC 6455 §5)."""

from __future__ import annotations

from typing import Final

from blackbull.errors import LocalProtocolError, RemoteProtocolError

from .codes import BINARY, CLOSE, CONTINUATION, OPCODES, PING, PONG, TEXT, is_close_code

FIN: Final = 0x80
RSV1: Final = 0x40
RSV2_RSV3: Final = 0x30
MASKED: Final = 0x80

MAX_CONTROL: Final = 125
"""Bytes of a control frame's payload (RFC 6455 §5.5)."""

MAX_HEADER: Final = 14

STRIDED: Final = 800
"""Bytes of payload from which on translating every fourth byte beats one long number."""

_EVERY: Final = int.from_bytes(b"\1" * 256, "big")
_BYTES: Final = int.from_bytes(bytes(range(256)), "big")
_TABLES: Final = tuple([(_BYTES ^ _EVERY * octet).to_bytes(256, "big") for octet in range(256)])
"""For each octet of a key: what every octet becomes under it."""

TEXT_HEADERS: Final = tuple([bytes((FIN | TEXT, size)) for size in range(MAX_CONTROL + 1)])
"""The headers of short whole unmasked text messages, by their size."""

BINARY_HEADERS: Final = tuple([bytes((FIN | BINARY, size)) for size in range(MAX_CONTROL + 1)])
"""The same for binary ones."""


def apply_mask(payload: bytes, key: bytes) -> bytes:
    """Return *payload* masked, or unmasked, with the four octets of *key*.

    Spec:
        RFC 6455 §5.3
    """
    size = len(payload)
    if size >= STRIDED:
        return bytes(mask_strided(payload, key))
    stream = (key * ((size + 3) >> 2))[:size]
    return (int.from_bytes(payload, "little") ^ int.from_bytes(stream, "little")).to_bytes(
        size, "little"
    )


def mask_strided(payload: bytes, key: bytes) -> bytearray:
    """As :func:`apply_mask`; the quickest way from about ``STRIDED`` bytes on."""
    result = bytearray(payload)
    first, second, third, fourth = key
    result[::4] = result[::4].translate(_TABLES[first])
    result[1::4] = result[1::4].translate(_TABLES[second])
    result[2::4] = result[2::4].translate(_TABLES[third])
    result[3::4] = result[3::4].translate(_TABLES[fourth])
    return result


def frame_header(first: int, size: int, *, masked: bool = False) -> bytes:
    """Return the header of a frame, up to where its mask or its payload begins.

    Args:
        first: FIN, the reserved bits and the opcode.
        size: Bytes of payload; written in the fewest octets.
        masked: A mask follows.

    Spec:
        RFC 6455 §5.2
    """
    mask = MASKED if masked else 0
    if size <= MAX_CONTROL:
        return bytes((first, size | mask))
    if size < 65536:
        return bytes((first, 126 | mask, size >> 8, size & 255))
    return bytes((first, 127 | mask)) + size.to_bytes(8, "big")


def encode_frame(
    opcode: int, payload: bytes, *, fin: bool = True, rsv1: bool = False, mask_key: bytes = b""
) -> bytes:
    """Return one frame.

    Args:
        opcode: What it is.
        payload: Not masked yet.
        fin: It is the last of its message.
        rsv1: Its message is compressed.
        mask_key: Four octets that nobody can predict, from a client; none from a server.

    Spec:
        RFC 6455 §5.2, §5.3
    """
    first = opcode | (FIN if fin else 0) | (RSV1 if rsv1 else 0)
    header = frame_header(first, len(payload), masked=bool(mask_key))
    if mask_key:
        return b"".join((header, mask_key, apply_mask(payload, mask_key)))
    return header + payload


def check_header(first: int, second: int, *, compressible: bool) -> None:
    """Check what the first two octets of a client's frame say.

    Args:
        first: FIN, the reserved bits and the opcode.
        second: The mask bit and the short length.
        compressible: permessage-deflate was negotiated.

    Raises:
        RemoteProtocolError: 1002.

    Spec:
        RFC 6455 §5.1, §5.2, §5.5; RFC 7692 §6
    """
    opcode = first & 15
    if first & RSV2_RSV3 or (first & RSV1 and not compressible):
        raise violation("a reserved bit is set", "RFC 6455 §5.2")
    if opcode not in OPCODES:
        raise violation(f"opcode {opcode} is reserved", "RFC 6455 §5.2")
    if opcode >= CLOSE:
        if not first & FIN:
            raise violation("a control frame is fragmented", "RFC 6455 §5.5")
        if second & 127 > MAX_CONTROL:
            raise violation("a control frame has more than 125 bytes", "RFC 6455 §5.5")
    if first & RSV1 and (opcode >= CLOSE or opcode == CONTINUATION):
        raise violation("RSV1 is set on another than a message's first frame", "RFC 7692 §6.1")
    if not second & MASKED:
        raise violation("a client's frame is not masked", "RFC 6455 §5.1")


def decode_size(field: bytes) -> int:
    """Return the payload's size that an extended length announces.

    Args:
        field: Its two or eight octets.

    Raises:
        RemoteProtocolError: 1002; it is longer than it has to be, or its first bit is set.

    Spec:
        RFC 6455 §5.2
    """
    size = int.from_bytes(field, "big")
    if len(field) == 2:
        if size <= MAX_CONTROL:
            raise violation("a length is not in the fewest octets", "RFC 6455 §5.2")
    elif size < 65536:
        raise violation("a length is not in the fewest octets", "RFC 6455 §5.2")
    elif size >> 63:
        raise violation("a length's most significant bit is set", "RFC 6455 §5.2")
    return size


def encode_close(code: int, reason: str = "") -> bytes:
    """Return a close frame.

    Args:
        code: 1005 for none.
        reason: At most 123 bytes as UTF-8.

    Raises:
        LocalProtocolError: *code* is none that may be sent, or *reason* is too long.

    Spec:
        RFC 6455 §5.5.1, §7.4
    """
    if code == 1005 and not reason:
        return encode_frame(CLOSE, b"")
    if not is_close_code(code):
        raise LocalProtocolError(
            f"{code} is no close code: take 1000 to 1003, 1007 to 1014, or 3000 to 4999",
            spec="RFC 6455 §7.4",
        )
    payload = code.to_bytes(2, "big") + reason.encode()
    if len(payload) > MAX_CONTROL:
        raise LocalProtocolError("a close reason has at most 123 bytes", spec="RFC 6455 §5.5.1")
    return encode_frame(CLOSE, payload)


def decode_close(payload: bytes) -> tuple[int, str]:
    """Return the code and the reason that a close frame carries; 1005 for none.

    Raises:
        RemoteProtocolError: 1002, the code is none that may be sent; 1007, the reason is no UTF-8.

    Spec:
        RFC 6455 §5.5.1, §7.1.5, §7.1.6, §7.4, §8.1
    """
    if not payload:
        return 1005, ""
    code = int.from_bytes(payload[:2], "big")
    if len(payload) == 1 or not is_close_code(code):
        raise violation("a close frame has no valid code", "RFC 6455 §7.4")
    try:
        return code, payload[2:].decode()
    except UnicodeDecodeError:
        raise not_text("a close reason is no UTF-8") from None


def encode_ping(payload: bytes = b"") -> bytes:
    """Return a ping.

    Raises:
        LocalProtocolError: more than 125 bytes.

    Spec:
        RFC 6455 §5.5.2
    """
    return _encode_control(PING, payload)


def encode_pong(payload: bytes = b"") -> bytes:
    """Return a pong.

    Raises:
        LocalProtocolError: more than 125 bytes.

    Spec:
        RFC 6455 §5.5.3
    """
    return _encode_control(PONG, payload)


def _encode_control(opcode: int, payload: bytes) -> bytes:
    if len(payload) > MAX_CONTROL:
        raise LocalProtocolError("a control frame has at most 125 bytes", spec="RFC 6455 §5.5")
    return encode_frame(opcode, payload)


def violation(message: str, spec: str) -> RemoteProtocolError:
    """Return the error for a peer that broke a rule: 1002."""
    return RemoteProtocolError(message, code=1002, spec=spec)


def not_text(message: str) -> RemoteProtocolError:
    """Return the error for text that is none: 1007."""
    return RemoteProtocolError(message, code=1007, spec="RFC 6455 §8.1")
