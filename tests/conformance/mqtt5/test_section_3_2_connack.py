"""MQTT 5.0 §3.2: CONNACK."""

from __future__ import annotations

import pytest

from tests.mqtt_packets import (
    Will,
    connack,
    connect,
    puback,
    publish,
    suback,
    subscribe,
)
from tests.mqtt_server import Broker, running
from tests.spec import spec


@spec("MQTT 5.0 §3.2", "MQTT-3.2.0-1", "MQTT-3.2.0-2", "MQTT-3.1.4-5", "MQTT-3.2.2-1")
async def test_connack_is_the_first_packet_and_comes_once(broker: Broker) -> None:
    """What waits for the session is sent after it; a second one the peer would refuse."""
    a, b = broker.peers("a b")
    await broker.play(
        a.joins(session_expiry_interval=60),
        a.send(subscribe(1, ("t", 1))),            a.expect(suback(1, 1)),
        a.leaves(),
        b.joins(),
        b.send(publish("t", b"x", qos=1, packet_id=1)), b.expect(puback(1)),
        a.send(connect(clean=False)),
        a.expect(connack(session_present=True), publish("t", b"x", qos=1, packet_id="m")),
        a.quiet(),
    )  # fmt: skip


@spec("MQTT 5.0 §3.2.2.1.1", "MQTT-3.2.2-2", "MQTT-3.2.2-3", "MQTT-3.2.2-1")
async def test_session_present_says_whether_there_was_a_session(broker: Broker) -> None:
    """S37."""
    a = broker.peer("a")
    await broker.play(
        a.joins(clean=False, session_present=False, session_expiry_interval=60),
        a.leaves(),
        a.joins(clean=False, session_present=True, session_expiry_interval=60),
        a.leaves(),
        a.joins(clean=True, session_present=False, session_expiry_interval=60),
        a.leaves(),
        a.joins(clean=False, session_present=True, session_expiry_interval=0),
        a.leaves(),
        a.joins(clean=False, session_present=False),
    )


@spec("MQTT 5.0 §3.2.2.2", "MQTT-3.2.2-6", "MQTT-3.2.2-7", "MQTT-3.2.2-8")
async def test_refusal_has_no_session_present_and_closes(broker: Broker) -> None:
    """The peer refuses Session Present in it and codes that CONNACK does not have."""
    a = broker.peer("a")
    await broker.play(
        a.joins(clean=False, session_expiry_interval=60),
        a.leaves(),
        a.send(connect(clean=False, authentication_method="UNKNOWN")), a.turned_away(0x8C),
        a.joins(clean=False, session_present=True),
    )  # fmt: skip


@spec("MQTT 5.0 §3.2.2.3", "what is announced is what holds")
async def test_connack_announces_what_is_available(broker: Broker) -> None:
    """Absent means available; a value that is the default may be said or not."""
    a = broker.peer("a")
    await broker.play(a.joins())
    said = a.heard[0].properties or {}
    assert said.get("maximum_qos", 2) == 2
    for name in ("retain_available", "wildcard_subscription_available",
                 "subscription_identifier_available", "shared_subscription_available"):  # fmt: skip
        assert said.get(name, 1) == 1
    assert "server_keep_alive" not in said
    assert "assigned_client_identifier" not in said
    assert "session_expiry_interval" not in said


@spec("MQTT 5.0 §3.2.2.3.4", "Maximum QoS may be 0 or 1, and is absent for 2", "MQTT-3.2.2-9")
async def test_connack_maximum_qos_of_2_is_not_sent(broker: Broker) -> None:
    a = broker.peer("a")
    await broker.play(a.send(connect()), a.expect(connack(maximum_qos=None)))


@spec("MQTT 5.0 §3.2.2.3.4", "MQTT-3.2.2-9", "MQTT-3.2.2-10", "MQTT-3.2.2-11", "MQTT-3.2.2-12")
@pytest.mark.parametrize("most", [0, 1])
async def test_maximum_qos_is_less_is_announced_granted_and_enforced(most: int) -> None:
    async with running(max_qos=most) as broker:
        a, b, c = broker.peers("a b c")
        await broker.play(
            a.send(connect()),                     a.expect(connack(maximum_qos=most)),
            a.send(subscribe(1, ("t", 0), ("u", 1), ("v", 2))),
            a.expect(suback(1, 0, min(1, most), min(2, most))),
            # To a topic that the broker knows, and to one that it does not.
            a.send(publish("v", b"1")),            a.expect(publish("v", b"1")),
            c.joins(),
            c.send(publish("v", qos=most + 1, packet_id=1)), c.refused(0x9B),
            a.send(publish("x", qos=2, packet_id=1)), a.refused(0x9B),
            b.send(connect(will=Will("w", qos=2))), b.turned_away(0x9B),
        )  # fmt: skip


@spec("MQTT 5.0 §3.2.2.3.5", "MQTT-3.2.2-13", "MQTT-3.2.2-14")
async def test_retain_is_not_available_is_announced_and_refused() -> None:
    async with running(retain_available=False) as broker:
        a, b = broker.peers("a b")
        await broker.play(
            a.send(connect()),                     a.expect(connack(retain_available=0)),
            a.send(publish("t", retain=True)),     a.refused(0x9A),
            b.send(connect(will=Will("w", retain=True))), b.turned_away(0x9A),
        )  # fmt: skip


@spec("MQTT 5.0 §3.2.2.3.6", "MQTT-3.2.2-15", "0x95 Packet too large")
async def test_maximum_packet_size_is_announced_and_enforced_before_the_packet_arrives() -> None:
    """Defect 21: judged from the header."""
    async with running(max_packet_size=100) as broker:
        a, b, c = broker.peers("a b c")
        await broker.play(
            a.send(connect()),                     a.expect(connack(maximum_packet_size=100)),
            a.send(subscribe(1, "t")),             a.expect(suback(1, 0)),
            b.joins(),
            b.send(publish("t", b"x" * 94)),       a.expect(publish("t", b"x" * 94)),
            b.send(b"\x30\x63"),                   b.refused(0x95),
            c.joins(),
            c.send(b"\x30\xff\xff\xff\x7f"),       c.refused(0x95),
            a.quiet(),
        )  # fmt: skip


@spec("MQTT 5.0 §3.2.2.3.3", "MQTT-3.3.4-7", "0x93 Receive Maximum exceeded")
async def test_receive_maximum_is_announced_and_enforced() -> None:
    async with running(receive_maximum=2) as broker:
        a = broker.peer("a")
        await broker.play(
            a.send(connect()),                     a.expect(connack(receive_maximum=2)),
            a.send(publish("t", qos=2, packet_id=1)), a.expect_kind(5),
            a.send(publish("t", qos=2, packet_id=2)), a.expect_kind(5),
            a.send(publish("t", qos=0)),
            a.send(publish("t", qos=1, packet_id=3)), a.refused(0x93),
        )  # fmt: skip


@spec("MQTT 5.0 §3.2.2.3.8", "MQTT-3.2.2-17", "MQTT-3.2.2-18", "MQTT-3.3.2-9", "MQTT-3.3.2-12",
      "0x94 Topic Alias invalid")  # fmt: skip
@pytest.mark.parametrize("maximum", [0, 3])
async def test_topic_alias_maximum_is_announced_and_enforced(maximum: int) -> None:
    async with running(topic_alias_maximum=maximum) as broker:
        a = broker.peer("a")
        await broker.play(
            a.joins(),
            a.send(subscribe(1, "t/#")),           a.expect(suback(1, 0)),
            *(
                [a.send(publish(f"t/{alias}", b"1", topic_alias=alias)),
                 a.send(publish("", b"2", topic_alias=alias)),
                 a.expect(publish(f"t/{alias}", b"1"), publish(f"t/{alias}", b"2"))]
                for alias in range(1, maximum + 1)
            ),
            a.send(publish("t", topic_alias=maximum + 1)), a.refused(0x94),
        )  # fmt: skip
        assert (a.heard[0].properties or {}).get("topic_alias_maximum", 0) == maximum


@spec("MQTT 5.0 §3.2.2.3.11", "0xA2 Wildcard Subscriptions not supported")
async def test_wildcards_are_not_available_is_announced_and_refused() -> None:
    async with running(wildcard_available=False) as broker:
        a = broker.peer("a")
        await broker.play(
            a.send(connect()),
                                               a.expect(connack(wildcard_subscription_available=0)),
            a.send(subscribe(1, "t", "t/#", "+")), a.expect(suback(1, 0, 0xA2, 0xA2)),
        )  # fmt: skip


@spec("MQTT 5.0 §3.2.2.3.12", "0xA1 Subscription Identifiers not supported")
async def test_subscription_identifiers_are_not_available_is_announced_and_refused() -> None:
    async with running(subscription_identifiers_available=False) as broker:
        a = broker.peer("a")
        await broker.play(
            a.send(connect()),
            a.expect(connack(subscription_identifier_available=0)),
            a.send(subscribe(1, "t", subscription_identifier=1)), a.refused(0xA1),
        )  # fmt: skip


@spec("MQTT 5.0 §3.2.2.3.13", "0x9E Shared Subscriptions not supported")
async def test_shared_subscriptions_are_not_available_is_announced_and_refused() -> None:
    async with running(shared_available=False) as broker:
        a = broker.peer("a")
        await broker.play(
            a.send(connect()),
                                                 a.expect(connack(shared_subscription_available=0)),
            a.send(subscribe(1, "t", "$share/g/t")), a.expect(suback(1, 0, 0x9E)),
        )  # fmt: skip


@spec("MQTT 5.0 §3.2.2.3.2", "a Session Expiry Interval that is not granted is said")
async def test_session_expiry_is_capped_is_said() -> None:
    async with running(max_session_expiry=10) as broker:
        a, b = broker.peers("a b")
        await broker.play(
            a.send(connect(session_expiry_interval=3600)),
            a.expect(connack(session_expiry_interval=10)),
            b.send(connect(session_expiry_interval=5)),
            b.expect(connack(session_expiry_interval=None)),
        )  # fmt: skip


@spec("MQTT 5.0 §3.2.2.3.14", "MQTT-3.2.2-21", "MQTT-3.1.2-21", "MQTT-3.1.2-22")
async def test_server_keep_alive_is_said_and_counts() -> None:
    async with running(max_keep_alive=1) as broker:
        a, b = broker.peers("a b")
        await broker.play(
            a.send(connect(keep_alive=600)),       a.expect(connack(server_keep_alive=1)),
            b.send(connect(keep_alive=1)),         b.expect(connack(server_keep_alive=None)),
            a.refused(0x8D),
        )  # fmt: skip


@spec("MQTT 5.0 §3.2.2.3.15", "MQTT-3.1.2-28", "Response Information when it is asked for")
async def test_response_information_is_asked_for_may_be_sent() -> None:
    async with running(response_information="answers") as broker:
        a, b = broker.peers("a b")
        await broker.play(
            a.send(connect(request_response_information=1)),
            a.expect(connack(response_information="answers")),
            b.send(connect()),                     b.expect(connack(response_information=None)),
        )  # fmt: skip


@spec("MQTT 5.0 §3.2.2.2", "0x97 Quota exceeded", "MQTT-3.1.4-2")
async def test_sessions_are_too_many_is_turned_away() -> None:
    """Defect 21."""
    async with running(max_sessions=1) as broker:
        a, b = broker.peers("a b")
        await broker.play(
            a.joins(session_expiry_interval=60),
            b.send(connect()),                     b.turned_away(0x97),
            a.quiet(),
        )  # fmt: skip


@spec("MQTT 5.0 §3.2.2.2", "0x95 Packet too large, before there is a session")
async def test_connect_is_too_large_closes() -> None:
    """Its version has not arrived, so there is no form to say it in."""
    async with running(max_packet_size=100) as broker:
        a = broker.peer("a")
        await broker.play(a.send(b"\x10\xff\xff\x7f"), a.closed())
