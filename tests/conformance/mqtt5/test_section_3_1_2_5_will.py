"""MQTT 5.0 §3.1.2.5 to §3.1.2.7, §3.1.3.2: the Will."""

from __future__ import annotations

import pytest

from tests.mqtt_packets import (
    AS_PUBLISHED,
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
)
from tests.mqtt_peer import Peer, Step
from tests.mqtt_server import Broker
from tests.spec import spec

WILL = Will("will/a", b"gone")


def watches(peer: Peer, options: int = 0) -> list[Step]:
    """*peer* connects and subscribes to the Will Topics."""
    return [
        peer.joins(),
        peer.send(subscribe(1, ("will/#", options))),
        peer.expect(suback(1, options & 3)),
    ]


@spec("MQTT 5.0 §3.1.2.5", "MQTT-3.1.2-7", "MQTT-3.1.2-8")
@pytest.mark.parametrize("how", ["vanishes", "breaks"])
async def test_connection_ends_without_disconnect_publishes_the_will(
    broker: Broker, how: str
) -> None:
    """S40."""
    a, b = broker.peers("a b")
    await broker.play(
        *watches(b),
        a.joins(will=WILL),
        a.vanishes() if how == "vanishes" else a.breaks(),
        b.expect(publish("will/a", b"gone")),
        b.quiet(),
    )


@spec("MQTT 5.0 §3.1.2.5", "MQTT-3.1.2-8", "a protocol error ends the connection")
@pytest.mark.parametrize(
    "packet", [header(0x63, b"\0\x01"), header(0x20, b"\0\0\0"), header(0x30, b"\0")]
)
async def test_server_closes_for_an_error_publishes_the_will(broker: Broker, packet: bytes) -> None:
    """S40."""
    a, b = broker.peers("a b")
    refusal = 0x82 if packet[0] == 0x20 else 0x81
    await broker.play(
        *watches(b),
        a.joins(will=WILL),
        a.send(packet),                            a.refused(refusal),
                                                   b.expect(publish("will/a", b"gone")),
    )  # fmt: skip


@spec("MQTT 5.0 §3.1.2.5", "MQTT-3.1.2-8", "MQTT-3.1.2-10", "MQTT-3.14.4-3")
async def test_disconnect_discards_the_will(broker: Broker) -> None:
    """S40."""
    a, b = broker.peers("a b")
    await broker.play(
        *watches(b),
        a.joins(will=WILL),
        a.leaves(),
        b.quiet(),
        a.joins(),
        a.vanishes(),
        b.quiet(),
    )


@spec("MQTT 5.0 §3.14.2.1", "0x04 Disconnect with Will Message", "MQTT-3.1.2-8")
@pytest.mark.parametrize("code", [0x04, 0x80, 0x81, 0x83, 0x93])
async def test_disconnect_with_another_reason_publishes_the_will(broker: Broker, code: int) -> None:
    """S40."""
    a, b = broker.peers("a b")
    await broker.play(
        *watches(b),
        a.joins(will=WILL),
        a.leaves(code),
        b.expect(publish("will/a", b"gone")),
    )


@spec("MQTT 5.0 §3.1.2.5", "MQTT-3.1.2-10")
async def test_will_is_published_once(broker: Broker) -> None:
    a, b = broker.peers("a b")
    await broker.play(
        *watches(b),
        a.joins(will=WILL, session_expiry_interval=60),
        a.vanishes(),
        b.expect(publish("will/a", b"gone")),
        a.joins(clean=False, session_present=True),
        a.vanishes(),
        b.quiet(),
    )


@spec("MQTT 5.0 §3.1.2.6", "MQTT-3.1.2-12", "MQTT-4.3.2-1", "MQTT-4.3.3-1")
@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_will_is_published_with_its_qos(broker: Broker, qos: int) -> None:
    a, b = broker.peers("a b")
    answers = {
        0: [],
        1: [b.send(puback("m"))],
        2: [b.send(pubrec("m")), b.expect(pubrel("m")), b.send(pubcomp("m"))],
    }[qos]
    await broker.play(
        *watches(b, 2),
        a.joins(will=Will("will/a", b"gone", qos)),
        a.vanishes(),
        b.expect(publish("will/a", b"gone", qos=qos, packet_id="m" if qos else None)),
        *answers,
        b.quiet(),
    )


@spec("MQTT 5.0 §3.1.2.7", "MQTT-3.1.2-14", "MQTT-3.1.2-15")
@pytest.mark.parametrize("retain", [False, True])
async def test_will_is_retained_when_it_says_so(broker: Broker, retain: bool) -> None:
    a, b, c = broker.peers("a b c")
    await broker.play(
        *watches(b, AS_PUBLISHED),
        a.joins(will=Will("will/a", b"gone", retain=retain)),
        a.vanishes(),
        b.expect(publish("will/a", b"gone", retain=retain)),
        *watches(c),
        *([c.expect(publish("will/a", b"gone", retain=True))] if retain else []),
        c.quiet(),
    )


@spec("MQTT 5.0 §3.1.3.2", "MQTT-3.1.3-10", "MQTT-3.3.2-4", "MQTT-3.3.2-15", "MQTT-3.3.2-16",
      "MQTT-3.3.2-20")  # fmt: skip
async def test_will_properties_are_published_unaltered_and_in_order(broker: Broker) -> None:
    a, b = broker.peers("a b")
    said = {
        "payload_format_indicator": 1,
        "content_type": "text/plain",
        "response_topic": "answer/here",
        "correlation_data": b"\0\xff",
        "user_property": [("b", "1"), ("a", "2"), ("b", "1"), ("", "")],
    }
    await broker.play(
        *watches(b),
        a.joins(will=Will("will/a", "göne".encode(), properties=said)),
        a.vanishes(),
        b.expect(publish("will/a", "göne".encode(), **said)),
    )


@spec("MQTT 5.0 §3.1.2.5", "MQTT-3.1.2-8")
async def test_will_is_empty_is_published(broker: Broker) -> None:
    a, b = broker.peers("a b")
    await broker.play(
        *watches(b), a.joins(will=Will("will/a")), a.vanishes(), b.expect(publish("will/a"))
    )


@spec("MQTT 5.0 §3.1.4", "MQTT-3.1.4-3", "a session that ends publishes the Will")
@pytest.mark.parametrize("clean", [True, False])
async def test_takeover_publishes_the_will_of_the_old_connection(
    broker: Broker, clean: bool
) -> None:
    """S40: no delay, so the network connection that closes publishes."""
    a, b = broker.peers("a b")
    other = broker.peer("other")
    await broker.play(
        *watches(b),
        a.joins(will=WILL, session_expiry_interval=60),
        other.send(connect("a", clean=clean)),
        a.refused(0x8E),
        b.expect(publish("will/a", b"gone")),
        b.quiet(),
    )


@spec("MQTT 5.0 §3.1.3.2.2", "MQTT-3.1.3-9")
async def test_reconnect_within_the_delay_keeps_the_will_back(broker: Broker) -> None:
    a, b = broker.peers("a b")
    will = Will("will/a", b"gone", properties={"will_delay_interval": 60})
    await broker.play(
        *watches(b),
        a.joins(will=will, session_expiry_interval=120),
        a.vanishes(),
        b.quiet(),
        a.joins(clean=False, session_present=True),
        a.leaves(),
        b.quiet(),
    )


@spec("MQTT 5.0 §3.1.3.2.2", "MQTT-3.1.3-9")
async def test_takeover_that_resumes_keeps_a_delayed_will_back(broker: Broker) -> None:
    a, b, other = broker.peers("a b other")
    will = Will("will/a", b"gone", properties={"will_delay_interval": 60})
    await broker.play(
        *watches(b),
        a.joins(will=will, session_expiry_interval=120),
        other.send(connect("a", clean=False)),     a.refused(0x8E),
        b.quiet(),
    )  # fmt: skip


@spec("MQTT 5.0 §3.1.3.2.2", "the Will is published when the session ends, if that is sooner")
async def test_session_ends_before_the_delay_publishes_the_will(broker: Broker) -> None:
    a, b = broker.peers("a b")
    will = Will("will/a", b"gone", properties={"will_delay_interval": 60})
    await broker.play(
        *watches(b),
        a.joins(will=will, session_expiry_interval=0),
        a.vanishes(),
        b.expect(publish("will/a", b"gone")),
    )


@spec("MQTT 5.0 §3.1.3.2.2", "MQTT-3.1.2-4", "a Clean Start ends the session, so the Will goes out")
async def test_clean_start_within_the_delay_publishes_the_will(broker: Broker) -> None:
    a, b = broker.peers("a b")
    will = Will("will/a", b"gone", properties={"will_delay_interval": 60})
    await broker.play(
        *watches(b),
        a.joins(will=will, session_expiry_interval=120),
        a.vanishes(),
        b.quiet(),
        a.joins(clean=True),
        b.expect(publish("will/a", b"gone")),
    )


@spec("MQTT 5.0 §3.1.3.2.2", "MQTT-3.1.2-8")
async def test_delay_passes_publishes_the_will(broker: Broker) -> None:
    a, b = broker.peers("a b")
    will = Will("will/a", b"gone", properties={"will_delay_interval": 1})
    await broker.play(
        *watches(b),
        a.joins(will=will, session_expiry_interval=120),
        a.vanishes(),
        b.quiet(),
        b.expect(publish("will/a", b"gone")),
    )


@spec("MQTT 5.0 §3.1.3.2.4", "Message Expiry Interval of the Will")
async def test_will_has_a_message_expiry_is_published_with_it(broker: Broker) -> None:
    a, b = broker.peers("a b")
    will = Will("will/a", b"gone", properties={"message_expiry_interval": 100})
    await broker.play(
        *watches(b),
        a.joins(will=will),
        a.vanishes(),
        b.expect(publish("will/a", b"gone", message_expiry_interval=100)),
    )


@spec("MQTT 5.0 §3.1.2.5", "MQTT-3.1.2-7", "a Will that nobody accepted is not published")
async def test_connect_is_turned_away_its_will_is_not_published(broker: Broker) -> None:
    a, b = broker.peers("a b")
    await broker.play(
        *watches(b),
        a.send(connect(will=WILL, authentication_method="UNKNOWN")), a.turned_away(0x8C),
        b.quiet(),
    )  # fmt: skip
