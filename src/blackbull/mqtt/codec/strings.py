"""Strings, binary data and integers in a packet's body (MQTT 5.0 §1.5)."""

from __future__ import annotations

from typing import Final

from .errors import MQTTEncodeError, malformed
from .types import MAX_STRING

_TEXT: Final = "MQTT 5.0 §1.5.4 [MQTT-1.5.4-1]"
_NUL: Final = "MQTT 5.0 §1.5.4 [MQTT-1.5.4-2]"
_LENGTH: Final = "MQTT 5.0 §1.5.4"
_BINARY: Final = "MQTT 5.0 §1.5.6"


def encode_string(text: str) -> bytes:
    """Return *text* as UTF-8 behind its length.

    Raises:
        MQTTEncodeError: it has more than 65,535 bytes, a null character or a surrogate.

    Spec:
        MQTT 5.0 §1.5.4
    """
    try:
        data = text.encode()
    except UnicodeEncodeError:
        raise MQTTEncodeError("a string contains a surrogate", spec=_TEXT) from None
    size = len(data)
    if size > MAX_STRING:
        raise MQTTEncodeError(f"a string has at most 65,535 bytes, not {size}", spec=_LENGTH)
    if b"\0" in data:
        raise MQTTEncodeError("a string contains a null character", spec=_NUL)
    return size.to_bytes(2, "big") + data


def decode_string(data: bytes, offset: int = 0) -> tuple[str, int]:
    """Return the string whose length stands at *offset*, and the position after it.

    Raises:
        MQTTDecodeError: 0x81, it goes beyond *data*, is no UTF-8 or contains a null character.

    Spec:
        MQTT 5.0 §1.5.4; a byte order mark is part of the text
    """
    start = offset + 2
    if start > len(data):
        raise malformed("a string's length is cut off", _LENGTH)
    end = start + (data[offset] << 8 | data[offset + 1])
    if end > len(data):
        raise malformed("a string goes beyond its packet", _LENGTH)
    try:
        text = data[start:end].decode()
    except UnicodeDecodeError:
        raise malformed("a string is no UTF-8", _TEXT) from None
    if "\0" in text:
        raise malformed("a string contains a null character", _NUL)
    return text, end


def encode_binary(data: bytes) -> bytes:
    """Return *data* behind its length.

    Raises:
        MQTTEncodeError: it has more than 65,535 bytes.

    Spec:
        MQTT 5.0 §1.5.6
    """
    size = len(data)
    if size > MAX_STRING:
        raise MQTTEncodeError(f"binary data has at most 65,535 bytes, not {size}", spec=_BINARY)
    return size.to_bytes(2, "big") + data


def decode_binary(data: bytes, offset: int = 0) -> tuple[bytes, int]:
    """Return the bytes whose length stands at *offset*, and the position after them.

    Raises:
        MQTTDecodeError: 0x81, they go beyond *data*.

    Spec:
        MQTT 5.0 §1.5.6
    """
    start = offset + 2
    if start > len(data):
        raise malformed("the length of binary data is cut off", _BINARY)
    end = start + (data[offset] << 8 | data[offset + 1])
    if end > len(data):
        raise malformed("binary data goes beyond its packet", _BINARY)
    return data[start:end], end


def decode_integer(data: bytes, offset: int, size: int) -> int:
    """Return the big-endian integer of *size* bytes at *offset*.

    Raises:
        MQTTDecodeError: 0x81, it goes beyond *data*.

    Spec:
        MQTT 5.0 §1.5.2, §1.5.3
    """
    end = offset + size
    if end > len(data):
        raise malformed("an integer goes beyond its packet", "MQTT 5.0 §1.5.2")
    return int.from_bytes(data[offset:end], "big")
