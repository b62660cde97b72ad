"""MQTT 5.0 §3.12, §3.13: PINGREQ and PINGRESP."""

from __future__ import annotations

from tests.mqtt_packets import header, pingreq, pingresp
from tests.mqtt_server import Broker
from tests.spec import spec


@spec("MQTT 5.0 §3.12.4", "MQTT-3.12.4-1")
async def test_pingreq_is_answered_with_pingresp(broker: Broker) -> None:
    """S41."""
    (a,) = broker.peers("a")
    await broker.play(
        a.joins(),
        a.send(b"\xc0\x00"),                       a.expect_bytes(b"\xd0\x00"),
        a.send(pingreq(), pingreq(), pingreq()),   a.expect(pingresp(), pingresp(), pingresp()),
    )  # fmt: skip


@spec("MQTT 5.0 §3.12.1", "MQTT-2.1.3-1", "MQTT-4.13.1-1")
async def test_pingreq_that_has_a_body_is_malformed(broker: Broker) -> None:
    (a,) = broker.peers("a")
    await broker.play(
        a.joins(),
        a.send(header(0xC0, b"x")),                a.refused(0x81),
    )  # fmt: skip
