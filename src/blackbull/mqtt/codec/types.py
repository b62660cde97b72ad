"""The numbers of the standard: packet types, reason codes, levels, flags (chapters 2 and 3).

Hot comparisons use the ``Final`` integers, people use the enumerations of the same numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Final, NamedTuple


class MQTTPacketType(IntEnum):
    """What a packet is: the upper half of its first byte (MQTT 5.0 §2.1.2)."""

    CONNECT = 1
    CONNACK = 2
    PUBLISH = 3
    PUBACK = 4
    PUBREC = 5
    PUBREL = 6
    PUBCOMP = 7
    SUBSCRIBE = 8
    SUBACK = 9
    UNSUBSCRIBE = 10
    UNSUBACK = 11
    PINGREQ = 12
    PINGRESP = 13
    DISCONNECT = 14
    AUTH = 15


CONNECT: Final = 1
CONNACK: Final = 2
PUBLISH: Final = 3
PUBACK: Final = 4
PUBREC: Final = 5
PUBREL: Final = 6
PUBCOMP: Final = 7
SUBSCRIBE: Final = 8
SUBACK: Final = 9
UNSUBSCRIBE: Final = 10
UNSUBACK: Final = 11
PINGREQ: Final = 12
PINGRESP: Final = 13
DISCONNECT: Final = 14
AUTH: Final = 15

WILL: Final = 0
"""Stands for the Will in tables of packet types: its properties are a set of their own."""


class ProtocolLevel(IntEnum):
    """The version that a CONNECT asks for."""

    MQTT_3_1 = 3
    MQTT_3_1_1 = 4
    MQTT_5_0 = 5


class ReasonCode(IntEnum):
    """The outcome of an operation; from 0x80 on it failed (MQTT 5.0 §2.4)."""

    SUCCESS = 0x00
    NORMAL_DISCONNECTION = 0x00
    GRANTED_QOS_0 = 0x00
    GRANTED_QOS_1 = 0x01
    GRANTED_QOS_2 = 0x02
    DISCONNECT_WITH_WILL_MESSAGE = 0x04
    NO_MATCHING_SUBSCRIBERS = 0x10
    NO_SUBSCRIPTION_EXISTED = 0x11
    CONTINUE_AUTHENTICATION = 0x18
    REAUTHENTICATE = 0x19
    UNSPECIFIED_ERROR = 0x80
    MALFORMED_PACKET = 0x81
    PROTOCOL_ERROR = 0x82
    IMPLEMENTATION_SPECIFIC_ERROR = 0x83
    UNSUPPORTED_PROTOCOL_VERSION = 0x84
    CLIENT_IDENTIFIER_NOT_VALID = 0x85
    BAD_USER_NAME_OR_PASSWORD = 0x86
    NOT_AUTHORIZED = 0x87
    SERVER_UNAVAILABLE = 0x88
    SERVER_BUSY = 0x89
    BANNED = 0x8A
    SERVER_SHUTTING_DOWN = 0x8B
    BAD_AUTHENTICATION_METHOD = 0x8C
    KEEP_ALIVE_TIMEOUT = 0x8D
    SESSION_TAKEN_OVER = 0x8E
    TOPIC_FILTER_INVALID = 0x8F
    TOPIC_NAME_INVALID = 0x90
    PACKET_IDENTIFIER_IN_USE = 0x91
    PACKET_IDENTIFIER_NOT_FOUND = 0x92
    RECEIVE_MAXIMUM_EXCEEDED = 0x93
    TOPIC_ALIAS_INVALID = 0x94
    PACKET_TOO_LARGE = 0x95
    MESSAGE_RATE_TOO_HIGH = 0x96
    QUOTA_EXCEEDED = 0x97
    ADMINISTRATIVE_ACTION = 0x98
    PAYLOAD_FORMAT_INVALID = 0x99
    RETAIN_NOT_SUPPORTED = 0x9A
    QOS_NOT_SUPPORTED = 0x9B
    USE_ANOTHER_SERVER = 0x9C
    SERVER_MOVED = 0x9D
    SHARED_SUBSCRIPTIONS_NOT_SUPPORTED = 0x9E
    CONNECTION_RATE_EXCEEDED = 0x9F
    MAXIMUM_CONNECT_TIME = 0xA0
    SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED = 0xA1
    WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED = 0xA2


class ConnectReturnCode(IntEnum):
    """What a CONNACK of MQTT 3.1.1 says (MQTT 3.1.1 §3.2.2.3)."""

    ACCEPTED = 0
    UNACCEPTABLE_PROTOCOL_VERSION = 1
    IDENTIFIER_REJECTED = 2
    SERVER_UNAVAILABLE = 3
    BAD_USER_NAME_OR_PASSWORD = 4
    NOT_AUTHORIZED = 5


SUBACK_FAILURE: Final = 0x80
"""The one failure that a SUBACK of MQTT 3.1.1 knows."""

_PUBLISHED: Final = frozenset((0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99))
_RELEASED: Final = frozenset((0x00, 0x92))

REASON_CODES: Final[dict[int, frozenset[int]]] = {
    CONNACK: frozenset((0x00, *range(0x80, 0x8B), 0x8C, 0x90, 0x95, 0x97, *range(0x99, 0x9E),
                        0x9F)),
    PUBACK: _PUBLISHED,
    PUBREC: _PUBLISHED,
    PUBREL: _RELEASED,
    PUBCOMP: _RELEASED,
    SUBACK: frozenset((0, 1, 2, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2)),
    UNSUBACK: frozenset((0x00, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91)),
    DISCONNECT: frozenset((0x00, 0x04, *range(0x80, 0x84), 0x87, 0x89, *range(0x8B, 0x91),
                           *range(0x93, 0xA3))),
    AUTH: frozenset((0x00, 0x18, 0x19)),
}  # fmt: skip
"""The codes that a packet may carry, by its type (MQTT 5.0 §2.4)."""

CLIENT_DISCONNECT_CODES: Final = frozenset(
    (0x00, 0x04, *range(0x80, 0x84), 0x90, *range(0x93, 0x9A))
)
"""The codes of a DISCONNECT that a client may send (MQTT 5.0 §3.14.2.1)."""

SESSION_EXPIRY_NEVER: Final = 0xFFFFFFFF
"""Seconds of Session Expiry Interval that mean: it does not expire (MQTT 5.0 §3.1.2.11.2)."""

MAX_VARIABLE_BYTE_INTEGER: Final = 268_435_455
MAX_STRING: Final = 65_535
"""Bytes of a string or of binary data."""

WILL_QOS_SHIFT: Final = 3
PUBLISH_QOS_SHIFT: Final = 1


class ConnectFlags(IntFlag):
    """The flags of a CONNECT (MQTT 5.0 §3.1.2.3)."""

    RESERVED = 0x01
    CLEAN_START = 0x02
    WILL = 0x04
    WILL_QOS = 0x18
    WILL_RETAIN = 0x20
    PASSWORD = 0x40
    USERNAME = 0x80


class PublishFlagBits(IntFlag):
    """The flags of a PUBLISH: the lower half of its first byte (MQTT 5.0 §3.3.1)."""

    RETAIN = 0x01
    QOS = 0x06
    DUP = 0x08


class PublishFlags(NamedTuple):
    """The flags of a PUBLISH, read."""

    qos: int
    dup: bool
    retain: bool


@dataclass(frozen=True, slots=True)
class SubscriptionOptions:
    """What a subscriber asks for with one filter (MQTT 5.0 §3.8.3.1).

    Attributes:
        qos: The most that the server may deliver with.
        no_local: What the same client published is not delivered to it.
        retain_as_published: The RETAIN flag is delivered as it was published.
        retain_handling: Retained messages are sent: 0 always, 1 to a new subscription, 2 never.
    """

    qos: int = 0
    no_local: bool = False
    retain_as_published: bool = False
    retain_handling: int = 0

    def to_byte(self) -> int:
        """Return the byte that says it."""
        return (
            self.qos
            | (4 if self.no_local else 0)
            | (8 if self.retain_as_published else 0)
            | self.retain_handling << 4
        )


def extract_packet_type(first: int) -> int:
    """Return the packet type in a packet's *first* byte; 0 is none."""
    return first >> 4


def extract_flags(first: int) -> int:
    """Return the flags in a packet's *first* byte."""
    return first & 15


def decode_publish_flags(first: int) -> PublishFlags:
    """Return the flags in the *first* byte of a PUBLISH."""
    return PublishFlags(first >> 1 & 3, first & 8 != 0, first & 1 != 0)
