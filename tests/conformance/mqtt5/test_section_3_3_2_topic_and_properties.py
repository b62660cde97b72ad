"""MQTT 5.0 §3.3.2: the topic and the properties of PUBLISH."""

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
)
from tests.mqtt_server import Broker
from tests.spec import spec


@spec("MQTT 5.0 §3.3.2.1", "MQTT-3.3.2-2", "MQTT-4.7.0-1", "0x90 Topic Name invalid")
@pytest.mark.parametrize("topic", ["#", "+", "t/#", "t/+/u", "t+", "#t"])
async def test_topic_has_a_wildcard_is_refused(broker: Broker, topic: str) -> None:
    """Defect 36."""
    a = broker.peer("a")
    await broker.play(
        a.joins(),
        a.send(publish(topic, b"x")),              a.refused(0x90),
    )  # fmt: skip


@spec("MQTT 5.0 §3.3.2.1", "MQTT-3.3.2-2", "and the message goes to nobody")
@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_topic_has_a_wildcard_goes_to_nobody(broker: Broker, qos: int) -> None:
    a, b = broker.peers("a b")
    await broker.play(
        b.joins(),
        b.send(subscribe(1, "#")),                 b.expect(suback(1, 0)),
        a.joins(),
        a.send(publish("t/+", b"x", qos=qos, packet_id=1)), a.refused(0x90),
        b.quiet(),
    )  # fmt: skip


@spec("MQTT 5.0 §3.3.2.1", "MQTT-4.7.3-1", "an empty Topic Name without an alias is an error")
async def test_topic_is_empty_without_an_alias_is_a_protocol_error(broker: Broker) -> None:
    a = broker.peer("a")
    await broker.play(
        a.joins(),
        a.send(publish("", b"x")),                 a.refused(0x82),
    )  # fmt: skip


@spec("MQTT 5.0 §3.3.2.1", "MQTT-3.3.2-3", "MQTT-4.7.3-4")
@pytest.mark.parametrize("topic", ["/", "//", "t/", "/t", " t", "T", "a/ /b", "t/u/v", "$x/y"])
async def test_topic_is_delivered_as_it_was_published(broker: Broker, topic: str) -> None:
    a = broker.peer("a")
    await broker.play(
        a.joins(),
        a.send(subscribe(1, topic)),               a.expect(suback(1, 0)),
        a.send(publish(topic, b"x")),              a.expect(publish(topic, b"x")),
        a.quiet(),
    )  # fmt: skip


@spec("MQTT 5.0 §3.3.2.3", "MQTT-3.3.2-4", "MQTT-3.3.2-15", "MQTT-3.3.2-16", "MQTT-3.3.2-17",
      "MQTT-3.3.2-18", "MQTT-3.3.2-20", "MQTT-3.3.2-6")  # fmt: skip
@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_properties_are_passed_on_unaltered_and_in_order(broker: Broker, qos: int) -> None:
    a, b = broker.peers("a b")
    said = {
        "payload_format_indicator": 1,
        "content_type": "text/plain; charset=utf-8",
        "response_topic": "answers/é",
        "correlation_data": bytes(range(256)),
        "user_property": [("z", "1"), ("a", "2"), ("z", "1"), ("é", "漢"), ("", "")],
        "message_expiry_interval": 1000,
    }
    answer = {
        0: [],
        1: [b.expect(puback(1))],
        2: [b.expect(pubrec(1)), b.send(pubrel(1)), b.expect(pubcomp(1))],
    }[qos]
    payload = "Grüße".encode()
    await broker.play(
        a.joins(),
        a.send(subscribe(1, ("t", 2))),            a.expect(suback(1, 2)),
        b.joins(),
        b.send(publish("t", payload, qos=qos, packet_id=1, **said)), *answer,
        a.expect(publish("t", payload, qos=qos, packet_id="m" if qos else None, **said)),
    )  # fmt: skip


@spec("MQTT 5.0 §3.3.2.3", "MQTT-3.3.2-17", "MQTT-3.3.2-18", "retained and queued ones too")
async def test_properties_of_a_retained_message_are_kept(broker: Broker) -> None:
    a, b = broker.peers("a b")
    said = {"user_property": [("b", "1"), ("a", "2")], "content_type": "x", "response_topic": "r"}
    await broker.play(
        b.joins(),
        b.send(publish("t", b"x", retain=True, **said)), b.quiet(),
        a.joins(),
        a.send(subscribe(1, "t")),                 a.expect(suback(1, 0)),
                                                  a.expect(publish("t", b"x", retain=True, **said)),
    )  # fmt: skip


@spec("MQTT 5.0 §3.3.2.3.2", "0 and absent say the same", "MQTT-3.3.2-4")
async def test_payload_format_indicator_is_passed_on(broker: Broker) -> None:
    a = broker.peer("a")
    await broker.play(
        a.joins(),
        a.send(subscribe(1, "t")),                 a.expect(suback(1, 0)),
        a.send(publish("t", b"\xff", payload_format_indicator=0)),
        a.expect(publish("t", b"\xff", payload_format_indicator=0)),
    )  # fmt: skip


@spec("MQTT 5.0 §3.3.2.3.5", "MQTT-3.3.2-13", "MQTT-3.3.2-14", "MQTT-3.3.2-19")
@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        pytest.param(0x08, b"\xff", 0x81, id="response topic"),
        pytest.param(0x08, b"a\0", 0x81, id="response topic with null"),
        pytest.param(0x08, b"a/+", 0x82, id="response topic with +"),
        pytest.param(0x08, b"#", 0x82, id="response topic with #"),
        pytest.param(0x03, b"\xff", 0x81, id="content type"),
    ],
)
async def test_property_text_is_unsound_is_refused(
    broker: Broker, name: int, value: bytes, code: int
) -> None:
    a = broker.peer("a")
    properties = bytes((name,)) + text(value)
    await broker.play(
        a.joins(),
        a.send(header(0x30, text("t") + bytes((len(properties),)) + properties)), a.refused(code),
    )  # fmt: skip


# Topic Alias ----------------------------------------------------------------------------------


@spec("MQTT 5.0 §3.3.2.3.4", "MQTT-3.3.2-12", "a client's alias does not reach the subscribers")
async def test_topic_alias_stands_for_its_topic(broker: Broker) -> None:
    """Gap 14."""
    a, b = broker.peers("a b")
    await broker.play(
        a.joins(),
        a.send(subscribe(1, ("t/#", 1))),          a.expect(suback(1, 1)),
        b.joins(),
        b.send(publish("t/1", b"1", topic_alias=1)),
                                                   a.expect(publish("t/1", b"1", topic_alias=None)),
        b.send(publish("", b"2", topic_alias=1)),  a.expect(publish("t/1", b"2", topic_alias=None)),
        b.send(publish("t/2", b"3", topic_alias=2)), a.expect(publish("t/2", b"3")),
        b.send(publish("", b"4", topic_alias=1, qos=1, packet_id=1)), b.expect(puback(1)),
                                               a.expect(publish("t/1", b"4", qos=1, packet_id="m")),
        b.send(publish("t/3", b"5", topic_alias=1)), a.expect(publish("t/3", b"5")),
        b.send(publish("", b"6", topic_alias=1)),  a.expect(publish("t/3", b"6")),
        b.send(publish("", b"7", topic_alias=2)),  a.expect(publish("t/2", b"7")),
    )  # fmt: skip


@spec("MQTT 5.0 §3.3.2.3.4", "MQTT-3.3.2-7", "0x82: an alias that has no topic")
async def test_topic_alias_ends_with_the_connection(broker: Broker) -> None:
    a = broker.peer("a")
    await broker.play(
        a.joins(session_expiry_interval=60),
        a.send(publish("t", b"1", topic_alias=1)), a.quiet(),
        a.leaves(),
        a.joins(clean=False, session_present=True),
        a.send(publish("", b"2", topic_alias=1)),  a.refused(0x82),
    )  # fmt: skip


@spec("MQTT 5.0 §3.3.2.3.4", "MQTT-3.3.2-7", "aliases of two connections are apart")
async def test_topic_alias_of_another_connection_is_unknown(broker: Broker) -> None:
    a, b = broker.peers("a b")
    await broker.play(
        a.joins(),
        a.send(publish("t", b"1", topic_alias=1)), a.quiet(),
        b.joins(),
        b.send(publish("", b"2", topic_alias=1)),  b.refused(0x82),
        a.send(publish("", b"3", topic_alias=1)),  a.quiet(),
    )  # fmt: skip


@spec("MQTT 5.0 §3.3.2.3.4", "MQTT-3.3.2-8", "0x94 Topic Alias invalid")
async def test_topic_alias_is_0_is_refused(broker: Broker) -> None:
    a = broker.peer("a")
    await broker.play(
        a.joins(),
        a.send(publish("t", b"1", topic_alias=0)), a.refused(0x94),
    )  # fmt: skip


@spec("MQTT 5.0 §3.3.2.3.4", "MQTT-3.3.2-12", "the topic of a retained message is the real one")
async def test_topic_alias_of_a_retained_message_is_resolved(broker: Broker) -> None:
    a = broker.peer("a")
    await broker.play(
        a.joins(),
        a.send(publish("t", b"1", topic_alias=1), publish("", b"2", topic_alias=1, retain=True)),
        a.send(subscribe(1, "#")),                 a.expect(suback(1, 0)),
                                                   a.expect(publish("t", b"2", retain=True)),
    )  # fmt: skip


# Message Expiry -------------------------------------------------------------------------------


@spec("MQTT 5.0 §3.3.2.3.3", "MQTT-3.3.2-5", "MQTT-3.3.2-6")
async def test_message_expires_in_the_queue_and_among_the_retained(broker: Broker) -> None:
    """Gap 2: what is left is sent, less the time that it waited."""
    a, b, c, d = broker.peers("a b c d")
    short, long = {"message_expiry_interval": 1}, {"message_expiry_interval": 100}
    await broker.play(
        a.joins(session_expiry_interval=60),
        a.send(subscribe(1, ("q/#", 1))),          a.expect(suback(1, 1)),
        a.leaves(),
        b.joins(),
        b.send(publish("q/1", qos=1, packet_id=1, **short)), b.expect(puback(1)),
        b.send(publish("q/2", qos=1, packet_id=2, **long)), b.expect(puback(2)),
        b.send(publish("q/3", qos=1, packet_id=3)), b.expect(puback(3)),
        b.send(publish("r/1", b"1", retain=True, **short)),
        b.send(publish("r/2", b"2", retain=True, **long)),
        c.joins(keep_alive=1),                     c.refused(0x8D),
        a.joins(clean=False, session_present=True),
        a.expect_kind(3), a.expect_kind(3),
        a.quiet(),
        d.joins(),
        d.send(subscribe(1, "r/#")),               d.expect(suback(1, 0)),
        d.expect_kind(3),
        d.quiet(),
    )  # fmt: skip
    second, third = [each for each in a.heard if each.kind == 3]
    assert (second["topic"], third["topic"]) == ("q/2", "q/3")
    assert "message_expiry_interval" not in (third.properties or {})
    (kept,) = [each for each in d.heard if each.kind == 3]
    assert kept["topic"] == "r/2"
    for each in (second, kept):
        assert (each.properties or {})["message_expiry_interval"] in {97, 98, 99}


@spec("MQTT 5.0 §3.3.2.3.3", "MQTT-3.3.2-6")
async def test_message_that_did_not_wait_keeps_its_expiry(broker: Broker) -> None:
    a = broker.peer("a")
    await broker.play(
        a.joins(),
        a.send(subscribe(1, "t")),                 a.expect(suback(1, 0)),
        a.send(publish("t", b"x", message_expiry_interval=60)),
        a.expect(publish("t", b"x", message_expiry_interval=60)),
    )  # fmt: skip
