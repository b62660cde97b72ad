"""MQTT 5.0 §2: what every packet is made of."""

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


@spec("MQTT 5.0 §2.1.3", "MQTT-2.1.3-1", "MQTT-3.6.1-1", "MQTT-3.8.1-1", "MQTT-3.10.1-1",
      "MQTT-3.14.1-1", "MQTT-3.15.1-1", "MQTT-4.13.1-1")  # fmt: skip
@pytest.mark.parametrize(
    "packet",
    [
        pytest.param(header(0x41, two(1)), id="puback"),
        pytest.param(header(0x52, two(1)), id="pubrec"),
        pytest.param(header(0x60, two(1)), id="pubrel 0000"),
        pytest.param(header(0x63, two(1)), id="pubrel 0011"),
        pytest.param(header(0x6A, two(1)), id="pubrel 1010"),
        pytest.param(header(0x78, two(1)), id="pubcomp"),
        pytest.param(header(0x80, two(1) + b"\0" + text("t") + b"\0"), id="subscribe 0000"),
        pytest.param(header(0x83, two(1) + b"\0" + text("t") + b"\0"), id="subscribe 0011"),
        pytest.param(header(0xA0, two(1) + b"\0" + text("t")), id="unsubscribe"),
        pytest.param(header(0xC1, b""), id="pingreq"),
        pytest.param(header(0xE1, b""), id="disconnect"),
        pytest.param(header(0xF2, b""), id="auth"),
    ],
)
async def test_reserved_flags_are_set_wrongly_is_malformed(broker: Broker, packet: bytes) -> None:
    a = broker.peer("a")
    await broker.play(
        a.joins(),
        a.send(packet),                            a.refused(0x81),
    )  # fmt: skip


@spec("MQTT 5.0 §2.1.2", "Reserved: forbidden")
async def test_packet_type_0_is_malformed(broker: Broker) -> None:
    a = broker.peer("a")
    await broker.play(
        a.joins(),
        a.send(header(0x00, b"")),                 a.refused(0x81),
    )  # fmt: skip


@spec("MQTT 5.0 §2.1.2", "direction of flow: server to client")
@pytest.mark.parametrize(
    "packet",
    [
        pytest.param(header(0x20, b"\0\0\0"), id="connack"),
        pytest.param(header(0x90, two(1) + b"\0\0"), id="suback"),
        pytest.param(header(0xB0, two(1) + b"\0\0"), id="unsuback"),
        pytest.param(header(0xD0, b""), id="pingresp"),
    ],
)
async def test_packet_that_only_servers_send_is_a_protocol_error(
    broker: Broker, packet: bytes
) -> None:
    a = broker.peer("a")
    await broker.play(
        a.joins(),
        a.send(packet),                            a.refused(0x82),
    )  # fmt: skip


@spec("MQTT 5.0 §2.2.1", "MQTT-2.2.1-3")
@pytest.mark.parametrize(
    "packet",
    [
        publish("t", qos=1, packet_id=0),
        publish("t", qos=2, packet_id=0),
        subscribe(0, "t"),
        unsubscribe(0, "t"),
        header(0x62, two(0)),
        header(0x40, two(0)),
    ],
    ids=["publish 1", "publish 2", "subscribe", "unsubscribe", "pubrel", "puback"],
)
async def test_packet_identifier_0_is_refused(broker: Broker, packet: bytes) -> None:
    a = broker.peer("a")
    await broker.play(
        a.joins(),
        a.send(packet),                            a.refused(0x82),
    )  # fmt: skip


@spec("MQTT 5.0 §2.2.1", "MQTT-2.2.1-2")
async def test_publish_of_qos_0_has_no_packet_identifier(broker: Broker) -> None:
    """What would be one is the payload."""
    a = broker.peer("a")
    await broker.play(
        a.joins(),
        a.send(subscribe(1, ("t", 2))),            a.expect(suback(1, 2)),
        a.send(b"\x30\x06\x00\x01t\x00\x00\x07"),  a.expect_bytes(b"\x30\x06\x00\x01t\x00\x00\x07"),
    )  # fmt: skip


@spec("MQTT 5.0 §2.2.1", "MQTT-2.2.1-5", "MQTT-2.2.1-6", "MQTT-3.8.4-2", "MQTT-3.10.4-5")
@pytest.mark.parametrize("packet_id", [1, 255, 256, 0x8000, 65535])
async def test_acknowledgement_has_the_packet_identifier_of_what_it_answers(
    broker: Broker, packet_id: int
) -> None:
    a = broker.peer("a")
    await broker.play(
        a.joins(),
        a.send(publish("t", qos=1, packet_id=packet_id)), a.expect(puback(packet_id, 0x10)),
        a.send(publish("t", qos=2, packet_id=packet_id)), a.expect(pubrec(packet_id, 0x10)),
        a.send(pubrel(packet_id)),                        a.expect(pubcomp(packet_id)),
        a.send(subscribe(packet_id, "t")),                a.expect(suback(packet_id, 0)),
        a.send(unsubscribe(packet_id, "t")),              a.expect(unsuback(packet_id, 0)),
    )  # fmt: skip


@spec("MQTT 5.0 §2.2.1", "MQTT-2.2.1-4", "MQTT-4.3.2-1", "MQTT-4.3.3-1")
async def test_server_uses_each_packet_identifier_once_at_a_time(broker: Broker) -> None:
    """The peer refuses an identifier that is in use."""
    a, b = broker.peers("a b")
    await broker.play(
        a.joins(),
        a.send(subscribe(1, ("one", 1), ("two", 2))), a.expect(suback(1, 1, 2)),
        b.joins(),
        *(b.send(publish("one", qos=1, packet_id=n)) for n in range(1, 6)),
        *(b.expect(puback(n)) for n in range(1, 6)),
        *(b.send(publish("two", qos=2, packet_id=n)) for n in range(1, 6)),
        *(b.expect(pubrec(n)) for n in range(1, 6)),
        *(b.send(pubrel(n)) for n in range(1, 6)),
        *(b.expect(pubcomp(n)) for n in range(1, 6)),
        *(a.expect(publish("one", qos=1, packet_id=f"one{n}")) for n in range(5)),
        *(a.expect(publish("two", qos=2, packet_id=f"two{n}")) for n in range(5)),
        a.send(puback("one2"), pubrec("two3")),       a.expect(pubrel("two3")),
        b.send(publish("one", qos=1, packet_id=9)),   b.expect(puback(9)),
        a.expect(publish("one", qos=1, packet_id="another")),
        a.quiet(),
    )  # fmt: skip
    assert len(set(a.identifiers.values()) - {a.identifiers["another"]}) >= 9


@spec("MQTT 5.0 §2.2.1", "both sides assign Packet Identifiers independently")
async def test_same_packet_identifier_in_both_directions_is_two_exchanges(broker: Broker) -> None:
    a = broker.peer("a")

    async def answer(port: int) -> None:
        same = a.identifiers["m"]
        await broker.play(
            a.send(publish("t", b"2", qos=1, packet_id=same)),
            a.expect_any_order(puback(same), publish("t", b"2", qos=1, packet_id="n")),
            a.send(puback("m"), puback("n")),
            a.quiet(),
        )

    await broker.play(
        a.joins(),
        a.send(subscribe(1, ("t", 1))),            a.expect(suback(1, 1)),
        a.send(publish("t", b"1", qos=1, packet_id=100)),
        a.expect_any_order(puback(100), publish("t", b"1", qos=1, packet_id="m")),
        answer,
    )  # fmt: skip


@spec("MQTT 5.0 §2.2.2.1", "MQTT-2.2.2-1")
async def test_packet_without_properties_says_so_with_a_zero(broker: Broker) -> None:
    a = broker.peer("a")
    await broker.play(
        a.joins(),
        a.send(b"\x82\x07\x00\x01\x00\x00\x01t\x00"), a.expect_bytes(b"\x90\x04\x00\x01\x00\x00"),
        a.send(b"\x30\x05\x00\x01t\x00x"),            a.expect_bytes(b"\x30\x05\x00\x01t\x00x"),
        a.send(b"\xa2\x06\x00\x02\x00\x00\x01t"),     a.expect_bytes(b"\xb0\x04\x00\x02\x00\x00"),
    )  # fmt: skip


FOUR = b"\x02\x00\x00\x00\x05"


@spec("MQTT 5.0 §2.2.2.2", "MQTT-4.13.1-1")
@pytest.mark.parametrize(
    ("properties", "code"),
    [
        pytest.param(b"\x05\x01\x01", 0x81, id="cut off"),
        pytest.param(b"\x01\x04", 0x81, id="unknown"),
        pytest.param(b"\x7f", 0x81, id="unknown 127"),
        pytest.param(b"\x02\x11\x00", 0x81, id="longer than they say"),
        pytest.param(b"\x05\x11\x00\x00\x00\x05", 0x81, id="of another packet"),
        pytest.param(b"\x0a" + FOUR + FOUR, 0x82, id="twice"),
        pytest.param(b"\x02\x01\x02", 0x82, id="flag of 2"),
        pytest.param(b"\x03\x23\x00\x00", 0x94, id="topic alias 0"),
        pytest.param(b"\x02\x0b\x00", 0x82, id="subscription identifier 0"),
        pytest.param(b"\x02\x0b\x01", 0x82, id="subscription identifier of a client"),
        pytest.param(b"\x05\x0b\x80\x80\x80\x80", 0x81, id="integer of five bytes"),
    ],
)  # fmt: skip
async def test_publish_properties_are_unsound_is_refused(
    broker: Broker, properties: bytes, code: int
) -> None:
    a = broker.peer("a")
    await broker.play(
        a.joins(),
        a.send(header(0x30, text("t") + properties)), a.refused(code),
    )  # fmt: skip


@spec("MQTT 5.0 §2.1.4", "MQTT-4.13.1-1")
@pytest.mark.parametrize(
    "packet",
    [
        pytest.param(header(0x30, b""), id="publish without topic"),
        pytest.param(header(0x30, b"\x00\x05t"), id="publish with half a topic"),
        pytest.param(header(0x32, text("t")), id="publish without identifier"),
        pytest.param(header(0x32, text("t") + two(1)), id="publish without properties"),
        pytest.param(header(0x40, b"\x00"), id="puback with half an identifier"),
        pytest.param(header(0x40, two(1) + b"\x00\x00x"), id="puback with more than it says"),
        pytest.param(header(0x82, two(1)), id="subscribe without properties"),
        pytest.param(header(0x82, two(1) + b"\0" + text("t")), id="subscribe without options"),
        pytest.param(header(0xE0, b"\x00\x00x"), id="disconnect with more than it says"),
    ],
)
async def test_packet_is_shorter_or_longer_than_its_fields_is_malformed(
    broker: Broker, packet: bytes
) -> None:
    a = broker.peer("a")
    await broker.play(
        a.joins(),
        a.send(packet),                            a.refused(0x81),
    )  # fmt: skip
