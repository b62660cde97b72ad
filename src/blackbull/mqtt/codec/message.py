"""What every control packet has in common."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from .errors import MQTTEncodeError, malformed, protocol_error
from .properties import decode_properties, encode_properties
from .types import REASON_CODES
from .varint import fixed_header

_IDENTIFIER: Final = "MQTT 5.0 §2.2.1 [MQTT-2.2.1-3]"

# Where the standard says which reason codes a packet has, by packet type.
_REASONS: Final = {
    2: "MQTT 5.0 §3.2.2.2 [MQTT-3.2.2-8]",
    4: "MQTT 5.0 §3.4.2.1 [MQTT-3.4.2-1]",
    5: "MQTT 5.0 §3.5.2.1 [MQTT-3.5.2-1]",
    6: "MQTT 5.0 §3.6.2.1 [MQTT-3.6.2-1]",
    7: "MQTT 5.0 §3.7.2.1 [MQTT-3.7.2-1]",
    9: "MQTT 5.0 §3.9.3 [MQTT-3.9.3-2]",
    11: "MQTT 5.0 §3.11.3 [MQTT-3.11.3-2]",
    14: "MQTT 5.0 §3.14.2.1 [MQTT-3.14.2-1]",
    15: "MQTT 5.0 §3.15.2.1 [MQTT-3.15.2-1]",
}


class MQTTMessage:
    """A control packet; ``message, consumed = decode_packet(data)`` unpacks it."""

    __slots__ = ("_consumed",)

    _consumed: int

    @property
    def consumed(self) -> int:
        """Bytes that `decode_packet` took for it; 0 for a packet that was not decoded so."""
        try:
            return self._consumed
        except AttributeError:
            return 0

    def __iter__(self) -> Iterator[MQTTMessage | int]:
        yield self
        yield self.consumed


def packet_identifier(body: bytes, at: int = 0) -> int:
    """Return the packet identifier that stands at *at*.

    Raises:
        MQTTDecodeError: 0x81, it is cut off; 0x82, it is 0.

    Spec:
        MQTT 5.0 §2.2.1
    """
    if at + 2 > len(body):
        raise malformed("the packet identifier is cut off", "MQTT 5.0 §2.2.1")
    identifier = body[at] << 8 | body[at + 1]
    if identifier == 0:
        raise protocol_error("a packet identifier is 0", _IDENTIFIER)
    return identifier


def encode_identifier(identifier: int | None) -> bytes:
    """Return a packet identifier's two bytes.

    Raises:
        MQTTEncodeError: it is missing, 0 or too large.
    """
    if identifier is None or not 0 < identifier <= 0xFFFF:
        raise MQTTEncodeError(
            f"a packet identifier is a number from 1 to 65535, not {identifier}", spec=_IDENTIFIER
        )
    return identifier.to_bytes(2, "big")


def check_end(body: bytes, at: int) -> None:
    """Check that *body* has nothing after position *at*.

    Raises:
        MQTTDecodeError: 0x81, it has.
    """
    if at != len(body):
        raise malformed("a packet has bytes after its end", "MQTT 5.0 §2.1.4")


def check_reason(packet: int, code: int) -> int:
    """Return *code*, one that a packet of this type may carry.

    Raises:
        MQTTDecodeError: 0x82, it may not.

    Spec:
        MQTT 5.0 §2.4
    """
    if code not in REASON_CODES[packet]:
        raise protocol_error(f"this packet has no reason code 0x{code:02X}", _REASONS[packet])
    return code


def bad_reason(packet: int, code: int) -> MQTTEncodeError:
    """Return the error for a reason code that a packet of this type cannot carry."""
    return MQTTEncodeError(f"this packet has no reason code {code}", spec=_REASONS[packet])


def encode_reasoned(
    packet: int, head: bytes, code: int, properties: Mapping[str, object], *, flags: int = 0
) -> bytes:
    """Return a packet that ends with a reason code and properties, both left out where they may be.

    Args:
        packet: The packet type.
        head: What stands before the reason code.
        code: The reason code.
        properties: Its properties.
        flags: The flags in the first byte.

    Raises:
        MQTTEncodeError: the packet must not carry *code* or *properties*.

    Spec:
        MQTT 5.0 §3.4.2.1, §3.14.2.1, §3.15.2.1
    """
    if code not in REASON_CODES[packet]:
        raise bad_reason(packet, code)
    if properties:
        block = encode_properties(properties, packet=packet)
        body = head + bytes((code,)) + block
    elif code:
        body = head + bytes((code,))
    else:
        body = head
    return fixed_header(packet << 4 | flags, len(body)) + body


def decode_reasoned(packet: int, body: bytes, at: int) -> tuple[int, dict[str, object]]:
    """Return the reason code and the properties with which *body* ends.

    Args:
        packet: The packet type.
        body: What follows the fixed header.
        at: Where the reason code stands; success where the body ends there.

    Raises:
        MQTTDecodeError: 0x81, the bytes are none; 0x82, the code does not belong there.

    Spec:
        MQTT 5.0 §3.4.2, §3.14.2, §3.15.2
    """
    size = len(body)
    if size == at:
        return 0, {}
    code = check_reason(packet, body[at])
    if size == at + 1:
        return code, {}
    properties, taken = decode_properties(body, at + 1, packet=packet)
    check_end(body, at + 1 + taken)
    return code, properties
