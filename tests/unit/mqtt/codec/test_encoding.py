"""What we send keeps the rules, or is not sent; and its bytes, from the standard's figures."""

from __future__ import annotations

import pytest

from blackbull.mqtt.codec import (
    MQTTAuth,
    MQTTConnack,
    MQTTConnect,
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
    SubscriptionOptions,
    encode_packet,
)

BYTES: list[tuple[MQTTMessage, int, str]] = [
    # MQTT 5.0 figure 3-6, and a payload after it.
    (
        MQTTConnect(
            "id",
            keep_alive=10,
            username="u",
            password=b"p",
            will_topic="w",
            will_payload=b"",
            will_qos=1,
            properties={"session_expiry_interval": 10},
        ),
        5,
        "10 20 0004 4d515454 05 ce 000a 05 11 0000000a 0002 6964 00 0001 77 0000 0001 75 0001 70",
    ),
    (MQTTConnect("", keep_alive=10, proto_level=4), 5, "10 0c 0004 4d515454 04 02 000a 0000"),
    (MQTTConnect("i", proto_level=3), 5, "10 0f 0006 4d5149736470 03 02 0000 0001 69"),
    (MQTTConnack(), 5, "20 03 00 00 00"),
    (MQTTConnack(session_present=True), 4, "20 02 01 00"),
    # MQTT 5.0 figure 3-9: topic a/b, packet identifier 10, no properties.
    (MQTTPublish("a/b", b"", 1, 10), 5, "32 08 0003 612f62 000a 00"),
    (MQTTPublish("a/b", b"", 1, 10), 4, "32 07 0003 612f62 000a"),
    (MQTTPublish("a", b"!", 2, 1, retain=True, dup=True), 5, "3d 07 0001 61 0001 00 21"),
    (MQTTPuback(10), 5, "40 02 000a"),
    (MQTTPuback(10, 0x10), 5, "40 03 000a 10"),
    (MQTTPuback(10, 0, {"reason_string": "r"}), 5, "40 08 000a 00 04 1f 0001 72"),
    (MQTTPuback(10, 0x10, {"reason_string": "r"}), 4, "40 02 000a"),
    (MQTTPubrec(10), 5, "50 02 000a"),
    (MQTTPubrel(10), 5, "62 02 000a"),
    (MQTTPubcomp(10, 0x92), 5, "70 03 000a 92"),
    # MQTT 5.0 figure 3-21.
    (
        MQTTSubscribe(10, [("a/b", 1), ("c/d", 2)]),
        5,
        "82 0f 000a 00 0003 612f62 01 0003 632f64 02",
    ),
    (
        MQTTSubscribe(10, [("a", 0)], {}, [SubscriptionOptions(1, no_local=True)]),
        5,
        "82 07 000a 00 0001 61 05",
    ),
    (
        MQTTSubscribe(10, [("a", 0)], {}, [SubscriptionOptions(1, no_local=True)]),
        4,
        "82 06 000a 0001 61 01",
    ),
    (MQTTSuback(10, [0, 2, 0x8F]), 5, "90 06 000a 00 00 02 8f"),
    (MQTTSuback(10, [0, 2, 0x80]), 4, "90 05 000a 00 02 80"),
    (MQTTUnsubscribe(10, ["a/b"]), 5, "a2 08 000a 00 0003 612f62"),
    (MQTTUnsubscribe(10, ["a/b"]), 4, "a2 07 000a 0003 612f62"),
    (MQTTUnsuback(10, [0x11]), 5, "b0 04 000a 00 11"),
    (MQTTUnsuback(10, [0x11]), 4, "b0 02 000a"),
    (MQTTDisconnect(), 5, "e0 00"),
    (MQTTDisconnect(0x8E), 5, "e0 01 8e"),
    (MQTTDisconnect(0x8E), 4, "e0 00"),
    (MQTTDisconnect(None, {"reason_string": ""}), 5, "e0 05 00 03 1f 0000"),
    (MQTTAuth(), 5, "f0 00"),
    (MQTTAuth(0x18, {"authentication_method": "m"}), 5, "f0 06 18 04 15 0001 6d"),
]

REFUSED: list[tuple[MQTTMessage, int]] = [
    (MQTTConnect(proto_level=6), 5),
    (MQTTConnect(keep_alive=65_536), 5),
    (MQTTConnect(keep_alive=-1), 5),
    (MQTTConnect("\0"), 5),
    (MQTTConnect("\ud800"), 5),
    (MQTTConnect("x" * 65_536), 5),
    (MQTTConnect(password=bytes(65_536)), 5),
    (MQTTConnect(password=b"p", proto_level=4), 5),
    (MQTTConnect(will_qos=1), 5),
    (MQTTConnect(will_retain=True), 5),
    (MQTTConnect(will_properties={"will_delay_interval": 1}), 5),
    (MQTTConnect(will_topic="w", will_qos=3), 5),
    (MQTTConnack(session_present=True, reason_code=0x80), 5),
    (MQTTConnack(reason_code=1), 5),
    (MQTTConnack(reason_code=0x8B), 5),
    (MQTTConnack(reason_code=0x86), 4),
    (MQTTConnack(reason_code=6), 4),
    (MQTTPublish(""), 5),
    (MQTTPublish("", properties={"topic_alias": 1}), 4),
    (MQTTPublish("a/+"), 5),
    (MQTTPublish("a/#"), 5),
    (MQTTPublish("a", b"", 3, 1), 5),
    (MQTTPublish("a", b"", 1), 5),
    (MQTTPublish("a", b"", 1, 0), 5),
    (MQTTPublish("a", b"", 1, 65_536), 5),
    (MQTTPublish("a", b"", 0, 1), 5),
    (MQTTPublish("a", dup=True), 5),
    (MQTTPuback(0), 5),
    (MQTTPuback(1, 1), 5),
    (MQTTPubrel(1, 0x80), 5),
    (MQTTSubscribe(1, []), 5),
    (MQTTSubscribe(0, [("a", 0)]), 5),
    (MQTTSubscribe(1, [("a", 3)]), 5),
    (MQTTSubscribe(1, [("a", 0)], {}, []), 5),
    (MQTTSubscribe(1, [("a", 0)], {}, [SubscriptionOptions(retain_handling=3)]), 5),
    (MQTTSubscribe(1, [("$share/g/a", 0)], {}, [SubscriptionOptions(no_local=True)]), 5),
    (MQTTSuback(1, []), 5),
    (MQTTSuback(1, [3]), 5),
    (MQTTSuback(1, [0x8F]), 4),
    (MQTTUnsubscribe(1, []), 5),
    (MQTTUnsuback(1, []), 5),
    (MQTTUnsuback(1, [1]), 5),
    (MQTTDisconnect(0x86), 5),
    (MQTTAuth(0x18), 5),
    (MQTTAuth(0x20, {"authentication_method": "m"}), 5),
    (MQTTAuth(0, {"reason_string": "x"}), 5),
    (MQTTAuth(), 4),
    (MQTTMessage(), 5),
]


@pytest.mark.parametrize(("message", "level", "expected"), BYTES)
def test_encode_packet_gives_these_bytes(message: MQTTMessage, level: int, expected: str) -> None:
    assert encode_packet(message, level=level).hex() == expected.replace(" ", "")


@pytest.mark.parametrize(("message", "level"), REFUSED)
def test_encode_packet_that_breaks_a_rule_is_refused(message: MQTTMessage, level: int) -> None:
    with pytest.raises(MQTTEncodeError) as error:
        encode_packet(message, level=level)
    assert error.value.spec.startswith("MQTT ")
