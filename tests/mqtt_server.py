"""A broker for conversations: a server with the MQTT extension, on a port of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import fields

import pytest_asyncio

from blackbull import BlackBull
from blackbull.config import Settings
from blackbull.mqtt import MQTTExtension
from blackbull.mqtt.settings import MQTTSettings
from blackbull.server import Server
from tests.mqtt_peer import Peer, Step, hang_up, play


class Broker:
    """A broker that runs, and the peers that talk to it.

    Attributes:
        port: Where it listens.
        server: The server, which speaks HTTP on another port.
        mqtt: The extension.
        app: The application that has it.
    """

    def __init__(self, port: int, app: BlackBull, mqtt: MQTTExtension, server: Server) -> None:
        self.port = port
        self.server = server
        self.app = app
        self.mqtt = mqtt
        self.met: list[Peer] = []

    def peer(self, name: str, level: int = 5) -> Peer:
        """Return a client that has not connected yet."""
        self.met.append(Peer(name, level))
        return self.met[-1]

    def peers(self, names: str, level: int = 5) -> tuple[Peer, ...]:
        """Return a client for each of the *names*, which are separated by spaces."""
        return tuple(self.peer(name, level) for name in names.split())

    async def play(self, *steps: Step) -> None:
        """Play a conversation."""
        await play(self.port, steps)


SETTINGS = {field.name for field in fields(MQTTSettings)}


def extension(**given: object) -> MQTTExtension:
    """Return an extension on a port that is free; what is *given* is settings or arguments."""
    settings = {name: given.pop(name) for name in list(given) if name in SETTINGS}
    return MQTTExtension(port=0, settings=MQTTSettings(**settings), **given)


@asynccontextmanager
async def running(**given: object) -> AsyncIterator[Broker]:
    """Run a broker with what is *given*: settings, or arguments of the extension."""
    app = BlackBull()
    mqtt = app.add_extension(extension(**given))
    server = Server(app, settings=Settings(port=0))
    await server.start()
    (port,) = {each.address[1] for each in server.listening if each.protocol == "mqtt"}
    broker = Broker(port, app, mqtt, server)
    try:
        yield broker
    finally:
        await hang_up(broker.met)
        await server.stop(1.0)
        await app.events.aclose()


@pytest_asyncio.fixture
async def broker() -> AsyncIterator[Broker]:
    """A broker as it is by default."""
    async with running() as started:
        yield started
