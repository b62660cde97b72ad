"""Variable byte integers, and the fixed header that ends with one (MQTT 5.0 §1.5.5, §2.1)."""

from __future__ import annotations

from typing import Final

from .errors import IncompletePacket, MQTTEncodeError, malformed
from .types import MAX_VARIABLE_BYTE_INTEGER

_SPEC: Final = "MQTT 5.0 §1.5.5 [MQTT-1.5.5-1]"
_SMALL: Final = tuple([bytes((value,)) for value in range(128)])


def encode_variable_byte_integer(value: int) -> bytes:
    """Return *value* in one to four bytes, in the fewest.

    Raises:
        MQTTEncodeError: *value* is negative or above 268,435,455.

    Spec:
        MQTT 5.0 §1.5.5
    """
    if 0 <= value < 128:
        return _SMALL[value]
    if 0 <= value < 16_384:
        return bytes((value & 127 | 128, value >> 7))
    if 0 <= value < 2_097_152:
        return bytes((value & 127 | 128, value >> 7 & 127 | 128, value >> 14))
    if 0 <= value <= MAX_VARIABLE_BYTE_INTEGER:
        return bytes(
            (value & 127 | 128, value >> 7 & 127 | 128, value >> 14 & 127 | 128, value >> 21)
        )
    raise MQTTEncodeError(f"{value} does not fit into a variable byte integer", spec=_SPEC)


def decode_variable_byte_integer(data: bytes, offset: int = 0) -> tuple[int, int]:
    """Return the integer that begins at *offset*, and how many bytes it takes.

    Raises:
        IncompletePacket: *data* ends inside of it.
        MQTTDecodeError: 0x81, it has a fifth byte or more bytes than it needs.

    Spec:
        MQTT 5.0 §1.5.5
    """
    value, size = scan_variable_byte_integer(data, offset)
    if size > 1 and data[offset + size - 1] == 0:
        raise malformed("an integer has more bytes than it needs", _SPEC)
    return value, size


def scan_variable_byte_integer(data: bytes, offset: int = 0) -> tuple[int, int]:
    """The same, but more bytes than it needs are no error: MQTT 3.1.1 does not forbid them.

    Raises:
        IncompletePacket: *data* ends inside of it.
        MQTTDecodeError: 0x81, it has a fifth byte.

    Spec:
        MQTT 3.1.1 §2.2.3
    """
    end = len(data)
    if offset < end and data[offset] < 128:
        return data[offset], 1
    value = 0
    for size in (1, 2, 3, 4):
        at = offset + size - 1
        if at >= end:
            raise IncompletePacket(at + 1)
        byte = data[at]
        value |= (byte & 127) << 7 * (size - 1)
        if byte < 128:
            return value, size
    raise malformed("an integer has more than four bytes", "MQTT 5.0 §1.5.5")


def fixed_header(first: int, remaining: int) -> bytes:
    """Return a packet's header.

    Args:
        first: The packet's first byte: its type and its flags.
        remaining: Bytes that follow the header.

    Raises:
        MQTTEncodeError: *remaining* is above 268,435,455.

    Spec:
        MQTT 5.0 §2.1
    """
    if remaining < 128:
        return bytes((first, remaining))
    return bytes((first,)) + encode_variable_byte_integer(remaining)
