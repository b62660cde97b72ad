"""MQTT 5.0 §3.1.2.10: Keep Alive."""

from __future__ import annotations

import asyncio

from tests.mqtt_packets import Will, pingreq, pingresp, publish, suback, subscribe
from tests.mqtt_server import Broker
from tests.spec import spec


@spec("MQTT 5.0 §3.1.2.10", "MQTT-3.1.2-22", "MQTT-3.14.4-1")
async def test_keep_alive_passes_one_and_a_half_times_closes_and_publishes_the_will(
    broker: Broker,
) -> None:
    """Defect 36; S40."""
    a, b = broker.peers("a b")
    loop = asyncio.get_running_loop()
    await broker.play(
        b.joins(),
        b.send(subscribe(1, "will")),              b.expect(suback(1, 0)),
        a.joins(keep_alive=1, will=Will("will", b"gone")),
    )  # fmt: skip
    began = loop.time()
    await broker.play(a.refused(0x8D))
    assert 1.4 <= loop.time() - began <= 3.0
    await broker.play(b.expect(publish("will", b"gone")))


@spec("MQTT 5.0 §3.1.2.10", "MQTT-3.1.2-22", "every packet counts, and so does half of one")
async def test_keep_alive_any_packet_prolongs_it(broker: Broker) -> None:
    a, b = broker.peers("a b")
    await broker.play(a.joins(keep_alive=1), b.joins(keep_alive=1))
    for _ in range(2):
        await asyncio.sleep(0.9)
        await broker.play(
            a.send(pingreq()),                     a.expect(pingresp()),
            b.send(publish("t", b"x")),
        )  # fmt: skip
    await broker.play(a.quiet(), b.quiet())


@spec("MQTT 5.0 §3.1.2.10", "MQTT-3.2.2-22", "0 turns the mechanism off")
async def test_keep_alive_0_never_closes(broker: Broker) -> None:
    a, b = broker.peers("a b")
    await broker.play(
        a.joins(keep_alive=0),
        b.joins(keep_alive=1),
        b.refused(0x8D),
        a.quiet(),
    )
