"""MQTT 5.0 §3.8, §3.9: SUBSCRIBE and SUBACK."""

from __future__ import annotations

import pytest

from tests.mqtt_packets import (
    AS_PUBLISHED,
    IF_NEW,
    NO_LOCAL,
    Will,
    connect,
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
from tests.mqtt_server import Broker, running
from tests.spec import spec


@spec("MQTT 5.0 §3.8.4", "MQTT-3.8.4-1", "MQTT-3.8.4-2", "MQTT-3.8.4-5", "MQTT-3.8.4-6",
      "MQTT-3.8.4-7", "MQTT-3.9.3-1", "MQTT-3.9.3-2")  # fmt: skip
async def test_subscribe_is_answered_with_a_code_for_each_filter_in_order(broker: Broker) -> None:
    a = broker.peer("a")
    await broker.play(
        a.joins(),
        a.send(subscribe(17, ("a", 2), ("b", 0), ("a/#", 1), ("c/#/d", 1), ("+", 2))),
        a.expect(suback(17, 2, 0, 1, 0x8F, 2)),
        a.quiet(),
    )


@spec("MQTT 5.0 §3.8.4", "MQTT-3.8.4-5", "several filters are like several SUBSCRIBEs")
async def test_subscribe_has_a_filter_twice_the_last_one_counts(broker: Broker) -> None:
    a = broker.peer("a")
    await broker.play(
        a.joins(),
        a.send(subscribe(1, ("t", 2), ("u", 0), ("t", 0))), a.expect(suback(1, 2, 0, 0)),
        a.send(publish("t", b"x", qos=1, packet_id=1)),
        a.expect_any_order(puback(1), publish("t", b"x")),
        a.quiet(),
    )  # fmt: skip


@spec("MQTT 5.0 §3.8.3", "MQTT-3.8.3-2", "MQTT-4.13.1-1")
@pytest.mark.parametrize("properties", [b"\0", b"\x02\x0b\x05"])
async def test_subscribe_without_filters_is_a_protocol_error(
    broker: Broker, properties: bytes
) -> None:
    a = broker.peer("a")
    await broker.play(
        a.joins(),
        a.send(header(0x82, two(1) + properties)), a.refused(0x82),
    )  # fmt: skip


@spec("MQTT 5.0 §3.8.3.1", "MQTT-3.8.3-5", "QoS 3 and Retain Handling 3 are errors")
@pytest.mark.parametrize(
    ("options", "code"),
    [(0x40, 0x81), (0x80, 0x81), (0xC0, 0x81), (0x03, 0x82), (0x30, 0x82), (0x33, 0x82)],
)
async def test_subscription_options_are_unsound_is_refused(
    broker: Broker, options: int, code: int
) -> None:
    a = broker.peer("a")
    await broker.play(
        a.joins(),
        a.send(header(0x82, two(1) + b"\0" + text("t") + bytes((options,)))), a.refused(code),
    )  # fmt: skip


@spec("MQTT 5.0 §3.8.3.1", "MQTT-3.8.3-3")
@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_no_local_keeps_own_messages_away(broker: Broker, qos: int) -> None:
    """Compared by Client Identifier; the Will and a reconnect change nothing."""
    a, b = broker.peers("a b")
    answer = {
        0: [],
        1: [a.expect(puback(1))],
        2: [a.expect(pubrec(1)), a.send(pubrel(1)), a.expect(pubcomp(1))],
    }[qos]
    await broker.play(
        a.joins(session_expiry_interval=60),
        a.send(subscribe(1, ("t", qos | NO_LOCAL))), a.expect(suback(1, qos)),
        a.send(publish("t", b"1", qos=qos, packet_id=1)), *answer,
        a.quiet(),
        a.leaves(),
        a.joins(clean=False, session_present=True),
        a.send(publish("t", b"2", qos=qos, packet_id=1)), *answer,
        a.quiet(),
        b.joins(),
        b.send(publish("t", b"3")),                a.expect(publish("t", b"3")),
    )  # fmt: skip


@spec("MQTT 5.0 §3.8.3.1", "MQTT-3.8.3-3", "of one subscription; another one has its own say")
@pytest.mark.parametrize("filters", [(("t", NO_LOCAL), "+"), ("+", ("t", NO_LOCAL))])
async def test_no_local_does_not_speak_for_another_subscription(
    broker: Broker, filters: tuple[str | tuple[str, int], ...]
) -> None:
    a = broker.peer("a")
    await broker.play(
        a.joins(),
        a.send(subscribe(1, *filters)),            a.expect(suback(1, 0, 0)),
        a.send(publish("t", b"x")),                a.expect(publish("t", b"x")),
        a.quiet(),
    )  # fmt: skip


@spec("MQTT 5.0 §3.8.3.1", "MQTT-3.8.3-4")
async def test_no_local_on_a_shared_subscription_is_a_protocol_error(broker: Broker) -> None:
    a = broker.peer("a")
    await broker.play(
        a.joins(),
        a.send(subscribe(1, ("$share/g/t", NO_LOCAL))), a.refused(0x82),
    )  # fmt: skip


@spec("MQTT 5.0 §3.8.4", "MQTT-3.8.4-3", "MQTT-3.8.4-4")
async def test_subscribe_again_replaces_the_subscription(broker: Broker) -> None:
    """One subscription, with the options and the identifier of the last one."""
    a, b = broker.peers("a b")
    mine = {"subscription_identifier": [9]}
    await broker.play(
        a.joins(),
        a.send(subscribe(1, ("t", 0), subscription_identifier=8)), a.expect(suback(1, 0)),
        a.send(subscribe(2, ("t", 1 | AS_PUBLISHED | IF_NEW), subscription_identifier=9)),
        a.expect(suback(2, 1)),
        b.joins(),
        b.send(publish("t", b"x", qos=1, packet_id=1, retain=True)), b.expect(puback(1)),
        a.expect(publish("t", b"x", qos=1, packet_id="m", retain=True, **mine)),
        a.quiet(),
    )  # fmt: skip


@spec("MQTT 5.0 §3.8.4", "MQTT-3.8.4-4", "nothing is lost when a subscription is replaced")
async def test_subscribe_again_loses_nothing_in_flight_or_waiting(broker: Broker) -> None:
    a, b = broker.peers("a b")
    await broker.play(
        a.joins(receive_maximum=1),
        a.send(subscribe(1, ("t", 1))),            a.expect(suback(1, 1)),
        b.joins(),
        b.send(publish("t", b"1", qos=1, packet_id=1)), b.expect(puback(1)),
        b.send(publish("t", b"2", qos=1, packet_id=2)), b.expect(puback(2)),
                                                 a.expect(publish("t", b"1", qos=1, packet_id="1")),
        a.send(subscribe(2, ("t", 0))),            a.expect(suback(2, 0)),
        a.send(puback("1")),
                                                 a.expect(publish("t", b"2", qos=1, packet_id="2")),
        b.send(publish("t", b"3", qos=1, packet_id=3)), b.expect(puback(3)),
                                                   a.expect(publish("t", b"3")),
    )  # fmt: skip


@spec("MQTT 5.0 §3.8.4", "MQTT-3.8.4-8")
@pytest.mark.parametrize("granted", [0, 1, 2])
@pytest.mark.parametrize("published", [0, 1, 2])
async def test_message_is_delivered_with_the_lower_of_published_and_granted_qos(
    broker: Broker, published: int, granted: int
) -> None:
    """S38."""
    a, b = broker.peers("a b")
    qos = min(published, granted)
    answer = {
        0: [],
        1: [b.expect(puback(1))],
        2: [b.expect(pubrec(1)), b.send(pubrel(1)), b.expect(pubcomp(1))],
    }[published]
    done = {
        0: [],
        1: [a.send(puback("m"))],
        2: [a.send(pubrec("m")), a.expect(pubrel("m")), a.send(pubcomp("m"))],
    }[qos]
    await broker.play(
        a.joins(),
        a.send(subscribe(1, ("t", granted))),      a.expect(suback(1, granted)),
        b.joins(),
        b.send(publish("t", b"x", qos=published, packet_id=1)), *answer,
        a.expect(publish("t", b"x", qos=qos, packet_id="m" if qos else None)), *done,
        a.quiet(),
    )  # fmt: skip


@spec("MQTT 5.0 §3.8.2.1", "a Subscription Identifier of 0, or two of them, is a protocol error")
@pytest.mark.parametrize("properties", [b"\x02\x0b\x00", b"\x04\x0b\x01\x0b\x02"])
async def test_subscription_identifier_is_unsound_is_a_protocol_error(
    broker: Broker, properties: bytes
) -> None:
    a = broker.peer("a")
    await broker.play(
        a.joins(),
        a.send(header(0x82, two(1) + properties + text("t") + b"\0")), a.refused(0x82),
    )  # fmt: skip


@spec("MQTT 5.0 §3.8.2.1", "a property of another packet")
async def test_subscribe_has_a_property_of_another_packet_is_malformed(broker: Broker) -> None:
    a = broker.peer("a")
    await broker.play(
        a.joins(),
        a.send(header(0x82, two(1) + b"\x02\x01\x01" + text("t") + b"\0")), a.refused(0x81),
    )  # fmt: skip


@spec("MQTT 5.0 §3.9.3", "0x8F Topic Filter invalid", "MQTT-4.7.1-1", "MQTT-4.7.1-2",
      "MQTT-4.7.3-1", "MQTT-4.8.2-1", "MQTT-4.8.2-2")  # fmt: skip
@pytest.mark.parametrize(
    "topic_filter",
    ["t#", "#/t", "t/#/u", "##", "t/##", "t+", "+t", "t/+u", "t/u+/v", "++", "",
     "$share/g", "$share/g/", "$share//t", "$share/", "$share/g+/t", "$share/#/t", "$share/g/t#"],
)  # fmt: skip
async def test_topic_filter_is_unsound_is_refused_alone(broker: Broker, topic_filter: str) -> None:
    """The other filters of the packet stand."""
    a = broker.peer("a")
    await broker.play(
        a.joins(),
        a.send(subscribe(1, "a", topic_filter, "b")), a.expect(suback(1, 0, 0x8F, 0)),
        a.send(publish("a", b"1"), publish("b", b"2"), publish("t", b"3")),
        a.expect(publish("a", b"1"), publish("b", b"2")),
        a.quiet(),
    )  # fmt: skip


@spec("MQTT 5.0 §3.9.3", "0x97 Quota exceeded")
async def test_subscriptions_are_too_many_is_refused() -> None:
    """Defect 21: replacing one is always possible."""
    async with running(max_subscriptions=2) as broker:
        a = broker.peer("a")
        await broker.play(
            a.joins(),
            a.send(subscribe(1, "a", "b", "c")),   a.expect(suback(1, 0, 0, 0x97)),
            a.send(subscribe(2, ("a", 1))),        a.expect(suback(2, 1)),
            a.send(subscribe(3, "d")),             a.expect(suback(3, 0x97)),
            a.quiet(),
        )  # fmt: skip


@spec("MQTT 5.0 §3.9.3", "0x87 Not authorized", "MQTT-3.1.4-2")
async def test_subscribe_is_not_authorized_is_refused_alone() -> None:
    def authorize(client: object, action: str, topic: str) -> bool:
        return action == "publish" or not topic.startswith("secret")

    async with running(authorize=authorize) as broker:
        a = broker.peer("a")
        await broker.play(
            a.joins(),
            a.send(subscribe(1, "a", "secret/#", "$share/g/secret/x")),
            a.expect(suback(1, 0, 0x87, 0x87)),
            a.send(publish("secret/x", b"1"), publish("a", b"2")), a.expect(publish("a", b"2")),
            a.quiet(),
        )  # fmt: skip


@spec("MQTT 5.0 §3.1.4", "MQTT-3.1.4-2", "0x87: a Will that could not be published")
async def test_will_is_not_authorized_is_turned_away() -> None:
    def authorize(client: object, action: str, topic: str) -> bool:
        return not topic.startswith("secret")

    async with running(authorize=authorize) as broker:
        a = broker.peer("a")
        await broker.play(
            a.send(connect(will=Will("secret/x"))), a.turned_away(0x87),
            a.joins(will=Will("open/x")),
        )  # fmt: skip


@spec("MQTT 5.0 §3.4.2.1", "0x87 Not authorized", "MQTT-4.13.2-1")
async def test_publish_is_not_authorized_is_refused() -> None:
    """It is not forwarded; QoS 1 and 2 are told so, QoS 0 is only dropped."""

    def authorize(client: object, action: str, topic: str) -> bool:
        return action == "subscribe" or not topic.startswith("secret")

    async with running(authorize=authorize) as broker:
        a, b = broker.peers("a b")
        await broker.play(
            a.joins(),
            a.send(subscribe(1, "#")),             a.expect(suback(1, 0)),
            b.joins(),
            b.send(publish("secret/x", qos=1, packet_id=1)), b.expect(puback(1, 0x87)),
            b.send(publish("secret/x", qos=2, packet_id=2)), b.expect(pubrec(2, 0x87)),
            b.send(publish("secret/x", qos=2, packet_id=2)), b.expect(pubrec(2, 0x87)),
            b.send(publish("secret/x", b"0")),
            b.quiet(),
            a.quiet(),
            b.send(publish("open", b"1")),         a.expect(publish("open", b"1")),
        )  # fmt: skip
