"""MQTT 3.1.1 §3.1, §3.2: CONNECT and CONNACK."""

from __future__ import annotations

import asyncio

import pytest

from blackbull.mqtt.messages import ReasonCode
from tests.mqtt_packets import (
    Packet,
    Will,
    connack,
    connect,
    encode,
    header,
    pingreq,
    puback,
    pubcomp,
    publish,
    pubrec,
    pubrel,
    suback,
    subscribe,
    text,
    two,
)
from tests.mqtt_peer import Peer, Step
from tests.mqtt_server import Broker, running
from tests.spec import spec

HEAD = text("MQTT") + b"\x04"
WILL = Will("will/a", b"gone")


def watches(peer: Peer, qos: int = 0) -> list[Step]:
    return [peer.joins(), peer.send(subscribe(1, ("will/#", qos))), peer.expect(suback(1, qos))]


@spec("MQTT 3.1.1 §3.1", "MQTT-3.1.0-1")
@pytest.mark.parametrize("packet", [publish("t"), pingreq(), header(0xE0, b""), b"GET / HTTP/1.1"])
async def test_first_packet_is_not_connect_closes(broker: Broker, packet: Packet | bytes) -> None:
    a = broker.peer("a", 4)
    await broker.play(a.send(packet), a.closed())


@spec("MQTT 3.1.1 §3.1", "MQTT-3.1.0-2", "MQTT-4.8.0-1")
async def test_second_connect_closes(broker: Broker) -> None:
    a = broker.peer("a", 4)
    await broker.play(a.joins(), a.send(encode(connect("a"), 4)), a.closed())


@spec("MQTT 3.1.1 §3.1.2.1", "MQTT-3.1.2-1")
@pytest.mark.parametrize("name", ["mqtt", "MQTTX", "", "AMQP"])
async def test_protocol_name_is_another_closes(broker: Broker, name: str) -> None:
    a = broker.peer("a", 4)
    await broker.play(a.send(connect(name=name)), a.closed())


@spec("MQTT 3.1.1 §3.1.2.2", "MQTT-3.1.2-2", "return code 0x01")
@pytest.mark.parametrize("body", [
    pytest.param(text("MQTT") + b"\x00\x02\0\0" + text("a"), id="0"),
    pytest.param(text("MQTT") + b"\x03\x02\0\0" + text("a"), id="3"),
    pytest.param(text("MQIsdp") + b"\x03\x02\0\0" + text("a"), id="MQTT 3.1"),
])  # fmt: skip
async def test_protocol_level_is_not_supported_is_told_1(broker: Broker, body: bytes) -> None:
    """S36."""
    a = broker.peer("a", 4)
    await broker.play(
        a.send(header(0x10, body)),
        a.expect_bytes(b"\x20\x02\x00\x01"),
        a.closed(),
    )


@spec("MQTT 3.1.1 §3.1.2.2", "MQTT-3.1.2-2", "also where only MQTT 3.1.1 is spoken")
async def test_only_version_4_level_5_is_turned_away() -> None:
    """S36."""
    async with running(versions=(4,)) as broker:
        a, b = broker.peer("a", 4), broker.peer("b", 5)
        await broker.play(
            a.joins(),
            b.send(connect()),                     b.turned_away(0x84),
        )  # fmt: skip


@spec("MQTT 3.1.1 §3.1.2.3", "MQTT-3.1.2-3", "MQTT-3.1.4-1")
async def test_reserved_connect_flag_is_set_closes(broker: Broker) -> None:
    a = broker.peer("a", 4)
    await broker.play(a.send(connect(flags=0x03)), a.closed())


@spec("MQTT 3.1.1 §3.1.2", "MQTT-3.1.2-9", "MQTT-3.1.2-11", "MQTT-3.1.2-13", "MQTT-3.1.2-14",
      "MQTT-3.1.2-15", "MQTT-3.1.2-18", "MQTT-3.1.2-19", "MQTT-3.1.2-20", "MQTT-3.1.2-21",
      "MQTT-3.1.2-22", "MQTT-3.1.3-1", "MQTT-3.1.3-3", "MQTT-3.1.4-1", "MQTT-3.2.2-6")  # fmt: skip
@pytest.mark.parametrize(
    ("flags", "payload"),
    [
        pytest.param(0x0A, text("a"), id="will qos without will"),
        pytest.param(0x22, text("a"), id="will retain without will"),
        pytest.param(0x1E, text("a") + text("w") + text("x"), id="will qos 3"),
        pytest.param(0x06, text("a"), id="no will topic"),
        pytest.param(0x06, text("a") + text("w"), id="no will message"),
        pytest.param(0x02, text("a") + text("w") + text("x"), id="will without flag"),
        pytest.param(0x82, text("a"), id="no user name"),
        pytest.param(0x02, text("a") + text("u"), id="user name without flag"),
        pytest.param(0xC2, text("a") + text("u"), id="no password"),
        pytest.param(0x82, text("a") + text("u") + text("p"), id="password without flag"),
        pytest.param(0x42, text("a") + text("p"), id="password without user name"),
        pytest.param(0x02, b"", id="no client id"),
        pytest.param(0x02, b"\0\5a", id="client id cut off"),
    ],
)
async def test_connect_is_unsound_closes_without_connack(
    broker: Broker, flags: int, payload: bytes
) -> None:
    a = broker.peer("a", 4)
    await broker.play(a.send(header(0x10, HEAD + bytes((flags,)) + b"\0\0" + payload)), a.closed())


@spec("MQTT 3.1.1 §3.1.2.4", "MQTT-3.1.2-4", "MQTT-3.1.2-5", "MQTT-3.2.2-2", "MQTT-3.2.2-3",
      "MQTT-4.1.0-1", "MQTT-4.1.0-2", "MQTT-4.5.0-1", "MQTT-3.1.3-2", "MQTT-3.1.4-3")  # fmt: skip
async def test_clean_session_0_keeps_subscriptions_and_messages(broker: Broker) -> None:
    """S37: QoS 1 and 2; the session has no end of its own."""
    a, b = broker.peers("a b", 4)
    await broker.play(
        a.joins(clean=False, session_present=False),
        a.send(subscribe(1, ("t", 2))),            a.expect(suback(1, 2)),
        a.leaves(),
        b.joins(),
        b.send(publish("t", b"0")),
        b.send(publish("t", b"1", qos=1, packet_id=1)), b.expect(puback(1)),
        b.send(publish("t", b"2", qos=2, packet_id=2)), b.expect(pubrec(2)),
        b.send(pubrel(2)),                         b.expect(pubcomp(2)),
        a.joins(clean=False, session_present=True),
        a.expect(publish("t", b"1", qos=1, packet_id="1"),
                 publish("t", b"2", qos=2, packet_id="2")),
        a.quiet(),
    )  # fmt: skip


@spec("MQTT 3.1.1 §3.1.2.4", "MQTT-3.1.2-6", "MQTT-3.2.2-1", "MQTT-3.2.2-3", "MQTT-3.1.4-3")
async def test_clean_session_1_discards_the_session_before_and_after(broker: Broker) -> None:
    """S37."""
    a, b = broker.peers("a b", 4)
    await broker.play(
        a.joins(clean=False),
        a.send(subscribe(1, ("t", 1))),            a.expect(suback(1, 1)),
        a.leaves(),
        b.joins(),
        b.send(publish("t", b"1", qos=1, packet_id=1)), b.expect(puback(1)),
        a.joins(clean=True, session_present=False),
        a.quiet(),
        a.send(subscribe(1, ("t", 1))),            a.expect(suback(1, 1)),
        a.leaves(),
        a.joins(clean=False, session_present=False),
        b.send(publish("t", b"2", qos=1, packet_id=2)), b.expect(puback(2)),
        a.quiet(),
    )  # fmt: skip


@spec("MQTT 3.1.1 §3.1.2.4", "MQTT-3.1.2-7")
async def test_retained_message_outlives_the_session(broker: Broker) -> None:
    """S39."""
    a, b = broker.peers("a b", 4)
    await broker.play(
        a.joins(),
        a.send(publish("t", b"x", retain=True)),   a.quiet(),
        a.leaves(),
        a.joins(clean=True),
        a.leaves(),
        b.joins(),
        b.send(subscribe(1, "t")),                 b.expect(suback(1, 0)),
                                                   b.expect(publish("t", b"x", retain=True)),
    )  # fmt: skip


@spec("MQTT 3.1.1 §3.1.2.5", "MQTT-3.1.2-8", "MQTT-3.1.2-10", "MQTT-3.1.2-16", "MQTT-3.1.2-17")
@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.parametrize("retain", [False, True])
async def test_will_is_published_when_the_connection_breaks(
    broker: Broker, qos: int, retain: bool
) -> None:
    """S40."""
    a, b, c = broker.peers("a b c", 4)
    name = "m" if qos else None
    await broker.play(
        *watches(b, 2),
        a.joins(will=Will("will/a", b"gone", qos, retain)),
        a.vanishes(),
        b.expect(publish("will/a", b"gone", qos=qos, packet_id=name)),
        b.quiet(),
        *watches(c, 2),
        *(
            [c.expect(publish("will/a", b"gone", qos=qos, packet_id=name, retain=True))]
            if retain
            else []
        ),
        c.quiet(),
    )


@spec("MQTT 3.1.1 §3.1.2.5", "MQTT-3.1.2-8", "a protocol error; a Keep Alive that passed")
async def test_will_is_published_when_the_server_closes(broker: Broker) -> None:
    """S40, defect 36."""
    a, b, c = broker.peers("a b c", 4)
    loop = asyncio.get_running_loop()
    await broker.play(
        *watches(b),
        a.joins(will=WILL, keep_alive=1),
        c.joins(will=Will("will/c", b"gone")),
        c.send(header(0x60, two(1))),              c.closed(),
                                                   b.expect(publish("will/c", b"gone")),
    )  # fmt: skip
    began = loop.time()
    await broker.play(a.closed(), b.expect(publish("will/a", b"gone")))
    assert 1.0 <= loop.time() - began <= 3.0


@spec("MQTT 3.1.1 §3.1.2.10", "MQTT-3.1.2-24", "MQTT-3.1.2-23")
async def test_keep_alive_passes_one_and_a_half_times_closes(broker: Broker) -> None:
    """Defect 36."""
    a, b = broker.peers("a b", 4)
    await broker.play(a.joins(keep_alive=1), b.joins(keep_alive=0))
    loop = asyncio.get_running_loop()
    began = loop.time()
    await broker.play(a.closed())
    assert 1.4 <= loop.time() - began <= 3.0
    await broker.play(b.quiet())


@spec("MQTT 3.1.1 §3.14.4", "MQTT-3.14.4-3", "MQTT-3.1.2-10", "MQTT-3.1.2-12", "MQTT-3.14.4-1",
      "MQTT-3.14.4-2")  # fmt: skip
async def test_will_is_forgotten_at_disconnect_and_absent_without_flag(broker: Broker) -> None:
    """S40: and what follows a DISCONNECT is not processed."""
    a, b = broker.peers("a b", 4)
    await broker.play(
        *watches(b),
        a.joins(will=WILL),
        a.send(b"\xe0\0" + encode(publish("will/x", b"late"), 4)), a.closed(),
        a.joins(),
        a.vanishes(),
        b.quiet(),
    )  # fmt: skip


@spec("MQTT 3.1.1 §3.1.3.1", "MQTT-3.1.3-5", "MQTT-3.2.0-1")
@pytest.mark.parametrize(
    "client_id", ["0123456789abcdefghijklm", "NOPQRSTUVWXYZ", "a", "ä +#/$", "x" * 200]
)
async def test_client_identifier_of_any_kind_is_accepted(broker: Broker, client_id: str) -> None:
    a = broker.peer("a", 4)
    await broker.play(a.send(connect(client_id)), a.expect(connack()), a.quiet())


@spec("MQTT 3.1.1 §3.1.3.1", "MQTT-3.1.3-6", "MQTT-3.1.3-7")
async def test_client_identifier_is_empty_with_clean_session_is_accepted(broker: Broker) -> None:
    """Each such client has a session of its own."""
    a, b = broker.peers("a b", 4)
    await broker.play(
        a.joins(connect("")), b.joins(connect("")),
        a.send(subscribe(1, "t")),                 a.expect(suback(1, 0)),
        b.send(publish("t", b"x")),                a.expect(publish("t", b"x")),
        a.quiet(), b.quiet(),
    )  # fmt: skip


@spec("MQTT 3.1.1 §3.1.3.1", "MQTT-3.1.3-8", "MQTT-3.1.3-9", "MQTT-3.2.2-4", "MQTT-3.2.2-5")
async def test_client_identifier_is_empty_without_clean_session_is_told_2(broker: Broker) -> None:
    a = broker.peer("a", 4)
    await broker.play(
        a.send(connect("", clean=False)), a.expect_bytes(b"\x20\x02\x00\x02"), a.closed()
    )


@spec("MQTT 3.1.1 §3.1.4", "MQTT-3.1.4-2")
@pytest.mark.parametrize("clean", [True, False])
async def test_client_identifier_is_connected_already_takes_over(
    broker: Broker, clean: bool
) -> None:
    """S37: defect 36; the old connection's Will is published."""
    a, b, w = broker.peers("a b w", 4)
    await broker.play(
        *watches(w),
        a.joins(clean=False, will=WILL),
        a.send(subscribe(1, "t")),                 a.expect(suback(1, 0)),
        b.joins(connect("a", clean=clean), session_present=not clean),
                                                   a.closed(),
                                                   w.expect(publish("will/a", b"gone")),
        b.send(publish("t", b"x")),
        *([] if clean else [b.expect(publish("t", b"x"))]),
        b.quiet(),
    )  # fmt: skip


@spec("MQTT 3.1.1 §3.1.4", "MQTT-3.1.4-4", "MQTT-3.2.0-1", "packets may follow at once")
async def test_packets_sent_before_the_connack_are_answered_after_it(broker: Broker) -> None:
    a = broker.peer("a", 4)
    await broker.play(
        a.send(connect(), subscribe(1, "t"), publish("t", b"x"), pingreq()),
        a.expect(connack(), suback(1, 0), publish("t", b"x")),
        a.expect_bytes(b"\xd0\0"),
    )


@spec("MQTT 3.1.1 §3.2.2.3", "MQTT-3.2.2-4", "MQTT-3.2.2-5", "MQTT-3.1.4-5", "return codes 2 to 5")
@pytest.mark.parametrize(
    ("verdict", "code"),
    [
        (ReasonCode.CLIENT_IDENTIFIER_NOT_VALID, 2),
        (ReasonCode.SERVER_UNAVAILABLE, 3),
        (ReasonCode.SERVER_BUSY, 3),
        (ReasonCode.USE_ANOTHER_SERVER, 3),
        (False, 4),
        (ReasonCode.NOT_AUTHORIZED, 5),
        (ReasonCode.BANNED, 5),
    ],
)
async def test_client_is_refused_is_told_a_return_code(verdict: object, code: int) -> None:
    """Gap 1: and nothing that it sent afterwards is processed."""

    def authenticate(request: object) -> object:
        return True if getattr(request, "username", None) == "b" else verdict

    async with running(authenticate=authenticate) as broker:
        a, b = broker.peers("a b", 4)
        await broker.play(
            b.joins(username="b", password=b"p"),
            b.send(subscribe(1, "#")),             b.expect(suback(1, 0)),
            a.send(connect(username="u", password=b"p"), publish("t", b"x")),
            a.expect_bytes(b"\x20\x02\x00" + bytes((code,))),
            a.closed(),
            b.quiet(),
        )  # fmt: skip


@spec("MQTT 3.1.1 §3.2.2.3", "MQTT-3.2.2-6", "no return code fits: it is closed")
async def test_client_is_refused_for_another_reason_closes() -> None:
    async with running(authenticate=lambda request: ReasonCode.PAYLOAD_FORMAT_INVALID) as broker:
        a = broker.peer("a", 4)
        await broker.play(a.send(connect()), a.closed())


@spec("MQTT 3.1.1 §3.1.3", "MQTT-3.1.3-1")
async def test_every_field_in_its_order_is_accepted(broker: Broker) -> None:
    a = broker.peer("a", 4)
    will = Will("w", b"\0\xff", 2, True)
    await broker.play(
        a.joins(clean=False, keep_alive=60, will=will, username="u", password=b"\0p"), a.quiet()
    )
