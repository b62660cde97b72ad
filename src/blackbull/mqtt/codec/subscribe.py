"""SUBSCRIBE, UNSUBSCRIBE and their answers (MQTT 5.0 §3.8 to §3.11; MQTT 3.1.1 the same)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, final

from .errors import MQTTEncodeError, malformed, protocol_error
from .message import (
    MQTTMessage,
    bad_reason,
    check_end,
    check_reason,
    encode_identifier,
    packet_identifier,
)
from .properties import decode_properties, encode_properties
from .strings import decode_string, encode_string
from .types import REASON_CODES, SUBACK, SUBSCRIBE, UNSUBACK, UNSUBSCRIBE, SubscriptionOptions
from .varint import fixed_header

_OPTIONS: Final = "MQTT 5.0 §3.8.3.1"
_RESERVED: Final = f"{_OPTIONS} [MQTT-3.8.3-5]"
_SHARED_NO_LOCAL: Final = f"{_OPTIONS} [MQTT-3.8.3-4]"
_NO_FILTER: Final = "MQTT 5.0 §3.8.3 [MQTT-3.8.3-2]"
_NO_TOPIC: Final = "MQTT 5.0 §3.10.3 [MQTT-3.10.3-2]"
_RETURN_CODE: Final = "MQTT 3.1.1 §3.9.3 [MQTT-3.9.3-2]"
_CODES_BEFORE_5: Final = frozenset((0, 1, 2, 0x80))


@final
@dataclass(frozen=True, slots=True)
class MQTTSubscribe(MQTTMessage):
    """A client asks for messages.

    Attributes:
        packet_id: The answer carries it too.
        subscriptions: Topic Filters, each with its maximum QoS.
        properties: The properties of the packet.
        subscription_options: All that is asked for with each filter, in the same order. Decoded
            packets always have them; where they are given, their QoS is what is encoded.
    """

    packet_id: int
    subscriptions: Sequence[tuple[str, int]]
    properties: Mapping[str, object] = field(default_factory=dict)
    subscription_options: Sequence[SubscriptionOptions] | None = None


@final
@dataclass(frozen=True, slots=True)
class MQTTSuback(MQTTMessage):
    """The answer to a SUBSCRIBE: a reason code for each filter."""

    packet_id: int
    reason_codes: Sequence[int]
    properties: Mapping[str, object] = field(default_factory=dict)


@final
@dataclass(frozen=True, slots=True)
class MQTTUnsubscribe(MQTTMessage):
    """A client no longer wants the messages of some Topic Filters."""

    packet_id: int
    topics: Sequence[str]
    properties: Mapping[str, object] = field(default_factory=dict)


@final
@dataclass(frozen=True, slots=True)
class MQTTUnsuback(MQTTMessage):
    """The answer to an UNSUBSCRIBE: a reason code for each filter, none before MQTT 5.0."""

    packet_id: int
    reason_codes: Sequence[int] = ()
    properties: Mapping[str, object] = field(default_factory=dict)


def decode_subscribe(body: bytes, level: int) -> MQTTSubscribe:
    """Return the SUBSCRIBE of *body*; whether its filters are valid is left to who answers.

    Raises:
        MQTTDecodeError: 0x81 or 0x82, it breaks a rule.

    Spec:
        MQTT 5.0 §3.8; MQTT 3.1.1 §3.8
    """
    packet_id = packet_identifier(body)
    at = 2
    properties: dict[str, object] = {}
    if level >= 5:
        properties, taken = decode_properties(body, at, packet=SUBSCRIBE)
        at += taken
    end = len(body)
    if at == end:
        raise protocol_error("a SUBSCRIBE has no filter", _NO_FILTER)
    subscriptions: list[tuple[str, int]] = []
    options: list[SubscriptionOptions] = []
    while at < end:
        topic, at = decode_string(body, at)
        if at == end:
            raise malformed("a filter has no options", _OPTIONS)
        option = decode_options(body[at], level)
        if option.no_local and topic.startswith("$share/"):
            raise protocol_error("a shared subscription is No Local", _SHARED_NO_LOCAL)
        subscriptions.append((topic, option.qos))
        options.append(option)
        at += 1
    return MQTTSubscribe(packet_id, subscriptions, properties, options)


def decode_options(byte: int, level: int = 5) -> SubscriptionOptions:
    """Return the subscription options in *byte*.

    Raises:
        MQTTDecodeError: 0x81, a reserved bit is set; 0x82, the QoS or Retain Handling is 3.

    Spec:
        MQTT 5.0 §3.8.3.1; MQTT 3.1.1 §3.8.3
    """
    if level < 5:
        if byte > 2:
            raise malformed("no QoS of 0, 1 or 2", "MQTT 3.1.1 §3.8.3 [MQTT-3-8.3-4]")
        return SubscriptionOptions(byte)
    if byte & 0xC0:
        raise malformed("a reserved bit of the options is set", _RESERVED)
    qos, handling = byte & 3, byte >> 4
    if qos == 3:
        raise protocol_error("the maximum QoS is 3", _OPTIONS)
    if handling == 3:
        raise protocol_error("Retain Handling is 3", _OPTIONS)
    return SubscriptionOptions(qos, byte & 4 != 0, byte & 8 != 0, handling)


def encode_subscribe(message: MQTTSubscribe, level: int) -> bytes:
    """Return the bytes of a SUBSCRIBE.

    Raises:
        MQTTEncodeError: the standard forbids it.

    Spec:
        MQTT 5.0 §3.8; MQTT 3.1.1 §3.8
    """
    if not message.subscriptions:
        raise MQTTEncodeError("a SUBSCRIBE needs a filter", spec=_NO_FILTER)
    options = message.subscription_options
    if options is None:
        options = [SubscriptionOptions(qos) for _, qos in message.subscriptions]
    if len(options) != len(message.subscriptions):
        raise MQTTEncodeError("every filter needs its options", spec=_OPTIONS)
    parts = [encode_identifier(message.packet_id)]
    if level >= 5:
        parts.append(encode_properties(message.properties, packet=SUBSCRIBE))
    for (topic, _), option in zip(message.subscriptions, options, strict=True):
        if option.qos not in {0, 1, 2} or option.retain_handling not in {0, 1, 2}:
            raise MQTTEncodeError("qos and retain_handling take 0, 1 or 2", spec=_OPTIONS)
        if option.no_local and topic.startswith("$share/"):
            raise MQTTEncodeError("a shared subscription is No Local", spec=_SHARED_NO_LOCAL)
        parts.append(encode_string(topic))
        parts.append(bytes((option.to_byte() if level >= 5 else option.qos,)))
    body = b"".join(parts)
    return fixed_header(SUBSCRIBE << 4 | 2, len(body)) + body


def decode_suback(body: bytes, level: int) -> MQTTSuback:
    """Return the SUBACK of *body*.

    Raises:
        MQTTDecodeError: 0x81 or 0x82, it breaks a rule.

    Spec:
        MQTT 5.0 §3.9; MQTT 3.1.1 §3.9
    """
    packet_id = packet_identifier(body)
    at = 2
    properties: dict[str, object] = {}
    if level >= 5:
        properties, taken = decode_properties(body, at, packet=SUBACK)
        at += taken
    codes = list(body[at:])
    if not codes:
        raise malformed("a SUBACK has no reason code", "MQTT 5.0 §3.8.4 [MQTT-3.8.4-6]")
    for code in codes:
        if level >= 5:
            check_reason(SUBACK, code)
        elif code not in _CODES_BEFORE_5:
            raise protocol_error(f"there is no return code {code}", _RETURN_CODE)
    return MQTTSuback(packet_id, codes, properties)


def encode_suback(message: MQTTSuback, level: int) -> bytes:
    """Return the bytes of a SUBACK.

    Raises:
        MQTTEncodeError: the standard forbids it.

    Spec:
        MQTT 5.0 §3.9; MQTT 3.1.1 §3.9
    """
    allowed = REASON_CODES[SUBACK] if level >= 5 else _CODES_BEFORE_5
    return _encode_codes(SUBACK, message, allowed, level)


def decode_unsubscribe(body: bytes, level: int) -> MQTTUnsubscribe:
    """Return the UNSUBSCRIBE of *body*; whether its filters are valid is left to who answers.

    Raises:
        MQTTDecodeError: 0x81 or 0x82, it breaks a rule.

    Spec:
        MQTT 5.0 §3.10; MQTT 3.1.1 §3.10
    """
    packet_id = packet_identifier(body)
    at = 2
    properties: dict[str, object] = {}
    if level >= 5:
        properties, taken = decode_properties(body, at, packet=UNSUBSCRIBE)
        at += taken
    end = len(body)
    if at == end:
        raise protocol_error("an UNSUBSCRIBE has no filter", _NO_TOPIC)
    topics: list[str] = []
    while at < end:
        topic, at = decode_string(body, at)
        topics.append(topic)
    return MQTTUnsubscribe(packet_id, topics, properties)


def encode_unsubscribe(message: MQTTUnsubscribe, level: int) -> bytes:
    """Return the bytes of an UNSUBSCRIBE.

    Raises:
        MQTTEncodeError: the standard forbids it.

    Spec:
        MQTT 5.0 §3.10; MQTT 3.1.1 §3.10
    """
    if not message.topics:
        raise MQTTEncodeError("an UNSUBSCRIBE needs a filter", spec=_NO_TOPIC)
    parts = [encode_identifier(message.packet_id)]
    if level >= 5:
        parts.append(encode_properties(message.properties, packet=UNSUBSCRIBE))
    parts += [encode_string(topic) for topic in message.topics]
    body = b"".join(parts)
    return fixed_header(UNSUBSCRIBE << 4 | 2, len(body)) + body


def decode_unsuback(body: bytes, level: int) -> MQTTUnsuback:
    """Return the UNSUBACK of *body*.

    Raises:
        MQTTDecodeError: 0x81 or 0x82, it breaks a rule.

    Spec:
        MQTT 5.0 §3.11; MQTT 3.1.1 §3.11
    """
    packet_id = packet_identifier(body)
    if level < 5:
        check_end(body, 2)
        return MQTTUnsuback(packet_id, [])
    properties, taken = decode_properties(body, 2, packet=UNSUBACK)
    codes = list(body[2 + taken :])
    if not codes:
        raise malformed("an UNSUBACK has no reason code", "MQTT 5.0 §3.11.3 [MQTT-3.11.3-1]")
    for code in codes:
        check_reason(UNSUBACK, code)
    return MQTTUnsuback(packet_id, codes, properties)


def encode_unsuback(message: MQTTUnsuback, level: int) -> bytes:
    """Return the bytes of an UNSUBACK.

    Raises:
        MQTTEncodeError: the standard forbids it.

    Spec:
        MQTT 5.0 §3.11; MQTT 3.1.1 §3.11
    """
    if level < 5:
        return bytes((UNSUBACK << 4, 2)) + encode_identifier(message.packet_id)
    return _encode_codes(UNSUBACK, message, REASON_CODES[UNSUBACK], level)


def _encode_codes(
    packet: int, message: MQTTSuback | MQTTUnsuback, allowed: frozenset[int], level: int
) -> bytes:
    if not message.reason_codes:
        raise MQTTEncodeError("every filter has its reason code", spec="MQTT 5.0 §3.9.3")
    for code in message.reason_codes:
        if code not in allowed:
            raise bad_reason(packet, code)
    body = encode_identifier(message.packet_id)
    if level >= 5:
        body += encode_properties(message.properties, packet=packet)
    body += bytes(message.reason_codes)
    return fixed_header(packet << 4, len(body)) + body
