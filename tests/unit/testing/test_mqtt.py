"""The broker for tests: callbacks are called at once, and what they raise is raised."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from blackbull.app import BlackBull
from blackbull.mqtt import Message, MQTTExtension
from blackbull.mqtt.schema import InvalidPayload
from blackbull.testing.mqtt import MAX_CHAIN, MQTTTestBroker
from tests.unit.app.doubles import get


@dataclass
class Reading:
    celsius: float


@pytest.fixture
def app() -> BlackBull:
    return BlackBull()


@pytest.fixture
def mqtt(app: BlackBull) -> MQTTExtension:
    return app.add_extension(MQTTExtension())


async def test_publish_reaches_the_callbacks_that_match(
    app: BlackBull, mqtt: MQTTExtension
) -> None:
    seen: list[tuple[object, ...]] = []

    @mqtt.on_message("sensors/{room}/temperature")
    async def on_temperature(msg: Message, room: str) -> None:
        seen.append((room, msg.payload, msg.qos, msg.retain, msg.properties))

    @mqtt.on_message("#", reliable=True)
    async def everything(msg: Message) -> None:
        seen.append((msg.topic,))

    broker = MQTTTestBroker(app)
    await broker.publish(
        "sensors/attic/temperature", b"21", qos=1, retain=True, properties={"content_type": "x"}
    )
    await broker.publish("other")
    assert seen == [
        ("attic", b"21", 1, True, {"content_type": "x"}),
        ("sensors/attic/temperature",),
        ("other",),
    ]


async def test_publish_raises_what_a_callback_raises(app: BlackBull, mqtt: MQTTExtension) -> None:
    @mqtt.on_message("boom")
    async def boom(msg: Message) -> None:
        raise ZeroDivisionError

    @mqtt.on_message("typed", schema=Reading)
    async def typed(msg: Message, reading: Reading) -> None: ...

    broker = MQTTTestBroker(app)
    with pytest.raises(ZeroDivisionError):
        await broker.publish("boom")
    with pytest.raises(InvalidPayload):
        await broker.publish("typed", {"celsius": "warm"})
    await broker.publish("typed", Reading(21.5))


async def test_broker_takes_what_the_application_publishes(
    app: BlackBull, mqtt: MQTTExtension
) -> None:
    heard: list[str] = []

    @mqtt.on_message("in", schema=float)
    async def answer(msg: Message, value: float) -> None:
        await mqtt.publish("out", value + 1, retain=True)

    @mqtt.on_message("out")
    async def hear(msg: Message) -> None:
        heard.append(msg.text())

    @app.route(path="/send")
    async def send() -> str:
        await mqtt.publish("out", "from http")
        return "sent"

    async with MQTTTestBroker(app) as broker:
        async with mqtt.subscribe("out") as messages:
            await broker.publish("in", 20.5)
            assert (await anext(messages)).payload == b"21.5"
        assert (await get(app, "/send")).status == 200
        await broker.drain()
        async with mqtt.subscribe("o/#") as nothing, mqtt.subscribe("+") as retained:
            assert (nothing.queued, retained.queued) == (0, 1)
            await broker.publish("out", b"", retain=True)
        async with mqtt.subscribe("+") as cleared:
            assert cleared.queued == 0
    assert [(each.topic, each.payload) for each in broker.published] == [
        ("out", b"21.5"),
        ("out", b"from http"),
    ]
    assert heard == ["21.5", "from http", ""]
    with pytest.raises(RuntimeError, match="no MQTT broker"):
        await mqtt.publish("out")


async def test_callbacks_that_publish_in_a_circle_are_found_out(
    app: BlackBull, mqtt: MQTTExtension
) -> None:
    @mqtt.on_message("ping")
    async def again(msg: Message) -> None:
        await mqtt.publish("ping")

    async with MQTTTestBroker(app) as broker:
        with pytest.raises(RuntimeError, match="circle"):
            await broker.publish("ping")
        assert len(broker.published) == MAX_CHAIN


@pytest.mark.parametrize("topic", ["", "a/+", "#", "a\0"])
async def test_publish_to_what_is_no_topic_is_refused(
    app: BlackBull, mqtt: MQTTExtension, topic: str
) -> None:
    with pytest.raises(ValueError, match="topic"):
        await MQTTTestBroker(app).publish(topic)


def test_broker_needs_the_extension(app: BlackBull) -> None:
    with pytest.raises(RuntimeError, match=r"add_extension\(MQTTExtension"):
        MQTTTestBroker(app)
