"""MQTT 5.0 §4.9: flow control."""

from __future__ import annotations

from tests.mqtt_packets import (
    puback,
    pubcomp,
    publish,
    pubrec,
    pubrel,
    suback,
    subscribe,
)
from tests.mqtt_server import Broker
from tests.spec import spec


@spec("MQTT 5.0 §4.9", "MQTT-4.9.0-1", "MQTT-4.9.0-2", "MQTT-3.3.4-9")
async def test_quota_of_a_resumed_session_counts_what_is_sent_again(broker: Broker) -> None:
    """The PUBCOMP of an exchange that began on another connection gives no more than its place."""
    a, b = broker.peers("a b")
    await broker.play(
        a.joins(session_expiry_interval=60),
        a.send(subscribe(1, ("t", 2))),            a.expect(suback(1, 2)),
        b.joins(),
        b.send(publish("t", b"1", qos=2, packet_id=1)), b.expect(pubrec(1)),
        b.send(pubrel(1)),                         b.expect(pubcomp(1)),
        *(
            [b.send(publish("t", b"%d" % n, qos=1, packet_id=n)), b.expect(puback(n))]
            for n in (2, 3, 4)
        ),
        a.expect(publish("t", b"1", qos=2, packet_id="1"),
                 *(publish("t", b"%d" % n, qos=1, packet_id=f"{n}") for n in (2, 3, 4))),
        a.send(pubrec("1")),                       a.expect(pubrel("1")),
        a.vanishes(),
        a.joins(clean=False, session_present=True, receive_maximum=2),
        a.expect(pubrel("1"), publish("t", b"2", qos=1, packet_id="2", dup=True)),
        a.quiet(),
        a.send(pubcomp("1")),
                                       a.expect(publish("t", b"3", qos=1, packet_id="3", dup=True)),
        a.quiet(),
        a.send(puback("2")),
                                       a.expect(publish("t", b"4", qos=1, packet_id="4", dup=True)),
        a.send(puback("3"), puback("4")),
        a.quiet(),
    )  # fmt: skip


@spec("MQTT 5.0 §4.9", "MQTT-4.9.0-1", "an acknowledgement of nothing gives no quota")
async def test_quota_does_not_grow_beyond_the_receive_maximum(broker: Broker) -> None:
    a, b = broker.peers("a b")
    await broker.play(
        a.joins(receive_maximum=2),
        a.send(subscribe(1, ("t", 1))),            a.expect(suback(1, 1)),
        a.send(puback(100), puback(101), pubcomp(102), puback(100)),
        b.joins(),
        *(
            [b.send(publish("t", b"%d" % n, qos=1, packet_id=n)), b.expect(puback(n))]
            for n in (1, 2, 3, 4)
        ),
        a.expect(publish("t", b"1", qos=1, packet_id="1"),
                 publish("t", b"2", qos=1, packet_id="2")),
        a.quiet(),
        a.send(puback("1"), puback("1")),
                                                 a.expect(publish("t", b"3", qos=1, packet_id="3")),
        a.quiet(),
    )  # fmt: skip


@spec("MQTT 5.0 §4.9", "MQTT-4.9.0-3", "what comes in is processed at a quota of zero")
async def test_quota_is_zero_own_messages_go_out(broker: Broker) -> None:
    a, b = broker.peers("a b")
    await broker.play(
        a.joins(receive_maximum=1),
        a.send(subscribe(1, ("t", 1))),            a.expect(suback(1, 1)),
        b.joins(),
        b.send(subscribe(1, "u")),                 b.expect(suback(1, 0)),
        b.send(publish("t", qos=1, packet_id=1)),  b.expect(puback(1)),
                                                   a.expect(publish("t", qos=1, packet_id="1")),
        a.send(publish("u", b"x", qos=2, packet_id=1)), a.expect(pubrec(1)),
        a.send(pubrel(1)),                         a.expect(pubcomp(1)),
                                                   b.expect(publish("u", b"x")),
    )  # fmt: skip
