"""Integers with an N-bit prefix (RFC 7541 §5.1), and the one error of header compression."""

from __future__ import annotations

from typing import Final

from blackbull.errors import RemoteProtocolError

COMPRESSION_ERROR: Final = 9
"""The error code of RFC 9113 §7 that a block which cannot be decoded ends the connection with."""

MAX_SHIFT: Final = 28
"""Bits that continuation octets may add up to: no length or index needs more."""


def malformed(message: str, spec: str) -> RemoteProtocolError:
    """Return the error for a header block that cannot be decoded."""
    return RemoteProtocolError(message, code=COMPRESSION_ERROR, spec=spec)


def encode_integer(value: int, mask: int, *, flags: int = 0) -> bytes:
    """Return *value* as a prefix integer.

    Args:
        value: 0 or more.
        mask: The prefix, all bits set: 127 for a prefix of seven bits.
        flags: The bits of the first octet above the prefix.

    Spec:
        RFC 7541 §5.1
    """
    if value < mask:
        return bytes((flags | value,))
    out = bytearray((flags | mask,))
    value -= mask
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def decode_integer(data: bytes, at: int, *, mask: int) -> tuple[int, int]:
    """Return the prefix integer that starts at *at*, and the position after it.

    Raises:
        IndexError: *data* ends first.
        RemoteProtocolError: the integer is longer than anything that a block can need.

    Spec:
        RFC 7541 §5.1
    """
    value = data[at] & mask
    at += 1
    if value < mask:
        return value, at
    shift = 0
    while True:
        octet = data[at]
        at += 1
        value += (octet & 127) << shift
        if octet < 128:
            return value, at
        shift += 7
        if shift > MAX_SHIFT:
            raise malformed("an integer is too long", "RFC 7541 §5.1")
