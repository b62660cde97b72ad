"""What a client can make the broker do is in proportion to what it sends."""

from __future__ import annotations

import pytest

from blackbull.errors import LimitExceeded
from blackbull.mqtt.auth.requests import ClientInfo
from blackbull.mqtt.codec.packets import encode_packet
from blackbull.mqtt.codec.publish import MQTTPublish
from blackbull.mqtt.codec.subscribe import MQTTSubscribe
from blackbull.mqtt.codec.types import ReasonCode
from blackbull.mqtt.settings import MQTTSettings
from blackbull.mqtt.state.hooks import Hooks
from blackbull.mqtt.state.link import Link
from blackbull.mqtt.state.publication import Publication, make_publication
from blackbull.mqtt.state.retention import LEVEL, Retention
from blackbull.mqtt.state.session import Session
from tests.spec import spec
from tests.unit.mqtt.state.unwired import House


def test_retained_messages_that_are_refused_do_not_look_at_those_that_are_there() -> None:
    swept: list[float] = []

    class Watched(Retention):
        __slots__ = ()

        def sweep(self, now: float) -> None:
            swept.append(now)

    retention = Watched(MQTTSettings(max_retained=10))
    for number in range(10):
        retention.keep(make_publication(f"t/{number}", b"x", retain=True), now=0.0)
    for number in range(5):
        with pytest.raises(LimitExceeded):
            retention.keep(make_publication(f"u/{number}", b"x", retain=True), now=1.0)
    assert swept == []


def test_retained_message_that_expired_makes_room() -> None:
    retention = Retention(MQTTSettings(max_retained=2))
    expiring = {"message_expiry_interval": 5}
    retention.keep(make_publication("a", b"x", properties=expiring, now=0.0), now=0.0)
    retention.keep(make_publication("b", b"x"), now=0.0)
    with pytest.raises(LimitExceeded):
        retention.keep(make_publication("c", b"x"), now=4.0)
    retention.keep(make_publication("c", b"x"), now=5.0)
    retention.keep(make_publication("c", b"", now=6.0), now=6.0)
    assert [each.topic for each in retention.matching("#", now=6.0)] == ["b"]


def test_figures_of_the_broker_are_never_counted_as_bytes_of_clients() -> None:
    retention = Retention(MQTTSettings())
    for _ in range(3):
        retention.show(make_publication("$SYS/broker/uptime", b"1 seconds", retain=True))
        retention.keep(make_publication("$SYS/broker/uptime", b"mine", retain=True), now=0.0)
        retention.keep(make_publication("$SYS/broker/uptime", b"", retain=True), now=0.0)
    assert retention.bytes == 0
    assert len(retention) == 0
    retention.keep(make_publication("a", b"x", retain=True), now=0.0)
    retention.show(make_publication("a", b"x", retain=True))
    assert retention.bytes == 0
    retention.keep(make_publication("a", b"", retain=True), now=0.0)
    assert retention.bytes == 0


def test_member_of_a_group_is_found_without_a_look_at_those_who_are_away() -> None:
    house = House()
    for number in range(50):
        house.subscribe(f"away{number}", "$share/g/t", qos=1, expiry=600).vanish()
    here = house.subscribe("here", "$share/g/t", qos=1)
    looked = 0

    class Watched(Session):
        __slots__ = ()

        @property
        def ready(self) -> bool:
            nonlocal looked
            looked += 1
            return False

    for name, session in house.broker.sessions.items():
        if name.startswith("away"):
            session.__class__ = Watched
    publisher = house.connect("p")
    for number in range(10):
        publisher.say(MQTTPublish("t", b"x", 1, number + 1))
    assert len(here.payloads()) == 10
    assert looked == 0


def test_messages_of_a_group_without_anybody_there_wait_in_turn() -> None:
    house = House()
    for name in ("a", "b", "c"):
        house.subscribe(name, "$share/g/t", qos=1, expiry=600).vanish()
    publisher = house.connect("p")
    publisher.say(*(MQTTPublish("t", b"%d" % each, 1, each + 1) for each in range(6)))
    got = [house.connect(name, clean=False, expiry=600).payloads() for name in ("a", "b", "c")]
    assert got == [[b"0", b"3"], [b"1", b"4"], [b"2", b"5"]]


def test_ending_many_links_does_not_search_for_each_among_all() -> None:
    house = House()
    peers = [house.connect(f"c{each}") for each in range(20)]
    compared = 0

    class Dirty(list[Link]):
        def __contains__(self, link: object) -> bool:
            nonlocal compared
            compared += len(self)
            return super().__contains__(link)

    dirty = Dirty()
    for peer in peers:
        peer.link.dirty = dirty
        peer.link.end(ReasonCode.ADMINISTRATIVE_ACTION)
    assert compared == 0
    assert set(dirty) == {peer.link for peer in peers}


def test_aliases_that_a_client_is_told_are_bounded_whatever_it_takes() -> None:
    house = House()
    reader = house.subscribe("s", "#", properties={"topic_alias_maximum": 65535})
    publisher = house.connect("p")
    for number in range(2000):
        publisher.say(MQTTPublish(f"topic/{number}", b"x"))
    assert len(reader.payloads()) == 2000
    assert len(reader.link.aliases or ()) <= 256


@spec("MQTT 3.1.1 §2.2.3")
def test_length_that_is_longer_than_it_needs_does_not_reach_others() -> None:
    house = House()
    reader = house.subscribe("s", "t", level=4)
    publisher = house.connect("p", level=4)
    padded = b"\x30\x84\x00\x00\x01tx"
    for _ in range(3):
        publisher.say(padded)
    assert reader.raw == b"\x30\x04\x00\x01tx" * 3


def test_clients_without_a_name_do_not_take_the_room_of_packets_that_repeat() -> None:
    house = House()
    for _ in range(20):
        house.connect("")
    assert len(house.broker.connacks) == 0
    house.connect("named")
    assert len(house.broker.connacks) == 1


def test_dropped_message_is_not_counted_as_sent() -> None:
    house = House(MQTTSettings(sys_interval=0, max_outbound_bytes=1))
    reader = house.subscribe("s", "t")
    reader.link.congested = True
    publisher = house.connect("p")
    publisher.say(MQTTPublish("t", b"x"))
    publisher.say(MQTTPublish("t", b"y"), MQTTPublish("t", b"y"))
    stats = house.broker.stats
    assert stats.publish_dropped == 3
    assert stats.publish_sent == 0


def test_messages_that_expire_one_by_one_are_not_looked_for_among_all() -> None:
    looked = 0

    class Watched(Publication):
        __slots__ = ()

        def __getattribute__(self, name: str) -> object:
            nonlocal looked
            looked += name == "expires_at"
            return super().__getattribute__(name)

    def expiring(topic: str, at: float) -> Publication:
        return Watched(topic.encode(), b"\0x", 1, 0, retain=True, expires_at=at)

    retention = Retention(MQTTSettings(max_retained=100))
    for number in range(100):
        retention.keep(expiring(f"t/{number}", number + 1.0), now=0.0)
    looked = 0
    for number in range(100):
        retention.keep(expiring(f"u/{number}", number + 200.0), now=number + 1.0)
    assert looked <= 10 * 100
    assert len(retention) == 100


def test_topic_that_is_retained_again_and_again_is_remembered_once() -> None:
    retention = Retention(MQTTSettings(max_retained=100))
    expiring = {"message_expiry_interval": 1000}
    for number in range(2000):
        now = float(number // 2)
        retention.keep(make_publication("t", b"x", properties=expiring, now=now), now=now)
    assert retention.noted <= 100
    for _ in range(1000):
        retention.keep(make_publication("t", b"x", properties=expiring, now=now), now=now)
        retention.keep(make_publication("t", b""), now=now)
    assert retention.noted <= 100


def test_client_that_is_sent_away_while_it_subscribes_leaves_nothing_behind() -> None:
    def authorize(client: ClientInfo, action: str, topic: str) -> bool:
        link = house.broker.sessions["c"].link
        assert link is not None
        house.broker.let_go(link)
        return True

    house = House(hooks=Hooks(authorize=authorize))
    house.connect("c").say(MQTTSubscribe(1, [("t", 0)]))
    assert not house.broker.sessions
    assert len(house.broker.router.subscriptions) == 0


def test_packet_that_comes_two_bytes_at_a_time_is_not_kept_in_as_many_objects() -> None:
    house = House()
    publisher, subscriber = house.connect("p"), house.subscribe("s", "t")
    packet = encode_packet(MQTTPublish("t", bytes(range(256)) * 400))
    most = 0
    for at in range(0, len(packet), 2):
        publisher.arrive(packet[at : at + 2])
        most = max(most, len(publisher.inbound._parts))
    publisher.house.finish()
    assert most < 1000
    assert subscriber.raw.endswith(packet)


def test_levels_of_retained_topics_are_counted() -> None:
    """A level is a byte or two of the topic, and a node of the tree."""
    deep = "/a" * 100
    allowed = 3 * (4 + len(deep) + LEVEL * 100)
    retention = Retention(MQTTSettings(max_retained_bytes=allowed))
    for name in ("x", "y", "z"):
        retention.keep(make_publication(name + deep, b"12", retain=True), now=0.0)
    assert retention.bytes == allowed
    with pytest.raises(LimitExceeded):
        retention.keep(make_publication("w", b"1", retain=True), now=0.0)
    retention.keep(make_publication("x" + deep, b"21", retain=True), now=0.0)
    assert retention.bytes == allowed
    for name in ("x", "y", "z"):
        retention.keep(make_publication(name + deep, b"", retain=True), now=0.0)
    assert retention.bytes == 0
    assert len(retention) == 0


@pytest.mark.parametrize("length", [10, 250, 2000])
def test_verdicts_about_topics_without_end_are_forgotten(length: int) -> None:
    """In number, in size, and each topic that is long: whatever the application has allowed."""
    asked: list[str] = []

    def allow(client: ClientInfo, action: str, topic: str) -> bool:
        asked.append(topic)
        return True

    house = House(hooks=Hooks(authorize=allow))
    peer = house.connect("a")
    for number in range(9000):
        peer.say(MQTTPublish(f"{number:05}/{'x' * (length - 6)}"))
        verdicts, routes = peer.inbound._verdicts, peer.inbound._publishing._routes
        assert len(verdicts._known or ()) <= 4096
        assert verdicts._size <= 262_144
        assert len(routes) <= 4096
        assert len(house.broker.router.routes) <= 100_000
    assert len(asked) == 9000
    assert bool(routes) is (length <= 256)
    assert sum(map(len, routes)) <= 4096 * 256


@spec("MQTT 5.0 §3.3.2.3.3")
def test_retained_message_that_expired_is_not_found() -> None:
    retention = Retention(MQTTSettings())
    expiring = {"message_expiry_interval": 5}
    retention.keep(make_publication("a", b"x", properties=expiring, now=0.0), now=0.0)
    assert [each.topic for each in retention.matching("a", now=4.9)] == ["a"]
    assert retention.matching("a", now=5.0) == []
    retention.sweep(5.0)
    assert (len(retention), retention.bytes) == (0, 0)
