"""Every packet says again what it was made to say."""

from __future__ import annotations

import dataclasses

import pytest

from blackbull.mqtt.codec import PacketFramer
from blackbull.mqtt.messages import (
    MQTTAuth,
    MQTTConnack,
    MQTTConnect,
    MQTTDisconnect,
    MQTTMessage,
    MQTTPingreq,
    MQTTPingresp,
    MQTTPuback,
    MQTTPubcomp,
    MQTTPublish,
    MQTTPubrec,
    MQTTPubrel,
    MQTTSuback,
    MQTTSubscribe,
    MQTTUnsuback,
    MQTTUnsubscribe,
    SubscriptionOptions,
    decode_packet,
    encode_packet,
)

WILL = MQTTConnect(
    "device", clean_start=False, keep_alive=60, username="user", password=b"\0secret",
    will_topic="gone", will_payload=b"\xff", will_qos=2, will_retain=True,
)  # fmt: skip

MESSAGES: list[MQTTMessage] = [
    MQTTConnect(),
    dataclasses.replace(
        WILL,
        will_properties={"will_delay_interval": 5, "user_property": [("a", "b")]},
        properties={"receive_maximum": 3, "user_property": [("a", "b"), ("a", "c")]},
    ),
    MQTTConnect("only a password", password=b"token"),
    MQTTConnack(session_present=True, properties={"maximum_qos": 1, "topic_alias_maximum": 9}),
    MQTTConnack(reason_code=0x86),
    MQTTPublish("a/b", b"payload"),
    MQTTPublish("", b"", 2, 65_535, retain=True, dup=True, properties={"topic_alias": 1}),
    MQTTPublish("a", b"x" * 70_000, 1, 7, properties={"subscription_identifier": [1, 300]}),
    MQTTPuback(1),
    MQTTPubrec(1, 0x97),
    MQTTPubrel(1, 0x92, {"reason_string": "who?"}),
    MQTTPubcomp(65_535, 0, {"user_property": [("", "")]}),
    MQTTSubscribe(
        1, [("a/#", 1), ("$share/g/+", 2)], {"subscription_identifier": [268_435_455]},
        [SubscriptionOptions(1, no_local=True, retain_handling=2),
         SubscriptionOptions(2, retain_as_published=True, retain_handling=1)],
    ),
    MQTTSuback(1, [0, 1, 2, 0x80, 0xA2]),
    MQTTUnsubscribe(1, ["a/#", "b"], {"user_property": [("k", "v")]}),
    MQTTUnsuback(1, [0, 0x11], {"reason_string": "é"}),
    MQTTPingreq(),
    MQTTPingresp(),
    MQTTDisconnect(0),
    MQTTDisconnect(0x04),
    MQTTDisconnect(0, {"session_expiry_interval": 0}),
    MQTTAuth(0x18, {"authentication_method": "SCRAM", "authentication_data": b"\0\1"}),
    MQTTAuth(0),
]  # fmt: skip

MESSAGES_311: list[MQTTMessage] = [
    dataclasses.replace(WILL, proto_level=4),
    dataclasses.replace(WILL, proto_level=3),
    MQTTConnack(session_present=True),
    MQTTConnack(reason_code=5),
    MQTTPublish("a", b"b", 1, 3),
    MQTTPublish("a", b""),
    MQTTPuback(1),
    MQTTPubrec(2),
    MQTTPubrel(3),
    MQTTPubcomp(4),
    MQTTSubscribe(1, [("#", 0)], {}, [SubscriptionOptions()]),
    MQTTSuback(1, [0, 1, 2, 0x80]),
    MQTTUnsubscribe(9, ["#"]),
    MQTTUnsuback(9, []),
    MQTTPingreq(),
    MQTTPingresp(),
    MQTTDisconnect(),
]

BOTH = [(message, 5) for message in MESSAGES] + [(message, 4) for message in MESSAGES_311]


def name(value: object) -> str:
    return type(value).__name__ if isinstance(value, MQTTMessage) else str(value)


@pytest.mark.parametrize(("message", "level"), BOTH, ids=name)
def test_packet_encoded_and_decoded_is_the_same(message: MQTTMessage, level: int) -> None:
    """S42: fifteen packet dataclasses, encoded and decoded."""
    data = encode_packet(message, level=level)
    decoded, consumed = decode_packet(data + b"\xc0", level=level)
    assert (decoded, consumed) == (message, len(data))


@pytest.mark.parametrize(("message", "level"), BOTH, ids=name)
def test_framer_fed_byte_by_byte_yields_the_same_packet(message: MQTTMessage, level: int) -> None:
    """S48: fed one byte at a time, the packets are identical."""
    framer = PacketFramer(strict=True, level=level)
    seen: list[MQTTMessage] = []
    for byte in encode_packet(message, level=level):
        assert seen == []
        framer.feed(bytes((byte,)))
        seen += framer
    assert seen == [message]
    assert framer.buffered == 0


def test_packets_are_fifteen() -> None:
    """S42: each control packet has its class, and each of them is met above."""
    assert len({type(message) for message in MESSAGES}) == 15
