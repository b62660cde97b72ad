"""Packets written out by hand, the broken ones too."""

from __future__ import annotations

from blackbull.mqtt.codec import encode_variable_byte_integer

NO_PROPERTIES = b"\0"
ID = b"\0\1"


def packet(first: int, *parts: bytes) -> bytes:
    """Return a packet with the length that its *parts* have."""
    body = b"".join(parts)
    return bytes((first,)) + encode_variable_byte_integer(len(body)) + body


def text(value: str | bytes) -> bytes:
    """Return a string, or bytes that claim to be one, behind its length."""
    data = value if isinstance(value, bytes) else value.encode()
    return len(data).to_bytes(2, "big") + data


def block(*properties: bytes) -> bytes:
    """Return properties behind their length."""
    data = b"".join(properties)
    return encode_variable_byte_integer(len(data)) + data


def connect(
    flags: int = 2,
    *rest: bytes,
    level: int = 5,
    name: str = "MQTT",
    properties: bytes = b"",
    client_id: bytes = b"\0\1a",
) -> bytes:
    """Return a CONNECT; *rest* is what follows the client identifier."""
    head = text(name) + bytes((level, flags, 0, 60))
    return packet(0x10, head, block(properties) if level >= 5 else b"", client_id, *rest)


def padded(short: bytes) -> bytes:
    """Return a packet of less than 128 bytes with a length in one byte more than it needs."""
    return bytes((short[0], short[1] | 0x80, 0)) + short[2:]
