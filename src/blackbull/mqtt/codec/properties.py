"""Properties: what each one is, which packet carries it, and their bytes (MQTT 5.0 §2.2.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Final, NamedTuple

from .errors import IncompletePacket, MQTTDecodeError, MQTTEncodeError, malformed, protocol_error
from .strings import decode_binary, decode_integer, decode_string, encode_binary, encode_string
from .types import (
    AUTH,
    CONNACK,
    CONNECT,
    DISCONNECT,
    PUBACK,
    PUBCOMP,
    PUBLISH,
    PUBREC,
    PUBREL,
    SUBACK,
    SUBSCRIBE,
    UNSUBACK,
    UNSUBSCRIBE,
    WILL,
)
from .varint import decode_variable_byte_integer, encode_variable_byte_integer


class PropertyId(IntEnum):
    """The identifier of a property (MQTT 5.0 §2.2.2.2)."""

    PAYLOAD_FORMAT_INDICATOR = 0x01
    MESSAGE_EXPIRY_INTERVAL = 0x02
    CONTENT_TYPE = 0x03
    RESPONSE_TOPIC = 0x08
    CORRELATION_DATA = 0x09
    SUBSCRIPTION_IDENTIFIER = 0x0B
    SESSION_EXPIRY_INTERVAL = 0x11
    ASSIGNED_CLIENT_IDENTIFIER = 0x12
    SERVER_KEEP_ALIVE = 0x13
    AUTHENTICATION_METHOD = 0x15
    AUTHENTICATION_DATA = 0x16
    REQUEST_PROBLEM_INFORMATION = 0x17
    WILL_DELAY_INTERVAL = 0x18
    REQUEST_RESPONSE_INFORMATION = 0x19
    RESPONSE_INFORMATION = 0x1A
    SERVER_REFERENCE = 0x1C
    REASON_STRING = 0x1F
    RECEIVE_MAXIMUM = 0x21
    TOPIC_ALIAS_MAXIMUM = 0x22
    TOPIC_ALIAS = 0x23
    MAXIMUM_QOS = 0x24
    RETAIN_AVAILABLE = 0x25
    USER_PROPERTY = 0x26
    MAXIMUM_PACKET_SIZE = 0x27
    WILDCARD_SUBSCRIPTION_AVAILABLE = 0x28
    SUBSCRIPTION_IDENTIFIER_AVAILABLE = 0x29
    SHARED_SUBSCRIPTION_AVAILABLE = 0x2A


class WireType(IntEnum):
    """How a property's value is written."""

    BYTE = 1
    TWO_BYTE_INTEGER = 2
    VARIABLE_BYTE_INTEGER = 3
    FOUR_BYTE_INTEGER = 4
    UTF8_STRING = 5
    BINARY_DATA = 6
    UTF8_STRING_PAIR = 7


BYTE: Final = 1
TWO: Final = 2
VARIABLE: Final = 3
FOUR: Final = 4
TEXT: Final = 5
BINARY: Final = 6
PAIR: Final = 7


class PropertyInfo(NamedTuple):
    """One row of the standard's table.

    Attributes:
        identifier: Its number on the wire.
        name: Its key in a dictionary of properties.
        wire_type: How its value is written; a `WireType`.
        packets: Which packet types carry it; 0 stands for the Will.
        section: Where the standard explains it.
        smallest: The smallest value of a number.
        largest: The largest value of a number.
    """

    identifier: int
    name: str
    wire_type: int
    packets: frozenset[int]
    section: str
    smallest: int = 0
    largest: int = 0


_MESSAGE: Final = (PUBLISH, WILL)
_REASON: Final = (
    CONNACK, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK, UNSUBACK, DISCONNECT, AUTH,
)  # fmt: skip
_ALL: Final = (*_REASON, CONNECT, PUBLISH, WILL, SUBSCRIBE, UNSUBSCRIBE)
_BYTES: Final = {BYTE: 1, TWO: 2, FOUR: 4}


def _row(
    identifier: PropertyId,
    wire_type: int,
    packets: tuple[int, ...],
    section: str,
    *,
    smallest: int = 0,
    largest: int | None = None,
) -> PropertyInfo:
    if largest is None:
        largest = {BYTE: 1, TWO: 0xFFFF, FOUR: 0xFFFFFFFF, VARIABLE: 268_435_455}.get(wire_type, 0)
    return PropertyInfo(
        int(identifier), identifier.name.lower(), wire_type, frozenset(packets), section,
        smallest, largest,
    )  # fmt: skip


_ID: Final = PropertyId
_ROWS: Final = (
    _row(_ID.PAYLOAD_FORMAT_INDICATOR, BYTE, _MESSAGE, "§3.3.2.3.2"),
    _row(_ID.MESSAGE_EXPIRY_INTERVAL, FOUR, _MESSAGE, "§3.3.2.3.3"),
    _row(_ID.CONTENT_TYPE, TEXT, _MESSAGE, "§3.3.2.3.9"),
    _row(_ID.RESPONSE_TOPIC, TEXT, _MESSAGE, "§3.3.2.3.5"),
    _row(_ID.CORRELATION_DATA, BINARY, _MESSAGE, "§3.3.2.3.6"),
    _row(_ID.SUBSCRIPTION_IDENTIFIER, VARIABLE, (PUBLISH, SUBSCRIBE), "§3.8.2.1.2", smallest=1),
    _row(_ID.SESSION_EXPIRY_INTERVAL, FOUR, (CONNECT, CONNACK, DISCONNECT), "§3.1.2.11.2"),
    _row(_ID.ASSIGNED_CLIENT_IDENTIFIER, TEXT, (CONNACK,), "§3.2.2.3.7"),
    _row(_ID.SERVER_KEEP_ALIVE, TWO, (CONNACK,), "§3.2.2.3.14"),
    _row(_ID.AUTHENTICATION_METHOD, TEXT, (CONNECT, CONNACK, AUTH), "§3.1.2.11.9"),
    _row(_ID.AUTHENTICATION_DATA, BINARY, (CONNECT, CONNACK, AUTH), "§3.1.2.11.10"),
    _row(_ID.REQUEST_PROBLEM_INFORMATION, BYTE, (CONNECT,), "§3.1.2.11.7"),
    _row(_ID.WILL_DELAY_INTERVAL, FOUR, (WILL,), "§3.1.3.2.2"),
    _row(_ID.REQUEST_RESPONSE_INFORMATION, BYTE, (CONNECT,), "§3.1.2.11.6"),
    _row(_ID.RESPONSE_INFORMATION, TEXT, (CONNACK,), "§3.2.2.3.15"),
    _row(_ID.SERVER_REFERENCE, TEXT, (CONNACK, DISCONNECT), "§3.2.2.3.16"),
    _row(_ID.REASON_STRING, TEXT, _REASON, "§3.2.2.3.9"),
    _row(_ID.RECEIVE_MAXIMUM, TWO, (CONNECT, CONNACK), "§3.1.2.11.3", smallest=1),
    _row(_ID.TOPIC_ALIAS_MAXIMUM, TWO, (CONNECT, CONNACK), "§3.1.2.11.5"),
    _row(_ID.TOPIC_ALIAS, TWO, (PUBLISH,), "§3.3.2.3.4 [MQTT-3.3.2-8]", smallest=1),
    _row(_ID.MAXIMUM_QOS, BYTE, (CONNACK,), "§3.2.2.3.4"),
    _row(_ID.RETAIN_AVAILABLE, BYTE, (CONNACK,), "§3.2.2.3.5"),
    _row(_ID.USER_PROPERTY, PAIR, _ALL, "§3.1.2.11.8"),
    _row(_ID.MAXIMUM_PACKET_SIZE, FOUR, (CONNECT, CONNACK), "§3.1.2.11.4", smallest=1),
    _row(_ID.WILDCARD_SUBSCRIPTION_AVAILABLE, BYTE, (CONNACK,), "§3.2.2.3.11"),
    _row(_ID.SUBSCRIPTION_IDENTIFIER_AVAILABLE, BYTE, (CONNACK,), "§3.2.2.3.12"),
    _row(_ID.SHARED_SUBSCRIPTION_AVAILABLE, BYTE, (CONNACK,), "§3.2.2.3.13"),
)

PROPERTY_IDENTIFIERS: Final[Mapping[int, PropertyInfo]] = {row.identifier: row for row in _ROWS}
"""The table, by identifier."""

_BY_NAME: Final = {row.name: row for row in _ROWS}

_TOPIC_ALIAS: Final = 0x23
_SUBSCRIPTION_IDENTIFIER: Final = 0x0B
_RESPONSE_TOPIC: Final = 0x08

_TABLE: Final = "MQTT 5.0 §2.2.2.2"
_LENGTH: Final = "MQTT 5.0 §2.2.2.1"


def get_property_info(identifier: int) -> PropertyInfo:
    """Return what the standard says about the property with this *identifier*.

    Raises:
        MQTTDecodeError: 0x81, there is none.

    Spec:
        MQTT 5.0 §2.2.2.2
    """
    info = PROPERTY_IDENTIFIERS.get(identifier)
    if info is None:
        raise malformed(f"there is no property 0x{identifier:02X}", _TABLE)
    return info


def properties_length(data: bytes, at: int) -> tuple[int, int]:
    """Return how many bytes of properties follow, and where the first stands.

    Args:
        data: A packet's body.
        at: Where the length stands.

    Raises:
        MQTTDecodeError: 0x81, there is no length, or it goes beyond *data*.

    Spec:
        MQTT 5.0 §2.2.2.1
    """
    if at < len(data) and data[at] == 0:
        return 0, at + 1
    try:
        length, size = decode_variable_byte_integer(data, at)
    except IncompletePacket:
        raise malformed("the length of the properties is cut off", _LENGTH) from None
    start = at + size
    if start + length > len(data):
        raise malformed("the properties go beyond their packet", _LENGTH)
    return length, start


def decode_properties(
    data: bytes, offset: int = 0, *, packet: int | None = None
) -> tuple[dict[str, object], int]:
    """Return the properties whose length stands at *offset*, and how many bytes all take.

    Values are numbers, strings and bytes; ``user_property`` is a list of pairs,
    ``subscription_identifier`` a list of numbers.

    Args:
        data: A packet's body.
        offset: Where the length of the properties stands.
        packet: The type of the packet, 0 for a Will; None allows every property.

    Raises:
        MQTTDecodeError: 0x81, the bytes are none, or one does not belong into *packet*; 0x82, one
            stands there twice or has a value that must not be; 0x94, a Topic Alias is 0.

    Spec:
        MQTT 5.0 §2.2.2
    """
    length, at = properties_length(data, offset)
    end = at + length
    found: dict[str, object] = {}
    if not length:
        return found, end - offset
    # A value must end where the properties do, not only where the packet does.
    block = data if end == len(data) else data[:end]
    while at < end:
        info = PROPERTY_IDENTIFIERS.get(block[at])
        if info is None:
            raise malformed(f"there is no property 0x{block[at]:02X}", _TABLE)
        if packet is not None and packet not in info.packets:
            raise malformed(f"{info.name} does not belong into this packet", _TABLE)
        at = _decode_one(info, block, at + 1, found, packet)
    return found, end - offset


def _decode_one(
    info: PropertyInfo, data: bytes, at: int, found: dict[str, object], packet: int | None
) -> int:
    """Put the value at *at* into *found*; return the position after it."""
    kind = info.wire_type
    value: object
    if kind == PAIR:
        key, at = decode_string(data, at)
        text, at = decode_string(data, at)
        pairs = found.setdefault(info.name, [])
        assert isinstance(pairs, list)
        pairs.append((key, text))
        return at
    if kind == TEXT:
        value, at = decode_string(data, at)
        if info.identifier == _RESPONSE_TOPIC:
            _check_response_topic(value)
    elif kind == BINARY:
        value, at = decode_binary(data, at)
    else:
        number, at = _decode_number(info, data, at)
        if info.identifier == _SUBSCRIPTION_IDENTIFIER:
            numbers = found.setdefault(info.name, [])
            assert isinstance(numbers, list)
            if numbers and packet == SUBSCRIBE:
                raise _twice(info)
            numbers.append(number)
            return at
        value = number
    if info.name in found:
        raise _twice(info)
    found[info.name] = value
    return at


def _decode_number(info: PropertyInfo, data: bytes, at: int) -> tuple[int, int]:
    if info.wire_type == VARIABLE:
        try:
            number, size = decode_variable_byte_integer(data, at)
        except IncompletePacket:
            raise malformed("an integer goes beyond the properties", _LENGTH) from None
    else:
        size = _BYTES[info.wire_type]
        number = decode_integer(data, at, size)
    if not info.smallest <= number <= info.largest:
        raise MQTTDecodeError(
            f"{info.name} must not be {number}",
            reason_code=0x94 if info.identifier == _TOPIC_ALIAS else 0x82,
            spec=f"MQTT 5.0 {info.section}",
        )
    return number, at + size


def _check_response_topic(topic: str) -> None:
    if not topic or "+" in topic or "#" in topic:
        raise protocol_error(
            "response_topic is empty or has a wildcard", "MQTT 5.0 §3.3.2.3.5 [MQTT-3.3.2-14]"
        )


def _twice(info: PropertyInfo) -> MQTTDecodeError:
    return protocol_error(f"{info.name} stands there twice", f"MQTT 5.0 {info.section}")


def encode_properties(properties: Mapping[str, object], *, packet: int | None = None) -> bytes:
    """Return *properties* behind their length.

    Args:
        properties: As `decode_properties` returns them; a lone ``subscription_identifier`` may be a
            number, and ``user_property`` a mapping. A property that is None is left out.
        packet: The type of the packet, 0 for a Will; None allows every property.

    Raises:
        MQTTEncodeError: a name is unknown or does not belong into *packet*, or a value is wrong.

    Spec:
        MQTT 5.0 §2.2.2
    """
    if not properties:
        return b"\0"
    parts: list[bytes] = []
    for name, value in properties.items():
        if value is None:
            continue
        info = _BY_NAME.get(name)
        if info is None:
            raise MQTTEncodeError(f"there is no property {name!r}", spec=_TABLE)
        if packet is not None and packet not in info.packets:
            raise MQTTEncodeError(f"{name} does not belong into this packet", spec=_TABLE)
        _encode_one(info, value, parts, packet)
    block = b"".join(parts)
    return encode_variable_byte_integer(len(block)) + block


def _encode_one(info: PropertyInfo, value: object, parts: list[bytes], packet: int | None) -> None:
    kind = info.wire_type
    head = bytes((info.identifier,))
    if kind == PAIR:
        for key, text in _pairs(value):
            parts += (head, encode_string(key), encode_string(text))
    elif kind == TEXT and isinstance(value, str):
        if info.identifier == _RESPONSE_TOPIC and (not value or "+" in value or "#" in value):
            raise MQTTEncodeError("response_topic is empty or has a wildcard",
                                  spec=f"MQTT 5.0 {info.section}")  # fmt: skip
        parts += (head, encode_string(value))
    elif kind == BINARY and isinstance(value, bytes | bytearray | memoryview):
        parts += (head, encode_binary(bytes(value)))
    elif info.identifier == _SUBSCRIPTION_IDENTIFIER:
        numbers = value if isinstance(value, Sequence) else (value,)
        if len(numbers) > 1 and packet == SUBSCRIBE:
            raise MQTTEncodeError("a SUBSCRIBE has one subscription_identifier", spec=_TABLE)
        for number in numbers:
            parts += (head, encode_variable_byte_integer(_number(info, number)))
    else:
        parts += (head, _number(info, value).to_bytes(_BYTES.get(kind, 1), "big"))


def _number(info: PropertyInfo, value: object) -> int:
    numeric = isinstance(value, int) and info.wire_type <= FOUR
    if not numeric or not isinstance(value, int) or not info.smallest <= value <= info.largest:
        raise MQTTEncodeError(f"{info.name} must not be {value!r}", spec=f"MQTT 5.0 {info.section}")
    return int(value)


def _pairs(value: object) -> Sequence[tuple[str, str]]:
    pairs = list(value.items()) if isinstance(value, Mapping) else value
    if not isinstance(pairs, list | tuple) or not all(
        isinstance(pair, list | tuple) and len(pair) == 2 and all(isinstance(x, str) for x in pair)
        for pair in pairs
    ):
        raise MQTTEncodeError(
            f"user_property takes pairs of strings, not {value!r}", spec="MQTT 5.0 §3.1.2.11.8"
        )
    return pairs
