"""MQTT 5.0 §4.7: Topic Names and Topic Filters."""

from __future__ import annotations

import pytest

from tests.mqtt_packets import Will, connect, puback, publish, pubrec, suback, subscribe
from tests.mqtt_server import Broker, running
from tests.spec import spec

MATCH = {
    "sport/tennis/player1/#": ["sport/tennis/player1", "sport/tennis/player1/ranking",
                               "sport/tennis/player1/score/wimbledon"],
    "sport/#": ["sport", "sport/", "sport/a"],
    "#": ["a", "/", "a/b", "/a"],
    "sport/tennis/+": ["sport/tennis/player1", "sport/tennis/"],
    "sport/+": ["sport/"],
    "+": ["finance", " "],
    "+/+": ["/finance", "a/b", "/"],
    "/+": ["/finance", "/"],
    "+/tennis/#": ["sport/tennis", "/tennis", "x/tennis/y/z"],
    "sport/+/player1": ["sport/tennis/player1", "sport//player1"],
    "$own/x/#": ["$own/x", "$own/x/y"],
    "$x/+": ["$x/y"],
    "a//b": ["a//b"],
    "a/$b/#": ["a/$b/c"],
}  # fmt: skip
OTHERS = {
    "sport/tennis/player1/#": ["sport/tennis", "sport/tennis/player10"],
    "sport/tennis/+": ["sport/tennis", "sport/tennis/player1/ranking"],
    "sport/+": ["sport"],
    "+": ["/finance", "a/b"],
    "#": ["$own/x", "$x"],
    "+/monitor/Clients": ["$own/monitor/Clients"],
    "+/+": ["$x/y"],
    "Accounts": ["ACCOUNTS", "accounts", "Accounts/", "/Accounts", " Accounts"],
    "a/b": ["a//b", "a/b/", "a/b/c", "a"],
}


@spec("MQTT 5.0 §4.7.1", "MQTT-4.7.1-1", "MQTT-4.7.1-2", "MQTT-3.3.2-3", "MQTT-4.7.3-4")
@pytest.mark.parametrize("topic_filter", MATCH)
async def test_filter_matches_its_topics(broker: Broker, topic_filter: str) -> None:
    """S41."""
    a = broker.peer("a")
    await broker.play(
        a.joins(),
        a.send(subscribe(1, topic_filter)),        a.expect(suback(1, 0)),
        *(
            [a.send(publish(topic, b"x")),         a.expect(publish(topic, b"x"))]
            for topic in MATCH[topic_filter]
        ),
        a.quiet(),
    )  # fmt: skip


@spec("MQTT 5.0 §4.7.2", "MQTT-4.7.2-1", "MQTT-4.7.3-4", "MQTT-3.3.2-3")
@pytest.mark.parametrize("topic_filter", OTHERS)
async def test_filter_does_not_match_other_topics(broker: Broker, topic_filter: str) -> None:
    """S41: topics with $ and filters that begin with a wildcard."""
    a = broker.peer("a")
    await broker.play(
        a.joins(),
        a.send(subscribe(1, topic_filter)),        a.expect(suback(1, 0)),
        *(a.send(publish(topic, b"x")) for topic in OTHERS[topic_filter]),
        a.quiet(),
    )  # fmt: skip


@spec("MQTT 5.0 §4.7.1", "MQTT-4.7.2-1", "the same holds for retained messages")
@pytest.mark.parametrize("topic_filter", [*MATCH, "+/x/#"])
async def test_filter_finds_retained_messages_by_the_same_rules(
    broker: Broker, topic_filter: str
) -> None:
    """S39, S41."""
    a, b = broker.peers("a b")
    theirs = MATCH.get(topic_filter, [])
    stray = ["$own/q", "$other", "zzz/yyy/xxx"] if topic_filter != "#" else ["$own/q", "$other"]
    await broker.play(
        b.joins(),
        b.send(*(publish(topic, b"x", retain=True) for topic in [*theirs, *stray])),
        b.quiet(),
        a.joins(),
        a.send(subscribe(1, topic_filter)),        a.expect(suback(1, 0)),
        a.expect_any_order(*(publish(topic, b"x", retain=True) for topic in theirs)),
        a.quiet(),
    )  # fmt: skip


@spec("MQTT 5.0 §4.7.3", "MQTT-4.7.3-3", "topics of any length that the broker allows")
async def test_topic_of_65535_bytes_is_delivered() -> None:
    topic = "t" * 65_535
    async with running(max_topic_length=65_535) as broker:
        a = broker.peer("a")
        await broker.play(
            a.joins(),
            a.send(subscribe(1, topic)),           a.expect(suback(1, 0)),
            a.send(publish(topic, b"x")),          a.expect(publish(topic, b"x")),
        )  # fmt: skip


@spec("MQTT 5.0 §4.7.3", "0x90 and 0x8F: a topic that is longer or deeper than allowed")
async def test_topic_is_longer_or_deeper_than_allowed_is_refused() -> None:
    async with running(max_topic_length=10, max_topic_levels=3) as broker:
        a, b = broker.peers("a b")
        await broker.play(
            a.joins(),
            a.send(subscribe(1, "t" * 10, "t" * 11, "a/b/c", "a/b/c/d")),
            a.expect(suback(1, 0, 0x8F, 0, 0x8F)),
            b.joins(),
            b.send(publish("t" * 11), publish("a/b/c/d")),
            b.send(publish("t" * 11, qos=1, packet_id=1)), b.expect(puback(1, 0x90)),
            b.send(publish("a/b/c/d", qos=2, packet_id=2)), b.expect(pubrec(2, 0x90)),
            b.send(publish("t" * 10)),             a.expect(publish("t" * 10)),
            b.send(publish("a/b/c")),              a.expect(publish("a/b/c")),
            a.quiet(),
        )  # fmt: skip


@spec("MQTT 5.0 §4.7.2", "clients do not use $SYS among themselves")
async def test_client_publishes_to_sys_is_refused(broker: Broker) -> None:
    """Nobody but the broker says how the broker is: a message, a retained one, a Will."""
    a, b, c = broker.peers("a b c")
    version = "$SYS/broker/version"
    await broker.play(
        a.joins(),
        a.send(subscribe(1, (version, 2))),        a.expect(suback(1, 2)),
        a.expect_kind(3),
        b.joins(),
        *(
            [b.send(publish(version, b"x")),
             b.send(publish(version, b"x", retain=True)),
             b.send(publish(version, b"x", qos=1, packet_id=1)), b.expect(puback(1, 0x87)),
             b.send(publish(version, b"x", qos=2, packet_id=2)), b.expect(pubrec(2, 0x87)),
             b.send(publish("$SYS", b"x", qos=1, packet_id=1)), b.expect(puback(1, 0x87))]
            for _ in range(2)
        ),
        c.send(connect(will=Will(version, b"x"))), c.turned_away(0x87),
        b.send(publish("$SYSTEM", b"x", qos=1, packet_id=1)), b.expect(puback(1, 0x10)),
        a.quiet(),
    )  # fmt: skip


@spec("MQTT 5.0 §4.7.2", "$SYS belongs to the server", "MQTT-4.7.2-1")
async def test_sys_topics_tell_of_the_broker(broker: Broker) -> None:
    """S41: and filters that begin with a wildcard do not find them."""
    a = broker.peer("a")
    await broker.play(
        a.joins(),
        a.send(subscribe(2, "#", "+/broker/version", "+/+/version")), a.expect(suback(2, 0, 0, 0)),
        a.quiet(),
        a.send(subscribe(1, "$SYS/broker/version")), a.expect(suback(1, 0)),
        a.expect_kind(3),
        a.quiet(),
    )  # fmt: skip
    assert a.heard[-2]["topic"] == "$SYS/broker/version"
    assert a.heard[-2]["retain"] is True
    assert a.heard[-2]["payload"]
