"""The wall clock is set while the server serves: nothing but ``Date`` takes notice."""

from __future__ import annotations

import asyncio
import time
from email.utils import parsedate_to_datetime

import pytest

from blackbull.mqtt.messages import MQTTPingreq, MQTTPingresp, MQTTPublish
from tests.conformance.peer import conversation
from tests.fault.mqtt import connected, serving

DAY = 86400.0
GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"


class WallClock:
    """The time of day, which the test sets."""

    def __init__(self) -> None:
        self._real = time.time
        self.ahead = 0.0

    def __call__(self) -> float:
        return self._real() + self.ahead


@pytest.fixture
def wall_clock(monkeypatch: pytest.MonkeyPatch) -> WallClock:
    clock = WallClock()
    monkeypatch.setattr(time, "time", clock)
    monkeypatch.setattr(time, "time_ns", lambda: int(clock() * 1e9))
    return clock


jumps = pytest.mark.parametrize("jump", [DAY, -DAY, 365 * DAY], ids=["on", "back", "far on"])


@jumps
async def test_connections_stay_and_date_follows(wall_clock: WallClock, jump: float) -> None:
    async with conversation(keep_alive_timeout=60.0) as peer:
        assert (await peer.ask(GET)).status == 200
        wall_clock.ahead = jump
        async with asyncio.timeout(5):
            while True:
                reply = await peer.ask(GET)
                assert reply.status == 200
                said = parsedate_to_datetime(reply["date"].decode()).timestamp()
                if abs(said - wall_clock()) < 5:
                    break
                await asyncio.sleep(0.05)


@jumps
async def test_timeouts_neither_come_early_nor_late(wall_clock: WallClock, jump: float) -> None:
    settings = {"header_timeout": 0.3, "keep_alive_timeout": 0.3}
    async with conversation(**settings) as peer:
        assert (await peer.ask(GET)).status == 200
        wall_clock.ahead = jump
        assert (await peer.ask(GET)).status == 200
        await peer.send(GET[:5])
        async with asyncio.timeout(5):
            assert (await peer.reply()).status == 408


@jumps
async def test_mqtt_forgets_nothing_before_its_time(wall_clock: WallClock, jump: float) -> None:
    async with serving() as house, connected(house.port, "stays", keep_alive=60) as one:
        async with connected(
            house.port, "sleeps", clean_start=True, properties={"session_expiry_interval": 3600}
        ) as other:
            await other.subscribe("t", qos=1)
        one.say(MQTTPublish("t", b"old", 1, 1, properties={"message_expiry_interval": 600}))
        wall_clock.ahead = jump
        one.say(MQTTPingreq())
        while not isinstance(await one.hear(), MQTTPingresp):
            pass
        async with connected(house.port, "sleeps", clean_start=False) as other:
            got = await other.expect(MQTTPublish)
            assert got.payload == b"old"
            assert got.properties["message_expiry_interval"] in {599, 600}
