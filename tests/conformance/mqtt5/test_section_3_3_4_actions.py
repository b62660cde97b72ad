"""MQTT 5.0 §3.3.4: what becomes of a PUBLISH."""

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
)
from tests.mqtt_server import Broker
from tests.spec import spec


@spec("MQTT 5.0 §3.3.4", "MQTT-3.3.4-1", "MQTT-4.3.1-1", "MQTT-4.3.2-4", "MQTT-4.3.3-8")
async def test_publish_is_answered_as_its_qos_demands(broker: Broker) -> None:
    """S38."""
    a = broker.peer("a")
    await broker.play(
        a.joins(),
        a.send(subscribe(9, ("none", 0))),         a.expect(suback(9, 0)),
        a.send(publish("t", b"x")),
        a.quiet(),
        a.send(publish("t", b"x", qos=1, packet_id=1)), a.expect(puback(1, 0x10)),
        a.send(publish("t", b"x", qos=2, packet_id=2)), a.expect(pubrec(2, 0x10)),
        a.send(pubrel(2)),                         a.expect(pubcomp(2)),
        a.quiet(),
    )  # fmt: skip


@spec("MQTT 5.0 §3.3.4", "MQTT-3.3.4-2", "MQTT-3.8.4-8")
async def test_overlapping_subscriptions_deliver_with_the_highest_qos(broker: Broker) -> None:
    """One copy or one for each subscription: in either case the highest QoS is among them."""
    a, b = broker.peers("a b")
    await broker.play(
        a.joins(),
        a.send(subscribe(1, ("t/#", 0), ("t/1", 2), ("t/+", 1))), a.expect(suback(1, 0, 2, 1)),
        b.joins(),
        b.send(publish("t/1", b"x", qos=2, packet_id=1)), b.expect(pubrec(1)),
        b.send(pubrel(1)),                         b.expect(pubcomp(1)),
                                               a.expect(publish("t/1", b"x", qos=2, packet_id="m")),
        a.quiet(),
    )  # fmt: skip


@spec("MQTT 5.0 §3.3.4", "MQTT-3.3.4-3", "MQTT-3.3.4-4", "MQTT-3.8.2.1.2")
@pytest.mark.parametrize("identifier", [1, 127, 128, 268_435_455])
async def test_subscription_identifier_comes_with_what_matches(
    broker: Broker, identifier: int
) -> None:
    a, b = broker.peers("a b")
    mine = {"subscription_identifier": [identifier]}
    await broker.play(
        a.joins(),
        a.send(subscribe(1, ("t/+", 1), subscription_identifier=identifier)),
                                                   a.expect(suback(1, 1)),
        a.send(subscribe(2, "u")),                 a.expect(suback(2, 0)),
        b.joins(),
        b.send(publish("t/1", b"1")),              a.expect(publish("t/1", b"1", **mine)),
        b.send(publish("t/2", b"2", qos=1, packet_id=1)), b.expect(puback(1)),
                                       a.expect(publish("t/2", b"2", qos=1, packet_id="m", **mine)),
        b.send(publish("u", b"3")),                a.expect(publish("u", b"3")),
    )  # fmt: skip


@spec("MQTT 5.0 §3.3.4", "MQTT-3.3.4-4", "MQTT-3.3.4-5")
async def test_subscription_identifiers_of_all_that_match_come_with_it(broker: Broker) -> None:
    a, b = broker.peers("a b")
    await broker.play(
        a.joins(),
        a.send(subscribe(1, "t/#", subscription_identifier=7)),  a.expect(suback(1, 0)),
        a.send(subscribe(2, "t/1", subscription_identifier=300)), a.expect(suback(2, 0)),
        a.send(subscribe(3, "t/+")),               a.expect(suback(3, 0)),
        b.joins(),
        b.send(publish("t/1", b"x")),              a.expect_kind(3),
        a.quiet(),
    )  # fmt: skip
    (heard,) = [each for each in a.heard if each.kind == 3]
    identifiers = (heard.properties or {})["subscription_identifier"]
    assert isinstance(identifiers, list)
    assert sorted(identifiers) == [7, 300]


@spec("MQTT 5.0 §3.3.4", "MQTT-3.3.4-3", "it is part of the session, and a new one replaces it")
async def test_subscription_identifier_is_replaced_and_survives_the_connection(
    broker: Broker,
) -> None:
    """Defect 36: subscription options are not lost at reconnect."""
    a, b = broker.peers("a b")
    await broker.play(
        b.joins(),
        a.joins(session_expiry_interval=60),
        a.send(subscribe(1, "t", subscription_identifier=1)), a.expect(suback(1, 0)),
        a.send(subscribe(2, "t", subscription_identifier=2)), a.expect(suback(2, 0)),
        a.leaves(),
        a.joins(clean=False, session_present=True),
        b.send(publish("t", b"1")),
                                          a.expect(publish("t", b"1", subscription_identifier=[2])),
        a.send(subscribe(3, "t")),                 a.expect(suback(3, 0)),
        b.send(publish("t", b"2")),                a.expect(publish("t", b"2")),
    )  # fmt: skip


@spec("MQTT 5.0 §3.3.4", "MQTT-3.3.4-3", "of retained messages too")
async def test_subscription_identifier_comes_with_retained_messages(broker: Broker) -> None:
    a = broker.peer("a")
    await broker.play(
        a.joins(),
        a.send(publish("t", b"x", retain=True)),
        a.send(subscribe(1, "t", subscription_identifier=5)), a.expect(suback(1, 0)),
        a.expect(publish("t", b"x", retain=True, subscription_identifier=[5])),
    )  # fmt: skip


@spec("MQTT 5.0 §3.3.4", "MQTT-3.3.4-6", "a client's PUBLISH has no Subscription Identifier")
async def test_publish_has_a_subscription_identifier_is_a_protocol_error(broker: Broker) -> None:
    a = broker.peer("a")
    await broker.play(
        a.joins(),
        a.send(publish("t", b"x", subscription_identifier=1)), a.refused(0x82),
    )  # fmt: skip


@spec("MQTT 5.0 §3.3.4", "MQTT-3.3.4-7", "MQTT-3.3.4-8", "acknowledged ones do not count")
async def test_publisher_may_have_the_receive_maximum_under_way(broker: Broker) -> None:
    a = broker.peer("a")
    await broker.play(a.joins())
    most = (a.heard[0].properties or {}).get("receive_maximum", 100)
    assert isinstance(most, int)
    most = min(most, 100)
    for _ in range(2):
        await broker.play(
            *(a.send(publish("t", qos=2, packet_id=n)) for n in range(1, most + 1)),
            *(a.expect_kind(5) for _ in range(most)),
            *(a.send(pubrel(n)) for n in range(1, most + 1)),
            *(a.expect(pubcomp(n)) for n in range(1, most + 1)),
        )
    await broker.play(a.quiet())


@spec("MQTT 5.0 §3.3.4", "MQTT-3.3.4-10", "MQTT-4.9.0-3")
async def test_quota_is_spent_every_other_packet_is_answered(broker: Broker) -> None:
    a, b = broker.peers("a b")
    await broker.play(
        a.joins(receive_maximum=1),
        a.send(subscribe(1, ("t", 1))),            a.expect(suback(1, 1)),
        b.joins(),
        b.send(publish("t", b"1", qos=1, packet_id=1)), b.expect(puback(1)),
        b.send(publish("t", b"2", qos=1, packet_id=2)), b.expect(puback(2)),
                                                 a.expect(publish("t", b"1", qos=1, packet_id="1")),
        a.send(subscribe(2, "u")),                 a.expect(suback(2, 0)),
        a.send(publish("x", qos=1, packet_id=1)),  a.expect(puback(1, 0x10)),
        a.send(publish("x", qos=2, packet_id=2)),  a.expect(pubrec(2, 0x10)),
        a.send(pubrel(2)),                         a.expect(pubcomp(2)),
        a.quiet(),
    )  # fmt: skip


@spec("MQTT 5.0 §3.3.4", "MQTT-3.3.4-1", "a message without subscribers: 0x10")
async def test_message_that_nobody_wants_is_acknowledged_so(broker: Broker) -> None:
    a, b = broker.peers("a b")
    await broker.play(
        a.joins(),
        b.joins(),
        b.send(subscribe(1, "t")),                 b.expect(suback(1, 0)),
        a.send(publish("u", qos=1, packet_id=1)),  a.expect(puback(1, 0x10)),
        a.send(publish("u", qos=2, packet_id=2)),  a.expect(pubrec(2, 0x10)),
        a.send(publish("t", qos=1, packet_id=3)),  a.expect(puback(3, 0x00)),
                                                   b.expect(publish("t")),
    )  # fmt: skip


@spec("MQTT 5.0 §3.3.3", "a payload may be empty")
async def test_payload_is_of_any_size(broker: Broker) -> None:
    a = broker.peer("a")
    sizes = [0, 1, 2, 100_000, 1_000_000]
    await broker.play(
        a.joins(),
        a.send(subscribe(1, "t")),                 a.expect(suback(1, 0)),
        *(
            [a.send(publish("t", b"x" * size)),    a.expect(publish("t", b"x" * size))]
            for size in sizes
        ),
    )  # fmt: skip


@spec("MQTT 5.0 §2.1.4", "packets arrive in any pieces")
async def test_packets_arrive_a_byte_at_a_time(broker: Broker) -> None:
    """S48, on the wire."""
    a = broker.peer("a")
    wire = header(0x32, text("t") + two(1) + b"\0hello") + header(0x30, text("t") + b"\0bye")
    await broker.play(
        a.joins(),
        a.send(subscribe(1, ("t", 1))),            a.expect(suback(1, 1)),
        *(a.send(wire[n : n + 1]) for n in range(len(wire))),
        a.expect_any_order(
            puback(1), publish("t", b"hello", qos=1, packet_id="m"), publish("t", b"bye")
        ),
    )  # fmt: skip
