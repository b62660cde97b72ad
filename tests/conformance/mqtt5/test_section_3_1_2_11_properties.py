"""MQTT 5.0 §3.1.2.11: the properties of CONNECT."""

from __future__ import annotations

import pytest

from tests.mqtt_packets import (
    Packet,
    connack,
    connect,
    disconnect,
    puback,
    pubcomp,
    publish,
    pubrec,
    pubrel,
    suback,
    subscribe,
    unsuback,
    unsubscribe,
)
from tests.mqtt_server import Broker
from tests.spec import spec


@spec("MQTT 5.0 §3.1.2.11.2", "absent: 0, the session ends with the connection")
@pytest.mark.parametrize("expiry", [{}, {"session_expiry_interval": 0}])
async def test_session_expiry_0_ends_the_session_with_the_connection(
    broker: Broker, expiry: dict[str, int]
) -> None:
    a = broker.peer("a")
    await broker.play(
        a.joins(clean=False, **expiry),
        a.send(subscribe(1, "t")),                 a.expect(suback(1, 0)),
        a.vanishes(),
        a.joins(clean=False, session_present=False),
        a.send(publish("t", b"x")),
        a.quiet(),
    )  # fmt: skip


@spec("MQTT 5.0 §3.1.2.11.2", "MQTT-3.1.2-23", "MQTT-4.1.0-1")
@pytest.mark.parametrize("expiry", [60, 0xFFFFFFFF])
@pytest.mark.parametrize("how", ["leaves", "vanishes"])
async def test_session_expiry_keeps_the_session(broker: Broker, expiry: int, how: str) -> None:
    """S37."""
    a = broker.peer("a")
    await broker.play(
        a.joins(session_expiry_interval=expiry),
        a.send(subscribe(1, "t")),                 a.expect(suback(1, 0)),
        a.leaves() if how == "leaves" else a.vanishes(),
        a.joins(clean=False, session_present=True),
        a.send(publish("t", b"x")),                a.expect(publish("t", b"x")),
    )  # fmt: skip


@spec("MQTT 5.0 §3.1.2.11.2", "MQTT-4.1.0-2", "the interval is that of the last CONNECT")
async def test_session_expiry_of_the_last_connect_counts(broker: Broker) -> None:
    """Defect 36: not the larger of the old and the new one."""
    a = broker.peer("a")
    await broker.play(
        a.joins(session_expiry_interval=3600),
        a.leaves(),
        a.joins(clean=False, session_present=True, session_expiry_interval=0),
        a.leaves(),
        a.joins(clean=False, session_present=False),
    )


@spec("MQTT 5.0 §3.1.2.11.3", "MQTT-3.3.4-9", "MQTT-4.9.0-1", "MQTT-4.9.0-2")
async def test_receive_maximum_bounds_what_is_in_flight(broker: Broker) -> None:
    a, b = broker.peers("a b")
    await broker.play(
        a.joins(receive_maximum=2),
        a.send(subscribe(1, ("t", 2))),            a.expect(suback(1, 2)),
        b.joins(),
        *(b.send(publish("t", b"%d" % n, qos=1, packet_id=n)) for n in range(1, 6)),
        *(b.expect(puback(n)) for n in range(1, 6)),
        a.expect(publish("t", b"1", qos=1, packet_id="1"),
                 publish("t", b"2", qos=1, packet_id="2")),
        a.quiet(),
        a.send(puback("2")),
                                                 a.expect(publish("t", b"3", qos=1, packet_id="3")),
        a.quiet(),
        a.send(puback("1"), puback("3")),
        a.expect(publish("t", b"4", qos=1, packet_id="4"),
                 publish("t", b"5", qos=1, packet_id="5")),
        a.quiet(),
    )  # fmt: skip


@spec("MQTT 5.0 §3.1.2.11.3", "MQTT-3.3.4-9", "MQTT-4.9.0-2", "QoS 2 counts until PUBCOMP")
async def test_receive_maximum_counts_qos_2_until_pubcomp(broker: Broker) -> None:
    a, b = broker.peers("a b")
    await broker.play(
        a.joins(receive_maximum=1),
        a.send(subscribe(1, ("t", 2))),            a.expect(suback(1, 2)),
        b.joins(),
        b.send(publish("t", b"1", qos=2, packet_id=1)), b.expect(pubrec(1)),
        b.send(pubrel(1)),                         b.expect(pubcomp(1)),
        b.send(publish("t", b"2", qos=1, packet_id=2)), b.expect(puback(2)),
                                                 a.expect(publish("t", b"1", qos=2, packet_id="1")),
        a.quiet(),
        a.send(pubrec("1")),                       a.expect(pubrel("1")),
        a.quiet(),
        a.send(pubcomp("1")),
                                                 a.expect(publish("t", b"2", qos=1, packet_id="2")),
    )  # fmt: skip


@spec("MQTT 5.0 §3.1.2.11.3", "MQTT-4.9.0-1", "Receive Maximum does not concern QoS 0")
async def test_receive_maximum_is_spent_qos_0_still_flows(broker: Broker) -> None:
    a, b = broker.peers("a b")
    await broker.play(
        a.joins(receive_maximum=1),
        a.send(subscribe(1, ("t", 1), "zero")),    a.expect(suback(1, 1, 0)),
        b.joins(),
        b.send(publish("t", b"1", qos=1, packet_id=1)), b.expect(puback(1)),
                                                 a.expect(publish("t", b"1", qos=1, packet_id="1")),
        b.send(publish("zero", b"x")),             a.expect(publish("zero", b"x")),
    )  # fmt: skip


@spec("MQTT 5.0 §3.1.2.11.3", "it is not kept from one connection to the next")
async def test_receive_maximum_grows_at_reconnect_what_waited_is_sent(broker: Broker) -> None:
    """Gap 7."""
    a, b = broker.peers("a b")
    await broker.play(
        a.joins(receive_maximum=1, session_expiry_interval=60),
        a.send(subscribe(1, ("t", 1))),            a.expect(suback(1, 1)),
        b.joins(),
        *(b.send(publish("t", b"%d" % n, qos=1, packet_id=n)) for n in (1, 2, 3)),
        *(b.expect(puback(n)) for n in (1, 2, 3)),
                                                 a.expect(publish("t", b"1", qos=1, packet_id="1")),
        a.vanishes(),
        a.joins(clean=False, session_present=True, receive_maximum=10),
        a.expect(publish("t", b"1", qos=1, packet_id="1", dup=True),
                 publish("t", b"2", qos=1, packet_id="2"),
                 publish("t", b"3", qos=1, packet_id="3")),
        a.quiet(),
    )  # fmt: skip


@spec("MQTT 5.0 §3.1.2.11.4", "MQTT-3.1.2-24", "MQTT-3.1.2-25")
@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_maximum_packet_size_larger_messages_are_discarded(broker: Broker, qos: int) -> None:
    """They count as sent: the flow goes on with the next one."""
    a, b = broker.peers("a b")
    acknowledged = {
        0: lambda n: [],
        1: lambda n: [b.expect(puback(n))],
        2: lambda n: [b.expect(pubrec(n)), b.send(pubrel(n)), b.expect(pubcomp(n))],
    }[qos]
    names = {"packet_id": "m"} if qos else {}
    fits = b"x" * (100 - 2 - 3 - (2 if qos else 0) - 1)
    await broker.play(
        a.joins(maximum_packet_size=100, receive_maximum=1),
        a.send(subscribe(1, ("t", qos))),          a.expect(suback(1, qos)),
        b.joins(),
        b.send(publish("t", fits + b"x", qos=qos, packet_id=1)), *acknowledged(1),
        b.send(publish("t", fits, qos=qos, packet_id=2)), *acknowledged(2),
                                                   a.expect(publish("t", fits, qos=qos, **names)),
        a.quiet(),
    )  # fmt: skip


@spec("MQTT 5.0 §3.1.2.11.4", "MQTT-3.1.2-24", "retained messages too")
async def test_maximum_packet_size_larger_retained_messages_are_discarded(broker: Broker) -> None:
    a, b = broker.peers("a b")
    await broker.play(
        b.joins(),
        b.send(publish("t/1", b"x" * 200, retain=True)),
        b.send(publish("t/2", b"x", retain=True)), b.quiet(),
        a.joins(maximum_packet_size=100),
        a.send(subscribe(1, "t/#")),               a.expect(suback(1, 0)),
                                                   a.expect(publish("t/2", b"x", retain=True)),
        a.quiet(),
    )  # fmt: skip


@spec("MQTT 5.0 §3.1.2.11.4", "MQTT-3.1.2-24", "MQTT-3.2.2-19", "MQTT-3.2.2-20", "MQTT-3.4.2-2",
      "MQTT-3.4.2-3", "MQTT-3.9.2-1", "MQTT-3.9.2-2", "MQTT-3.11.2-1", "MQTT-3.11.2-2",
      "MQTT-3.14.2-3", "MQTT-3.14.2-4", "MQTT-3.5.2-2", "MQTT-3.5.2-3", "MQTT-3.6.2-2",
      "MQTT-3.6.2-3", "MQTT-3.7.2-2", "MQTT-3.7.2-3")  # fmt: skip
async def test_maximum_packet_size_is_tiny_answers_fit_all_the_same(broker: Broker) -> None:
    """Reason Strings and User Properties are left out; the peer measures every packet."""
    a = broker.peer("a")
    await broker.play(
        a.send(connect(maximum_packet_size=40)),   a.expect(connack()),
        a.send(subscribe(1, "a/#/b", "t")),        a.expect(suback(1, 0x8F, 0)),
        a.send(unsubscribe(2, "x", "t")),          a.expect(unsuback(2, 0x11, 0)),
        a.send(publish("t", qos=1, packet_id=3)),  a.expect(puback(3, 0x10)),
        a.send(publish("t", qos=2, packet_id=5)),  a.expect(pubrec(5, 0x10)),
        a.send(pubrel(4)),                         a.expect(pubcomp(4, 0x92)),
        a.send(pubrec(6)),                         a.expect(pubrel(6, 0x92)),
        a.send(publish("t/+")),                    a.refused(0x90),
    )  # fmt: skip


@spec("MQTT 5.0 §3.1.2.11.5", "MQTT-3.1.2-26", "MQTT-3.1.2-27", "MQTT-3.3.2-11", "MQTT-3.3.2-8")
@pytest.mark.parametrize("maximum", [0, 1, 2])
async def test_topic_alias_maximum_bounds_what_the_server_uses(
    broker: Broker, maximum: int
) -> None:
    """The peer resolves the aliases and refuses any above its maximum."""
    a, b = broker.peers("a b")
    topics = ["some/long/topic/1", "some/long/topic/2", "some/long/topic/3"] * 3
    await broker.play(
        a.joins(topic_alias_maximum=maximum),
        a.send(subscribe(1, "#")),                 a.expect(suback(1, 0)),
        b.joins(),
        *(b.send(publish(topic, b"x")) for topic in topics),
        *(a.expect(publish(topic, b"x")) for topic in topics),
        a.quiet(),
    )  # fmt: skip


@spec("MQTT 5.0 §3.1.2.11.4", "MQTT-3.1.2-25", "an alias does not make a message too large")
async def test_topic_alias_is_not_used_where_the_packet_would_not_fit(broker: Broker) -> None:
    a, b = broker.peers("a b")
    fits = b"x" * (100 - 2 - 3 - 1)
    await broker.play(
        a.joins(maximum_packet_size=100, topic_alias_maximum=5),
        a.send(subscribe(1, "t")),                 a.expect(suback(1, 0)),
        b.joins(),
        b.send(publish("t", fits)),                a.expect(publish("t", fits)),
        b.send(publish("t", b"short")),            a.expect(publish("t", b"short")),
        b.send(publish("t", fits)),                a.expect(publish("t", fits)),
        a.quiet(),
    )  # fmt: skip


@spec("MQTT 5.0 §3.3.2.3.4", "MQTT-3.3.2-7", "aliases of a server end with the connection")
async def test_topic_alias_of_the_server_starts_anew_at_reconnect(broker: Broker) -> None:
    a, b = broker.peers("a b")
    await broker.play(
        b.joins(),
        a.joins(topic_alias_maximum=5, session_expiry_interval=60),
        a.send(subscribe(1, "some/+")),            a.expect(suback(1, 0)),
        b.send(publish("some/topic", b"1")),       a.expect(publish("some/topic", b"1")),
        b.send(publish("some/topic", b"2")),       a.expect(publish("some/topic", b"2")),
        a.leaves(),
        a.joins(clean=False, session_present=True, topic_alias_maximum=5),
        b.send(publish("some/topic", b"3")),       a.expect(publish("some/topic", b"3")),
        a.leaves(),
        a.joins(clean=False, session_present=False),
    )  # fmt: skip


@spec("MQTT 5.0 §3.1.2.11.6", "MQTT-3.1.2-28")
@pytest.mark.parametrize("asked", [{}, {"request_response_information": 0}])
async def test_response_information_is_not_asked_for_is_not_sent(
    broker: Broker, asked: dict[str, int]
) -> None:
    a = broker.peer("a")
    await broker.play(a.send(connect(**asked)), a.expect(connack(response_information=None)))


@spec("MQTT 5.0 §3.1.2.11.7", "MQTT-3.1.2-29")
async def test_problem_information_is_not_wanted_is_not_sent(broker: Broker) -> None:
    """The peer refuses Reason Strings and User Properties."""
    a = broker.peer("a")
    bare = {"reason_string": None, "user_property": None}
    await broker.play(
        a.joins(request_problem_information=0),
        a.send(subscribe(1, "a/#/b", "t")),        a.expect(suback(1, 0x8F, 0).having(**bare)),
        a.send(unsubscribe(2, "x")),               a.expect(unsuback(2, 0x11).having(**bare)),
        a.send(pubrel(4)),                         a.expect(pubcomp(4, 0x92).having(**bare)),
        a.send(publish("t", b"x", user_property=[("k", "v")])),
        a.expect(publish("t", b"x", user_property=[("k", "v")])),
    )  # fmt: skip


@spec("MQTT 5.0 §3.14.2.2.2", "MQTT-3.1.2-23")
async def test_session_expiry_is_shortened_in_disconnect(broker: Broker) -> None:
    a = broker.peer("a")
    await broker.play(
        a.joins(session_expiry_interval=60),
        a.leaves(session_expiry_interval=0),
        a.joins(clean=False, session_present=False, session_expiry_interval=1),
        a.leaves(session_expiry_interval=3600),
        a.joins(clean=False, session_present=True),
    )


@spec("MQTT 5.0 §3.14.2.2.2", "raising it from 0 is a protocol error")
async def test_session_expiry_is_raised_from_0_in_disconnect_is_a_protocol_error(
    broker: Broker,
) -> None:
    a = broker.peer("a")
    await broker.play(
        a.joins(),
        a.send(disconnect(session_expiry_interval=5)), a.refused(0x82),
        a.joins(clean=False, session_present=False),
    )  # fmt: skip


@spec("MQTT 5.0 §3.1.2.11.8", "User Properties of CONNECT mean nothing to a server")
async def test_user_properties_of_connect_are_taken(broker: Broker) -> None:
    a = broker.peer("a")
    pairs = [("k", "v")] * 5
    await broker.play(a.joins(Packet(1, {"client_id": "a"}, {"user_property": pairs})), a.quiet())
