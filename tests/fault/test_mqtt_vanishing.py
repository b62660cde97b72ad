"""Clients that are slow, silent or gone, and an application that thinks for long about them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import pytest

from blackbull.mqtt.messages import (
    MQTTConnack,
    MQTTConnect,
    MQTTDisconnect,
    MQTTPingreq,
    MQTTPingresp,
    MQTTPuback,
    MQTTPublish,
    MQTTSuback,
    MQTTSubscribe,
    encode_packet,
)
from tests.fault.mqtt import V5, V311, connected, fired, opened, serving, until
from tests.spec import spec

every_level = pytest.mark.parametrize("level", [V311, V5], ids=["v311", "v5"])

WILL = {"will_topic": "will", "will_payload": b"gone", "will_qos": 1}


# Slow -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("said", [b"", b"\x10", encode_packet(MQTTConnect("c"))[:-1]])
async def test_client_that_never_says_connect_is_dropped(
    caplog: pytest.LogCaptureFixture, said: bytes
) -> None:
    async with serving(connect_timeout=0.1) as house:
        async with opened(house.port) as peer:
            peer.say(said)
            assert await peer.thrown_out() is None
        assert not house.broker.sessions
    assert fired(caplog) == ["mqtt_connect_timeout"]


@every_level
async def test_connect_dribbled_has_the_same_time(
    caplog: pytest.LogCaptureFixture, level: int
) -> None:
    packet = encode_packet(MQTTConnect("c" * 100, proto_level=level), level=level)
    async with serving(connect_timeout=0.2) as house, opened(house.port, level=level) as peer:
        gone = asyncio.ensure_future(peer.thrown_out())
        for byte in packet:
            peer.say(bytes([byte]))
            if (await asyncio.wait([gone], timeout=0.02))[0]:
                break
        assert await gone is None
        assert not house.broker.sessions
    assert fired(caplog) == ["mqtt_connect_timeout"]


@every_level
async def test_packet_that_does_not_end_has_its_time_without_keep_alive(
    caplog: pytest.LogCaptureFixture, level: int
) -> None:
    publish = encode_packet(MQTTPublish("t", b"x" * 1000), level=level)
    async with serving(packet_timeout=0.2) as house:
        async with connected(house.port, level=level, keep_alive=0) as peer:
            for _ in range(20):  # packets that end take as long as they like together
                peer.say(publish[:500])
                await asyncio.sleep(0.02)
                peer.say(publish[500:])
            gone = asyncio.ensure_future(peer.thrown_out())
            peer.say(publish[:3])
            for byte in publish[3:]:
                if (await asyncio.wait([gone], timeout=0.02))[0]:
                    break
                peer.say(bytes([byte]))
            assert await gone == (0x8D if level == V5 else None)
        await until(lambda: not house.broker.sessions)
    assert fired(caplog) == ["mqtt_packet_timeout"]


async def test_client_that_was_accepted_in_time_may_be_silent() -> None:
    async with (
        serving(connect_timeout=0.1) as house,
        connected(house.port, keep_alive=0) as peer,
        opened(house.port) as silent,
    ):
        assert await silent.thrown_out() is None, "the time has passed"
        peer.say(MQTTPingreq())
        await peer.expect(MQTTPingresp)


@spec("MQTT 5.0 §3.1.2.10", "MQTT-3.1.2-22")
@every_level
@pytest.mark.parametrize("how", ["silent", "dribbles"])
async def test_client_silent_for_one_and_a_half_keep_alives_is_gone(how: str, level: int) -> None:
    """S41; a packet of which only parts come is no packet."""
    async with serving() as house, connected(house.port, level=level) as watcher:
        await watcher.subscribe("will", qos=1)
        began = asyncio.get_running_loop().time()
        async with connected(house.port, level=level, keep_alive=1, **WILL) as peer:
            if how == "dribbles":
                peer.say(b"\x30\x7f\x00\x01t")
            gone = asyncio.ensure_future(peer.thrown_out())
            while not (await asyncio.wait([gone], timeout=0.1))[0]:
                if how == "dribbles":
                    peer.say(b"x")
            assert await gone == (0x8D if level == V5 else None)
        assert 1.4 < asyncio.get_running_loop().time() - began < 2.5
        assert (await watcher.expect(MQTTPublish)).payload == b"gone"


# Gone -----------------------------------------------------------------------------------------


@spec("MQTT 5.0 §3.1.2.5", "MQTT-3.1.2-8")
@every_level
@pytest.mark.parametrize(
    "how", ["resets", "closes", "half-closes", "breaks off", "breaks a rule", "is taken over"]
)
async def test_will_of_a_client_that_goes_without_a_word(level: int, how: str) -> None:
    """S40."""
    async with serving() as house, connected(house.port, level=level) as watcher:
        await watcher.subscribe("will", qos=1)
        async with connected(house.port, "mortal", level=level, **WILL) as peer:
            await peer.subscribe("t")
            if how == "resets":
                peer.reset()
            elif how == "closes":
                peer.writer.close()
            elif how == "half-closes":
                peer.writer.write_eof()
                assert await peer.thrown_out() is None
            elif how == "breaks off":
                peer.say(encode_packet(MQTTPublish("t", b"x" * 1000), level=level)[:500])
                peer.writer.close()
            elif how == "breaks a rule":
                peer.say(b"\xf7\x00")
                assert await peer.thrown_out() == (0x81 if level == V5 else None)
            else:
                async with connected(house.port, "mortal", level=level) as again:
                    again.say(MQTTPingreq())
                    await again.expect(MQTTPingresp)
            got = await watcher.expect(MQTTPublish)
            assert (got.topic, got.payload, got.qos) == ("will", b"gone", 1)
        watcher.say(MQTTPuback(got.packet_id or 0), MQTTPingreq())
        await watcher.expect(MQTTPingresp)


@every_level
async def test_client_that_says_goodbye_and_resets_costs_nobody_anything(level: int) -> None:
    """Its socket is gone before it is closed."""
    async with serving() as house, connected(house.port, level=level) as watcher:
        await watcher.subscribe("will")
        for _ in range(20):
            async with connected(house.port, level=level, **WILL) as peer:
                peer.say(MQTTPublish("will", b"said"), MQTTDisconnect())
                await peer.writer.drain()
                peer.reset()
            assert (await watcher.expect(MQTTPublish)).payload == b"said"
        watcher.say(MQTTPingreq())
        await watcher.expect(MQTTPingresp)


@spec("MQTT 5.0 §4.8.2", "MQTT-4.8.2-5")
@every_level
async def test_message_of_a_group_goes_to_another_member_when_one_vanishes(level: int) -> None:
    async with (
        serving() as house,
        connected(house.port, level=level) as one,
        connected(house.port, level=level) as a,
    ):
        async with connected(house.port, level=level) as b:
            for member in (a, b):
                await member.subscribe("$share/g/t", qos=1)
            for number in range(1, 11):
                one.say(MQTTPublish("t", b"%d" % number, 1, number))
                await one.expect(MQTTPuback)
            for _ in range(5):
                await b.expect(MQTTPublish)
            b.reset()
        got = [(await a.expect(MQTTPublish)).payload for _ in range(10)]
        assert sorted(got, key=int) == [b"%d" % number for number in range(1, 11)]


async def test_server_that_stops_tells_its_clients() -> None:
    async with (
        serving(extension={}) as house,
        connected(house.port) as new,
        connected(house.port, level=V311) as old,
        connected(house.port) as chatty,
    ):
        await chatty.subscribe("#")
        stopping = asyncio.ensure_future(house.server.stop(2.0))
        for _ in range(100):
            chatty.say(MQTTPublish("t", b"x"))
            await asyncio.sleep(0)
        assert await new.thrown_out() == 0x8B
        assert await old.thrown_out() is None
        assert await chatty.thrown_out() == 0x8B
        for peer in (new, old, chatty):
            peer.writer.close()
        await stopping


# Hooks that think for long --------------------------------------------------------------------


class Thinker:
    """A hook that answers when it is told to."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.asked = 0
        self.cancelled = 0

    async def authenticate(self, request: object) -> bool:
        return await self._think()

    def authorize(self, client: object, action: str, topic: str) -> Awaitable[bool]:
        return self._think()

    async def _think(self) -> bool:
        self.asked += 1
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return True


async def test_client_that_leaves_while_it_is_judged_is_judged_no_longer() -> None:
    """Nobody can make tasks pile up by connecting and leaving."""
    thinker = Thinker()
    hooks = {"authenticate": thinker.authenticate}
    async with serving(extension=hooks, connect_timeout=0.3) as house:
        for number in range(20):
            async with opened(house.port) as peer:
                peer.say(MQTTConnect("c"), MQTTPublish("t"))
                await until(lambda number=number: thinker.asked > number)  # type: ignore[misc]
                peer.reset()
        await until(lambda: thinker.cancelled == 20)
        assert not house.broker.sessions
        thinker.go.set()
        async with connected(house.port) as peer:
            await peer.leave()


async def test_client_judged_for_too_long_is_dropped(caplog: pytest.LogCaptureFixture) -> None:
    thinker = Thinker()
    hooks = {"authenticate": thinker.authenticate}
    async with serving(extension=hooks, connect_timeout=0.1) as house:
        async with opened(house.port) as peer:
            peer.say(MQTTConnect("c"))
            assert await peer.thrown_out() is None
        await until(lambda: thinker.cancelled)
        assert not house.broker.sessions
    assert fired(caplog) == ["mqtt_connect_timeout"]


@every_level
async def test_what_a_client_said_before_it_left_is_still_judged(level: int) -> None:
    """A client that publishes and goes at once is the usual one."""
    thinker = Thinker()
    async with serving(extension={"authorize": thinker.authorize}) as house:
        async with connected(house.port, level=level) as watcher:
            watcher.say(MQTTSubscribe(1, [("t", 0)]))
            await until(lambda: thinker.asked)
            thinker.go.set()
            await watcher.expect(MQTTSuback)
            thinker.go.clear()
            async with opened(house.port, level=level) as peer:
                connect = MQTTConnect("c", proto_level=level)
                peer.say(connect, MQTTPublish("t", b"1"), MQTTPublish("t", b"2"), MQTTDisconnect())
                await peer.expect(MQTTConnack)
            thinker.go.set()
            got = [(await watcher.expect(MQTTPublish)).payload for _ in range(2)]
            assert got == [b"1", b"2"]
        await until(lambda: not house.broker.sessions)


@every_level
async def test_subscriptions_without_number_are_all_judged_once(level: int) -> None:
    """However many filters one packet has: as many as a session may have are asked about."""
    asked: list[str] = []

    async def authorize(client: object, action: str, topic: str) -> bool:
        asked.append(topic)
        return topic != "f/77"

    refused, too_many = (0x80, 0x80) if level == V311 else (0x87, 0x97)
    async with (
        serving(extension={"authorize": authorize}, max_subscriptions=200) as house,
        connected(house.port, level=level) as peer,
    ):
        filters = [f"f/{number}" for number in range(5000)]
        codes = await peer.subscribe(*filters)
        assert codes == [0] * 77 + [refused] + [0] * 122 + [too_many] * 4800
        assert asked == filters[:200]
