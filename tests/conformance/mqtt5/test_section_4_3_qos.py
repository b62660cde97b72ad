"""MQTT 5.0 §4.3, §4.4: the delivery protocols and what is sent again."""

from __future__ import annotations

import pytest

from tests.mqtt_packets import (
    puback,
    pubcomp,
    publish,
    pubrec,
    pubrel,
    suback,
    subscribe,
)
from tests.mqtt_peer import Peer, Step
from tests.mqtt_server import Broker, running
from tests.spec import spec


def listens(a: Peer, qos: int = 2, **fields: object) -> list[Step]:
    fields = {"session_expiry_interval": 60, **fields}
    return [a.joins(**fields), a.send(subscribe(1, ("t", qos))), a.expect(suback(1, qos))]


def again(a: Peer) -> Step:
    return a.joins(clean=False, session_present=True, session_expiry_interval=60)


def once(b: Peer, payload: bytes, packet_id: int) -> list[Step]:
    """*b* publishes at QoS 1."""
    return [
        b.send(publish("t", payload, qos=1, packet_id=packet_id)),
        b.expect(puback(packet_id)),
    ]


def exactly(b: Peer, payload: bytes, packet_id: int) -> list[Step]:
    """*b* publishes at QoS 2."""
    return [
        b.send(publish("t", payload, qos=2, packet_id=packet_id)),
        b.expect(pubrec(packet_id)),
        b.send(pubrel(packet_id)),
        b.expect(pubcomp(packet_id)),
    ]


@spec("MQTT 5.0 §4.3.1", "MQTT-4.3.1-1")
async def test_qos_0_is_delivered_once_and_not_kept(broker: Broker) -> None:
    """S38."""
    a, b = broker.peers("a b")
    await broker.play(
        *listens(a),
        b.joins(),
        b.send(publish("t", b"1")),                a.expect(publish("t", b"1")),
        a.vanishes(),
        again(a),
        a.quiet(),
    )  # fmt: skip


@spec("MQTT 5.0 §4.3.2", "MQTT-4.3.2-2", "MQTT-4.3.2-3", "MQTT-4.3.2-4", "MQTT-4.4.0-1")
async def test_qos_1_is_unacknowledged_until_puback(broker: Broker) -> None:
    """S37, S38: sent again at reconnect, and at no other time."""
    a, b = broker.peers("a b")
    await broker.play(
        *listens(a),
        b.joins(),
        *once(b, b"1", 5),
        a.expect(publish("t", b"1", qos=1, packet_id="1")),
        a.quiet(),
        a.vanishes(),
        again(a),
        a.expect(publish("t", b"1", qos=1, packet_id="1", dup=True)),
        a.quiet(),
        a.send(puback("1")),
        a.vanishes(),
        again(a),
        a.quiet(),
    )


@spec("MQTT 5.0 §4.3.2", "MQTT-4.3.2-5", "a PUBLISH after the PUBACK is a new one, DUP or not")
@pytest.mark.parametrize("dup", [False, True])
async def test_qos_1_identifier_is_used_again_is_a_new_message(broker: Broker, dup: bool) -> None:
    a, b = broker.peers("a b")
    await broker.play(
        *listens(a, 0),
        b.joins(),
        *once(b, b"1", 5),
        a.expect(publish("t", b"1")),
        b.send(publish("t", b"2", qos=1, packet_id=5, dup=dup)),
        b.expect(puback(5)),
        a.expect(publish("t", b"2")),
    )


@spec("MQTT 5.0 §4.3.3", "MQTT-4.3.3-3", "MQTT-4.3.3-4", "MQTT-4.3.3-5", "MQTT-4.3.3-6",
      "MQTT-4.4.0-1")  # fmt: skip
async def test_qos_2_to_a_subscriber_goes_through_its_four_packets(broker: Broker) -> None:
    """S37, S38: after each of them the connection is lost."""
    a, b = broker.peers("a b")
    await broker.play(
        *listens(a),
        b.joins(),
        *exactly(b, b"1", 5),
        a.expect(publish("t", b"1", qos=2, packet_id="1")),
        a.vanishes(),
        again(a),
        a.expect(publish("t", b"1", qos=2, packet_id="1", dup=True)),
        a.send(pubrec("1")),
        a.expect(pubrel("1")),
        a.vanishes(),
        again(a),
        a.expect(pubrel("1")),
        a.quiet(),
        a.send(pubcomp("1")),
        a.vanishes(),
        again(a),
        a.quiet(),
    )


@spec("MQTT 5.0 §4.3.3", "MQTT-4.3.3-8", "MQTT-4.3.3-10", "MQTT-4.3.3-11")
async def test_qos_2_duplicate_before_pubrel_is_delivered_once(broker: Broker) -> None:
    """S38, defect 36."""
    a, b = broker.peers("a b")
    first = publish("t", b"1", qos=2, packet_id=5)
    duplicate = publish("t", b"1", qos=2, packet_id=5, dup=True)
    await broker.play(
        *listens(a, 0),
        b.joins(),
        b.send(first),
        b.expect(pubrec(5)),
        b.send(duplicate, duplicate),
        b.expect(pubrec(5), pubrec(5)),
        b.send(pubrel(5)),
        b.expect(pubcomp(5)),
        a.expect(publish("t", b"1")),
        a.quiet(),
    )


@spec("MQTT 5.0 §4.3.3", "MQTT-4.3.3-10", "MQTT-4.4.0-1", "the identifier is part of the session")
async def test_qos_2_duplicate_after_a_reconnect_is_delivered_once(broker: Broker) -> None:
    """S37."""
    a, b = broker.peers("a b")
    await broker.play(
        *listens(a, 0),
        b.joins(session_expiry_interval=60),
        b.send(publish("t", b"1", qos=2, packet_id=5)),
        b.expect(pubrec(5)),
        b.vanishes(),
        again(b),
        b.send(publish("t", b"1", qos=2, packet_id=5, dup=True)),
        b.expect(pubrec(5)),
        b.vanishes(),
        again(b),
        b.send(pubrel(5)),
        b.expect(pubcomp(5)),
        a.expect(publish("t", b"1")),
        a.quiet(),
    )


@spec("MQTT 5.0 §4.3.3", "MQTT-3.1.2-4", "a Clean Start forgets the identifiers")
async def test_qos_2_after_a_clean_start_is_a_new_message(broker: Broker) -> None:
    a, b = broker.peers("a b")
    await broker.play(
        *listens(a, 0),
        b.joins(session_expiry_interval=60),
        b.send(publish("t", b"1", qos=2, packet_id=5)),
        b.expect(pubrec(5)),
        b.vanishes(),
        b.joins(),
        *exactly(b, b"2", 5),
        a.expect_kind(3),
    )


@spec("MQTT 5.0 §4.3.3", "MQTT-4.3.3-12")
@pytest.mark.parametrize("dup", [False, True])
async def test_qos_2_identifier_is_used_again_is_a_new_message(broker: Broker, dup: bool) -> None:
    a, b = broker.peers("a b")
    await broker.play(
        *listens(a, 0),
        b.joins(),
        *exactly(b, b"1", 5),
        a.expect(publish("t", b"1")),
        b.send(publish("t", b"2", qos=2, packet_id=5, dup=dup)),
        b.expect(pubrec(5)),
        b.send(pubrel(5)),
        b.expect(pubcomp(5)),
        a.expect(publish("t", b"2")),
    )


@spec("MQTT 5.0 §4.3.3", "MQTT-4.3.3-9", "after a PUBREC with an error it is a new message")
async def test_qos_2_that_was_refused_is_a_new_message() -> None:
    async with running(max_topic_levels=2) as broker:
        a, b = broker.peers("a b")
        await broker.play(
            *listens(a, 0),
            b.joins(),
            b.send(publish("t/u/v", b"1", qos=2, packet_id=5)),
            b.expect(pubrec(5, 0x90)),
            *exactly(b, b"2", 5),
            a.expect(publish("t", b"2")),
            b.send(pubrel(5)),
            b.expect(pubcomp(5, 0x92)),
        )


@spec("MQTT 5.0 §4.3.3", "MQTT-4.3.3-4", "a PUBREC that comes again is answered again")
async def test_pubrec_twice_is_answered_with_pubrel_twice(broker: Broker) -> None:
    a, b = broker.peers("a b")
    await broker.play(
        *listens(a),
        b.joins(),
        *exactly(b, b"1", 5),
        a.expect(publish("t", b"1", qos=2, packet_id="1")),
        a.send(pubrec("1"), pubrec("1")),
        a.expect(pubrel("1"), pubrel("1")),
        a.send(pubcomp("1")),
        a.quiet(),
    )


@spec("MQTT 5.0 §4.3.2", "MQTT-2.2.1-3", "0x91: the identifier is in use")
async def test_qos_2_identifier_in_use_for_qos_1_is_answered(broker: Broker) -> None:
    """A client that mixes its identifiers up is told, and nothing is mixed up here."""
    a = broker.peer("a")
    await broker.play(
        a.joins(),
        a.send(publish("t", b"1", qos=2, packet_id=5)),
        a.expect(pubrec(5, 0x10)),
        a.send(publish("t", b"2", qos=1, packet_id=5)),
        a.expect(puback(5, 0x91)),
        a.send(pubrel(5)),
        a.expect(pubcomp(5)),
        a.send(publish("t", b"2", qos=1, packet_id=5)),
        a.expect(puback(5, 0x10)),
    )


@spec("MQTT 5.0 §4.3.3", "MQTT-4.3.3-7", "MQTT-4.3.3-13")
async def test_message_that_was_sent_does_not_expire(broker: Broker) -> None:
    """Its interval passes between PUBLISH and PUBREC, and while the client is away."""
    a, b, c = broker.peers("a b c")
    short = {"message_expiry_interval": 1}
    await broker.play(
        *listens(a),
        b.joins(),
        b.send(publish("t", b"1", qos=2, packet_id=5, **short)),
        b.expect(pubrec(5)),
        b.send(pubrel(5)),
        b.expect(pubcomp(5)),
        a.expect(publish("t", b"1", qos=2, packet_id="1", **short)),
        a.vanishes(),
        c.joins(keep_alive=1),
        c.refused(0x8D),
        again(a),
        a.expect(publish("t", b"1", qos=2, packet_id="1", dup=True, message_expiry_interval=0)),
        a.send(pubrec("1")),
        a.expect(pubrel("1")),
        a.send(pubcomp("1")),
        a.quiet(),
    )


@spec("MQTT 5.0 §4.4", "MQTT-4.4.0-1", "a Clean Start sends nothing again")
async def test_clean_start_sends_nothing_again(broker: Broker) -> None:
    a, b = broker.peers("a b")
    await broker.play(
        *listens(a),
        b.joins(),
        *once(b, b"1", 5),
        a.expect(publish("t", b"1", qos=1, packet_id="1")),
        a.vanishes(),
        a.joins(clean=True),
        a.quiet(),
    )
