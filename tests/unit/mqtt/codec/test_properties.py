"""S42: all 27 properties, on every packet that allows them and on no other."""

from __future__ import annotations

import pytest

from blackbull.mqtt.codec import (
    PROPERTY_IDENTIFIERS,
    MQTTAuth,
    MQTTConnack,
    MQTTConnect,
    MQTTDecodeError,
    MQTTDisconnect,
    MQTTEncodeError,
    MQTTMessage,
    MQTTPuback,
    MQTTPubcomp,
    MQTTPublish,
    MQTTPubrec,
    MQTTPubrel,
    MQTTSuback,
    MQTTSubscribe,
    MQTTUnsuback,
    MQTTUnsubscribe,
    PropertyId,
    SubscriptionOptions,
    WireType,
    decode_packet,
    decode_properties,
    encode_packet,
    encode_properties,
    get_property_info,
    properties_length,
)
from blackbull.mqtt.codec.types import WILL
from tests.spec import spec
from tests.unit.mqtt.codec.wire import ID, block, connect, packet, text

# What each property looks like on the wire, and which packets carry it, from the standard's table
# (0 is the Will).
TABLE: dict[str, tuple[bytes, object, set[int]]] = {
    "payload_format_indicator": (b"\x01\x01", 1, {0, 3}),
    "message_expiry_interval": (b"\x02\0\0\x01\x02", 258, {0, 3}),
    "content_type": (b"\x03" + text("a/b"), "a/b", {0, 3}),
    "response_topic": (b"\x08" + text("é"), "é", {0, 3}),
    "correlation_data": (b"\x09\0\2\0\xff", b"\0\xff", {0, 3}),
    "subscription_identifier": (b"\x0b\xff\xff\xff\x7f", [268_435_455], {3, 8}),
    "session_expiry_interval": (b"\x11\xff\xff\xff\xff", 0xFFFFFFFF, {1, 2, 14}),
    "assigned_client_identifier": (b"\x12" + text("id"), "id", {2}),
    "server_keep_alive": (b"\x13\0\0", 0, {2}),
    "authentication_method": (b"\x15" + text("m"), "m", {1, 2, 15}),
    "authentication_data": (b"\x16\0\1\0", b"\0", {1, 2, 15}),
    "request_problem_information": (b"\x17\0", 0, {1}),
    "will_delay_interval": (b"\x18\0\0\0\0", 0, {0}),
    "request_response_information": (b"\x19\1", 1, {1}),
    "response_information": (b"\x1a" + text("r"), "r", {2}),
    "server_reference": (b"\x1c" + text("s"), "s", {2, 14}),
    "reason_string": (b"\x1f" + text(""), "", {2, 4, 5, 6, 7, 9, 11, 14, 15}),
    "receive_maximum": (b"\x21\0\1", 1, {1, 2}),
    "topic_alias_maximum": (b"\x22\xff\xff", 65_535, {1, 2}),
    "topic_alias": (b"\x23\1\0", 256, {3}),
    "maximum_qos": (b"\x24\0", 0, {2}),
    "retain_available": (b"\x25\1", 1, {2}),
    "user_property": (b"\x26" + text("k") + text("v"), [("k", "v")], {*range(12), 14, 15}),
    "maximum_packet_size": (b"\x27\0\0\0\1", 1, {1, 2}),
    "wildcard_subscription_available": (b"\x28\0", 0, {2}),
    "subscription_identifier_available": (b"\x29\1", 1, {2}),
    "shared_subscription_available": (b"\x2a\1", 1, {2}),
}

CARRIERS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 14, 15)
PAIRS = [(name, carrier) for name in TABLE for carrier in CARRIERS]

# Those of which 0 or 1 is the only value.
SWITCHES = [
    "payload_format_indicator", "request_problem_information", "request_response_information",
    "maximum_qos", "retain_available", "wildcard_subscription_available",
    "subscription_identifier_available", "shared_subscription_available",
]  # fmt: skip


def wire(carrier: int, properties: bytes) -> bytes:
    """Return a packet of type *carrier* with these properties."""
    if carrier == 15:
        # An AUTH cannot be without a method.
        method = b"" if properties[:1] == b"\x15" else b"\x15" + text("m")
        return packet(0xF0, b"\x18", block(method, properties))
    if carrier == 1:
        method = b"\x15" + text("m") if properties[:1] == b"\x16" else b""
        return connect(properties=method + properties)
    return {
        0: connect(0x04, block(properties), text("w"), text("")),
        2: packet(0x20, b"\0\0", block(properties)),
        3: packet(0x30, text("a"), block(properties), b"payload"),
        4: packet(0x40, ID, b"\0", block(properties)),
        5: packet(0x50, ID, b"\0", block(properties)),
        6: packet(0x62, ID, b"\0", block(properties)),
        7: packet(0x70, ID, b"\0", block(properties)),
        8: packet(0x82, ID, block(properties), text("a"), b"\0"),
        9: packet(0x90, ID, block(properties), b"\0"),
        10: packet(0xA2, ID, block(properties), text("a")),
        11: packet(0xB0, ID, block(properties), b"\0"),
        14: packet(0xE0, b"\0", block(properties)),
    }[carrier]


def message(carrier: int, properties: dict[str, object]) -> MQTTMessage:
    """Return the same packet as `wire` does, as a message."""
    if carrier == 15:
        return MQTTAuth(0x18, {"authentication_method": "m", **properties})
    if carrier == 1:
        if "authentication_data" in properties:
            properties = {"authentication_method": "m", **properties}
        return MQTTConnect("a", keep_alive=60, properties=properties)
    return {
        0: MQTTConnect("a", clean_start=False, keep_alive=60, will_topic="w", will_payload=b"",
                       will_properties=properties),
        2: MQTTConnack(properties=properties),
        3: MQTTPublish("a", b"payload", properties=properties),
        4: MQTTPuback(1, properties=properties),
        5: MQTTPubrec(1, properties=properties),
        6: MQTTPubrel(1, properties=properties),
        7: MQTTPubcomp(1, properties=properties),
        8: MQTTSubscribe(1, [("a", 0)], properties, [SubscriptionOptions()]),
        9: MQTTSuback(1, [0], properties),
        10: MQTTUnsubscribe(1, ["a"], properties),
        11: MQTTUnsuback(1, [0], properties),
        14: MQTTDisconnect(0, properties),
    }[carrier]  # fmt: skip


def test_table_has_the_27_properties() -> None:
    assert len(TABLE) == len(PROPERTY_IDENTIFIERS) == len(PropertyId) == 27
    for name, (data, _, carriers) in TABLE.items():
        info = get_property_info(data[0])
        assert (info.name, info.packets) == (name, carriers)
        assert PropertyId(info.identifier).name.lower() == name
        assert WireType(info.wire_type)
    with pytest.raises(MQTTDecodeError):
        get_property_info(0x04)


@spec("MQTT 5.0 §2.2.2.2")
@pytest.mark.parametrize(("name", "carrier"), PAIRS)
def test_property_stands_where_the_table_allows_it_and_nowhere_else(
    name: str, carrier: int
) -> None:
    """S42: all 27 properties encode and decode on every packet that allows them."""
    data, value, carriers = TABLE[name]
    made = message(carrier, {name: value})
    if carrier in carriers:
        decoded, consumed = decode_packet(wire(carrier, data))
        assert decoded == made
        assert encode_packet(made) == wire(carrier, data)
        assert consumed == len(wire(carrier, data))
        return
    with pytest.raises(MQTTDecodeError) as error:
        decode_packet(wire(carrier, data))
    assert (error.value.reason_code, error.value.spec) == (0x81, "MQTT 5.0 §2.2.2.2")
    with pytest.raises(MQTTEncodeError):
        encode_packet(made)


@spec("MQTT 5.0 §3.1.2.11.2", "and wherever a property is explained")
@pytest.mark.parametrize("name", TABLE)
def test_property_standing_twice_is_a_protocol_error(name: str) -> None:
    data, value, carriers = TABLE[name]
    carrier = min(carriers)
    if name in {"user_property", "subscription_identifier"}:
        assert isinstance(value, list)
        carrier = 3
        assert decode_packet(wire(3, data * 2)) == message(3, {name: value * 2})
        carrier = 8
    if name == "user_property":
        assert decode_packet(wire(8, data * 2)) == message(8, {name: [("k", "v")] * 2})
        return
    with pytest.raises(MQTTDecodeError) as error:
        decode_packet(wire(carrier, data * 2))
    assert error.value.reason_code == 0x82
    assert error.value.spec.startswith("MQTT 5.0 §3.")


@pytest.mark.parametrize("name", SWITCHES)
def test_switch_above_one_is_a_protocol_error(name: str) -> None:
    data, _, carriers = TABLE[name]
    with pytest.raises(MQTTDecodeError) as error:
        decode_packet(wire(min(carriers), data[:1] + b"\2"))
    assert error.value.reason_code == 0x82
    with pytest.raises(MQTTEncodeError, match=name):
        encode_packet(message(min(carriers), {name: 2}))


@spec("MQTT 5.0 §3.1.2.11.3")
@pytest.mark.parametrize(
    ("name", "data", "carrier", "code"),
    [
        ("receive_maximum", b"\x21\0\0", 1, 0x82),
        ("receive_maximum", b"\x21\0\0", 2, 0x82),
        ("maximum_packet_size", b"\x27\0\0\0\0", 1, 0x82),
        ("maximum_packet_size", b"\x27\0\0\0\0", 2, 0x82),
        ("subscription_identifier", b"\x0b\0", 8, 0x82),
        ("subscription_identifier", b"\x0b\0", 3, 0x82),
        ("topic_alias", b"\x23\0\0", 3, 0x94),
    ],
)
def test_property_of_zero_that_must_not_be_is_refused(
    name: str, data: bytes, carrier: int, code: int
) -> None:
    with pytest.raises(MQTTDecodeError, match=name) as error:
        decode_packet(wire(carrier, data))
    assert error.value.reason_code == code
    with pytest.raises(MQTTEncodeError, match=name):
        encode_packet(message(carrier, {name: 0}))


def test_user_properties_keep_their_order() -> None:
    """MQTT-3.3.2-18 asks for it."""
    pairs = [("b", "1"), ("a", "2"), ("b", "1"), ("", "")]
    data = encode_properties({"user_property": pairs})
    assert decode_properties(data) == ({"user_property": pairs}, len(data))


def test_decode_properties_in_the_middle_returns_what_they_take() -> None:
    data = b"xx" + block(TABLE["content_type"][0]) + b"rest"
    assert decode_properties(data, 2) == ({"content_type": "a/b"}, 7)
    assert properties_length(data, 2) == (6, 3)
    assert decode_properties(b"\0rest") == ({}, 1)
    assert properties_length(b"\0", 0) == (0, 1)


def test_decode_properties_long_block_has_a_longer_length() -> None:
    pairs = [("key", "v" * 100)] * 300
    data = encode_properties({"user_property": pairs})
    assert properties_length(data, 0) == (len(data) - 3, 3)
    assert decode_properties(data)[0] == {"user_property": pairs}


def test_encode_properties_takes_what_people_write() -> None:
    assert encode_properties({}) == b"\0"
    assert encode_properties({"content_type": None}) == b"\0"
    assert encode_properties({"subscription_identifier": 5}) == block(b"\x0b\5")
    assert encode_properties({"retain_available": True}) == block(b"\x25\1")
    assert encode_properties({"user_property": {"k": "v"}}) == block(TABLE["user_property"][0])
    assert encode_properties({"correlation_data": bytearray(b"x")}) == block(b"\x09\0\1x")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("colour", 1),
        ("content_type", 5),
        ("content_type", b"bytes"),
        ("content_type", "x" * 65_536),
        ("content_type", "\0"),
        ("content_type", "\ud800"),
        ("response_topic", "a/#"),
        ("correlation_data", "text"),
        ("correlation_data", bytes(65_536)),
        ("receive_maximum", 65_536),
        ("receive_maximum", -1),
        ("receive_maximum", "5"),
        ("receive_maximum", 1.5),
        ("session_expiry_interval", 1 << 32),
        ("subscription_identifier", 268_435_456),
        ("subscription_identifier", "1"),
        ("user_property", "k=v"),
        ("user_property", [("k",)]),
        ("user_property", [("k", 1)]),
        ("user_property", 5),
    ],
)
def test_encode_properties_wrong_value_is_refused(name: str, value: object) -> None:
    with pytest.raises(MQTTEncodeError):
        encode_properties({name: value})


def test_encode_subscribe_takes_one_subscription_identifier() -> None:
    with pytest.raises(MQTTEncodeError, match="one subscription_identifier"):
        encode_packet(MQTTSubscribe(1, [("a", 0)], {"subscription_identifier": [1, 2]}))


def test_will_properties_are_a_set_of_their_own() -> None:
    data = encode_properties({"will_delay_interval": 1}, packet=WILL)
    assert decode_properties(data, packet=WILL) == ({"will_delay_interval": 1}, 6)
