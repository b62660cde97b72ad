"""The broker's figures, as an extension shows them."""

from __future__ import annotations

import aiomqtt
import pytest

from blackbull import BlackBull, Settings
from blackbull.mqtt import MQTTExtension, figures
from blackbull.mqtt.settings import MQTTSettings
from blackbull.server import Server


def shown(mqtt: MQTTExtension) -> dict[str, float]:
    return {"".join([each.name, *each.labels.values()]): each.value for each in mqtt.figures()}


async def test_figures_follow_what_clients_do() -> None:
    app = BlackBull()
    mqtt = app.add_extension(MQTTExtension(port=0, settings=MQTTSettings(sys_interval=0)))
    assert shown(mqtt) == {}
    server = Server(app, settings=Settings(port=0))
    await server.start()
    ports = {each.protocol: each.address[1] for each in server.listening}
    async with (
        aiomqtt.Client("127.0.0.1", ports["mqtt"], identifier="one") as one,
        aiomqtt.Client("127.0.0.1", ports["mqtt"], identifier="two") as two,
    ):
        await one.subscribe([("a/#", 2), ("b", 0)])
        for qos in (0, 1, 2):
            for _ in range(qos + 1):
                await two.publish("a/b", b"12345", qos=qos)
        await two.publish("kept", b"12", qos=1, retain=True)
        messages = one.messages
        for _ in range(6):
            await anext(messages)
        seen = shown(mqtt)
    await server.stop()
    assert {name: seen[name] for name in (
        "clients_connected", "sessions", "subscriptions", "retained_messages", "connections",
        "messages_received0", "messages_received1", "messages_received2",
        "messages_sent0", "messages_sent1", "messages_sent2", "messages_dropped",
    )} == {
        "clients_connected": 2, "sessions": 2, "subscriptions": 2, "retained_messages": 1,
        "connections": 2,
        "messages_received0": 1, "messages_received1": 3, "messages_received2": 3,
        "messages_sent0": 1, "messages_sent1": 2, "messages_sent2": 3, "messages_dropped": 0,
    }  # fmt: skip
    assert seen["received_bytes"] > 100
    assert seen["sent_bytes"] > 100
    assert seen["retained_bytes"] > 0


async def test_many_sessions_are_counted_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "FEW", 0)
    app = BlackBull()
    mqtt = app.add_extension(MQTTExtension(port=0))
    server = Server(app, settings=Settings(port=0))
    await server.start()
    ports = {each.protocol: each.address[1] for each in server.listening}
    async with aiomqtt.Client("127.0.0.1", ports["mqtt"]) as client:
        assert mqtt.actor is not None
        stats = mqtt.actor.broker.stats
        shown(mqtt)
        await client.subscribe("a")
        assert shown(mqtt)["subscriptions"] == 0
        stats.now += figures.SECONDS
        assert shown(mqtt)["subscriptions"] == 1
    await server.stop()
