"""MQTT 3.1.1 §4: order, topics, flows without a quota, and both versions at one broker."""

from __future__ import annotations

import pytest

from blackbull.mqtt.state.inbound import Inbound
from tests.mqtt_packets import (
    AS_PUBLISHED,
    Packet,
    Will,
    puback,
    pubcomp,
    publish,
    pubrec,
    pubrel,
    suback,
    subscribe,
)
from tests.mqtt_server import Broker, running
from tests.spec import spec


@spec("MQTT 3.1.1 §4.6", "MQTT-4.6.0-5", "MQTT-4.6.0-6", "MQTT-4.6.0-2", "MQTT-4.6.0-3",
      "MQTT-4.6.0-4")  # fmt: skip
async def test_messages_and_acknowledgements_keep_their_order(broker: Broker) -> None:
    a, b = broker.peers("a b", 4)
    most = range(1, 31)
    await broker.play(
        a.joins(),
        a.send(subscribe(1, ("t", 1))),            a.expect(suback(1, 1)),
        b.joins(),
        b.send(*(publish("t", b"%d" % n, qos=1, packet_id=n) for n in most)),
        b.expect(*(puback(n) for n in most)),
        b.send(*(publish("u", qos=2, packet_id=n) for n in most)),
        b.expect(*(pubrec(n) for n in most)),
        b.send(*(pubrel(n) for n in most)),
        b.expect(*(pubcomp(n) for n in most)),
        a.expect(*(publish("t", b"%d" % n, qos=1, packet_id=f"m{n}") for n in most)),
    )  # fmt: skip


@spec("MQTT 3.1.1 §4.3.3", "there is no Receive Maximum in MQTT 3.1.1")
async def test_publisher_may_have_any_number_of_messages_under_way(broker: Broker) -> None:
    a = broker.peer("a", 4)
    most = range(1, 501)
    await broker.play(
        a.joins(),
        a.send(*(publish("t", qos=2, packet_id=n) for n in most)),
        a.expect(*(pubrec(n) for n in most)),
        a.send(*(publish("t", qos=1, packet_id=n + 1000) for n in most)),
        a.expect(*(puback(n + 1000) for n in most)),
        a.send(*(pubrel(n) for n in most)),
        a.expect(*(pubcomp(n) for n in most)),
        a.quiet(),
    )


@spec("MQTT 3.1.1 §4.7", "MQTT-4.7.1-2", "MQTT-4.7.1-3", "MQTT-4.7.2-1", "MQTT-3.3.2-3",
      "MQTT-4.7.3-4")  # fmt: skip
@pytest.mark.parametrize(
    ("topic_filter", "topics", "others"),
    [
        ("sport/tennis/player1/#", ["sport/tennis/player1", "sport/tennis/player1/a/b"],
         ["sport/tennis/player2"]),
        ("sport/#", ["sport"], ["sports"]),
        ("#", ["a", "/", "a//b"], ["$own/a"]),
        ("+/monitor", ["x/monitor", "/monitor"], ["$own/monitor", "a/b/monitor"]),
        ("$own/#", ["$own", "$own/a"], ["own"]),
        ("/+", ["/finance"], ["finance"]),
        ("+/+", ["/finance"], ["finance", "a/b/c"]),
        ("A", ["A"], ["a", "A/", "/A"]),
    ],
)  # fmt: skip
async def test_filter_matches_its_topics_and_no_others(
    broker: Broker, topic_filter: str, topics: list[str], others: list[str]
) -> None:
    """S41."""
    a = broker.peer("a", 4)
    await broker.play(
        a.joins(),
        a.send(subscribe(1, topic_filter)),        a.expect(suback(1, 0)),
        a.send(*(publish(topic, b"x") for topic in [*others, *topics])),
        a.expect(*(publish(topic, b"x") for topic in topics)),
        a.quiet(),
    )  # fmt: skip


@spec("MQTT 3.1.1 §4.7.3", "MQTT-4.7.3-1", "MQTT-4.7.3-3", "0x80 for a filter that cannot be")
@pytest.mark.parametrize("topic_filter", ["", "t#", "+t", "$share/g/", "t" * 65535])
async def test_topic_filter_cannot_be_is_refused(broker: Broker, topic_filter: str) -> None:
    a = broker.peer("a", 4)
    await broker.play(
        a.joins(),
        a.send(subscribe(1, topic_filter, "t")),   a.expect(suback(1, 0x80, 0)),
        a.quiet(),
    )  # fmt: skip


@spec("MQTT 3.1.1 §4.1", "MQTT-4.5.0-2", "an acknowledgement of nothing is ignored")
async def test_acknowledgements_of_nothing_are_ignored(broker: Broker) -> None:
    a = broker.peer("a", 4)
    await broker.play(
        a.joins(),
        a.send(puback(7), pubcomp(8)),
        a.send(pubrel(9)),                         a.expect(pubcomp(9)),
        a.send(pubrec(10)),                        a.expect(pubrel(10)),
        a.quiet(),
    )  # fmt: skip


# Both versions at one broker ------------------------------------------------------------------


@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_message_of_mqtt_5_reaches_a_client_of_3_1_1_without_properties(
    broker: Broker, qos: int
) -> None:
    """The peer of level 4 would take properties for payload."""
    old, new, p = broker.peer("old", 4), broker.peer("new"), broker.peer("p")
    said = {"content_type": "x", "user_property": [("k", "v")], "message_expiry_interval": 100}
    answer = {
        0: [],
        1: [p.expect(puback(1))],
        2: [p.expect(pubrec(1)), p.send(pubrel(1)), p.expect(pubcomp(1))],
    }[qos]
    name = "m" if qos else None
    await broker.play(
        old.joins(), old.send(subscribe(1, ("t", 2))), old.expect(suback(1, 2)),
        new.joins(), new.send(subscribe(1, ("t", 2))), new.expect(suback(1, 2)),
        p.joins(),
        p.send(publish("t", b"x", qos=qos, packet_id=1, **said)), *answer,
        old.expect(publish("t", b"x", qos=qos, packet_id=name)),
        new.expect(publish("t", b"x", qos=qos, packet_id=name, **said)),
    )  # fmt: skip


@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_message_of_3_1_1_reaches_a_client_of_mqtt_5(broker: Broker, qos: int) -> None:
    old, new, p = broker.peer("old", 4), broker.peer("new"), broker.peer("p", 4)
    answer = {
        0: [],
        1: [p.expect(puback(1))],
        2: [p.expect(pubrec(1)), p.send(pubrel(1)), p.expect(pubcomp(1))],
    }[qos]
    name = "m" if qos else None
    await broker.play(
        old.joins(), old.send(subscribe(1, ("#", 2))), old.expect(suback(1, 2)),
        new.joins(topic_alias_maximum=2),
        new.send(subscribe(1, ("t", 2 | AS_PUBLISHED), subscription_identifier=3)),
        new.expect(suback(1, 2)),
        p.joins(),
        p.send(publish("t", b"\0x", qos=qos, packet_id=1, retain=True)), *answer,
        old.expect(publish("t", b"\0x", qos=qos, packet_id=name)),
        new.expect(publish("t", b"\0x", qos=qos, packet_id=name, retain=True,
                           subscription_identifier=[3])),
    )  # fmt: skip


async def test_retained_messages_and_wills_cross_versions(broker: Broker) -> None:
    """S39, S40."""
    old, new, p, q = (
        broker.peer("old", 4), broker.peer("new"), broker.peer("p", 4), broker.peer("q"),
    )  # fmt: skip
    await broker.play(
        p.joins(will=Will("w/p", b"1", retain=True)),
        q.joins(will=Will("w/q", b"2", retain=True, properties={"content_type": "x"})),
        p.vanishes(), q.vanishes(),
        old.joins(), old.send(subscribe(1, "w/+")), old.expect(suback(1, 0)),
        old.expect_any_order(publish("w/p", b"1", retain=True), publish("w/q", b"2", retain=True)),
        new.joins(), new.send(subscribe(1, "w/+")), new.expect(suback(1, 0)),
        new.expect_any_order(
            publish("w/p", b"1", retain=True),
            publish("w/q", b"2", retain=True, content_type="x"),
        ),
    )  # fmt: skip


async def test_session_is_resumed_in_the_other_version(broker: Broker) -> None:
    """S37: the same client after an update, and after a downgrade."""
    old, new, p = broker.peer("a", 4), broker.peer("a"), broker.peer("p")
    await broker.play(
        old.joins(clean=False),
        old.send(subscribe(1, ("t", 1))),          old.expect(suback(1, 1)),
        old.leaves(),
        p.joins(),
        p.send(publish("t", b"1", qos=1, packet_id=1, content_type="x")), p.expect(puback(1)),
        new.joins(clean=False, session_present=True, session_expiry_interval=60),
        new.expect(publish("t", b"1", qos=1, packet_id="m", content_type="x")),
        new.vanishes(),
        old.joins(clean=False, session_present=True),
        old.expect(publish("t", b"1", qos=1, packet_id="m", dup=True)),
    )  # fmt: skip


async def test_shared_subscription_has_members_of_both_versions(broker: Broker) -> None:
    """S41: MQTT 3.1.1 does not forbid what Mosquitto lets it do."""
    old, new, p = broker.peer("old", 4), broker.peer("new"), broker.peer("p", 4)
    await broker.play(
        old.joins(), old.send(subscribe(1, "$share/g/t")), old.expect(suback(1, 0)),
        new.joins(), new.send(subscribe(1, "$share/g/t")), new.expect(suback(1, 0)),
        p.joins(),
        p.send(*(publish("t", b"%d" % n) for n in range(4))), p.quiet(),
        old.expect_kind(3), old.expect_kind(3), old.quiet(),
        new.expect_kind(3), new.expect_kind(3), new.quiet(),
    )  # fmt: skip


@spec("MQTT 3.1.1 §4.8", "MQTT-4.8.0-2", "an error of the server's own")
@pytest.mark.parametrize("packet", [publish("t", b"x"), subscribe(1, "t")])
async def test_server_fails_at_a_packet_closes_the_connection_that_it_came_on(
    packet: Packet, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nobody else's."""
    sound = Inbound._packet

    def broken(self: Inbound, first: int, body: bytes) -> bool:
        if self.link.session is not None and self.link.session.client_id == "a":
            raise RuntimeError("a bug of ours")
        return sound(self, first, body)

    monkeypatch.setattr(Inbound, "_packet", broken)
    async with running() as broker:
        a, b = broker.peers("a b", 4)
        await broker.play(
            b.joins(),
            b.send(subscribe(1, "#")),             b.expect(suback(1, 0)),
            a.joins(),
            a.send(packet),                        a.closed(),
            b.send(publish("t", b"y")),            b.expect(publish("t", b"y")),
        )  # fmt: skip
    assert "a bug of ours" in caplog.text
