"""MQTT 5.0 §4.5, §4.6: who receives a message, and in which order."""

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
from tests.mqtt_server import Broker
from tests.spec import spec


@spec("MQTT 5.0 §4.6", "MQTT-4.6.0-5", "MQTT-4.6.0-6")
@pytest.mark.parametrize("qos", [0, 1])
async def test_messages_of_a_topic_arrive_in_their_order(broker: Broker, qos: int) -> None:
    a, b = broker.peers("a b")
    count = 50
    await broker.play(
        a.joins(),
        a.send(subscribe(1, ("t", qos))),          a.expect(suback(1, qos)),
        b.joins(),
        b.send(*(publish("t", b"%d" % n, qos=qos, packet_id=n) for n in range(1, count + 1))),
        *(b.expect(puback(n)) for n in range(1, count + 1) if qos),
        *(
            a.expect(publish("t", b"%d" % n, qos=qos, packet_id=f"m{n}" if qos else None))
            for n in range(1, count + 1)
        ),
    )  # fmt: skip


@spec("MQTT 5.0 §4.6", "MQTT-4.6.0-5", "MQTT-4.6.0-2", "MQTT-4.6.0-3")
async def test_acknowledgements_come_in_the_order_of_the_messages(broker: Broker) -> None:
    a = broker.peer("a")
    await broker.play(
        a.joins(),
        a.send(*(publish("t", qos=1, packet_id=n) for n in (3, 1, 2))),
        a.expect(puback(3, 0x10), puback(1, 0x10), puback(2, 0x10)),
        a.send(*(publish("t", qos=2, packet_id=n) for n in (3, 1, 2))),
        a.expect(pubrec(3, 0x10), pubrec(1, 0x10), pubrec(2, 0x10)),
        a.send(*(pubrel(n) for n in (3, 1, 2))),
        a.expect(pubcomp(3), pubcomp(1), pubcomp(2)),
    )


@spec("MQTT 5.0 §4.6", "MQTT-4.4.0-1", "MQTT-4.6.0-5", "MQTT-4.6.0-1")
async def test_messages_are_sent_again_in_their_order_and_before_new_ones(
    broker: Broker,
) -> None:
    """Gap 7: QoS 1 and 2 mixed, PUBREL where its message was, then what came meanwhile."""
    a, b = broker.peers("a b")
    kinds = (1, 2, 2, 1, 2)

    def published(n: int, qos: int) -> list[object]:
        if qos == 1:
            return [b.send(publish("t", b"%d" % n, qos=1, packet_id=n)), b.expect(puback(n))]
        return [
            b.send(publish("t", b"%d" % n, qos=2, packet_id=n)), b.expect(pubrec(n)),
            b.send(pubrel(n)), b.expect(pubcomp(n)),
        ]  # fmt: skip

    await broker.play(
        a.joins(session_expiry_interval=60),
        a.send(subscribe(1, ("t", 2))),            a.expect(suback(1, 2)),
        b.joins(),
        *(published(n, qos) for n, qos in enumerate(kinds, 1)),
        *(
            a.expect(publish("t", b"%d" % n, qos=qos, packet_id=f"m{n}"))
            for n, qos in enumerate(kinds, 1)
        ),
        a.send(pubrec("m2")),                      a.expect(pubrel("m2")),
        a.send(puback("m4")),
        a.quiet(),
        a.vanishes(),
        published(6, 1), published(7, 2),
        a.joins(clean=False, session_present=True),
        a.expect(
            publish("t", b"1", qos=1, packet_id="m1", dup=True),
            pubrel("m2"),
            publish("t", b"3", qos=2, packet_id="m3", dup=True),
            publish("t", b"5", qos=2, packet_id="m5", dup=True),
            publish("t", b"6", qos=1, packet_id="m6"),
            publish("t", b"7", qos=2, packet_id="m7"),
        ),
        a.quiet(),
    )  # fmt: skip


@spec("MQTT 5.0 §4.6", "MQTT-4.6.0-5", "also while the window is full")
async def test_messages_that_wait_for_the_window_keep_their_order(broker: Broker) -> None:
    a, b = broker.peers("a b")
    await broker.play(
        a.joins(receive_maximum=2),
        a.send(subscribe(1, ("t", 1))),            a.expect(suback(1, 1)),
        b.joins(),
        *(
            [b.send(publish("t", b"%d" % n, qos=1, packet_id=n)), b.expect(puback(n))]
            for n in range(1, 8)
        ),
        a.expect(*(publish("t", b"%d" % n, qos=1, packet_id=f"m{n}") for n in (1, 2))),
        a.send(puback("m1")),
                                                a.expect(publish("t", b"3", qos=1, packet_id="m3")),
        b.send(publish("t", b"8", qos=1, packet_id=8)), b.expect(puback(8)),
        a.send(puback("m3"), puback("m2")),
        a.expect(*(publish("t", b"%d" % n, qos=1, packet_id=f"m{n}") for n in (4, 5))),
        a.send(puback("m4"), puback("m5")),
        a.expect(*(publish("t", b"%d" % n, qos=1, packet_id=f"m{n}") for n in (6, 7))),
        a.send(puback("m6"), puback("m7")),
                                                a.expect(publish("t", b"8", qos=1, packet_id="m8")),
        a.quiet(),
    )  # fmt: skip


@spec("MQTT 5.0 §4.5", "MQTT-4.5.0-1", "of every client that has a matching subscription")
async def test_message_reaches_every_session_connected_or_not(broker: Broker) -> None:
    a, b, c, d = broker.peers("a b c d")
    await broker.play(
        *(
            [peer.joins(session_expiry_interval=60),
             peer.send(subscribe(1, (topic_filter, 1))), peer.expect(suback(1, 1))]
            for peer, topic_filter in ((a, "t/1"), (b, "t/+"), (c, "#"))
        ),
        c.leaves(),
        d.joins(),
        d.send(publish("t/1", b"x", qos=1, packet_id=1)), d.expect(puback(1)),
        *(peer.expect(publish("t/1", b"x", qos=1, packet_id="m")) for peer in (a, b)),
        c.joins(clean=False, session_present=True),
        c.expect(publish("t/1", b"x", qos=1, packet_id="m")),
    )  # fmt: skip


@spec("MQTT 5.0 §4.1", "MQTT-4.1.0-1", "QoS 0 messages may be kept for a session, or not")
async def test_session_that_is_away_keeps_qos_1_and_2(broker: Broker) -> None:
    """S37."""
    a, b = broker.peers("a b")
    await broker.play(
        a.joins(session_expiry_interval=60),
        a.send(subscribe(1, ("t", 2))),            a.expect(suback(1, 2)),
        a.leaves(),
        b.joins(),
        b.send(publish("t", b"1", qos=1, packet_id=1)), b.expect(puback(1)),
        b.send(publish("t", b"2", qos=2, packet_id=2)), b.expect(pubrec(2)),
        b.send(pubrel(2)),                         b.expect(pubcomp(2)),
        a.joins(clean=False, session_present=True),
        a.expect(publish("t", b"1", qos=1, packet_id="1"),
                 publish("t", b"2", qos=2, packet_id="2")),
        a.quiet(),
    )  # fmt: skip
