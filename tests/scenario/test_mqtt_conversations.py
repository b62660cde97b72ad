"""Conversations that go through several chapters of the standard, as devices hold them."""

from __future__ import annotations

import pytest

from blackbull.mqtt.messages import ReasonCode
from tests.mqtt_packets import (
    AS_PUBLISHED,
    IF_NEW,
    NO_LOCAL,
    Will,
    connack,
    connect,
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
from tests.mqtt_server import Broker, broker, running
from tests.spec import spec

__all__ = ["broker"]


@spec("MQTT 5.0 §4.10", "Request / Response", "MQTT-3.3.2-15", "MQTT-3.3.2-16")
async def test_requester_is_answered_where_it_asked_to_be(broker: Broker) -> None:
    asker, server, other = broker.peers("asker server other")
    await broker.play(
        server.joins(),
        server.send(subscribe(1, ("service/add", 1))),     server.expect(suback(1, 1)),
        other.joins(),
        other.send(subscribe(1, "answers/other")),         other.expect(suback(1, 0)),
        asker.joins(),
        asker.send(subscribe(1, ("answers/asker", 1))),    asker.expect(suback(1, 1)),
        asker.send(publish("service/add", b"2 3", qos=1, packet_id=1,
                           response_topic="answers/asker", correlation_data=b"\0\1")),
        asker.expect(puback(1)),
        server.expect(publish("service/add", b"2 3", qos=1, packet_id="q",
                              response_topic="answers/asker", correlation_data=b"\0\1")),
        server.send(puback("q"),
                    publish("answers/asker", b"5", qos=1, packet_id=1, correlation_data=b"\0\1")),
        server.expect(puback(1)),
        asker.expect(publish("answers/asker", b"5", qos=1, packet_id="a",
                             correlation_data=b"\0\1")),
        asker.send(puback("a")),
        other.quiet(),
    )  # fmt: skip


async def test_device_goes_to_sleep_and_comes_back(broker: Broker) -> None:
    """S37 to S40: a life with everything in it."""
    device, station = broker.peers("device station")
    will = Will("status/device", b"lost", 1, True, {"will_delay_interval": 60})
    awake = {"clean": False, "session_expiry_interval": 3600, "will": will, "keep_alive": 30}
    await broker.play(
        station.joins(),
        station.send(subscribe(1, ("status/+", 1 | AS_PUBLISHED), ("data/#", 2))),
        station.expect(suback(1, 1, 2)),

        device.joins(**awake),
        device.send(subscribe(1, ("commands/device", 2)), subscribe(2, ("time", IF_NEW))),
        device.expect(suback(1, 2), suback(2, 0)),
        device.send(publish("status/device", b"awake", qos=1, packet_id=1, retain=True)),
        device.expect(puback(1)),
        station.expect(publish("status/device", b"awake", qos=1, packet_id="1", retain=True)),
        station.send(puback("1")),

        device.send(publish("data/device/t", b"21.5", qos=2, packet_id=2)),
        device.expect(pubrec(2)),
        device.send(pubrel(2)),                            device.expect(pubcomp(2)),
        station.expect(publish("data/device/t", b"21.5", qos=2, packet_id="2")),
        station.send(pubrec("2")),                         station.expect(pubrel("2")),
        station.send(pubcomp("2")),

        # The network breaks; the Will waits.
        device.breaks(),
        station.send(publish("commands/device", b"report", qos=2, packet_id=1)),
        station.expect(pubrec(1)),
        station.send(pubrel(1)),                           station.expect(pubcomp(1)),
        station.send(publish("time", b"12:00")),           station.quiet(),

        # It is back before its Will is due, and finds what it missed.
        device.joins(session_present=True, **awake),
        device.expect(publish("commands/device", b"report", qos=2, packet_id="c")),
        device.send(pubrec("c")),                          device.expect(pubrel("c")),
        device.send(pubcomp("c")),
        device.send(publish("status/device", b"asleep", qos=1, packet_id=3, retain=True)),
        device.expect(puback(3)),
        station.expect(publish("status/device", b"asleep", qos=1, packet_id="3", retain=True)),
        station.send(puback("3")),
        device.leaves(),
        station.quiet(),
    )  # fmt: skip


async def test_workers_share_a_queue(broker: Broker) -> None:
    """S41: one is slow, one leaves in the middle; nothing is lost and nothing comes twice."""
    a, b, boss = broker.peers("a b boss")
    await broker.play(
        a.joins(receive_maximum=1),
        a.send(subscribe(1, ("$share/workers/jobs/#", 1))), a.expect(suback(1, 1)),
        b.joins(receive_maximum=1),
        b.send(subscribe(1, ("$share/workers/jobs/#", 1))), b.expect(suback(1, 1)),
        boss.joins(),
        *(
            [boss.send(publish("jobs/1", b"%d" % n, qos=1, packet_id=n)), boss.expect(puback(n))]
            for n in range(1, 7)
        ),
        a.expect_kind(3), b.expect_kind(3),
        a.quiet(),
        a.vanishes(),
    )  # fmt: skip
    mine = [each for each in b.heard if each.kind == 3]
    for _ in range(5):
        await broker.play(b.send(puback(int(str(mine[-1]["packet_id"])))), b.expect_kind(3))
        mine = [each for each in b.heard if each.kind == 3]
    await broker.play(b.send(puback(int(str(mine[-1]["packet_id"])))), b.quiet())
    assert sorted(bytes(each["payload"]) for each in mine) == [b"%d" % n for n in range(1, 7)]


async def test_chat_room_does_not_echo(broker: Broker) -> None:
    a, b = broker.peers("a b")
    await broker.play(
        *(
            [peer.joins(), peer.send(subscribe(1, ("room", NO_LOCAL))), peer.expect(suback(1, 0))]
            for peer in (a, b)
        ),
        a.send(publish("room", b"hello")),                 b.expect(publish("room", b"hello")),
        b.send(publish("room", b"hi")),                    a.expect(publish("room", b"hi")),
        a.quiet(),
        b.quiet(),
    )  # fmt: skip


@spec("MQTT 5.0 §3.14.2.1", "0x8B Server shutting down")
async def test_server_stops_says_so_to_everybody() -> None:
    async with running() as broker:
        new, old = broker.peer("new"), broker.peer("old", 4)
        await broker.play(new.joins(), old.joins())
        await broker.server.stop(1.0)
        await broker.play(new.refused(0x8B), old.closed())


@spec("MQTT 5.0 §3.4.2.1", "0x97 Quota exceeded", "MQTT-3.4.2-1", "MQTT-3.5.2-1")
async def test_retained_store_is_full_says_so_and_replaces_all_the_same() -> None:
    """S39, defect 21."""
    async with running(max_retained=2) as broker:
        a, b = broker.peers("a b")
        await broker.play(
            a.joins(),
            a.send(publish("1", b"x", qos=1, packet_id=1, retain=True)), a.expect(puback(1, 0x10)),
            a.send(publish("2", b"x", qos=1, packet_id=2, retain=True)), a.expect(puback(2, 0x10)),
            a.send(publish("3", b"x", qos=1, packet_id=3, retain=True)), a.expect(puback(3, 0x97)),
            a.send(publish("3", b"x", qos=2, packet_id=4, retain=True)), a.expect(pubrec(4, 0x97)),
            a.send(publish("1", b"y", qos=1, packet_id=5, retain=True)), a.expect(puback(5, 0x10)),
            a.send(publish("2", b"", qos=1, packet_id=6, retain=True)), a.expect(puback(6, 0x10)),
            a.send(publish("3", b"z", qos=1, packet_id=7, retain=True)), a.expect(puback(7, 0x10)),
            b.joins(),
            b.send(subscribe(1, "#")),                     b.expect(suback(1, 0)),
            b.expect_any_order(publish("1", b"y", retain=True), publish("3", b"z", retain=True)),
            b.quiet(),
        )  # fmt: skip


async def test_queue_of_a_sleeper_is_bounded_and_keeps_the_oldest() -> None:
    """S37, defect 21: the newest is dropped."""
    async with running(max_queued_messages=3) as broker:
        a, b = broker.peers("a b")
        await broker.play(
            a.joins(session_expiry_interval=60),
            a.send(subscribe(1, ("t", 1))),                a.expect(suback(1, 1)),
            a.leaves(),
            b.joins(),
            *(
                [b.send(publish("t", b"%d" % n, qos=1, packet_id=n)), b.expect(puback(n))]
                for n in range(1, 6)
            ),
            a.joins(clean=False, session_present=True),
            a.expect(*(publish("t", b"%d" % n, qos=1, packet_id=f"{n}") for n in (1, 2, 3))),
            a.quiet(),
        )  # fmt: skip


async def test_queue_of_a_sleeper_may_keep_the_newest() -> None:
    async with running(max_queued_messages=3, overflow="drop_oldest") as broker:
        a, b = broker.peers("a b")
        await broker.play(
            a.joins(session_expiry_interval=60),
            a.send(subscribe(1, ("t", 1))),                a.expect(suback(1, 1)),
            a.leaves(),
            b.joins(),
            *(
                [b.send(publish("t", b"%d" % n, qos=1, packet_id=n)), b.expect(puback(n))]
                for n in range(1, 6)
            ),
            a.joins(clean=False, session_present=True),
            a.expect(*(publish("t", b"%d" % n, qos=1, packet_id=f"{n}") for n in (3, 4, 5))),
            a.quiet(),
        )  # fmt: skip


async def test_application_and_clients_talk_to_each_other() -> None:
    """S33, S34: a tap that raises disturbs nobody, and no tap replaces a delivery."""
    async with running(tap_mode="inline") as broker:
        seen: list[tuple[str, str, bytes]] = []

        @broker.mqtt.on_message("sensors/{room}/t")
        async def note(message: object, room: str) -> None:
            seen.append((getattr(message, "topic", ""), room, getattr(message, "payload", b"")))

        @broker.mqtt.on_message("sensors/#")
        async def fails(message: object) -> None:
            raise RuntimeError("a tap of no use")

        a, b = broker.peers("a b")
        await broker.play(
            a.joins(),
            a.send(subscribe(1, ("#", 1))),                a.expect(suback(1, 1)),
            b.joins(),
            b.send(publish("sensors/hall/t", b"21", qos=1, packet_id=1)), b.expect(puback(1)),
                                   a.expect(publish("sensors/hall/t", b"21", qos=1, packet_id="1")),
            b.quiet(),
        )  # fmt: skip
        assert seen == [("sensors/hall/t", "hall", b"21")]
        await broker.mqtt.publish("news", b"from the application", qos=1, retain=True)
        await broker.play(
            a.expect(publish("news", b"from the application", qos=1, packet_id="2")),
            a.send(subscribe(2, "news")),                  a.expect(suback(2, 0)),
            a.expect(publish("news", b"from the application", retain=True)),
        )  # fmt: skip


async def test_filters_change_while_messages_flow(broker: Broker) -> None:
    a, b = broker.peers("a b")
    await broker.play(
        a.joins(), b.joins(),
        a.send(subscribe(1, "t/1")),                       a.expect(suback(1, 0)),
        b.send(publish("t/1", b"1"), publish("t/2", b"2")), a.expect(publish("t/1", b"1")),
        a.send(subscribe(2, "t/+")),                       a.expect(suback(2, 0)),
        b.send(publish("t/2", b"3")),                      a.expect(publish("t/2", b"3")),
        a.send(unsubscribe(3, "t/1")),                     a.expect(unsuback(3, 0)),
        b.send(publish("t/1", b"4")),                      a.expect(publish("t/1", b"4")),
        a.send(unsubscribe(4, "t/+")),                     a.expect(unsuback(4, 0)),
        b.send(publish("t/1", b"5"), publish("t/2", b"6")), b.quiet(),
        a.quiet(),
    )  # fmt: skip


async def test_two_clients_fight_for_a_name(broker: Broker) -> None:
    """S37, defect 36: each takes over; the session goes with the name."""
    first, second, p = broker.peer("x"), broker.peer("x"), broker.peer("p")
    await broker.play(
        p.joins(),
        first.joins(session_expiry_interval=60),
        first.send(subscribe(1, ("t", 1))),                first.expect(suback(1, 1)),
        second.joins(clean=False, session_present=True, session_expiry_interval=60),
        first.refused(0x8E),
        p.send(publish("t", b"1", qos=1, packet_id=1)),    p.expect(puback(1)),
        second.expect(publish("t", b"1", qos=1, packet_id="m")),
        first.joins(clean=False, session_present=True, session_expiry_interval=60),
        second.refused(0x8E),
        first.expect(publish("t", b"1", qos=1, packet_id="m", dup=True)),
        first.send(puback("m")),
        first.quiet(),
    )  # fmt: skip


async def test_password_is_wrong_nobody_learns_which_half() -> None:
    """Gap 1: the same answer, byte for byte."""

    def authenticate(request: object) -> bool:
        known = {"alice": b"wonderland"}
        name = getattr(request, "username", None)
        return name in known and known[name] == getattr(request, "password", None)

    async with running(authenticate=authenticate) as broker:
        right, name, password = broker.peers("right name password")
        await broker.play(
            right.joins(username="alice", password=b"wonderland"),
            name.send(connect("x", username="bob", password=b"wonderland")),
            name.expect_bytes(b"\x20\x03\x00\x86\x00"), name.closed(),
            password.send(connect("x", username="alice", password=b"x")),
            password.expect_bytes(b"\x20\x03\x00\x86\x00"), password.closed(),
        )  # fmt: skip


@pytest.mark.parametrize("verdict", [ReasonCode.SERVER_BUSY, False])
async def test_refused_client_leaves_the_session_of_its_name_alone(verdict: object) -> None:
    """S37: whoever cannot prove who it is neither takes over nor ends a session."""

    def authenticate(request: object) -> object:
        return True if getattr(request, "username", None) == "owner" else verdict

    async with running(authenticate=authenticate) as broker:
        owner, thief = broker.peer("x"), broker.peer("x")
        code = 0x89 if verdict else 0x86
        await broker.play(
            owner.joins(username="owner", session_expiry_interval=60),
            owner.send(subscribe(1, "t")),                 owner.expect(suback(1, 0)),
            thief.send(connect(username="thief", clean=True)), thief.turned_away(code),
            owner.quiet(),
            owner.send(publish("t", b"mine")),             owner.expect(publish("t", b"mine")),
            owner.leaves(),
            thief.send(connect(username="thief", clean=True)), thief.turned_away(code),
            owner.send(connect(username="owner", clean=False)),
            owner.expect(connack(session_present=True)),
        )  # fmt: skip
