"""MQTT 5.0 §3.3.1: DUP, QoS and RETAIN of PUBLISH."""

from __future__ import annotations

import pytest

from tests.mqtt_packets import (
    AS_PUBLISHED,
    IF_NEW,
    NO_RETAINED,
    PUBLISH,
    SUBACK,
    connect,
    encode,
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
from tests.mqtt_world import World
from tests.spec import spec


@spec("MQTT 5.0 §3.3.1.1", "MQTT-3.3.1-1", "MQTT-4.4.0-1")
async def test_publish_is_sent_again_has_dup(broker: Broker) -> None:
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
        a.vanishes(),
        a.joins(clean=False, session_present=True),
        a.expect(publish("t", b"1", qos=1, packet_id="1", dup=True),
                 publish("t", b"2", qos=2, packet_id="2", dup=True)),
        a.quiet(),
    )  # fmt: skip


@spec("MQTT 5.0 §3.3.1.1", "MQTT-3.3.1-2", "MQTT-4.3.1-1")
async def test_publish_of_qos_0_has_dup_is_malformed(broker: Broker) -> None:
    a = broker.peer("a")
    await broker.play(
        a.joins(),
        a.send(header(0x38, text("t") + b"\0x")),  a.refused(0x81),
    )  # fmt: skip


@spec("MQTT 5.0 §3.3.1.1", "MQTT-3.3.1-3", "MQTT-4.3.2-2", "MQTT-4.3.3-2")
@pytest.mark.parametrize("qos", [1, 2])
async def test_dup_of_the_publisher_is_not_passed_on(broker: Broker, qos: int) -> None:
    a, b = broker.peers("a b")
    answer = [b.expect(puback(1))]
    if qos == 2:
        answer = [b.expect(pubrec(1)), b.send(pubrel(1)), b.expect(pubcomp(1))]
    await broker.play(
        a.joins(),
        a.send(subscribe(1, ("t", 2))),            a.expect(suback(1, 2)),
        b.joins(),
        b.send(publish("t", b"x", qos=qos, packet_id=1, dup=True)), *answer,
                                               a.expect(publish("t", b"x", qos=qos, packet_id="m")),
    )  # fmt: skip


@spec("MQTT 5.0 §3.3.1.2", "MQTT-3.3.1-4", "MQTT-4.13.1-1")
@pytest.mark.parametrize("first", [0x36, 0x3E, 0x37])
async def test_publish_of_qos_3_is_malformed(broker: Broker, first: int) -> None:
    a = broker.peer("a")
    await broker.play(
        a.joins(),
        a.send(header(first, text("t") + two(1) + b"\0x")), a.refused(0x81),
    )  # fmt: skip


@spec("MQTT 5.0 §3.3.1.3", "MQTT-3.3.1-5", "MQTT-3.3.1-9")
async def test_retained_message_is_the_last_one_of_its_topic(broker: Broker) -> None:
    """S39."""
    a, b = broker.peers("a b")
    await broker.play(
        b.joins(),
        b.send(publish("t", b"1", retain=True)),
        b.send(publish("t", b"2", retain=True, qos=1, packet_id=1)), b.expect(puback(1, 0x10)),
        b.send(publish("u", b"3", retain=True)),   b.quiet(),
        a.joins(),
        a.send(subscribe(1, ("t", 2))),            a.expect(suback(1, 2)),
                                    a.expect(publish("t", b"2", qos=1, packet_id="m", retain=True)),
        a.quiet(),
        b.send(publish("t", b"4", retain=True)),   a.expect(publish("t", b"4")),
        b.leaves(),
        a.send(subscribe(2, ("t", 2))),            a.expect(suback(2, 2)),
                                                   a.expect(publish("t", b"4", retain=True)),
    )  # fmt: skip


@spec("MQTT 5.0 §3.3.1.3", "MQTT-3.3.1-6", "MQTT-3.3.1-7")
async def test_retained_message_is_empty_removes_it_and_is_not_stored(broker: Broker) -> None:
    """S39."""
    a, b = broker.peers("a b")
    await broker.play(
        a.joins(),
        a.send(subscribe(1, ("t", AS_PUBLISHED))), a.expect(suback(1, 0)),
        a.send(publish("t", b"1", retain=True)),   a.expect(publish("t", b"1", retain=True)),
        a.send(publish("t", b"", retain=True)),    a.expect(publish("t", b"", retain=True)),
        b.joins(),
        b.send(subscribe(1, "#")),                 b.expect(suback(1, 0)),
        b.quiet(),
    )  # fmt: skip


@spec("MQTT 5.0 §3.3.1.3", "MQTT-3.3.1-8")
async def test_message_without_retain_leaves_the_retained_one(broker: Broker) -> None:
    """S39."""
    a, b = broker.peers("a b")
    await broker.play(
        a.joins(),
        a.send(publish("t", b"1", retain=True)),
        a.send(publish("t", b"2"), publish("t", b""), publish("u", b"3")), a.quiet(),
        b.joins(),
        b.send(subscribe(1, "#")),                 b.expect(suback(1, 0)),
                                                   b.expect(publish("t", b"1", retain=True)),
        b.quiet(),
    )  # fmt: skip


@spec("MQTT 5.0 §3.3.1.3", "MQTT-3.3.1-9", "MQTT-3.8.4-4")
async def test_retain_handling_0_sends_at_every_subscribe(broker: Broker) -> None:
    a = broker.peer("a")
    await broker.play(
        a.joins(),
        a.send(publish("t", b"1", retain=True)),
        *(
            [a.send(subscribe(n, "t")),            a.expect(suback(n, 0)),
                                                   a.expect(publish("t", b"1", retain=True))]
            for n in (1, 2)
        ),
        a.quiet(),
    )  # fmt: skip


@spec("MQTT 5.0 §3.3.1.3", "MQTT-3.3.1-10")
async def test_retain_handling_1_sends_when_the_subscription_is_new(broker: Broker) -> None:
    a = broker.peer("a")
    await broker.play(
        a.joins(session_expiry_interval=60),
        a.send(publish("t", b"1", retain=True)),
        a.send(subscribe(1, ("t", IF_NEW))),       a.expect(suback(1, 0)),
                                                   a.expect(publish("t", b"1", retain=True)),
        a.send(subscribe(2, ("t", IF_NEW))),       a.expect(suback(2, 0)),
        a.quiet(),
        a.leaves(),
        a.joins(clean=False, session_present=True),
        a.send(subscribe(3, ("t", IF_NEW))),       a.expect(suback(3, 0)),
        a.quiet(),
        a.send(unsubscribe(4, "t")),               a.expect(unsuback(4, 0)),
        a.send(subscribe(5, ("t", IF_NEW))),       a.expect(suback(5, 0)),
                                                   a.expect(publish("t", b"1", retain=True)),
    )  # fmt: skip


@spec("MQTT 5.0 §3.3.1.3", "MQTT-3.3.1-11")
async def test_retain_handling_2_never_sends(broker: Broker) -> None:
    a = broker.peer("a")
    await broker.play(
        a.joins(),
        a.send(publish("t", b"1", retain=True)),
        a.send(subscribe(1, ("t", NO_RETAINED))),  a.expect(suback(1, 0)),
        a.quiet(),
        a.send(publish("t", b"2")),                a.expect(publish("t", b"2")),
    )  # fmt: skip


@spec("MQTT 5.0 §3.3.1.3", "MQTT-3.3.1-12", "MQTT-3.3.1-13")
@pytest.mark.parametrize("retain", [True, False])
async def test_retain_as_published_keeps_the_flag(broker: Broker, retain: bool) -> None:
    a, b, c = broker.peers("a b c")
    await broker.play(
        a.joins(),
        a.send(subscribe(1, ("t", AS_PUBLISHED))), a.expect(suback(1, 0)),
        b.joins(),
        b.send(subscribe(1, "t")),                 b.expect(suback(1, 0)),
        c.joins(),
        c.send(publish("t", b"x", retain=retain)), a.expect(publish("t", b"x", retain=retain)),
                                                   b.expect(publish("t", b"x")),
    )  # fmt: skip


@spec("MQTT 5.0 §3.3.1.3", "MQTT-3.3.1-9", "RETAIN is 1 in what a subscription brings")
@pytest.mark.parametrize("options", [0, AS_PUBLISHED])
async def test_retained_message_of_a_new_subscription_has_retain(
    broker: Broker, options: int
) -> None:
    a = broker.peer("a")
    await broker.play(
        a.joins(),
        a.send(publish("t/1", b"1", retain=True), publish("t/2", b"2", retain=True)),
        a.send(subscribe(1, ("t/+", options))),    a.expect(suback(1, 0)),
        a.expect_any_order(publish("t/1", b"1", retain=True), publish("t/2", b"2", retain=True)),
        a.quiet(),
    )  # fmt: skip


@spec("MQTT 5.0 §3.3.1.3", "MQTT-3.3.1-9", "MQTT-3.8.4-8")
@pytest.mark.parametrize("granted", [0, 1, 2])
@pytest.mark.parametrize("published", [0, 1, 2])
async def test_retained_message_is_sent_with_the_lower_qos(
    broker: Broker, published: int, granted: int
) -> None:
    a, b = broker.peers("a b")
    answer = {0: [], 1: [a.expect(puback(1, 0x10))]}.get(
        published, [a.expect(pubrec(1, 0x10)), a.send(pubrel(1)), a.expect(pubcomp(1))]
    )
    qos = min(published, granted)
    await broker.play(
        a.joins(),
        a.send(publish("t", b"x", qos=published, packet_id=1, retain=True)), *answer,
        a.quiet(),
        b.joins(),
        b.send(subscribe(1, ("t", granted))),      b.expect(suback(1, granted)),
        b.expect(publish("t", b"x", qos=qos, packet_id="m" if qos else None, retain=True)),
    )  # fmt: skip


@spec("MQTT 5.0 §3.3.1.3", "MQTT-3.3.1-9", "the SUBACK comes first")
async def test_retained_messages_come_after_the_suback(broker: Broker) -> None:
    """Gap 12."""
    a = broker.peer("a")
    topics = [f"t/{n}" for n in range(20)]
    await broker.play(
        a.joins(),
        *(a.send(publish(topic, b"x", retain=True)) for topic in topics),
        a.send(subscribe(1, "t/#", "t/3")),        a.expect(suback(1, 0, 0)),
        a.expect_any_order(*(publish(t, b"x", retain=True) for t in [*topics, "t/3"])),
        a.quiet(),
    )  # fmt: skip


@spec("MQTT 5.0 §3.3.1.3", "MQTT-3.3.1-5", "a duplicate of QoS 2 does not overwrite a newer one")
async def test_duplicate_of_qos_2_does_not_retain_again(broker: Broker) -> None:
    """Gap 6."""
    a, b = broker.peers("a b")
    old = publish("t", b"old", qos=2, packet_id=1, retain=True)
    again = publish("t", b"old", qos=2, packet_id=1, retain=True, dup=True)
    await broker.play(
        a.joins(),
        a.send(old),                               a.expect(pubrec(1, 0x10)),
        b.joins(),
        b.send(publish("t", b"new", retain=True)), b.quiet(),
        a.send(again),                             a.expect_kind(5),
        a.send(pubrel(1)),                         a.expect(pubcomp(1)),
        b.send(subscribe(1, "t")),                 b.expect(suback(1, 0)),
                                                   b.expect_kind(3),
    )  # fmt: skip
    assert b.heard[-1]["payload"] == b"new"


@spec("MQTT 5.0 §3.3.1.3", "MQTT-3.3.1-9", "MQTT-4.6.0-5", "in parts, and nothing overtakes them")
def test_retained_messages_of_a_large_store_come_before_what_is_published_meanwhile() -> None:
    """Gap 12: thousands of them do not stall the broker, and each topic keeps its order."""
    world = World(max_queued_messages=10)
    a, p = world.peer("a"), world.peer("p")
    p.says(connect())
    for n in range(1500):
        p.says(publish(f"t/{n}", b"old", retain=True))
    a.says(connect())
    a.dials(subscribe(1, ("t/#", 1)))
    p.receives(b"".join(encode(publish(f"t/{n}", b"new", retain=True), 5) for n in range(1500)))
    a.dials(subscribe(2, "u"))
    heard = a.hears()
    answers = [each.kind for each in heard if each.kind != PUBLISH]
    assert answers == [SUBACK, SUBACK]
    assert heard[0].kind == SUBACK
    came: dict[object, list[object]] = {}
    for each in heard:
        if each.kind == PUBLISH:
            came.setdefault(each["topic"], []).append((each["payload"], each["retain"]))
    assert len(came) == 1500
    assert all(each == [(b"old", True), (b"new", False)] for each in came.values())
