"""MQTT 5.0 §3.10, §3.11: UNSUBSCRIBE and UNSUBACK."""

from __future__ import annotations

import pytest

from tests.mqtt_packets import (
    header,
    puback,
    pubcomp,
    publish,
    pubrec,
    pubrel,
    suback,
    subscribe,
    text,
    two,
    unsuback,
    unsubscribe,
)
from tests.mqtt_server import Broker
from tests.spec import spec


@spec("MQTT 5.0 §3.10.4", "MQTT-3.10.4-1", "MQTT-3.10.4-2", "MQTT-3.10.4-4", "MQTT-3.10.4-5")
async def test_unsubscribe_ends_the_subscription_with_the_very_same_filter(
    broker: Broker,
) -> None:
    a, b = broker.peers("a b")
    await broker.play(
        a.joins(),
        a.send(subscribe(1, "t/+", "t/1")),        a.expect(suback(1, 0, 0)),
        a.send(unsubscribe(2, "t/#")),             a.expect(unsuback(2, 0x11)),
        a.send(unsubscribe(3, "t/1")),             a.expect(unsuback(3, 0)),
        b.joins(),
        b.send(publish("t/1", b"1")),              a.expect(publish("t/1", b"1")),
        a.quiet(),
        a.send(unsubscribe(4, "t/+")),             a.expect(unsuback(4, 0)),
        b.send(publish("t/1", b"2")),              b.quiet(),
        a.quiet(),
        a.send(unsubscribe(5, "t/+")),             a.expect(unsuback(5, 0x11)),
    )  # fmt: skip


@spec("MQTT 5.0 §3.10.4", "MQTT-3.10.4-6", "MQTT-3.11.3-1", "MQTT-3.11.3-2")
async def test_unsubscribe_is_answered_with_a_code_for_each_filter_in_order(
    broker: Broker,
) -> None:
    """Gap 5: 0x11 for what was not subscribed."""
    a = broker.peer("a")
    await broker.play(
        a.joins(),
        a.send(subscribe(1, "a", "b")),            a.expect(suback(1, 0, 0)),
        a.send(unsubscribe(2, "x", "b", "b", "a")), a.expect(unsuback(2, 0x11, 0, 0x11, 0)),
        a.send(publish("a"), publish("b")),
        a.quiet(),
    )  # fmt: skip


@spec("MQTT 5.0 §3.10.3", "MQTT-3.10.3-2", "MQTT-4.13.1-1")
async def test_unsubscribe_without_filters_is_a_protocol_error(broker: Broker) -> None:
    a = broker.peer("a")
    await broker.play(
        a.joins(),
        a.send(header(0xA2, two(1) + b"\0")),      a.refused(0x82),
    )  # fmt: skip


@spec("MQTT 5.0 §3.10.4", "MQTT-3.10.4-3")
async def test_unsubscribe_completes_what_has_begun(broker: Broker) -> None:
    a, b = broker.peers("a b")
    await broker.play(
        a.joins(session_expiry_interval=60),
        a.send(subscribe(1, ("t", 2))),            a.expect(suback(1, 2)),
        b.joins(),
        b.send(publish("t", b"1", qos=1, packet_id=1)), b.expect(puback(1)),
        b.send(publish("t", b"2", qos=2, packet_id=2)), b.expect(pubrec(2)),
        b.send(pubrel(2)),                         b.expect(pubcomp(2)),
        a.expect(publish("t", b"1", qos=1, packet_id="1"),
                 publish("t", b"2", qos=2, packet_id="2")),
        a.send(unsubscribe(2, "t")),               a.expect(unsuback(2, 0)),
        a.send(pubrec("2")),                       a.expect(pubrel("2")),
        a.vanishes(),
        a.joins(clean=False, session_present=True),
        a.expect_any_order(publish("t", b"1", qos=1, packet_id="1", dup=True), pubrel("2")),
        a.send(pubcomp("2"), puback("1")),
        a.quiet(),
    )  # fmt: skip


@spec("MQTT 5.0 §3.10.4", "MQTT-3.10.4-1", "shared subscriptions have the whole text")
async def test_unsubscribe_of_a_shared_subscription_has_its_whole_filter(broker: Broker) -> None:
    a = broker.peer("a")
    await broker.play(
        a.joins(),
        a.send(subscribe(1, "$share/g/t")),        a.expect(suback(1, 0)),
        a.send(unsubscribe(2, "t", "$share/h/t", "$share/g/t")),
        a.expect(unsuback(2, 0x11, 0x11, 0)),
        a.send(publish("t")),
        a.quiet(),
    )  # fmt: skip


@spec("MQTT 5.0 §3.10.2.1", "a property of another packet")
@pytest.mark.parametrize("properties", [b"\x02\x0b\x01", b"\x02\x01\x00"])
async def test_unsubscribe_has_a_property_of_another_packet_is_malformed(
    broker: Broker, properties: bytes
) -> None:
    a = broker.peer("a")
    await broker.play(
        a.joins(),
        a.send(header(0xA2, two(1) + properties + text("t"))), a.refused(0x81),
    )  # fmt: skip


@spec("MQTT 5.0 §3.11.3", "0x8F Topic Filter invalid")
@pytest.mark.parametrize("topic_filter", ["t#", "#/t", "t/+u", "", "$share/g/"])
async def test_unsubscribe_filter_is_unsound_is_refused_alone(
    broker: Broker, topic_filter: str
) -> None:
    a = broker.peer("a")
    await broker.play(
        a.joins(),
        a.send(subscribe(1, "a")),                 a.expect(suback(1, 0)),
        a.send(unsubscribe(2, topic_filter, "a")), a.expect(unsuback(2, 0x8F, 0)),
    )  # fmt: skip
