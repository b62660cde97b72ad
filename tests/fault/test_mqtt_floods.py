"""Clients that send as much as they can of what costs the broker most."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from blackbull.mqtt.messages import (
    MQTTConnect,
    MQTTPingreq,
    MQTTPingresp,
    MQTTPuback,
    MQTTPublish,
    MQTTSuback,
    MQTTSubscribe,
    encode_packet,
)
from blackbull.mqtt.settings import MAX_PACKET, SlowPolicy
from tests.fault.mqtt import V5, V311, Peer, connected, fired, opened, serving, until
from tests.spec import spec

every_level = pytest.mark.parametrize("level", [V311, V5], ids=["v311", "v5"])

MIB = 1 << 20


@contextmanager
def grows_by_less_than(limit: int) -> Iterator[None]:
    """Fail if more than *limit* bytes were held at any time."""
    gc.collect()
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < limit, f"{peak / MIB:.1f} MiB were held"


async def undisturbed(one: Peer, other: Peer) -> None:
    """Show that two clients that behave have a message from each other at once."""
    async with asyncio.timeout(10):
        one.say(MQTTPublish("quiet", b"hello", 1, 77))
        await one.expect(MQTTPuback)
        assert (await other.expect(MQTTPublish)).payload == b"hello"


@spec("MQTT 5.0 §3.12")
@every_level
async def test_pings_that_nobody_reads_the_answers_of_are_bounded(level: int) -> None:
    pings = encode_packet(MQTTPingreq(), level=level) * 5000
    async with (
        serving() as house,
        connected(house.port, level=level, small=True) as flood,
        connected(house.port) as one,
        connected(house.port) as other,
    ):
        await other.subscribe("quiet", qos=0)
        house.narrow(flood)
        flood.stop_reading()
        with grows_by_less_than(8 * MIB):
            while flood.writer.transport.get_write_buffer_size() < 2 * len(pings):
                flood.say(pings)
                await undisturbed(one, other)
        # Whoever reads again has its answers.
        flood.read_again()
        for _ in range(10_000):
            await flood.expect(MQTTPingresp)
        flood.reset()


@spec("MQTT 5.0 §3.1.0", "MQTT-3.1.0-2")
@every_level
async def test_second_connect_ends_the_connection(level: int) -> None:
    async with serving() as house:
        for _ in range(50):
            async with connected(house.port, "c", level=level) as peer:
                peer.say(*[MQTTConnect("c", proto_level=level)] * 20)
                assert await peer.thrown_out() == (0x82 if level == V5 else None)
        assert house.broker.connected == 0


@every_level
async def test_connections_that_come_and_go_leave_nothing(level: int) -> None:
    async with serving() as house:
        for round_ in range(5):
            for number in range(40):
                async with opened(house.port, level=level) as peer:
                    peer.say(MQTTConnect(f"c{number}", proto_level=level))
                    if (number + round_) % 2:
                        peer.say(MQTTSubscribe(1, [("a/+", 1)]))
                        await peer.hear()
                    peer.reset()
        await until(lambda: not house.server.connections)
        await until(lambda: not house.broker.sessions)
        assert len(house.broker.router.subscriptions) == 0


async def test_retained_messages_asked_for_again_and_again_are_bounded() -> None:
    """A few bytes of SUBSCRIBE ask for everything that is retained; a thousand of them, too."""
    async with (
        serving(max_retained=2000) as house,
        connected(house.port, small=True) as flood,
        connected(house.port) as one,
        connected(house.port) as other,
    ):
        await other.subscribe("quiet", qos=0)
        for number in range(2000):
            one.say(MQTTPublish(f"kept/{number}", b"x" * 100, retain=True))
        one.say(MQTTPingreq())
        await one.expect(MQTTPingresp)
        house.narrow(flood)
        flood.stop_reading()
        with grows_by_less_than(16 * MIB):
            for number in range(1, 1001):
                flood.say(MQTTSubscribe(number, [("#", 0)]))
            for _ in range(20):
                await undisturbed(one, other)
        flood.reset()


@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_retained_messages_more_than_any_queue_all_arrive(qos: int) -> None:
    async with serving(max_retained=5000, max_queued_messages=100, max_inflight=50) as house:
        async with connected(house.port) as one:
            for number in range(3000):
                one.say(
                    MQTTPublish(
                        f"kept/{number}",
                        b"%d" % number,
                        min(qos, 1),
                        (number + 1) if qos else None,
                        retain=True,
                    )
                )
                if qos and number % 50 == 49:
                    for _ in range(50):
                        await one.expect(MQTTPuback)
        async with connected(house.port) as late:
            late.say(MQTTSubscribe(1, [("kept/#", min(qos, 1))]))
            await late.expect(MQTTSuback)
            got = set()
            while len(got) < 3000:
                message = await late.expect(MQTTPublish)
                assert message.retain
                got.add(message.topic)
                if message.qos:
                    late.say(MQTTPuback(message.packet_id or 0))


async def test_topics_without_end_are_not_remembered() -> None:
    """Whom a topic reaches is remembered; a client that never repeats one fills no memory."""
    async with serving() as house, connected(house.port) as flood, connected(house.port) as other:
        await other.subscribe("nothing/#")
        with grows_by_less_than(16 * MIB):
            for number in range(6000):
                flood.say(MQTTPublish(f"{number:05}/{'x' * 4000}"))
                if number % 500 == 0:
                    flood.say(MQTTPingreq())
                    await flood.expect(MQTTPingresp)
            flood.say(MQTTPingreq())
            await flood.expect(MQTTPingresp)


@every_level
async def test_declared_and_dribbled_packet_holds_what_came_and_no_more(level: int) -> None:
    """A packet of 256 MiB, where that is allowed: nothing is set aside for what never comes."""
    async with (
        serving(max_packet_size=MAX_PACKET) as house,
        connected(house.port, level=level) as peer,
    ):
        with grows_by_less_than(4 * MIB):
            peer.say(b"\x30\xff\xff\xff\x7f\x00\x01t")
            for _ in range(64):
                peer.say(b"x" * 1024)
                await peer.writer.drain()
            await until(lambda: house.broker.stats.bytes_received > 65536)
        assert house.broker.connected == 1


async def test_bytes_one_by_one_cost_no_more_than_at_once() -> None:
    async with serving() as house, opened(house.port) as peer:
        await peer.connect()
        (view,) = house.server.connections
        consumer = view._consumer
        packet = encode_packet(MQTTPublish("t", b"x" * 50_000))
        with grows_by_less_than(2 * MIB):
            for byte in range(len(packet)):
                consumer.data_received(packet[byte : byte + 1])
                if byte % 512 == 0:
                    await asyncio.sleep(0)
        peer.say(MQTTPingreq())
        await peer.expect(MQTTPingresp)
        assert house.broker.stats.publish_received == 1


# Subscribers that are too slow ----------------------------------------------------------------


@every_level
async def test_slow_subscriber_loses_messages_and_nobody_else_does(
    caplog: pytest.LogCaptureFixture, level: int
) -> None:
    payload = b"x" * 10_000
    async with (
        serving(max_outbound_bytes=100_000) as house,
        connected(house.port, level=level, small=True) as slow,
        connected(house.port, level=level) as quick,
        connected(house.port, level=level) as one,
    ):
        await slow.subscribe("t")
        await quick.subscribe("t")
        house.narrow(slow)
        slow.stop_reading()
        with grows_by_less_than(16 * MIB):
            for number in range(1000):
                one.say(MQTTPublish("t", b"%06d" % number + payload))
                if number % 10 == 9:
                    for each in range(number - 9, number + 1):
                        got = await quick.expect(MQTTPublish)
                        assert got.payload[:6] == b"%06d" % each
        assert house.broker.stats.publish_dropped > 100
        # Back again, it has what was kept for it, in order, and then what is new.
        slow.read_again()
        one.say(MQTTPublish("t", b"999999" + payload))
        last = -1
        while last != 999_999:
            number = int((await slow.expect(MQTTPublish)).payload[:6])
            assert number > last
            last = number
            if last < 999_999:
                one.say(MQTTPublish("t", b"999999" + payload))
    assert fired(caplog) == ["mqtt_max_outbound_bytes"]


@every_level
async def test_slow_subscriber_is_disconnected_where_that_is_the_policy(
    caplog: pytest.LogCaptureFixture, level: int
) -> None:
    async with (
        serving(max_outbound_bytes=100_000, slow_policy=SlowPolicy.DISCONNECT) as house,
        connected(house.port, "slow", level=level, small=True) as slow,
        connected(house.port, level=level) as one,
    ):
        await slow.subscribe("t")
        house.narrow(slow)
        slow.stop_reading()
        for _ in range(5000):  # 50 MB: far more than the system's buffers hold
            if "slow" not in house.broker.sessions:
                break
            one.say(MQTTPublish("t", b"x" * 10_000), MQTTPingreq())
            await one.expect(MQTTPingresp)
        assert "slow" not in house.broker.sessions
        slow.read_again()
        assert await slow.thrown_out() in ({None} if level == V311 else {0x97, None})
    assert fired(caplog) == ["mqtt_max_outbound_bytes"]


async def test_slow_subscriber_of_qos_1_has_a_bounded_queue(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with (
        serving(max_queued_messages=50) as house,
        connected(house.port, "slow", small=True) as slow,
        connected(house.port) as one,
    ):
        await slow.subscribe("t", qos=1)
        house.narrow(slow)
        slow.stop_reading()
        with grows_by_less_than(24 * MIB):
            for number in range(600):
                one.say(MQTTPublish("t", b"x" * 10_000, 1, number + 1))
                await one.expect(MQTTPuback)
        assert house.broker.sessions["slow"].dropped > 100
    assert fired(caplog) == ["mqtt_max_queued_messages"]
