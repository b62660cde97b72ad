"""MQTT 5.0 §4.1, §3.1.2.11.2, §3.1.3.2.2, §3.3.2.3.3: what depends on the time, without waiting."""

from __future__ import annotations

import pytest

from tests.mqtt_packets import (
    CONNACK,
    DISCONNECT,
    PUBLISH,
    PUBREL,
    Packet,
    Will,
    connect,
    puback,
    pubcomp,
    publish,
    pubrec,
    pubrel,
    subscribe,
)
from tests.mqtt_world import Client, World
from tests.spec import spec

NEVER = 0xFFFF_FFFF
DAY = 86_400


def joins(client: Client, **fields: object) -> bool:
    """Connect; return Session Present."""
    connack = client.says(connect(**fields))[0]
    assert connack.kind == CONNACK
    assert connack["code"] == 0
    return connack["session_present"] is True


def listener(world: World, name: str = "w", topic_filter: str = "#", qos: int = 2) -> Client:
    client = world.peer(name)
    joins(client, session_expiry_interval=NEVER)
    client.says(subscribe(1, (topic_filter, qos)))
    return client


def interval(packet: Packet) -> object:
    return (packet.properties or {}).get("message_expiry_interval")


# Session expiry -------------------------------------------------------------------------------


@spec("MQTT 5.0 §3.1.2.11.2", "MQTT-4.1.0-2", "MQTT-3.1.2-23")
@pytest.mark.parametrize("how", ["vanishes", "leaves"])
def test_session_ends_when_its_interval_has_passed_and_not_before(how: str) -> None:
    """Defect 36: S37."""
    world = World()
    a = world.peer("a")
    joins(a, session_expiry_interval=100)
    a.says(subscribe(1, ("t", 1)))
    getattr(a, how)()
    world.passes(99)
    assert "a" in world.broker.sessions
    assert joins(a, clean=False, session_expiry_interval=100)
    getattr(a, how)()
    world.passes(100)
    assert "a" not in world.broker.sessions
    assert not joins(a, clean=False)


@spec("MQTT 5.0 §3.1.2.11.2", "MQTT-4.1.0-1", "the interval begins when the connection ends")
def test_session_does_not_end_while_its_client_is_connected() -> None:
    world = World()
    a = listener(world, "a")
    a.leaves()
    assert joins(a, clean=False, session_expiry_interval=10)
    world.passes(DAY)
    assert "a" in world.broker.sessions
    a.vanishes()
    world.passes(9)
    assert joins(a, clean=False, session_expiry_interval=10)


@spec("MQTT 5.0 §3.1.2.11.2", "0xFFFFFFFF: it does not expire")
def test_session_of_the_longest_interval_never_ends() -> None:
    world = World()
    a = listener(world, "a")
    a.vanishes()
    world.passes(200 * 365 * DAY)
    assert joins(a, clean=False)


@spec("MQTT 5.0 §3.14.2.2.2", "MQTT-4.1.0-2", "shortened and prolonged in DISCONNECT")
@pytest.mark.parametrize(("first", "then"), [(1000, 10), (10, 1000), (10, 0)])
def test_session_interval_of_the_disconnect_counts(first: int, then: int) -> None:
    world = World()
    a = world.peer("a")
    joins(a, session_expiry_interval=first)
    a.leaves(session_expiry_interval=then)
    assert ("a" in world.broker.sessions) == (then > 0)
    if then:
        world.passes(then - 1)
        assert "a" in world.broker.sessions
        world.passes(1)
    assert "a" not in world.broker.sessions


@spec("MQTT 5.0 §3.1.2.11.2", "MQTT-4.1.0-2", "what it held is gone with it")
def test_session_that_expired_leaves_nothing_behind() -> None:
    world = World()
    a, p = world.peer("a"), world.peer("p")
    joins(a, session_expiry_interval=10)
    joins(p)
    a.says(subscribe(1, ("t", 1)), subscribe(2, ("$share/g/t", 1)))
    a.vanishes()
    p.says(publish("t", b"x", qos=1, packet_id=1))
    world.passes(10)
    assert list(world.broker.sessions) == ["p"]
    assert len(world.broker.router.subscriptions) == 0
    assert len(world.broker.router.groups) == 0
    (answer,) = p.says(publish("t", b"x", qos=1, packet_id=2))
    assert answer["code"] == 0x10


# Will delay -----------------------------------------------------------------------------------


@spec("MQTT 5.0 §3.1.3.2.2", "MQTT-3.1.2-8", "MQTT-3.1.2-10")
def test_will_is_published_when_its_delay_has_passed_and_not_before() -> None:
    """S40."""
    world = World()
    a, w = world.peer("a"), listener(world)
    joins(a, will=Will("w", b"gone", properties={"will_delay_interval": 30}),
          session_expiry_interval=60)  # fmt: skip
    a.vanishes()
    world.passes(29)
    assert w.messages() == []
    world.passes(1)
    assert w.messages() == [("w", b"gone")]
    world.passes(60)
    assert w.messages() == []


@spec("MQTT 5.0 §3.1.3.2.2", "the delay or the end of the session, whichever is first")
@pytest.mark.parametrize(("delay", "expiry", "due"), [(30, 10, 10), (10, 30, 10), (30, 0, 0)])
def test_will_is_published_at_the_end_of_the_session_at_the_latest(
    delay: int, expiry: int, due: int
) -> None:
    world = World()
    a, w = world.peer("a"), listener(world)
    joins(a, will=Will("w", b"gone", properties={"will_delay_interval": delay}),
          session_expiry_interval=expiry)  # fmt: skip
    a.vanishes()
    if due:
        world.passes(due - 0.5)
        assert w.messages() == []
        world.passes(0.5)
    assert w.messages() == [("w", b"gone")]


@spec("MQTT 5.0 §3.1.3.2.2", "MQTT-3.1.3-9")
def test_will_is_off_when_its_client_is_back_in_time() -> None:
    world = World()
    a, w = world.peer("a"), listener(world)
    will = Will("w", b"gone", properties={"will_delay_interval": 30})
    joins(a, will=will, session_expiry_interval=60)
    a.vanishes()
    world.passes(29)
    assert joins(a, clean=False, session_expiry_interval=60)
    world.passes(DAY)
    assert w.messages() == []
    a.vanishes()
    world.passes(59)
    assert w.messages() == [], "the new connection has no Will"


@spec("MQTT 5.0 §3.1.3.2.2", "MQTT-3.1.3-9", "and the next one begins anew")
def test_will_delay_begins_at_the_end_of_each_connection() -> None:
    world = World()
    a, w = world.peer("a"), listener(world)
    will = Will("w", b"gone", properties={"will_delay_interval": 30})
    for _ in range(3):
        joins(a, clean=False, will=will, session_expiry_interval=60)
        a.vanishes()
        world.passes(20)
    assert w.messages() == []
    world.passes(10)
    assert w.messages() == [("w", b"gone")]


@spec("MQTT 5.0 §3.14.2.1", "0x04 with a delay")
def test_will_of_a_disconnect_with_will_is_delayed_too() -> None:
    world = World()
    a, w = world.peer("a"), listener(world)
    will = Will("w", b"gone", properties={"will_delay_interval": 5})
    joins(a, will=will, session_expiry_interval=60)
    a.leaves(4)
    assert w.messages() == []
    world.passes(5)
    assert w.messages() == [("w", b"gone")]


@spec("MQTT 5.0 §3.1.3.2.4", "MQTT-3.3.2-6", "the Will's lifetime begins when it is published")
def test_will_message_expiry_begins_when_it_is_published() -> None:
    world = World()
    a, w = world.peer("a"), listener(world)
    will = Will(
        "w", b"gone", retain=True,
        properties={"will_delay_interval": 30, "message_expiry_interval": 20},
    )  # fmt: skip
    joins(a, will=will, session_expiry_interval=60)
    a.vanishes()
    world.passes(30)
    (heard,) = w.hears()
    assert interval(heard) == 20
    world.passes(19)
    late = listener(world, "late")
    (heard,) = [each for each in late.says(subscribe(2, "w")) if each.kind == PUBLISH]
    assert interval(heard) == 1
    world.passes(1)
    assert not [each for each in late.says(subscribe(3, "w")) if each.kind == PUBLISH]


# Message expiry -------------------------------------------------------------------------------


@spec("MQTT 5.0 §3.3.2.3.3", "MQTT-3.3.2-5", "MQTT-3.3.2-6", "in the queue of a session")
@pytest.mark.parametrize(("waited", "left"), [(0, 10), (1, 9), (9, 1), (10, None), (500, None)])
def test_message_that_waits_for_its_client_has_what_is_left_or_is_gone(
    waited: int, left: int | None
) -> None:
    world = World()
    a, p = listener(world, "a"), world.peer("p")
    joins(p)
    a.vanishes()
    p.says(publish("t", b"x", qos=1, packet_id=1, message_expiry_interval=10))
    p.says(publish("t", b"y", qos=1, packet_id=2))
    world.passes(waited)
    heard = [each for each in a.says(connect(clean=False)) if each.kind == PUBLISH]
    assert [(each["payload"], interval(each)) for each in heard] == [
        *([(b"x", left)] if left is not None else []),
        (b"y", None),
    ]


@spec("MQTT 5.0 §3.3.2.3.3", "MQTT-3.3.2-5", "MQTT-3.3.2-6", "behind a window that is full")
def test_message_that_waits_for_the_window_has_what_is_left_or_is_gone() -> None:
    world = World()
    a, p = world.peer("a"), world.peer("p")
    joins(p)
    joins(a, receive_maximum=1)
    a.says(subscribe(1, ("t", 1)))
    for n, lifetime in enumerate((5, 10, 20), 1):
        p.says(publish("t", b"%d" % n, qos=1, packet_id=n, message_expiry_interval=lifetime))
    (first,) = a.hears()
    assert (first["payload"], interval(first)) == (b"1", 5)
    world.passes(12)
    (third,) = a.says(puback(int(str(first["packet_id"]))))
    assert (third["payload"], interval(third)) == (b"3", 8)


@spec("MQTT 5.0 §3.3.2.3.3", "MQTT-3.3.2-5", "among the retained messages")
def test_retained_message_expires() -> None:
    """S39."""
    world = World()
    p = world.peer("p")
    joins(p)
    p.says(publish("t", b"x", retain=True, message_expiry_interval=10))
    p.says(publish("t/forever", b"y", retain=True))
    world.passes(4)
    heard = [each for each in p.says(subscribe(1, "#")) if each.kind == PUBLISH]
    assert sorted((each["topic"], interval(each)) for each in heard) == [
        ("t", 6), ("t/forever", None),
    ]  # fmt: skip
    world.passes(6)
    heard = [each for each in p.says(subscribe(2, "#")) if each.kind == PUBLISH]
    assert [each["topic"] for each in heard] == ["t/forever"]


@spec("MQTT 5.0 §4.3.3", "MQTT-4.3.3-7", "MQTT-4.3.3-13", "what was sent does not expire")
def test_message_that_was_sent_goes_through_to_its_end() -> None:
    world = World()
    a, p = world.peer("a"), world.peer("p")
    joins(p)
    joins(a, session_expiry_interval=NEVER)
    a.says(subscribe(1, ("t", 2)))
    p.says(publish("t", b"x", qos=2, packet_id=1, message_expiry_interval=5))
    world.passes(100)
    (answer,) = p.says(pubrel(1))
    assert answer["code"] == 0
    (heard,) = a.hears()
    a.vanishes()
    world.passes(100)
    _, again = a.says(connect(clean=False, session_expiry_interval=NEVER))
    assert (again["payload"], again["dup"], again["packet_id"]) == (b"x", True, heard["packet_id"])
    identifier = int(str(again["packet_id"]))
    (released,) = a.says(pubrec(identifier))
    assert released.kind == PUBREL
    a.vanishes()
    world.passes(100)
    _, released = a.says(connect(clean=False, session_expiry_interval=NEVER))
    assert released.kind == PUBREL
    assert a.says(pubcomp(identifier)) == []


@spec("MQTT 5.0 §3.3.2.3.3", "MQTT-3.3.2-6", "fractions are rounded up: it is not gone yet")
def test_message_expiry_interval_is_never_more_than_it_was_nor_0_before_its_end() -> None:
    world = World()
    p = world.peer("p")
    joins(p)
    p.says(publish("t", b"x", retain=True, message_expiry_interval=3))
    seen = []
    for number in range(1, 14):
        heard = [each for each in p.says(subscribe(number, "t")) if each.kind == PUBLISH]
        seen += [interval(each) for each in heard]
        world.passes(0.25)
    assert seen == [3] * 4 + [2] * 4 + [1] * 4


# Keep alive -----------------------------------------------------------------------------------


@spec("MQTT 5.0 §3.1.2.10", "MQTT-3.1.2-22")
@pytest.mark.parametrize("level", [4, 5])
@pytest.mark.parametrize(("asked", "patience"), [(0, 0.0), (1, 1.5), (60, 90.0), (65535, 98302.5)])
def test_keep_alive_is_granted_one_and_a_half_times(
    level: int, asked: int, patience: float
) -> None:
    world = World()
    a, w = world.peer("a", level), listener(world)
    a.says(connect(keep_alive=asked, will=Will("w", b"gone")))
    assert a.line is not None
    assert a.line.inbound.keep_alive == patience
    if asked:
        a.line.inbound.timed_out()
        assert w.messages() == [("w", b"gone")]
        assert [each.kind for each in a.hears()] == ([DISCONNECT] if level == 5 else [])
        assert a.line.closed


@spec("MQTT 5.0 §3.2.2.3.14", "MQTT-3.2.2-21", "0 is more than any maximum")
@pytest.mark.parametrize(("asked", "told"), [(0, 100), (50, None), (100, None), (101, 100)])
def test_server_keep_alive_is_told_when_it_differs(asked: int, told: int | None) -> None:
    world = World(max_keep_alive=100)
    a = world.peer("a")
    (connack,) = a.says(connect(keep_alive=asked))
    assert (connack.properties or {}).get("server_keep_alive") == told
    assert a.line is not None
    assert a.line.inbound.keep_alive == 1.5 * (told or asked)


# Shared subscriptions and takeover ------------------------------------------------------------


@spec("MQTT 5.0 §4.8.2", "a session that expires hands on what it had not begun")
def test_shared_subscription_member_expires_its_queue_is_not_lost() -> None:
    """What waited in its window goes to another member when it leaves."""
    world = World()
    a, b, p = world.peer("a"), world.peer("b"), world.peer("p")
    joins(p)
    joins(a, receive_maximum=1, session_expiry_interval=10)
    a.says(subscribe(1, ("$share/g/t", 1)))
    for n in (1, 2, 3):
        p.says(publish("t", b"%d" % n, qos=1, packet_id=n))
    assert a.messages() == [("t", b"1")]
    joins(b)
    b.says(subscribe(1, ("$share/g/t", 1)))
    a.vanishes()
    assert sorted(b.messages()) == [("t", b"1"), ("t", b"2"), ("t", b"3")]


@spec("MQTT 5.0 §3.1.4", "MQTT-3.1.4-3", "0x8E Session taken over")
def test_takeover_ends_the_old_connection_and_keeps_the_session() -> None:
    world = World()
    old, new, p = world.peer("a"), world.peer("a"), world.peer("p")
    joins(p)
    joins(old, session_expiry_interval=10)
    old.says(subscribe(1, ("t", 1)))
    p.says(publish("t", b"x", qos=1, packet_id=1))
    assert old.messages() == [("t", b"x")]
    _, again = new.says(connect(clean=False, session_expiry_interval=10))
    assert (again["payload"], again["dup"]) == (b"x", True)
    assert old.refused() == 0x8E
    old.vanishes()
    world.passes(DAY)
    assert world.broker.sessions["a"].link is not None, "the old one's end concerns nobody"
