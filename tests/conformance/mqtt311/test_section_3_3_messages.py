"""MQTT 3.1.1 §3.3 to §3.11: PUBLISH and its acknowledgements, SUBSCRIBE and UNSUBSCRIBE."""

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
from tests.mqtt_server import Broker, running
from tests.spec import spec


@spec("MQTT 3.1.1 §3.3.1.1", "MQTT-3.3.1-2", "MQTT-3.3.1-4", "MQTT-4.8.0-1")
@pytest.mark.parametrize("first", [0x36, 0x3E, 0x37])
async def test_publish_of_qos_3_closes(broker: Broker, first: int) -> None:
    a = broker.peer("a", 4)
    await broker.play(a.joins(), a.send(header(first, text("t") + two(1) + b"x")), a.closed())


@spec("MQTT 3.1.1 §3.3.1.1", "MQTT-3.3.1-2")
async def test_publish_of_qos_0_with_dup_closes(broker: Broker) -> None:
    a = broker.peer("a", 4)
    await broker.play(a.joins(), a.send(header(0x38, text("t") + b"x")), a.closed())


@spec("MQTT 3.1.1 §3.3.1.1", "MQTT-3.3.1-1", "MQTT-3.3.1-3", "MQTT-4.4.0-1", "MQTT-4.6.0-1",
      "MQTT-4.3.2-1", "MQTT-4.3.3-1")  # fmt: skip
async def test_messages_are_sent_again_with_dup_in_their_order(broker: Broker) -> None:
    """S37, S38, gap 7: a publisher's own DUP is not passed on."""
    a, b = broker.peers("a b", 4)
    await broker.play(
        a.joins(clean=False),
        a.send(subscribe(1, ("t", 2))),            a.expect(suback(1, 2)),
        b.joins(),
        b.send(publish("t", b"1", qos=2, packet_id=1, dup=True)), b.expect(pubrec(1)),
        b.send(pubrel(1)),                         b.expect(pubcomp(1)),
        b.send(publish("t", b"2", qos=1, packet_id=2, dup=True)), b.expect(puback(2)),
        b.send(publish("t", b"3", qos=2, packet_id=3)), b.expect(pubrec(3)),
        b.send(pubrel(3)),                         b.expect(pubcomp(3)),
        a.expect(publish("t", b"1", qos=2, packet_id="1"),
                 publish("t", b"2", qos=1, packet_id="2"),
                 publish("t", b"3", qos=2, packet_id="3")),
        a.send(pubrec("3")),                       a.expect(pubrel("3")),
        a.vanishes(),
        a.joins(clean=False, session_present=True),
        a.expect(publish("t", b"1", qos=2, packet_id="1", dup=True),
                 publish("t", b"2", qos=1, packet_id="2", dup=True),
                 pubrel("3")),
        a.send(pubrec("1"), puback("2"), pubcomp("3")), a.expect(pubrel("1")),
        a.send(pubcomp("1")),
        a.vanishes(),
        a.joins(clean=False, session_present=True),
        a.quiet(),
    )  # fmt: skip


@spec("MQTT 3.1.1 §4.3.3", "MQTT-4.3.3-2", "MQTT-3.3.4-1", "MQTT-4.3.1-1", "MQTT-4.3.2-2",
      "MQTT-2.3.1-6")  # fmt: skip
async def test_publish_is_answered_as_its_qos_demands_and_duplicates_once(
    broker: Broker,
) -> None:
    """S38, defect 36."""
    a, b = broker.peers("a b", 4)
    await broker.play(
        a.joins(),
        a.send(subscribe(1, "t")),                 a.expect(suback(1, 0)),
        b.joins(),
        b.send(publish("t", b"0")),                b.quiet(),
        b.send(publish("t", b"1", qos=1, packet_id=7)), b.expect(puback(7)),
        b.send(publish("t", b"2", qos=2, packet_id=7)), b.expect(pubrec(7)),
        b.send(publish("t", b"2", qos=2, packet_id=7, dup=True)), b.expect(pubrec(7)),
        b.send(pubrel(7)),                         b.expect(pubcomp(7)),
        b.send(publish("t", b"3", qos=2, packet_id=7)), b.expect(pubrec(7)),
        b.send(pubrel(7)),                         b.expect(pubcomp(7)),
        a.expect(*(publish("t", b"%d" % n) for n in range(4))),
        a.quiet(),
    )  # fmt: skip


@spec("MQTT 3.1.1 §3.3.1.3", "MQTT-3.3.1-5", "MQTT-3.3.1-6", "MQTT-3.3.1-7", "MQTT-3.3.1-8",
      "MQTT-3.3.1-9")  # fmt: skip
async def test_retained_message_is_the_last_one(broker: Broker) -> None:
    """S39: with RETAIN for whoever subscribes, without for whoever has."""
    a, b = broker.peers("a b", 4)
    await broker.play(
        a.joins(),
        a.send(subscribe(1, ("t", 2))),            a.expect(suback(1, 2)),
        a.send(publish("t", b"1", qos=1, packet_id=1, retain=True)),
        a.expect_any_order(puback(1), publish("t", b"1", qos=1, packet_id="1")),
        b.joins(),
        b.send(subscribe(1, ("t", 2))),            b.expect(suback(1, 2)),
        b.expect(publish("t", b"1", qos=1, packet_id="1", retain=True)),
        a.send(publish("t", b"2", retain=True)),   a.expect(publish("t", b"2")),
                                                   b.expect(publish("t", b"2")),
        b.send(subscribe(2, ("t", 2))),            b.expect(suback(2, 2)),
                                                   b.expect(publish("t", b"2", retain=True)),
    )  # fmt: skip


@spec("MQTT 3.1.1 §3.3.1.3", "MQTT-3.3.1-10", "MQTT-3.3.1-11", "MQTT-3.3.1-12")
async def test_retained_message_is_removed_by_an_empty_one_and_by_nothing_else(
    broker: Broker,
) -> None:
    """S39."""
    a, b, c = broker.peers("a b c", 4)
    await broker.play(
        a.joins(),
        a.send(publish("t", b"1", retain=True), publish("t", b"2"), publish("t", b"")),
        a.quiet(),
        b.joins(),
        b.send(subscribe(1, "#")),                 b.expect(suback(1, 0)),
                                                   b.expect(publish("t", b"1", retain=True)),
        a.send(publish("t", b"", retain=True)),    b.expect(publish("t", b"")),
        c.joins(),
        c.send(subscribe(1, "#")),                 c.expect(suback(1, 0)),
        c.quiet(),
    )  # fmt: skip


@spec("MQTT 3.1.1 §3.3.2.1", "MQTT-3.3.2-2", "MQTT-4.7.1-1", "MQTT-4.7.3-1")
@pytest.mark.parametrize("topic", ["#", "t/+", "t#", ""])
async def test_publish_topic_is_unsound_closes(broker: Broker, topic: str) -> None:
    """Defect 36."""
    a, b = broker.peers("a b", 4)
    await broker.play(
        b.joins(),
        b.send(subscribe(1, "#")),                 b.expect(suback(1, 0)),
        a.joins(),
        a.send(publish(topic, b"x")),              a.closed(),
        b.quiet(),
    )  # fmt: skip


@spec("MQTT 3.1.1 §3.3.5", "MQTT-3.3.5-1")
async def test_overlapping_subscriptions_deliver_with_the_highest_qos(broker: Broker) -> None:
    a, b = broker.peers("a b", 4)
    await broker.play(
        a.joins(),
        a.send(subscribe(1, ("t/#", 0), ("t/+", 2), ("t/1", 1))), a.expect(suback(1, 0, 2, 1)),
        b.joins(),
        b.send(publish("t/1", b"x", qos=2, packet_id=1)), b.expect(pubrec(1)),
        b.send(pubrel(1)),                         b.expect(pubcomp(1)),
                                               a.expect(publish("t/1", b"x", qos=2, packet_id="m")),
        a.quiet(),
    )  # fmt: skip


@spec("MQTT 3.1.1 §3.3.5", "MQTT-3.3.5-2", "a message that is not allowed is acknowledged alike")
async def test_publish_is_not_authorized_is_acknowledged_and_dropped() -> None:
    def authorize(client: object, action: str, topic: str) -> bool:
        return not topic.startswith("secret")

    async with running(authorize=authorize) as broker:
        a, b = broker.peers("a b", 4)
        await broker.play(
            a.joins(),
            a.send(subscribe(1, "#", "secret/x")), a.expect(suback(1, 0, 0x80)),
            b.joins(),
            b.send(publish("secret/x", b"0")),
            b.send(publish("secret/x", b"1", qos=1, packet_id=1)), b.expect(puback(1)),
            b.send(publish("secret/x", b"2", qos=2, packet_id=2)), b.expect(pubrec(2)),
            b.send(pubrel(2)),                     b.expect(pubcomp(2)),
            a.quiet(),
        )  # fmt: skip


@spec("MQTT 3.1.1 §3.8.3", "MQTT-3.8.3-3", "MQTT-3.8.3-4", "MQTT-3.10.3-2", "MQTT-4.8.0-1")
@pytest.mark.parametrize(
    "packet",
    [
        pytest.param(header(0x82, two(1)), id="subscribe to nothing"),
        pytest.param(header(0xA2, two(1)), id="unsubscribe from nothing"),
        *(
            pytest.param(header(0x82, two(1) + text("t") + bytes((qos,))), id=f"QoS {qos:#x}")
            for qos in (0x03, 0x04, 0x08, 0x10, 0x40, 0x80, 0xFF)
        ),
    ],
)
async def test_subscribe_is_unsound_closes(broker: Broker, packet: bytes) -> None:
    """What are options in MQTT 5 are reserved bits here."""
    a = broker.peer("a", 4)
    await broker.play(a.joins(), a.send(packet), a.closed())


@spec("MQTT 3.1.1 §3.8.4", "MQTT-3.8.4-1", "MQTT-3.8.4-2", "MQTT-3.8.4-4", "MQTT-3.8.4-5",
      "MQTT-3.8.4-6", "MQTT-3.9.3-1", "MQTT-3.9.3-2", "MQTT-3.8.3-2", "MQTT-4.7.1-2",
      "MQTT-4.7.1-3")  # fmt: skip
async def test_subscribe_is_answered_with_a_code_for_each_filter_in_order(broker: Broker) -> None:
    a = broker.peer("a", 4)
    await broker.play(
        a.joins(),
        a.send(subscribe(1, ("a", 2), ("b#", 1), ("+", 0), ("c/+d", 0), ("#", 1), ("#/e", 1))),
        a.expect_bytes(b"\x90\x08\x00\x01\x02\x80\x00\x80\x01\x80"),
    )


@spec("MQTT 3.1.1 §3.8.4", "MQTT-3.8.4-3")
async def test_subscribe_again_replaces_and_brings_retained_messages_again(
    broker: Broker,
) -> None:
    a, b = broker.peers("a b", 4)
    await broker.play(
        b.joins(),
        b.send(publish("t", b"r", retain=True)),   b.quiet(),
        a.joins(),
        a.send(subscribe(1, ("t", 0))),            a.expect(suback(1, 0)),
                                                   a.expect(publish("t", b"r", retain=True)),
        a.send(subscribe(2, ("t", 1))),            a.expect(suback(2, 1)),
                                                   a.expect(publish("t", b"r", retain=True)),
        b.send(publish("t", b"x", qos=1, packet_id=1)), b.expect(puback(1)),
                                                 a.expect(publish("t", b"x", qos=1, packet_id="m")),
        a.quiet(),
    )  # fmt: skip


@spec("MQTT 3.1.1 §3.8.4", "MQTT-3.8.4-6", "the lower QoS of the two")
@pytest.mark.parametrize("granted", [0, 1, 2])
@pytest.mark.parametrize("published", [0, 1, 2])
async def test_message_is_delivered_with_the_lower_qos(
    broker: Broker, published: int, granted: int
) -> None:
    """S38."""
    a, b = broker.peers("a b", 4)
    qos = min(published, granted)
    answer = {
        0: [],
        1: [b.expect(puback(1))],
        2: [b.expect(pubrec(1)), b.send(pubrel(1)), b.expect(pubcomp(1))],
    }[published]
    await broker.play(
        a.joins(),
        a.send(subscribe(1, ("t", granted))),      a.expect(suback(1, granted)),
        b.joins(),
        b.send(publish("t", b"x", qos=published, packet_id=1)), *answer,
        a.expect(publish("t", b"x", qos=qos, packet_id="m" if qos else None)),
    )  # fmt: skip


@spec("MQTT 3.1.1 §3.10.4", "MQTT-3.10.4-1", "MQTT-3.10.4-2", "MQTT-3.10.4-4", "MQTT-3.10.4-5",
      "MQTT-3.10.4-6", "MQTT-4.7.3-4")  # fmt: skip
async def test_unsubscribe_ends_the_subscriptions_with_the_very_same_filters(
    broker: Broker,
) -> None:
    a = broker.peer("a", 4)
    await broker.play(
        a.joins(),
        a.send(subscribe(1, "t/+", "t/1", "u")),   a.expect(suback(1, 0, 0, 0)),
        a.send(unsubscribe(2, "t/#", "T/+")),      a.expect(unsuback(2)),
        a.send(publish("t/2", b"1")),              a.expect(publish("t/2", b"1")),
        a.send(unsubscribe(3, "t/+", "nothing", "t/1")), a.expect(unsuback(3)),
        a.send(publish("t/1", b"2"), publish("u", b"3")), a.expect(publish("u", b"3")),
        a.quiet(),
    )  # fmt: skip


@spec("MQTT 3.1.1 §3.10.4", "MQTT-3.10.4-3")
async def test_unsubscribe_completes_what_has_begun(broker: Broker) -> None:
    a, b = broker.peers("a b", 4)
    await broker.play(
        a.joins(clean=False),
        a.send(subscribe(1, ("t", 2))),            a.expect(suback(1, 2)),
        b.joins(),
        b.send(publish("t", b"1", qos=2, packet_id=1)), b.expect(pubrec(1)),
        b.send(pubrel(1)),                         b.expect(pubcomp(1)),
                                                 a.expect(publish("t", b"1", qos=2, packet_id="1")),
        a.send(unsubscribe(2, "t")),               a.expect(unsuback(2)),
        a.vanishes(),
        a.joins(clean=False, session_present=True),
        a.expect(publish("t", b"1", qos=2, packet_id="1", dup=True)),
        a.send(pubrec("1")),                       a.expect(pubrel("1")),
        a.send(pubcomp("1")),
        a.quiet(),
    )  # fmt: skip
