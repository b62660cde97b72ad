"""What a session promised, across connections that end at the worst moment."""

from __future__ import annotations

import pytest

from blackbull.mqtt.codec.connect import MQTTConnack, MQTTConnect
from blackbull.mqtt.codec.control import MQTTDisconnect
from blackbull.mqtt.codec.packets import encode_packet
from blackbull.mqtt.codec.publish import MQTTPuback, MQTTPublish
from blackbull.mqtt.codec.subscribe import MQTTSubscribe
from blackbull.mqtt.codec.types import ReasonCode
from blackbull.mqtt.settings import MQTTSettings, Overflow
from tests.spec import spec
from tests.unit.mqtt.state.unwired import House, Peer


def published(peer: Peer) -> list[MQTTPublish]:
    return [each for each in peer.heard() if isinstance(each, MQTTPublish)]


@spec("MQTT 5.0 §4.9", "MQTT-4.9.0-2")
def test_receive_maximum_holds_when_what_is_not_sent_again_yet_is_acknowledged() -> None:
    house = House()
    publisher = house.connect("p")
    reader = house.subscribe("s", "t", qos=1, expiry=60)
    publisher.say(*(MQTTPublish("t", b"%d" % each, 1, each) for each in (1, 2, 3, 4)))
    sent = [each.packet_id for each in published(reader)]
    reader.vanish()
    again = house.connect("s", clean=False, expiry=60, properties={"receive_maximum": 1})
    assert [each.packet_id for each in published(again)] == sent[:1]
    again.say(MQTTPuback(sent[1] or 0))
    again.say(MQTTPuback(sent[2] or 0))
    assert published(again) == [], "the first one is still under way"
    again.say(MQTTPuback(sent[0] or 0))
    assert [each.packet_id for each in published(again)] == sent[3:]


@spec("MQTT 5.0 §4.8.2")
def test_shared_message_of_a_session_that_expires_goes_to_another_member() -> None:
    house = House()
    first = house.subscribe("a", "$share/g/t", qos=1, expiry=10)
    second = house.subscribe("b", "$share/g/t", qos=1, expiry=100)
    second.vanish()
    house.connect("p").say(MQTTPublish("t", b"x", 1, 1))
    assert first.payloads() == [b"x"]
    first.vanish()
    second = house.connect("b", clean=False, expiry=100)
    assert second.payloads() == []
    house.wait(11)
    assert second.payloads() == [b"x"]


@spec("MQTT 5.0 §4.8.2", "MQTT-4.8.2-5")
def test_shared_message_of_qos_2_under_way_dies_with_its_session() -> None:
    house = House()
    first = house.subscribe("a", "$share/g/t", qos=2, expiry=10)
    second = house.subscribe("b", "$share/g/t", qos=2, expiry=100)
    second.vanish()
    house.connect("p").say(MQTTPublish("t", b"x", 2, 1))
    assert first.payloads() == [b"x"]
    first.vanish()
    second = house.connect("b", clean=False, expiry=100)
    house.wait(11)
    assert second.payloads() == []


def test_queue_full_of_expired_messages_takes_what_is_fresh() -> None:
    house = House(MQTTSettings(sys_interval=0, max_queued_messages=3))
    house.subscribe("s", "t", qos=1, expiry=600).vanish()
    publisher = house.connect("p")
    for number in (1, 2, 3):
        publisher.say(
            MQTTPublish("t", b"old", 1, number, properties={"message_expiry_interval": 5})
        )
    house.wait(6)
    publisher.say(MQTTPublish("t", b"fresh", 1, 4))
    assert house.connect("s", clean=False, expiry=600).payloads() == [b"fresh"]


def test_full_queue_that_drops_the_oldest_drops_the_expired_before() -> None:
    settings = MQTTSettings(sys_interval=0, max_queued_messages=2, overflow=Overflow.DROP_OLDEST)
    house = House(settings)
    house.subscribe("s", "t", qos=1, expiry=600).vanish()
    publisher = house.connect("p")
    publisher.say(MQTTPublish("t", b"1", 1, 1))
    publisher.say(MQTTPublish("t", b"2", 1, 2, properties={"message_expiry_interval": 5}))
    house.wait(6)
    publisher.say(MQTTPublish("t", b"3", 1, 3))
    assert house.connect("s", clean=False, expiry=600).payloads() == [b"1", b"3"]


@spec("MQTT 5.0 §3.1.2.11.4", "MQTT-3.1.2-24")
def test_message_that_grew_on_its_way_is_not_sent_beyond_the_maximum_packet_size() -> None:
    house = House(MQTTSettings(sys_interval=0, max_packet_size=100))
    reader = house.subscribe("s", "t/#", qos=1, properties={"maximum_packet_size": 100})
    publisher = house.connect("p")
    topic = "t/" + "x" * 30
    alias = {"topic_alias": 1}
    publisher.say(MQTTPublish(topic, b"1", 1, 1, properties=alias))
    assert reader.payloads() == [b"1"]
    publisher.say(MQTTPublish("", b"y" * 85, 1, 2, properties=alias))
    assert reader.raw == b""


def test_will_beyond_the_limits_of_topics_is_refused() -> None:
    for topic in ("a/" * 200 + "b", "x" * 5000):
        house = House()
        peer = house.peer()
        peer.say(MQTTConnect("c", True, 60, 5, will_topic=topic, will_payload=b"x"))
        connack, *_ = peer.heard()
        assert isinstance(connack, MQTTConnack)
        assert connack.reason_code == ReasonCode.TOPIC_NAME_INVALID
        assert peer.limits
        assert not house.broker.sessions


def test_stalled_backlogs_are_not_looked_at_in_every_batch() -> None:
    house = House()
    publisher = house.connect("p")
    for number in range(3):
        publisher.say(MQTTPublish(f"r/{number}", b"x", 1, number + 1, retain=True))
    stalled = [house.connect(f"s{each}", properties={"receive_maximum": 1}) for each in range(20)]
    for peer in stalled:
        peer.say(MQTTSubscribe(1, [("r/#", 1)]))
    assert house.broker.waiting == []
    for peer in stalled:
        got = published(peer)
        while len(got) < 3:
            peer.say(MQTTPuback(got[-1].packet_id or 0))
            more = published(peer)
            assert len(more) == 1
            got += more


def test_stalled_backlog_goes_on_when_the_client_reads_again() -> None:
    house = House()
    publisher = house.connect("p")
    publisher.say(MQTTPublish("r/1", b"retained", retain=True))
    reader = house.connect("s")
    reader.link.congested = True
    reader.say(MQTTSubscribe(1, [("r/#", 0)]))
    publisher.say(MQTTPublish("r/1", b"live"))
    assert house.broker.waiting == []
    reader.read_again()
    assert reader.payloads() == [b"retained", b"live"]


@pytest.mark.parametrize("said", ["in CONNECT", "in DISCONNECT", "by a client of MQTT 3.1.1"])
def test_session_outlives_its_connection_no_longer_than_it_may(said: str) -> None:
    house = House(MQTTSettings(sys_interval=0, max_session_expiry=10))
    level = 4 if "3.1.1" in said else 5
    expiry = {"in CONNECT": 3600, "in DISCONNECT": 5}.get(said, 0)
    peer = house.connect("a", level=level, clean=False, expiry=expiry)
    if said == "in DISCONNECT":
        peer.say(MQTTDisconnect(0, {"session_expiry_interval": 3600}))
    peer.vanish()
    house.wait(9.5)
    assert "a" in house.broker.sessions
    house.wait(1)
    assert house.broker.sessions == {}


def test_will_is_published_when_its_session_ends_at_the_latest() -> None:
    house = House(MQTTSettings(sys_interval=0, max_session_expiry=10))
    watcher = house.subscribe("w", "will")
    will = {"will_topic": "will", "will_payload": b"gone"}
    delayed = {"will_properties": {"will_delay_interval": 3600}}
    mortal = house.connect("a", expiry=3600, **will, **delayed)
    mortal.vanish()
    house.wait(9.5)
    assert watcher.payloads() == []
    house.wait(1)
    assert watcher.payloads() == [b"gone"]


def test_queue_holds_as_many_bytes_as_it_may() -> None:
    for room, dropped in ((3 * 102, 0), (3 * 102 - 1, 1)):
        house = House(MQTTSettings(sys_interval=0, max_queued_bytes=room))
        house.subscribe("s", "t", qos=1, expiry=60).vanish()
        house.connect("p").say(*(MQTTPublish("t", b"x" * 100, 1, each) for each in (1, 2, 3)))
        session = house.broker.sessions["s"]
        assert session.dropped == dropped
        assert session.queued_bytes == (3 - dropped) * 102


def test_messages_for_a_client_that_does_not_read_are_kept_up_to_a_size() -> None:
    size = len(encode_packet(MQTTPublish("t", b"x" * 100), level=5))
    for room, kept in ((3 * size, 3), (3 * size - 1, 2)):
        house = House(MQTTSettings(sys_interval=0, max_outbound_bytes=room))
        slow = house.subscribe("s", "t")
        slow.link.congested = True
        for _ in range(4):
            house.connect("p").say(MQTTPublish("t", b"x" * 100))
        slow.read_again()
        assert len(slow.payloads()) == kept
        assert slow.limits[:1] == ["mqtt_max_outbound_bytes"]


def test_message_that_expires_while_it_waits_is_not_sent() -> None:
    house = House()
    house.subscribe("s", "t", qos=1, expiry=60).vanish()
    expiring = {"message_expiry_interval": 5}
    house.connect("p").say(
        MQTTPublish("t", b"late", 1, 1, properties=expiring), MQTTPublish("t", b"kept", 1, 2)
    )
    house.wait(6)
    again = house.connect("s", clean=False, expiry=60)
    assert again.payloads() == [b"kept"]
    assert house.broker.sessions["s"].queued_bytes == 0
