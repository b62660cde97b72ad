"""MQTT 5.0 §4.8.2: shared subscriptions."""

from __future__ import annotations

import pytest

from tests.mqtt_packets import (
    Packet,
    puback,
    pubcomp,
    publish,
    pubrec,
    pubrel,
    suback,
    subscribe,
)
from tests.mqtt_peer import Peer, Step
from tests.mqtt_server import Broker
from tests.spec import spec


def shares(peer: Peer, qos: int = 0, topic_filter: str = "$share/g/t/#", **fields: object) -> Step:
    return [
        peer.joins(**fields),
        peer.send(subscribe(1, (topic_filter, qos))),
        peer.expect(suback(1, qos)),
    ]


def published(b: Peer, topic: str, payload: bytes, qos: int, packet_id: int) -> list[Step]:
    said = publish(topic, payload, qos=qos, packet_id=packet_id)
    if qos == 1:
        return [b.send(said), b.expect(puback(packet_id))]
    return [b.send(said), b.expect(pubrec(packet_id)), b.send(pubrel(packet_id)),
            b.expect(pubcomp(packet_id))]  # fmt: skip


def payloads(peer: Peer) -> list[bytes]:
    return [each["payload"] for each in peer.heard if each.kind == 3]  # type: ignore[misc]


@spec("MQTT 5.0 §4.8.2", "MQTT-4.8.2-1", "MQTT-4.8.2-2", "each message goes to one of them")
async def test_shared_subscription_each_message_goes_to_one_member_in_turn(
    broker: Broker,
) -> None:
    """S41."""
    a, b, c, p = broker.peers("a b c p")
    await broker.play(
        shares(a), shares(b), shares(c), p.joins(),
        p.send(*(publish("t/1", b"%d" % n) for n in range(9))), p.quiet(),
        *([peer.expect_kind(3) for _ in range(3)] for peer in (a, b, c)),
        a.quiet(), b.quiet(), c.quiet(),
    )  # fmt: skip
    heard = [payload for peer in (a, b, c) for payload in payloads(peer)]
    assert sorted(heard) == [b"%d" % n for n in range(9)]


@spec("MQTT 5.0 §4.8.2", "MQTT-4.8.2-1", "groups and plain subscriptions are apart")
async def test_shared_subscription_groups_and_plain_ones_each_get_a_copy(broker: Broker) -> None:
    """S41."""
    a, b, c, p = broker.peers("a b c p")
    await broker.play(
        shares(a, 0, "$share/one/t"), shares(b, 0, "$share/two/t"), p.joins(),
        c.joins(), c.send(subscribe(1, "t")), c.expect(suback(1, 0)),
        p.send(publish("t", b"1")),
        a.expect(publish("t", b"1")), b.expect(publish("t", b"1")), c.expect(publish("t", b"1")),
        p.send(publish("t", b"2")),
        a.expect(publish("t", b"2")), b.expect(publish("t", b"2")), c.expect(publish("t", b"2")),
        a.quiet(), b.quiet(), c.quiet(),
    )  # fmt: skip


@spec("MQTT 5.0 §4.8.2", "MQTT-4.8.2-1", "the same ShareName with another filter is another one")
async def test_shared_subscription_is_its_name_and_its_filter(broker: Broker) -> None:
    a, b, p = broker.peers("a b p")
    await broker.play(
        shares(a, 0, "$share/g/t/1"), shares(b, 0, "$share/g/t/+"), p.joins(),
        p.send(publish("t/1", b"1")),
        a.expect(publish("t/1", b"1")), b.expect(publish("t/1", b"1")),
        a.quiet(), b.quiet(),
    )  # fmt: skip


@spec("MQTT 5.0 §4.8.2", "MQTT-4.8.2-3")
async def test_shared_subscription_each_member_has_its_own_qos(broker: Broker) -> None:
    a, b, p = broker.peers("a b p")
    await broker.play(
        shares(a, 0), shares(b, 1), p.joins(),
        *published(p, "t/1", b"1", 1, 1), *published(p, "t/1", b"2", 1, 2),
        a.expect_kind(3), b.expect_kind(3),
        a.quiet(),
    )  # fmt: skip
    assert a.heard[2]["qos"] == 0
    assert b.heard[2]["qos"] == 1


@spec("MQTT 5.0 §4.8.2", "no retained message is sent for a shared subscription")
async def test_shared_subscription_brings_no_retained_messages(broker: Broker) -> None:
    a, p = broker.peers("a p")
    await broker.play(
        p.joins(),
        p.send(publish("t/1", b"x", retain=True)), p.quiet(),
        shares(a),
        a.quiet(),
        p.send(publish("t/1", b"y", retain=True)), a.expect(publish("t/1", b"y")),
    )  # fmt: skip


@spec("MQTT 5.0 §4.8.2", "a member that is away is passed over")
async def test_shared_subscription_prefers_members_that_are_connected(broker: Broker) -> None:
    a, b, p = broker.peers("a b p")
    await broker.play(
        shares(a, 1, session_expiry_interval=60), shares(b, 1), p.joins(),
        a.leaves(),
        *(published(p, "t/1", b"%d" % n, 1, n) for n in (1, 2, 3, 4)),
        *(b.expect(publish("t/1", b"%d" % n, qos=1, packet_id=f"{n}")) for n in (1, 2, 3, 4)),
        a.joins(clean=False, session_present=True),
        a.quiet(),
    )  # fmt: skip


@spec("MQTT 5.0 §4.8.2", "QoS 1 that a member left unacknowledged goes to another one")
@pytest.mark.parametrize("how", ["vanishes", "leaves"])
async def test_shared_subscription_member_vanishes_unacknowledged_qos_1_goes_to_another(
    broker: Broker, how: str
) -> None:
    """The session of the one that vanished ends with it."""
    a, b, p = broker.peers("a b p")
    await broker.play(
        shares(a, 1), p.joins(),
        *published(p, "t/1", b"1", 1, 1), *published(p, "t/1", b"2", 1, 2),
        a.expect(publish("t/1", b"1", qos=1, packet_id="1"),
                 publish("t/1", b"2", qos=1, packet_id="2")),
        a.send(puback("1")),
        shares(b, 1),
        a.vanishes() if how == "vanishes" else a.leaves(),
        b.expect(Packet(3, {"topic": "t/1", "payload": b"2", "qos": 1, "packet_id": "2"})),
        b.quiet(),
    )  # fmt: skip


@spec("MQTT 5.0 §4.8.2", "MQTT-4.8.2-4", "MQTT-4.8.2-5")
@pytest.mark.parametrize("taken", [False, True])
async def test_shared_subscription_qos_2_that_has_begun_stays_with_its_client(
    broker: Broker, taken: bool
) -> None:
    """It goes on at reconnect, and to nobody else, also when that session ends."""
    a, b, p = broker.peers("a b p")
    again = publish("t/1", b"1", qos=2, packet_id="1", dup=True)
    await broker.play(
        shares(a, 2, session_expiry_interval=60), p.joins(),
        *published(p, "t/1", b"1", 2, 1),
        a.expect(publish("t/1", b"1", qos=2, packet_id="1")),
        *([a.send(pubrec("1")), a.expect(pubrel("1"))] if taken else []),
        shares(b, 2),
        a.vanishes(),
        b.quiet(),
        a.joins(clean=False, session_present=True, session_expiry_interval=60),
        a.expect(pubrel("1") if taken else again),
        a.vanishes(),
        a.joins(clean=True),
        a.quiet(),
        b.quiet(),
    )  # fmt: skip


@spec("MQTT 5.0 §4.8.2", "MQTT-4.8.2-6")
@pytest.mark.parametrize("qos", [1, 2])
async def test_shared_subscription_refused_message_goes_to_nobody_else(
    broker: Broker, qos: int
) -> None:
    a, b, p = broker.peers("a b p")
    await broker.play(
        shares(a, 2), p.joins(),
        *published(p, "t/1", b"1", qos, 1),
        a.expect(publish("t/1", b"1", qos=qos, packet_id="1")),
        shares(b, 2),
        a.send(puback("1", 0x97) if qos == 1 else pubrec("1", 0x97)),
        a.quiet(),
        a.vanishes(),
        b.quiet(),
    )  # fmt: skip


@spec("MQTT 5.0 §4.8.2", "its Subscription Identifier comes with it", "MQTT-3.3.4-3")
async def test_shared_subscription_has_its_identifier(broker: Broker) -> None:
    a, p = broker.peers("a p")
    await broker.play(
        a.joins(),
        a.send(subscribe(1, "$share/g/t", subscription_identifier=7)), a.expect(suback(1, 0)),
        p.joins(),
        p.send(publish("t", b"x")),
        a.expect(publish("t", b"x", subscription_identifier=[7])),
    )  # fmt: skip


@spec("MQTT 5.0 §4.8.2", "nobody is there: the message is not kept for the group")
async def test_shared_subscription_last_member_leaves_it_ends(broker: Broker) -> None:
    a, p = broker.peers("a p")
    await broker.play(
        shares(a, 1), p.joins(),
        a.leaves(),
        p.send(publish("t/1", b"1", qos=1, packet_id=1)), p.expect(puback(1, 0x10)),
        shares(a, 1),
        a.quiet(),
    )  # fmt: skip


@spec("MQTT 5.0 §4.8.2", "a subscription of one session twice is replaced", "MQTT-3.8.4-3")
async def test_shared_subscription_again_replaces_it(broker: Broker) -> None:
    a, p = broker.peers("a p")
    await broker.play(
        shares(a, 0), p.joins(),
        a.send(subscribe(2, ("$share/g/t/#", 1))), a.expect(suback(2, 1)),
        *published(p, "t/1", b"1", 1, 1),
        a.expect(publish("t/1", b"1", qos=1, packet_id="1")),
        a.quiet(),
    )  # fmt: skip
