"""MQTT 3.1.1 §1.5, §2: strings and what every packet is made of. Errors only close."""

from __future__ import annotations

import pytest

from tests.mqtt_packets import (
    Packet,
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

ILL_FORMED = [b"\xff", b"a\xc3", b"\xed\xa0\x80", b"\xc0\xaf", b"t/\0"]


@spec("MQTT 3.1.1 §1.5.3", "MQTT-1.5.3-1", "MQTT-1.5.3-2", "MQTT-3.3.2-1", "MQTT-3.8.3-1",
      "MQTT-3.10.3-1", "MQTT-4.7.3-2")  # fmt: skip
@pytest.mark.parametrize("topic", ILL_FORMED)
@pytest.mark.parametrize("where", ["publish", "subscribe", "unsubscribe"])
async def test_topic_is_not_utf8_closes(broker: Broker, where: str, topic: bytes) -> None:
    a = broker.peer("a", 4)
    packet = {
        "publish": header(0x30, text(topic) + b"x"),
        "subscribe": header(0x82, two(1) + text(topic) + b"\0"),
        "unsubscribe": header(0xA2, two(1) + text(topic)),
    }[where]
    await broker.play(a.joins(), a.send(packet), a.closed())


@spec("MQTT 3.1.1 §1.5.3", "MQTT-1.5.3-1", "MQTT-3.1.3-4", "MQTT-3.1.3-10", "MQTT-3.1.3-11",
      "MQTT-3.1.4-1")  # fmt: skip
@pytest.mark.parametrize("said", ILL_FORMED)
@pytest.mark.parametrize("where", ["client id", "will topic", "user name"])
async def test_connect_text_is_not_utf8_closes(broker: Broker, where: str, said: bytes) -> None:
    a = broker.peer("a", 4)
    head = text("MQTT") + b"\x04"
    body = {
        "client id": head + b"\x02\0\0" + text(said),
        "will topic": head + b"\x06\0\0" + text("a") + text(said) + text("x"),
        "user name": head + b"\x82\0\0" + text("a") + text(said),
    }[where]
    await broker.play(a.send(header(0x10, body)), a.closed())


@spec("MQTT 3.1.1 §1.5.3", "MQTT-1.5.3-3", "MQTT-4.7.3-4")
async def test_byte_order_mark_is_part_of_the_topic(broker: Broker) -> None:
    a = broker.peer("a", 4)
    marked = "\ufefft"
    await broker.play(
        a.joins(),
        a.send(subscribe(1, "+")),                 a.expect(suback(1, 0)),
        a.send(publish(marked, b"x")),             a.expect(publish(marked, b"x")),
        a.send(unsubscribe(2, "+")),               a.expect(Packet(11, {"packet_id": 2})),
        a.send(subscribe(3, "t")),                 a.expect(suback(3, 0)),
        a.send(publish(marked, b"x")),
        a.quiet(),
    )  # fmt: skip


@spec("MQTT 3.1.1 §2.2.2", "MQTT-2.2.2-1", "MQTT-2.2.2-2", "MQTT-3.6.1-1", "MQTT-3.8.1-1",
      "MQTT-3.10.1-1", "MQTT-3.14.1-1", "MQTT-4.8.0-1")  # fmt: skip
@pytest.mark.parametrize(
    "packet",
    [
        pytest.param(header(0x41, two(1)), id="puback"),
        pytest.param(header(0x52, two(1)), id="pubrec"),
        pytest.param(header(0x60, two(1)), id="pubrel 0000"),
        pytest.param(header(0x63, two(1)), id="pubrel 0011"),
        pytest.param(header(0x78, two(1)), id="pubcomp"),
        pytest.param(header(0x80, two(1) + text("t") + b"\0"), id="subscribe 0000"),
        pytest.param(header(0x83, two(1) + text("t") + b"\0"), id="subscribe 0011"),
        pytest.param(header(0xA0, two(1) + text("t")), id="unsubscribe"),
        pytest.param(header(0xC1, b""), id="pingreq"),
        pytest.param(header(0xE1, b""), id="disconnect"),
        pytest.param(header(0x00, b""), id="type 0"),
        pytest.param(header(0xF0, b""), id="type 15"),
        pytest.param(header(0x20, b"\0\0"), id="connack"),
        pytest.param(header(0x90, two(1) + b"\0"), id="suback"),
        pytest.param(header(0xB0, two(1)), id="unsuback"),
        pytest.param(header(0xD0, b""), id="pingresp"),
        pytest.param(b"\x30\xff\xff\xff\xff\x7f", id="length of five bytes"),
        pytest.param(header(0x30, b"\0\5t"), id="publish cut off"),
        pytest.param(header(0x32, text("t")), id="publish without identifier"),
        pytest.param(header(0x40, b"\0"), id="puback cut off"),
        pytest.param(header(0x40, two(1) + b"\0"), id="puback too long"),
        pytest.param(header(0xC0, b"x"), id="pingreq too long"),
        pytest.param(header(0xE0, b"\0"), id="disconnect too long"),
        pytest.param(header(0x82, two(1) + text("t")), id="subscribe without QoS"),
    ],
)
async def test_packet_is_unsound_closes_without_a_word(broker: Broker, packet: bytes) -> None:
    """MQTT 3.1.1 has no DISCONNECT from servers; the peer refuses one."""
    a, b = broker.peers("a b", 4)
    await broker.play(
        b.joins(),
        b.send(subscribe(1, "#")),                 b.expect(suback(1, 0)),
        a.joins(),
        a.send(packet),                            a.closed(),
        b.quiet(),
    )  # fmt: skip


@spec("MQTT 3.1.1 §2.3.1", "MQTT-2.3.1-1", "MQTT-4.8.0-1")
@pytest.mark.parametrize(
    "packet",
    [publish("t", qos=1, packet_id=0), publish("t", qos=2, packet_id=0), subscribe(0, "t"),
     unsubscribe(0, "t"), header(0x62, two(0))],
    ids=["publish 1", "publish 2", "subscribe", "unsubscribe", "pubrel"],
)  # fmt: skip
async def test_packet_identifier_0_closes(broker: Broker, packet: object) -> None:
    a = broker.peer("a", 4)
    await broker.play(a.joins(), a.send(packet), a.closed())


@spec("MQTT 3.1.1 §2.3.1", "MQTT-2.3.1-2", "MQTT-2.3.1-6", "MQTT-2.3.1-7", "MQTT-3.8.4-2",
      "MQTT-3.10.4-4", "MQTT-3.12.4-1")  # fmt: skip
@pytest.mark.parametrize("n", [1, 255, 256, 65535])
async def test_acknowledgement_has_the_packet_identifier_of_what_it_answers(
    broker: Broker, n: int
) -> None:
    """Byte for byte: no reason codes, no properties."""
    a = broker.peer("a", 4)
    identifier = two(n)
    await broker.play(
        a.joins(),
        a.send(publish("t", qos=1, packet_id=n)),  a.expect_bytes(b"\x40\x02" + identifier),
        a.send(publish("t", qos=2, packet_id=n)),  a.expect_bytes(b"\x50\x02" + identifier),
        a.send(pubrel(n)),                         a.expect_bytes(b"\x70\x02" + identifier),
        a.send(subscribe(n, ("t", 1))),            a.expect_bytes(b"\x90\x03" + identifier + b"\1"),
        a.send(unsubscribe(n, "t", "u")),          a.expect_bytes(b"\xb0\x02" + identifier),
        a.send(b"\xc0\0"),                         a.expect_bytes(b"\xd0\0"),
    )  # fmt: skip


@spec("MQTT 3.1.1 §2.3.1", "MQTT-2.3.1-5")
async def test_publish_of_qos_0_has_no_packet_identifier(broker: Broker) -> None:
    a = broker.peer("a", 4)
    await broker.play(
        a.joins(),
        a.send(subscribe(1, ("t", 2))),            a.expect(suback(1, 2)),
        a.send(b"\x30\x05\0\x01t\0\7"),            a.expect_bytes(b"\x30\x05\0\x01t\0\7"),
    )  # fmt: skip


@spec("MQTT 3.1.1 §2.3.1", "MQTT-2.3.1-4", "MQTT-2.3.1-3")
async def test_server_uses_each_packet_identifier_once_at_a_time(broker: Broker) -> None:
    """The peer refuses one that is in use; sent again, a message has its own."""
    a, b = broker.peers("a b", 4)
    await broker.play(
        a.joins(clean=False),
        a.send(subscribe(1, ("t", 1))),            a.expect(suback(1, 1)),
        b.joins(),
        *(
            [b.send(publish("t", b"%d" % n, qos=1, packet_id=n)), b.expect(puback(n)),
             a.expect(publish("t", b"%d" % n, qos=1, packet_id=f"m{n}"))]
            for n in (1, 2, 3)
        ),
        a.send(puback("m2")),
        a.vanishes(),
        a.joins(clean=False, session_present=True),
        a.expect(publish("t", b"1", qos=1, packet_id="m1", dup=True),
                 publish("t", b"3", qos=1, packet_id="m3", dup=True)),
        a.quiet(),
    )  # fmt: skip


@spec("MQTT 3.1.1 §2.2.3", "the Remaining Length")
@pytest.mark.parametrize("size", [0, 124, 125, 16380, 16381, 70000])
async def test_remaining_length_of_every_width_is_read(broker: Broker, size: int) -> None:
    a = broker.peer("a", 4)
    await broker.play(
        a.joins(),
        a.send(subscribe(1, "t")),                 a.expect(suback(1, 0)),
        a.send(publish("t", b"x" * size)),         a.expect(publish("t", b"x" * size)),
    )  # fmt: skip


@spec("MQTT 3.1.1 §3.12", "MQTT-3.12.4-1", "MQTT-3.10.4-4")
async def test_sessions_of_both_levels_end_alike(broker: Broker) -> None:
    a, b = broker.peer("a", 4), broker.peer("b", 5)
    await broker.play(
        a.joins(), b.joins(),
        a.send(unsubscribe(1, "t")),               a.expect(unsuback(1)),
        b.send(unsubscribe(1, "t")),               b.expect(unsuback(1, 0x11)),
        a.send(pubrel(9)),                         a.expect(pubcomp(9)),
        a.send(publish("t", qos=2, packet_id=1)),  a.expect(pubrec(1)),
        a.quiet(), b.quiet(),
    )  # fmt: skip
