"""MQTT 5.0 §3.4 to §3.7: PUBACK, PUBREC, PUBREL and PUBCOMP."""

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
    two,
)
from tests.mqtt_peer import Peer, Step
from tests.mqtt_server import Broker
from tests.spec import spec


def hears(a: Peer, b: Peer, qos: int, payload: bytes, packet_id: str) -> list[Step]:
    """*b* publishes to *a*, who has subscribed to t with QoS 2; the publisher's side is done."""
    done: list[Step] = [b.send(publish("t", payload, qos=qos, packet_id=1)), b.expect(puback(1))]
    if qos == 2:
        done[1:] = [b.expect(pubrec(1)), b.send(pubrel(1)), b.expect(pubcomp(1))]
    return [*done, a.expect(publish("t", payload, qos=qos, packet_id=packet_id))]


def listens(a: Peer, **fields: object) -> list[Step]:
    return [a.joins(**fields), a.send(subscribe(1, ("t", 2))), a.expect(suback(1, 2))]


@spec("MQTT 5.0 §3.4.2", "MQTT-3.4.2-1", "Remaining Length 2, 3 and 4 say the same")
@pytest.mark.parametrize("rest", [b"", b"\x00", b"\x00\x00", b"\x10", b"\x10\x00"])
async def test_puback_in_every_length_is_understood(broker: Broker, rest: bytes) -> None:
    a, b = broker.peers("a b")

    async def answer(port: int) -> None:
        a.knows(puback("1"))
        await broker.play(a.send(header(0x40, two(a.identifiers["1"]) + rest)))

    await broker.play(
        *listens(a, receive_maximum=1),
        b.joins(),
        *hears(a, b, 1, b"1", "1"),
        answer,
        *hears(a, b, 1, b"2", "2"),
        a.quiet(),
    )


@spec("MQTT 5.0 §3.4.2", "MQTT-4.4.0-2", "MQTT-4.9.0-2")
@pytest.mark.parametrize("code", [0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99])
async def test_puback_with_an_error_ends_the_message_all_the_same(
    broker: Broker, code: int
) -> None:
    a, b = broker.peers("a b")
    await broker.play(
        *listens(a, receive_maximum=1, session_expiry_interval=60),
        b.joins(),
        *hears(a, b, 1, b"1", "1"),
        a.send(puback("1", code)),
        *hears(a, b, 1, b"2", "2"),
        a.send(puback("2")),
        a.quiet(),
        a.vanishes(),
        a.joins(clean=False, session_present=True),
        a.quiet(),
    )


@spec("MQTT 5.0 §3.5.2", "MQTT-4.3.3-4", "MQTT-4.3.3-9", "MQTT-4.4.0-2", "MQTT-4.9.0-2")
@pytest.mark.parametrize("code", [0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99])
async def test_pubrec_with_an_error_ends_the_message_without_pubrel(
    broker: Broker, code: int
) -> None:
    """Gap 4."""
    a, b = broker.peers("a b")
    await broker.play(
        *listens(a, receive_maximum=1, session_expiry_interval=60),
        b.joins(),
        *hears(a, b, 2, b"1", "1"),
        a.send(pubrec("1", code)),
        a.quiet(),
        *hears(a, b, 2, b"2", "2"),
        a.send(pubrec("2")),                       a.expect(pubrel("2")),
        a.send(pubcomp("2")),
        a.vanishes(),
        a.joins(clean=False, session_present=True),
        a.quiet(),
    )  # fmt: skip


@spec("MQTT 5.0 §3.5.2", "MQTT-4.3.3-4", "0x10 is a success")
async def test_pubrec_with_no_matching_subscribers_goes_on(broker: Broker) -> None:
    a, b = broker.peers("a b")
    await broker.play(
        *listens(a),
        b.joins(),
        *hears(a, b, 2, b"1", "1"),
        a.send(pubrec("1", 0x10)),                 a.expect(pubrel("1")),
        a.send(pubcomp("1")),
        a.quiet(),
    )  # fmt: skip


@spec("MQTT 5.0 §3.7.2.1", "MQTT-3.7.2-1", "0x92 Packet Identifier not found")
async def test_pubrel_of_an_unknown_identifier_is_answered_so(broker: Broker) -> None:
    """Gap 4."""
    a = broker.peer("a")
    await broker.play(
        a.joins(),
        a.send(pubrel(7)),                         a.expect(pubcomp(7, 0x92)),
        a.send(publish("t", qos=2, packet_id=7)),  a.expect(pubrec(7, 0x10)),
        a.send(pubrel(7)),                         a.expect(pubcomp(7)),
        a.send(pubrel(7)),                         a.expect(pubcomp(7, 0x92)),
    )  # fmt: skip


@spec("MQTT 5.0 §3.6.2.1", "MQTT-3.6.2-1", "0x92 Packet Identifier not found")
async def test_pubrec_of_an_unknown_identifier_is_answered_so(broker: Broker) -> None:
    """Gap 4."""
    a = broker.peer("a")
    await broker.play(
        a.joins(),
        a.send(pubrec(7)),                         a.expect(pubrel(7, 0x92)),
        a.send(pubcomp(7)),
        a.quiet(),
    )  # fmt: skip


@spec("MQTT 5.0 §3.4", "an acknowledgement of nothing is not an error")
async def test_puback_and_pubcomp_of_an_unknown_identifier_are_ignored(broker: Broker) -> None:
    a = broker.peer("a")
    await broker.play(
        a.joins(),
        a.send(puback(7), pubcomp(8)),
        a.quiet(),
    )


@spec("MQTT 5.0 §3.6.2", "MQTT-3.6.2-1", "MQTT-4.3.3-11")
@pytest.mark.parametrize("rest", [b"", b"\x00", b"\x00\x00"])
async def test_pubrel_in_every_length_is_understood(broker: Broker, rest: bytes) -> None:
    a = broker.peer("a")
    await broker.play(
        a.joins(),
        a.send(publish("t", qos=2, packet_id=1)),  a.expect(pubrec(1, 0x10)),
        a.send(header(0x62, two(1) + rest)),       a.expect(pubcomp(1)),
    )  # fmt: skip


@spec("MQTT 5.0 §3.4.2.1", "MQTT-3.4.2-1", "MQTT-3.5.2-1", "MQTT-3.6.2-1", "MQTT-3.7.2-1",
      "an unknown Reason Code")  # fmt: skip
@pytest.mark.parametrize("first", [0x40, 0x50, 0x62, 0x70])
async def test_acknowledgement_has_an_unknown_reason_code_is_refused(
    broker: Broker, first: int
) -> None:
    a = broker.peer("a")
    await broker.play(
        a.joins(),
        a.send(header(first, two(1) + b"\x01")),   a.refused(0x82),
    )  # fmt: skip


@spec("MQTT 5.0 §3.4.2.2", "Reason String and User Property of an acknowledgement are taken")
async def test_acknowledgement_with_properties_is_understood(broker: Broker) -> None:
    a, b = broker.peers("a b")
    said = {"reason_string": "fine", "user_property": [("k", "v"), ("k", "v")]}
    await broker.play(
        *listens(a, receive_maximum=1),
        b.joins(),
        *hears(a, b, 1, b"1", "1"),
        a.send(puback("1").having(**said)),
        *hears(a, b, 2, b"2", "2"),
        a.send(pubrec("2").having(**said)),        a.expect(pubrel("2")),
        a.send(pubcomp("2").having(**said)),
        *hears(a, b, 1, b"3", "3"),
    )  # fmt: skip


@spec("MQTT 5.0 §3.4.2.2.2", "a Reason String twice is a protocol error")
@pytest.mark.parametrize("first", [0x40, 0x50, 0x62, 0x70])
async def test_acknowledgement_has_two_reason_strings_is_a_protocol_error(
    broker: Broker, first: int
) -> None:
    a = broker.peer("a")
    twice = b"\x1f\0\x01a" * 2
    await broker.play(
        a.joins(),
        a.send(header(first, two(1) + b"\0" + bytes((len(twice),)) + twice)), a.refused(0x82),
    )  # fmt: skip
