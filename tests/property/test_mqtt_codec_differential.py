"""What codecs that others wrote make of the same bytes: mqtt5 (5.0, in Rust), amqtt (3.1.1)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import fields, replace
from functools import partial

import mqtt5
from amqtt.adapters import BufferReader
from amqtt.mqtt import packet_class
from amqtt.mqtt.packet import MQTTFixedHeader
from hypothesis import HealthCheck, given, settings

from blackbull.mqtt.codec import (
    MQTTAuth,
    MQTTConnect,
    MQTTDecodeError,
    MQTTDisconnect,
    MQTTMessage,
    decode_packet,
    encode_packet,
)
from tests.property.mqtt_packets import broken_packets, messages

slow = [HealthCheck.too_slow]
law = partial(settings, deadline=None, derandomize=True, suppress_health_check=slow)

# Properties that mqtt5 does not write when they say what leaving them out says.
DEFAULTS: dict[str, object] = {
    "payload_format_indicator": 0,
    "request_problem_information": 1,
    "request_response_information": 0,
    "will_delay_interval": 0,
    "receive_maximum": 65_535,
    "topic_alias_maximum": 0,
    "retain_available": 1,
    "wildcard_subscription_available": 1,
    "subscription_identifier_available": 1,
    "shared_subscription_available": 1,
}


def plain(message: MQTTMessage) -> MQTTMessage:
    """Return *message* without the properties that say nothing."""
    changes = {}
    for name in ("properties", "will_properties"):
        found = getattr(message, name, None)
        if isinstance(found, Mapping):
            defaults = dict(DEFAULTS)
            if isinstance(message, MQTTConnect):
                defaults["session_expiry_interval"] = 0
            changes[name] = {
                key: value for key, value in found.items() if defaults.get(key) != value
            }
    known = {field.name for field in fields(message)}  # type: ignore[arg-type]
    return replace(message, **{k: v for k, v in changes.items() if k in known})  # type: ignore[type-var]


@law(max_examples=250)
@given(messages(5))
def test_mqtt5_reads_what_we_write_and_we_read_what_it_writes(message: MQTTMessage) -> None:
    if message in (MQTTDisconnect(0x8C), MQTTAuth(0)):
        return
    data = encode_packet(message)
    theirs, consumed = mqtt5.read(memoryview(data))
    assert consumed == len(data)
    assert plain(decode_packet(theirs.write())) == plain(message)


@law(max_examples=120)
@given(broken_packets(5))
def test_mqtt5_takes_what_we_take(data: bytes) -> None:
    """Not the other way round: it takes an identifier of 0, or a packet without its payload."""
    try:
        message = decode_packet(data)
    except MQTTDecodeError:
        return
    if isinstance(message, MQTTDisconnect | MQTTAuth | MQTTConnect):
        # It knows no 0x8C in a DISCONNECT, no AUTH of two bytes, and no level but 5.
        return
    theirs, consumed = mqtt5.read(memoryview(data))
    assert consumed == len(data)
    assert plain(decode_packet(theirs.write())) == plain(message)


async def read_with_amqtt(data: bytes) -> bytes:
    """Return what amqtt writes after it has read *data*."""
    reader = BufferReader(data)
    header = await MQTTFixedHeader.from_stream(reader)
    assert header is not None
    packet = await packet_class(header).from_stream(reader, fixed_header=header)
    written = packet.to_bytes()
    assert isinstance(written, bytes)
    return written


@law(max_examples=250)
@given(messages(4))
def test_amqtt_reads_what_we_write_and_writes_the_same(message: MQTTMessage) -> None:
    if isinstance(message, MQTTConnect):
        # It makes up an identifier, takes a password for text, and knows no MQTT 3.1.
        password = None if message.password is None else b"secret"
        message = replace(
            message, client_id=message.client_id or "a", password=password, proto_level=4
        )
    data = encode_packet(message, level=4)
    assert asyncio.run(read_with_amqtt(data)) == data
