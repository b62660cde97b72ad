"""MQTT 5.0 §1.5: strings and integers."""

from __future__ import annotations

import pytest

from tests.mqtt_packets import (
    connect,
    header,
    puback,
    publish,
    suback,
    subscribe,
    text,
    two,
    variable,
)
from tests.mqtt_server import Broker
from tests.spec import spec

ILL_FORMED = [b"\xff", b"a\xc3", b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xc0\xaf", b"\xf4\x90\x80\x80"]
"""Not UTF-8: stray bytes, surrogates, an overlong form, more than U+10FFFF."""


@spec("MQTT 5.0 §1.5.4", "MQTT-1.5.4-1", "MQTT-3.3.2-1", "MQTT-4.13.1-1")
@pytest.mark.parametrize("topic", ILL_FORMED)
async def test_publish_topic_is_not_utf8_is_malformed(broker: Broker, topic: bytes) -> None:
    a = broker.peer("a")
    await broker.play(
        a.joins(),
        a.send(header(0x30, text(topic) + b"\0" + b"x")),       a.refused(0x81),
    )  # fmt: skip


@spec("MQTT 5.0 §1.5.4", "MQTT-1.5.4-2", "MQTT-4.7.3-2")
async def test_publish_topic_has_a_null_is_malformed(broker: Broker) -> None:
    a = broker.peer("a")
    await broker.play(
        a.joins(),
        a.send(header(0x30, text(b"t/\0") + b"\0" + b"x")),     a.refused(0x81),
    )  # fmt: skip


@spec("MQTT 5.0 §3.8.3", "MQTT-1.5.4-1", "MQTT-3.8.3-1")
@pytest.mark.parametrize("topic_filter", [*ILL_FORMED, b"t/\0"])
async def test_subscribe_filter_is_not_utf8_is_malformed(
    broker: Broker, topic_filter: bytes
) -> None:
    a = broker.peer("a")
    await broker.play(
        a.joins(),
        a.send(header(0x82, two(1) + b"\0" + text(topic_filter) + b"\0")), a.refused(0x81),
    )  # fmt: skip


@spec("MQTT 5.0 §3.10.3", "MQTT-1.5.4-1", "MQTT-3.10.3-1")
@pytest.mark.parametrize("topic_filter", [b"\xff", b"t/\0"])
async def test_unsubscribe_filter_is_not_utf8_is_malformed(
    broker: Broker, topic_filter: bytes
) -> None:
    a = broker.peer("a")
    await broker.play(
        a.joins(),
        a.send(header(0xA2, two(1) + b"\0" + text(topic_filter))), a.refused(0x81),
    )  # fmt: skip


@spec("MQTT 5.0 §1.5.4", "MQTT-1.5.4-1", "MQTT-3.1.3-4", "MQTT-3.1.3-12", "MQTT-3.1.3-11")
@pytest.mark.parametrize("text_", [b"\xff", b"\xed\xa0\x80", b"\0"])
@pytest.mark.parametrize("where", ["client id", "user name", "will topic"])
async def test_connect_text_is_not_utf8_is_malformed(
    broker: Broker, where: str, text_: bytes
) -> None:
    a = broker.peer("a")
    head = text("MQTT") + b"\x05"
    said = {
        "client id": head + b"\x02\0\0" + b"\0" + text(text_),
        "user name": head + b"\x82\0\0" + b"\0" + text(b"a") + text(text_),
        "will topic": head + b"\x06\0\0" + b"\0" + text(b"a") + b"\0" + text(text_) + text(b"x"),
    }[where]
    await broker.play(a.send(header(0x10, said)), a.turned_away(0x81))


@spec("MQTT 5.0 §1.5.4", "MQTT-1.5.4-3", "MQTT-4.7.3-4")
async def test_byte_order_mark_is_part_of_the_text(broker: Broker) -> None:
    a, b = broker.peers("a b")
    marked = "﻿t"
    await broker.play(
        a.joins(),
        a.send(subscribe(1, marked, "t")),                      a.expect(suback(1, 0, 0)),
        b.joins(),
        b.send(publish(marked, b"1", user_property=[("﻿k", "v﻿")])),
        a.expect(publish(marked, b"1", user_property=[("﻿k", "v﻿")])),
        b.send(publish("t", b"2")),                             a.expect(publish("t", b"2")),
    )  # fmt: skip


@spec("MQTT 5.0 §1.5.4", "MQTT-1.5.4-1")
async def test_text_of_every_plane_passes_unchanged(broker: Broker) -> None:
    a, b = broker.peers("a b")
    topic = "é/漢/𝄞/\U0010fffd/ÿ"
    await broker.play(
        a.joins(),
        a.send(subscribe(1, topic)),                            a.expect(suback(1, 0)),
        b.joins(),
        b.send(publish(topic, b"x")),                           a.expect(publish(topic, b"x")),
    )  # fmt: skip


@spec("MQTT 5.0 §1.5.5", "MQTT-1.5.5-1")
@pytest.mark.parametrize("size", [0, 121, 122, 127, 128, 16377, 16378, 20000, 65536])
async def test_remaining_length_of_every_width_is_read_and_is_minimal(
    broker: Broker, size: int
) -> None:
    """The peer itself refuses a length that is longer than it need be."""
    a = broker.peer("a")
    await broker.play(
        a.joins(),
        a.send(subscribe(1, "t")),                              a.expect(suback(1, 0)),
        a.send(publish("t", b"x" * size)),                      a.expect(publish("t", b"x" * size)),
        a.quiet(),
    )  # fmt: skip


@spec("MQTT 5.0 §1.5.5", "MQTT-1.5.5-1", "MQTT-4.13.1-1")
@pytest.mark.parametrize("length", [b"\x80\x80\x80\x80\x01", b"\xff\xff\xff\xff\x7f"])
async def test_remaining_length_of_five_bytes_is_malformed(broker: Broker, length: bytes) -> None:
    a = broker.peer("a")
    await broker.play(
        a.joins(),
        a.send(b"\x30" + length),                               a.refused(0x81),
    )  # fmt: skip


@spec("MQTT 5.0 §1.5.7", "MQTT-1.5.7-1")
@pytest.mark.parametrize(
    "pair", [text(b"\xff") + text(b"v"), text(b"k") + text(b"\xff"), text(b"k") + text(b"\0")]
)
async def test_user_property_is_not_utf8_is_malformed(broker: Broker, pair: bytes) -> None:
    a = broker.peer("a")
    properties = b"\x26" + pair
    await broker.play(
        a.joins(),
        a.send(header(0x30, text("t") + variable(len(properties)) + properties)),
        a.refused(0x81),
    )  # fmt: skip


@spec("MQTT 5.0 §1.5.6", "MQTT-3.1.2-16")
async def test_binary_data_is_any_bytes(broker: Broker) -> None:
    a, b = broker.peers("a b")
    data = bytes(range(256))
    await broker.play(
        a.joins(),
        a.send(subscribe(1, ("t", 1))),                         a.expect(suback(1, 1)),
        b.joins(connect(username="u", password=data)),
        b.send(publish("t", data, qos=1, packet_id=1, correlation_data=data)),
        b.expect(puback(1)),
        a.expect(publish("t", data, qos=1, packet_id="m", correlation_data=data)),
    )  # fmt: skip
