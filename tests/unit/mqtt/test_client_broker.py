"""The application as a client of the real broker, without a network."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from blackbull.app import BlackBull
from blackbull.errors import LimitExceeded
from blackbull.mqtt import Message, MQTTExtension, MQTTSettings


@pytest_asyncio.fixture
async def mqtt() -> AsyncIterator[MQTTExtension]:
    app = BlackBull()
    settings = MQTTSettings(max_queued_messages=100, max_retained=3)
    extension = app.add_extension(MQTTExtension(port=0, settings=settings))
    await extension.startup(app)
    yield extension
    await extension.shutdown(app)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0)


async def test_publish_reaches_taps_and_subscribers(mqtt: MQTTExtension) -> None:
    seen: list[Message] = []

    @mqtt.on_message("sensors/{room}")
    async def tap(msg: Message, room: str) -> None:
        seen.append(msg)

    async with mqtt.subscribe("sensors/#") as messages, mqtt.subscribe("other") as other:
        properties = {"content_type": "text/plain", "user_property": [("a", "b")]}
        reached = await mqtt.publish("sensors/attic", 21.5, qos=1, properties=properties)
        assert reached == 1
        message = await anext(messages)
        assert other.queued == 0
    await until(lambda: len(seen) == 1)
    for each in (message, seen[0]):
        assert (each.topic, each.payload, each.qos, each.retain) == (
            "sensors/attic",
            b"21.5",
            1,
            False,
        )
        assert each.properties == properties
        assert each.publisher == ""


async def test_subscribe_gets_what_is_retained_first(mqtt: MQTTExtension) -> None:
    await mqtt.publish("a", "old", retain=True)
    await mqtt.publish("b", "gone", retain=True)
    await mqtt.publish("b", b"", retain=True)
    async with mqtt.subscribe("+") as messages:
        await mqtt.publish("c", "new")
        seen = [await anext(messages) for _ in range(2)]
    assert [(each.topic, each.payload) for each in seen] == [("a", b"old"), ("c", b"new")]


async def test_publish_says_when_it_cannot_be_retained(mqtt: MQTTExtension) -> None:
    for number in range(3):
        await mqtt.publish(f"kept/{number}", b"x", retain=True)
    with pytest.raises(LimitExceeded):
        await mqtt.publish("kept/3", b"x", retain=True)


@pytest.mark.parametrize("topic", ["", "a/+", "#", "a\0"])
async def test_publish_refuses_what_is_no_topic(mqtt: MQTTExtension, topic: str) -> None:
    with pytest.raises(ValueError, match="topic"):
        await mqtt.publish(topic)


async def test_publish_refuses_an_impossible_property(mqtt: MQTTExtension) -> None:
    with pytest.raises(ValueError, match="nonsense"):
        await mqtt.publish("a", properties={"nonsense": 1})


async def test_reliable_callback_that_is_slow_loses_nothing(mqtt: MQTTExtension) -> None:
    gate = asyncio.Event()
    seen: list[str] = []

    @mqtt.on_message("jobs", reliable=True)
    async def job(msg: Message) -> None:
        await gate.wait()
        seen.append(msg.text())

    for number in range(150):
        await mqtt.publish("jobs", number)
    assert seen == []
    gate.set()
    await until(lambda: len(seen) == 150)
    assert seen == [str(number) for number in range(150)]


async def test_reliable_callback_waits_within_bytes(mqtt: MQTTExtension) -> None:
    assert mqtt.actor is not None
    gate = asyncio.Event()
    seen = 0

    @mqtt.on_message("jobs", reliable=True)
    async def job(msg: Message) -> None:
        nonlocal seen
        await gate.wait()
        seen += 1

    for _ in range(64):
        await mqtt.publish("jobs", b"")
    third = bytes(mqtt.actor.settings.max_queued_bytes // 3)
    for _ in range(5):
        await mqtt.publish("jobs", third)
    gate.set()
    await until(lambda: seen == 66)
    await mqtt.publish("jobs", third)
    await until(lambda: seen == 67)


async def test_followers_end_when_the_broker_stops() -> None:
    app = BlackBull()
    mqtt = app.add_extension(MQTTExtension(port=0))
    await mqtt.startup(app)
    async with mqtt.subscribe("a") as messages:
        await mqtt.publish("a", "last")
        await mqtt.shutdown(app)
        assert [message.text() async for message in messages] == ["last"]
    with pytest.raises(RuntimeError, match="no MQTT broker"):
        await mqtt.publish("a")


async def test_a_callback_may_publish_to_itself_without_end(mqtt: MQTTExtension) -> None:
    """Its queue is bounded and it yields: nobody else starves."""
    seen = 0

    @mqtt.on_message("echo")
    async def echo(msg: Message) -> None:
        nonlocal seen
        seen += 1
        if seen < 500:
            await mqtt.publish("echo", msg.payload)

    await mqtt.publish("echo", "x")
    await until(lambda: seen == 500)
