"""MQTT 5.0 §3.1, §3.1.2.1 to §3.1.2.4, §3.1.3, §3.1.4: CONNECT."""

from __future__ import annotations

import pytest

from tests.mqtt_packets import (
    Packet,
    Will,
    connack,
    connect,
    encode,
    header,
    pingreq,
    publish,
    suback,
    subscribe,
    text,
    two,
)
from tests.mqtt_server import Broker, running
from tests.spec import spec

HEAD = text("MQTT") + b"\x05"


@spec("MQTT 5.0 §3.1", "MQTT-3.1.0-1")
@pytest.mark.parametrize(
    "packet",
    [
        publish("t", b"x"),
        publish("t", b"x", qos=1, packet_id=1),
        subscribe(1, "t"),
        pingreq(),
        header(0xE0, b""),
        header(0xF0, b""),
        header(0x40, two(1)),
        b"GET / HTTP/1.1\r\n\r\n",
        b"\0\0",
    ],
    ids=["publish 0", "publish 1", "subscribe", "pingreq", "disconnect", "auth", "puback", "http",
         "zeros"],
)  # fmt: skip
async def test_first_packet_is_not_connect_closes(broker: Broker, packet: Packet | bytes) -> None:
    """Nothing is said: a DISCONNECT may not precede the CONNACK."""
    a, b = broker.peers("a b")
    await broker.play(
        b.joins(),
        b.send(subscribe(1, "t")),                 b.expect(suback(1, 0)),
        a.send(packet),                            a.closed(),
        b.quiet(),
    )  # fmt: skip


@spec("MQTT 5.0 §3.1", "MQTT-3.1.0-2", "MQTT-4.13.1-1")
async def test_second_connect_is_a_protocol_error(broker: Broker) -> None:
    a = broker.peer("a")
    await broker.play(
        a.joins(),
        a.send(encode(connect("a"), 5)),           a.refused(0x82),
    )  # fmt: skip


@spec("MQTT 5.0 §3.1.2.1", "MQTT-3.1.2-1")
@pytest.mark.parametrize("name", ["mqtt", "MQTTX", "MQIsdq", "", "HTTP"])
async def test_protocol_name_is_another_closes(broker: Broker, name: str) -> None:
    """Whoever it is, it is not told that this is MQTT."""
    a = broker.peer("a")
    await broker.play(a.send(connect(name=name)), a.closed())


@spec("MQTT 5.0 §3.1.2.2", "MQTT-3.1.2-2")
@pytest.mark.parametrize("level", [6, 127, 255])
async def test_protocol_version_is_unknown_is_turned_away(broker: Broker, level: int) -> None:
    """S36: a level that nobody speaks."""
    a = broker.peer("a")
    await broker.play(
        a.send(header(0x10, text("MQTT") + bytes((level,)) + b"\x02\0\0\0" + text("a"))),
        a.turned_away(0x84),
    )


@spec("MQTT 5.0 §3.1.2.3", "MQTT-3.1.2-3")
async def test_reserved_connect_flag_is_set_is_malformed(broker: Broker) -> None:
    a = broker.peer("a")
    await broker.play(a.send(connect(flags=0x03)), a.turned_away(0x81))


@spec("MQTT 5.0 §3.1.2.6", "MQTT-3.1.2-11", "MQTT-3.1.2-12", "MQTT-3.1.2-13")
@pytest.mark.parametrize(
    "flags", [0x0A, 0x12, 0x22, 0x1E], ids=["qos 1", "qos 2", "retain", "qos 3 with will"]
)
async def test_will_flags_contradict_is_malformed(broker: Broker, flags: int) -> None:
    a = broker.peer("a")
    will = b"\0" + text("w") + text("x") if flags & 4 else b""
    await broker.play(
        a.send(header(0x10, HEAD + bytes((flags,)) + b"\0\0\0" + text("a") + will)),
        a.turned_away(0x81),
    )


@spec("MQTT 5.0 §3.1.2.5", "MQTT-3.1.2-9", "MQTT-3.1.2-17", "MQTT-3.1.2-19", "MQTT-3.1.3-3")
@pytest.mark.parametrize(
    ("flags", "payload"),
    [
        pytest.param(0x02, b"", id="no client id"),
        pytest.param(0x06, text("a"), id="no will"),
        pytest.param(0x06, text("a") + b"\0" + text("w"), id="no will payload"),
        pytest.param(0x82, text("a"), id="no user name"),
        pytest.param(0xC2, text("a") + text("u"), id="no password"),
    ],
)
async def test_flagged_field_is_absent_is_malformed(
    broker: Broker, flags: int, payload: bytes
) -> None:
    a = broker.peer("a")
    await broker.play(
        a.send(header(0x10, HEAD + bytes((flags,)) + b"\0\0\0" + payload)), a.turned_away(0x81)
    )


@spec("MQTT 5.0 §3.1.2.8", "MQTT-3.1.2-16", "MQTT-3.1.2-18", "MQTT-3.1.3-1")
@pytest.mark.parametrize("flags", [0x02, 0x82, 0x06])
async def test_field_without_flag_is_malformed(broker: Broker, flags: int) -> None:
    a = broker.peer("a")
    payload = text("a")
    if flags & 4:
        payload += b"\0" + text("w") + text("x")
    if flags & 0x80:
        payload += text("u")
    await broker.play(
        a.send(header(0x10, HEAD + bytes((flags,)) + b"\0\0\0" + payload + text("extra"))),
        a.turned_away(0x81),
    )


@spec("MQTT 5.0 §3.1.2.9", "a password without a user name is allowed", "MQTT-3.1.2-19")
async def test_password_without_user_name_is_accepted(broker: Broker) -> None:
    a = broker.peer("a")
    await broker.play(a.joins(password=b"secret"), a.quiet())


@spec("MQTT 5.0 §3.1.3", "MQTT-3.1.3-1", "MQTT-3.1.3-2")
async def test_every_field_in_its_order_is_accepted(broker: Broker) -> None:
    a = broker.peer("a")
    will = Will("w", b"gone", 2, True, {"will_delay_interval": 1, "content_type": "text/plain"})
    await broker.play(
        a.joins(
            clean=True, keep_alive=60, will=will, username="u", password=b"p",
            session_expiry_interval=5, receive_maximum=10, maximum_packet_size=1000,
            topic_alias_maximum=5, request_response_information=1, request_problem_information=1,
            user_property=[("a", "1"), ("a", "2")],
        ),
        a.quiet(),
        a.leaves(),
    )  # fmt: skip


@spec("MQTT 5.0 §3.1.2.11", "MQTT-3.1.4-1", "MQTT-4.13.1-1")
@pytest.mark.parametrize(
    ("properties", "code"),
    [
        pytest.param(b"\x03\x21\x00\x00", 0x82, id="receive maximum 0"),
        pytest.param(b"\x05\x27\x00\x00\x00\x00", 0x82, id="maximum packet size 0"),
        pytest.param(b"\x02\x17\x02", 0x82, id="request problem information 2"),
        pytest.param(b"\x02\x19\x02", 0x82, id="request response information 2"),
        pytest.param(b"\x06\x21\x00\x05\x21\x00\x06", 0x82, id="receive maximum twice"),
        pytest.param(b"\x0a\x11\0\0\0\x01\x11\0\0\0\x01", 0x82, id="session expiry twice"),
        pytest.param(b"\x06\x22\0\x01\x22\0\x01", 0x82, id="topic alias maximum twice"),
        pytest.param(b"\x08\x15\0\x01a\x15\0\x01a", 0x82, id="authentication method twice"),
        pytest.param(b"\x04\x16\0\x01a", 0x82, id="authentication data without method"),
        pytest.param(b"\x02\x01\x01", 0x81, id="property of another packet"),
        pytest.param(b"\x05\x11\x00\x00\x00", 0x81, id="cut off"),
    ],
)
async def test_connect_properties_are_unsound_is_turned_away(
    broker: Broker, properties: bytes, code: int
) -> None:
    a = broker.peer("a")
    await broker.play(
        a.send(header(0x10, HEAD + b"\x02\0\0" + properties + text("a"))), a.turned_away(code)
    )


@spec("MQTT 5.0 §3.1.3.2", "MQTT-3.1.4-1")
@pytest.mark.parametrize(
    ("properties", "topic", "code"),
    [
        pytest.param(b"\x02\x01\x02", "w", 0x82, id="payload format 2"),
        pytest.param(b"\x0a\x18\0\0\0\x01\x18\0\0\0\x01", "w", 0x82, id="delay twice"),
        pytest.param(b"\x05\x11\0\0\0\x01", "w", 0x81, id="property of another packet"),
        pytest.param(b"\x00", "w/+", 0x90, id="wildcard in the will topic"),
        pytest.param(b"\x00", "w/#", 0x90, id="wildcard # in the will topic"),
        pytest.param(b"\x04\x08\x00\x01+", "w", 0x82, id="wildcard in the response topic"),
    ],
)
async def test_will_is_unsound_is_turned_away(
    broker: Broker, properties: bytes, topic: str, code: int
) -> None:
    a = broker.peer("a")
    will = properties + text(topic) + text("x")
    await broker.play(
        a.send(header(0x10, HEAD + b"\x06\0\0\0" + text("a") + will)), a.turned_away(code)
    )


@spec("MQTT 5.0 §3.1.3.1", "MQTT-3.1.3-5")
@pytest.mark.parametrize(
    "client_id",
    ["0123456789ABCDEFGHIJKLM", "NOPQRSTUVWXYZabcdefghi", "jklmnopqrstuvwxyz", "a", "ä/+#$ ",
     "x" * 1000],
)  # fmt: skip
async def test_client_identifier_of_any_kind_is_accepted(broker: Broker, client_id: str) -> None:
    a = broker.peer("a")
    await broker.play(
        a.send(connect(client_id)), a.expect(connack(assigned_client_identifier=None)), a.quiet()
    )


@spec("MQTT 5.0 §3.1.3.1", "MQTT-3.1.3-6", "MQTT-3.1.3-7", "MQTT-3.2.2-16")
@pytest.mark.parametrize("clean", [True, False])
async def test_client_identifier_is_empty_is_assigned_one(broker: Broker, clean: bool) -> None:
    peers = broker.peers("a b c")
    for peer in peers:
        await broker.play(
            peer.send(connect("", clean=clean, session_expiry_interval=60)),
            peer.expect(connack()),
        )
    assigned = [(peer.heard[0].properties or {})["assigned_client_identifier"] for peer in peers]
    assert all(isinstance(each, str) and each for each in assigned)
    assert len(set(assigned)) == 3

    a = peers[0]
    await broker.play(
        a.leaves(),
        a.send(connect(str(assigned[0]), clean=False)),
        a.expect(connack(session_present=True, assigned_client_identifier=None)),
    )


@spec("MQTT 5.0 §3.1.4", "MQTT-3.1.4-3", "MQTT-3.1.4-4", "MQTT-4.13.2-1")
@pytest.mark.parametrize("clean", [True, False])
async def test_client_identifier_is_connected_already_takes_over(
    broker: Broker, clean: bool
) -> None:
    """S37: defect 36, the old connection is told 0x8E and closed."""
    a = broker.peer("a")
    b = broker.peer("b")
    await broker.play(
        a.joins(session_expiry_interval=60),
        a.send(subscribe(1, "t")),                 a.expect(suback(1, 0)),
        b.send(connect("a", clean=clean)),         b.expect(connack(session_present=not clean)),
                                                   a.refused(0x8E),
        b.send(publish("t", b"x")),
        *([] if clean else [b.expect(publish("t", b"x"))]),
        b.quiet(),
    )  # fmt: skip


@spec("MQTT 5.0 §3.1.4", "MQTT-3.1.4-5", "MQTT-3.1.4-6")
async def test_packets_sent_before_the_connack_are_answered_after_it(broker: Broker) -> None:
    a = broker.peer("a")
    await broker.play(
        a.send(connect(), subscribe(1, "t"), publish("t", b"x"), pingreq()),
        a.expect(connack(), suback(1, 0), publish("t", b"x")),
        a.expect_bytes(b"\xd0\x00"),
    )  # fmt: skip


@spec("MQTT 5.0 §3.1.4", "MQTT-3.1.4-6", "MQTT-3.1.4-2")
async def test_packets_after_a_refused_connect_are_not_processed(broker: Broker) -> None:
    a, b = broker.peers("a b")
    await broker.play(
        b.joins(),
        b.send(subscribe(1, "t")),                 b.expect(suback(1, 0)),
        a.send(connect(flags=0x03), publish("t", b"x")), a.turned_away(0x81),
        b.quiet(),
    )  # fmt: skip


@spec("MQTT 5.0 §3.1.2.4", "MQTT-3.1.2-4", "MQTT-3.2.2-2")
async def test_clean_start_discards_the_session(broker: Broker) -> None:
    """S37."""
    a, b = broker.peers("a b")
    await broker.play(
        a.joins(session_expiry_interval=60),
        a.send(subscribe(1, ("t", 1))),            a.expect(suback(1, 1)),
        a.leaves(),
        b.joins(),
        b.send(publish("t", b"x")),
        a.joins(clean=True, session_expiry_interval=60),
        a.quiet(),
        b.send(publish("t", b"y")),                b.quiet(),
        a.quiet(),
        a.leaves(),
        a.joins(clean=False, session_present=True),
        b.send(publish("t", b"z")),                b.quiet(),
        a.quiet(),
    )  # fmt: skip


@spec("MQTT 5.0 §3.1.2.4", "MQTT-3.1.2-5", "MQTT-3.2.2-3", "MQTT-4.5.0-1")
async def test_clean_start_0_with_a_session_resumes_it(broker: Broker) -> None:
    """S37."""
    a, b = broker.peers("a b")
    await broker.play(
        a.joins(clean=False, session_expiry_interval=60),
        a.send(subscribe(1, ("t", 1))),            a.expect(suback(1, 1)),
        a.leaves(),
        b.joins(),
        b.send(publish("t", b"1", qos=1, packet_id=1)), b.expect(Packet(4, {"packet_id": 1})),
        a.joins(clean=False, session_present=True),
        a.expect(publish("t", b"1", qos=1, packet_id="m")),
        b.send(publish("t", b"2")),                a.expect(publish("t", b"2")),
    )  # fmt: skip


@spec("MQTT 5.0 §3.1.2.4", "MQTT-3.1.2-6", "MQTT-3.2.2-3")
async def test_clean_start_0_without_a_session_creates_one(broker: Broker) -> None:
    """S37."""
    a = broker.peer("a")
    await broker.play(
        a.joins(clean=False, session_expiry_interval=60),
        a.leaves(),
        a.joins(clean=False, session_expiry_interval=60, session_present=True),
    )  # fmt: skip


@spec("MQTT 5.0 §3.1.2.2", "MQTT-3.1.2-2")
@pytest.mark.parametrize("level", [3, 4])
async def test_only_version_5_other_levels_are_turned_away_with_84(level: int) -> None:
    """S36: what the seeds' table says."""
    async with running(versions=(5,)) as broker:
        a = broker.peer("a")
        await broker.play(
            a.send(connect(level=level, name="MQIsdp" if level == 3 else "MQTT")),
            a.turned_away(0x84),
        )
