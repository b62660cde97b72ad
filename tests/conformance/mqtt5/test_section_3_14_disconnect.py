"""MQTT 5.0 §3.14: DISCONNECT."""

from __future__ import annotations

import pytest

from tests.mqtt_packets import (
    Will,
    connack,
    connect,
    disconnect,
    header,
    publish,
    suback,
    subscribe,
)
from tests.mqtt_server import Broker
from tests.spec import spec


@spec("MQTT 5.0 §3.14.4", "MQTT-3.14.4-1", "MQTT-3.14.4-2", "MQTT-3.14.2-1")
@pytest.mark.parametrize("packet", [b"\xe0\x00", b"\xe0\x01\x00", b"\xe0\x02\x00\x00"])
async def test_disconnect_in_every_length_ends_the_connection_silently(
    broker: Broker, packet: bytes
) -> None:
    a, b = broker.peers("a b")
    await broker.play(
        b.joins(),
        b.send(subscribe(1, "will")),              b.expect(suback(1, 0)),
        a.joins(will=Will("will")),
        a.send(packet),                            a.closed(),
        b.quiet(),
    )  # fmt: skip


@spec("MQTT 5.0 §3.14.4", "MQTT-3.14.4-1", "what follows a DISCONNECT is not processed")
async def test_packets_after_disconnect_are_ignored(broker: Broker) -> None:
    a, b = broker.peers("a b")
    await broker.play(
        b.joins(),
        b.send(subscribe(1, "t")),                 b.expect(suback(1, 0)),
        a.joins(),
        a.send(disconnect(), publish("t", b"x")),  a.closed(),
        b.quiet(),
    )  # fmt: skip


@spec("MQTT 5.0 §3.14.4", "MQTT-3.14.4-1", "what precedes it is")
async def test_packets_before_disconnect_are_processed(broker: Broker) -> None:
    a, b = broker.peers("a b")
    await broker.play(
        b.joins(),
        b.send(subscribe(1, ("t", 1))),            b.expect(suback(1, 1)),
        a.send(connect(), publish("t", b"x"), disconnect()),
        a.expect(connack()),                       a.closed(),
        b.expect(publish("t", b"x")),
    )  # fmt: skip


@spec("MQTT 5.0 §3.14.2.1", "MQTT-3.14.2-1", "an unknown Reason Code")
@pytest.mark.parametrize("code", [0x01, 0x03, 0x05, 0x7F, 0xFF])
async def test_disconnect_with_an_unknown_reason_code_is_refused(broker: Broker, code: int) -> None:
    a = broker.peer("a")
    await broker.play(
        a.joins(),
        a.send(header(0xE0, bytes((code,)))),      a.refused(0x82),
    )  # fmt: skip


@spec("MQTT 5.0 §3.14.2.2", "MQTT-3.14.2-2", "MQTT-4.13.1-1")
@pytest.mark.parametrize(
    ("properties", "code"),
    [
        pytest.param(b"\x0a\x11\0\0\0\x00\x11\0\0\0\x00", 0x82, id="session expiry twice"),
        pytest.param(b"\x08\x1f\0\x01a\x1f\0\x01a", 0x82, id="reason string twice"),
        pytest.param(b"\x02\x01\x01", 0x81, id="property of another packet"),
        pytest.param(b"\x05\x11\0\0", 0x81, id="cut off"),
    ],
)
async def test_disconnect_properties_are_unsound_is_refused(
    broker: Broker, properties: bytes, code: int
) -> None:
    a = broker.peer("a")
    await broker.play(
        a.joins(session_expiry_interval=60),
        a.send(header(0xE0, b"\0" + properties)),  a.refused(code),
    )  # fmt: skip


@spec("MQTT 5.0 §3.14", "MQTT-3.14.0-1")
async def test_disconnect_of_the_server_never_precedes_the_connack(broker: Broker) -> None:
    """The peer refuses any packet before it."""
    a, b = broker.peers("a b")
    await broker.play(
        a.send(connect(), header(0x63, b"\0\1")),  a.expect(connack()),
                                                   a.refused(0x81),
        b.send(b"\x10\xff\xff\xff\xff"),           b.closed(),
    )  # fmt: skip


@spec("MQTT 5.0 §3.14.2.2", "MQTT-3.14.2-2", "MQTT-4.13.2-1", "a server's DISCONNECT")
async def test_disconnect_of_the_server_has_no_session_expiry(broker: Broker) -> None:
    """The peer refuses the property."""
    a, b = broker.peers("a b")
    await broker.play(
        a.joins(session_expiry_interval=60),
        b.joins(connect("a", session_expiry_interval=60)),
        a.refused(0x8E),
        b.send(header(0x41, b"\0\1")),             b.refused(0x81),
    )  # fmt: skip


@spec("MQTT 5.0 §4.11", "0x9C Use another server, 0x9D Server moved, 0x98 Administrative action",
      "MQTT-3.14.4-1", "MQTT-3.14.4-2")  # fmt: skip
@pytest.mark.parametrize(
    ("code", "reference"), [(0x9C, "other.example"), (0x9D, "[2001:db8::1]:1883"), (0x98, "")]
)
async def test_client_is_sent_away_while_it_is_connected(
    broker: Broker, code: int, reference: str
) -> None:
    """Its Will is published, and its session goes on."""
    a, b, old = broker.peer("a"), broker.peer("b"), broker.peer("old", 4)
    sent = {"server_reference": reference} if reference else {}

    async def sends_away(port: int) -> None:
        assert broker.mqtt.disconnect("a", reason_code=code, **sent)
        assert broker.mqtt.disconnect("old", reason_code=code, **sent)
        assert not broker.mqtt.disconnect("nobody")

    await broker.play(
        b.joins(),
        b.send(subscribe(1, "will/+")),            b.expect(suback(1, 0)),
        a.joins(session_expiry_interval=60, will=Will("will/a", b"gone")),
        old.joins(),
        sends_away,
        a.expect(disconnect(code, server_reference=reference or None)), a.closed(),
        old.closed(),
        b.expect(publish("will/a", b"gone")),
        a.joins(clean=False, session_present=True),
    )  # fmt: skip


@spec("MQTT 5.0 §3.14.2.2", "MQTT-3.1.2-24", "a Server Reference that the client cannot take")
async def test_client_is_sent_away_with_more_than_it_takes_is_told_the_code(
    broker: Broker,
) -> None:
    a = broker.peer("a")

    async def sends_away(port: int) -> None:
        assert broker.mqtt.disconnect("a", reason_code=0x9D, server_reference="x" * 100)

    await broker.play(
        a.joins(maximum_packet_size=50),
        sends_away,
        a.expect(disconnect(0x9D, server_reference=None)), a.closed(),
    )  # fmt: skip


@spec("MQTT 5.0 §3.14.2.1", "MQTT-3.14.2-1", "a code that servers do not send")
@pytest.mark.parametrize("code", [0x00, 0x04, 0x7F, 0x84, 0x86, 0xFF])
async def test_client_cannot_be_sent_away_with_a_code_that_servers_do_not_send(
    broker: Broker, code: int
) -> None:
    a = broker.peer("a")
    await broker.play(a.joins())
    with pytest.raises(ValueError, match=f"0x{code:02X}"):
        broker.mqtt.disconnect("a", reason_code=code)
    await broker.play(a.quiet())
