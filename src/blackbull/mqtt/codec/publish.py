"""PUBLISH and what acknowledges it (MQTT 5.0 §3.3 to §3.7; MQTT 3.1.1 §3.3 to §3.7)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, final

from .errors import MQTTEncodeError, malformed, protocol_error
from .message import (
    MQTTMessage,
    check_end,
    decode_reasoned,
    encode_identifier,
    encode_reasoned,
    packet_identifier,
)
from .properties import decode_properties, encode_properties
from .strings import decode_string, encode_string
from .types import PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL
from .varint import fixed_header

_QOS: Final = "MQTT 5.0 §3.3.1.2 [MQTT-3.3.1-4]"
_DUP: Final = "MQTT 5.0 §3.3.1.1 [MQTT-3.3.1-2]"
_TOPIC: Final = "MQTT 5.0 §4.7.3 [MQTT-4.7.3-1]"
_NO_TOPIC: Final = "MQTT 5.0 §3.3.2.1"


@final
@dataclass(frozen=True, slots=True)
class MQTTPublish(MQTTMessage):
    """A message, from a client or to one.

    Attributes:
        topic: Its Topic Name; empty where a Topic Alias stands for it.
        payload: What it says.
        qos: How it is delivered: at most once, at least once, exactly once.
        packet_id: None at QoS 0.
        retain: The server keeps it for later subscribers.
        dup: It may have been sent before.
        properties: The properties of the packet.
    """

    topic: str
    payload: bytes = b""
    qos: int = 0
    packet_id: int | None = None
    retain: bool = False
    dup: bool = False
    properties: Mapping[str, object] = field(default_factory=dict)


@final
@dataclass(frozen=True, slots=True)
class MQTTPuback(MQTTMessage):
    """A message of QoS 1 has arrived."""

    packet_id: int
    reason_code: int = 0
    properties: Mapping[str, object] = field(default_factory=dict)


@final
@dataclass(frozen=True, slots=True)
class MQTTPubrec(MQTTMessage):
    """A message of QoS 2 has arrived."""

    packet_id: int
    reason_code: int = 0
    properties: Mapping[str, object] = field(default_factory=dict)


@final
@dataclass(frozen=True, slots=True)
class MQTTPubrel(MQTTMessage):
    """The sender of a message of QoS 2 will not send it again."""

    packet_id: int
    reason_code: int = 0
    properties: Mapping[str, object] = field(default_factory=dict)


@final
@dataclass(frozen=True, slots=True)
class MQTTPubcomp(MQTTMessage):
    """The receiver of a message of QoS 2 has forgotten its packet identifier."""

    packet_id: int
    reason_code: int = 0
    properties: Mapping[str, object] = field(default_factory=dict)


def decode_publish(first: int, body: bytes, level: int) -> MQTTPublish:
    """Return the PUBLISH of *body*; whether its topic has wildcards is left to who takes it.

    Args:
        first: The packet's first byte.
        body: What follows the fixed header.
        level: The protocol level.

    Raises:
        MQTTDecodeError: 0x81, 0x82 or 0x94, it breaks a rule.

    Spec:
        MQTT 5.0 §3.3; MQTT 3.1.1 §3.3
    """
    qos = first >> 1 & 3
    if qos == 3:
        raise malformed("the QoS is 3", _QOS)
    if first & 8 and not qos:
        raise malformed("a message of QoS 0 is marked as sent before", _DUP)
    topic, at = decode_string(body, 0)
    packet_id: int | None = None
    if qos:
        packet_id = packet_identifier(body, at)
        at += 2
    properties: dict[str, object] = {}
    if level >= 5:
        if at < len(body) and body[at] == 0:
            at += 1
        else:
            properties, taken = decode_properties(body, at, packet=PUBLISH)
            at += taken
        if not topic and "topic_alias" not in properties:
            raise protocol_error("there is no topic and no alias of one", _NO_TOPIC)
    elif not topic:
        raise malformed("the topic is empty", "MQTT 3.1.1 §4.7.3 [MQTT-4.7.3-1]")
    return MQTTPublish(topic, body[at:], qos, packet_id, first & 1 != 0, first & 8 != 0, properties)


def encode_publish(message: MQTTPublish, level: int) -> bytes:
    """Return the bytes of a PUBLISH.

    Raises:
        MQTTEncodeError: the standard forbids it.

    Spec:
        MQTT 5.0 §3.3; MQTT 3.1.1 §3.3
    """
    qos, topic = message.qos, message.topic
    if qos not in {0, 1, 2}:
        raise MQTTEncodeError("qos takes 0, 1 or 2", spec=_QOS)
    if message.dup and not qos:
        raise MQTTEncodeError("a message of QoS 0 is never sent twice", spec=_DUP)
    if "+" in topic or "#" in topic:
        raise MQTTEncodeError("a topic has no wildcard", spec="MQTT 5.0 §3.3.2.1 [MQTT-3.3.2-2]")
    if not topic and (level < 5 or "topic_alias" not in message.properties):
        raise MQTTEncodeError("a message needs a topic", spec=_TOPIC)
    head = encode_string(topic)
    if qos:
        head += encode_identifier(message.packet_id)
    elif message.packet_id is not None:
        raise MQTTEncodeError(
            "a message of QoS 0 has no packet identifier", spec="MQTT 5.0 §2.2.1 [MQTT-2.2.1-2]"
        )
    if level >= 5:
        head += encode_properties(message.properties, packet=PUBLISH)
    first = PUBLISH << 4 | qos << 1 | (8 if message.dup else 0) | (1 if message.retain else 0)
    payload = message.payload
    return b"".join((fixed_header(first, len(head) + len(payload)), head, payload))


def _decode_acknowledgement(
    packet: int, body: bytes, level: int
) -> tuple[int, int, dict[str, object]]:
    packet_id = packet_identifier(body)
    if level < 5:
        check_end(body, 2)
        return packet_id, 0, {}
    code, properties = decode_reasoned(packet, body, 2)
    return packet_id, code, properties


def decode_puback(body: bytes, level: int) -> MQTTPuback:
    """Return the PUBACK of *body*.

    Raises:
        MQTTDecodeError: 0x81 or 0x82, it breaks a rule.

    Spec:
        MQTT 5.0 §3.4; MQTT 3.1.1 §3.4
    """
    return MQTTPuback(*_decode_acknowledgement(PUBACK, body, level))


def decode_pubrec(body: bytes, level: int) -> MQTTPubrec:
    """Return the PUBREC of *body*.

    Raises:
        MQTTDecodeError: 0x81 or 0x82, it breaks a rule.

    Spec:
        MQTT 5.0 §3.5; MQTT 3.1.1 §3.5
    """
    return MQTTPubrec(*_decode_acknowledgement(PUBREC, body, level))


def decode_pubrel(body: bytes, level: int) -> MQTTPubrel:
    """Return the PUBREL of *body*.

    Raises:
        MQTTDecodeError: 0x81 or 0x82, it breaks a rule.

    Spec:
        MQTT 5.0 §3.6; MQTT 3.1.1 §3.6
    """
    return MQTTPubrel(*_decode_acknowledgement(PUBREL, body, level))


def decode_pubcomp(body: bytes, level: int) -> MQTTPubcomp:
    """Return the PUBCOMP of *body*.

    Raises:
        MQTTDecodeError: 0x81 or 0x82, it breaks a rule.

    Spec:
        MQTT 5.0 §3.7; MQTT 3.1.1 §3.7
    """
    return MQTTPubcomp(*_decode_acknowledgement(PUBCOMP, body, level))


def encode_acknowledgement(
    message: MQTTPuback | MQTTPubrec | MQTTPubrel | MQTTPubcomp, packet: int, level: int
) -> bytes:
    """Return the bytes of a PUBACK, PUBREC, PUBREL or PUBCOMP.

    Args:
        message: The message.
        packet: Its packet type.
        level: The protocol level; below 5 the packet identifier is all that is written.

    Raises:
        MQTTEncodeError: the standard forbids it.

    Spec:
        MQTT 5.0 §3.4 to §3.7; MQTT 3.1.1 §3.4 to §3.7
    """
    head = encode_identifier(message.packet_id)
    flags = 2 if packet == PUBREL else 0
    if level < 5:
        return bytes((packet << 4 | flags, 2)) + head
    return encode_reasoned(packet, head, message.reason_code, message.properties, flags=flags)
